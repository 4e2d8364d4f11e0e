//! Stock: pools of units that activities reserve and sell.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::Id;

/// 10¹² units: sums of them fit 64 bits with room to spare.
pub(crate) const UNITS_MAX: i64 = 1_000_000_000_000;

/// A community's own stock for activities. Always: available + reserved + sold = total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StockPool {
    #[schema(value_type = String)]
    pub id: Id,
    /// Whether its units are codes, each of which goes to one member.
    pub is_of_codes: bool,
    pub total: i64,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReservationState {
    Active,
    Committed,
    Released,
    Expired,
}

/// Units that an activity has set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub key: String,
    pub pool: Id,
    pub quantity: i64,
    pub state: ReservationState,
    pub expires_at: i64,
}
