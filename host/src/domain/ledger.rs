//! The ledger's words: what moved from which account to which.

use super::{id::Id, money::Currency};

/// So much of an asset goes from one account to another. Every asset sums to nothing by construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub asset: String,
    pub debit: Account,
    pub credit: Account,
    /// More than nothing.
    pub amount: i64,
    /// What it was for: the key of a hold, a name of the operator's.
    pub reference: String,
}

/// Where an asset lies. Only a community's own accounts can hold less than nothing: what they have put out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// Whoever sets budgets.
    Operator,
    /// What a budget may still give.
    Available(Id),
    Held(Id),
    Captured(Id),
    /// Whoever makes points.
    Issuer,
    /// A member's points.
    Member(Id),
    /// Points that members have spent.
    Spent,
    /// Points that nobody spent in time.
    Expired,
    /// Cash that members were given, as seen by whoever owes it.
    Owed,
    /// Cash that a member is still to be paid.
    Payable(Id),
    /// Cash that was paid out.
    Paid,
}

impl Account {
    /// As the ledger has it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Operator => "operator".into(),
            Self::Available(budget) => format!("budget/{budget}/available"),
            Self::Held(budget) => format!("budget/{budget}/held"),
            Self::Captured(budget) => format!("budget/{budget}/captured"),
            Self::Issuer => "issuer".into(),
            Self::Member(member) => format!("member/{member}"),
            Self::Spent => "spent".into(),
            Self::Expired => "expired".into(),
            Self::Owed => "owed".into(),
            Self::Payable(member) => format!("payable/{member}"),
            Self::Paid => "paid".into(),
        }
    }
}

impl Transfer {
    /// Money from one account to another.
    pub(crate) fn money(currency: Currency, debit: Account, credit: Account, amount: i64, reference: &str) -> Self {
        Self { asset: currency.as_str().into(), debit, credit, amount, reference: reference.into() }
    }

    /// Points of a kind from one account to another.
    pub(crate) fn points(account: &str, debit: Account, credit: Account, amount: i64, reference: &str) -> Self {
        Self { asset: format!("points/{account}"), debit, credit, amount, reference: reference.into() }
    }
}
