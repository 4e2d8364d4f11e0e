//! Coupons: what one takes off, and how several go together.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::Id;

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
}

impl CouponTerms {
    /// What it takes off `left`, or none where it does not count.
    fn off(&self, left: i64) -> Option<i64> {
        if left < self.spend_minor_min {
            return None;
        }
        Some(match &self.discount {
            Discount::Amount { off_minor } => (*off_minor).min(left),
            Discount::Percent { off_bps, off_minor_max } => {
                let part = i128::from(left) * i128::from(*off_bps) / i128::from(WHOLE_BPS);
                i64::try_from(part).unwrap_or(left).min(off_minor_max.unwrap_or(left))
            }
        })
    }
}

/// What coupons, one after the other, take off a sum: what is left, or which of them does not count.
pub(crate) fn stack(subtotal: i64, coupons: &[CouponTerms]) -> Result<i64, usize> {
    coupons.iter().enumerate().try_fold(subtotal, |left, (index, terms)| Ok(left - terms.off(left).ok_or(index)?))
}

/// Spreads `total` over lines by their weights: each gets its share rounded down, and the units left over go to the largest
/// fractions, of equal ones to the first. Weights are not negative; where all are 0 the first line gets everything.
pub(crate) fn split(total: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if sum == 0 {
        let mut shares = vec![0; weights.len()];
        shares.iter_mut().take(1).for_each(|first| *first = total);
        return shares;
    }
    let exact = |weight: &i64| i128::from(total) * i128::from(*weight);
    let mut shares: Vec<i64> = weights.iter().map(|weight| (exact(weight) / sum) as i64).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(exact(&weights[*index]) % sum));
    let left = total - shares.iter().sum::<i64>();
    for index in order.into_iter().take(usize::try_from(left).unwrap_or_default()) {
        shares[index] += 1;
    }
    shares
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
}

/// A coupon that a member was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Coupon {
    #[schema(value_type = String)]
    pub id: Id,
    #[schema(value_type = String)]
    pub member: Id,
    #[schema(value_type = String)]
    pub template: Id,
    pub state: CouponState,
    /// The platform's own name of the order that it is reserved for or was used in.
    pub order: Option<String>,
    /// UTC milliseconds.
    pub issued_at: i64,
    /// UTC milliseconds; from then on it cannot be reserved.
    pub expires_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(off_minor: i64, spend_minor_min: i64) -> CouponTerms {
        CouponTerms { title: "x".into(), discount: Discount::Amount { off_minor }, spend_minor_min, valid_ms: None }
    }

    fn percent(off_bps: u32, off_minor_max: Option<i64>) -> CouponTerms {
        let discount = Discount::Percent { off_bps, off_minor_max };
        CouponTerms { title: "x".into(), discount, spend_minor_min: 0, valid_ms: None }
    }

    /// Worked example 5.
    #[test]
    fn the_units_left_over_go_to_the_largest_fractions() {
        assert_eq!(split(100, &[333, 333, 334]), [33, 33, 34]);
        assert_eq!(split(2, &[1, 1, 1]), [1, 1, 0]);
        assert_eq!(split(5, &[0, 0]), [5, 0]);
    }

    /// Worked example 6.
    #[test]
    fn a_second_coupon_counts_on_what_the_first_has_left() {
        assert_eq!(stack(10_000, &[amount(1_000, 5_000)]), Ok(9_000));
        assert_eq!(stack(10_000, &[amount(1_000, 5_000), percent(1_000, Some(500))]), Ok(8_500));
        assert_eq!(stack(10_000, &[percent(9_000, None), amount(1_000, 5_000)]), Err(1));
        assert_eq!(stack(700, &[amount(1_000, 0)]), Ok(0), "never below nothing");
    }

    /// Regression 40: a threshold counts to the last minor unit.
    #[test]
    fn a_coupon_counts_from_its_threshold_on() {
        assert_eq!(stack(5_049, &[amount(1_000, 5_050)]), Err(0));
        assert_eq!(stack(5_050, &[amount(1_000, 5_050)]), Ok(4_050));
    }

    proptest! {
        #[test]
        fn a_split_is_exact_and_fair(total in 0..1_000_000i64, weights in prop::collection::vec(0..100_000i64, 1..20)) {
            let shares = split(total, &weights);
            prop_assert_eq!(shares.iter().sum::<i64>(), total);
            let sum: i64 = weights.iter().sum();
            for (share, weight) in shares.iter().zip(&weights).filter(|_| sum > 0) {
                let floor = (i128::from(total) * i128::from(*weight) / i128::from(sum)) as i64;
                prop_assert!((floor..=floor + 1).contains(share));
            }
        }
    }
}
