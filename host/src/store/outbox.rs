//! The outbox: effects for the outside world, written with the call that had them.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::id::Id;

use super::{Page, PageRequest, Store, columns::Columns};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutboxRow {
    #[schema(value_type = String)]
    pub activity: Id,
    /// The journal number of the call.
    pub seq: i64,
    /// Counts the effects of one call.
    pub ordinal: i64,
    /// `event`, `notice`, `proposal` or `metric`.
    pub kind: String,
    pub topic: String,
    pub subject: String,
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    /// UTC milliseconds.
    pub at: i64,
}

impl Store {
    /// An activity's effects in order; the cursor is `seq.ordinal`.
    pub(crate) async fn outbox(
        &self,
        community: &Id,
        activity: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<OutboxRow>> {
        let (seq, ordinal) = page.after.split_once('.').unwrap_or(("0", "0"));
        let rows = sqlx::query(
            "SELECT * FROM outbox WHERE community = $1 AND activity = $2 AND (seq > $3 OR (seq = $3 AND ordinal > $4))
             ORDER BY seq, ordinal LIMIT $5",
        )
        .bind(community.as_str())
        .bind(activity.as_str())
        .bind(seq.parse::<i64>().unwrap_or_default())
        .bind(ordinal.parse::<i64>().unwrap_or_default())
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let effects = rows
            .iter()
            .map(|row| {
                Ok(OutboxRow {
                    activity: row.id("activity")?,
                    seq: row.int("seq")?,
                    ordinal: row.int("ordinal")?,
                    kind: row.text("kind")?,
                    topic: row.text("topic")?,
                    subject: row.text("subject")?,
                    payload: RawValue::from_string(row.text("payload")?)?,
                    at: row.int("at")?,
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Page::of(effects, page.limit, |effect: &OutboxRow| format!("{}.{}", effect.seq, effect.ordinal)))
    }
}
