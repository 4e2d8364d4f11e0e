//! RFC 9457 problems: every answer that is not a success.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    activity::{AskError, CreateError, Issue},
    domain::refusal::{Refusal, RefusalKind},
    store::BadCursor,
};

/// Why there is no success. Clients branch on `code`, which is stable; `detail` is for people.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `about:blank`: the code says what sort of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: String,
    detail: String,
    /// True when the same request may succeed later.
    retryable: bool,
    /// What is wrong where, by JSON pointers into the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Issue>,
    /// Facts for a client's own sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<(String, String)>,
    #[serde(skip)]
    retry_after_ms: Option<i64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            code: code.into(),
            detail: detail.into(),
            retryable: false,
            errors: Vec::new(),
            params: Vec::new(),
            retry_after_ms: None,
        }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "http.not-found", format!("There is no such {what}."))
    }

    pub(crate) fn unprocessable(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub(crate) fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// An idempotency key was used before with another input.
    pub(crate) fn idempotency_mismatch() -> Self {
        let detail = "This idempotency key was used before with another input.";
        Self::unprocessable("common.idempotency-mismatch", detail)
    }

    pub(crate) fn invalid(errors: Vec<Issue>) -> Self {
        let detail = errors.first().map_or_else(String::new, |Issue { pointer, message, .. }| {
            if pointer.is_empty() { message.clone() } else { format!("{pointer}: {message}") }
        });
        Self { errors, ..Self::unprocessable("http.invalid", detail) }
    }

    pub(crate) fn busy(retry_after_ms: i64) -> Self {
        Self::later("Too much is waiting here; try again.", retry_after_ms)
    }

    pub(crate) fn resting(retry_after_ms: i64) -> Self {
        Self::later("The plugin has failed too often in a row, and rests; try again then.", retry_after_ms)
    }

    fn later(detail: &str, retry_after_ms: i64) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "common.busy", detail);
        Self { retryable: true, retry_after_ms: Some(retry_after_ms), ..problem }
    }

    /// The plugin's fault: it trapped or went over a limit, and nothing it did is kept.
    pub(crate) fn plugin_fault(why: &str) -> Self {
        let problem =
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "common.plugin-fault", format!("The plugin failed: {why}."));
        Self { retryable: true, ..problem }
    }

    /// Our fault; it is logged, and told to nobody.
    pub(crate) fn fault() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "common.internal", "The host failed. It has been logged.")
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Invalid(issues) => Self::invalid(issues),
            CreateError::Taken => Self::conflict("activity.exists", "The community has an activity of this id."),
            CreateError::Faulted(why) => Self::plugin_fault(&why),
            CreateError::Fault(error) => error.into(),
        }
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        if let Some(bad) = error.downcast_ref::<BadCursor>() {
            return Self::new(StatusCode::BAD_REQUEST, "http.bad-page", format!("{bad}."));
        }
        tracing::error!(error = format!("{error:#}"), "a request failed");
        Self::fault()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::InvalidArgument => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::NotAllowed | RefusalKind::RiskRejected => StatusCode::FORBIDDEN,
            RefusalKind::Conflict
            | RefusalKind::LimitReached
            | RefusalKind::Expired
            | RefusalKind::InsufficientBudget
            | RefusalKind::InsufficientStock => StatusCode::CONFLICT,
        };
        Self {
            retryable: refusal.retryable,
            params: refusal.params,
            ..Self::new(status, &refusal.code, refusal.message)
        }
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused(refusal) => refusal.into(),
            AskError::Faulted(why) => Self::plugin_fault(&why),
            AskError::Busy(retry_after_ms) => Self::busy(retry_after_ms),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_ms.map(|wait| wait.div_euclid(1_000).max(1));
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
