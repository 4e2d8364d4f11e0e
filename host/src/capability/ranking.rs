//! `wit/ranking.wit`.

use crate::effects::Score;

use super::{
    RunningCall,
    quota::PAGE_ROWS_MAX,
    wit::ranking::{Host, Ranked, Scored},
};

fn ranked(index: usize, key: String, score: Score) -> Ranked {
    Ranked { rank: index as u64 + 1, entry: Scored { key, score: score.score, at: score.at } }
}

impl RunningCall {
    fn board(&mut self, name: &str) -> wasmtime::Result<&mut crate::state::board::Board> {
        self.key(name)?;
        let counted = self.quota.read(1, 0);
        self.within(counted)?;
        if let Err(error) = self.reading_again()?.state.board(name).map(drop) {
            return self.host(Err(error));
        }
        Ok(self.reading_again()?.state.board(name).expect("it was loaded above"))
    }
}

impl Host for RunningCall {
    fn put(&mut self, board: String, entry: Scored) -> wasmtime::Result<()> {
        self.writing()?;
        self.key(&entry.key)?;
        let counted = self.quota.write(entry.key.len());
        self.within(counted)?;
        let score = Score { score: entry.score, at: entry.at };
        let key: std::sync::Arc<str> = entry.key.into();
        self.board(&board)?.put(key.clone(), score);
        self.reading_again()?.effects.boards.insert((board.into(), key), Some(score));
        Ok(())
    }

    fn remove(&mut self, board: String, key: String) -> wasmtime::Result<bool> {
        self.writing()?;
        let counted = self.quota.write(key.len());
        self.within(counted)?;
        let removed = self.board(&board)?.remove(&key).is_some();
        if removed {
            self.reading_again()?.effects.boards.insert((board.into(), key.into()), None);
        }
        Ok(removed)
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
