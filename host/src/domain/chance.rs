//! Chance that everybody can check afterwards: a draw is a function of the seed, the purpose and its place in the journal.

use std::collections::HashMap;

use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{
    activity::{Activity, Lifecycle},
    id::hex,
};

/// What is published of the seed before it is told.
pub(crate) fn commitment(activity: &Activity) -> String {
    let hash = Sha256::new().chain_update(activity.seed).chain_update(activity.id.activity.as_str()).finalize();
    hex(&hash)
}

/// The seed, once nothing is drawn from it any more.
pub(crate) fn told_seed(activity: &Activity, lifecycle: Lifecycle) -> Option<String> {
    matches!(lifecycle, Lifecycle::Settled | Lifecycle::Cancelled).then(|| hex(&activity.seed))
}

/// The draws of one call, in order.
pub(crate) struct Draws<'a> {
    pub seed: &'a [u8; 32],
    /// The call's number in the journal.
    pub seq: i64,
    /// How many there have been.
    pub count: u64,
}

impl Draws<'_> {
    /// An unbiased integer of `low..=high`.
    pub(crate) fn uniform(&mut self, purpose: &str, low: u64, high: u64) -> u64 {
        self.count += 1;
        uniform(words(self.seed, purpose, self.seq, self.count), low, high)
    }

    /// `k` distinct indexes of `0..n`, in the order drawn; `k` is at most `n`.
    pub(crate) fn sample(&mut self, purpose: &str, n: u64, k: u32) -> Vec<u64> {
        // Fisher–Yates over the indexes, of which only the moved ones are kept.
        let mut moved = HashMap::new();
        let mut drawn = Vec::with_capacity(k as usize);
        for place in 0..u64::from(k) {
            let other = self.uniform(purpose, place, n - 1);
            drawn.push(*moved.get(&other).unwrap_or(&other));
            let here = *moved.get(&place).unwrap_or(&place);
            moved.insert(other, here);
        }
        drawn
    }
}

/// A draw, as the journal has it among a call's facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Draw {
    Uniform { purpose: String, low: u64, high: u64, drawn: u64 },
    Sample { purpose: String, n: u64, k: u32, drawn: Vec<u64> },
}

impl Draw {
    /// The draws among a call's facts, in order.
    pub(crate) fn of_facts(facts: &str) -> Vec<Self> {
        let facts: Vec<(String, serde_json::Value, serde_json::Value)> =
            serde_json::from_str(facts).unwrap_or_default();
        let draw = |(function, asked, drawn): (String, serde_json::Value, serde_json::Value)| match function.as_str() {
            "random.uniform" => {
                let (purpose, low, high) = serde_json::from_value(asked).ok()?;
                Some(Self::Uniform { purpose, low, high, drawn: serde_json::from_value(drawn).ok()? })
            }
            "random.sample" => {
                let (purpose, n, k) = serde_json::from_value(asked).ok()?;
                Some(Self::Sample { purpose, n, k, drawn: serde_json::from_value(drawn).ok()? })
            }
            _ => None,
        };
        facts.into_iter().filter_map(draw).collect()
    }

    /// Draws it again: whether the same comes out.
    pub(crate) fn is_fair(&self, draws: &mut Draws<'_>) -> bool {
        match self {
            Self::Uniform { purpose, low, high, drawn } => draws.uniform(purpose, *low, *high) == *drawn,
            Self::Sample { purpose, n, k, drawn } => draws.sample(purpose, *n, *k) == *drawn,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_that_was_changed_is_found_out() {
        let facts = |uniform: u64| {
            format!(r#"[["clock",1,2],["random.uniform",["cut",1,6],{uniform}],["random.sample",["who",5,2],{:?}]]"#, {
                let mut draws = Draws { seed: &[7; 32], seq: 3, count: 1 };
                draws.sample("who", 5, 2)
            })
        };
        let first = Draws { seed: &[7; 32], seq: 3, count: 0 }.uniform("cut", 1, 6);
        let fair = |facts: String| {
            let mut draws = Draws { seed: &[7; 32], seq: 3, count: 0 };
            Draw::of_facts(&facts).iter().map(|draw| draw.is_fair(&mut draws)).collect::<Vec<_>>()
        };
        assert_eq!(fair(facts(first)), [true, true]);
        assert_eq!(fair(facts(first % 6 + 1)), [false, true]);
    }

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
