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
