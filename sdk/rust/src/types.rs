//! What the host tells and takes, as plain Rust.

/// Name → what one grant takes from the budget, in minor units.
pub type Offers = std::collections::BTreeMap<String, i64>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberStatus {
    Active,
    Muted,
    Suspended,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    pub status: MemberStatus,
    pub tier: String,
    pub tags: Vec<String>,
    pub registered_at: i64,
    pub first_order_at: Option<i64>,
    pub time_zone: String,
    pub inviter: Option<String>,
}

/// What makes a member new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newness {
    NeverOrdered,
    RegisteredAfter,
    /// Milliseconds.
    RegisteredWithin(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Review,
    Deny,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    pub verdict: Verdict,
    pub reasons: Vec<String>,
    pub clusters: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    Held,
    Captured,
    Released,
    Expired,
    Revoked,
}

/// A reward set aside or given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub key: String,
    pub offer: String,
    pub beneficiary: String,
    /// Minor units.
    pub cost: i64,
    pub state: HoldState,
}

/// Which limit of the budget was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Money,
    Grants,
    MemberGrants,
}

/// Why a hold was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    UnknownOffer,
    UnknownMember,
    NoBudget,
    Exhausted(Limit),
    /// The key was used before with another offer or member.
    Mismatch,
}

/// A hold, or why there is none.
pub type Placed = Result<Hold, Refused>;

/// Why a member was not bound to an inviter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBound {
    UnknownMember,
    SelfInvitation,
    AlreadyBound,
    /// The invitee is above the inviter, or the chain is longer than 64.
    Cycle,
}

/// What the activity's budget still allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Minor units.
    pub money: i64,
    pub grants: Option<u64>,
}

/// A counter would leave its bounds; the value as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfBounds(pub i64);

/// A place on a board; 1 is the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    pub rank: u64,
    pub key: String,
    pub score: i64,
    pub at: i64,
}

/// News for a member, in-app, of the activity's own urgency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub template: String,
    pub member: String,
    pub params: Vec<(String, String)>,
    pub dedupe_key: String,
    /// Milliseconds.
    pub dedupe_window: u64,
}

/// Something that the platform told the activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEvent {
    pub id: String,
    pub topic: String,
    pub subject: String,
    /// JSON.
    pub payload: String,
    pub at: i64,
}
