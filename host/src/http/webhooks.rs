//! `/v1/communities/{community}/webhooks`: who hears what activities emit and propose.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    delivery::{check_url, signature},
    domain::{
        activity::ActivityId,
        endpoint::{Endpoint, EndpointKind, EndpointState, Scheme},
        id::Id,
    },
    store::endpoints::DeliveryView,
};

use super::{
    communities,
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    problem::Problem,
    router::App,
};

const TOPICS_MAX: usize = 100;
const TOPIC_BYTES_MAX: usize = 128;

/// For so long after a rotation the old key signs beside the new one: one day.
const ROTATION_MS: i64 = 86_400_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct WebhookPath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    webhook: Id,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookWish {
    /// `https://…`; a host of the operator's own network must be allowed by name (`--allow-host`).
    url: String,
    /// `bargain.cut`, or `bargain.*` for everything that begins so; everything where it is left out. At most 100.
    #[serde(default)]
    topics: Vec<String>,
    /// `v1` where it is left out.
    scheme: Option<Scheme>,
}

/// A receiver of events.
#[derive(Serialize, ToSchema)]
pub(crate) struct Webhook {
    #[schema(value_type = String)]
    id: Id,
    url: String,
    topics: Vec<String>,
    state: EndpointState,
    /// UTC milliseconds.
    created_at: i64,
    scheme: Scheme,
    /// Of `v1a`: what its messages are checked with.
    public_key: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NewWebhook {
    #[serde(flatten)]
    webhook: Webhook,
    /// Of `v1`: what its messages are checked with. Shown once.
    secret: Option<String>,
}

fn view(endpoint: &Endpoint) -> Webhook {
    let key = endpoint.keys.first();
    Webhook {
        id: endpoint.id.clone(),
        url: endpoint.url.clone(),
        topics: endpoint.topics.clone(),
        state: endpoint.state,
        created_at: endpoint.created_at,
        scheme: key.map_or(Scheme::V1, |key| key.scheme),
        public_key: key.and_then(signature::public_text),
    }
}

fn fresh_view(endpoint: &Endpoint) -> NewWebhook {
    let secret = endpoint.keys.first().filter(|key| key.scheme == Scheme::V1).map(signature::secret_text);
    NewWebhook { webhook: view(endpoint), secret }
}

async fn find(app: &App, WebhookPath { community, webhook }: &WebhookPath) -> Result<Endpoint, Problem> {
    let found = app.activities.store.endpoint(community, webhook).await?;
    found.filter(|found| found.kind == EndpointKind::Webhook).ok_or_else(|| Problem::not_found("webhook"))
}

/// Adds a receiver. It hears what happens from now on.
#[utoipa::path(post, path = "/v1/communities/{community}/webhooks", tag = "webhooks", params(CommunityPath),
    request_body = WebhookWish, responses((status = 201, body = NewWebhook)))]
pub(crate) async fn create(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Body(WebhookWish { url, topics, scheme }): Body<WebhookWish>,
) -> Result<(StatusCode, Json<NewWebhook>), Problem> {
    communities::find(&app, &community).await?;
    check_url(&url, app.delivery.allowed()).map_err(|why| Problem::unprocessable("webhook.url", why))?;
    let fits = |topic: &String| {
        let name = topic.strip_suffix('*').unwrap_or(topic);
        (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && !name.contains('*') && !topic.chars().any(char::is_control)
    };
    if topics.len() > TOPICS_MAX || !topics.iter().all(fits) {
        let detail = format!("At most {TOPICS_MAX} topics of 1 to {TOPIC_BYTES_MAX} bytes, with a * at the end alone.");
        return Err(Problem::unprocessable("webhook.topics", detail));
    }
    let endpoint = Endpoint {
        community,
        id: Id::random("whk"),
        kind: EndpointKind::Webhook,
        url,
        topics,
        keys: vec![signature::fresh_key(scheme.unwrap_or(Scheme::V1))],
        state: EndpointState::Active,
        created_at: app.activities.clock.now(),
    };
    app.activities.store.put_endpoint(&endpoint).await?;
    Ok((StatusCode::CREATED, Json(fresh_view(&endpoint))))
}

/// Every receiver, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/webhooks", tag = "webhooks", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<Webhook>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<Webhook>>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json(Listing::of(app.activities.store.webhooks(&community, &page).await?, |endpoint| view(&endpoint))))
}

/// One receiver.
#[utoipa::path(get, path = "/v1/communities/{community}/webhooks/{webhook}", tag = "webhooks", params(WebhookPath),
    responses((status = 200, body = Webhook)))]
pub(crate) async fn show(State(app): State<App>, Ids(path): Ids<WebhookPath>) -> Result<Json<Webhook>, Problem> {
    Ok(Json(view(&find(&app, &path).await?)))
}

/// Takes a receiver away.
#[utoipa::path(delete, path = "/v1/communities/{community}/webhooks/{webhook}", tag = "webhooks", params(WebhookPath),
    responses((status = 204)))]
pub(crate) async fn remove(State(app): State<App>, Ids(path): Ids<WebhookPath>) -> Result<StatusCode, Problem> {
    find(&app, &path).await?;
    app.activities.store.delete_endpoint(&path.community, &path.webhook).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new key. The one before signs beside it for a day, so that the receiver can change over.
#[utoipa::path(post, path = "/v1/communities/{community}/webhooks/{webhook}/rotate", tag = "webhooks", params(WebhookPath),
    responses((status = 200, body = NewWebhook)))]
pub(crate) async fn rotate(State(app): State<App>, Ids(path): Ids<WebhookPath>) -> Result<Json<NewWebhook>, Problem> {
    let endpoint = find(&app, &path).await?;
    let now = app.activities.clock.now();
    let key = signature::fresh_key(endpoint.keys.first().map_or(Scheme::V1, |key| key.scheme));
    let rotated = app.activities.store.rotate(&path.community, &path.webhook, (key, now, now + ROTATION_MS)).await?;
    rotated.as_ref().map(fresh_view).map(Json).ok_or_else(|| Problem::not_found("webhook"))
}

/// Tells it again, at once; also one that was switched off.
#[utoipa::path(post, path = "/v1/communities/{community}/webhooks/{webhook}/enable", tag = "webhooks", params(WebhookPath),
    responses((status = 200, body = Webhook)))]
pub(crate) async fn enable(State(app): State<App>, Ids(path): Ids<WebhookPath>) -> Result<Json<Webhook>, Problem> {
    set_state(&app, &path, EndpointState::Active).await
}

/// Tells it nothing until `enable`; what happens meanwhile waits.
#[utoipa::path(post, path = "/v1/communities/{community}/webhooks/{webhook}/disable", tag = "webhooks", params(WebhookPath),
    responses((status = 200, body = Webhook)))]
pub(crate) async fn disable(State(app): State<App>, Ids(path): Ids<WebhookPath>) -> Result<Json<Webhook>, Problem> {
    set_state(&app, &path, EndpointState::Disabled).await
}

async fn set_state(app: &App, path: &WebhookPath, state: EndpointState) -> Result<Json<Webhook>, Problem> {
    find(app, path).await?;
    app.activities.store.set_endpoint_state(&path.community, &path.webhook, state).await?;
    Ok(Json(view(&find(app, path).await?)))
}

/// From where it is told again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    #[schema(value_type = String)]
    activity: Id,
    /// The first call that it is told of again; 1 is the activity's first.
    from_seq: i64,
}

/// Tells it again of an activity, from some call on. Ids of messages stay, so that a receiver knows what it has had.
#[utoipa::path(post, path = "/v1/communities/{community}/webhooks/{webhook}/replay", tag = "webhooks", params(WebhookPath),
    request_body = Replay, responses((status = 202)))]
pub(crate) async fn replay(
    State(app): State<App>,
    Ids(path): Ids<WebhookPath>,
    Body(Replay { activity, from_seq }): Body<Replay>,
) -> Result<StatusCode, Problem> {
    find(&app, &path).await?;
    let id = ActivityId { community: path.community.clone(), activity };
    let Some((_, head)) = app.activities.store.activity(&id).await? else {
        return Err(Problem::not_found("activity"));
    };
    if !(1..=head.seq.max(1)).contains(&from_seq) {
        return Err(Problem::unprocessable("webhook.from-seq", format!("It has calls 1 to {}.", head.seq)));
    }
    app.activities.store.replay(&id, &path.webhook, from_seq - 1).await?;
    Ok(StatusCode::ACCEPTED)
}

/// How far it has been told of each activity, and why not further.
#[utoipa::path(get, path = "/v1/communities/{community}/webhooks/{webhook}/deliveries", tag = "webhooks",
    params(WebhookPath, PagingQuery), responses((status = 200, body = Listing<DeliveryView>)))]
pub(crate) async fn deliveries(
    State(app): State<App>,
    Ids(path): Ids<WebhookPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<DeliveryView>>, Problem> {
    find(&app, &path).await?;
    let page = app.activities.store.deliveries(&path.community, &path.webhook, &page).await?;
    Ok(Json(Listing::of(page, |delivery| delivery)))
}
