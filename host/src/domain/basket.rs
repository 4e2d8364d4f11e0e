//! Baskets: what coupons take off, and how several go together.

use serde::Deserialize;
use utoipa::ToSchema;

use super::coupon::{CountsOn, CouponTerms, Discount};

/// A line of a basket, or what it costs to ship it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BasketLine {
    pub sku: String,
    /// What it costs, in minor units.
    pub minor: i64,
    /// How many units that is: 1 to 1 000 000.
    #[serde(default = "super::coupon::one")]
    pub units: u32,
}

/// Why a coupon does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Nothing in the basket is what it counts on.
    Scope,
    /// Too little is left to pay.
    TooLittle,
    /// It goes with no other.
    Conflict,
}

/// What coupons take off a basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Priced {
    /// Off each line.
    pub lines: Vec<i64>,
    pub shipping: i64,
    /// Place of a coupon and what it takes off, in the order in which they count. One that another of its class is better than is not
    /// among them.
    pub used: Vec<(usize, i64)>,
}

/// What is left to pay.
#[derive(Debug, Clone)]
struct Left<'a> {
    goods: &'a [BasketLine],
    lines: Vec<i64>,
    /// Units of each line that are free already.
    free: Vec<u32>,
    shipping: i64,
}

impl Left<'_> {
    /// What a coupon takes off, after which that is left less.
    fn apply(&mut self, terms: &CouponTerms) -> Result<i64, Unfit> {
        if terms.counts_on == CountsOn::Shipping {
            let off = terms.off(self.shipping).ok_or(Unfit::TooLittle)?;
            self.shipping -= off;
            return Ok(off);
        }
        if let Discount::Gift { sku, units } = &terms.discount {
            return self.give(terms, sku, *units);
        }
        let counts = |line: &BasketLine| match &terms.counts_on {
            CountsOn::Goods(goods) => goods.contains(&line.sku),
            _ => true,
        };
        let counted: Vec<usize> = (0..self.lines.len()).filter(|at| counts(&self.goods[*at])).collect();
        if counted.is_empty() {
            return Err(Unfit::Scope);
        }
        let left: Vec<i64> = counted.iter().map(|at| self.lines[*at]).collect();
        let off = terms.off(left.iter().sum()).ok_or(Unfit::TooLittle)?;
        for (at, off) in counted.into_iter().zip(split(off, &left)) {
            self.lines[at] -= off;
        }
        Ok(off)
    }

    /// Units of a good cost nothing, as far as there are any.
    fn give(&mut self, terms: &CouponTerms, sku: &str, units: u32) -> Result<i64, Unfit> {
        if self.lines.iter().sum::<i64>() < terms.spend_minor_min {
            return Err(Unfit::TooLittle);
        }
        let (mut wanted, mut off) = (units, 0);
        for (at, line) in self.goods.iter().enumerate().filter(|(_, line)| line.sku == sku) {
            let paid = line.units - self.free[at];
            let given = wanted.min(paid);
            if given == 0 {
                continue;
            }
            let worth = i128::from(self.lines[at]) * i128::from(given) / i128::from(paid);
            let worth = i64::try_from(worth).expect("a part of what is left");
            wanted -= given;
            self.free[at] += given;
            self.lines[at] -= worth;
            off += worth;
        }
        if wanted == units { Err(Unfit::Scope) } else { Ok(off) }
    }
}

/// What coupons take off a basket, or which of them does not count. Each comes with when it expires. Those of one stage count in the
/// order in which they are given, each on what those before it have left.
pub(crate) fn price(
    goods: &[BasketLine],
    shipping: i64,
    coupons: &[(CouponTerms, Option<i64>)],
) -> Result<Priced, (usize, Unfit)> {
    let whole =
        Left { goods, lines: goods.iter().map(|line| line.minor).collect(), free: vec![0; goods.len()], shipping };
    // What each would take off by itself; the best of a class is the one that takes most, and of equals the first to expire.
    let alone = |at: usize| whole.clone().apply(&coupons[at].0).unwrap_or(-1);
    let best = |at: usize, other: usize| {
        let rank = |at: usize| (-alone(at), coupons[at].1.unwrap_or(i64::MAX), at);
        rank(at) <= rank(other)
    };
    let same_class =
        |at: usize, other: usize| coupons[at].0.class.is_some() && coupons[at].0.class == coupons[other].0.class;
    // What takes nothing off is kept for another time, and is in nobody's way.
    let all: Vec<usize> = (0..coupons.len()).filter(|at| alone(*at) != 0).collect();
    let is_best = |at: &usize| all.iter().all(|other| !same_class(*at, *other) || best(*at, *other));
    let mut used: Vec<usize> = all.iter().copied().filter(is_best).collect();
    if let Some(at) = used.iter().find(|at| coupons[**at].0.exclusive && used.len() > 1) {
        return Err((*at, Unfit::Conflict));
    }
    let stranger =
        |at: &&usize| used.iter().any(|other| other != *at && !coupons[**at].0.goes_with(&coupons[*other].0));
    if let Some(at) = used.iter().find(stranger) {
        return Err((*at, Unfit::Conflict));
    }
    let stage = |terms: &CouponTerms| match (&terms.discount, &terms.counts_on) {
        (Discount::Gift { .. }, _) | (_, CountsOn::Goods(_)) => 0,
        (_, CountsOn::Order) => 1,
        (_, CountsOn::Shipping) => 2,
    };
    used.sort_by_key(|at| stage(&coupons[*at].0));
    let mut left = whole.clone();
    let used = used
        .into_iter()
        .map(|at| left.apply(&coupons[at].0).map(|off| (at, off)).map_err(|why| (at, why)))
        // One that takes nothing off is kept for another time.
        .filter(|used| !matches!(used, Ok((_, 0))))
        .collect::<Result<Vec<_>, _>>()?;
    let lines = goods.iter().zip(&left.lines).map(|(line, left)| line.minor - left).collect();
    Ok(Priced { lines, shipping: shipping - left.shipping, used })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(discount: Discount, spend_minor_min: i64) -> CouponTerms {
        let title = "x".into();
        let counts_on = CountsOn::Order;
        let (valid_ms, valid_until, class, goes_with) = (None, None, None, None);
        CouponTerms {
            title,
            discount,
            spend_minor_min,
            valid_ms,
            valid_until,
            counts_on,
            class,
            goes_with,
            exclusive: false,
        }
    }

    fn amount(off_minor: i64, spend_minor_min: i64) -> CouponTerms {
        terms(Discount::Amount { off_minor }, spend_minor_min)
    }

    fn percent(off_bps: u32, off_minor_max: Option<i64>) -> CouponTerms {
        terms(Discount::Percent { off_bps, off_minor_max }, 0)
    }

    fn line(sku: &str, minor: i64) -> BasketLine {
        BasketLine { sku: sku.into(), minor, units: 1 }
    }

    /// What is left of a basket of one line.
    fn stack(subtotal: i64, coupons: &[CouponTerms]) -> Result<i64, (usize, Unfit)> {
        let coupons: Vec<_> = coupons.iter().map(|terms| (terms.clone(), None)).collect();
        price(&[line("tea", subtotal)], 0, &coupons).map(|priced| subtotal - priced.lines[0])
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
        assert_eq!(stack(10_000, &[percent(9_000, None), amount(1_000, 5_000)]), Err((1, Unfit::TooLittle)));
        assert_eq!(stack(700, &[amount(1_000, 0)]), Ok(0), "never below nothing");
    }

    /// Regression 40: a threshold counts to the last minor unit.
    #[test]
    fn a_coupon_counts_from_its_threshold_on() {
        assert_eq!(stack(5_049, &[amount(1_000, 5_050)]), Err((0, Unfit::TooLittle)));
        assert_eq!(stack(5_050, &[amount(1_000, 5_050)]), Ok(4_050));
    }

    #[test]
    fn goods_come_first_then_the_order_then_shipping() {
        let basket = [line("tea", 1_000), line("mug", 3_000)];
        let on = |counts_on: CountsOn, terms: CouponTerms| (CouponTerms { counts_on, ..terms }, None);
        let coupons = [
            on(CountsOn::Shipping, amount(900, 0)),
            on(CountsOn::Order, percent(5_000, None)),
            on(CountsOn::Goods(vec!["mug".into()]), amount(1_000, 3_000)),
        ];
        let priced = price(&basket, 600, &coupons).expect("all count");
        assert_eq!(
            priced,
            Priced { lines: vec![500, 2_000], shipping: 600, used: vec![(2, 1_000), (1, 1_500), (0, 600)] }
        );
        let none = [on(CountsOn::Goods(vec!["film".into()]), amount(1, 0))];
        assert_eq!(price(&basket, 0, &none), Err((0, Unfit::Scope)));
    }

    #[test]
    fn of_one_class_the_best_is_used_and_an_exclusive_one_goes_alone() {
        let of = |class: &str, off: i64| CouponTerms { class: Some(class.into()), ..amount(off, 0) };
        let basket = [line("tea", 10_000)];
        let used = |coupons: &[(CouponTerms, Option<i64>)]| {
            price(&basket, 0, coupons).map(|priced| priced.used.into_iter().map(|(at, _)| at).collect::<Vec<_>>())
        };
        assert_eq!(used(&[(of("a", 10), None), (of("a", 20), None), (of("b", 5), None)]), Ok(vec![1, 2]));
        assert_eq!(used(&[(of("a", 10), Some(9)), (of("a", 10), Some(8))]), Ok(vec![1]), "the first to expire");
        let alone = CouponTerms { exclusive: true, ..of("a", 30) };
        assert_eq!(used(&[(of("a", 10), None), (alone.clone(), None)]), Ok(vec![1]));
        assert_eq!(used(&[(of("b", 10), None), (alone, None)]), Err((1, Unfit::Conflict)));
    }

    #[test]
    fn a_coupon_goes_with_the_classes_that_it_names() {
        let of = |class: &str, with: Option<&[&str]>| {
            let goes_with = with.map(|with| with.iter().map(|class| (*class).into()).collect());
            (CouponTerms { class: Some(class.into()), goes_with, ..amount(10, 0) }, None)
        };
        let basket = [line("tea", 10_000)];
        let pair = |one, other| price(&basket, 0, &[one, other]).map(|priced| priced.used.len());
        assert_eq!(pair(of("a", Some(&["b"])), of("b", None)), Ok(2));
        assert_eq!(pair(of("a", Some(&["b"])), of("c", None)), Err((0, Unfit::Conflict)));
        assert_eq!(pair(of("a", None), of("c", Some(&[]))), Err((1, Unfit::Conflict)), "each side is asked");
        let nameless = (amount(10, 0), None);
        assert_eq!(pair(of("a", Some(&["b"])), nameless), Err((0, Unfit::Conflict)));
        assert_eq!(pair(of("a", Some(&[])), of("a", Some(&[]))), Ok(1), "of one class there is one");
    }

    #[test]
    fn a_gift_is_free_as_far_as_it_is_in_the_basket() {
        let gift = |units: u32| (terms(Discount::Gift { sku: "mug".into(), units }, 2_000), None);
        let mugs = BasketLine { units: 3, ..line("mug", 2_999) };
        let basket = [line("tea", 1_000), mugs];
        let off = |basket: &[BasketLine], units: u32| price(basket, 0, &[gift(units)]).map(|priced| priced.lines);
        assert_eq!(off(&basket, 2), Ok(vec![0, 1_999]), "two of three, rounded down");
        assert_eq!(off(&basket, 9), Ok(vec![0, 2_999]));
        let both = price(&basket, 0, &[gift(2), gift(1)]).map(|priced| priced.lines[1]);
        assert_eq!(both, Ok(2_999), "each unit is free once, and the last takes what is left");
        assert_eq!(off(&basket[..1], 1), Err((0, Unfit::TooLittle)));
        assert_eq!(off(&[line("tea", 5_000)], 1), Err((0, Unfit::Scope)));
    }

    proptest! {
        /// No line and no shipping below nothing, and every unit that is taken off is taken off something.
        #[test]
        fn what_is_taken_off_adds_up(
            lines in prop::collection::vec(0..10_000i64, 1..6),
            shipping in 0..2_000i64,
            coupons in prop::collection::vec((0..3u8, any::<bool>(), 0..9_000i64, prop::option::of(0..2u8)), 0..5),
        ) {
            let basket: Vec<BasketLine> = (0..).zip(&lines).map(|(at, minor)| line(["tea", "mug"][at % 2], *minor)).collect();
            let coupons: Vec<_> = coupons.into_iter().map(|(on, is_percent, size, class)| {
                let counts_on = [CountsOn::Goods(vec!["tea".into()]), CountsOn::Order, CountsOn::Shipping][on as usize].clone();
                let terms = if is_percent { percent(1 + size as u32, None) } else { amount(size, 0) };
                (CouponTerms { counts_on, class: class.map(|class| class.to_string()), ..terms }, None)
            }).collect();
            let priced = price(&basket, shipping, &coupons).expect("there is tea, and no threshold");
            prop_assert!(priced.lines.iter().zip(&lines).all(|(off, minor)| (0..=*minor).contains(off)));
            prop_assert!((0..=shipping).contains(&priced.shipping));
            let off: i64 = priced.used.iter().map(|(_, off)| off).sum();
            prop_assert_eq!(off, priced.lines.iter().sum::<i64>() + priced.shipping);
        }

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
