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

/// Always: what is refunded is no more than what was paid. What is asked for beside it was still there when it was asked for; the shop may
/// pay that back by itself meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// What the shop knows it by.
    pub id: Id,
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

    /// What the shop says of it, and of one of its refunds where that was asked for, changes both. Answers what has been paid back beyond
    /// what was paid.
    pub(crate) fn hear(&mut self, news: &ShopNews, refund: Option<&mut Refund>) -> i64 {
        let mut back = 0;
        match (news, refund) {
            (ShopNews::Paid { amount, .. }, _) => self.paid_minor = self.paid_minor.saturating_add(amount.minor),
            (ShopNews::Closed { .. }, _) if self.state == OrderState::Open => self.state = OrderState::Cancelled,
            // Also one that it had refused before.
            (ShopNews::Refunded { .. }, Some(refund)) if refund.state != RefundState::Done => {
                if refund.state == RefundState::Asked {
                    self.refunding_minor -= refund.amount_minor;
                }
                refund.state = RefundState::Done;
                back = refund.amount_minor;
            }
            (ShopNews::RefundRefused { .. }, Some(refund)) if refund.state == RefundState::Asked => {
                refund.state = RefundState::Refused;
                self.refunding_minor -= refund.amount_minor;
            }
            // By itself, whatever it is being asked for: of the two it will pay one, or it pays twice.
            (ShopNews::Refunded { amount, .. }, None) => back = amount.minor,
            _ => {}
        }
        let counted = back.clamp(0, self.paid_minor - self.refunded_minor);
        self.refunded_minor += counted;
        self.settle_state();
        back - counted
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
    /// What the shop knows it by.
    pub id: Id,
    pub key: String,
    /// The key of its order.
    pub order: String,
    pub amount_minor: i64,
    pub state: RefundState,
    pub reason: String,
}

/// The name by which others know what an activity made under a key of its own: unique within the community, and the same however often it
/// is made.
pub(crate) fn public_id(kind: &str, id: &ActivityId, key: &str) -> Id {
    hashed(kind, &[id.activity.as_str(), key])
}

/// The same where several communities may have one listener, such as a shop: unique among all of them.
pub(crate) fn worldwide_id(kind: &str, id: &ActivityId, key: &str) -> Id {
    hashed(kind, &[id.community.as_str(), id.activity.as_str(), key])
}

fn hashed(kind: &str, words: &[&str]) -> Id {
    let hash = Sha256::digest(words.join("\n"));
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
    /// The money that has come in or was paid back.
    pub(crate) fn amount(&self) -> Option<&Money> {
        match self {
            Self::Paid { amount, .. } | Self::Refunded { amount, .. } => Some(amount),
            Self::Closed { .. } | Self::RefundRefused { .. } => None,
        }
    }

    pub(crate) fn order(&self) -> &Id {
        match self {
            Self::Paid { order, .. }
            | Self::Closed { order, .. }
            | Self::Refunded { order, .. }
            | Self::RefundRefused { order, .. } => order,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(paid: i64) -> Order {
        let currency = "CNY".to_owned().try_into().expect("a currency");
        Order {
            id: Id::new("ord_1").expect("an id"),
            key: "o".into(),
            member: Id::new("ann").expect("an id"),
            lines: Vec::new(),
            total: Money { minor: paid, currency },
            state: OrderState::Paid,
            pay_by: 0,
            paid_minor: paid,
            refunding_minor: 0,
            refunded_minor: 0,
            is_held: false,
            created_at: 0,
        }
    }

    fn asked(order: &mut Order, minor: i64) -> Refund {
        order.refunding_minor += minor;
        order.settle_state();
        Refund {
            id: Id::new("rfd_1").expect("an id"),
            key: "r".into(),
            order: "o".into(),
            amount_minor: minor,
            state: RefundState::Asked,
            reason: String::new(),
        }
    }

    fn news(kind: &str, minor: i64) -> ShopNews {
        let mut data = json!({"order": "ord_1", "refund": "rfd_1"});
        if kind == "order.refunded" {
            data["amount"] = json!({"minor": minor, "currency": "CNY"});
        }
        serde_json::from_value(json!({"type": kind, "data": data})).expect("news")
    }

    fn counts(order: &Order) -> (OrderState, i64, i64) {
        (order.state, order.refunding_minor, order.refunded_minor)
    }

    #[test]
    fn no_two_communities_share_the_name_of_an_order() {
        let id = |community: &str, activity: &str| {
            let [community, activity] = [community, activity].map(|id| Id::new(id).expect("an id"));
            worldwide_id("ord", &ActivityId { community, activity }, "r1")
        };
        assert_eq!(id("town", "spring"), id("town", "spring"));
        assert_ne!(id("town", "spring"), id("city", "spring"));
        assert_ne!(id("town", "spring"), id("town", "autumn"));
    }

    #[test]
    fn what_the_shop_pays_back_by_itself_counts_whatever_it_is_being_asked_for() {
        let mut order = order(800);
        let mut refund = asked(&mut order, 800);
        assert_eq!(order.hear(&news("order.refunded", 800), None), 0);
        assert_eq!(counts(&order), (OrderState::Refunding, 800, 800));
        let mut twice = order.clone();
        order.hear(&news("order.refund-refused", 0), Some(&mut refund.clone()));
        assert_eq!(counts(&order), (OrderState::Refunded, 0, 800));
        assert_eq!(twice.hear(&news("order.refunded", 800), Some(&mut refund)), 800, "it has paid twice");
        assert_eq!(counts(&twice), (OrderState::Refunded, 0, 800));
    }

    #[test]
    fn a_refund_that_the_shop_refused_may_be_paid_all_the_same() {
        let mut order = order(800);
        let mut refund = asked(&mut order, 500);
        order.hear(&news("order.refund-refused", 0), Some(&mut refund));
        assert_eq!(counts(&order), (OrderState::Paid, 0, 0));
        for _ in 0..2 {
            assert_eq!(order.hear(&news("order.refunded", 500), Some(&mut refund)), 0);
            assert_eq!(counts(&order), (OrderState::Paid, 0, 500));
        }
    }
}
