//! The keys of an activity's records: which there are, before any of them is read.

use std::sync::Arc;

use crate::domain::activity::ActivityId;

use super::{Store, columns::Columns};

/// A kind of record, each with a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordKind {
    Hold,
    Reservation,
    Order,
    Refund,
}

pub(crate) struct RecordKey {
    pub kind: RecordKind,
    pub key: Arc<str>,
    pub seq: i64,
}

impl Store {
    /// Every key of the activity's records, or the first `limit` of them.
    pub(crate) async fn record_keys(&self, id: &ActivityId, limit: usize) -> anyhow::Result<Vec<RecordKey>> {
        let rows = sqlx::query(
            "SELECT 0 AS kind, key, seq FROM holds WHERE community = $1 AND activity = $2
             UNION ALL SELECT 1, key, seq FROM reservations WHERE community = $1 AND activity = $2
             UNION ALL SELECT 2, key, seq FROM orders WHERE community = $1 AND activity = $2
             UNION ALL SELECT 3, key, seq FROM refunds WHERE community = $1 AND activity = $2 LIMIT $3",
        )
        .bind(id.community.as_str())
        .bind(id.activity.as_str())
        .bind(i64::try_from(limit)?)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let kind = match row.int("kind")? {
                    0 => RecordKind::Hold,
                    1 => RecordKind::Reservation,
                    2 => RecordKind::Order,
                    _ => RecordKind::Refund,
                };
                Ok(RecordKey { kind, key: row.key("key")?.into(), seq: row.int("seq")? })
            })
            .collect()
    }
}
