//! Groups and who is in them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::Id;

/// Of the name of a region, of a group's and of a scope's.
pub(crate) const REGION_CHARS_MAX: usize = 64;

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
    /// 0: none yet.
    pub rules_accepted_version: i64,
    /// UTC milliseconds: until then the member takes no part in what is for the group alone.
    pub muted_until: i64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembershipProfile {
    #[serde(default)]
    pub role: GroupRole,
    #[schema(value_type = Option<String>)]
    pub invited_by: Option<Id>,
}

/// What a group is and what it asks of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesDocument {
    #[serde(default)]
    pub intro: Intro,
    /// How members name themselves: `City-Name-Trade`.
    #[serde(default)]
    pub name_card_format: String,
    /// At most 50 sentences.
    #[serde(default, rename = "do")]
    pub to_do: Vec<String>,
    /// At most 50 sentences.
    #[serde(default, rename = "do_not")]
    pub not_to_do: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Intro {
    #[serde(default)]
    pub who_we_are: String,
    #[serde(default)]
    pub benefits: String,
}

/// A version of a group's rules.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct GroupRules {
    pub version: i64,
    /// When they became the rules; UTC milliseconds.
    pub at: i64,
    #[serde(flatten)]
    pub document: RulesDocument,
}

/// What a member may do to a group and to what runs in it, beyond taking part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Make activities for the group, and set budgets for them.
    Create,
    /// Have what runs in the group run in more groups.
    Expand,
    /// Start, pause, resume and stop what runs in the group.
    Publish,
    /// Decide on promotions and violations.
    Moderate,
    /// Take members out of the group.
    Remove,
    /// Report violations, and invite.
    TakePart,
}

/// Where somebody may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Nowhere,
    /// In the groups where they have the role.
    Own,
    /// In every group, and in what is for the whole community.
    Everywhere,
}

impl GroupRole {
    /// The permission matrix.
    pub(crate) fn reach(self, right: Right) -> Reach {
        match (self, right) {
            (Self::ChiefOwner, _) => Reach::Everywhere,
            (Self::Owner, _) | (Self::Participant, Right::TakePart) => Reach::Own,
            (Self::Administrator, Right::Create | Right::Expand) => Reach::Nowhere,
            (Self::Administrator, _) => Reach::Own,
            (Self::Participant, _) => Reach::Nowhere,
        }
    }

    /// Higher is more.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::ChiefOwner => 3,
            Self::Owner => 2,
            Self::Administrator => 1,
            Self::Participant => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_as_it_was_decided() {
        use GroupRole::{Administrator, ChiefOwner, Owner, Participant};
        use Reach::{Everywhere, Nowhere, Own};
        let roles = [ChiefOwner, Owner, Administrator, Participant];
        let matrix = [
            (Right::Create, [Everywhere, Own, Nowhere, Nowhere]),
            (Right::Expand, [Everywhere, Own, Nowhere, Nowhere]),
            (Right::Publish, [Everywhere, Own, Own, Nowhere]),
            (Right::Moderate, [Everywhere, Own, Own, Nowhere]),
            (Right::Remove, [Everywhere, Own, Own, Nowhere]),
            (Right::TakePart, [Everywhere, Own, Own, Own]),
        ];
        for (right, reaches) in matrix {
            assert_eq!(roles.map(|role| role.reach(right)), reaches, "{right:?}");
        }
    }
}
