//! Groups and their members.

use sqlx::any::AnyRow;

use crate::domain::{
    group::{Group, GroupProfile, GroupRole, GroupRules, Membership, MembershipProfile, RulesDocument},
    id::Id,
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json, word},
    database::Transaction,
    members::InviteStats,
};

/// What became of joining a group.
#[derive(Debug)]
pub(crate) enum Joined {
    Yes(Membership),
    /// As many are in it as its capacity allows.
    Full,
    /// It has as many administrators as a group may have.
    Administered,
}

/// What became of accepting a group's rules.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    Yes,
    /// The member is not in the group.
    NotIn,
    /// The rules have another version by now, or there are none.
    Other,
}

/// Administrators of one group.
pub(crate) const ADMINISTRATORS_MAX: i64 = 3;

const GROUPS: &str = "SELECT groups.*, (SELECT COUNT(*) FROM group_members
     WHERE group_members.community = groups.community AND group_members.group_id = groups.id AND state = 'joined') AS member_count
     FROM groups";

impl Store {
    pub(crate) async fn put_group(&self, community: &Id, id: &Id, profile: &GroupProfile) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO groups (community, id, name, kind, region, capacity, rules_version, parent)
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7)
             ON CONFLICT (community, id) DO UPDATE SET name = excluded.name, kind = excluded.kind, region = excluded.region,
                capacity = excluded.capacity, parent = excluded.parent",
        )
        .bind(community.as_str())
        .bind(id.as_str())
        .bind(profile.name.as_str())
        .bind(word(profile.kind))
        .bind(profile.region.as_deref())
        .bind(i64::from(profile.capacity))
        .bind(profile.parent.as_ref().map(Id::as_str))
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn group(&self, community: &Id, id: &Id) -> anyhow::Result<Option<Group>> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{GROUPS} WHERE community = $1 AND id = $2")))
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read_group).transpose()
    }

    pub(crate) async fn groups(&self, community: &Id, page: &PageRequest) -> anyhow::Result<Page<Group>> {
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(format!("{GROUPS} WHERE community = $1 AND id > $2 ORDER BY id LIMIT $3")))
                .bind(community.as_str())
                .bind(page.after.as_str())
                .bind(page.fetch())
                .fetch_all(&self.reader)
                .await?;
        let groups = rows.iter().map(read_group).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(groups, page.limit, |group: &Group| group.id.to_string()))
    }

    /// Puts a member into a group, or changes the role; the time of joining stays. None where there is no such group.
    pub(crate) async fn put_membership(
        &self,
        of: (&Id, &Id, &Id),
        profile: &MembershipProfile,
        now: i64,
    ) -> anyhow::Result<Option<Joined>> {
        let mut tx = self.begin().await?;
        let joined = join(&mut tx, of, (profile.role, profile.invited_by.as_ref()), now).await?;
        if matches!(joined, Some(Joined::Yes(_))) {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(joined)
    }

    /// Invites a member into a group; whoever was first has invited. False where the member is in it.
    pub(crate) async fn invite(&self, (community, group, member): (&Id, &Id, &Id), by: &Id, now: i64) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO group_members (community, group_id, member, role, joined_at, invited_by, rules_accepted_version, state, invited_at)
             VALUES ($1, $2, $3, 'participant', 0, $4, 0, 'invited', $5)
             ON CONFLICT (community, group_id, member) DO UPDATE SET state = 'invited', left_at = NULL,
               invited_by = COALESCE(group_members.invited_by, $4), invited_at = COALESCE(group_members.invited_at, $5)
             WHERE group_members.state = 'left'",
        )
        .bind(community.as_str())
        .bind(group.as_str())
        .bind(member.as_str())
        .bind(by.as_str())
        .bind(now)
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query("SELECT state FROM group_members WHERE community = $1 AND group_id = $2 AND member = $3")
            .bind(community.as_str())
            .bind(group.as_str())
            .bind(member.as_str())
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(row.text("state")? == "invited")
    }

    /// Who has invited a member into a group, while that invitation is open.
    pub(crate) async fn invitation(&self, (community, group, member): (&Id, &Id, &Id)) -> anyhow::Result<Option<Id>> {
        let row = sqlx::query(
            "SELECT invited_by FROM group_members WHERE community = $1 AND group_id = $2 AND member = $3 AND state = 'invited'",
        )
        .bind(community.as_str())
        .bind(group.as_str())
        .bind(member.as_str())
        .fetch_optional(&self.reader)
        .await?;
        Ok(row.map(|row| row.id_or_none("invited_by")).transpose()?.flatten())
    }

    /// Takes a member out of a group. False where the member was not in it.
    pub(crate) async fn remove_membership(&self, of: (&Id, &Id, &Id), now: i64) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let left = leave(&mut tx, of, now).await?;
        tx.commit().await?;
        Ok(left)
    }

    /// Gives a group other rules; the same ones change nothing. Answers their version; none where there is no such group.
    pub(crate) async fn put_group_rules(
        &self,
        community: &Id,
        group: &Id,
        document: &RulesDocument,
        now: i64,
    ) -> anyhow::Result<Option<i64>> {
        let mut tx = self.begin().await?;
        let Some(version) = lock(&mut tx, community, group).await?.map(|row| row.int("rules_version")).transpose()? else {
            tx.rollback().await?;
            return Ok(None);
        };
        let text = json(document);
        let before = sqlx::query("SELECT document FROM group_rules WHERE community = $1 AND group_id = $2 AND version = $3")
            .bind(community.as_str())
            .bind(group.as_str())
            .bind(version)
            .fetch_optional(&mut *tx)
            .await?;
        if before.map(|row| row.text("document")).transpose()?.as_deref() == Some(text.as_str()) {
            tx.rollback().await?;
            return Ok(Some(version));
        }
        let next = version + 1;
        sqlx::query("INSERT INTO group_rules (community, group_id, version, document, at) VALUES ($1, $2, $3, $4, $5)")
            .bind(community.as_str())
            .bind(group.as_str())
            .bind(next)
            .bind(text)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE groups SET rules_version = $3 WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(group.as_str())
            .bind(next)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Some(next))
    }

    /// A version of a group's rules, or the newest.
    pub(crate) async fn group_rules(&self, community: &Id, group: &Id, version: Option<i64>) -> anyhow::Result<Option<GroupRules>> {
        let row = sqlx::query(
            "SELECT * FROM group_rules WHERE community = $1 AND group_id = $2 AND version = COALESCE($3, version)
             ORDER BY version DESC LIMIT 1",
        )
        .bind(community.as_str())
        .bind(group.as_str())
        .bind(version)
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            Ok(GroupRules { version: row.int("version")?, at: row.int("at")?, document: row.json("document")? })
        })
        .transpose()
    }

    /// The member accepts the rules as they are in this version. What was accepted is kept for ever.
    pub(crate) async fn accept_rules(
        &self,
        (community, group, member): (&Id, &Id, &Id),
        version: i64,
        now: i64,
    ) -> anyhow::Result<Accepted> {
        let mut tx = self.begin().await?;
        let current = lock(&mut tx, community, group).await?.map(|row| row.int("rules_version")).transpose()?;
        if current != Some(version) || version == 0 {
            tx.rollback().await?;
            return Ok(Accepted::Other);
        }
        let accepted = sqlx::query(
            "UPDATE group_members SET rules_accepted_version = $4
             WHERE community = $1 AND group_id = $2 AND member = $3 AND state = 'joined'",
        )
        .bind(community.as_str())
        .bind(group.as_str())
        .bind(member.as_str())
        .bind(version)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if accepted == 0 {
            tx.rollback().await?;
            return Ok(Accepted::NotIn);
        }
        sqlx::query(
            "INSERT INTO rule_acceptances (community, group_id, member, version, at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(community.as_str())
        .bind(group.as_str())
        .bind(member.as_str())
        .bind(version)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Accepted::Yes)
    }

    /// What became of those who were brought into a group since an instant, by one member or by anybody.
    pub(crate) async fn group_invite_stats(
        &self,
        community: &Id,
        group: &Id,
        inviter: Option<&Id>,
        since: i64,
    ) -> anyhow::Result<InviteStats> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS invited,
                    COUNT(CASE WHEN joined_at > 0 THEN 1 END) AS joined,
                    COUNT(CASE WHEN joined_at > 0 THEN first_order_at END) AS qualified,
                    COUNT(CASE WHEN joined_at > 0 AND (state = 'left' OR status = 'closed') THEN 1 END) AS reversed
             FROM group_members JOIN members ON members.community = group_members.community AND members.id = group_members.member
             WHERE group_members.community = $1 AND group_id = $2 AND invited_by IS NOT NULL
               AND invited_by = COALESCE($3, invited_by) AND COALESCE(invited_at, joined_at) >= $4",
        )
        .bind(community.as_str())
        .bind(group.as_str())
        .bind(inviter.map(Id::as_str))
        .bind(since)
        .fetch_one(&self.reader)
        .await?;
        InviteStats::read(&row)
    }

    pub(crate) async fn membership(
        &self,
        community: &Id,
        group: &Id,
        member: &Id,
    ) -> anyhow::Result<Option<Membership>> {
        let row = sqlx::query("SELECT * FROM group_members WHERE community = $1 AND group_id = $2 AND member = $3 AND state = 'joined'")
            .bind(community.as_str())
            .bind(group.as_str())
            .bind(member.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read_membership).transpose()
    }

    pub(crate) async fn memberships(
        &self,
        community: &Id,
        member: &Id,
        limit: usize,
    ) -> anyhow::Result<Vec<Membership>> {
        let rows =
            sqlx::query("SELECT * FROM group_members WHERE community = $1 AND member = $2 AND state = 'joined' ORDER BY group_id LIMIT $3")
                .bind(community.as_str())
                .bind(member.as_str())
                .bind(i64::try_from(limit)?)
                .fetch_all(&self.reader)
                .await?;
        rows.iter().map(read_membership).collect()
    }

    pub(crate) async fn group_members(
        &self,
        community: &Id,
        group: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<Membership>> {
        let rows = sqlx::query(
            "SELECT * FROM group_members WHERE community = $1 AND group_id = $2 AND member > $3 AND state = 'joined'
             ORDER BY member LIMIT $4",
        )
        .bind(community.as_str())
        .bind(group.as_str())
        .bind(page.after.as_str())
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let memberships = rows.iter().map(read_membership).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(memberships, page.limit, |membership: &Membership| membership.member.to_string()))
    }
}

/// Locks a group, so that two who come at once come one after the other. None where there is no such group.
pub(super) async fn lock(tx: &mut Transaction, community: &Id, group: &Id) -> anyhow::Result<Option<AnyRow>> {
    let locked = "UPDATE groups SET capacity = capacity WHERE community = $1 AND id = $2 RETURNING *";
    Ok(sqlx::query(locked).bind(community.as_str()).bind(group.as_str()).fetch_optional(&mut **tx).await?)
}

/// Puts a member into a group, where there is room. None where there is no such group.
pub(super) async fn join(
    tx: &mut Transaction,
    (community, group, member): (&Id, &Id, &Id),
    (role, invited_by): (GroupRole, Option<&Id>),
    now: i64,
) -> anyhow::Result<Option<Joined>> {
    let Some(locked) = lock(tx, community, group).await? else { return Ok(None) };
    let capacity = locked.int("capacity")?;
    let others = sqlx::query(
        "SELECT COUNT(*) AS members, COUNT(CASE WHEN role = 'administrator' THEN 1 END) AS administrators FROM group_members
         WHERE community = $1 AND group_id = $2 AND member <> $3 AND state = 'joined'",
    )
    .bind(community.as_str())
    .bind(group.as_str())
    .bind(member.as_str())
    .fetch_one(&mut **tx)
    .await?;
    if capacity > 0 && others.int("members")? >= capacity {
        return Ok(Some(Joined::Full));
    }
    if role == GroupRole::Administrator && others.int("administrators")? >= ADMINISTRATORS_MAX {
        return Ok(Some(Joined::Administered));
    }
    let row = sqlx::query(
        "INSERT INTO group_members (community, group_id, member, role, joined_at, invited_by, rules_accepted_version, state)
         VALUES ($1, $2, $3, $4, $5, $6, 0, 'joined')
         ON CONFLICT (community, group_id, member) DO UPDATE SET role = excluded.role, state = 'joined', left_at = NULL,
            joined_at = CASE WHEN group_members.state = 'joined' THEN group_members.joined_at ELSE excluded.joined_at END,
            invited_by = COALESCE(group_members.invited_by, excluded.invited_by)
         RETURNING *",
    )
    .bind(community.as_str())
    .bind(group.as_str())
    .bind(member.as_str())
    .bind(word(role))
    .bind(now)
    .bind(invited_by.map(Id::as_str))
    .fetch_one(&mut **tx)
    .await?;
    Ok(Some(Joined::Yes(read_membership(&row)?)))
}

/// Takes a member out of a group, or an invitation back. False where there was neither.
pub(super) async fn leave(
    tx: &mut Transaction,
    (community, group, member): (&Id, &Id, &Id),
    now: i64,
) -> anyhow::Result<bool> {
    let left = sqlx::query(
        "UPDATE group_members SET state = 'left', left_at = $4, role = 'participant'
         WHERE community = $1 AND group_id = $2 AND member = $3 AND state <> 'left'",
    )
    .bind(community.as_str())
    .bind(group.as_str())
    .bind(member.as_str())
    .bind(now)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    Ok(left == 1)
}

fn read_group(row: &AnyRow) -> anyhow::Result<Group> {
    Ok(Group {
        id: row.id("id")?,
        name: row.text("name")?,
        kind: row.word("kind")?,
        region: row.text_or_none("region")?,
        capacity: row.int("capacity")?,
        rules_version: row.int("rules_version")?,
        parent: row.id_or_none("parent")?,
        member_count: row.int("member_count")?,
    })
}

fn read_membership(row: &AnyRow) -> anyhow::Result<Membership> {
    Ok(Membership {
        group: row.id("group_id")?,
        member: row.id("member")?,
        role: row.word("role")?,
        joined_at: row.int("joined_at")?,
        invited_by: row.id_or_none("invited_by")?,
        rules_accepted_version: row.int("rules_accepted_version")?,
        muted_until: row.int("muted_until")?,
    })
}
