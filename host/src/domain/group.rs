//! Groups and who is in them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::Id;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GroupKind {
    Core,
    #[default]
    Ordinary,
    Local,
    Paid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GroupRole {
    ChiefOwner,
    Owner,
    Administrator,
    #[default]
    Participant,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Group {
    #[schema(value_type = String)]
    pub id: Id,
    pub name: String,
    pub kind: GroupKind,
    pub region: Option<String>,
    /// 0: no limit.
    pub capacity: i64,
    /// Counts up with each change of the group's rules.
    pub rules_version: i64,
    #[schema(value_type = Option<String>)]
    pub parent: Option<Id>,
    pub member_count: i64,
}

/// What an operator says of a group.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupProfile {
    /// 1 to 200 characters.
    pub name: String,
    #[serde(default)]
    pub kind: GroupKind,
    pub region: Option<String>,
    /// 0: no limit.
    #[serde(default)]
    pub capacity: u32,
    #[serde(default)]
    pub rules_version: u32,
    #[schema(value_type = Option<String>)]
    pub parent: Option<Id>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Membership {
    #[schema(value_type = String)]
    pub group: Id,
    #[schema(value_type = String)]
    pub member: Id,
    pub role: GroupRole,
    /// UTC milliseconds.
    pub joined_at: i64,
    #[schema(value_type = Option<String>)]
    pub invited_by: Option<Id>,
    pub rules_accepted_version: i64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembershipProfile {
    #[serde(default)]
    pub role: GroupRole,
    #[schema(value_type = Option<String>)]
    pub invited_by: Option<Id>,
    #[serde(default)]
    pub rules_accepted_version: u32,
}
