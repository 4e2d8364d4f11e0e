//! Whoever listens just now: how many may, when they are woken, and when they are sent away.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch},
    time::Instant,
};

use crate::domain::id::Id;

/// Streams of one host, each a connection and a look at the store every second.
const FOLLOWERS_MAX: usize = 2_000;

/// Streams of one credential: the tabs of a person, the processes of a platform.
const FOLLOWERS_OF_ONE_MAX: usize = 16;

/// A stream ends after so long, as member tokens do: the client comes again with whatever credential is good then.
const FOLLOWING_TIME_MAX: Duration = Duration::from_secs(900);

/// Another host's news are seen after so long.
const LOOK: Duration = Duration::from_secs(2);

/// Followers who look at the store at a time: calls and commits need its connections too.
const LOOKING_MAX: usize = 4;

/// News that were told and a follower has not looked at yet; of more than that it only knows that there were some.
const NEWS_MAX: usize = 1_024;

/// What is followed: the stream of a community, or a member's inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Followed {
    Stream(Id),
    Inbox(Id, Id),
}

/// Where there is something new.
#[derive(Debug, Clone)]
pub(super) enum News {
    Of(Followed),
    /// In inboxes of a community.
    Inboxes(Id),
}

impl News {
    fn concerns(&self, followed: &Followed) -> bool {
        match (self, followed) {
            (Self::Of(told), followed) => told == followed,
            (Self::Inboxes(community), Followed::Inbox(of, _)) => community == of,
            (Self::Inboxes(_), Followed::Stream(_)) => false,
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Live {
    news: broadcast::Sender<News>,
    draining: watch::Receiver<bool>,
    looking: Arc<Semaphore>,
    followers: Arc<Mutex<HashMap<String, usize>>>,
}

/// Somebody who listens; gone when dropped.
pub(crate) struct Follower {
    live: Live,
    who: String,
    followed: Followed,
    news: broadcast::Receiver<News>,
    until: Instant,
}

impl Live {
    pub(super) fn new(draining: watch::Receiver<bool>) -> Self {
        let looking = Arc::new(Semaphore::new(LOOKING_MAX));
        Self { news: broadcast::Sender::new(NEWS_MAX), draining, looking, followers: Arc::default() }
    }

    /// Wakes whom it concerns.
    pub(super) fn tell(&self, news: News) {
        // Nobody may be listening.
        let _ = self.news.send(news);
    }

    /// None where too many listen already.
    pub(crate) fn follow(&self, who: String, followed: Followed) -> Option<Follower> {
        let mut followers = self.lock();
        let all: usize = followers.values().sum();
        let own = followers.get(&who).copied().unwrap_or_default();
        if all >= FOLLOWERS_MAX || own >= FOLLOWERS_OF_ONE_MAX {
            return None;
        }
        followers.insert(who.clone(), own + 1);
        drop(followers);
        let until = Instant::now() + FOLLOWING_TIME_MAX;
        Some(Follower { live: self.clone(), who, followed, news: self.news.subscribe(), until })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.followers.lock().expect("nothing panics while it is locked")
    }
}

impl Follower {
    /// Room to look at the store. Whatever is told from now on ends the next wait.
    pub(crate) async fn look(&mut self) -> OwnedSemaphorePermit {
        self.news = self.news.resubscribe();
        self.live.looking.clone().acquire_owned().await.expect("it is never closed")
    }

    /// Waits until there may be something new. False where it is time to go.
    pub(crate) async fn wait(&mut self) -> bool {
        let mut draining = self.live.draining.clone();
        let Self { news, followed, until, .. } = self;
        tokio::select! {
            () = concerned(news, followed) => true,
            () = tokio::time::sleep(LOOK) => true,
            () = tokio::time::sleep_until(*until) => false,
            _ = draining.wait_for(|draining| *draining) => false,
        }
    }

    /// Whether it is time to go, however much there is to tell.
    pub(crate) fn is_over(&self) -> bool {
        *self.live.draining.borrow() || Instant::now() >= self.until
    }
}

/// Ends with news of what is followed, or where it is not known what there was.
async fn concerned(news: &mut broadcast::Receiver<News>, followed: &Followed) {
    while let Ok(told) = news.recv().await {
        if told.concerns(followed) {
            return;
        }
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

    fn town() -> Followed {
        Followed::Stream(Id::new("town").expect("an id"))
    }

    #[test]
    fn one_credential_follows_only_so_often() {
        let (_stop, draining) = watch::channel(false);
        let live = Live::new(draining);
        let follow = |who: &str| live.follow(who.into(), town());
        let mut all: Vec<Follower> = (0..FOLLOWERS_OF_ONE_MAX).map(|_| follow("ann").expect("room")).collect();
        assert!(follow("ann").is_none());
        let others = (all.len()..FOLLOWERS_MAX).map(|number| follow(&number.to_string()).expect("room"));
        let others: Vec<Follower> = others.collect();
        assert!(follow("bob").is_none(), "the host has no more room");
        all.pop();
        assert!(follow("ann").is_some());
        drop((all, others));
        assert!(live.lock().is_empty());
    }

    #[tokio::test]
    async fn who_follows_is_woken_and_sent_away() {
        let (stop, draining) = watch::channel(false);
        let live = Live::new(draining);
        let mut ann = live.follow("ann".into(), town()).expect("room");
        drop(ann.look().await);
        live.tell(News::Of(town()));
        assert!(ann.wait().await && !ann.is_over());
        ann.until = Instant::now();
        assert!(ann.is_over() && !ann.wait().await);
        let mut bob = live.follow("bob".into(), town()).expect("room");
        stop.send(true).expect("somebody listens");
        assert!(!bob.wait().await && bob.is_over());
    }

    #[test]
    fn news_concern_whom_they_are_about() {
        let id = |text: &str| Id::new(text).expect("an id");
        let inbox = |community, member| Followed::Inbox(id(community), id(member));
        assert!(News::Of(town()).concerns(&town()) && News::Of(inbox("town", "ann")).concerns(&inbox("town", "ann")));
        assert!(News::Inboxes(id("town")).concerns(&inbox("town", "ann")));
        assert!(!News::Of(inbox("town", "ann")).concerns(&inbox("town", "bob")));
        assert!(
            !News::Inboxes(id("town")).concerns(&inbox("else", "ann")) && !News::Inboxes(id("town")).concerns(&town())
        );
    }
}
