//! Coupons: what one is worth, and what becomes of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    event::{HostEvent, OWN_STREAM},
    id::Id,
    json::Json,
};

/// 10 000 basis points are the whole.
pub(crate) const WHOLE_BPS: u32 = 10_000;

/// What a coupon of a template is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CouponTerms {
    /// Shown to members: 1 to 200 characters.
    pub title: String,
    pub discount: Discount,
    /// The least that is left to pay before this coupon, in minor units, for it to count.
    #[serde(default)]
    pub spend_minor_min: i64,
    /// How long it is valid once issued, in milliseconds; for ever where it is left out.
    pub valid_ms: Option<i64>,
    /// Until when it is valid at most, however late it was issued; UTC milliseconds.
    pub valid_until: Option<i64>,
    /// What of a basket it counts on.
    #[serde(default)]
    pub counts_on: CountsOn,
    /// Of coupons of one class the best for the member is used, and no other: 1 to 64 characters.
    pub class: Option<String>,
    /// Classes of coupons that it goes with; with any where it is left out, and never with one that has no class where it is not.
    pub goes_with: Option<Vec<String>>,
    /// True where it goes with no other coupon.
    #[serde(default)]
    pub exclusive: bool,
}

/// What of a basket a coupon counts on. What is on goods comes first, then what is on the whole order, then shipping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CountsOn {
    /// Lines of these goods: 1 to 100.
    Goods(Vec<String>),
    /// All lines.
    #[default]
    Order,
    Shipping,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Discount {
    /// So many minor units, and never more than is left to pay.
    Amount { off_minor: i64 },
    /// A part of what is left to pay, in basis points, rounded down.
    Percent {
        off_bps: u32,
        /// The most that it takes off.
        off_minor_max: Option<i64>,
    },
    /// So many units of a good cost nothing, where they are in the basket.
    Gift {
        sku: String,
        #[serde(default = "one")]
        units: u32,
    },
}

/// The default of how many units there are.
pub(super) fn one() -> u32 {
    1
}

impl CouponTerms {
    /// When one that is issued now expires.
    pub(crate) fn expires_at(&self, now: i64) -> Option<i64> {
        let after = self.valid_ms.map(|valid| now.saturating_add(valid));
        [after, self.valid_until].into_iter().flatten().min()
    }

    pub(super) fn goes_with(&self, other: &Self) -> bool {
        let is_named = |classes: &Vec<String>| other.class.as_ref().is_some_and(|class| classes.contains(class));
        self.goes_with.as_ref().is_none_or(is_named)
    }

    /// What it takes off `left`, or none where it does not count.
    pub(super) fn off(&self, left: i64) -> Option<i64> {
        if left < self.spend_minor_min {
            return None;
        }
        Some(match &self.discount {
            // Of goods, which are looked at one by one.
            Discount::Gift { .. } => 0,
            Discount::Amount { off_minor } => (*off_minor).min(left),
            Discount::Percent { off_bps, off_minor_max } => {
                let part = i128::from(left) * i128::from(*off_bps) / i128::from(WHOLE_BPS);
                i64::try_from(part).unwrap_or(left).min(off_minor_max.unwrap_or(left))
            }
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CouponState {
    /// The member can use it.
    Issued,
    /// Set aside for an order that is not paid yet.
    Reserved,
    /// An order was paid with it.
    Used,
    /// Taken back, unused.
    Revoked,
    /// Not used in time.
    Expired,
}

/// A coupon that a member was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Coupon {
    #[schema(value_type = String)]
    pub id: Id,
    /// That gave it.
    #[schema(value_type = String)]
    pub activity: Id,
    #[schema(value_type = String)]
    pub member: Id,
    #[schema(value_type = String)]
    pub template: Id,
    /// The key of the reward that it is.
    pub reward: String,
    pub state: CouponState,
    /// The platform's own name of the order that it is reserved for or was used in.
    pub order: Option<String>,
    /// UTC milliseconds.
    pub issued_at: i64,
    /// UTC milliseconds; from then on it cannot be reserved.
    pub expires_at: Option<i64>,
}

/// What `coupon-used` and the like tell. `coupon-issued` and `coupon-revoked`, of an activity's own calls, tell less.
#[derive(Serialize)]
struct Told<'a> {
    member: &'a Id,
    template: &'a Id,
    reward: &'a str,
    state: CouponState,
    /// The order that it was, or is, of; empty where it is none.
    order: &'a str,
    expires_at: Option<i64>,
}

impl Coupon {
    /// What is told of a coupon that has just become what it is: used, given back by an order, revoked, expired. Of one that is set aside
    /// nothing is.
    pub(crate) fn news(&self, order: &str, at: i64) -> Vec<HostEvent> {
        let Self { member, template, reward, state, expires_at, .. } = self;
        let told = Json::of(&Told { member, template, reward, state: *state, order, expires_at: *expires_at });
        let stays = matches!(state, CouponState::Reserved | CouponState::Used);
        let returned = (!stays && !order.is_empty()).then_some("coupon-returned");
        let became = match state {
            CouponState::Used => Some("coupon-used"),
            CouponState::Expired => Some("coupon-expired"),
            CouponState::Revoked => Some("coupon-revoked"),
            CouponState::Issued | CouponState::Reserved => None,
        };
        let topics = returned.into_iter().chain(became);
        topics.map(|topic| HostEvent::own(topic, &self.id, told.clone(), at)).collect()
    }

    /// Its news are heard in their order.
    pub(crate) fn stream(&self) -> String {
        format!("{OWN_STREAM}{}", self.id)
    }

    /// Its state at an instant: one that is not used in time has expired, whether or not the host has come to it.
    pub(crate) fn state_at(&self, now: i64) -> CouponState {
        let is_over = self.state == CouponState::Issued && self.expires_at.is_some_and(|end| end <= now);
        if is_over { CouponState::Expired } else { self.state }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coupon_ends_with_the_first_of_its_limits() {
        let valid = |valid_ms, valid_until| {
            let terms = serde_json::json!({
                "title": "x", "discount": {"kind": "amount", "off_minor": 1}, "valid_ms": valid_ms, "valid_until": valid_until,
            });
            serde_json::from_value::<CouponTerms>(terms).expect("terms").expires_at(100)
        };
        assert_eq!([valid(None, None), valid(Some(5), None)], [None, Some(105)]);
        assert_eq!([valid(Some(5), Some(103)), valid(None, Some(50))], [Some(103), Some(50)]);
    }
}
