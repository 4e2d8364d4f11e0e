//! Offers: what a reward is made of. Plugins name them; only the host looks inside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    id::Id,
    money::{Currency, MINOR_MAX, Money},
};

/// An activity rarely has ten; a listing of them stays one page.
pub(crate) const OFFERS_MAX: usize = 100;

/// Name → offer.
pub(crate) type Offers = BTreeMap<Id, Offer>;

/// What the operator promises under a name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Offer {
    /// Shown to members: 1 to 200 characters.
    pub title: String,
    #[serde(flatten)]
    pub kind: OfferKind,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum OfferKind {
    /// Points on an account of the member.
    Points {
        #[schema(value_type = String)]
        account: Id,
        points: u32,
        /// What one point costs, in millionths of a minor unit.
        #[serde(default)]
        unit_cost_micro: u64,
        /// How long they can be spent, in milliseconds; for ever where it is left out.
        #[serde(default)]
        valid_ms: Option<u32>,
    },
    /// A coupon of one of the community's templates.
    Coupon {
        #[schema(value_type = String)]
        template: Id,
        cost_minor: i64,
    },
    /// Cash to the member's balance.
    RedPacket { amount_minor: i64 },
    /// Cash of an amount that the plugin draws: `max_minor` is held, and what was not drawn goes back.
    RandomPacket { max_minor: i64 },
    /// Cash for having brought somebody, or whoever brought them; no further up.
    Commission { amount_minor: i64 },
    /// Goods that are shipped: units of the stock pool of this name.
    Physical {
        #[schema(value_type = String)]
        sku: Id,
        unit_cost_minor: i64,
        #[serde(default)]
        shipping_cost_minor: i64,
        /// How long the member has to say where it is to go, in milliseconds; 30 days where it is left out. Then it is in stock again.
        #[serde(default)]
        claim_within_ms: Option<u32>,
    },
    /// A code of the stock pool of this name.
    VirtualGood {
        #[schema(value_type = String)]
        sku: Id,
        unit_cost_minor: i64,
    },
    /// A mark of honour; costs nothing.
    Badge {},
}

impl Offer {
    /// What one grant takes from the budget; none where the sum is beyond any budget.
    pub(crate) fn cost(&self, currency: Currency) -> Option<Money> {
        let minor = match &self.kind {
            OfferKind::Points { points, unit_cost_micro, .. } => {
                i64::try_from((u128::from(*points) * u128::from(*unit_cost_micro)).div_ceil(1_000_000)).ok()?
            }
            OfferKind::Coupon { cost_minor: minor, .. }
            | OfferKind::RedPacket { amount_minor: minor }
            | OfferKind::RandomPacket { max_minor: minor }
            | OfferKind::Commission { amount_minor: minor }
            | OfferKind::VirtualGood { unit_cost_minor: minor, .. } => *minor,
            OfferKind::Physical { unit_cost_minor, shipping_cost_minor, .. } => {
                if *shipping_cost_minor < 0 {
                    return None;
                }
                unit_cost_minor.checked_add(*shipping_cost_minor)?
            }
            OfferKind::Badge {} => 0,
        };
        (0..=MINOR_MAX).contains(&minor).then_some(Money { minor, currency })
    }

    /// The stock pool that a unit is taken from.
    pub(crate) fn pool(&self) -> Option<&Id> {
        match &self.kind {
            OfferKind::Physical { sku, .. } | OfferKind::VirtualGood { sku, .. } => Some(sku),
            _ => None,
        }
    }

    /// Whether a capture is cash that the member is to be paid.
    pub(crate) fn is_cash(&self) -> bool {
        matches!(self.kind, OfferKind::RedPacket { .. } | OfferKind::RandomPacket { .. } | OfferKind::Commission { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(kind: OfferKind) -> Option<i64> {
        let currency = Currency::new("CNY").expect("a currency");
        Offer { title: "x".into(), kind }.cost(currency).map(|money| money.minor)
    }

    #[test]
    fn a_part_of_a_minor_unit_costs_a_whole_one() {
        let account = Id::new("points").expect("an id");
        let of = |points, unit_cost_micro| {
            cost(OfferKind::Points { account: account.clone(), points, unit_cost_micro, valid_ms: None })
        };
        assert_eq!(of(10, 100_000), Some(1));
        assert_eq!(of(11, 100_000), Some(2));
        assert_eq!(of(u32::MAX, u64::MAX), None);
    }

    #[test]
    fn a_negative_or_overflowing_cost_is_no_cost() {
        assert_eq!(cost(OfferKind::RedPacket { amount_minor: -1 }), None);
        let sku = Id::new("mug").expect("an id");
        let goods = |unit_cost_minor, shipping_cost_minor| {
            cost(OfferKind::Physical { sku: sku.clone(), unit_cost_minor, shipping_cost_minor, claim_within_ms: None })
        };
        assert_eq!(goods(500, 300), Some(800));
        assert_eq!(goods(i64::MAX, 1), None);
        assert_eq!(goods(500, -300), None);
    }
}
