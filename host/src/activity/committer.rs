//! The committer: takes whatever is waiting, from every activity, and writes it in one transaction. The next batch forms while
//! this one syncs, so no timer is needed.

use std::thread;

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use crate::store::{
    Store,
    commit::{Fate, Part},
};

/// Activities in one transaction; more wait for the next.
const PARTS_MAX: usize = 256;

struct Waiting {
    part: Part,
    fate: oneshot::Sender<anyhow::Result<Fate>>,
}

#[derive(Clone)]
pub(super) struct Committer(mpsc::Sender<Waiting>);

impl Committer {
    /// A thread of its own, which ends when the last clone is dropped: a commit goes to and fro with the database, and would wait
    /// each time for its turn among the requests.
    pub(super) fn start(store: Store) -> Self {
        let (parts, mut waiting) = mpsc::channel(PARTS_MAX * 4);
        let runtime = Handle::current();
        let run = async move {
            let mut batch = Vec::with_capacity(PARTS_MAX);
            while waiting.recv_many(&mut batch, PARTS_MAX).await > 0 {
                commit(&store, std::mem::take(&mut batch)).await;
            }
        };
        thread::Builder::new()
            .name("committer".into())
            .spawn(move || runtime.block_on(run))
            .expect("a thread can be started");
        Self(parts)
    }

    /// Queues a part; what becomes of it comes later. An error there says that nothing is known to be written.
    pub(super) async fn submit(&self, part: Part) -> anyhow::Result<oneshot::Receiver<anyhow::Result<Fate>>> {
        let (fate, decided) = oneshot::channel();
        self.0.send(Waiting { part, fate }).await.map_err(|_| anyhow::anyhow!("the committer has stopped"))?;
        Ok(decided)
    }
}

async fn commit(store: &Store, batch: Vec<Waiting>) {
    let (parts, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|waiting| (waiting.part, waiting.fate)).unzip();
    let calls: usize = parts.iter().map(|part| part.journal.len()).sum();
    metrics::histogram!("fairground_commit_calls").record(calls as f64);
    let begun = std::time::Instant::now();
    let fates = commit_parts(store, &parts).await;
    metrics::histogram!("fairground_commit_seconds").record(begun.elapsed());
    // Who no longer listens has gone away with the host.
    replies.into_iter().zip(fates).for_each(|(reply, fate)| drop(reply.send(fate)));
}

/// Where the whole fails, each part is tried alone, so that what is wrong with one harms no other. A part that was written after
/// all meets its own head and is a conflict: its calls are then answered from the journal.
async fn commit_parts(store: &Store, parts: &[Part]) -> Vec<anyhow::Result<Fate>> {
    match store.commit(parts).await {
        Ok(fates) => return fates.into_iter().map(Ok).collect(),
        Err(error) => tracing::warn!(
            error = format!("{error:#}"),
            parts = parts.len(),
            "a commit failed: each part is tried alone"
        ),
    }
    let mut fates = Vec::with_capacity(parts.len());
    for part in parts {
        fates.push(store.commit(std::slice::from_ref(part)).await.map(|fates| fates[0]));
    }
    fates
}
