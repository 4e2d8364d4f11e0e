//! For whoever watches the host: is it alive, can it serve, how does it do.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::sync::watch;

use crate::store::Store;

use super::problem::Problem;

#[derive(Clone)]
pub(crate) struct Health {
    pub store: Store,
    pub metrics: PrometheusHandle,
    /// True once the host no longer takes calls.
    pub draining: watch::Receiver<bool>,
}

pub(crate) fn routes(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(json!({"status": "ok"}))))
        .route("/readyz", get(ready))
        .route("/metrics", get(async |State(health): State<Health>| health.metrics.render()))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> Response {
    if *health.draining.borrow() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "host.draining", "The host is shutting down.")
            .into_response();
    }
    match health.store.ping().await {
        Ok(()) => Json(json!({"status": "ready"})).into_response(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the database does not answer");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "host.no-database", "The database does not answer.")
                .into_response()
        }
    }
}
