//! Guest threads: a runtime of their own, so that a spinning plugin delays neither HTTP nor commits.

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, Weak},
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
    pool: Arc<Pool>,
    permits: Arc<Mutex<HashMap<Id, Arc<Semaphore>>>>,
    share: usize,
}

/// What waits: threads for jobs, or jobs for threads. The thread that rested last works next, because its caches are warm.
#[derive(Default)]
struct Pool {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    threads: Vec<oneshot::Sender<Job>>,
    jobs: VecDeque<Job>,
}

impl Pool {
    fn give(&self, job: Job) {
        let mut waiting = self.lock();
        match waiting.threads.pop() {
            Some(thread) => assert!(thread.send(job).is_ok(), "a thread that rests is listening"),
            None => waiting.jobs.push_back(job),
        }
    }

    /// A job that waits, or where the next one will come.
    fn take(&self) -> Result<Job, oneshot::Receiver<Job>> {
        let mut waiting = self.lock();
        waiting.jobs.pop_front().ok_or_else(|| {
            let (thread, job) = oneshot::channel();
            waiting.threads.push(thread);
            job
        })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nothing panics while it is locked")
    }
}

/// The life of a thread: it ends with its pool.
fn work(pool: &Weak<Pool>) {
    while let Some(taken) = pool.upgrade().map(|pool| pool.take()) {
        let Ok(job) = taken.or_else(oneshot::Receiver::blocking_recv) else { return };
        drop(catch_unwind(AssertUnwindSafe(job)));
    }
}

impl GuestThreads {
    pub(crate) fn start() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = (cores * THREADS_PER_CORE).max(THREADS_MIN);
        let pool = Arc::new(Pool::default());
        for number in 0..count {
            let pool = Arc::downgrade(&pool);
            thread::Builder::new()
                .name(format!("guest-{number}"))
                .spawn(move || work(&pool))
                .expect("a thread can be started");
        }
        Self { pool, permits: Arc::default(), share: count / COMMUNITY_SHARE }
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
        self.pool.give(Box::new(move || {
            // Sent before the permit is dropped; a job that panics sends nothing.
            let _ = answer.send(job());
            drop(permit);
        }));
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
        let gate = Arc::new(tokio::sync::Mutex::new(()));
        let held = gate.clone().lock_owned().await;
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let (threads, busy, gate) = (threads.clone(), busy.clone(), gate.clone());
                tokio::spawn(async move { threads.run(&busy, move || drop(gate.blocking_lock())).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(threads.run(&quiet, || 7).await.expect("an answer"), 7);
        assert!(waiting.iter().all(|job| !job.is_finished()), "they are held until the end");
        drop(held);
        for job in waiting {
            job.await.expect("joins").expect("ran");
        }
    }
}
