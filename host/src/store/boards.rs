//! Boards' entries.

use std::sync::Arc;

use crate::{domain::activity::ActivityId, effects::Score};

use super::{
    Store,
    columns::Columns,
    commit::Part,
    rows::{Column, Rows, Script},
};

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

/// The last word on each entry.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const BOARDS: Rows = Rows {
        text: "INSERT INTO board_entries (community, activity, board, key, score, reached_at, seq)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL
               ON CONFLICT (community, activity, board, key) DO UPDATE SET score = excluded.score,
                 reached_at = excluded.reached_at, seq = excluded.seq",
        columns: &[Column::Text, Column::Text, Column::Text, Column::Bytes, Column::Int, Column::Int, Column::Int],
    };
    let rows: Vec<(&Part, &str, &str, Option<Score>)> = parts
        .iter()
        .flat_map(|part| {
            part.effects.boards.iter().map(|((board, key), score)| (*part, board.as_ref(), key.as_ref(), *score))
        })
        .collect();
    script.add(&BOARDS, &rows, |values, (part, board, key, score)| {
        values.activity(&part.id);
        values.text(*board);
        values.bytes(key.as_bytes());
        values.int(score.map(|score| score.score));
        values.int(score.map_or(0, |score| score.at));
        values.int(part.to.seq);
    });
}
