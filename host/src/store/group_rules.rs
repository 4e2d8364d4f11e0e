//! Rules of groups, every version that there was, and who has accepted which.

use crate::domain::{
    group::{GroupRules, RulesDocument},
    id::Id,
};

use super::{
    Store,
    columns::{Columns, json},
    groups::lock,
};

/// What became of accepting a group's rules.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    Yes,
    /// The member is not in the group.
    NotIn,
    /// The rules have another version by now, or there are none.
    Other,
}

impl Store {
    /// Gives a group other rules; the same ones change nothing. Answers their version; none where there is no such group.
    pub(crate) async fn put_group_rules(
        &self,
        community: &Id,
        group: &Id,
        document: &RulesDocument,
        now: i64,
    ) -> anyhow::Result<Option<i64>> {
        let mut tx = self.begin().await?;
        let Some(version) = lock(&mut tx, community, group).await?.map(|row| row.int("rules_version")).transpose()?
        else {
            tx.rollback().await?;
            return Ok(None);
        };
        let text = json(document);
        let before =
            sqlx::query("SELECT document FROM group_rules WHERE community = $1 AND group_id = $2 AND version = $3")
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
    pub(crate) async fn group_rules(
        &self,
        community: &Id,
        group: &Id,
        version: Option<i64>,
    ) -> anyhow::Result<Option<GroupRules>> {
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
}
