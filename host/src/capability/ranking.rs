//! `wit/ranking.wit`.

use std::sync::Arc;

use crate::{effects::Score, state::board::Board};

use super::{
    RunningCall,
    quota::PAGE_ROWS_MAX,
    wit::ranking::{Host, Ranked, Scored},
};

fn ranked(index: usize, key: String, score: Score) -> Ranked {
    Ranked { rank: index as u64 + 1, entry: Scored { key, score: score.score, at: score.at } }
}

impl RunningCall {
    fn board(&mut self, name: &str) -> wasmtime::Result<&Board> {
        self.key(name)?;
        let counted = self.quota.read(1, 0);
        self.within(counted)?;
        if let Err(error) = self.reading_again()?.state.board(name).map(drop) {
            return self.host(Err(error));
        }
        Ok(self.reading_again()?.state.board(name).expect("it was loaded above"))
    }

    /// Sets an entry or removes it; answers what it was.
    fn set_score(&mut self, board: String, key: String, score: Option<Score>) -> wasmtime::Result<Option<Score>> {
        self.writing()?;
        self.key(&board)?;
        self.key(&key)?;
        let counted = self.quota.write(key.len()).and_then(|()| self.quota.read(1, 0));
        self.within(counted)?;
        let (board, key): (Arc<str>, Arc<str>) = (board.into(), key.into());
        let call = self.reading_again()?;
        let set = call.state.set_score(&board, &key, score);
        let before = self.host(set)?;
        if score.is_some() || before.is_some() {
            self.reading_again()?.effects.boards.insert((board, key), score);
        }
        Ok(before)
    }
}

impl Host for RunningCall {
    fn put(&mut self, board: String, entry: Scored) -> wasmtime::Result<()> {
        let score = Score { score: entry.score, at: entry.at };
        self.set_score(board, entry.key, Some(score)).map(drop)
    }

    fn remove(&mut self, board: String, key: String) -> wasmtime::Result<bool> {
        Ok(self.set_score(board, key, None)?.is_some())
    }

    fn rank(&mut self, board: String, key: String) -> wasmtime::Result<Option<Ranked>> {
        self.reading()?;
        Ok(self.board(&board)?.rank(&key).map(|(index, score)| ranked(index, key, score)))
    }

    fn range(&mut self, board: String, start_rank: u64, limit: u32) -> wasmtime::Result<Vec<Ranked>> {
        self.reading()?;
        let start = usize::try_from(start_rank.saturating_sub(1)).unwrap_or(usize::MAX);
        let rows = self.board(&board)?.page(start, (limit as usize).min(PAGE_ROWS_MAX));
        let counted = self.quota.read(rows.len(), rows.iter().map(|(_, key, _)| key.len() + 16).sum());
        self.within(counted)?;
        Ok(rows.into_iter().map(|(index, key, score)| ranked(index, key.as_ref().into(), score)).collect())
    }

    fn len(&mut self, board: String) -> wasmtime::Result<u64> {
        self.reading()?;
        Ok(self.board(&board)?.len() as u64)
    }

    fn count_above(&mut self, board: String, score: i64) -> wasmtime::Result<u64> {
        self.reading()?;
        Ok(self.board(&board)?.count_above(score) as u64)
    }
}
