//! Timers.

use std::sync::Arc;

use crate::{domain::activity::ActivityId, effects::Timer};

use super::{Store, columns::Columns};

impl Store {
    pub(crate) async fn timers(&self, id: &ActivityId) -> anyhow::Result<Vec<(Arc<str>, Timer)>> {
        let rows = sqlx::query("SELECT * FROM timers WHERE community = $1 AND activity = $2")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .fetch_all(&self.reader)
            .await?;
        rows.iter()
            .map(|row| Ok((row.key("key")?.into(), Timer { due: row.int("due")?, payload: row.text("payload")? })))
            .collect()
    }

    /// Activities with a timer due at `now` or before; at most `limit`.
    pub(crate) async fn due_activities(&self, now: i64, limit: usize) -> anyhow::Result<Vec<ActivityId>> {
        let rows = sqlx::query("SELECT DISTINCT community, activity FROM timers WHERE due <= $1 LIMIT $2")
            .bind(now)
            .bind(i64::try_from(limit)?)
            .fetch_all(&self.reader)
            .await?;
        rows.iter()
            .map(|row| Ok(ActivityId { community: row.id("community")?, activity: row.id("activity")? }))
            .collect()
    }
}
