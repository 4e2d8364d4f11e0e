//! Activities: what one is, and where it is in its life.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{group::GroupKind, id::Id, money::Currency, offer::Offers, rollout::Rollout};

/// `draft → validated` happens within creation; the rest is driven by operators and by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lifecycle {
    Validated,
    Scheduled,
    Running,
    Paused,
    /// It takes no more actions, and waits for what is open: payments and deadlines.
    Ending,
    Settling,
    Settled,
    /// Stopped before it began.
    Cancelled,
}

/// Names an activity on the whole host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ActivityId {
    pub community: Id,
    pub activity: Id,
}

/// Who may take part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// Every member of the community.
    #[default]
    All,
    /// Members of these groups: at most 100.
    #[schema(value_type = Vec<String>)]
    Groups(Vec<Id>),
    /// Members of groups of these kinds, as they are when somebody takes part.
    Kinds(Vec<GroupKind>),
    /// Members of groups of this region: 1 to 64 characters.
    Region(String),
}

impl Scope {
    /// For all whom one of the two is for; where one scope cannot say so, as `other`.
    pub(crate) fn with(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, _) => Self::All,
            (Self::Groups(own), Self::Groups(others)) => {
                let more = others.iter().filter(|group| !own.contains(group));
                Self::Groups(own.iter().chain(more).cloned().collect())
            }
            _ => other.clone(),
        }
    }

    /// Whether a group is one of those that it names, or is of their kind.
    pub(crate) fn names(&self, group: &Id, kind: GroupKind, region: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Groups(groups) => groups.contains(group),
            Self::Kinds(kinds) => kinds.contains(&kind),
            Self::Region(named) => region == Some(named),
        }
    }

    /// Whether everybody who may take part in this may take part in `wider`, whatever groups there are.
    pub(crate) fn is_within(&self, wider: &Self) -> bool {
        match (self, wider) {
            (_, Self::All) => true,
            (Self::Groups(own), Self::Groups(wider)) => own.iter().all(|group| wider.contains(group)),
            (Self::Kinds(own), Self::Kinds(wider)) => own.iter().all(|kind| wider.contains(kind)),
            (Self::Region(own), Self::Region(wider)) => own == wider,
            _ => false,
        }
    }
}

/// What of an activity changes after its creation.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// It moves to this version of its plugin.
    Version(String),
    /// It is for more groups, or for everybody.
    Scope(Scope),
    /// It ends later; UTC milliseconds.
    End(i64),
}

impl Change {
    pub(crate) fn apply(self, activity: &Activity) -> Activity {
        let activity = activity.clone();
        let config_version = activity.config_version + 1;
        match self {
            Self::Version(version) => Activity { version, ..activity },
            Self::Scope(scope) => Activity { scope, config_version, ..activity },
            Self::End(end) => Activity { ends_at: Some(end), config_version, ..activity },
        }
    }
}

/// An activity as it was created.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    pub id: ActivityId,
    /// The first of those that were made after one another, and which of them it is, from 1.
    pub series: Id,
    pub edition: i64,
    pub plugin: String,
    pub version: String,
    pub config: String,
    /// 1, and one more each time that it is widened.
    pub config_version: i64,
    /// Who may take part now.
    pub scope: Scope,
    /// How it was tried before it is for more.
    pub rollout: Option<Rollout>,
    pub offers: Offers,
    pub budget: Option<Id>,
    pub currency: Currency,
    pub starts_at: Option<i64>,
    pub ends_at: Option<i64>,
    /// How long after its end it waits for what is open, in milliseconds.
    pub drain_ms: i64,
    /// 32 bytes, secret until the activity is settled.
    pub seed: [u8; 32],
    /// What `check-config` said.
    pub report: ConfigReport,
    pub created_at: i64,
}

/// What an activity is for now: another one as soon as anything of it has changed. Actions are checked against one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    version: String,
    config_version: i64,
}

impl Activity {
    pub(crate) fn revision(&self) -> Revision {
        Revision { version: self.version.clone(), config_version: self.config_version }
    }

    /// The pilot that is not over: the activity is not for all yet whom it is to be for.
    pub(crate) fn open_pilot(&self) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|rollout| !rollout.to.is_within(&self.scope))
    }
}

/// Where an activity is: the one row that every commit moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The journal number of the last call.
    pub seq: i64,
    pub lifecycle: Lifecycle,
    /// 0 before the start.
    pub started_at: i64,
    /// The time of the last call; time never goes back within an activity.
    pub now: i64,
    /// Bytes of its entries' keys and values.
    pub stored_bytes: i64,
    /// Calls that its plugin failed at.
    pub faults: i64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct ConfigReport {
    /// The most that the activity can cost, in the community's currency.
    pub max_liability_minor: Option<i64>,
    /// Sentences that members must be shown.
    pub disclosures: Vec<String>,
    pub warnings: Vec<String>,
}
