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

    /// Activities with a timer due at `now` or before whose plugin may run, the oldest first; at most `limit`.
    pub(crate) async fn due_activities(&self, now: i64, limit: usize) -> anyhow::Result<Vec<ActivityId>> {
        let rows = sqlx::query(
            "SELECT timers.community, timers.activity FROM timers
             JOIN activities ON activities.community = timers.community AND activities.id = timers.activity
             JOIN plugins ON plugins.name = activities.plugin AND plugins.version = activities.version
             WHERE due <= $1 AND plugins.state = 'enabled'
             GROUP BY timers.community, timers.activity ORDER BY MIN(due) LIMIT $2",
        )
        .bind(now)
        .bind(i64::try_from(limit)?)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| Ok(ActivityId { community: row.id("community")?, activity: row.id("activity")? }))
            .collect()
    }
}
