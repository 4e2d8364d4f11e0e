//! Fair cuts: each within its bounds, the sum exact, and no place in the order worth more than another.

/// What is left to cut, in how many cuts, each of `min` to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cuts {
    pub left: i64,
    pub count: i64,
    pub min: i64,
    pub max: i64,
}

/// Between what and what the next cut may lie, so that the cuts after it can still meet the sum exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub low: i64,
    pub high: i64,
    /// A weighted cut may go beyond `high`, up to here.
    most: i64,
}

impl Cuts {
    /// Whether so many cuts can make exactly what is left.
    pub fn is_feasible(self) -> bool {
        let [left, count, min, max] = [self.left, self.count, self.min, self.max].map(i128::from);
        count * min <= left && left <= count * max
    }

    /// The bounds of the next cut. Where the cuts are feasible, `low ≤ left / count ≤ high`, and they are feasible again after any
    /// cut within the bounds. The bounds lie around the fair share, so the mean is the same at every place.
    pub fn bounds(self) -> Bounds {
        let Self { left, count, min, max } = self;
        if count == 1 {
            return Bounds { low: left, high: left, most: left };
        }
        let most = max.min(left - (count - 1) * min);
        Bounds { low: min.max(left - (count - 1) * max), high: most.min(2 * (left / count) - min), most }
    }
}

impl Bounds {
    /// A drawn cut with its weight (10 000 is 1), still within what the later cuts allow.
    #[must_use]
    pub fn weighted(self, drawn: i64, weight_bps: u32) -> i64 {
        crate::bps_of(drawn, weight_bps).clamp(self.low, self.most.max(self.low))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Worked example 2.
    #[test]
    fn a_legal_sequence_of_cuts_is_exact() {
        let mut left = 9_000;
        let cuts = [3_000, 2_500, 500, 500, 2_500];
        let bounds = |left: i64, count: i64| Cuts { left, count, min: 500, max: 3_000 }.bounds();
        assert_eq!(bounds(9_000, 5), Bounds { low: 500, high: 3_000, most: 3_000 });
        assert_eq!(bounds(6_000, 4), Bounds { low: 500, high: 2_500, most: 3_000 });
        for (cut, count) in cuts.into_iter().zip((1..=5).rev()) {
            let Bounds { low, high, .. } = bounds(left, count);
            assert!((low..=high).contains(&cut), "{cut} of {left} in {count}");
            left -= cut;
        }
        assert_eq!(left, 0);
        assert!(3_000 > bounds(6_000, 4).high, "3 000 twice is not legal");
    }

    proptest! {
        #[test]
        fn cuts_stay_within_their_bounds_and_sum_exactly(
            count in 1..200i64, min in 1..1_000i64, more in 0..1_000i64, part in 0..=1_000i64,
            draws in prop::collection::vec((any::<u64>(), 10_000..50_000u32), 200),
        ) {
            let max = min + more;
            let total = count * min + count * more * part / 1_000;
            let mut cuts = Cuts { left: total, count, min, max };
            prop_assert!(cuts.is_feasible());
            for (draw, weight) in draws.into_iter().take(usize::try_from(count).expect("small")) {
                let bounds = cuts.bounds();
                prop_assert!(bounds.low <= cuts.left / cuts.count && cuts.left / cuts.count <= bounds.high);
                let drawn = bounds.low + i64::try_from(draw % (bounds.high - bounds.low + 1).unsigned_abs()).expect("small");
                let cut = bounds.weighted(drawn, weight);
                prop_assert!((min..=max).contains(&cut), "{cut} in {min}..={max}");
                cuts = Cuts { left: cuts.left - cut, count: cuts.count - 1, ..cuts };
                prop_assert!(cuts.count == 0 || cuts.is_feasible());
            }
            prop_assert_eq!(cuts.left, 0);
        }

        /// Regression 21. The mean of a cut is the fair share at every place, whatever was cut before.
        #[test]
        fn no_place_in_the_order_is_worth_more(seed in any::<u64>()) {
            const ROUNDS: u64 = 2_000;
            const COUNT: i64 = 10;
            let mut sums = [0i64; COUNT as usize];
            let mut word = seed | 1;
            for _ in 0..ROUNDS {
                let mut cuts = Cuts { left: 10_000, count: COUNT, min: 100, max: 3_000 };
                for sum in &mut sums {
                    let Bounds { low, high, .. } = cuts.bounds();
                    word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let cut = low + i64::try_from((word >> 33) % (high - low + 1).unsigned_abs()).expect("small");
                    *sum += cut;
                    cuts = Cuts { left: cuts.left - cut, count: cuts.count - 1, ..cuts };
                }
            }
            for sum in sums {
                let mean = sum / i64::try_from(ROUNDS).expect("small");
                prop_assert!((900..=1_100).contains(&mean), "{sums:?}");
            }
        }
    }
}
