//! A batch: calls of one activity run one after another on one guest thread, each on the state that the one before left.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    capability::{
        Call, Mode,
        bindings::{
            Activity as Bindings,
            exports::fairground::activity::guest::{ActionCall, ActivityContext, StopReason},
            fairground::activity::types::{Problem, ProblemKind},
        },
        quota::OUTPUT_BYTES_MAX,
        rewards::HOLD_TIMER,
        shared::Shared,
    },
    domain::{
        activity::{Activity, Head, Lifecycle},
        journal::{CallKind, JournalRow, Outcome, Recorded, RetryKey},
        json::Json,
        refusal::{Refusal, RefusalKind},
    },
    effects::{Effects, Timer},
    sandbox::{
        Sandbox,
        catalog::Loaded,
        guest::{Fault, GuestResult, GuestStore},
    },
    state::{Source, State},
    store::commit::Part,
};

use super::work::{Act, Actor, Answer, Control, Queued, Work};

/// A batch that has run this long is committed; what is left runs in the next. It bounds how long a slow plugin keeps the
/// first of its callers waiting for the last.
const SLICE: Duration = Duration::from_millis(20);

/// The host's own timers begin with a character that no plugin's key has.
pub(crate) const START_TIMER: &str = "\0start";
pub(crate) const END_TIMER: &str = "\0end";
const SETTLE_TIMER: &str = "\0settle";

const MESSAGE_BYTES_MAX: usize = 500;
const CODE_BYTES_MAX: usize = 64;
const PARAMS_MAX: usize = 16;

pub(super) struct Batch {
    pub sandbox: Sandbox,
    pub plugin: Arc<Loaded>,
    pub activity: Arc<Activity>,
    pub source: Arc<Source>,
    pub state: State,
    pub shared: Shared,
    pub recorded: HashMap<RetryKey, Recorded>,
    pub now: i64,
    /// Timers that failed a moment ago and are tried again later.
    pub resting: HashSet<Arc<str>>,
}

/// What a batch came to.
pub(super) struct Ran {
    pub state: State,
    /// None where nothing is to be written.
    pub part: Option<Part>,
    /// Answers to the first so many of the queue.
    pub answers: Vec<Answer>,
    pub failed_timers: Vec<Arc<str>>,
    /// The state was older than the store: nothing of this counts.
    pub stale: bool,
}

struct Running {
    batch: Batch,
    from: Head,
    journal: Vec<JournalRow>,
    effects: Effects,
    failed_timers: Vec<Arc<str>>,
    /// The version that the activity moves to; the batch ends with that.
    upgraded: Option<String>,
}

/// One call as the journal will have it.
struct Entry<'a> {
    kind: CallKind,
    actor: &'a str,
    name: &'a str,
    key: Option<&'a str>,
    input: &'a str,
}

impl<'a> Entry<'a> {
    /// A call that the host makes by itself.
    fn own(kind: CallKind, name: &'a str, input: &'a str) -> Self {
        Self { kind, actor: "", name, key: None, input }
    }
}

/// What a call did to the state before its plugin ran: a timer that fired is gone, whatever becomes of it.
type Prepare<'a> = &'a dyn Fn(&mut State, &mut Effects);

impl Batch {
    pub(super) fn run(self, queue: &[Queued]) -> Ran {
        let from = self.state.head;
        let mut running = Running {
            batch: self,
            from,
            journal: Vec::new(),
            effects: Effects::default(),
            failed_timers: Vec::new(),
            upgraded: None,
        };
        running.batch.now = running.batch.now.max(from.now);
        let mut answers = Vec::with_capacity(queue.len());
        let stale = running.run(queue, &mut answers).is_err();
        running.finish(answers, stale)
    }
}

/// The state is stale: the batch is run again.
struct Again;

impl Running {
    fn run(&mut self, queue: &[Queued], answers: &mut Vec<Answer>) -> Result<(), Again> {
        let begun = Instant::now();
        // Due timers run before new actions. Where they take the whole slice, the actions wait for the next batch.
        if !self.run_timers(begun)? {
            return Ok(());
        }
        for queued in queue {
            let answer = match &queued.work {
                Work::Act(act) => self.act(act),
                Work::Control(control, key) => self.control(control, key.as_str()),
                Work::Upgrade(to, key) => self.upgrade(to, key.as_str()),
                Work::Wake | Work::Refresh => Ok(Answer::Nothing),
            };
            answers.push(self.or_fault(answer)?);
            if begun.elapsed() > SLICE || self.upgraded.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn finish(self, answers: Vec<Answer>, stale: bool) -> Ran {
        let Self { batch, from, journal, effects, failed_timers, upgraded } = self;
        let part = (!stale && !journal.is_empty()).then(|| Part {
            id: batch.activity.id.clone(),
            budget: batch.activity.budget.clone(),
            from,
            to: batch.state.head,
            journal,
            effects,
            version: upgraded,
        });
        Ran { state: batch.state, part, answers, failed_timers, stale }
    }

    fn or_fault(&self, answer: Result<Answer, Fault>) -> Result<Answer, Again> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(Fault::Stale(_)) => Err(Again),
            Err(Fault::Plugin(why)) => {
                self.count_failure(&why);
                Ok(Answer::Faulted(why))
            }
            Err(Fault::Host(error)) => {
                tracing::error!(error = format!("{error:#}"), activity = %self.batch.activity.id.activity, "a call failed");
                Ok(Answer::Failed)
            }
        }
    }

    fn count_failure(&self, why: &str) {
        let plugin = &self.batch.plugin;
        metrics::counter!("fairground_plugin_faults_total", "plugin" => plugin.label.clone()).increment(1);
        tracing::warn!(plugin = plugin.label, activity = %self.batch.activity.id.activity, why, "a plugin failed");
        if plugin.breaker.failed(self.batch.now) {
            tracing::error!(plugin = plugin.label, "a version fails again and again: it rests for a while");
        }
    }

    fn act(&mut self, act: &Act) -> Result<Answer, Fault> {
        let retry = act.retry_key();
        if let Some(before) = self.batch.recorded.get(&retry) {
            return Ok(if before.input == act.input {
                Answer::Done { seq: before.seq, outcome: before.outcome, answer: before.answer.clone() }
            } else {
                Answer::Rejected(Refusal::new(
                    RefusalKind::InvalidArgument,
                    "common.idempotency-mismatch",
                    "This idempotency key was used before with another input.",
                ))
            });
        }
        if let Err(refusal) = act.standing.clone().and_then(|()| self.open()) {
            return Ok(Answer::Rejected(refusal));
        }
        if let Some(wait) = self.batch.plugin.breaker.open_for(self.batch.now) {
            return Ok(Answer::Busy(wait));
        }
        let actor = act.actor.id().as_str();
        let entry = Entry { kind: CallKind::Action, actor, name: &act.name, key: Some(&act.key), input: &act.input };
        let call = ActionCall {
            name: act.name.clone(),
            actor: actor.into(),
            by_operator: matches!(act.actor, Actor::Operator(_)),
            input: act.input.clone(),
        };
        let answer = self.call(entry, &|_, _| (), |guest, store, context| {
            guest.fairground_activity_guest().call_act(store, &context, &call)
        })?;
        if let Answer::Done { seq, outcome, answer } = &answer {
            let recorded = Recorded { seq: *seq, input: act.input.clone(), outcome: *outcome, answer: answer.clone() };
            self.batch.recorded.insert(retry, recorded);
        }
        Ok(answer)
    }

    /// Whether the activity takes actions now.
    fn open(&self) -> Result<(), Refusal> {
        let no = |kind, code, message| Err(Refusal::new(kind, code, message));
        if !self.batch.plugin.enabled {
            return no(
                RefusalKind::Conflict,
                "common.plugin-disabled",
                "The operator has disabled this kind of activity.",
            );
        }
        let ended = self.batch.activity.ends_at.is_some_and(|end| self.batch.now >= end);
        match self.batch.state.head.lifecycle {
            Lifecycle::Validated | Lifecycle::Scheduled => {
                no(RefusalKind::Conflict, "common.not-started", "The activity has not started.")
            }
            Lifecycle::Running if !ended => Ok(()),
            Lifecycle::Paused if !ended => no(RefusalKind::Conflict, "common.paused", "The activity is paused."),
            _ => no(RefusalKind::Expired, "common.ended", "The activity has ended."),
        }
    }

    fn control(&mut self, control: &Control, key: &str) -> Result<Answer, Fault> {
        let lifecycle = self.batch.state.head.lifecycle;
        let entry = |kind, name| Entry { kind, actor: key, name, key: None, input: "null" };
        match (control, lifecycle) {
            (Control::Start, Lifecycle::Validated | Lifecycle::Scheduled) => {
                match self.batch.activity.starts_at.filter(|start| *start > self.batch.now) {
                    Some(start) => {
                        let timer = Timer { due: start, payload: "null".into() };
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
            (Control::Stop, Lifecycle::Running | Lifecycle::Paused) => {
                self.stop(entry(CallKind::Stop, "stop"), StopReason::Stopped, &|_, _| ())
            }
            (Control::Stop, Lifecycle::Validated | Lifecycle::Scheduled) => {
                self.host_call(entry(CallKind::Stop, "cancel"), Lifecycle::Settled, &|state, effects| {
                    set_timer(state, effects, START_TIMER, None);
                })
            }
            (_, lifecycle) => Ok(Answer::Rejected(Refusal {
                params: vec![("state".into(), Json::of(&lifecycle).as_str().trim_matches('"').into())],
                ..Refusal::new(RefusalKind::Conflict, "common.wrong-state", "The activity is not in a state for this.")
            })),
        }
    }

    /// Moves to another version: where its state has another shape, it moves the state in the same call.
    fn upgrade(&mut self, to: &Arc<Loaded>, key: &str) -> Result<Answer, Fault> {
        let from = self.batch.plugin.manifest.state_version;
        let input = Json::of(&to.manifest.version);
        let entry = Entry { kind: CallKind::Migrate, actor: key, name: "upgrade", key: None, input: input.as_str() };
        if to.manifest.state_version == from {
            let lifecycle = self.batch.state.head.lifecycle;
            self.upgraded = Some(to.manifest.version.clone());
            return self.host_call(entry, lifecycle, &|_, _| ());
        }
        let old = std::mem::replace(&mut self.batch.plugin, to.clone());
        let moved = self.call(entry, &|_, _| (), |guest, store, context| {
            let migrated = guest.fairground_activity_guest().call_migrate(store, &context, from)?;
            Ok(migrated.map(|()| "null".to_owned()))
        });
        match &moved {
            Ok(answer) if answer.is_ok() => self.upgraded = Some(to.manifest.version.clone()),
            _ => self.batch.plugin = old,
        }
        moved
    }

    fn start(&mut self, entry: Entry<'_>, prepare: Prepare<'_>) -> Result<Answer, Fault> {
        let answer = self.call(entry, prepare, |guest, store, context| {
            Ok(guest
                .fairground_activity_guest()
                .call_start(store, &context)?
                .map(|()| r#"{"state":"running"}"#.to_owned()))
        })?;
        if let Answer::Done { outcome: Outcome::Ok, .. } = answer {
            self.batch.state.head.lifecycle = Lifecycle::Running;
            self.batch.state.head.started_at = self.batch.now;
            if let Some(end) = self.batch.activity.ends_at {
                let timer = Timer { due: end, payload: "null".into() };
                set_timer(&mut self.batch.state, &mut self.effects, END_TIMER, Some(timer));
            }
        }
        Ok(answer)
    }

    /// Ends the activity; a plugin that refuses cannot keep it open.
    fn stop(&mut self, entry: Entry<'_>, reason: StopReason, prepare: Prepare<'_>) -> Result<Answer, Fault> {
        let answer = self.call(entry, prepare, |guest, store, context| {
            Ok(guest
                .fairground_activity_guest()
                .call_stop(store, &context, reason)?
                .map(|()| r#"{"state":"settling"}"#.to_owned()))
        })?;
        self.batch.state.head.lifecycle = Lifecycle::Settling;
        let settle = Timer { due: self.batch.now, payload: "0".into() };
        set_timer(&mut self.batch.state, &mut self.effects, END_TIMER, None);
        set_timer(&mut self.batch.state, &mut self.effects, SETTLE_TIMER, Some(settle));
        Ok(answer)
    }

    fn settle(&mut self, payload: &str, prepare: Prepare<'_>) -> Result<Answer, Fault> {
        let batch: u32 = payload.parse().unwrap_or_default();
        let mut finished = false;
        let answer = self.call(Entry::own(CallKind::Settle, "settle", payload), prepare, |guest, store, context| {
            let settled = guest.fairground_activity_guest().call_settle(store, &context, batch)?;
            finished = matches!(settled, Ok(true));
            Ok(settled.map(|done| done.to_string()))
        })?;
        let again = Timer { due: self.batch.now, payload: batch.saturating_add(1).to_string() };
        if finished {
            self.batch.state.head.lifecycle = Lifecycle::Settled;
            for key in self.batch.state.timer_keys() {
                // What is still held is put back when its time comes.
                if !key.starts_with(HOLD_TIMER) {
                    set_timer(&mut self.batch.state, &mut self.effects, &key, None);
                }
            }
        } else if matches!(answer, Answer::Done { outcome: Outcome::Ok, .. }) {
            set_timer(&mut self.batch.state, &mut self.effects, SETTLE_TIMER, Some(again));
        }
        Ok(answer)
    }

    /// True when no timer is due any more.
    fn run_timers(&mut self, begun: Instant) -> Result<bool, Again> {
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
        let Batch { state, now, resting, plugin, .. } = &self.batch;
        if !plugin.enabled {
            return None;
        }
        let next = state.due_timers(*now).find(|(key, _)| !resting.contains(*key) && !self.failed_timers.contains(key));
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
        let mut call = self.begin(CallKind::Timer);
        fired(&mut call.state, &mut call.effects);
        let expired = call.expire_hold(key).map_err(|error| {
            if error.is::<crate::state::Stale>() { Fault::Stale(crate::state::Stale) } else { Fault::Host(error) }
        })?;
        let effected = call.into_effected();
        self.batch.state = effected.state;
        self.batch.shared = effected.shared;
        self.effects.merge(effected.effects);
        let input = Json::of(key);
        let entry = Entry::own(CallKind::Timer, "hold-expired", input.as_str());
        Ok(self.journal(entry, Outcome::Ok, Json::of(&expired), "[]".into()))
    }

    /// A call that needs no plugin: the life of the activity moves on.
    fn host_call(&mut self, entry: Entry<'_>, to: Lifecycle, prepare: Prepare<'_>) -> Result<Answer, Fault> {
        prepare(&mut self.batch.state, &mut self.effects);
        self.batch.state.head.lifecycle = to;
        let answer = Json::of(&serde_json::json!({"state": to}));
        Ok(self.journal(entry, Outcome::Ok, answer, "[]".into()))
    }

    fn begin(&self, kind: CallKind) -> Box<Call> {
        let Batch { plugin, activity, source, state, shared, now, .. } = &self.batch;
        Box::new(Call {
            activity: activity.clone(),
            manifest: plugin.manifest.clone(),
            kind,
            mode: Mode::Write,
            now: *now,
            seq: state.head.seq + 1,
            state: state.clone(),
            shared: shared.clone(),
            effects: Effects::default(),
            source: source.clone(),
            facts: Vec::new(),
            draws: 0,
        })
    }

    /// Runs the plugin; keeps what it did where it answered, and the journal row of an answer or a refusal.
    fn call(
        &mut self,
        entry: Entry<'_>,
        prepare: Prepare<'_>,
        export: impl FnOnce(&Bindings, &mut GuestStore, ActivityContext) -> GuestResult<Result<String, Problem>>,
    ) -> Result<Answer, Fault> {
        let mut call = self.begin(entry.kind);
        prepare(&mut call.state, &mut call.effects);
        let context = context(&self.batch.activity, &self.batch.state.head, entry.kind, self.batch.now);
        let Batch { sandbox, plugin, .. } = &self.batch;
        let done =
            sandbox.call(&plugin.pre, &plugin.label, Some(call), |guest, store| export(guest, store, context))?;
        let effected = done.effected.expect("a call was given");
        let (outcome, answer) = match done.answer {
            Ok(output) => (Outcome::Ok, output_json(output)?),
            Err(problem) => (Outcome::Refused, Json::of(&refusal(problem))),
        };
        plugin.breaker.succeeded();
        if outcome == Outcome::Ok {
            self.batch.state = effected.state;
            self.batch.shared = effected.shared;
            self.effects.merge(effected.effects);
        } else {
            prepare(&mut self.batch.state, &mut self.effects);
        }
        Ok(self.journal(entry, outcome, answer, effected.facts))
    }

    fn journal(&mut self, entry: Entry<'_>, outcome: Outcome, answer: Json, facts: String) -> Answer {
        let head = &mut self.batch.state.head;
        head.seq += 1;
        head.now = self.batch.now;
        let seq = head.seq;
        metrics::counter!("fairground_calls_total", "kind" => entry.kind.as_str(), "outcome" => outcome.as_str())
            .increment(1);
        self.journal.push(JournalRow {
            seq,
            kind: entry.kind,
            actor: entry.actor.into(),
            name: entry.name.trim_start_matches('\0').into(),
            idempotency_key: entry.key.map(Into::into),
            input: entry.input.into(),
            now: self.batch.now,
            outcome,
            answer: answer.clone(),
            facts,
            version: self.batch.activity.version.clone(),
        });
        Answer::Done { seq, outcome, answer }
    }
}

fn set_timer(state: &mut State, effects: &mut Effects, key: &str, timer: Option<Timer>) {
    if timer.is_none() && !state.has_timer(key) {
        return;
    }
    let key: Arc<str> = key.into();
    state.set_timer(key.clone(), timer.clone());
    effects.timers.insert(key, timer);
}

/// What a plugin is told of its activity.
pub(super) fn context(activity: &Activity, head: &Head, kind: CallKind, now: i64) -> ActivityContext {
    ActivityContext {
        activity: activity.id.activity.to_string(),
        config: activity.config.clone(),
        config_version: u32::try_from(activity.config_version).unwrap_or(u32::MAX),
        started_at: if kind == CallKind::Start { now } else { head.started_at },
        ends_at: activity.ends_at,
    }
}

/// A plugin's output, once it is known to be JSON of a bearable size.
pub(super) fn output_json(output: String) -> Result<Json, Fault> {
    if output.len() > OUTPUT_BYTES_MAX {
        return Err(Fault::Plugin("its output is over 256 KiB".into()));
    }
    Json::parse(output).ok_or_else(|| Fault::Plugin("its output is no JSON".into()))
}

/// A plugin's refusal, cut to size and printable.
pub(super) fn refusal(problem: Problem) -> Refusal {
    let kind = match problem.kind {
        ProblemKind::InvalidArgument => RefusalKind::InvalidArgument,
        ProblemKind::NotFound => RefusalKind::NotFound,
        ProblemKind::NotAllowed => RefusalKind::NotAllowed,
        ProblemKind::Conflict => RefusalKind::Conflict,
        ProblemKind::LimitReached => RefusalKind::LimitReached,
        ProblemKind::Expired => RefusalKind::Expired,
        ProblemKind::InsufficientBudget => RefusalKind::InsufficientBudget,
        ProblemKind::InsufficientStock => RefusalKind::InsufficientStock,
        ProblemKind::RiskRejected => RefusalKind::RiskRejected,
    };
    let cut = |text: &str, most: usize| crate::capability::printable(&text[..text.floor_char_boundary(most)]);
    Refusal {
        kind,
        code: cut(&problem.code, CODE_BYTES_MAX),
        message: cut(&problem.message, MESSAGE_BYTES_MAX),
        retryable: problem.retryable,
        params: problem
            .params
            .iter()
            .take(PARAMS_MAX)
            .map(|(name, value)| (cut(name, CODE_BYTES_MAX), cut(value, MESSAGE_BYTES_MAX)))
            .collect(),
    }
}
