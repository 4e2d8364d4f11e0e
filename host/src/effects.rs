//! What calls want to change: plain data, buffered while a plugin runs and written by one commit.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::{hold::Hold, id::Id, json::Json};

/// A stored value and how often its key was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub value: Arc<[u8]>,
    pub version: i64,
}

/// What becomes of a key: a new entry, or none at the version reached, so that versions never repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub value: Option<Arc<[u8]>>,
    pub version: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Score {
    pub score: i64,
    pub at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timer {
    pub due: i64,
    pub payload: String,
}

/// What leaves the house after the commit.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub kind: OutgoingKind,
    pub topic: String,
    pub subject: String,
    pub payload: Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutgoingKind {
    Event,
    Notice,
    Proposal,
    Metric,
}

impl OutgoingKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Notice => "notice",
            Self::Proposal => "proposal",
            Self::Metric => "metric",
        }
    }
}

/// How the activity's budget moves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BudgetChange {
    pub held: i64,
    pub captured: i64,
    pub grants: i64,
    /// Grants per member, where the budget counts them.
    pub member_grants: BTreeMap<Id, i64>,
}

/// A member's account of points.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PointAccount {
    pub member: Id,
    pub account: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inviter {
    pub inviter: Id,
    pub source: String,
}

/// The effects of one call, or of the calls of a batch in a row: the last word on each key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effects {
    pub entries: BTreeMap<Arc<str>, Written>,
    /// (board, key) → its score, or none where it was removed.
    pub boards: BTreeMap<(Arc<str>, Arc<str>), Option<Score>>,
    /// None where the timer was cancelled or has run.
    pub timers: BTreeMap<Arc<str>, Option<Timer>>,
    pub holds: BTreeMap<Arc<str>, Hold>,
    pub budget: BudgetChange,
    pub points: BTreeMap<PointAccount, i64>,
    pub inviters: BTreeMap<Id, Inviter>,
    /// With the journal number of the call.
    pub outbox: Vec<(i64, Outgoing)>,
}

impl Effects {
    /// Adds what a later call did.
    pub(crate) fn merge(&mut self, later: Self) {
        self.entries.extend(later.entries);
        self.boards.extend(later.boards);
        self.timers.extend(later.timers);
        self.holds.extend(later.holds);
        self.inviters.extend(later.inviters);
        self.outbox.extend(later.outbox);
        self.budget.held += later.budget.held;
        self.budget.captured += later.budget.captured;
        self.budget.grants += later.budget.grants;
        for (member, grants) in later.budget.member_grants {
            *self.budget.member_grants.entry(member).or_default() += grants;
        }
        for (account, points) in later.points {
            *self.points.entry(account).or_default() += points;
        }
    }

    /// Whether rows are touched that other activities touch too, so that a commit may be refused.
    pub(crate) fn is_shared(&self) -> bool {
        self.budget != BudgetChange::default() || !self.points.is_empty() || !self.inviters.is_empty()
    }
}
