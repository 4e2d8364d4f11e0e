//! Refusals: the domain's own no, with a stable dotted code.

use serde::{Deserialize, Serialize};

/// What sort of refusal; the edge makes an HTTP status of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefusalKind {
    InvalidArgument,
    NotFound,
    NotAllowed,
    Conflict,
    LimitReached,
    Expired,
    InsufficientBudget,
    InsufficientStock,
    RiskRejected,
}

/// A call that did not happen, and why. A plugin's refusals are journalled, so that a retry gets the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub kind: RefusalKind,
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub retryable: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<(String, String)>,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, code: &str, message: &str) -> Self {
        Self { kind, code: code.into(), message: message.into(), retryable: false, params: Vec::new() }
    }
}
