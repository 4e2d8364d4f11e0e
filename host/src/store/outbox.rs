//! The outbox: effects for the outside world, written with the call that had them.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::domain::{activity::ActivityId, channel::Growth, id::Id};

use super::{
    Page, PageRequest, Store,
    columns::Columns,
    commit::Part,
    ledger::numbered,
    rows::{Column, Rows, Script},
};

/// Metrics that are read at once.
const METRICS_PAGE: i64 = 1_000;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutboxRow {
    #[schema(value_type = String)]
    pub activity: Id,
    /// The journal number of the call.
    pub seq: i64,
    /// Counts the effects of one call.
    pub ordinal: i64,
    /// `event`, `proposal`, `metric` or `shop`.
    pub kind: String,
    pub topic: String,
    pub subject: String,
    #[schema(value_type = serde_json::Value)]
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
        let (seq, ordinal) = if page.after.is_empty() { (0, 0) } else { PageRequest::place(&page.after)? };
        let rows = sqlx::query(
            "SELECT * FROM outbox WHERE community = $1 AND activity = $2 AND (seq > $3 OR (seq = $3 AND ordinal > $4))
             ORDER BY seq, ordinal LIMIT $5",
        )
        .bind(community.as_str())
        .bind(activity.as_str())
        .bind(seq)
        .bind(ordinal)
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let effects = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(effects, page.limit, |effect: &OutboxRow| format!("{}.{}", effect.seq, effect.ordinal)))
    }

    /// What an activity has told of its growth, all of it.
    pub(crate) async fn growth(&self, id: &ActivityId) -> anyhow::Result<Growth> {
        let (mut growth, mut after) = (Growth::default(), (0, 0));
        loop {
            let rows = sqlx::query(
                "SELECT * FROM outbox WHERE community = $1 AND activity = $2 AND (seq > $3 OR (seq = $3 AND ordinal > $4))
                   AND kind = 'metric' ORDER BY seq, ordinal LIMIT $5",
            )
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(after.0)
            .bind(after.1)
            .bind(METRICS_PAGE)
            .fetch_all(&self.reader)
            .await?;
            for row in &rows {
                let subject = row.text("subject")?;
                match row.text("topic")?.as_str() {
                    "cost" => growth.book(&subject, &row.json("payload")?),
                    _ => growth.count(&subject, &row.json("payload")?),
                }
                after = (row.int("seq")?, row.int("ordinal")?);
            }
            if (rows.len() as i64) < METRICS_PAGE {
                return Ok(growth);
            }
        }
    }
}

/// What leaves the house, by the call that had it.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const OUTBOX: Rows = Rows {
        text: "INSERT INTO outbox (community, activity, seq, ordinal, kind, topic, subject, payload, at)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL",
        columns: &[
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Int,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Int,
        ],
    };
    let mut rows = Vec::new();
    for part in parts {
        rows.extend(numbered(&part.effects.outbox).map(|(seq, ordinal, outgoing)| (*part, seq, ordinal, outgoing)));
    }
    script.add(&OUTBOX, &rows, |values, (part, seq, ordinal, outgoing)| {
        values.activity(&part.id);
        values.int(*seq);
        values.int(*ordinal);
        values.text(outgoing.kind.as_str());
        values.text(outgoing.topic.as_str());
        values.text(outgoing.subject.as_str());
        values.text(outgoing.payload.as_str());
        values.int(part.to.now);
    });
}

pub(super) fn read(row: &AnyRow) -> anyhow::Result<OutboxRow> {
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
}
