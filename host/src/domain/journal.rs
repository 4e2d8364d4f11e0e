//! The journal: the ordered, append-only record of every answered call.

use super::{id::Id, json::Json};

/// What made the call happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CallKind {
    Action,
    Start,
    Timer,
    Event,
    Pause,
    Resume,
    Stop,
    Settle,
    Migrate,
    Expand,
}

impl CallKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Start => "start",
            Self::Timer => "timer",
            Self::Event => "event",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Settle => "settle",
            Self::Migrate => "migrate",
            Self::Expand => "expand",
        }
    }
}

/// How an answered call ended. Calls that trap are not answered, and not in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Refused,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "ok" => Some(Self::Ok),
            "refused" => Some(Self::Refused),
            _ => None,
        }
    }
}

/// One call, ready to be written.
#[derive(Debug, Clone)]
pub(crate) struct JournalRow {
    pub seq: i64,
    pub kind: CallKind,
    /// The member; for an operator's call the key's id; empty for the host's own calls.
    pub actor: String,
    pub name: String,
    pub idempotency_key: Option<String>,
    pub input: String,
    pub now: i64,
    pub outcome: Outcome,
    /// The output, or the refusal.
    pub answer: Json,
    /// What the host told from outside the activity, and the draws, in the order asked.
    pub facts: String,
    pub version: String,
}

/// What was answered to an idempotency key.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub seq: i64,
    pub input: String,
    pub outcome: Outcome,
    pub answer: Json,
}

/// A retry is recognised by who did what under which key, within an activity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RetryKey {
    pub actor: Id,
    pub name: String,
    pub key: String,
}
