//! Boards' entries.

use std::sync::Arc;

use crate::{domain::activity::ActivityId, effects::Score};

use super::{Store, columns::Columns};

pub(crate) struct BoardRow {
    pub key: Arc<str>,
    /// None where the entry was removed.
    pub score: Option<Score>,
    pub seq: i64,
}

impl Store {
    pub(crate) async fn board(&self, id: &ActivityId, board: &str) -> anyhow::Result<Vec<BoardRow>> {
        let rows = sqlx::query("SELECT * FROM board_entries WHERE community = $1 AND activity = $2 AND board = $3")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(board)
            .fetch_all(&self.reader)
            .await?;
        rows.iter()
            .map(|row| {
                let at = row.int("reached_at")?;
                let score = row.int_or_none("score")?.map(|score| Score { score, at });
                Ok(BoardRow { key: row.key("key")?.into(), score, seq: row.int("seq")? })
            })
            .collect()
    }
}
