//! `wit/random.wit`. A draw is a function of the seed, the purpose and the draw's place in the journal: anybody who is told the
//! seed can make it again.

use hkdf::Hkdf;
use sha2::{Digest, Sha256};

use crate::domain::{activity::Activity, id::hex};

use super::{
    RunningCall,
    wit::random::{DrawError, Host},
};

const PURPOSE_BYTES_MAX: usize = 128;
const SAMPLE_MAX: u32 = 1_000;

/// What is published of the seed before it is told.
pub(crate) fn commitment(activity: &Activity) -> String {
    let hash = Sha256::new().chain_update(activity.seed).chain_update(activity.id.activity.as_str()).finalize();
    hex(&hash)
}

/// The 64-bit words of one draw, as many as its rejections need.
fn words(seed: &[u8; 32], purpose: &str, seq: i64, draw: u64) -> impl Iterator<Item = u64> {
    let hkdf = Hkdf::<Sha256>::new(None, seed);
    let info = format!("{purpose}\n{seq}\n{draw}");
    (0u32..).map(move |round| {
        let mut bytes = [0; 8];
        hkdf.expand(format!("{info}\n{round}").as_bytes(), &mut bytes).expect("8 bytes are fewer than 255 hashes");
        u64::from_be_bytes(bytes)
    })
}

/// An unbiased integer of `low..=high`: words beyond the last whole multiple of the span are rejected.
fn uniform(mut words: impl Iterator<Item = u64>, low: u64, high: u64) -> u64 {
    let mut next = || words.next().expect("the words never end");
    let Some(span) = (high - low).checked_add(1) else { return next() };
    let limit = u64::MAX - (u64::MAX % span + 1) % span;
    loop {
        let word = next();
        if word <= limit {
            return low + word % span;
        }
    }
}

impl RunningCall {
    fn draw(&mut self, purpose: &str, low: u64, high: u64) -> wasmtime::Result<u64> {
        let call = self.reading_again()?;
        call.draws += 1;
        Ok(uniform(words(&call.activity.seed, purpose, call.seq, call.draws), low, high))
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
        let drawn = self.draw(&purpose, low, high)?;
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
        // Fisher–Yates over the indexes, of which only the moved ones are kept.
        let mut moved = std::collections::HashMap::new();
        let mut drawn = Vec::with_capacity(k as usize);
        for place in 0..u64::from(k) {
            let other = self.draw(&purpose, place, n - 1)?;
            drawn.push(*moved.get(&other).unwrap_or(&other));
            let here = *moved.get(&place).unwrap_or(&place);
            moved.insert(other, here);
        }
        self.reading_again()?.note("random.sample", (purpose, n, k), &drawn);
        Ok(Ok(drawn))
    }

    fn commitment(&mut self) -> wasmtime::Result<String> {
        Ok(commitment(&self.reading()?.activity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_a_function_of_seed_purpose_and_place() {
        let draw = |seed: u8, purpose, seq, draw| uniform(words(&[seed; 32], purpose, seq, draw), 0, u64::MAX);
        let first = draw(1, "cut", 7, 1);
        assert_eq!(first, draw(1, "cut", 7, 1));
        for other in [draw(2, "cut", 7, 1), draw(1, "cuts", 7, 1), draw(1, "cut", 8, 1), draw(1, "cut", 7, 2)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn words_that_would_bias_a_draw_are_rejected() {
        // Of 2^64 words, the last 2^64 mod 3 = 1 is one too many.
        assert_eq!(uniform([u64::MAX, 4].into_iter(), 0, 2), 1);
        assert_eq!(uniform([u64::MAX - 1].into_iter(), 0, 2), (u64::MAX - 1) % 3);
        assert_eq!(uniform([5].into_iter(), 10, 10), 10);
        assert_eq!(uniform([u64::MAX].into_iter(), 0, u64::MAX), u64::MAX);
    }

    #[test]
    fn draws_are_even() {
        let mut counts = [0u32; 10];
        for draw in 0..20_000 {
            counts[uniform(words(&[3; 32], "even", 1, draw), 0, 9) as usize] += 1;
        }
        // 2 000 expected, standard deviation 42: five of them.
        assert!(counts.iter().all(|count| (1_790..=2_210).contains(count)), "{counts:?}");
    }
}
