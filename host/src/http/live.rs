//! What is told live, as server-sent events. Each has an id; whoever comes again with `Last-Event-ID` misses nothing.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::{FromRequestParts, State},
    http::{HeaderName, HeaderValue, StatusCode, request::Parts},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;

use crate::{
    delivery::{Followed, Follower, message},
    domain::{
        endpoint::{Endpoint, EndpointKind, EndpointState, STREAM},
        id::Id,
    },
    store::Store,
};

use super::{
    communities,
    extract::{ActivityPath, CommunityPath, Ids},
    identity::Principal,
    problem::Problem,
    router::App,
};

/// A comment is sent so often where nothing happens, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Proxies of one family hold answers back unless they are told not to.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Milliseconds until `Busy` may be tried again.
const RETRY_AFTER_MS: i64 = 5_000;

/// The header `Last-Event-ID`.
pub(crate) struct LastEventId(Option<i64>);

impl LastEventId {
    /// Where a stream begins: behind what the client had, or at the end as it is now, also where the client knows of more than there is:
    /// the database may have been put back.
    pub(super) fn or_end(self, end: i64) -> i64 {
        self.0.map_or(end, |last| last.min(end))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("last-event-id") else { return Ok(Self(None)) };
        let place = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|place| *place >= 0);
        let bad = || Problem::new(StatusCode::BAD_REQUEST, "http.last-event-id", "This is no event's id of ours.");
        place.map(|place| Self(Some(place))).ok_or_else(bad)
    }
}

/// What somebody has still to be told, and how to find more.
struct Told<R> {
    follower: Follower,
    after: i64,
    waiting: VecDeque<Event>,
    read: R,
}

/// Follows something from a place on: `read` answers what is behind a place, in order.
pub(super) fn follow<R, F>(
    app: &App,
    (who, followed): (String, Followed),
    after: i64,
    read: R,
) -> Result<Response, Problem>
where
    R: Fn(Store, i64) -> F + Send + 'static,
    F: Future<Output = anyhow::Result<Vec<(i64, String)>>> + Send,
{
    let follower = app.delivery.live.follow(who, followed).ok_or_else(|| Problem::busy(RETRY_AFTER_MS))?;
    let store = app.activities.store.clone();
    // Says at once from where it is told: who hears nothing more begins there again.
    let first = Event::default().id(after.to_string()).comment("from here");
    let told = Told { follower, after, waiting: VecDeque::from([first]), read };
    let events = stream::unfold(told, move |mut told| {
        let store = store.clone();
        async move {
            loop {
                if told.follower.is_over() {
                    return None;
                }
                if let Some(event) = told.waiting.pop_front() {
                    return Some((Ok::<_, Infallible>(event), told));
                }
                let place = told.follower.look().await;
                let found = (told.read)(store.clone(), told.after).await;
                drop(place);
                match found {
                    Ok(more) => {
                        told.after = more.last().map_or(told.after, |(place, _)| *place);
                        let events =
                            more.into_iter().map(|(place, text)| Event::default().id(place.to_string()).data(text));
                        told.waiting.extend(events);
                    }
                    Err(error) => {
                        tracing::error!(error = format!("{error:#}"), "news could not be read; they are read again")
                    }
                }
                if told.waiting.is_empty() && !told.follower.wait().await {
                    return None;
                }
            }
        }
    });
    let answer = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([(NO_BUFFERING, HeaderValue::from_static("no"))], answer).into_response())
}

/// Where a stream begins. The first who listens has it kept from then on.
async fn begin(app: &App, community: &Id, last: LastEventId) -> Result<i64, Problem> {
    communities::find(app, community).await?;
    let store = app.activities.store.clone();
    let stream = Id::new(STREAM).map_err(anyhow::Error::from)?;
    if store.endpoint(community, &stream).await?.is_none() {
        let endpoint = Endpoint {
            community: community.clone(),
            id: stream,
            kind: EndpointKind::Stream,
            url: String::new(),
            topics: Vec::new(),
            keys: Vec::new(),
            state: EndpointState::Active,
            created_at: app.activities.clock.now(),
        };
        let writer = store.clone();
        // A task of its own: a client may leave in the middle of it.
        let written = tokio::spawn(async move { writer.put_endpoint(&endpoint).await });
        written.await.map_err(anyhow::Error::from)??;
    }
    Ok(last.or_end(store.stream_end(community).await?))
}

async fn tell(
    app: &App,
    principal: &Principal,
    community: Id,
    activity: Option<Id>,
    last: LastEventId,
) -> Result<Response, Problem> {
    let after = begin(app, &community, last).await?;
    let whom = (format!("{community} {principal:?}"), Followed::Stream(community.clone()));
    follow(app, whom, after, move |store, after| {
        let (community, activity) = (community.clone(), activity.clone());
        async move {
            let rows = store.stream_after(&community, activity.as_ref(), after).await?;
            rows.into_iter().map(|(place, row)| Ok((place, message(&community, &row)?))).collect()
        }
    })
}

/// Events and proposals of every activity as they come, those of one activity in its order. Begins now, or behind `Last-Event-ID`.
#[utoipa::path(get, path = "/v1/communities/{community}/stream", tag = "events",
    params(CommunityPath, ("Last-Event-ID" = Option<i64>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(crate) async fn community(
    State(app): State<App>,
    principal: Principal,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    last: LastEventId,
) -> Result<Response, Problem> {
    tell(&app, &principal, community, None, last).await
}

/// The same, of one activity.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}/stream", tag = "events",
    params(ActivityPath, ("Last-Event-ID" = Option<i64>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(crate) async fn activity(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
    last: LastEventId,
) -> Result<Response, Problem> {
    let id = path.id();
    if app.activities.store.activity(&id).await?.is_none() {
        return Err(Problem::not_found("activity"));
    }
    tell(&app, &principal, id.community, Some(id.activity), last).await
}
