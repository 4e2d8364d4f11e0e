//! Timers: due ones run before new actions, the oldest first.

use std::{sync::Arc, time::Instant};

use crate::{
    capability::{
        Call,
        commerce::{ORDER_TIMER, RESERVATION_TIMER},
        purse::{CLAIM_TIMER, HOLD_TIMER},
    },
    domain::{
        journal::{CallKind, Outcome},
        json::Json,
    },
    effects::{Effects, Timer},
    sandbox::guest::Fault,
    state::State,
};

use super::{
    batch::{Again, Batch, Entry, Prepare, SLICE},
    work::Answer,
};

/// The host's own timers begin with a character that no plugin's key has.
pub(super) const START_TIMER: &str = "\0start";
pub(super) const END_TIMER: &str = "\0end";
pub(super) const REVIEW_TIMER: &str = "\0review";
pub(super) const SETTLE_TIMER: &str = "\0settle";

/// What ends a thing that was promised for a time; false where it has ended already.
type Expire = fn(&mut Call, &str) -> anyhow::Result<bool>;

/// What the host itself has a timer for: the name of the call in the journal, what it does, and the key of the thing promised.
pub(super) fn promise(timer: &str) -> Option<(&'static str, Expire, &str)> {
    let all: [(&str, &str, Expire); 4] = [
        (CLAIM_TIMER, "claim-lapsed", Call::lapse_claim),
        (HOLD_TIMER, "hold-expired", Call::expire_hold),
        (RESERVATION_TIMER, "reservation-expired", Call::expire_reservation),
        (ORDER_TIMER, "order-expired", Call::expire_order),
    ];
    all.into_iter().find_map(|(prefix, name, expire)| Some((name, expire, timer.strip_prefix(prefix)?)))
}

impl Batch {
    /// Runs what is due: timers, the oldest first, and between them events from outside in their order. True when nothing is left that may
    /// run now.
    pub(super) fn run_due(&mut self, begun: Instant) -> Result<bool, Again> {
        loop {
            let (key, answer) = if let Some((key, timer)) = self.next_due() {
                let answer = self.timer(&key, &timer);
                (key, answer)
            } else if let Some(heard) = self.next_heard() {
                let answer = self.hear(&heard);
                let stream = heard.stream.clone();
                self.hearing.note(heard, &answer);
                (stream, answer)
            } else {
                return Ok(true);
            };
            if let Answer::Faulted(_) | Answer::Failed = self.or_fault(answer)? {
                self.failed.push(key);
            }
            if begun.elapsed() > SLICE || self.changed.is_some() {
                return Ok(false);
            }
        }
    }

    /// Whether a timer is due that may run.
    pub(super) fn has_due(&self) -> bool {
        self.plugin.enabled && self.state().due_timers(self.now).any(|(key, _)| !self.rests(key))
    }

    /// Whether a timer or a stream has failed a moment ago.
    pub(super) fn rests(&self, key: &str) -> bool {
        self.resting.contains(key) || self.failed.iter().any(|failed| **failed == *key)
    }

    /// The next timer that is due. Whatever came in before it is heard first, even where that cannot be heard yet: a payment that came in
    /// time keeps the deadline from passing.
    fn next_due(&self) -> Option<(Arc<str>, Timer)> {
        if !self.plugin.enabled {
            return None;
        }
        let mut due = self.state().due_timers(self.now.min(self.hearing.timers_until()));
        let next = due.find(|(key, _)| !self.rests(key));
        next.map(|(key, timer)| (key.clone(), timer.clone()))
    }

    fn timer(&mut self, key: &str, timer: &Timer) -> Result<Answer, Fault> {
        let again = timer.again();
        let fired: Prepare<'_> = &|state, effects| set_timer(state, effects, key, again.clone());
        match key {
            START_TIMER => self.start(Entry::own(CallKind::Start, "start", "null"), fired),
            END_TIMER => self.end(fired),
            REVIEW_TIMER => self.review(fired),
            SETTLE_TIMER => self.settle(&timer.payload, fired),
            _ => match promise(key) {
                Some((name, expire, kept)) => self.expire(name, expire, kept, fired),
                None => {
                    let entry = Entry::own(CallKind::Timer, key, &timer.payload);
                    let answer = self.call(entry, fired, |guest, store, context| {
                        let answered = guest.call_on_timer(store, &context, key, timer.due, &timer.payload)?;
                        Ok(answered.map(|()| "null".to_owned()))
                    });
                    if let Ok(Answer::Done { outcome: Outcome::Refused, answer, .. }) = &answer {
                        let (activity, why) = (&self.activity.id.activity, answer.as_str());
                        tracing::warn!(%activity, timer = key, why, "its plugin refused a timer, which has rung all the same");
                    }
                    answer
                }
            },
        }
    }

    /// The host puts back what nobody has taken up in time.
    fn expire(&mut self, name: &str, expire: Expire, key: &str, fired: Prepare<'_>) -> Result<Answer, Fault> {
        let expired = self.run_by_host(fired, |call| expire(call, key))?;
        let input = Json::of(key);
        let entry = Entry::own(CallKind::Timer, name, input.as_str());
        Ok(self.journal(entry, Outcome::Ok, Json::of(&expired), "[]".into()))
    }
}

/// Sets a timer, or takes it away.
pub(super) fn set_timer(state: &mut State, effects: &mut Effects, key: &str, timer: Option<Timer>) {
    if timer.is_none() && !state.has_timer(key) {
        return;
    }
    let key: Arc<str> = key.into();
    state.set_timer(key.clone(), timer.clone());
    effects.timers.insert(key, timer);
}
