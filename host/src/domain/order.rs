//! Orders that activities have the shop open, and what the shop says of them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{
    activity::ActivityId,
    id::{Id, hex},
    money::Money,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderState {
    Open,
    Paid,
    Cancelled,
    Refunding,
    Refunded,
}

/// Some units of a good at a price that the activity fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    #[schema(value_type = String)]
    pub sku: Id,
    pub quantity: u32,
    pub unit_price_minor: i64,
}

/// Always: what is refunded or being refunded is no more than what was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub key: String,
    pub member: Id,
    pub lines: Vec<Line>,
    pub total: Money,
    pub state: OrderState,
    pub pay_by: i64,
    pub paid_minor: i64,
    /// Asked for, and not confirmed by the shop yet.
    pub refunding_minor: i64,
    pub refunded_minor: i64,
    /// Whether the shop must not ship it yet.
    pub is_held: bool,
    pub created_at: i64,
}

impl Order {
    /// Where its payments and refunds have brought it; nowhere, where there were none.
    pub(crate) fn settle_state(&mut self) {
        if self.paid_minor == 0 {
            return;
        }
        self.state = if self.refunding_minor > 0 {
            OrderState::Refunding
        } else if self.refunded_minor == self.paid_minor {
            OrderState::Refunded
        } else {
            OrderState::Paid
        };
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundState {
    Asked,
    Done,
    /// The shop does not pay it back.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refund {
    pub key: String,
    /// The key of its order.
    pub order: String,
    pub amount_minor: i64,
    pub state: RefundState,
    pub reason: String,
}

/// The name by which others know what an activity made under a key of its own: unique within the community, and the same
/// however often it is made.
pub(crate) fn public_id(kind: &str, id: &ActivityId, key: &str) -> Id {
    let hash = Sha256::new().chain_update(id.activity.as_str()).chain_update("\n").chain_update(key).finalize();
    Id::new(&format!("{kind}_{}", hex(&hash[..16]))).expect("hexadecimal digits are fine in an id")
}

/// What is said of one order is heard in order. No key of a plugin's has this form.
pub(crate) fn order_stream(key: &str) -> String {
    format!("\u{1}order/{key}")
}

/// What the shop says of an order. Each kind is also the topic that the activity hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", content = "data", deny_unknown_fields)]
pub(crate) enum ShopNews {
    /// Money has come in. An order may be paid late, twice, or in parts: each payment is told once, under an id of its own.
    #[serde(rename = "order.paid")]
    Paid {
        #[schema(value_type = String)]
        order: Id,
        /// The shop's own id of the payment.
        #[schema(value_type = String)]
        payment: Id,
        amount: Money,
    },
    /// It will not be paid: cancelled, refused, or too late.
    #[serde(rename = "order.closed")]
    Closed {
        #[schema(value_type = String)]
        order: Id,
        #[serde(default)]
        reason: String,
    },
    /// Money has been paid back.
    #[serde(rename = "order.refunded")]
    Refunded {
        #[schema(value_type = String)]
        order: Id,
        /// The id of the refund that was asked for, or the shop's own id of one that it made by itself.
        #[schema(value_type = String)]
        refund: Id,
        amount: Money,
    },
    /// A refund that was asked for will not be paid back.
    #[serde(rename = "order.refund-refused")]
    RefundRefused {
        #[schema(value_type = String)]
        order: Id,
        #[schema(value_type = String)]
        refund: Id,
        #[serde(default)]
        reason: String,
    },
}

impl ShopNews {
    pub(crate) fn order(&self) -> &Id {
        match self {
            Self::Paid { order, .. }
            | Self::Closed { order, .. }
            | Self::Refunded { order, .. }
            | Self::RefundRefused { order, .. } => order,
        }
    }
}
