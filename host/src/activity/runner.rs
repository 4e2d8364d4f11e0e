//! A runner: the one task that writes an activity. It takes what is waiting, has it run, has it committed, and answers. While one
//! batch is being committed the next one grows on top of it; should the first not be committed, both are run again.

mod slice;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use tokio::sync::{
    mpsc,
    oneshot::{self, error::TryRecvError},
};

use crate::{
    clock::Clock,
    domain::activity::Activity,
    sandbox::{catalog::Catalog, threads::GuestThreads},
    state::{Source, State},
    store::commit::Fate,
};

use super::{
    answered::Answered,
    batch::{Batch, Closed},
    committer::Committer,
    hearing::Patience,
    work::{Answer, Queued, Work},
};

/// Calls waiting for one activity; more are told to come back.
pub(super) const QUEUE_MAX: usize = 1_024;

/// Calls of one activity in one commit.
pub(crate) const BATCH_MAX: usize = 256;

/// How often a batch is run again because another host, or another activity of a shared budget, was faster.
const ATTEMPTS_MAX: u32 = 20;

/// After a retry that only the store knew, so many slices look their keys up first: where there is one, there are more.
const CAREFUL_SLICES: u32 = 64;

/// A runner that nobody needs lets go of its memory.
const IDLE: Duration = Duration::from_secs(600);

/// A timer or an event that failed is tried again after so long.
const TIMER_REST_MS: i64 = 5_000;

/// What a busy activity tells its callers.
pub(crate) const RETRY_AFTER_MS: i64 = 1_000;

pub(super) struct Runner {
    activity: Arc<Activity>,
    source: Arc<Source>,
    catalog: Catalog,
    threads: GuestThreads,
    committer: Committer,
    clock: Clock,
    /// The state of the last commit.
    state: State,
    /// The same, for queries.
    committed: Arc<Mutex<State>>,
    waiting: VecDeque<Queued>,
    /// The batch that grows. None while a slice of it runs.
    open: Option<Batch>,
    is_running: bool,
    /// The batch that is being committed.
    flight: Option<Flight>,
    answered: Answered,
    careful: u32,
    /// How often in a row a batch was run for nothing.
    attempts: u32,
    resting: HashMap<Arc<str>, i64>,
    patience: Patience,
    /// True once nobody needs it, or the activity itself has changed.
    is_retiring: bool,
}

struct Flight {
    fate: oneshot::Receiver<anyhow::Result<Fate>>,
    batch: Closed,
    /// Nothing may be run on top of it.
    is_last: bool,
}

impl Runner {
    pub(super) fn new(
        activity: Arc<Activity>,
        source: Arc<Source>,
        (catalog, threads, committer, clock): (Catalog, GuestThreads, Committer, Clock),
        state: State,
        committed: Arc<Mutex<State>>,
    ) -> Self {
        Self {
            activity,
            source,
            catalog,
            threads,
            committer,
            clock,
            state,
            committed,
            waiting: VecDeque::new(),
            open: None,
            is_running: false,
            flight: None,
            answered: Answered::default(),
            careful: 0,
            attempts: 0,
            resting: HashMap::new(),
            patience: Patience::default(),
            is_retiring: false,
        }
    }

    /// Runs until nobody needs it; `retire` takes it out of the registry first. What came in meanwhile is still answered: the next
    /// runner begins from what this one commits.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Queued>, retire: impl FnOnce()) {
        let mut retire = Some(retire);
        let mut is_drained = false;
        let mut arrived = Vec::with_capacity(BATCH_MAX);
        while !(is_drained && self.is_idle()) {
            self.depart().await;
            // The next look-up opens the activity anew, with its new version where it has one.
            if self.is_retiring
                && let Some(retire) = retire.take()
            {
                retire();
                queue.close();
            }
            self.gather(&mut queue);
            if self.may_run() {
                self.run_slice().await;
                continue;
            }
            let room = BATCH_MAX.saturating_sub(self.waiting.len());
            tokio::select! {
                biased;
                fate = landing(&mut self.flight) => self.land(fate).await,
                count = queue.recv_many(&mut arrived, room), if room > 0 && !is_drained => {
                    self.waiting.extend(arrived.drain(..));
                    is_drained = count == 0;
                }
                () = tokio::time::sleep(IDLE), if self.is_idle() => self.is_retiring = true,
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.flight.is_none() && self.open.is_none() && self.waiting.is_empty()
    }

    fn gather(&mut self, queue: &mut mpsc::Receiver<Queued>) {
        while self.waiting.len() < BATCH_MAX
            && let Ok(queued) = queue.try_recv()
        {
            self.waiting.push_back(queued);
        }
    }

    /// Whether something is waiting that may run now, perhaps on top of what is being committed.
    fn may_run(&self) -> bool {
        let is_alone = self.flight.is_none() && self.open.is_none();
        !self.waiting.is_empty()
            && self.open.as_ref().is_none_or(|open| open.len() < BATCH_MAX && open.changed.is_none())
            // What is new in the inbox is the next batch's to hear.
            && !(self.is_woken() && self.open.as_ref().is_some_and(|open| !open.effects.heard.is_empty()))
            && self.flight.as_ref().is_none_or(|flight| !flight.is_last)
            && (is_alone || !self.wants_refresh() && !self.state.is_full())
    }

    fn is_woken(&self) -> bool {
        self.waiting.iter().any(|queued| matches!(queued.work, Work::Wake))
    }

    fn wants_refresh(&self) -> bool {
        self.waiting.iter().any(|queued| matches!(queued.work, Work::Refresh))
    }

    /// Sends the open batch on its way, if nothing is in flight.
    async fn depart(&mut self) {
        if let Some(flight) = &mut self.flight {
            match flight.fate.try_recv() {
                Ok(fate) => self.land(fate).await,
                Err(TryRecvError::Closed) => self.land(Err(anyhow::anyhow!("the committer has stopped"))).await,
                Err(TryRecvError::Empty) => return,
            }
        }
        let Some(open) = self.open.take() else { return };
        let is_last = open.is_last();
        let mut batch = open.close();
        match batch.part.take() {
            Some(part) => match self.committer.submit(part).await {
                Ok(fate) => self.flight = Some(Flight { fate, batch, is_last }),
                Err(error) => {
                    self.fail(batch.into_queued(), &error);
                    self.again(Vec::new()).await;
                }
            },
            None if is_no(&batch) && self.is_behind(&batch).await => {
                self.again(batch.into_queued().collect()).await;
            }
            None => {
                self.attempts = 0;
                self.note_failures(&batch);
                answer(batch.answers);
            }
        }
    }

    /// Whether another host has moved the activity on since. A store that does not answer is found out by the next commit.
    async fn is_behind(&self, batch: &Closed) -> bool {
        let head = self.source.store.head(&self.activity.id).await;
        head.is_ok_and(|head| head.seq != batch.state.head.seq)
    }

    /// The batch in flight has been committed, or has not.
    async fn land(&mut self, fate: anyhow::Result<Fate>) {
        let Some(Flight { batch, .. }) = self.flight.take() else { return };
        match fate {
            Ok(Fate::Committed) => {
                self.attempts = 0;
                self.answered.age();
                self.note_failures(&batch);
                self.publish(batch.state);
                if let Some(change) = batch.changed {
                    self.is_retiring = true;
                    self.activity = Arc::new(change.apply(&self.activity));
                }
                answer(batch.answers);
            }
            Ok(fate) => {
                metrics::counter!("fairground_commit_retries_total").increment(1);
                tracing::debug!(?fate, activity = %self.activity.id.activity, "run again");
                self.again(batch.into_queued().collect()).await;
            }
            Err(error) => {
                // It is not known what was written: the next batch begins with what the store says.
                self.fail(batch.into_queued(), &error);
                self.again(Vec::new()).await;
            }
        }
    }

    /// What was run counts for nothing: these calls and the open batch's wait again, in their order, for a state that is newer.
    async fn again(&mut self, first: Vec<Queued>) {
        self.answered.clear();
        self.careful = CAREFUL_SLICES;
        self.attempts += 1;
        let open = self.open.take().into_iter().flat_map(Batch::into_queued);
        let all: Vec<Queued> = first.into_iter().chain(open).collect();
        if self.attempts >= ATTEMPTS_MAX {
            self.attempts = 0;
            for queued in all {
                let _ = queued.reply.send(Answer::Busy(RETRY_AFTER_MS));
            }
        } else {
            all.into_iter().rev().for_each(|queued| self.waiting.push_front(queued));
        }
        if let Err(error) = self.catch_up().await {
            self.fail_waiting(&error);
        }
    }

    /// Reads the state anew where another host has moved it on.
    async fn catch_up(&mut self) -> anyhow::Result<()> {
        let head = self.source.store.head(&self.activity.id).await?;
        if head.seq == self.state.head.seq {
            return Ok(());
        }
        let state = State::load(self.source.clone()).await?;
        // Another host may have changed the activity itself as well. Read after the state: an old version never meets a newer shape.
        if let Some((activity, _)) = self.source.store.activity(&self.activity.id).await?
            && activity.revision() != self.activity.revision()
        {
            self.is_retiring = true;
            self.activity = Arc::new(activity);
        }
        self.publish(state);
        Ok(())
    }

    fn publish(&mut self, mut state: State) {
        // What runs on top of it needs what it knows.
        if self.open.is_none() && !self.is_running {
            state.trim();
        }
        self.state = state.clone();
        *self.committed.lock().expect("nothing panics while it is locked") = state;
    }

    /// What has failed rests for a while.
    fn note_failures(&mut self, batch: &Closed) {
        let now = self.clock.now();
        self.resting.retain(|_, until| now < *until);
        self.resting.extend(batch.failed.iter().map(|key| (key.clone(), now + TIMER_REST_MS)));
        self.patience.count(&batch.hearing);
    }

    fn fail_waiting(&mut self, error: &anyhow::Error) {
        let waiting = std::mem::take(&mut self.waiting);
        self.fail(waiting, error);
    }

    fn fail(&self, queue: impl IntoIterator<Item = Queued>, error: &anyhow::Error) {
        tracing::error!(error = format!("{error:#}"), activity = %self.activity.id.activity, "a batch failed");
        for queued in queue {
            let _ = queued.reply.send(Answer::Failed);
        }
    }
}

/// Whether somebody is told no without a row in the journal: no commit will find out that the state was old.
fn is_no(batch: &Closed) -> bool {
    batch.answers.iter().any(|(_, answer)| matches!(answer, Answer::Rejected(_) | Answer::Faulted(_)))
}

/// What becomes of the flight. Never ends where there is none.
async fn landing(flight: &mut Option<Flight>) -> anyhow::Result<Fate> {
    match flight {
        Some(flight) => (&mut flight.fate).await.context("the committer has stopped")?,
        None => std::future::pending().await,
    }
}

/// Sends the answers; whoever has gone away is answered all the same when they ask again.
fn answer(answers: Vec<(Queued, Answer)>) {
    for (queued, answer) in answers {
        let _ = queued.reply.send(answer);
    }
}
