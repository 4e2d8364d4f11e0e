//! What calls want to change: plain data, buffered while a plugin runs and written by one commit.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::{
    calendar::Calendar,
    coupon::CouponState,
    hold::Hold,
    id::Id,
    json::Json,
    ledger::Transfer,
    notice::Notice,
    order::{Order, Refund},
    proposal::Proposal,
    stock::Reservation,
};

/// A stored value and how often its key was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub value: Arc<[u8]>,
    pub version: i64,
}

/// What becomes of a key: a new entry, or none at the version reached, so that versions never repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub value: Option<Arc<[u8]>>,
    pub version: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Score {
    pub score: i64,
    pub at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timer {
    pub due: i64,
    pub payload: String,
    /// When it comes again, where it does.
    pub calendar: Option<Calendar>,
}

impl Timer {
    /// One that comes once.
    pub(crate) fn once(due: i64, payload: impl Into<String>) -> Self {
        Self { due, payload: payload.into(), calendar: None }
    }

    /// The timer as it is after it has come: due again, or gone.
    pub(crate) fn again(&self) -> Option<Self> {
        let due = self.calendar.as_ref()?.next_after(self.due)?;
        Some(Self { due, ..self.clone() })
    }
}

/// What leaves the house after the commit.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub kind: OutgoingKind,
    pub topic: String,
    pub subject: String,
    pub payload: Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutgoingKind {
    Event,
    Proposal,
    Metric,
    /// What the shop is asked to do.
    Shop,
}

impl OutgoingKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Proposal => "proposal",
            Self::Metric => "metric",
            Self::Shop => "shop",
        }
    }
}

/// How the activity's budget moves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BudgetChange {
    pub held: i64,
    pub captured: i64,
    pub grants: i64,
    /// Grants per member, where the budget counts them.
    pub member_grants: BTreeMap<Id, i64>,
}

/// A member's account of points.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PointAccount {
    pub member: Id,
    pub account: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inviter {
    pub inviter: Id,
    pub source: String,
}

/// How a stock pool moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StockChange {
    pub reserved: i64,
    pub sold: i64,
}

/// Points that come or go. They are moved in order: what expires is counted when it comes, and spent first when others go.
#[derive(Debug, Clone)]
pub(crate) struct PointMove {
    pub account: PointAccount,
    pub points: i64,
    /// Of points that can be spent only so long: the key of the hold that earned them, and when they expire.
    pub batch: Option<(Arc<str>, i64)>,
}

/// What becomes of the coupon that a hold is.
#[derive(Debug, Clone)]
pub(crate) enum CouponMove {
    Issue {
        id: Id,
        member: Id,
        template: Id,
        at: i64,
        expires_at: Option<i64>,
    },
    /// Where it is still what it was when that was decided. One that an order has is revoked once the order gives it back.
    Revoke {
        id: Id,
        from: CouponState,
    },
}

/// What becomes of the goods that a hold is.
#[derive(Debug, Clone)]
pub(crate) enum ShipmentMove {
    /// The member may claim it until then.
    Offer { id: Id, member: Id, sku: Id, claim_by: i64, at: i64 },
    /// Nobody has claimed it.
    Lapse { id: Id, at: i64 },
    /// It is taken back before it is shipped.
    Revoke { id: Id, at: i64 },
}

/// What becomes of the code that a hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeMove {
    /// One that is free is kept for the hold.
    Lock,
    /// It is free again.
    Free,
    /// The member sees it.
    Reveal,
    /// It was seen, and counts for nothing.
    Void,
}

/// The effects of one call, or of the calls of a batch in a row: the last word on each key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effects {
    pub entries: BTreeMap<Arc<str>, Written>,
    /// (board, key) → its score, or none where it was removed.
    pub boards: BTreeMap<(Arc<str>, Arc<str>), Option<Score>>,
    /// None where the timer was cancelled or has run.
    pub timers: BTreeMap<Arc<str>, Option<Timer>>,
    pub holds: BTreeMap<Arc<str>, Hold>,
    pub budget: BudgetChange,
    pub points: Vec<PointMove>,
    /// Cash by the member who is to be paid.
    pub payables: BTreeMap<Id, i64>,
    pub stock: BTreeMap<Id, StockChange>,
    pub reservations: BTreeMap<Arc<str>, Reservation>,
    /// By pool and the key of the hold, in order.
    pub codes: Vec<(Id, Arc<str>, CodeMove)>,
    /// By the key of the hold, in order.
    pub coupons: Vec<(Arc<str>, CouponMove)>,
    /// By the key of the hold, in order.
    pub shipments: Vec<(Arc<str>, ShipmentMove)>,
    pub orders: BTreeMap<Arc<str>, Order>,
    pub refunds: BTreeMap<Arc<str>, Refund>,
    /// Members who have paid an order, and when.
    pub ordered: BTreeMap<Id, i64>,
    pub inviters: BTreeMap<Id, Inviter>,
    /// Places in the inbox of what was heard.
    pub heard: Vec<i64>,
    /// With the journal number of the call.
    pub ledger: Vec<(i64, Transfer)>,
    /// With the journal number of the call.
    pub notices: Vec<(i64, Notice)>,
    /// With the journal number of the call.
    pub proposals: Vec<(i64, Proposal)>,
    /// With the journal number of the call.
    pub outbox: Vec<(i64, Outgoing)>,
}

impl Effects {
    /// Adds what a later call did.
    pub(crate) fn merge(&mut self, later: Self) {
        self.entries.extend(later.entries);
        self.boards.extend(later.boards);
        self.timers.extend(later.timers);
        self.holds.extend(later.holds);
        self.reservations.extend(later.reservations);
        self.orders.extend(later.orders);
        self.refunds.extend(later.refunds);
        self.inviters.extend(later.inviters);
        self.points.extend(later.points);
        self.codes.extend(later.codes);
        self.coupons.extend(later.coupons);
        self.shipments.extend(later.shipments);
        self.heard.extend(later.heard);
        self.ledger.extend(later.ledger);
        self.notices.extend(later.notices);
        self.proposals.extend(later.proposals);
        self.outbox.extend(later.outbox);
        for (member, at) in later.ordered {
            self.ordered.entry(member).or_insert(at);
        }
        self.budget.held += later.budget.held;
        self.budget.captured += later.budget.captured;
        self.budget.grants += later.budget.grants;
        for (member, grants) in later.budget.member_grants {
            *self.budget.member_grants.entry(member).or_default() += grants;
        }
        for (member, minor) in later.payables {
            *self.payables.entry(member).or_default() += minor;
        }
        for (pool, change) in later.stock {
            let pool = self.stock.entry(pool).or_default();
            pool.reserved += change.reserved;
            pool.sold += change.sold;
        }
    }

    /// Whether rows are touched that others touch too, so that a commit may be refused.
    pub(crate) fn is_shared(&self) -> bool {
        self.budget != BudgetChange::default()
            || !(self.points.is_empty() && self.payables.is_empty() && self.stock.is_empty() && self.codes.is_empty())
            || !(self.coupons.is_empty() && self.ordered.is_empty() && self.inviters.is_empty())
            || !(self.heard.is_empty() && self.shipments.is_empty())
    }
}
