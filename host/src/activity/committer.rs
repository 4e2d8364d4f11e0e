//! The committer: takes whatever is waiting, from every activity, and writes it in one transaction. The next batch forms while
//! this one syncs, so no timer is needed.

use tokio::sync::{mpsc, oneshot};

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
    /// Its task ends when the last clone is dropped.
    pub(super) fn start(store: Store) -> Self {
        let (parts, mut waiting) = mpsc::channel(PARTS_MAX * 4);
        tokio::spawn(async move {
            let mut batch = Vec::with_capacity(PARTS_MAX);
            while waiting.recv_many(&mut batch, PARTS_MAX).await > 0 {
                commit(&store, std::mem::take(&mut batch)).await;
            }
        });
        Self(parts)
    }

    /// An error says that nothing is known to be written.
    pub(super) async fn commit(&self, part: Part) -> anyhow::Result<Fate> {
        let (fate, decided) = oneshot::channel();
        self.0.send(Waiting { part, fate }).await.map_err(|_| anyhow::anyhow!("the committer has stopped"))?;
        decided.await.map_err(|_| anyhow::anyhow!("the committer has stopped"))?
    }
}

async fn commit(store: &Store, batch: Vec<Waiting>) {
    let (parts, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|waiting| (waiting.part, waiting.fate)).unzip();
    let calls: usize = parts.iter().map(|part| part.journal.len()).sum();
    metrics::histogram!("fairground_commit_calls").record(calls as f64);
    let begun = std::time::Instant::now();
    let fates = store.commit(&parts).await;
    metrics::histogram!("fairground_commit_seconds").record(begun.elapsed());
    // Who no longer listens has gone away with the host.
    match fates {
        Ok(fates) => replies.into_iter().zip(fates).for_each(|(reply, fate)| drop(reply.send(Ok(fate)))),
        Err(error) => {
            let error = format!("{error:#}");
            replies.into_iter().for_each(|reply| drop(reply.send(Err(anyhow::anyhow!(error.clone())))));
        }
    }
}
