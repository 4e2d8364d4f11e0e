//! What activities hear from outside: events of the platform.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    activity::Received,
    domain::{id::Id, plugin::SHOP_TOPICS},
};

use super::{
    communities,
    extract::{Body, CommunityPath, Ids},
    problem::Problem,
    router::App,
};

const PAYLOAD_BYTES_MAX: usize = 16 << 10;
const TOPIC_BYTES_MAX: usize = 128;

/// Ids of what the shop says begin so: nobody else can say it first.
const SHOP_IDS: &str = "evt_";

/// An event lies no further ahead than clocks may differ.
const AHEAD_MS_MAX: i64 = 86_400_000;

/// Something that happened on the platform.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlatformEvent {
    /// The platform's own id: an event is taken once.
    #[schema(value_type = String)]
    id: Id,
    /// Dotted words, such as `member.registered`; at most 128 bytes. Topics that begin with `order.` are the shop's.
    topic: String,
    /// Whom or what it is about.
    #[schema(value_type = String)]
    subject: Id,
    /// At most 16 KiB of JSON; null where it is left out.
    payload: Option<serde_json::Value>,
    /// When it happened, in UTC milliseconds; now where it is left out.
    at: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Taken {
    /// False where it had been taken before; nothing changed then.
    is_new: bool,
}

/// Tells every running activity whose plugin listens to the topic.
#[utoipa::path(post, path = "/v1/communities/{community}/events", tag = "events", params(CommunityPath),
    request_body = PlatformEvent, responses((status = 200, body = Taken)))]
pub(crate) async fn take(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Body(event): Body<PlatformEvent>,
) -> Result<Json<Taken>, Problem> {
    communities::find(&app, &community).await?;
    let PlatformEvent { id, topic, subject, payload, at } = event;
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if topic.len() > TOPIC_BYTES_MAX || !topic.split('.').all(is_word) || topic.starts_with(SHOP_TOPICS) {
        let detail =
            "A topic is lower-case words with dots between, and begins with `order.` only where the shop speaks.";
        return Err(Problem::unprocessable("event.topic", detail));
    }
    if id.as_str().starts_with(SHOP_IDS) {
        let detail = format!("Ids that begin with {SHOP_IDS} are the shop's.");
        return Err(Problem::unprocessable("event.id", detail));
    }
    let payload = serde_json::value::to_raw_value(&payload).map_err(anyhow::Error::from)?;
    if payload.get().len() > PAYLOAD_BYTES_MAX {
        return Err(Problem::unprocessable(
            "event.payload",
            format!("A payload has at most {PAYLOAD_BYTES_MAX} bytes."),
        ));
    }
    let now = app.activities.clock.now();
    let at = at.unwrap_or(now);
    if !(0..=now.saturating_add(AHEAD_MS_MAX)).contains(&at) {
        return Err(Problem::unprocessable("event.at", "An event has happened since 1970, and not after tomorrow."));
    }
    let received = app.activities.hear_platform(&community, (id, topic, subject), payload, at).await?;
    Ok(Json(Taken { is_new: received == Received::Now }))
}
