//! Events from outside that an activity hears.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{id::Id, order::ShopNews};

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
    /// The host's own news: told outside with the activity's, and to no plugin.
    #[serde(default)]
    pub is_own: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OrderNews {
    pub key: String,
    pub news: ShopNews,
}
