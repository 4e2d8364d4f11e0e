//! Groups and their members.

use sqlx::any::AnyRow;

use crate::domain::{
    activity::Scope,
    group::{Group, GroupProfile, GroupRole, Membership, MembershipProfile},
    id::Id,
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, word},
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
    /// The member may not act at all.
    Inactive,
    /// Nobody has invited the member, or the invitation was taken back.
    NotInvited,
}

/// How a member comes into a group.
#[derive(Debug, Clone, Copy)]
pub(super) enum Coming<'a> {
    /// Put there in a role, brought by somebody or nobody.
    Placed(GroupRole, Option<&'a Id>),
    /// By an invitation that is open.
    Invited,
    /// Proposed and accepted.
    Promoted,
}

/// How a member goes out of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Going {
    ByThemselves,
    /// Taken out: only who may do that brings them back.
    TakenOut,
}

/// What became of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invited {
    Open,
    /// The member is in the group.
    AlreadyIn,
    /// The member was taken out of it.
    TakenOut,
}

/// Administrators of one group.
pub(crate) const ADMINISTRATORS_MAX: i64 = 3;

/// Groups of a member that are looked through.
pub(crate) const MEMBERSHIPS_MAX: usize = 1_000;

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
        self.come(of, Coming::Placed(profile.role, profile.invited_by.as_ref()), now).await
    }

    /// The member accepts an invitation; who is in the group already stays there. None where there is no such group.
    pub(crate) async fn accept_invitation(&self, of: (&Id, &Id, &Id), now: i64) -> anyhow::Result<Option<Joined>> {
        self.come(of, Coming::Invited, now).await
    }

    async fn come(&self, of: (&Id, &Id, &Id), how: Coming<'_>, now: i64) -> anyhow::Result<Option<Joined>> {
        let mut tx = self.begin().await?;
        let joined = join(&mut tx, of, how, now).await?;
        if matches!(joined, Some(Joined::Yes(_))) {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(joined)
    }

    /// Invites a member into a group; whoever was first has invited. Whoever was taken out is only brought back by who may do so.
    pub(crate) async fn invite(
        &self,
        (community, group, member): (&Id, &Id, &Id),
        (by, may_bring_back): (&Id, bool),
        now: i64,
    ) -> anyhow::Result<Invited> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO group_members (community, group_id, member, role, joined_at, invited_by, rules_accepted_version, state, invited_at)
             VALUES ($1, $2, $3, 'participant', 0, $4, 0, 'invited', $5)
             ON CONFLICT (community, group_id, member) DO UPDATE SET state = 'invited', left_at = NULL,
               invited_by = COALESCE(group_members.invited_by, $4), invited_at = COALESCE(group_members.invited_at, $5)
             WHERE group_members.state = 'left' OR (group_members.state = 'removed' AND $6 = 1)",
        )
        .bind(community.as_str())
        .bind(group.as_str())
        .bind(member.as_str())
        .bind(by.as_str())
        .bind(now)
        .bind(i64::from(may_bring_back))
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query("SELECT state FROM group_members WHERE community = $1 AND group_id = $2 AND member = $3")
            .bind(community.as_str())
            .bind(group.as_str())
            .bind(member.as_str())
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(match row.text("state")?.as_str() {
            "invited" => Invited::Open,
            "removed" => Invited::TakenOut,
            _ => Invited::AlreadyIn,
        })
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
    pub(crate) async fn remove_membership(&self, of: (&Id, &Id, &Id), how: Going, now: i64) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let left = leave(&mut tx, of, how, now).await?;
        tx.commit().await?;
        Ok(left)
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
                    COUNT(CASE WHEN joined_at >= COALESCE(invited_at, 1) THEN 1 END) AS joined,
                    COUNT(CASE WHEN joined_at >= COALESCE(invited_at, 1) THEN first_order_at END) AS qualified,
                    COUNT(CASE WHEN joined_at >= COALESCE(invited_at, 1) AND (state <> 'joined' OR status = 'closed') THEN 1 END)
                      AS reversed
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
        let row = sqlx::query(
            "SELECT * FROM group_members WHERE community = $1 AND group_id = $2 AND member = $3 AND state = 'joined'",
        )
        .bind(community.as_str())
        .bind(group.as_str())
        .bind(member.as_str())
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(read_membership).transpose()
    }

    /// A member's places in some of these groups.
    pub(crate) async fn memberships_of(
        &self,
        community: &Id,
        member: &Id,
        groups: &[Id],
    ) -> anyhow::Result<Vec<Membership>> {
        if let [group] = groups {
            return Ok(self.membership(community, group, member).await?.into_iter().collect());
        }
        let places = self.memberships(community, member, MEMBERSHIPS_MAX).await?;
        Ok(places.into_iter().filter(|place| groups.contains(&place.group)).collect())
    }

    /// A member's places in groups that a scope names by what they are.
    pub(crate) async fn memberships_within(
        &self,
        community: &Id,
        member: &Id,
        scope: &Scope,
    ) -> anyhow::Result<Vec<Membership>> {
        let rows = sqlx::query(
            "SELECT group_members.*, groups.kind, groups.region FROM group_members
             JOIN groups ON groups.community = group_members.community AND groups.id = group_members.group_id
             WHERE group_members.community = $1 AND member = $2 AND state = 'joined' LIMIT $3",
        )
        .bind(community.as_str())
        .bind(member.as_str())
        .bind(i64::try_from(MEMBERSHIPS_MAX)?)
        .fetch_all(&self.reader)
        .await?;
        let mut places = Vec::new();
        for row in &rows {
            let place = read_membership(row)?;
            if scope.names(&place.group, row.word("kind")?, row.text_or_none("region")?.as_deref()) {
                places.push(place);
            }
        }
        Ok(places)
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

/// Has a member come into a group, where there is room. None where there is no such group.
pub(super) async fn join(
    tx: &mut Transaction,
    (community, group, member): (&Id, &Id, &Id),
    how: Coming<'_>,
    now: i64,
) -> anyhow::Result<Option<Joined>> {
    let Some(locked) = lock(tx, community, group).await? else { return Ok(None) };
    let capacity = locked.int("capacity")?;
    let query = |text| sqlx::query(text).bind(community.as_str()).bind(group.as_str()).bind(member.as_str());
    let before = query("SELECT * FROM group_members WHERE community = $1 AND group_id = $2 AND member = $3")
        .fetch_optional(&mut **tx)
        .await?;
    let state = before.as_ref().map(|row| row.text("state")).transpose()?;
    let is_in = state.as_deref() == Some("joined");
    let own = before.as_ref().filter(|_| is_in).map(read_membership).transpose()?;
    let (role, invited_by) = match (how, own) {
        (Coming::Placed(role, invited_by), _) => (role, invited_by),
        (_, Some(own)) => return Ok(Some(Joined::Yes(own))),
        (Coming::Invited, None) if state.as_deref() != Some("invited") => return Ok(Some(Joined::NotInvited)),
        (Coming::Invited | Coming::Promoted, None) => {
            let active = "SELECT 1 FROM members WHERE community = $1 AND id = $2 AND status = 'active'";
            let active = sqlx::query(active).bind(community.as_str()).bind(member.as_str());
            if active.fetch_optional(&mut **tx).await?.is_none() {
                return Ok(Some(Joined::Inactive));
            }
            (GroupRole::Participant, None)
        }
    };
    let others = query(
        "SELECT COUNT(*) AS members, COUNT(CASE WHEN role = 'administrator' THEN 1 END) AS administrators FROM group_members
         WHERE community = $1 AND group_id = $2 AND member <> $3 AND state = 'joined'",
    )
    .fetch_one(&mut **tx)
    .await?;
    if !is_in && capacity > 0 && others.int("members")? >= capacity {
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

/// Takes a member out of a group, or an invitation back; who has left in time is out all the same. False where there was nothing.
pub(super) async fn leave(
    tx: &mut Transaction,
    (community, group, member): (&Id, &Id, &Id),
    how: Going,
    now: i64,
) -> anyhow::Result<bool> {
    let state = if how == Going::TakenOut { "removed" } else { "left" };
    let left = sqlx::query(
        "UPDATE group_members SET state = $5, left_at = $4, role = 'participant'
         WHERE community = $1 AND group_id = $2 AND member = $3
           AND (state IN ('invited', 'joined') OR (state = 'left' AND $5 = 'removed'))",
    )
    .bind(community.as_str())
    .bind(group.as_str())
    .bind(member.as_str())
    .bind(now)
    .bind(state)
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
