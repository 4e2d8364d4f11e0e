//! A slice: what is waiting, run for a while on a guest thread, while the batch before it lands.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use anyhow::Context;

use crate::{
    activity::{
        batch::{Again, Batch},
        work::{Queued, Work},
    },
    capability::shared::Shared,
    domain::{activity::Activity, journal::RetryKey},
    store::commit::Fate,
};

use super::{Runner, landing};

/// A slice that has run.
struct Ran {
    batch: Batch,
    /// What it did not come to.
    waiting: VecDeque<Queued>,
    done: Result<(), Again>,
}

impl Runner {
    /// Runs what is waiting, for a slice of time. A panic loses what ran: who waits for it is told that the host failed.
    pub(super) async fn run_slice(&mut self) {
        if self.wants_refresh()
            && self.open.is_none()
            && self.flight.is_none()
            && let Err(error) = self.catch_up().await
        {
            return self.fail_waiting(&error);
        }
        let begun = Instant::now();
        let batch = match self.prepare().await {
            Ok(batch) => batch,
            Err(error) => {
                return self.fail_waiting(&error);
            }
        };
        metrics::histogram!("fairground_batch_seconds", "phase" => "prepare").record(begun.elapsed());
        let (ran, lost) = self.run_and_land(batch).await;
        match ran {
            Ok(Ran { batch, waiting, done }) => {
                self.waiting = waiting;
                self.patience.wait(&batch);
                self.open = Some(batch);
                if let Some(fate) = lost {
                    self.land(fate).await;
                }
                if let Err(Again) = done {
                    // Another host has moved on. What is in flight will find out as well.
                    if self.flight.is_some() {
                        let fate = landing(&mut self.flight).await;
                        self.land(fate).await;
                    }
                    // Where that was lost, these calls wait again already.
                    if self.open.is_some() {
                        self.again(Vec::new()).await;
                    }
                }
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), activity = %self.activity.id.activity, "a batch failed");
                if let Some(fate) = lost {
                    self.land(fate).await;
                }
            }
        }
    }

    /// Runs what is waiting on a guest thread. A flight that is committed meanwhile is answered at once, and the slice goes on: the more
    /// calls a commit has, the less each costs. One that is not committed is answered back.
    async fn run_and_land(&mut self, mut batch: Batch) -> (anyhow::Result<Ran>, Option<anyhow::Result<Fate>>) {
        let begun = Instant::now();
        let mut waiting = std::mem::take(&mut self.waiting);
        let is_in_vain = Arc::new(AtomicBool::new(false));
        let stop = is_in_vain.clone();
        let job = move || {
            let done = batch.run(&mut waiting, &stop);
            Ran { batch, waiting, done }
        };
        let (threads, activity) = (self.threads.clone(), self.activity.clone());
        let mut running = pin!(threads.run(&activity.id.community, job));
        let (mut has_landed, mut lost) = (false, None);
        self.is_running = true;
        let mut ran = loop {
            tokio::select! {
                ran = &mut running => break ran,
                fate = landing(&mut self.flight), if lost.is_none() => match fate {
                    Ok(Fate::Committed) => {
                        has_landed = true;
                        self.land(fate).await;
                    }
                    // What runs on top of it counts for nothing.
                    fate => {
                        is_in_vain.store(true, Ordering::Relaxed);
                        lost = Some(fate);
                    }
                },
            }
        };
        self.is_running = false;
        metrics::histogram!("fairground_batch_seconds", "phase" => "run").record(begun.elapsed());
        if let Ok(Ran { batch, .. }) = &mut ran {
            self.answered = std::mem::take(&mut batch.answered);
            // When it landed the slice had them.
            if has_landed {
                self.answered.age();
            }
        }
        (ran, lost)
    }

    /// The open batch, or a new one on top of the last, ready to run what is waiting.
    async fn prepare(&mut self) -> anyhow::Result<Batch> {
        let mut batch = match self.open.take() {
            Some(open) => open,
            None => self.begin().await?,
        };
        batch.now = batch.now.max(self.clock.now());
        let resting = self.resting.iter().filter(|(_, until)| batch.now < **until).map(|(key, _)| key);
        // What has failed in the batch that is being committed rests already.
        let failed = self.flight.iter().flat_map(|flight| &flight.batch.failed);
        batch.resting = resting.chain(failed).cloned().collect();
        batch.answered = std::mem::take(&mut self.answered);
        // Nothing runs on top of a batch that has heard something, so whatever is there now was not heard yet.
        if (self.is_woken() || batch.has_due()) && batch.effects.heard.is_empty() {
            let rests = |stream: &str| !batch.may_hear(stream);
            let inbox = self.source.store.inbox(&self.activity.id, rests).await?;
            batch.hearing.learn(inbox, &self.patience, batch.now);
        }
        let unknown = self.waiting.iter().filter_map(|queued| match &queued.work {
            Work::Act(act) if self.careful > 0 || !batch.leaves_rows(act) => Some(act.retry_key()),
            _ => None,
        });
        let unknown: Vec<RetryKey> = unknown.filter(|key| batch.answered.get(key).is_none()).collect();
        batch.looked_up = unknown.iter().cloned().collect();
        if !unknown.is_empty() {
            for (key, recorded) in self.source.store.recorded(&self.activity.id, &unknown).await? {
                batch.answered.insert(key, recorded);
            }
        }
        self.careful = self.careful.saturating_sub(1);
        Ok(batch)
    }

    async fn begin(&self) -> anyhow::Result<Batch> {
        let Activity { id, plugin, version, budget, .. } = &*self.activity;
        let loaded = self.catalog.load(plugin, version).await?.context("the activity's plugin is gone")?;
        let budget = match budget {
            Some(budget) => self.source.store.budget(&id.community, budget).await?,
            None => None,
        };
        let state = self.flight.as_ref().map_or(&self.state, |flight| &flight.batch.state).clone();
        let code = (self.catalog.sandbox.clone(), loaded);
        Ok(Batch::new(code, self.activity.clone(), self.source.clone(), state, Shared::new(budget)))
    }
}
