//! How members want to be written to: where, of what not, and of what once more.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{
    id::Id,
    notice::{Channel, Urgency},
};

use super::{
    Store,
    columns::{Columns, word},
    deeds::{self, Deed},
};

/// A kind of notice that a member does not want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptOut {
    pub urgency: Urgency,
    pub channel: Channel,
}

/// Messages of a template that a member still allows.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Subscription {
    pub template: String,
    pub remaining: i64,
}

impl Store {
    /// The member's opt-outs, in order.
    pub(crate) async fn opt_outs(&self, community: &Id, member: &Id) -> anyhow::Result<Vec<OptOut>> {
        let rows = sqlx::query("SELECT * FROM opt_outs WHERE community = $1 AND member = $2 ORDER BY urgency, channel")
            .bind(community.as_str())
            .bind(member.as_str())
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(|row| Ok(OptOut { urgency: row.word("urgency")?, channel: row.word("channel")? })).collect()
    }

    /// Takes the place of whatever the member did not want before.
    pub(crate) async fn set_opt_outs(&self, community: &Id, member: &Id, all: &[OptOut]) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM opt_outs WHERE community = $1 AND member = $2")
            .bind(community.as_str())
            .bind(member.as_str())
            .execute(&mut *tx)
            .await?;
        for OptOut { urgency, channel } in all {
            sqlx::query(
                "INSERT INTO opt_outs (community, member, urgency, channel) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            )
            .bind(community.as_str())
            .bind(member.as_str())
            .bind(word(urgency))
            .bind(word(channel))
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }

    pub(crate) async fn email(&self, community: &Id, member: &Id) -> anyhow::Result<Option<String>> {
        let row = sqlx::query("SELECT email FROM contacts WHERE community = $1 AND member = $2")
            .bind(community.as_str())
            .bind(member.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| row.text("email")).transpose()
    }

    pub(crate) async fn set_email(&self, community: &Id, member: &Id, email: Option<&str>) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        let text = match email {
            Some(_) => {
                "INSERT INTO contacts (community, member, email) VALUES ($1, $2, $3)
                 ON CONFLICT (community, member) DO UPDATE SET email = $3"
            }
            None => "DELETE FROM contacts WHERE community = $1 AND member = $2",
        };
        let query = sqlx::query(text).bind(community.as_str()).bind(member.as_str());
        let query = if email.is_some() { query.bind(email) } else { query };
        query.execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// The member allows so many more messages of a template; once per key.
    pub(crate) async fn subscribe(
        &self,
        community: &Id,
        member: &Id,
        (template, count, key): (&str, i64, &str),
        now: i64,
    ) -> anyhow::Result<Deed> {
        let mut tx = self.begin().await?;
        let input = format!("{member}\n{template}\n{count}");
        if let Some(before) = deeds::begin(&mut tx, community, "subscribe", key, &input, now).await? {
            tx.rollback().await?;
            return Ok(before);
        }
        sqlx::query(
            "INSERT INTO subscriptions (community, member, template, remaining) VALUES ($1, $2, $3, $4)
             ON CONFLICT (community, member, template) DO UPDATE SET remaining = subscriptions.remaining + $4",
        )
        .bind(community.as_str())
        .bind(member.as_str())
        .bind(template)
        .bind(count)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Deed::Same)
    }

    /// What the member still allows, by template.
    pub(crate) async fn subscriptions(&self, community: &Id, member: &Id) -> anyhow::Result<Vec<Subscription>> {
        let rows = sqlx::query("SELECT * FROM subscriptions WHERE community = $1 AND member = $2 ORDER BY template")
            .bind(community.as_str())
            .bind(member.as_str())
            .fetch_all(&self.reader)
            .await?;
        rows.iter()
            .map(|row| Ok(Subscription { template: row.text("template")?, remaining: row.int("remaining")? }))
            .collect()
    }
}
