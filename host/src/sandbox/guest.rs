//! Calling a guest: a fresh store and instance for each call, dropped after it.

use std::time::Duration;

use wasmtime::{Store, StoreContextMut, Trap, UpdateDeadline};

use crate::{
    capability::{
        Call, RunningCall, Trouble,
        bindings::fairground::activity::log::Level,
        quota::{EPOCH_TICK_MS, EPOCH_TICKS, FUEL, HANDLES_MAX, HOSTCALL_BYTES_MAX, WAIT_TICKS_MAX},
    },
    state::{Stale, waited},
};

use super::{
    Sandbox,
    exports::{Guest, Linked},
};

/// What an export is called with, and what it answers: a trap is its error.
pub(crate) type GuestStore = Store<RunningCall>;
pub(crate) type GuestResult<T> = wasmtime::Result<T>;

/// Why a call ended without an answer. Nothing it did is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The plugin's doing; the words say which limit or trap, and hold nothing of the plugin's own text.
    #[error("the plugin failed: {0}")]
    Plugin(String),
    /// Run the call again on a newer state.
    #[error(transparent)]
    Stale(Stale),
    /// Ours.
    #[error("the host failed")]
    Host(#[source] anyhow::Error),
}

/// What a call answered, and the call with what it did. Where it failed, that is to be taken back.
pub(crate) struct Ended<T> {
    pub answer: Result<T, Fault>,
    pub call: Option<Box<Call>>,
    /// What it used of [`FUEL`].
    pub fuel: u64,
    /// What it said of itself, in its own words: for operators alone.
    pub log: Vec<(Level, String)>,
}

impl Sandbox {
    /// Runs one export in a fresh instance.
    pub(crate) fn call<T>(
        &self,
        plugin: &Linked,
        label: &str,
        call: Option<Box<Call>>,
        export: impl FnOnce(&Guest<'_>, &mut GuestStore) -> GuestResult<T>,
    ) -> Ended<T> {
        let mut store = Store::new(&self.engine, RunningCall::new(call));
        store.limiter(|call| &mut call.limits);
        store.set_epoch_deadline(EPOCH_TICKS);
        store.epoch_deadline_callback(more_time());
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        store.set_max_component_handles(HANDLES_MAX);
        let answer = store
            .set_fuel(FUEL)
            .and_then(|()| plugin.instantiate(&mut store))
            .and_then(|guest| export(&guest, &mut store));
        let fuel = FUEL - store.get_fuel().unwrap_or(FUEL);
        let RunningCall { call, trouble, log, .. } = store.into_data();
        write_log(label, &log);
        Ended { answer: answer.map_err(|error| fault(trouble, &error)), call, fuel, log }
    }
}

/// At the end of its time a guest gets what the host took of it: reading a large board is no fault of the plugin's.
fn more_time() -> impl FnMut(StoreContextMut<'_, RunningCall>) -> wasmtime::Result<UpdateDeadline> {
    let begun = waited();
    let mut given = 0;
    move |_| {
        let more = ticks_more(waited() - begun, &mut given);
        Ok(if more == 0 { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(more) })
    }
}

/// Ticks that a guest gets for what the host has waited, beyond those that it was given.
fn ticks_more(waited: Duration, given: &mut u64) -> u64 {
    let ticks = (waited.as_millis() as u64 / EPOCH_TICK_MS).min(WAIT_TICKS_MAX);
    ticks - std::mem::replace(given, ticks)
}

fn fault(trouble: Option<Trouble>, error: &wasmtime::Error) -> Fault {
    match trouble {
        Some(Trouble::Stale) => Fault::Stale(Stale),
        Some(Trouble::Fault(error)) => Fault::Host(error),
        Some(Trouble::Exceeded(exceeded)) => Fault::Plugin(format!("too many {}", exceeded.0)),
        Some(Trouble::Misuse(what)) => Fault::Plugin(what),
        None => Fault::Plugin(trap(error)),
    }
}

/// The kind of trap, in our words: an error's own text carries names that the plugin's author chose.
fn trap(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => "out of fuel".into(),
        Some(Trap::Interrupt) => "out of time".into(),
        Some(Trap::StackOverflow) => "stack overflow".into(),
        Some(Trap::UnreachableCodeReached) => "it panicked".into(),
        Some(trap) => trap.to_string(),
        None => "it broke the rules of its interface or went over its memory".into(),
    }
}

fn write_log(label: &str, lines: &[(Level, String)]) {
    for (level, line) in lines {
        match level {
            Level::Trace => tracing::trace!(target: "plugin", plugin = label, "{line}"),
            Level::Debug => tracing::debug!(target: "plugin", plugin = label, "{line}"),
            Level::Info => tracing::info!(target: "plugin", plugin = label, "{line}"),
            Level::Warn => tracing::warn!(target: "plugin", plugin = label, "{line}"),
            Level::Error => tracing::error!(target: "plugin", plugin = label, "{line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_waits_is_given_back_once_and_not_for_ever() {
        let mut given = 0;
        let tick = Duration::from_millis(EPOCH_TICK_MS);
        assert_eq!(ticks_more(tick * 30, &mut given), 30);
        assert_eq!(ticks_more(tick * 30, &mut given), 0, "the guest has spun since");
        assert_eq!(ticks_more(tick * 31, &mut given), 1);
        assert_eq!(ticks_more(tick * 10_000, &mut given), WAIT_TICKS_MAX - 31);
        assert_eq!(ticks_more(tick * 20_000, &mut given), 0);
    }
}
