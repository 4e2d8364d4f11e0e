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

/// Points that nobody has used in ten years are forgotten.
const VALID_MS_MAX: i64 = 10 * 366 * 86_400_000;

/// Goods wait no longer for an address than activities last.
const CLAIM_WITHIN_MS_MAX: i64 = 366 * 86_400_000;

/// A line of a list that members read.
const TITLE_CHARS_MAX: usize = 200;

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
        /// 1 and more.
        points: u32,
        /// What one point costs, in millionths of a minor unit.
        #[serde(default)]
        unit_cost_micro: u64,
        /// How long they can be spent, in milliseconds, up to ten years; for ever where it is left out.
        #[serde(default)]
        valid_ms: Option<i64>,
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
        /// How long the member has to say where it is to go, in milliseconds, up to 366 days; 30 days where it is left out. Then it is
        /// in stock again.
        #[serde(default)]
        claim_within_ms: Option<i64>,
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

    /// What of it makes no sense: the field, and what it may be.
    pub(crate) fn misfit(&self) -> Option<(&'static str, &'static str)> {
        let is_title =
            (1..=TITLE_CHARS_MAX).contains(&self.title.chars().count()) && !self.title.chars().any(char::is_control);
        if !is_title {
            return Some(("title", "a title has 1 to 200 characters, in one line"));
        }
        match &self.kind {
            OfferKind::Points { points: 0, .. } => Some(("points", "at least one point is given")),
            OfferKind::Points { valid_ms: Some(valid), .. } if !(1..=VALID_MS_MAX).contains(valid) => {
                Some(("valid_ms", "points can be spent for some time, up to ten years"))
            }
            OfferKind::Physical { claim_within_ms: Some(within), .. }
                if !(1..=CLAIM_WITHIN_MS_MAX).contains(within) =>
            {
                Some(("claim_within_ms", "goods wait for an address for some time, up to 366 days"))
            }
            _ => None,
        }
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
    fn what_makes_no_sense_in_an_offer_is_told() {
        let misfit = |title: &str, rest: serde_json::Value| {
            let mut offer = serde_json::json!({"title": title, "kind": "points", "account": "stars", "points": 1});
            offer.as_object_mut().expect("fields").extend(rest.as_object().expect("fields").clone());
            serde_json::from_value::<Offer>(offer).expect("an offer").misfit().map(|(field, _)| field)
        };
        let year = 366 * 86_400_000_i64;
        assert_eq!(misfit(&"獎".repeat(200), serde_json::json!({"valid_ms": 10 * year})), None);
        for title in ["", "a\nb", &"x".repeat(201)] {
            assert_eq!(misfit(title, serde_json::json!({})), Some("title"), "{title:?}");
        }
        assert_eq!(misfit("x", serde_json::json!({"points": 0})), Some("points"));
        for valid_ms in [i64::MIN, 0, 10 * year + 1] {
            assert_eq!(misfit("x", serde_json::json!({"valid_ms": valid_ms})), Some("valid_ms"));
        }
        for (within, wanted) in [(0, Some("claim_within_ms")), (year, None), (year + 1, Some("claim_within_ms"))] {
            let goods = serde_json::json!({"title": "x", "kind": "physical", "sku": "mug", "unit_cost_minor": 1, "claim_within_ms": within});
            let misfit = serde_json::from_value::<Offer>(goods).expect("an offer").misfit();
            assert_eq!(misfit.map(|(field, _)| field), wanted, "{within}");
        }
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
