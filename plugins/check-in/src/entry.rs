//! Entries: what is kept of each day of each member.

use fairground_sdk::prelude::*;

use crate::{config::Config, proof::Proof};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    CheckedIn,
    MadeUp,
    Frozen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Pending,
    Approved,
    Rejected,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub how: How,
    pub standing: Standing,
    pub at: i64,
    pub proof: Option<Proof>,
    /// Keys of what is held or was given for it.
    pub prizes: Vec<String>,
}

impl Entry {
    pub(crate) fn load(call: &Call<Config>, member: &str, day: Day) -> Option<Self> {
        call.load(&key(member, day))
    }

    pub(crate) fn save(&self, call: &mut Call<Config>, member: &str, day: Day) {
        call.save(&key(member, day), self);
    }

    /// Entries of a member from `start` of text on: `2026-03` gives that month.
    pub(crate) fn of_month(call: &Call<Config>, member: &str, month: &str) -> Vec<(String, Self)> {
        let prefix = format!("day/{member}/{month}-");
        let rows = call.scan::<Self>(&prefix, None, 31).into_iter();
        rows.map(|(key, entry)| (format!("{month}-{}", &key[prefix.len()..]), entry)).collect()
    }
}

fn key(member: &str, day: Day) -> String {
    format!("day/{member}/{day}")
}
