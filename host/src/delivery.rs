//! After the commit: what activities had to say is told to those who want to hear it, at least once, and for each activity in
//! order. What one receiver has been told is a cursor in the store; a host takes a lease on it while it tells.

mod client;
mod demo_shop;
pub(crate) mod signature;
mod telling;

use std::time::Duration;

use tokio::task::JoinSet;

use crate::activity::Activities;

pub(crate) use client::check_url;
pub(crate) use demo_shop::Deed;

use client::Client;
use telling::Told;

/// Receivers and activities that are looked at in one round.
const DUE_MAX: i64 = 64;

/// Who tells. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Delivery {
    activities: Activities,
    client: Client,
}

impl Delivery {
    /// `allowed` are names of hosts that may have addresses of their own network's, and be spoken to without encryption.
    pub(crate) fn new(activities: Activities, allowed: &[String], time_max: Duration) -> anyhow::Result<Self> {
        Ok(Self { activities, client: Client::new(allowed, time_max)? })
    }

    /// Tells whoever is to be told something now. True where somebody was.
    pub(crate) async fn round(&self) -> anyhow::Result<bool> {
        let now = self.activities.clock.now();
        let mut telling = JoinSet::new();
        for due in self.activities.store.due_deliveries(now, DUE_MAX).await? {
            telling.spawn(self.clone().tell(due));
        }
        let (mut caught_up, mut any) = (Vec::new(), false);
        while let Some(told) = telling.join_next().await {
            match told {
                Ok(Ok(Told::Nothing(due))) => caught_up.push(due),
                Ok(Ok(Told::Something)) => any = true,
                Ok(Ok(Told::No)) => {}
                Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), "a delivery failed; it is tried again"),
                Err(error) => tracing::error!(%error, "a delivery panicked; it is tried again"),
            }
        }
        self.activities.store.caught_up(&caught_up).await?;
        Ok(any || !caught_up.is_empty())
    }

    /// Names of hosts that may be anywhere, and be spoken to without encryption.
    pub(crate) fn allowed(&self) -> &[String] {
        self.client.allowed()
    }
}
