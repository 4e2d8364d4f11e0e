//! Reputation: how trades of a member have ended.

use fairground_sdk::{not_allowed, prelude::*};

use crate::config::Config;

/// A trade that went wrong weighs as much as three that went well.
const FAULT: i64 = 3;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Reputation {
    /// Trades that went well.
    pub settled: i64,
    /// Trades in which this member did not ship, or lost a dispute.
    pub faults: i64,
}

impl Reputation {
    pub(crate) fn load(call: &Call<Config>, member: &str) -> Self {
        call.find(&key(member)).unwrap_or_default()
    }

    pub(crate) fn score(self) -> i64 {
        self.settled - FAULT * self.faults
    }

    /// Whether it is enough to swap.
    pub(crate) fn must_do(call: &Call<Config>, member: &str) -> Answer<()> {
        if Self::load(call, member).score() < call.config.min_reputation {
            return Err(not_allowed("swap.reputation", "Too many of your trades went wrong."));
        }
        Ok(())
    }

    /// Another trade of a member is over.
    pub(crate) fn count(call: &mut Call<Config>, member: &str, is_fault: bool) {
        let before = Self::load(call, member);
        let fault = i64::from(is_fault);
        let after = Self { settled: before.settled + 1 - fault, faults: before.faults + fault };
        call.save(&key(member), &after);
    }
}

fn key(member: &str) -> String {
    format!("reputation/{member}")
}
