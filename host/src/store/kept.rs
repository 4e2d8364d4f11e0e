//! The commit's own connection to PostgreSQL. A pool would hand it another each time, tested before and after: each has a process of
//! the server, which plans every statement for itself, and whose memory nobody has touched since its last turn.

use std::time::{Duration, Instant};

use sqlx::{Any, AnyPool, Connection, pool::PoolConnection};
use tokio::sync::Mutex;

use super::rows::Script;

/// Then the pool has it back, which retires what is old and tests what was idle: a network may have dropped it unseen.
const KEPT_MAX: Duration = Duration::from_secs(30);

pub(super) struct Kept {
    pool: AnyPool,
    kept: Mutex<Option<Taken>>,
}

struct Taken {
    connection: PoolConnection<Any>,
    since: Instant,
}

impl Kept {
    pub(super) fn of(pool: AnyPool) -> Self {
        Self { pool, kept: Mutex::default() }
    }

    /// Runs the script as a transaction; an error has undone all of it. Never call it in a future that may be dropped.
    pub(super) async fn commit(&self, script: Script<'_>) -> anyhow::Result<()> {
        let mut kept = self.kept.lock().await;
        // Taken out: one that fails goes back to the pool, which ends its transaction, or closes it.
        let mut taken = match kept.take().filter(|taken| taken.since.elapsed() < KEPT_MAX) {
            Some(taken) => taken,
            None => Taken { connection: self.pool.acquire().await?, since: Instant::now() },
        };
        let mut tx = taken.connection.begin_with("BEGIN").await?;
        script.run(&mut tx).await?;
        tx.commit().await?;
        *kept = Some(taken);
        Ok(())
    }

    /// Gives it back: a pool waits for all of its own before it closes.
    pub(super) async fn close(&self) {
        self.kept.lock().await.take();
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Executor;

    use super::{
        super::direct::tests::{names, store},
        *,
    };

    #[tokio::test]
    async fn a_connection_is_kept_from_commit_to_commit_and_given_back_in_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        // Of a pool of one: whoever keeps a connection has all there are.
        let kept = Kept::of(store.writer.clone());
        let script = |name| names(&store, &[name]);
        let since = async || kept.kept.lock().await.as_ref().expect("one is kept").since;
        kept.commit(script("a")).await.expect("is written");
        let first = since().await;
        kept.commit(script("b")).await.expect("is written");
        assert_eq!(since().await, first);
        assert!(kept.pool.try_acquire().is_none());
        kept.kept.lock().await.as_mut().expect("one is kept").since = first - KEPT_MAX;
        kept.commit(script("c")).await.expect("is written");
        assert!(since().await > first);
        kept.close().await;
        kept.pool.close().await;
        kept.commit(script("d")).await.expect_err("it is closed");
    }

    #[tokio::test]
    async fn a_script_that_fails_leaves_nothing_and_keeps_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let kept = Kept::of(store.writer.clone());
        kept.commit(names(&store, &["b"])).await.expect("is written");
        kept.commit(names(&store, &["a", "b"])).await.expect_err("there is a b");
        assert!(kept.kept.lock().await.is_none());
        let mut connection = kept.pool.acquire().await.expect("the pool has it");
        assert!(!connection.is_in_transaction());
        assert_eq!(connection.fetch_all("SELECT name FROM kept").await.expect("rows").len(), 1);
    }
}
