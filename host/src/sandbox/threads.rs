//! Guest threads: a runtime of their own, so that a spinning plugin delays neither HTTP nor commits.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
};

use tokio::sync::{Semaphore, oneshot};

use crate::domain::id::Id;

/// More threads than cores: one community's slow calls never hold all of them, and the system shares the cores out fairly.
const THREADS_PER_CORE: usize = 4;
const THREADS_MIN: usize = 8;

/// A community holds at most a quarter of the threads.
const COMMUNITY_SHARE: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

#[derive(Clone)]
pub(crate) struct GuestThreads {
    jobs: crossbeam_channel::Sender<Job>,
    permits: Arc<Mutex<HashMap<Id, Arc<Semaphore>>>>,
    share: usize,
}

impl GuestThreads {
    pub(crate) fn start() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = (cores * THREADS_PER_CORE).max(THREADS_MIN);
        let (jobs, waiting) = crossbeam_channel::unbounded::<Job>();
        for number in 0..count {
            let waiting = waiting.clone();
            thread::Builder::new()
                .name(format!("guest-{number}"))
                .spawn(move || waiting.into_iter().for_each(|job| drop(catch_unwind(AssertUnwindSafe(job)))))
                .expect("a thread can be started");
        }
        Self { jobs, permits: Arc::default(), share: count / COMMUNITY_SHARE }
    }

    /// Runs a job of a community. A panic in it is an error here, and the thread lives on.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        community: &Id,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let permits = {
            let mut all = self.permits.lock().expect("nothing panics while it is locked");
            all.entry(community.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.share))).clone()
        };
        let permit = permits.acquire_owned().await?;
        let (answer, done) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Sent before the permit is dropped; a job that panics sends nothing.
            let _ = answer.send(job());
            drop(permit);
        });
        self.jobs.send(job).map_err(|_| anyhow::anyhow!("the guest threads are gone"))?;
        done.await.map_err(|_| anyhow::anyhow!("a guest thread panicked"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_threads_live_on() {
        let threads = GuestThreads::start();
        let town = Id::new("town").expect("an id");
        for _ in 0..50 {
            assert!(threads.run(&town, || panic!("on purpose")).await.is_err());
        }
        assert_eq!(threads.run(&town, || 7).await.expect("an answer"), 7);
    }

    #[tokio::test]
    async fn a_community_that_holds_its_threads_leaves_the_others_theirs() {
        let threads = GuestThreads::start();
        let (busy, quiet) = (Id::new("busy").expect("an id"), Id::new("quiet").expect("an id"));
        let (release, held) = crossbeam_channel::bounded::<()>(0);
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let (threads, busy, held) = (threads.clone(), busy.clone(), held.clone());
                tokio::spawn(async move { threads.run(&busy, move || held.recv()).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(threads.run(&quiet, || 7).await.expect("an answer"), 7);
        drop(release);
        for job in waiting {
            assert!(job.await.expect("joins").expect("ran").is_err(), "it was held until the end");
        }
    }
}
