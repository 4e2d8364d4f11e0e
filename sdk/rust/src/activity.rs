//! The trait that an activity implements.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Answer, Blueprint, Call, HostEvent, Offers, Queue, call::is_time_zone, conflict, rewarding};

/// A kind of activity. All functions are associated ones: nothing survives a call but what is written to the host.
pub trait Activity: Sized + 'static {
    /// What an organiser sets. Its schema, with titles, units, bounds and defaults, is derived.
    type Config: DeserializeOwned + JsonSchema;

    /// Lower-case words with dashes.
    const NAME: &'static str;
    /// Semver; `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str;
    const TITLE: &'static str;
    const DESCRIPTION: &'static str;
    /// Counts up when stored state changes its shape; see [`Activity::migrate`].
    const STATE_VERSION: u32 = 1;

    /// Whether it gives rewards that may wait ([`Call::reward`]): the SDK then keeps the queue, which needs the capability `rewards`.
    const REWARDS: bool = false;

    /// Its actions, queries, topics and codes.
    fn blueprint() -> Blueprint<Self>;

    /// Checks what a schema cannot say. `offers` are those that the organiser declared.
    fn check(_config: &Self::Config, _offers: &Offers) -> Result<Report, Vec<Issue>> {
        Ok(Report::default())
    }

    fn start(_call: &mut Call<Self::Config>) -> Answer<()> {
        Ok(())
    }

    /// A timer is due. It may come twice, so look at the state first. A refusal takes back what the call did, and the timer does not ring
    /// again for it; one that panics rings again.
    fn on_timer(_call: &mut Call<Self::Config>, _key: &str, _due: i64, _payload: &str) -> Answer<()> {
        Ok(())
    }

    /// A topic of [`Blueprint::listens`] was heard. It may come twice.
    fn on_event(_call: &mut Call<Self::Config>, _event: &HostEvent) -> Answer<()> {
        Ok(())
    }

    fn stop(_call: &mut Call<Self::Config>, _reason: StopReason) -> Answer<()> {
        Ok(())
    }

    /// Called until it answers true; `batch` counts up. Each call is one bounded transaction.
    fn settle(_call: &mut Call<Self::Config>, _batch: u32) -> Answer<bool> {
        Ok(true)
    }

    /// The page, for a member or for nobody in particular.
    fn page(_call: &mut Call<Self::Config>, _viewer: Option<&str>) -> Answer<Vec<Block>> {
        Ok(Vec::new())
    }

    /// Recomputes the invariants; answers the broken ones.
    fn audit(_call: &mut Call<Self::Config>) -> Answer<Vec<String>> {
        Ok(Vec::new())
    }

    /// Moves stored state of an older [`Self::STATE_VERSION`] to this one's shape, all of it in this one call, with a call's limits: what
    /// is too much for that keeps its shape, and a new one goes beside it under other keys. A refusal, as of a version whose shape
    /// is not known, leaves the activity where it was. The host moves no activity to an older state version.
    fn migrate(_call: &mut Call<Self::Config>, from_state_version: u32) -> Answer<()> {
        let message = format!("There is no way from state version {from_state_version} to {}.", Self::STATE_VERSION);
        Err(conflict("common.no-migration", message))
    }
}

/// A timer of the activity's, or of what the SDK keeps for it.
pub(crate) fn ring<A: Activity>(call: &mut Call<A::Config>, key: &str, due: i64, payload: &str) -> Answer<()> {
    if A::REWARDS && rewarding::QUEUE.rings(key) {
        call.give_due(due);
        return Ok(());
    }
    A::on_timer(call, key, due, payload)
}

/// A step of settling: first what waits is given, then it is the activity's turn.
pub(crate) fn settle<A: Activity>(call: &mut Call<A::Config>, batch: u32) -> Answer<bool> {
    Ok((!A::REWARDS || call.give_due(Queue::ALL)) && A::settle(call, batch)?)
}

/// Why the activity takes no more actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// [`Call::ends_at`] has come.
    Ended,
    /// An operator ended it early.
    Stopped,
    /// An operator called it off before it began. Hosts of 0.1.0 do that without calling the plugin.
    Cancelled,
}

/// What a config comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The most that the activity can cost, in minor units; none where there is no bound.
    pub max_liability: Option<i64>,
    /// Sentences that members must be shown.
    pub disclosures: Vec<String>,
    pub warnings: Vec<String>,
}

/// Something wrong in a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// JSON pointer: `/streak/0/days`.
    pub pointer: String,
    pub code: &'static str,
    pub message: String,
}

/// Collects what is wrong in a config.
#[derive(Debug, Default)]
pub struct Issues(Vec<Issue>);

impl Issues {
    /// Adds an issue where `fine` does not hold.
    pub fn expect(&mut self, fine: bool, pointer: impl Into<String>, code: &'static str, message: impl Into<String>) {
        if !fine {
            self.0.push(Issue { pointer: pointer.into(), code, message: message.into() });
        }
    }

    /// Adds an issue where the config's `zone` is none that is known.
    pub fn expect_zone(&mut self, zone: &str) {
        let is_known = is_time_zone(zone);
        self.expect(is_known, "/zone", "invalid-config", "An IANA time zone, such as Asia/Shanghai.");
    }

    /// The report, where nothing was wrong.
    pub fn or(self, report: Report) -> Result<Report, Vec<Issue>> {
        if self.0.is_empty() { Ok(report) } else { Err(self.0) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    Top,
    Middle,
    Bottom,
}

/// A piece of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub section: Section,
    pub kind: &'static str,
    /// JSON.
    pub content: String,
}

impl Block {
    pub fn new<T: Serialize>(section: Section, kind: &'static str, content: &T) -> Self {
        Self { section, kind, content: serde_json::to_string(content).expect("content is JSON") }
    }
}
