//! A runner: the one task that writes an activity. It takes what is waiting, has it run, has it committed, and answers.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::sync::mpsc;

use crate::{
    capability::shared::Shared,
    clock::Clock,
    domain::{activity::Activity, journal::RetryKey},
    sandbox::{catalog::Catalog, threads::GuestThreads},
    state::{Source, State},
    store::commit::Fate,
};

use super::{
    batch::{Batch, Ran},
    committer::Committer,
    work::{Answer, Queued, Work},
};

/// Calls waiting for one activity; more are told to come back.
pub(super) const QUEUE_MAX: usize = 1_024;

/// Calls of one activity in one commit.
const BATCH_MAX: usize = 256;

/// How often a batch is run again because another host, or another activity of a shared budget, was faster.
const ATTEMPTS_MAX: u32 = 20;

/// A runner that nobody needs lets go of its memory.
const IDLE: Duration = Duration::from_secs(600);

/// A timer that failed is tried again after so long.
const TIMER_REST_MS: i64 = 5_000;

/// What a busy activity tells its callers.
pub(super) const RETRY_AFTER_MS: i64 = 1_000;

pub(super) struct Runner {
    pub activity: Arc<Activity>,
    pub source: Arc<Source>,
    pub catalog: Catalog,
    pub threads: GuestThreads,
    pub committer: Committer,
    pub clock: Clock,
    pub state: State,
    /// What queries see: the state of the last commit.
    pub committed: Arc<Mutex<State>>,
    pub resting: HashMap<Arc<str>, i64>,
    /// True once the activity has moved to another version.
    pub moved: bool,
}

impl Runner {
    /// Runs until nobody needs it; `retire` takes it out of the registry first.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Queued>, retire: impl FnOnce()) {
        let mut waiting = VecDeque::new();
        let mut arrived = Vec::with_capacity(BATCH_MAX);
        loop {
            let room = BATCH_MAX.saturating_sub(waiting.len());
            if waiting.is_empty() {
                match tokio::time::timeout(IDLE, queue.recv_many(&mut arrived, BATCH_MAX)).await {
                    Ok(0) => return,
                    Ok(_) => {}
                    Err(_) => break,
                }
            } else if room > 0 {
                while arrived.len() < room
                    && let Ok(queued) = queue.try_recv()
                {
                    arrived.push(queued);
                }
            }
            waiting.extend(arrived.drain(..));
            waiting = self.step(waiting.into()).await.into();
            if self.moved {
                // The next look-up opens the activity with its new version.
                break;
            }
        }
        retire();
        queue.close();
        // What came in while it retired is still answered; the next runner begins from what this one commits.
        while !waiting.is_empty() || queue.recv_many(&mut arrived, BATCH_MAX).await > 0 {
            let mut left: Vec<Queued> = waiting.drain(..).chain(arrived.drain(..)).collect();
            while !left.is_empty() {
                left = self.step(left).await;
            }
        }
    }

    /// Runs and commits one batch and answers it; gives back what is left for the next.
    async fn step(&mut self, mut queue: Vec<Queued>) -> Vec<Queued> {
        for attempt in 0..ATTEMPTS_MAX {
            let refresh = attempt > 0 || queue.iter().any(|queued| matches!(queued.work, Work::Refresh));
            if refresh && let Err(error) = self.catch_up().await {
                return self.fail(queue, &error);
            }
            let (back, ran) = match self.run_batch(queue).await {
                Ok(done) => done,
                Err((queue, error)) => return self.fail(queue, &error),
            };
            queue = back;
            if ran.stale {
                continue;
            }
            let Ran { state, part, answers, failed_timers, .. } = ran;
            let version = part.as_ref().and_then(|part| part.version.clone());
            let fate = match part {
                Some(part) => self.committer.commit(part).await,
                None => Ok(Fate::Committed),
            };
            match fate {
                Ok(Fate::Committed) => {
                    self.publish(state);
                    self.rest(failed_timers);
                    if let Some(version) = version {
                        self.moved = true;
                        self.activity = Arc::new(Activity { version, ..(*self.activity).clone() });
                    }
                    return answer(queue, answers);
                }
                Ok(fate) => {
                    metrics::counter!("fairground_commit_retries_total").increment(1);
                    tracing::debug!(?fate, activity = %self.activity.id.activity, "run again");
                }
                Err(error) => {
                    // It is not known what was written: the next batch begins with what the store says.
                    let left = self.fail(queue, &error);
                    if let Err(error) = self.catch_up().await {
                        tracing::error!(error = format!("{error:#}"), "the store does not answer");
                    }
                    return left;
                }
            }
        }
        for queued in queue.drain(..) {
            let _ = queued.reply.send(Answer::Busy(RETRY_AFTER_MS));
        }
        queue
    }

    /// A panic loses the queue: whoever waits for an answer is told that the host failed.
    async fn run_batch(&mut self, queue: Vec<Queued>) -> Result<(Vec<Queued>, Ran), (Vec<Queued>, anyhow::Error)> {
        let begun = Instant::now();
        let batch = match self.batch(&queue).await {
            Ok(batch) => batch,
            Err(error) => return Err((queue, error)),
        };
        metrics::histogram!("fairground_batch_seconds", "phase" => "prepare").record(begun.elapsed());
        let begun = Instant::now();
        let job = move || {
            let ran = batch.run(&queue);
            (queue, ran)
        };
        let ran = self.threads.run(&self.activity.id.community, job).await.map_err(|error| (Vec::new(), error));
        metrics::histogram!("fairground_batch_seconds", "phase" => "run").record(begun.elapsed());
        ran
    }

    async fn batch(&self, queue: &[Queued]) -> anyhow::Result<Batch> {
        let Activity { id, plugin, version, budget, .. } = &*self.activity;
        let loaded = self.catalog.load(plugin, version).await?.context("the activity's plugin is gone")?;
        let keys: Vec<RetryKey> = queue
            .iter()
            .filter_map(|queued| match &queued.work {
                Work::Act(act) => Some(act.retry_key()),
                _ => None,
            })
            .collect();
        let store = &self.source.store;
        let budget = match budget {
            Some(budget) => store.budget(&id.community, budget).await?,
            None => None,
        };
        let now = self.clock.now();
        let resting: HashSet<_> =
            self.resting.iter().filter(|(_, until)| now < **until).map(|(key, _)| key.clone()).collect();
        Ok(Batch {
            sandbox: self.catalog.sandbox.clone(),
            plugin: loaded,
            activity: self.activity.clone(),
            source: self.source.clone(),
            state: self.state.clone(),
            shared: Shared::new(budget),
            recorded: if keys.is_empty() { HashMap::new() } else { store.recorded(id, &keys).await? },
            now,
            resting,
        })
    }

    /// Reads the state anew where another host has moved it on.
    async fn catch_up(&mut self) -> anyhow::Result<()> {
        let head = self.source.store.head(&self.activity.id).await?;
        if head == self.state.head {
            return Ok(());
        }
        let state = State::load(self.source.clone()).await?;
        self.publish(state);
        // Another host may have moved it to another version as well.
        if let Some((activity, _)) = self.source.store.activity(&self.activity.id).await?
            && activity.version != self.activity.version
        {
            self.moved = true;
            self.activity = Arc::new(activity);
        }
        Ok(())
    }

    fn publish(&mut self, mut state: State) {
        state.trim();
        self.state = state.clone();
        *self.committed.lock().expect("nothing panics while it is locked") = state;
    }

    fn rest(&mut self, failed: Vec<Arc<str>>) {
        let now = self.clock.now();
        self.resting.retain(|_, until| now < *until);
        self.resting.extend(failed.into_iter().map(|key| (key, now + TIMER_REST_MS)));
    }

    fn fail(&self, queue: Vec<Queued>, error: &anyhow::Error) -> Vec<Queued> {
        tracing::error!(error = format!("{error:#}"), activity = %self.activity.id.activity, "a batch failed");
        for queued in queue {
            let _ = queued.reply.send(Answer::Failed);
        }
        Vec::new()
    }
}

/// Sends the answers; whoever has gone away is answered all the same when they ask again. Gives back who has none yet.
fn answer(mut queue: Vec<Queued>, answers: Vec<Answer>) -> Vec<Queued> {
    let left = queue.split_off(answers.len());
    for (queued, answer) in queue.into_iter().zip(answers) {
        let _ = queued.reply.send(answer);
    }
    left
}
