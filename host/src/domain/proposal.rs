//! What somebody suggests and a person decides: a promotion into a group, or a violation of its rules.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{id::Id, rules::Sanction};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProposalKind {
    /// The member is to be in the group.
    Promotion,
    /// The member broke a rule of the group.
    Violation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProposalState {
    Open,
    Accepted,
    Dismissed,
}

/// What an accepted proposal led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Joined,
    Sanctioned(Sanction),
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Proposal {
    #[schema(value_type = String)]
    pub id: Id,
    pub kind: ProposalKind,
    /// The group to be promoted into, or whose rule was broken.
    #[schema(value_type = String)]
    pub group: Id,
    #[schema(value_type = String)]
    pub member: Id,
    /// Why, or which rule.
    pub reason: String,
    /// Of a violation; empty of a promotion.
    pub evidence: String,
    /// The activity whose plugin proposed it.
    #[schema(value_type = Option<String>)]
    pub activity: Option<Id>,
    /// The member who reported it.
    #[schema(value_type = Option<String>)]
    pub reporter: Option<Id>,
    pub state: ProposalState,
    /// Of an accepted one.
    pub outcome: Option<Outcome>,
    /// `operator`, `app`, or `member/ID`.
    pub decided_by: Option<String>,
    pub decided_at: Option<i64>,
    /// UTC milliseconds.
    pub at: i64,
}
