//! After the commit: what activities had to say is told to those who want to hear it, at least once, and for each activity in
//! order. What one receiver has been told is a cursor in the store; a host takes a lease on it while it tells.

mod client;
mod demo_shop;
mod live;
mod mail;
mod post;
pub(crate) mod signature;
mod telling;
mod templates;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};

use crate::{activity::Activities, domain::id::Id, store::endpoints::Due};

pub(crate) use client::check_url;
pub(crate) use demo_shop::Deed;
pub(crate) use live::{Followed, Follower, Live};
pub(crate) use mail::{Mailer, is_address};
pub(crate) use telling::message;
pub(crate) use templates::check_template;

use client::Client;
use telling::Told;

/// Endpoints and activities that are looked at in one round.
const DUE_MAX: i64 = 256;

/// Tellings of one endpoint at a time, each of another activity: one that is slow takes its own time and nobody else's.
const TELLINGS_PER_ENDPOINT_MAX: usize = 4;

/// Tellings at a time, in all.
const TELLINGS_MAX: usize = 256;

/// Who tells. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Delivery {
    activities: Activities,
    client: Client,
    /// Who listens just now.
    pub(crate) live: Live,
    /// The operator's mail server, where there is one.
    mailer: Option<Mailer>,
    /// Room for notices that are on their way, and how many there are of each community.
    sending: Arc<Semaphore>,
    sending_of: Arc<Mutex<HashMap<Id, usize>>>,
    /// Room for tellings.
    telling: Arc<Semaphore>,
    under_way: Arc<Mutex<UnderWay>>,
    /// True once the host is to end.
    draining: watch::Receiver<bool>,
}

/// What is being told, and what turned out to be nothing.
#[derive(Default)]
struct UnderWay {
    /// By community and endpoint.
    tellings: HashMap<(Id, Id), usize>,
    nothing: Vec<Due>,
}

impl Delivery {
    /// `allowed` are names of hosts that may have addresses of their own network's, and be spoken to without encryption. A receiver
    /// that takes longer than `time_max` has not heard it.
    pub(crate) fn new(
        activities: Activities,
        (allowed, time_max): (&[String], Duration),
        mailer: Option<Mailer>,
        draining: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let client = Client::new(allowed, time_max)?;
        Ok(Self {
            activities,
            client,
            live: Live::new(draining.clone()),
            mailer,
            sending: Arc::new(Semaphore::new(post::SENDING_MAX)),
            sending_of: Arc::default(),
            telling: Arc::new(Semaphore::new(TELLINGS_MAX)),
            under_way: Arc::default(),
            draining,
        })
    }

    /// Begins to tell whoever is to be told something now. True where somebody is.
    pub(crate) async fn round(&self) -> anyhow::Result<bool> {
        let store = &self.activities.store;
        let nothing = std::mem::take(&mut self.lock().nothing);
        store.caught_up(&nothing).await?;
        let mut any = !nothing.is_empty();
        for due in store.due_deliveries(self.activities.clock.now(), DUE_MAX).await? {
            let Ok(room) = self.telling.clone().try_acquire_owned() else { break };
            let endpoint = (due.activity.community.clone(), due.endpoint.clone());
            if !self.lock().begin(&endpoint) {
                continue;
            }
            any = true;
            let delivery = self.clone();
            // Not awaited: others are told meanwhile.
            tokio::spawn(async move {
                let told = tokio::spawn(delivery.clone().tell(due)).await;
                let mut under_way = delivery.lock();
                under_way.end(&endpoint);
                match told {
                    Ok(Ok(Told::Nothing(due))) => under_way.nothing.push(due),
                    Ok(Ok(Told::Something | Told::No)) => {}
                    Ok(Err(error)) => {
                        tracing::error!(error = format!("{error:#}"), "a delivery failed; it is tried again")
                    }
                    Err(error) => tracing::error!(%error, "a delivery panicked; it is tried again"),
                }
                drop(room);
            });
        }
        Ok(any)
    }

    /// Begins nothing more, and waits until what is on its way has arrived, or has not. What is told and not yet written down is leased:
    /// another host would wait for the lease to end.
    pub(crate) async fn finish(&self, time_max: Duration) {
        let posts = self.sending.acquire_many(post::SENDING_MAX as u32);
        let tellings = self.telling.acquire_many(TELLINGS_MAX as u32);
        let done = tokio::time::timeout(time_max, async { tokio::join!(posts, tellings) }).await;
        if done.is_err() {
            tracing::warn!("some messages were still on their way when the host had to end; they may go out twice");
        }
        self.sending.close();
        self.telling.close();
    }

    /// Names of hosts that may be anywhere, and be spoken to without encryption.
    pub(crate) fn allowed(&self) -> &[String] {
        self.client.allowed()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, UnderWay> {
        self.under_way.lock().expect("nothing panics while it is locked")
    }
}

impl UnderWay {
    /// Counts a telling of an endpoint; false where there are enough of it.
    fn begin(&mut self, endpoint: &(Id, Id)) -> bool {
        let own = self.tellings.get(endpoint).copied().unwrap_or_default();
        let room = own < TELLINGS_PER_ENDPOINT_MAX;
        if room {
            self.tellings.insert(endpoint.clone(), own + 1);
        }
        room
    }

    fn end(&mut self, endpoint: &(Id, Id)) {
        let left = self.tellings.remove(endpoint).unwrap_or_default().saturating_sub(1);
        if left > 0 {
            self.tellings.insert(endpoint.clone(), left);
        }
    }
}
