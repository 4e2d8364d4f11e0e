//! What handlers take from a request: JSON bodies, path parts, pages. Whatever does not fit is a problem that says why.

use std::time::Duration;

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{StatusCode, header, request::Parts},
};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::{
        activity::ActivityId,
        id::{Id, NotAnId},
    },
    sandbox::COMPONENT_BYTES_MAX,
    store::{Page, PageRequest},
};

use super::{identity::Principal, problem::Problem};

/// Configs and inputs are small; a larger body is an accident or an attack.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

/// A body that takes longer is cut off.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// serde_json stops at 128 levels; nothing of ours needs more than these.
const DEPTH_MAX: usize = 32;

const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 200;

/// As many bytes as a key of Stripe's may have.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

async fn body(request: Request, most: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "http.too-large", format!("A body here has at most {most} bytes."))
    };
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        drain(request.into_body(), most).await;
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIME_MAX, to_bytes(request.into_body(), most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let over =
                std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("length limit"));
            Err(if over {
                too_large()
            } else {
                Problem::new(StatusCode::BAD_REQUEST, "http.bad-body", "The body broke off.")
            })
        }
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "http.slow-body", "The body took too long.")),
    }
}

/// Reads past a body that is refused, as far as another of its limit: a client that is still sending would otherwise see a
/// broken connection, and not the answer.
async fn drain(mut body: axum::body::Body, most: usize) {
    let skip = async {
        let mut skipped = 0;
        while let Some(Ok(frame)) = body.frame().await {
            skipped += frame.data_ref().map_or(0, Bytes::len);
            if skipped > 2 * most {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(BODY_TIME_MAX, skip).await;
}

/// A JSON body.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        fit(parse(&body(request, BODY_BYTES_MAX).await?)?).map(Self)
    }
}

/// A JSON body whose shape a plugin knows.
pub(crate) struct Input(pub serde_json::Value);

impl<S: Send + Sync> FromRequest<S> for Input {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        parse(&body(request, BODY_BYTES_MAX).await?).map(Self)
    }
}

/// What a body says.
fn parse(bytes: &[u8]) -> Result<serde_json::Value, Problem> {
    let malformed = |error: serde_json::Error| {
        Problem::new(StatusCode::BAD_REQUEST, "http.malformed", format!("The body is no JSON: {error}."))
    };
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(malformed)?;
    if depth(&value, DEPTH_MAX).is_none() {
        let detail = format!("JSON here is at most {DEPTH_MAX} levels deep.");
        return Err(Problem::unprocessable("http.too-deep", detail));
    }
    Ok(value)
}

/// The same as a type of ours. None is a list, which serde would take field by field.
fn fit<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    if value.is_array() {
        return Err(Problem::unprocessable("http.invalid", "The body does not fit: it is an array."));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, why) = (error.path().to_string(), error.inner());
        // What is wrong with the whole has no path.
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        Problem::unprocessable("http.invalid", format!("The body does not fit: {place}{why}."))
    })
}

/// None where it is deeper than allowed.
fn depth(value: &serde_json::Value, left: usize) -> Option<()> {
    let left = left.checked_sub(1)?;
    match value {
        serde_json::Value::Array(items) => items.iter().try_for_each(|item| depth(item, left)),
        serde_json::Value::Object(fields) => fields.values().try_for_each(|field| depth(field, left)),
        _ => Some(()),
    }
}

/// A JSON body whose bytes somebody signed: they are looked at first, and only then whether they fit.
pub(crate) struct Signed<T> {
    pub bytes: Bytes,
    pub body: Result<T, Problem>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Signed<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = body(request, BODY_BYTES_MAX).await?;
        let body = parse(&bytes).and_then(fit);
        Ok(Self { bytes, body })
    }
}

/// The bytes of an upload.
pub(crate) struct Upload(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        body(request, COMPONENT_BYTES_MAX).await.map(Self)
    }
}

/// The parts of the path, each an id.
pub(crate) struct Ids<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Ids<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What is no id names nothing.
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(ids)| Self(ids))
            .map_err(|_| Problem::not_found(&format!("resource: {NotAnId}")))
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CommunityPath {
    #[param(value_type = String)]
    pub community: Id,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ActivityPath {
    #[param(value_type = String)]
    pub community: Id,
    #[param(value_type = String)]
    pub activity: Id,
}

impl ActivityPath {
    pub(crate) fn id(self) -> ActivityId {
        ActivityId { community: self.community, activity: self.activity }
    }
}

/// `?limit=50&cursor=…`
pub(crate) struct Paging(pub PageRequest);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PagingQuery {
    /// 1 to 200; 50 where it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "http.bad-page", detail);
        let Query(PagingQuery { limit, cursor }) =
            Query::from_request_parts(parts, state).await.map_err(|error| bad(error.to_string()))?;
        let limit = limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(bad(format!("A page has 1 to {PAGE_MAX} items.")));
        }
        let after = cursor.unwrap_or_default();
        if after.len() > 1_024 || after.contains('\0') {
            return Err(bad("This is no cursor of ours.".into()));
        }
        Ok(Self(PageRequest { after, limit }))
    }
}

/// A query string that fits.
pub(crate) struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = Query::from_request_parts(parts, state).await;
        let bad = |error: axum::extract::rejection::QueryRejection| {
            Problem::new(StatusCode::BAD_REQUEST, "http.bad-query", error.body_text())
        };
        found.map(|Query(asked)| Self(asked)).map_err(bad)
    }
}

/// A page of a listing.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    pub items: Vec<T>,
    /// Where the next page starts; null on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Listing<T> {
    pub(crate) fn of<R>(page: Page<R>, shape: impl FnMut(R) -> T) -> Self {
        Self { items: page.items.into_iter().map(shape).collect(), next_cursor: page.next }
    }
}

/// The header `Idempotency-Key`. Keys that begin with the time come in order, and are cheapest to keep.
pub(crate) struct IdempotencyKey(pub String);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let bad = |detail| Problem::new(StatusCode::BAD_REQUEST, "http.idempotency-key", detail);
        let Some(key) = parts.headers.get("idempotency-key") else {
            return Err(bad("Send the header Idempotency-Key, so that a retry is not a second action."));
        };
        let text = key.to_str().ok().filter(|key| (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()));
        text.map(|key| Self(key.into())).ok_or_else(|| bad("An Idempotency-Key has 1 to 255 visible ASCII characters."))
    }
}

/// Who sent the request; the route table has let them in.
impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| anyhow::anyhow!("a route without a guard").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_only_so_deep() {
        let nested = |levels: usize| {
            let text = format!("{}0{}", "[".repeat(levels - 1), "]".repeat(levels - 1));
            serde_json::from_str(&text).expect("JSON")
        };
        assert!(depth(&nested(DEPTH_MAX), DEPTH_MAX).is_some());
        assert!(depth(&nested(DEPTH_MAX + 1), DEPTH_MAX).is_none());
    }
}
