//! `wit/random.wit`.

use crate::domain::chance::{Draws, commitment};

use super::{
    RunningCall,
    wit::random::{DrawError, Host},
};

const PURPOSE_BYTES_MAX: usize = 128;
const SAMPLE_MAX: u32 = 1_000;

impl RunningCall {
    /// Draws something, and counts how many draws that took.
    fn draw<T>(&mut self, draw: impl FnOnce(&mut Draws<'_>) -> T) -> wasmtime::Result<T> {
        let call = self.reading_again()?;
        let mut draws = Draws { seed: &call.activity.seed, seq: call.seq, count: call.draws };
        let drawn = draw(&mut draws);
        call.draws = draws.count;
        Ok(drawn)
    }

    /// A query has no journal number of its own, so it draws nothing.
    fn drawing(&mut self, purpose: &str) -> wasmtime::Result<bool> {
        self.writing()?;
        Ok((1..=PURPOSE_BYTES_MAX).contains(&purpose.len()))
    }
}

impl Host for RunningCall {
    fn uniform(&mut self, purpose: String, low: u64, high: u64) -> wasmtime::Result<Result<u64, DrawError>> {
        if !self.drawing(&purpose)? {
            return Ok(Err(DrawError::BadPurpose));
        }
        if low > high {
            return Ok(Err(DrawError::BadRange));
        }
        let drawn = self.draw(|draws| draws.uniform(&purpose, low, high))?;
        self.reading_again()?.note("random.uniform", (purpose, low, high), drawn);
        Ok(Ok(drawn))
    }

    fn sample(&mut self, purpose: String, n: u64, k: u32) -> wasmtime::Result<Result<Vec<u64>, DrawError>> {
        if !self.drawing(&purpose)? {
            return Ok(Err(DrawError::BadPurpose));
        }
        if k > SAMPLE_MAX || u64::from(k) > n {
            return Ok(Err(DrawError::BadRange));
        }
        let drawn = self.draw(|draws| draws.sample(&purpose, n, k))?;
        self.reading_again()?.note("random.sample", (purpose, n, k), &drawn);
        Ok(Ok(drawn))
    }

    fn commitment(&mut self) -> wasmtime::Result<String> {
        Ok(commitment(&self.reading()?.activity))
    }
}
