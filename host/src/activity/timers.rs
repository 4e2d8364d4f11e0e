//! Timers: due ones run before new actions, the oldest first.

use std::{sync::Arc, time::Instant};

use crate::{
    capability::{bindings::exports::fairground::activity::guest::StopReason, rewards::HOLD_TIMER},
    domain::{
        journal::{CallKind, Outcome},
        json::Json,
    },
    effects::Timer,
    sandbox::guest::Fault,
    state::Stale,
};

use super::{
    batch::{Again, Batch, Entry, Prepare, SLICE, set_timer},
    work::Answer,
};

/// The host's own timers begin with a character that no plugin's key has.
pub(super) const START_TIMER: &str = "\0start";
pub(super) const END_TIMER: &str = "\0end";
pub(super) const SETTLE_TIMER: &str = "\0settle";

impl Batch {
    /// True when no timer is due any more.
    pub(super) fn run_timers(&mut self, begun: Instant) -> Result<bool, Again> {
        loop {
            let Some((key, timer)) = self.next_due() else { return Ok(true) };
            let answer = self.timer(&key, &timer);
            if let Answer::Faulted(_) | Answer::Failed = self.or_fault(answer)? {
                self.failed_timers.push(key);
            }
            if begun.elapsed() > SLICE {
                return Ok(false);
            }
        }
    }

    fn next_due(&self) -> Option<(Arc<str>, Timer)> {
        let Self { now, resting, plugin, .. } = self;
        if !plugin.enabled {
            return None;
        }
        let next =
            self.state().due_timers(*now).find(|(key, _)| !resting.contains(*key) && !self.failed_timers.contains(key));
        next.map(|(key, timer)| (key.clone(), timer.clone()))
    }

    fn timer(&mut self, key: &str, timer: &Timer) -> Result<Answer, Fault> {
        let fired: Prepare<'_> = &|state, effects| set_timer(state, effects, key, None);
        match key {
            START_TIMER => self.start(Entry::own(CallKind::Start, "start", "null"), fired),
            END_TIMER => self.stop(Entry::own(CallKind::Stop, "end", "null"), StopReason::Ended, fired),
            SETTLE_TIMER => self.settle(&timer.payload, fired),
            _ => match key.strip_prefix(HOLD_TIMER) {
                Some(hold) => self.expire_hold(hold, fired),
                None => {
                    let entry = Entry::own(CallKind::Timer, key, &timer.payload);
                    self.call(entry, fired, |guest, store, context| {
                        let answered = guest.fairground_activity_guest().call_on_timer(
                            store,
                            &context,
                            key,
                            timer.due,
                            &timer.payload,
                        )?;
                        Ok(answered.map(|()| "null".to_owned()))
                    })
                }
            },
        }
    }

    fn expire_hold(&mut self, key: &str, fired: Prepare<'_>) -> Result<Answer, Fault> {
        let mut call = self.begin(fired);
        let expired = match call.expire_hold(key) {
            Ok(expired) => expired,
            Err(error) => {
                self.forget(*call);
                return Err(if error.is::<Stale>() { Fault::Stale(Stale) } else { Fault::Host(error) });
            }
        };
        self.keep(*call);
        let input = Json::of(key);
        let entry = Entry::own(CallKind::Timer, "hold-expired", input.as_str());
        Ok(self.journal(entry, Outcome::Ok, Json::of(&expired), "[]".into()))
    }
}
