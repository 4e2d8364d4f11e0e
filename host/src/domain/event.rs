//! Events from outside that an activity hears.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{id::Id, json::Json, order::ShopNews};

/// Something that happened outside, as an activity is told of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HostEvent {
    pub id: Id,
    pub topic: String,
    pub subject: Id,
    pub payload: Box<RawValue>,
    /// When it happened; UTC milliseconds.
    pub at: i64,
    /// What it means for an order of the activity, and the order's key there.
    pub order: Option<OrderNews>,
}

/// Streams of the host's own news begin so: they are told outside with the activity's, and no plugin hears them.
pub(crate) const OWN_STREAM: &str = "\u{1}own/";

impl HostEvent {
    /// News of the host's own.
    pub(crate) fn own(topic: &str, subject: &Id, payload: Json, at: i64) -> Self {
        let (id, subject) = (Id::random("evt"), subject.clone());
        Self { id, topic: topic.into(), subject, payload: payload.into_raw(), at, order: None }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OrderNews {
    pub key: String,
    pub news: ShopNews,
}
