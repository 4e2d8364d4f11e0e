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
    /// As the community has defined it.
    Configured,
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
    /// The stock pool that the offer's goods or codes come from.
    Stock,
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
    /// A commission is placed with [`crate::Call::hold_commission`].
    NeedsSource,
    /// The member has brought neither the source nor whoever brought the source.
    TooDeep,
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

/// Whom a notice is for, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    Member(String),
    Group(String),
}

/// The way that a notice takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    #[default]
    InApp,
    GroupChat,
    Sms,
    Push,
    Subscription,
    Email,
}

/// What a notice is about; it decides what may hold it back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// Something that the member did.
    Transactional,
    /// News of the activity.
    #[default]
    Activity,
    Marketing,
}

/// News for a member or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The name of a template that the community keeps.
    pub template: String,
    pub audience: Audience,
    /// Values for the template.
    pub params: Vec<(String, String)>,
    pub channel: Channel,
    pub urgency: Urgency,
    /// The same key goes to the same audience once within the window.
    pub dedupe_key: String,
    /// Milliseconds; 0 suppresses none.
    pub dedupe_window: u64,
    /// Not earlier.
    pub not_before: Option<i64>,
    /// It is of no use later.
    pub not_after: Option<i64>,
}

impl Notice {
    /// In-app news of the activity, at once.
    pub fn new(template: impl Into<String>, audience: Audience) -> Self {
        Self {
            template: template.into(),
            audience,
            params: Vec::new(),
            channel: Channel::InApp,
            urgency: Urgency::Activity,
            dedupe_key: String::new(),
            dedupe_window: 0,
            not_before: None,
            not_after: None,
        }
    }
}

/// What became of members whom somebody brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InviteStats {
    pub invited: u32,
    /// Those who are in a group; of a group's: who have come in.
    pub joined: u32,
    /// Those who have ordered.
    pub qualified: u32,
    /// Those who have left.
    pub reversed: u32,
}

/// How far a member has come (AARRR).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Funnel {
    Acquisition,
    Activation,
    Retention,
    Revenue,
    Refer,
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

/// Units of a stock pool set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    pub key: String,
    pub pool: String,
    pub quantity: u64,
    pub state: ReservationState,
    pub expires_at: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationState {
    Active,
    Committed,
    Released,
    Expired,
}

/// Some units of a good, at a price of the activity's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub sku: String,
    pub quantity: u32,
    /// Minor units.
    pub unit_price: i64,
}

/// An order that the shop was asked to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub key: String,
    pub member: String,
    pub lines: Vec<Line>,
    /// Minor units.
    pub total: i64,
    pub state: OrderState,
    pub pay_by: i64,
    /// Minor units that the shop has had for it.
    pub paid: i64,
    /// Minor units that were refunded, or are being refunded.
    pub refunded: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderState {
    Open,
    Paid,
    Cancelled,
    Refunding,
    Refunded,
}

/// Why nothing was reserved, ordered or refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTraded {
    /// No such good, pool, reservation, order or member.
    Unknown,
    /// So many are left.
    SoldOut(u64),
    WrongState,
    /// Refunds may not exceed what was paid.
    OverRefund,
    /// The key was used before with other arguments.
    Mismatch,
    BadAmount,
}

/// What the shop says of an order: the payload of `order.paid`, `order.closed`, `order.refunded` and
/// `order.refund-refused`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OrderNews {
    /// The order's key.
    pub intent: String,
    pub member: String,
    pub total_minor: i64,
    /// What has been paid in all by now, this payment included.
    pub paid_minor: i64,
    pub refunded_minor: i64,
    pub refunding_minor: i64,
    /// Of this payment or refund; 0 where it was closed.
    #[serde(default)]
    pub amount_minor: i64,
    /// The shop's name of the payment.
    pub payment: Option<String>,
    /// The key of the refund; none where the shop paid back by itself.
    pub refund: Option<String>,
}
