//! The host's clock: the system's, or one that tests turn by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// UTC milliseconds. Cheap to clone; clones show the same time.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    pub fn system() -> Self {
        Self(None)
    }

    /// Stands still until it is turned.
    pub fn by_hand(now: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(now))))
    }

    pub fn now(&self) -> i64 {
        match &self.0 {
            Some(by_hand) => by_hand.load(Ordering::SeqCst),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
        }
    }

    /// Turns a clock that is turned by hand; the system's goes by itself.
    pub fn turn(&self, by_ms: i64) {
        if let Some(by_hand) = &self.0 {
            by_hand.fetch_add(by_ms, Ordering::SeqCst);
        }
    }
}
