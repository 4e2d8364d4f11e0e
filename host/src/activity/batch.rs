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
            exports::fairground::activity::guest::{ActionCall, ActivityContext},
            fairground::activity::types::{Problem, ProblemKind},
        },
        quota::OUTPUT_BYTES_MAX,
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

use super::work::{Act, Actor, Answer, Queued, Work};

/// A batch that has run this long is committed; what is left runs in the next. It bounds how long a slow plugin keeps the
/// first of its callers waiting for the last.
pub(super) const SLICE: Duration = Duration::from_millis(20);

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

pub(super) struct Running {
    pub(super) batch: Batch,
    pub(super) from: Head,
    pub(super) journal: Vec<JournalRow>,
    pub(super) effects: Effects,
    pub(super) failed_timers: Vec<Arc<str>>,
    /// The version that the activity moves to; the batch ends with that.
    pub(super) upgraded: Option<String>,
}

/// One call as the journal will have it.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) kind: CallKind,
    pub(super) actor: &'a str,
    pub(super) name: &'a str,
    pub(super) key: Option<&'a str>,
    pub(super) input: &'a str,
}

impl<'a> Entry<'a> {
    /// A call that the host makes by itself.
    pub(super) fn own(kind: CallKind, name: &'a str, input: &'a str) -> Self {
        Self { kind, actor: "", name, key: None, input }
    }
}

/// What a call did to the state before its plugin ran: a timer that fired is gone, whatever becomes of it.
pub(super) type Prepare<'a> = &'a dyn Fn(&mut State, &mut Effects);

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
pub(super) struct Again;

impl Running {
    fn run(&mut self, queue: &[Queued], answers: &mut Vec<Answer>) -> Result<(), Again> {
        let begun = Instant::now();
        // Due timers run before new actions. Where they take the whole slice, most actions wait for the next batch; one does not,
        // so that a plugin whose timers never end cannot keep an operator from stopping it.
        let timers_done = self.run_timers(begun)?;
        for queued in queue {
            let answer = match &queued.work {
                Work::Act(act) => self.act(act),
                Work::Control(control, key) => self.control(control, key.as_str()),
                Work::Upgrade(to, key) => self.upgrade(to, key.as_str()),
                Work::Wake | Work::Refresh => Ok(Answer::Nothing),
            };
            answers.push(self.or_fault(answer)?);
            if !timers_done || begun.elapsed() > SLICE || self.upgraded.is_some() {
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

    pub(super) fn or_fault(&self, answer: Result<Answer, Fault>) -> Result<Answer, Again> {
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

    pub(super) fn count_failure(&self, why: &str) {
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

    pub(super) fn begin(&self) -> Box<Call> {
        let Batch { plugin, activity, source, state, shared, now, .. } = &self.batch;
        Box::new(Call {
            activity: activity.clone(),
            manifest: plugin.manifest.clone(),
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
    pub(super) fn call(
        &mut self,
        entry: Entry<'_>,
        prepare: Prepare<'_>,
        export: impl FnOnce(&Bindings, &mut GuestStore, ActivityContext) -> GuestResult<Result<String, Problem>>,
    ) -> Result<Answer, Fault> {
        let mut call = self.begin();
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

    pub(super) fn journal(&mut self, entry: Entry<'_>, outcome: Outcome, answer: Json, facts: String) -> Answer {
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

pub(super) fn set_timer(state: &mut State, effects: &mut Effects, key: &str, timer: Option<Timer>) {
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
