//! A batch: calls of one activity run one after another on guest threads, each on the state that the one before left. It grows
//! slice by slice until the commit before it is done; nobody was told of its calls yet.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    capability::{
        Call, Mode,
        bindings::{exports::fairground::activity::guest::ActivityContext, fairground::activity::types::Problem},
        shared::Shared,
    },
    domain::{
        activity::{Activity, Change, Head},
        journal::{CallKind, JournalRow, Outcome, RetryKey},
        json::Json,
    },
    effects::{Effects, Timer},
    sandbox::{
        Sandbox,
        catalog::Loaded,
        exports::Guest,
        guest::{Ended, Fault, GuestResult, GuestStore},
    },
    state::{Source, Stale, State},
    store::commit::Part,
};

use super::{
    answered::Answered,
    exchange::{context, output_json, refusal},
    hearing::Hearing,
    timers::set_timer,
    work::{Answer, Queued, Work},
};

/// A slice that has run this long ends; what is left runs in the next. It bounds how long a slow plugin keeps the first of its
/// callers waiting for the last.
pub(super) const SLICE: Duration = Duration::from_millis(20);

pub(super) struct Batch {
    pub(super) sandbox: Sandbox,
    pub(super) plugin: Arc<Loaded>,
    pub(super) activity: Arc<Activity>,
    pub(super) source: Arc<Source>,
    /// The time of the slice that runs.
    pub(super) now: i64,
    /// Timers and streams that failed a moment ago and are tried again later.
    pub(super) resting: HashSet<Arc<str>>,
    pub(super) answered: Answered,
    /// Keys that the journal was asked for before the slice began.
    pub(super) looked_up: HashSet<RetryKey>,
    pub(super) shared: Shared,
    pub(super) hearing: Hearing,
    /// None while a call has it.
    state: Option<State>,
    from: Head,
    journal: Vec<JournalRow>,
    pub(super) effects: Effects,
    /// Timers and streams that have failed in this batch.
    pub(super) failed: Vec<Arc<str>>,
    /// What the activity itself becomes; the batch ends with that.
    pub(super) changed: Option<Change>,
    answers: Vec<(Queued, Answer)>,
}

/// A batch that is to be committed: what is written, and what happens then.
pub(super) struct Closed {
    pub(super) state: State,
    /// None where nothing is to be written.
    pub(super) part: Option<Part>,
    pub(super) answers: Vec<(Queued, Answer)>,
    pub(super) failed: Vec<Arc<str>>,
    pub(super) hearing: Hearing,
    pub(super) changed: Option<Change>,
}

impl Closed {
    /// The calls of the batch, for another try.
    pub(super) fn into_queued(self) -> impl Iterator<Item = Queued> {
        self.answers.into_iter().map(|(queued, _)| queued)
    }
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

/// The state is stale: the batch is run again.
pub(super) struct Again;

impl Batch {
    pub(super) fn new(
        (sandbox, plugin): (Sandbox, Arc<Loaded>),
        activity: Arc<Activity>,
        source: Arc<Source>,
        state: State,
        shared: Shared,
    ) -> Self {
        Self {
            sandbox,
            plugin,
            activity,
            source,
            now: state.head.now,
            resting: HashSet::new(),
            answered: Answered::default(),
            looked_up: HashSet::new(),
            shared,
            hearing: Hearing::default(),
            from: state.head,
            state: Some(state),
            journal: Vec::new(),
            effects: Effects::default(),
            failed: Vec::new(),
            changed: None,
            answers: Vec::new(),
        }
    }

    /// Calls run so far.
    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether nothing of this may be run on before it is committed: the activity itself changes, or it has touched what other
    /// activities share, of which the next batch must read what has become.
    pub(super) fn is_last(&self) -> bool {
        self.changed.is_some() || self.effects.is_shared()
    }

    /// Runs what is waiting, until it is told to stop, and no longer than a slice. Of a stale batch nothing counts.
    pub(super) fn run(&mut self, waiting: &mut VecDeque<Queued>, stop: &AtomicBool) -> Result<(), Again> {
        let begun = Instant::now();
        self.now = self.now.max(self.state().head.now);
        // Due timers and events from outside come before new actions. Where they take the whole slice, most actions wait for the next
        // batch; one does not, so that a plugin whose timers never end cannot keep an operator from stopping it.
        let timers_done = self.run_due(begun)?;
        // What the activity has become is the next batch's to know.
        while self.changed.is_none()
            && let Some(queued) = waiting.pop_front()
        {
            let answer = match &queued.work {
                Work::Act(act) => self.act(act),
                Work::Control(control, key) => self.control(control, key.as_str()),
                Work::Upgrade(to, key) => self.upgrade(to, key.as_str()),
                Work::Wake | Work::Refresh => Ok(Answer::Nothing),
            };
            match self.or_fault(answer) {
                Ok(answer) => self.answers.push((queued, answer)),
                Err(again) => {
                    waiting.push_front(queued);
                    return Err(again);
                }
            }
            let is_over = stop.load(Ordering::Relaxed) || begun.elapsed() > SLICE;
            if !timers_done || is_over {
                break;
            }
        }
        Ok(())
    }

    /// The calls run so far, for another try.
    pub(super) fn into_queued(self) -> impl DoubleEndedIterator<Item = Queued> {
        self.answers.into_iter().map(|(queued, _)| queued)
    }

    pub(super) fn close(self) -> Closed {
        let Self { activity, from, state, journal, effects, failed, hearing, changed, answers, .. } = self;
        let mut state = state.expect("no call is running");
        state.keep();
        let is_written = !journal.is_empty() || state.head.faults != from.faults;
        let part = is_written.then(|| Part {
            id: activity.id.clone(),
            budget: activity.budget.clone(),
            from,
            to: state.head,
            journal,
            effects,
            change: changed.clone(),
        });
        Closed { state, part, answers, failed, hearing, changed }
    }

    pub(super) fn state(&self) -> &State {
        self.state.as_ref().expect("no call is running")
    }

    pub(super) fn state_mut(&mut self) -> &mut State {
        self.state.as_mut().expect("no call is running")
    }

    pub(super) fn or_fault(&mut self, answer: Result<Answer, Fault>) -> Result<Answer, Again> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(Fault::Stale(_)) => Err(Again),
            Err(Fault::Plugin(why)) => {
                self.count_failure(&why);
                Ok(Answer::Faulted(why))
            }
            Err(Fault::Host(error)) => {
                tracing::error!(error = format!("{error:#}"), activity = %self.activity.id.activity, "a call failed");
                Ok(Answer::Failed)
            }
        }
    }

    pub(super) fn count_failure(&mut self, why: &str) {
        self.state_mut().head.faults += 1;
        let plugin = &self.plugin;
        metrics::counter!("fairground_plugin_faults_total", "plugin" => plugin.label.clone()).increment(1);
        tracing::warn!(plugin = plugin.label, activity = %self.activity.id.activity, why, "a plugin failed");
    }

    /// A call begins, with the state and what happened to it before its plugin ran.
    pub(super) fn begin(&mut self, prepare: Prepare<'_>) -> Box<Call> {
        let mut state = self.state.take().expect("no call is running");
        let mut effects = Effects::default();
        state.mark();
        prepare(&mut state, &mut effects);
        Box::new(Call {
            activity: self.activity.clone(),
            manifest: self.plugin.manifest.clone(),
            mode: Mode::Write,
            now: self.now,
            seq: state.head.seq + 1,
            state,
            shared: self.shared.clone(),
            effects,
            source: self.source.clone(),
            facts: Default::default(),
            has_asked_zone: false,
            draws: 0,
        })
    }

    /// A call ends, and what it did is kept.
    pub(super) fn keep(&mut self, call: Call) {
        let Call { mut state, shared, effects, .. } = call;
        state.keep();
        self.state = Some(state);
        self.shared = shared;
        self.effects.merge(effects);
    }

    /// A call ends, and is forgotten.
    pub(super) fn forget(&mut self, call: Call) {
        let mut state = call.state;
        state.take_back();
        self.state = Some(state);
    }

    /// What the host does by itself, with no plugin.
    pub(super) fn run_by_host<T>(
        &mut self,
        prepare: Prepare<'_>,
        run: impl FnOnce(&mut Call) -> anyhow::Result<T>,
    ) -> Result<T, Fault> {
        let mut call = self.begin(prepare);
        let done = run(&mut call);
        match done {
            Ok(_) => self.keep(*call),
            Err(_) => self.forget(*call),
        }
        done.map_err(|error| if error.is::<Stale>() { Fault::Stale(Stale) } else { Fault::Host(error) })
    }

    /// What happens whether or not the plugin agrees.
    pub(super) fn apply(&mut self, change: Prepare<'_>) {
        let state = self.state.as_mut().expect("no call is running");
        change(state, &mut self.effects);
        state.keep();
    }

    pub(super) fn set_timer(&mut self, key: &str, timer: Option<Timer>) {
        self.apply(&|state, effects| set_timer(state, effects, key, timer.clone()));
    }

    /// Runs the plugin; keeps what it did where it answered, and the journal row of an answer or a refusal.
    pub(super) fn call(
        &mut self,
        entry: Entry<'_>,
        prepare: Prepare<'_>,
        export: impl FnOnce(&Guest<'_>, &mut GuestStore, ActivityContext) -> GuestResult<Result<String, Problem>>,
    ) -> Result<Answer, Fault> {
        let call = self.begin(prepare);
        let context = context(&self.activity, &call.state.head, entry.kind, self.now);
        let Self { sandbox, plugin, .. } = &*self;
        let Ended { answer, call, .. } =
            sandbox.call(&plugin.linked, &plugin.label, Some(call), |guest, store| export(guest, store, context));
        let call = *call.expect("a call was given");
        let facts = call.facts_json();
        let answer = answer.and_then(|answer| match answer {
            Ok(output) => output_json(output).map(Ok),
            Err(problem) => Ok(Err(problem)),
        });
        let (outcome, answer) = match answer {
            Ok(Ok(output)) => {
                self.keep(call);
                (Outcome::Ok, output)
            }
            Ok(Err(problem)) => {
                self.forget(call);
                self.apply(prepare);
                (Outcome::Refused, Json::of(&refusal(problem)))
            }
            Err(fault) => {
                self.forget(call);
                return Err(fault);
            }
        };
        Ok(self.journal(entry, outcome, answer, facts))
    }

    pub(super) fn journal(&mut self, entry: Entry<'_>, outcome: Outcome, answer: Json, facts: String) -> Answer {
        let now = self.now;
        let head = &mut self.state_mut().head;
        head.seq += 1;
        head.now = now;
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
            now,
            outcome,
            answer: answer.clone(),
            facts,
            version: self.activity.version.clone(),
        });
        Answer::Done { seq, outcome, answer }
    }
}
