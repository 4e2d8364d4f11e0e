//! Whoever listens just now: how many may, when they are woken, and when they are sent away.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// Streams of one host, each a connection and a look at the store every second.
const FOLLOWERS_MAX: usize = 2_000;

/// Streams of one credential: the tabs of a person, the processes of a platform.
const FOLLOWERS_OF_ONE_MAX: usize = 16;

/// A stream ends after so long, as member tokens do: the client comes again with whatever credential is good then.
const FOLLOWING_TIME_MAX: Duration = Duration::from_secs(900);

/// Another host's news are seen after so long.
const LOOK: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Live {
    news: watch::Sender<u64>,
    draining: watch::Receiver<bool>,
    followers: Arc<Mutex<HashMap<String, usize>>>,
}

/// Somebody who listens; gone when dropped.
pub(crate) struct Follower {
    live: Live,
    who: String,
    news: watch::Receiver<u64>,
    until: Instant,
}

impl Live {
    pub(super) fn new(draining: watch::Receiver<bool>) -> Self {
        Self { news: watch::Sender::new(0), draining, followers: Arc::default() }
    }

    /// Wakes everybody: there is something new.
    pub(super) fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    /// None where too many listen already.
    pub(crate) fn follow(&self, who: String) -> Option<Follower> {
        let mut followers = self.lock();
        let all: usize = followers.values().sum();
        let own = followers.entry(who.clone()).or_default();
        if all >= FOLLOWERS_MAX || *own >= FOLLOWERS_OF_ONE_MAX {
            return None;
        }
        *own += 1;
        drop(followers);
        let until = Instant::now() + FOLLOWING_TIME_MAX;
        Some(Follower { live: self.clone(), who, news: self.news.subscribe(), until })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.followers.lock().expect("nothing panics while it is locked")
    }
}

impl Follower {
    /// Whatever is told from now on ends the next wait.
    pub(crate) fn look(&mut self) {
        self.news.mark_unchanged();
    }

    /// Waits until there may be something new. False where it is time to go.
    pub(crate) async fn wait(&mut self) -> bool {
        let mut draining = self.live.draining.clone();
        tokio::select! {
            _ = self.news.changed() => true,
            () = tokio::time::sleep(LOOK) => true,
            () = tokio::time::sleep_until(self.until) => false,
            _ = draining.wait_for(|draining| *draining) => false,
        }
    }

    /// Whether it is time to go, however much there is to tell.
    pub(crate) fn is_over(&self) -> bool {
        *self.live.draining.borrow() || Instant::now() >= self.until
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut followers = self.live.lock();
        let left = followers.remove(&self.who).unwrap_or_default().saturating_sub(1);
        if left > 0 {
            followers.insert(self.who.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_credential_follows_only_so_often() {
        let (_stop, draining) = watch::channel(false);
        let live = Live::new(draining);
        let mut all: Vec<Follower> = (0..FOLLOWERS_OF_ONE_MAX).map(|_| live.follow("ann".into()).expect("room")).collect();
        assert!(live.follow("ann".into()).is_none());
        let others = (all.len()..FOLLOWERS_MAX).map(|number| live.follow(number.to_string()).expect("room"));
        let others: Vec<Follower> = others.collect();
        assert!(live.follow("bob".into()).is_none(), "the host has no more room");
        all.pop();
        assert!(live.follow("ann".into()).is_some());
        drop(others);
    }

    #[tokio::test]
    async fn who_follows_is_woken_and_sent_away() {
        let (stop, draining) = watch::channel(false);
        let live = Live::new(draining);
        let mut ann = live.follow("ann".into()).expect("room");
        ann.look();
        live.tell();
        assert!(ann.wait().await && !ann.is_over());
        ann.until = Instant::now();
        assert!(ann.is_over() && !ann.wait().await);
        let mut bob = live.follow("bob".into()).expect("room");
        stop.send(true).expect("somebody listens");
        assert!(!bob.wait().await && bob.is_over());
    }
}
