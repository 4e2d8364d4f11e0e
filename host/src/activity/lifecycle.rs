//! The life of an activity: what operators and the clock do to it.

use std::sync::Arc;

use crate::{
    capability::{bindings::exports::fairground::activity::guest::StopReason, purse::CLAIM_TIMER},
    domain::{
        activity::{Activity, Change, Lifecycle},
        journal::{CallKind, Outcome},
        json::Json,
        misfit::{Misfit, misfits},
        refusal::{Refusal, RefusalKind},
    },
    effects::Timer,
    sandbox::{catalog::Loaded, guest::Fault},
};

use super::{
    batch::{Batch, Entry, Prepare},
    creation::DURATION_MS_MAX,
    timers::{END_TIMER, REVIEW_TIMER, SETTLE_TIMER, START_TIMER, promise, set_timer},
    work::{Answer, Control},
};

/// A settlement that was refused is tried again after a minute.
const SETTLE_AGAIN_MS: i64 = 60_000;

impl Batch {
    pub(super) fn control(&mut self, control: &Control, key: &str) -> Result<Answer, Fault> {
        let lifecycle = self.state().head.lifecycle;
        let entry = |kind, name| Entry { kind, actor: key, name, key: None, input: "null" };
        match (control, lifecycle) {
            (Control::Start, Lifecycle::Validated | Lifecycle::Scheduled) => {
                match self.activity.starts_at.filter(|start| *start > self.now) {
                    Some(start) => {
                        let timer = Timer::once(start, "null");
                        self.host_call(entry(CallKind::Start, "schedule"), Lifecycle::Scheduled, &|state, effects| {
                            set_timer(state, effects, START_TIMER, Some(timer.clone()));
                        })
                    }
                    None => self.start(entry(CallKind::Start, "start"), &|_, _| ()),
                }
            }
            (Control::Pause, Lifecycle::Running) => {
                self.host_call(entry(CallKind::Pause, "pause"), Lifecycle::Paused, &|_, _| ())
            }
            (Control::Resume, Lifecycle::Paused) => {
                self.host_call(entry(CallKind::Resume, "resume"), Lifecycle::Running, &|_, _| ())
            }
            (Control::Stop, Lifecycle::Running | Lifecycle::Paused | Lifecycle::Ending) => {
                self.stop(entry(CallKind::Stop, "stop"), StopReason::Stopped, &|_, _| ())
            }
            (Control::Stop, Lifecycle::Validated | Lifecycle::Scheduled) => {
                self.host_call(entry(CallKind::Stop, "cancel"), Lifecycle::Cancelled, &|state, effects| {
                    set_timer(state, effects, START_TIMER, None);
                })
            }
            (
                Control::Expand(scope),
                Lifecycle::Validated | Lifecycle::Scheduled | Lifecycle::Running | Lifecycle::Paused,
            ) => {
                if !self.activity.scope.is_within(scope) {
                    let message = "It is for others already: a scope grows, and never shrinks.";
                    return Ok(Answer::Rejected(Refusal::new(RefusalKind::Conflict, "scope.not-wider", message)));
                }
                if let Some(refusal) = self.refuse_expansion(scope)? {
                    return Ok(Answer::Rejected(refusal));
                }
                let input = Json::of(scope);
                let entry =
                    Entry { kind: CallKind::Expand, actor: key, name: "expand", key: None, input: input.as_str() };
                // Whoever says it twice has widened it once.
                self.changed = (!scope.is_within(&self.activity.scope)).then(|| Change::Scope(scope.clone()));
                self.host_call(entry, lifecycle, &|_, _| ())
            }
            (
                Control::Extend(end),
                Lifecycle::Validated | Lifecycle::Scheduled | Lifecycle::Running | Lifecycle::Paused,
            ) => self.extend(*end, key),
            (_, lifecycle) => Ok(Answer::Rejected(Refusal {
                params: vec![("state".into(), Json::of(&lifecycle).as_str().trim_matches('"').into())],
                ..Refusal::new(RefusalKind::Conflict, "common.wrong-state", "The activity is not in a state for this.")
            })),
        }
    }

    /// Ends later than it was to. What was promised until the end before stays as it was promised.
    fn extend(&mut self, end: i64, key: &str) -> Result<Answer, Fault> {
        let head = self.state().head;
        let begun = if head.started_at > 0 {
            head.started_at
        } else {
            self.activity.starts_at.unwrap_or(self.now).max(self.now)
        };
        let no = |kind, code, message| Ok(Answer::Rejected(Refusal::new(kind, code, message)));
        match self.activity.ends_at {
            None => return no(RefusalKind::Conflict, "activity.endless", "It has no end that could be later."),
            Some(before) if before <= self.now => {
                return no(RefusalKind::Expired, "common.ended", "The activity has ended.");
            }
            Some(before) if end < before => {
                return no(
                    RefusalKind::Conflict,
                    "activity.not-later",
                    "It ends later already: an end moves on, never back.",
                );
            }
            _ if end.saturating_sub(begun) > DURATION_MS_MAX => {
                return no(RefusalKind::InvalidArgument, "activity.too-long", "It would last more than 366 days.");
            }
            Some(_) => {}
        }
        let input = Json::of(&serde_json::json!({"ends_at": end}));
        let entry = Entry { kind: CallKind::Expand, actor: key, name: "extend", key: None, input: input.as_str() };
        // Whoever says it twice has extended it once.
        self.changed = (self.activity.ends_at != Some(end)).then_some(Change::End(end));
        let has_started = head.started_at > 0;
        self.host_call(entry, head.lifecycle, &|state, effects| {
            if has_started {
                set_timer(state, effects, END_TIMER, Some(Timer::once(end, "null")));
            }
        })
    }

    /// Moves to another version: where its state has another shape, it moves the state in the same call.
    pub(super) fn upgrade(&mut self, to: &Arc<Loaded>, key: &str) -> Result<Answer, Fault> {
        if let Some(refusal) = self.refuse_upgrade(to)? {
            return Ok(Answer::Rejected(refusal));
        }
        let from = self.plugin.manifest.state_version;
        let input = Json::of(&to.manifest.version);
        let entry = Entry { kind: CallKind::Migrate, actor: key, name: "upgrade", key: None, input: input.as_str() };
        if to.manifest.state_version == from {
            let lifecycle = self.state().head.lifecycle;
            self.changed = Some(Change::Version(to.manifest.version.clone()));
            return self.host_call(entry, lifecycle, &|_, _| ());
        }
        let old = std::mem::replace(&mut self.plugin, to.clone());
        let moved = self.call(entry, &|_, _| (), |guest, store, context| {
            let migrated = guest.call_migrate(store, &context, from)?;
            Ok(migrated.map(|()| "null".to_owned()))
        });
        match &moved {
            Ok(answer) if answer.is_ok() => self.changed = Some(Change::Version(to.manifest.version.clone())),
            _ => self.plugin = old,
        }
        moved
    }

    /// Why a version cannot go on with what there is: every call of it would fail.
    fn refuse_upgrade(&self, to: &Loaded) -> Result<Option<Refusal>, Fault> {
        let (from, knows) = (self.plugin.manifest.state_version, to.manifest.state_version);
        if knows < from {
            let message =
                format!("Its state has shape {from}, and this version of the plugin knows no later one than {knows}.");
            return Ok(Some(Refusal::new(RefusalKind::Conflict, "plugin.older-state", &message)));
        }
        let config = serde_json::from_str(&self.activity.config).map_err(|error| Fault::Host(error.into()))?;
        let misfit = misfits(&to.config, &config).into_iter().next();
        Ok(misfit.map(|Misfit { pointer, message }| {
            let message =
                format!("This version of the plugin does not take the activity's config: /config{pointer}: {message}.");
            Refusal::new(RefusalKind::InvalidArgument, "plugin.config-misfit", &message)
        }))
    }

    pub(super) fn start(&mut self, entry: Entry<'_>, prepare: Prepare<'_>) -> Result<Answer, Fault> {
        let answer = self.call(entry, prepare, |guest, store, context| {
            Ok(guest.call_start(store, &context)?.map(|()| r#"{"state":"running"}"#.to_owned()))
        })?;
        if let Answer::Done { outcome: Outcome::Ok, .. } = answer {
            self.state_mut().head.lifecycle = Lifecycle::Running;
            self.state_mut().head.started_at = self.now;
            if let Some(end) = self.activity.ends_at {
                let timer = Timer::once(end, "null");
                self.set_timer(END_TIMER, Some(timer));
            }
            let review = self.first_review();
            self.set_timer(REVIEW_TIMER, review);
        }
        Ok(answer)
    }

    /// Its time is over: first what is open may come to its end, where the activity waits for that.
    pub(super) fn end(&mut self, fired: Prepare<'_>) -> Result<Answer, Fault> {
        let Activity { ends_at, drain_ms, .. } = *self.activity;
        let last = ends_at.unwrap_or(self.now).saturating_add(drain_ms);
        let is_drained = self.state().head.lifecycle == Lifecycle::Ending || self.now >= last;
        if is_drained {
            return self.stop(Entry::own(CallKind::Stop, "end", "null"), StopReason::Ended, fired);
        }
        self.host_call(Entry::own(CallKind::Stop, "drain", "null"), Lifecycle::Ending, &|state, effects| {
            set_timer(state, effects, END_TIMER, Some(Timer::once(last, "null")));
        })
    }

    /// Ends the activity; a plugin that refuses or fails cannot keep it open.
    pub(super) fn stop(&mut self, entry: Entry<'_>, reason: StopReason, prepare: Prepare<'_>) -> Result<Answer, Fault> {
        let answer = self.call(entry, prepare, |guest, store, context| {
            Ok(guest.call_stop(store, &context, reason)?.map(|()| r#"{"state":"settling"}"#.to_owned()))
        });
        let answer = match answer {
            Err(Fault::Plugin(why)) => {
                self.count_failure(&why);
                self.apply(prepare);
                let refusal = Refusal::new(RefusalKind::Conflict, "common.plugin-fault", &why);
                self.journal(entry, Outcome::Refused, Json::of(&refusal), "[]".into())
            }
            answer => answer?,
        };
        self.state_mut().head.lifecycle = Lifecycle::Settling;
        let settle = Timer::once(self.now, "0");
        self.set_timer(END_TIMER, None);
        self.set_timer(SETTLE_TIMER, Some(settle));
        // Whatever the plugin said, it has ended: that is what whoever ended it is told.
        match answer {
            Answer::Done { seq, answer, .. } => Ok(Answer::Done { seq, outcome: Outcome::Ok, answer }),
            answer => Ok(answer),
        }
    }

    pub(super) fn settle(&mut self, payload: &str, prepare: Prepare<'_>) -> Result<Answer, Fault> {
        let batch: u32 = payload.parse().unwrap_or_default();
        let mut finished = false;
        let answer = self.call(Entry::own(CallKind::Settle, "settle", payload), prepare, |guest, store, context| {
            let settled = guest.call_settle(store, &context, batch)?;
            finished = matches!(settled, Ok(true));
            Ok(settled.map(|done| done.to_string()))
        })?;
        // One that refuses is asked again later: what it lacks may come.
        let again = match answer {
            Answer::Done { outcome: Outcome::Ok, .. } => Timer::once(self.now, batch.saturating_add(1).to_string()),
            _ => Timer::once(self.now.saturating_add(SETTLE_AGAIN_MS), payload),
        };
        if finished {
            self.state_mut().head.lifecycle = Lifecycle::Settled;
            // What was given stays the member's to claim.
            for key in self.state().timer_keys().into_iter().filter(|key| !key.starts_with(CLAIM_TIMER)) {
                // What is still held, reserved or unpaid ends now.
                let ends = promise(&key).map(|_| Timer::once(self.now, "null"));
                self.set_timer(&key, ends);
            }
        } else {
            self.set_timer(SETTLE_TIMER, Some(again));
        }
        Ok(answer)
    }

    /// A call that needs no plugin: the life of the activity moves on.
    pub(super) fn host_call(&mut self, entry: Entry<'_>, to: Lifecycle, prepare: Prepare<'_>) -> Result<Answer, Fault> {
        self.apply(prepare);
        self.state_mut().head.lifecycle = to;
        let answer = Json::of(&serde_json::json!({"state": to}));
        Ok(self.journal(entry, Outcome::Ok, answer, "[]".into()))
    }
}
