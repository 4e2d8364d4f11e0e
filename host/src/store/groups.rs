//! Groups and their members.

use sqlx::any::AnyRow;

use crate::domain::{
    group::{Group, GroupProfile, Membership, MembershipProfile},
    id::Id,
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, word},
    rows::number,
};

/// Why a member was not put into a group.
pub(crate) enum Joined {
    Yes(Membership),
    /// As many are in it as its capacity allows.
    Full,
}

const GROUPS: &str = "SELECT groups.*, (SELECT COUNT(*) FROM group_members
     WHERE group_members.community = groups.community AND group_members.group_id = groups.id) AS member_count
     FROM groups";

impl Store {
    pub(crate) async fn put_group(&self, community: &Id, id: &Id, profile: &GroupProfile) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO groups (community, id, name, kind, region, capacity, rules_version, parent)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (community, id) DO UPDATE SET name = excluded.name, kind = excluded.kind, region = excluded.region,
                capacity = excluded.capacity, rules_version = excluded.rules_version, parent = excluded.parent",
        )
        .bind(community.as_str())
        .bind(id.as_str())
        .bind(profile.name.as_str())
        .bind(word(profile.kind))
        .bind(profile.region.as_deref())
        .bind(i64::from(profile.capacity))
        .bind(i64::from(profile.rules_version))
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

    /// Puts a member into a group, or changes the role; the first time of joining stays.
    pub(crate) async fn put_membership(
        &self,
        community: &Id,
        group: &Group,
        member: &Id,
        profile: &MembershipProfile,
        now: i64,
    ) -> anyhow::Result<Joined> {
        let mut tx = self.begin().await?;
        // Locks the group, so that two who come at once do not both take the last place.
        sqlx::query("UPDATE groups SET capacity = capacity WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(group.id.as_str())
            .execute(&mut *tx)
            .await?;
        let row =
            sqlx::query("SELECT COUNT(*) FROM group_members WHERE community = $1 AND group_id = $2 AND member <> $3")
                .bind(community.as_str())
                .bind(group.id.as_str())
                .bind(member.as_str())
                .fetch_one(&mut *tx)
                .await?;
        if group.capacity > 0 && number(&row)? >= group.capacity {
            tx.rollback().await?;
            return Ok(Joined::Full);
        }
        let row = sqlx::query(
            "INSERT INTO group_members (community, group_id, member, role, joined_at, invited_by, rules_accepted_version)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (community, group_id, member) DO UPDATE SET role = excluded.role,
                rules_accepted_version = excluded.rules_accepted_version
             RETURNING *",
        )
        .bind(community.as_str())
        .bind(group.id.as_str())
        .bind(member.as_str())
        .bind(word(profile.role))
        .bind(now)
        .bind(profile.invited_by.as_ref().map(Id::as_str))
        .bind(i64::from(profile.rules_accepted_version))
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Joined::Yes(read_membership(&row)?))
    }

    pub(crate) async fn membership(
        &self,
        community: &Id,
        group: &Id,
        member: &Id,
    ) -> anyhow::Result<Option<Membership>> {
        let row = sqlx::query("SELECT * FROM group_members WHERE community = $1 AND group_id = $2 AND member = $3")
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
            sqlx::query("SELECT * FROM group_members WHERE community = $1 AND member = $2 ORDER BY group_id LIMIT $3")
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
            "SELECT * FROM group_members WHERE community = $1 AND group_id = $2 AND member > $3 ORDER BY member LIMIT $4",
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
    })
}
