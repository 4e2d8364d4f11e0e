//! Communities: one tenant each.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{id::Id, money::Currency};

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Community {
    #[schema(value_type = String)]
    pub id: Id,
    pub name: String,
    pub currency: Currency,
    pub time_zone: String,
    /// UTC milliseconds.
    pub created_at: i64,
}

/// What an operator says of a community.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommunityProfile {
    /// 1 to 200 characters.
    pub name: String,
    /// The one currency of its budgets and prices.
    pub currency: Currency,
    /// IANA name, such as `Asia/Shanghai`.
    pub time_zone: String,
}
