//! Members, and who brought whom.

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::{
    domain::{
        id::Id,
        member::{Member, MemberProfile},
    },
    effects::Inviter,
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json, word},
    communities::lock_community,
    database::Transaction,
    rows::number,
};

/// What became of binding a member to an inviter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Yes,
    /// By the same one, before.
    Before,
    /// Somebody else has brought them.
    Already,
    /// They have brought the inviter, or whoever brought the inviter.
    Cycle,
}

/// What became of the members that somebody brought, into the community or into a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct InviteStats {
    pub invited: i64,
    /// Those of them who are in a group; of a group's: who have come in.
    pub joined: i64,
    /// Those of them who have ordered.
    pub qualified: i64,
    /// Those of them who have left: the community, or the group.
    pub reversed: i64,
}

impl InviteStats {
    pub(super) fn read(row: &AnyRow) -> anyhow::Result<Self> {
        Ok(Self {
            invited: row.int("invited")?,
            joined: row.int("joined")?,
            qualified: row.int("qualified")?,
            reversed: row.int("reversed")?,
        })
    }
}

impl Store {
    /// Creates or updates: what the profile leaves out keeps its value; what is kept for ever is never overwritten.
    pub(crate) async fn put_member(
        &self,
        community: &Id,
        id: &Id,
        profile: &MemberProfile,
        defaults: &Member,
    ) -> anyhow::Result<Member> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "INSERT INTO members (community, id, status, tier, tags, clusters, time_zone, channel, registered_at, first_order_at, language)
             VALUES ($1, $2, COALESCE($3, $11), COALESCE($4, $12), COALESCE($5, '[]'), COALESCE($6, '[]'), COALESCE($7, $13),
                     $8, COALESCE($9, $14), $10, $15)
             ON CONFLICT (community, id) DO UPDATE SET
                status = COALESCE($3, members.status), tier = COALESCE($4, members.tier), tags = COALESCE($5, members.tags),
                clusters = COALESCE($6, members.clusters), time_zone = COALESCE($7, members.time_zone),
                channel = COALESCE(members.channel, $8), first_order_at = COALESCE(members.first_order_at, $10),
                language = COALESCE($15, members.language)
             RETURNING *",
        )
        .bind(community.as_str())
        .bind(id.as_str())
        .bind(profile.status.map(word))
        .bind(profile.tier.as_deref())
        .bind(profile.tags.as_ref().map(json))
        .bind(profile.clusters.as_ref().map(json))
        .bind(profile.time_zone.as_deref())
        .bind(profile.channel.as_deref())
        .bind(profile.registered_at)
        .bind(profile.first_order_at)
        .bind(word(defaults.status))
        .bind(defaults.tier.as_str())
        .bind(defaults.time_zone.as_str())
        .bind(defaults.registered_at)
        .bind(profile.language.as_deref())
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        self.members.invalidate(&(community.clone(), id.clone()));
        read(&row)
    }

    /// The member, at most two seconds old where another host changed it.
    pub(crate) async fn member(&self, community: &Id, id: &Id) -> anyhow::Result<Option<Member>> {
        let key = (community.clone(), id.clone());
        if let Some(known) = self.members.get(&key) {
            return Ok(known);
        }
        let row = sqlx::query("SELECT * FROM members WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        let member = row.as_ref().map(read).transpose()?;
        // A member who is missing may come at any moment, through any host.
        if member.is_some() {
            self.members.insert(key, member.clone());
        }
        Ok(member)
    }

    pub(crate) async fn members(&self, community: &Id, page: &PageRequest) -> anyhow::Result<Page<Member>> {
        let rows = sqlx::query("SELECT * FROM members WHERE community = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(community.as_str())
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let members = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(members, page.limit, |member: &Member| member.id.to_string()))
    }

    /// Ids of the members who carry a tag. `tag` is JSON, quotes included. (LIKE would tell case apart on one database alone.)
    pub(crate) async fn members_tagged(
        &self,
        community: &Id,
        tag: &str,
        page: &PageRequest,
    ) -> anyhow::Result<Page<Id>> {
        let rows = sqlx::query(
            "SELECT id FROM members WHERE community = $1 AND id > $2 AND REPLACE(tags, $3, '') <> tags ORDER BY id LIMIT $4",
        )
        .bind(community.as_str())
        .bind(page.after.as_str())
        .bind(tag)
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let ids = rows.iter().map(|row| row.id("id")).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(ids, page.limit, Id::to_string))
    }

    /// Binds a member to who brought them, once and for ever.
    pub(crate) async fn bind_inviter(&self, community: &Id, invitee: &Id, inviter: &Inviter) -> anyhow::Result<Bound> {
        let mut tx = self.begin().await?;
        let bound = bind(&mut tx, community, invitee, inviter).await?;
        tx.commit().await?;
        self.members.invalidate(&(community.clone(), invitee.clone()));
        Ok(bound)
    }

    pub(crate) async fn invite_stats(&self, community: &Id, inviter: &Id, since: i64) -> anyhow::Result<InviteStats> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS invited,
                    COUNT(CASE WHEN EXISTS (SELECT 1 FROM group_members
                        WHERE group_members.community = members.community AND group_members.member = members.id AND state = 'joined')
                        THEN 1 END) AS joined,
                    COUNT(first_order_at) AS qualified,
                    COUNT(CASE WHEN status = 'closed' THEN 1 END) AS reversed
             FROM members WHERE community = $1 AND inviter = $2 AND registered_at >= $3",
        )
        .bind(community.as_str())
        .bind(inviter.as_str())
        .bind(since)
        .fetch_one(&self.reader)
        .await?;
        InviteStats::read(&row)
    }
}

/// Binds a member to who brought them, unless that would change something or close a circle.
pub(super) async fn bind(
    tx: &mut Transaction,
    community: &Id,
    invitee: &Id,
    Inviter { inviter, source }: &Inviter,
) -> anyhow::Result<Bound> {
    // One at a time in a community: two that bind each other must not both find the way free.
    lock_community(tx, community).await?;
    let before = sqlx::query("SELECT inviter FROM members WHERE community = $1 AND id = $2")
        .bind(community.as_str())
        .bind(invitee.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    match before.map(|row| row.id_or_none("inviter")).transpose()?.flatten() {
        Some(before) if before == *inviter => return Ok(Bound::Before),
        Some(_) => return Ok(Bound::Already),
        None if is_above(tx, community, invitee, inviter).await? => return Ok(Bound::Cycle),
        None => {}
    }
    let bound = sqlx::query(
        "UPDATE members SET inviter = $3, inviter_source = $4 WHERE community = $1 AND id = $2 AND inviter IS NULL",
    )
    .bind(community.as_str())
    .bind(invitee.as_str())
    .bind(inviter.as_str())
    .bind(source.as_str())
    .execute(&mut **tx)
    .await?
    .rows_affected();
    Ok(if bound == 1 { Bound::Yes } else { Bound::Already })
}

/// Whether a member is another one, or brought them, or whoever brought them, and so on.
async fn is_above(tx: &mut Transaction, community: &Id, member: &Id, other: &Id) -> anyhow::Result<bool> {
    let found = sqlx::query(
        "WITH RECURSIVE above (id) AS (
            SELECT id FROM members WHERE community = $1 AND id = $2
            UNION SELECT members.inviter FROM members JOIN above ON members.id = above.id
            WHERE members.community = $1 AND members.inviter IS NOT NULL
         ) SELECT COUNT(*) FROM above WHERE id = $3",
    )
    .bind(community.as_str())
    .bind(other.as_str())
    .bind(member.as_str())
    .fetch_one(&mut **tx)
    .await?;
    Ok(number(&found)? > 0)
}

fn read(row: &AnyRow) -> anyhow::Result<Member> {
    Ok(Member {
        id: row.id("id")?,
        status: row.word("status")?,
        tier: row.text("tier")?,
        tags: row.json("tags")?,
        clusters: row.json("clusters")?,
        time_zone: row.text("time_zone")?,
        channel: row.text_or_none("channel")?,
        registered_at: row.int("registered_at")?,
        first_order_at: row.int_or_none("first_order_at")?,
        inviter: row.id_or_none("inviter")?,
        language: row.text_or_none("language")?,
    })
}
