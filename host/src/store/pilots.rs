//! What members have done in an activity that is tried.

use crate::domain::activity::ActivityId;

use super::{Store, columns::Columns};

/// What members have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deeds {
    /// Members who have taken part.
    pub participants: i64,
    /// Their actions in the window before the last.
    pub before: i64,
    /// And in the last, which ends now.
    pub last: i64,
}

impl Store {
    /// What members have done by now, and in two windows of so many milliseconds. It reads the activity's whole journal.
    pub(crate) async fn deeds_of_members(&self, id: &ActivityId, now: i64, window_ms: i64) -> anyhow::Result<Deeds> {
        let middle = now.saturating_sub(window_ms);
        let row = sqlx::query(
            "SELECT COUNT(DISTINCT actor) AS participants,
                CAST(COALESCE(SUM(CASE WHEN now >= $3 AND now < $4 THEN 1 ELSE 0 END), 0) AS BIGINT) AS before,
                CAST(COALESCE(SUM(CASE WHEN now >= $4 AND now < $5 THEN 1 ELSE 0 END), 0) AS BIGINT) AS last
             FROM journal JOIN members ON members.community = journal.community AND members.id = journal.actor
             WHERE journal.community = $1 AND activity = $2 AND kind = 'action' AND outcome = 'ok'",
        )
        .bind(id.community.as_str())
        .bind(id.activity.as_str())
        .bind(middle.saturating_sub(window_ms))
        .bind(middle)
        .bind(now)
        .fetch_one(&self.reader)
        .await?;
        Ok(Deeds { participants: row.int("participants")?, before: row.int("before")?, last: row.int("last")? })
    }
}
