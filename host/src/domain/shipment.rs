//! Goods on their way to members who were given them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::Id;

/// How long a member has to say where goods are to go, where the offer says nothing: 30 days.
pub(crate) const CLAIM_WITHIN_MS: i64 = 30 * 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShipmentState {
    /// The member has not said yet where it is to go.
    Unclaimed,
    /// It can be shipped.
    Claimed,
    /// It is on its way, and cannot be taken back any more.
    Shipped,
    /// Nobody claimed it in time: it is in stock again.
    Lapsed,
    /// It was taken back before it was shipped.
    Revoked,
}

/// Where goods go. Each line has at most 200 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    pub name: String,
    pub phone: String,
    /// 1 to 5 lines.
    pub lines: Vec<String>,
    #[serde(default)]
    pub postal_code: String,
    /// ISO 3166, two letters.
    pub country: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Shipment {
    #[schema(value_type = String)]
    pub id: Id,
    #[schema(value_type = String)]
    pub activity: Id,
    /// The reward's key in its activity.
    pub key: String,
    #[schema(value_type = String)]
    pub member: Id,
    /// The stock pool that the unit is of.
    #[schema(value_type = String)]
    pub sku: Id,
    pub state: ShipmentState,
    /// UTC milliseconds: an unclaimed one lapses then.
    pub claim_by: i64,
    pub address: Option<Address>,
    /// What the carrier knows it by.
    pub tracking: Option<String>,
    /// UTC milliseconds: of the last change of state.
    pub changed_at: i64,
}
