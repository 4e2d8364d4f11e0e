//! What was answered a moment ago: most retries come soon, and are answered without asking the store.

use std::collections::HashMap;

use crate::domain::journal::{Recorded, RetryKey};

/// Two generations of so many bytes each are kept for an activity.
const GENERATION_BYTES_MAX: usize = 256 << 10;

/// What a key and its place in the map weigh beside their texts.
const OVERHEAD_BYTES: usize = 256;

/// The answers to the latest keys of an activity. What it does not know may still be in the journal.
#[derive(Default)]
pub(super) struct Answered {
    young: HashMap<RetryKey, Recorded>,
    old: HashMap<RetryKey, Recorded>,
    young_bytes: usize,
}

impl Answered {
    pub(super) fn get(&self, key: &RetryKey) -> Option<&Recorded> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn insert(&mut self, key: RetryKey, recorded: Recorded) {
        self.young_bytes += OVERHEAD_BYTES + recorded.input.len() + recorded.answer.as_str().len();
        self.young.insert(key, recorded);
    }

    /// A batch was committed. Only now is something forgotten: what the next one has run by now is young, and the store does not
    /// know of it yet.
    pub(super) fn age(&mut self) {
        if self.young_bytes > GENERATION_BYTES_MAX {
            // Emptied rather than replaced: the table keeps its room.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
            self.young_bytes = 0;
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::Id, journal::Outcome, json::Json};

    #[test]
    fn the_latest_answers_are_known_and_the_oldest_forgotten() {
        let key = |number: usize| RetryKey {
            actor: Id::new("ann").expect("an id"),
            name: "help".into(),
            key: number.to_string(),
        };
        let mut answered = Answered::default();
        let most = 3 * GENERATION_BYTES_MAX / OVERHEAD_BYTES;
        for number in 0..most {
            let recorded =
                Recorded { seq: number as i64, input: "{}".into(), outcome: Outcome::Ok, answer: Json::of(&number) };
            answered.insert(key(number), recorded);
            answered.age();
        }
        assert_eq!(answered.get(&key(most - 1)).expect("the last").seq, most as i64 - 1);
        assert_eq!(answered.get(&key(most - 500)).expect("a late one").answer.as_str(), (most - 500).to_string());
        assert!(answered.get(&key(0)).is_none());
        answered.clear();
        assert!(answered.get(&key(most - 1)).is_none());
    }
}
