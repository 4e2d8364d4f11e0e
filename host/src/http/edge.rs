//! Around every request: an id, a measurement, and an end.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tracing::Instrument;

use crate::domain::id::Id;

use super::problem::Problem;

/// What may end with its client: an action is finished by its activity's runner, and a request that only reads leaves nothing
/// half-way. Whatever else changes something is finished by a task of its own.
const ACTIONS: &str = "/v1/communities/{community}/activities/{activity}/actions/{name}";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) async fn edge(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = %id, method = %request.method(), route);
    let begun = Instant::now();
    let may_end_with_client = request.method().is_safe() || route == ACTIONS;
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span);
    let finished = if may_end_with_client { Ok(answering.await) } else { tokio::spawn(answering).await };
    let mut response = finished.ok().and_then(Result::ok).unwrap_or_else(|| Problem::fault().into_response());
    let status = response.status().as_u16().to_string();
    metrics::histogram!("fairground_http_seconds", "route" => route, "status" => status).record(begun.elapsed());
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The client's own id where it is one of ours in form, else the next of this process. Nothing hangs on its being guessed.
fn request_id(request: &Request) -> Id {
    static PROCESS: LazyLock<Id> = LazyLock::new(|| Id::random("req"));
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = request.headers().get(&REQUEST_ID).and_then(|id| Id::new(id.to_str().ok()?).ok());
    given.unwrap_or_else(|| {
        let next = format!("{}.{}", PROCESS.as_str(), NEXT.fetch_add(1, Ordering::Relaxed));
        Id::new(&next).expect("a random id and a number are an id")
    })
}
