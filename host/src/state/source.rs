//! Where a state reads what it does not know yet.

use std::{
    cell::Cell,
    future::Future,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use crate::{domain::activity::ActivityId, store::Store};

thread_local! {
    /// A guest thread runs one call at a time, so what it has waited belongs to that call.
    static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// How long calls on this thread have waited for the store, ever. It is the host's time and not the guest's.
pub(crate) fn waited() -> Duration {
    WAITED.get()
}

/// The store, as one activity's calls read it. Blocks, so it is used on guest threads only.
pub(crate) struct Source {
    pub store: Store,
    pub runtime: Handle,
    pub id: ActivityId,
}

impl Source {
    /// Waits for the store.
    pub(crate) fn wait<F: Future>(&self, reading: F) -> F::Output {
        waiting(|| self.runtime.block_on(reading))
    }
}

/// Work of the host's own that takes as long as there is much of it.
pub(super) fn waiting<T>(work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    WAITED.set(WAITED.get() + begun.elapsed());
    done
}
