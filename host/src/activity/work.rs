//! What a runner is asked to do, and what it answers.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    domain::{
        activity::{Revision, Scope},
        id::Id,
        journal::{Outcome, Recorded, RetryKey},
        json::Json,
        refusal::{Refusal, RefusalKind},
    },
    sandbox::catalog::Loaded,
};

/// Who acts.
#[derive(Debug, Clone)]
pub(crate) enum Actor {
    Member(Id),
    /// By the key's id.
    Operator(Id),
}

impl Actor {
    pub(crate) fn id(&self) -> &Id {
        match self {
            Self::Member(id) | Self::Operator(id) => id,
        }
    }
}

/// An action on its way.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub actor: Actor,
    pub name: String,
    pub key: String,
    /// Canonical JSON that fits the action's schema.
    pub input: String,
    /// Why this actor may not act now; a retry of an answered call gets its answer all the same.
    pub standing: Result<(), Refusal>,
    /// Whose schema, roles and scope it was checked against.
    pub revision: Revision,
}

impl Act {
    pub(super) fn retry_key(&self) -> RetryKey {
        RetryKey { actor: self.actor.id().clone(), name: self.name.clone(), key: self.key.clone() }
    }
}

/// What operators do to an activity's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    Start,
    Pause,
    Resume,
    Stop,
    /// Move to another version of the plugin.
    Upgrade(String),
    /// Be for more groups, or for everybody.
    Expand(Scope),
    /// End later: at this instant.
    Extend(i64),
}

pub(super) enum Work {
    Act(Act),
    Control(Control, Id),
    /// Move to this version, which is loaded.
    Upgrade(Arc<Loaded>, Id),
    /// Look at the timers.
    Wake,
    /// Another host may have moved on: read the head again.
    Refresh,
}

pub(super) struct Queued {
    pub work: Work,
    pub reply: oneshot::Sender<Answer>,
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It is on disk under this journal number.
    Done { seq: i64, outcome: Outcome, answer: Json },
    /// The host's own no; nothing is written of it.
    Rejected(Refusal),
    /// The plugin failed; nothing it did is kept.
    Faulted(String),
    /// Not now: try again after so many milliseconds.
    Busy(i64),
    /// Its version has failed too often in a row, and rests for so many milliseconds.
    Resting(i64),
    /// The host failed; it is logged.
    Failed,
    /// Its activity has changed since it was checked: it is to be checked anew.
    Moved,
    /// There was nothing to answer.
    Nothing,
}

impl Answer {
    /// To a call whose key was used before: what was answered then, if it asks the same.
    pub(super) fn again(before: &Recorded, input: &str) -> Self {
        if before.input == input {
            return Self::Done { seq: before.seq, outcome: before.outcome, answer: before.answer.clone() };
        }
        let message = "This idempotency key was used before with another input.";
        Self::Rejected(Refusal::new(RefusalKind::InvalidArgument, "common.idempotency-mismatch", message))
    }

    pub(crate) fn is_ok(&self) -> bool {
        matches!(self, Self::Done { outcome: Outcome::Ok, .. })
    }
}
