//! Holds: the life of one reward.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{id::Id, money::Money};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HoldState {
    Held,
    Captured,
    Released,
    Expired,
    Revoked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold {
    pub key: String,
    pub offer: String,
    pub beneficiary: Id,
    pub cost: Money,
    pub state: HoldState,
    pub created_at: i64,
    pub expires_at: i64,
    pub reason: String,
}
