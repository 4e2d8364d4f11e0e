//! Around every request: an id, a measurement, and a task of its own.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;

use crate::domain::id::Id;

use super::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request, once begun, is finished by its own task: a client that goes away leaves no transaction half-way.
pub(crate) async fn edge(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = %id, method = %request.method(), route);
    let begun = Instant::now();
    let finished = tokio::spawn(next.run(request).instrument(span)).await;
    let mut response = finished.unwrap_or_else(|_| Problem::fault().into_response());
    let status = response.status().as_u16().to_string();
    metrics::histogram!("fairground_http_seconds", "route" => route, "status" => status).record(begun.elapsed());
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The client's own id where it is one of ours in form, else a fresh one.
fn request_id(request: &Request) -> Id {
    let given = request.headers().get(&REQUEST_ID).and_then(|id| Id::new(id.to_str().ok()?).ok());
    given.unwrap_or_else(|| Id::random("req"))
}
