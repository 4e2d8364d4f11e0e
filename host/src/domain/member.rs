//! Members.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::Id;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MemberStatus {
    #[default]
    Active,
    Muted,
    Suspended,
    Closed,
}

/// A person of a community, as the platform describes them. No names, phones or addresses.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Member {
    #[schema(value_type = String)]
    pub id: Id,
    pub status: MemberStatus,
    pub tier: String,
    pub tags: Vec<String>,
    /// Opaque ids of identity clusters: same device, payment instrument, address.
    pub clusters: Vec<String>,
    pub time_zone: String,
    pub channel: Option<String>,
    /// UTC milliseconds.
    pub registered_at: i64,
    /// UTC milliseconds.
    pub first_order_at: Option<i64>,
    #[schema(value_type = Option<String>)]
    pub inviter: Option<Id>,
    /// Of notices: BCP 47; the community's where there is none.
    pub language: Option<String>,
}

/// What the platform says of a member. What is left out keeps its value, or gets the default named.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberProfile {
    /// `active`.
    pub status: Option<MemberStatus>,
    /// `ordinary`.
    pub tier: Option<String>,
    /// None.
    pub tags: Option<Vec<String>>,
    /// None.
    pub clusters: Option<Vec<String>>,
    /// The community's.
    pub time_zone: Option<String>,
    /// None; kept for ever once set.
    pub channel: Option<String>,
    /// Now; kept for ever once set.
    pub registered_at: Option<i64>,
    /// None; kept for ever once set.
    pub first_order_at: Option<i64>,
    /// BCP 47, such as `zh-Hant`; the community's.
    pub language: Option<String>,
}
