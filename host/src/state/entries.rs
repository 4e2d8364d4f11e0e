//! Keys and what was last written to them, as far as it is known.

use std::sync::Arc;

use imbl::{HashMap, OrdMap};

use crate::effects::Written;

/// Keys that were deleted lie apart: a scan must not wade through them.
#[derive(Clone, Default)]
pub(super) struct Entries {
    live: OrdMap<Arc<str>, Written>,
    /// Without a value, and with the version that the next value goes on from.
    gone: HashMap<Arc<str>, Written>,
}

impl Entries {
    pub(super) fn get(&self, key: &str) -> Option<&Written> {
        self.live.get(key).or_else(|| self.gone.get(key))
    }

    /// Sets what is known of a key, or forgets it; answers what was known.
    pub(super) fn set(&mut self, key: Arc<str>, known: Option<Written>) -> Option<Written> {
        match known {
            Some(written) if written.value.is_some() => {
                let gone = self.gone.remove(&key);
                self.live.insert(key, written).or(gone)
            }
            Some(written) => {
                let live = self.live.remove(&key);
                self.gone.insert(key, written).or(live)
            }
            None => self.live.remove(&key).or_else(|| self.gone.remove(&key)),
        }
    }

    /// Keys with a value, in the order of their bytes.
    pub(super) fn live(&self) -> &OrdMap<Arc<str>, Written> {
        &self.live
    }

    pub(super) fn len(&self) -> usize {
        self.live.len() + self.gone.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is written, deleted, forgotten and put back: each key is known as it was last, and a scan sees values alone.
        #[test]
        fn entries_are_a_map_of_what_was_last_known(
            changes in prop::collection::vec((0u8..8, prop::option::of((any::<bool>(), 0i64..9))), 0..60),
        ) {
            let mut entries = Entries::default();
            let mut model: BTreeMap<String, Written> = BTreeMap::new();
            for (key, change) in changes {
                let key = format!("k{key}");
                let known = change.map(|(lives, version)| Written { value: lives.then(|| vec![7].into()), version });
                let before = entries.set(key.as_str().into(), known.clone());
                let expected = match known {
                    Some(known) => model.insert(key, known),
                    None => model.remove(&key),
                };
                prop_assert_eq!(before, expected);
            }
            for (key, known) in &model {
                prop_assert_eq!(entries.get(key), Some(known));
            }
            let live: Vec<String> = entries.live().keys().map(|key| key.to_string()).collect();
            let expected = model.iter().filter(|(_, known)| known.value.is_some());
            prop_assert_eq!(live, expected.map(|(key, _)| key.clone()).collect::<Vec<_>>());
            prop_assert_eq!(entries.len(), model.len());
        }
    }
}
