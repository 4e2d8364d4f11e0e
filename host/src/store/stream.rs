//! What is told live: events and proposals of a community's activities, in one order.

use crate::domain::{activity::ActivityId, endpoint::STREAM, id::Id};

use super::{
    Store,
    columns::Columns,
    outbox::{self, OutboxRow},
};

/// Rows that are read at once.
const ROWS_MAX: i64 = 64;

impl Store {
    /// Appends what an activity has said, each once, in its order. The endpoint's row is locked meanwhile: places are given one by one.
    pub(crate) async fn append_to_stream(&self, id: &ActivityId, rows: &[&OutboxRow]) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE endpoints SET state = state WHERE community = $1 AND id = $2")
            .bind(id.community.as_str())
            .bind(STREAM)
            .execute(&mut *tx)
            .await?;
        for row in rows {
            sqlx::query(
                "INSERT INTO stream (community, position, activity, seq, ordinal)
                 SELECT $1, COALESCE(MAX(position), 0) + 1, $2, $3, $4 FROM stream WHERE community = $1
                 ON CONFLICT (community, activity, seq, ordinal) DO NOTHING",
            )
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(row.seq)
            .bind(row.ordinal)
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// What is behind a place, of one activity or of all, in order.
    pub(crate) async fn stream_after(
        &self,
        community: &Id,
        activity: Option<&Id>,
        position: i64,
    ) -> anyhow::Result<Vec<(i64, OutboxRow)>> {
        // Two texts: with one for both, SQLite would go through the whole community.
        const ALL: &str = "SELECT stream.position, outbox.* FROM stream
             JOIN outbox ON outbox.community = stream.community AND outbox.activity = stream.activity
               AND outbox.seq = stream.seq AND outbox.ordinal = stream.ordinal
             WHERE stream.community = $1 AND stream.position > $2 ORDER BY stream.position LIMIT $3";
        const ONE: &str = "SELECT stream.position, outbox.* FROM stream
             JOIN outbox ON outbox.community = stream.community AND outbox.activity = stream.activity
               AND outbox.seq = stream.seq AND outbox.ordinal = stream.ordinal
             WHERE stream.community = $1 AND stream.position > $2 AND stream.activity = $4 ORDER BY stream.position LIMIT $3";
        let text = if activity.is_some() { ONE } else { ALL };
        let query = sqlx::query(text).bind(community.as_str()).bind(position).bind(ROWS_MAX);
        let query = if let Some(activity) = activity { query.bind(activity.as_str()) } else { query };
        let rows = query.fetch_all(&self.reader).await?;
        rows.iter().map(|row| Ok((row.int("position")?, outbox::read(row)?))).collect()
    }

    /// The last place that was given; 0 before there is one.
    pub(crate) async fn stream_end(&self, community: &Id) -> anyhow::Result<i64> {
        let row = sqlx::query("SELECT COALESCE(MAX(position), 0) AS position FROM stream WHERE community = $1")
            .bind(community.as_str())
            .fetch_one(&self.reader)
            .await?;
        row.int("position")
    }
}
