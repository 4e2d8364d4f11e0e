//! Refusals: the call did not happen, and the client is told why.

use std::fmt;

/// What an action or a query answers.
pub type Answer<T> = Result<T, Problem>;

/// What sort of refusal; it decides the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 422.
    InvalidArgument,
    /// 404.
    NotFound,
    /// 403.
    NotAllowed,
    /// 409: not in this state.
    Conflict,
    /// 409.
    LimitReached,
    /// 409: too late.
    Expired,
    /// 409.
    InsufficientBudget,
    /// 409: nothing is left in stock.
    InsufficientStock,
    /// 403.
    RiskRejected,
}

/// A refusal with a stable, dotted code. Everything that the call did is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub kind: Kind,
    pub code: &'static str,
    pub message: String,
    pub retryable: bool,
    pub params: Vec<(String, String)>,
}

impl Problem {
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), retryable: false, params: Vec::new() }
    }

    /// Adds a fact for the client's own sentence.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.params.push((name.into(), value.to_string()));
        self
    }

    /// Says that the same call may succeed later.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(code: &'static str, message: impl Into<String>) -> Problem {
                Problem::new(Kind::$kind, code, message)
            }
        )*
    };
}

kinds! {
    /// 422: the input makes no sense here.
    invalid => InvalidArgument;
    /// 404: what the input names does not exist.
    not_found => NotFound;
    /// 403: this member may not.
    not_allowed => NotAllowed;
    /// 409: not in this state.
    conflict => Conflict;
    /// 409: a limit is reached.
    limit_reached => LimitReached;
    /// 409: too late.
    expired => Expired;
    /// 403: the risk rules refuse it.
    risk_rejected => RiskRejected;
}
