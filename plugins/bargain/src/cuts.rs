//! Fair cuts: each within its bounds, the sum exact, and no place in the order worth more than another.

use crate::config::Config;

/// Between what and what a cut may lie, so that the cuts after it can still meet the floor exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub low: i64,
    pub high: i64,
    /// A weighted cut may go beyond `high`, up to here.
    most: i64,
}

impl Bounds {
    /// For the next of `cuts` cuts that are to make `left` together.
    ///
    /// While `cuts · min ≤ left ≤ cuts · max`, low ≤ left / cuts ≤ high, and the same holds again after the cut.
    pub(crate) fn of(left: i64, cuts: i64, config: &Config) -> Self {
        Self::between(left, cuts, config.cut_min, config.cut_max)
    }

    pub(crate) fn between(left: i64, cuts: i64, min: i64, max: i64) -> Self {
        if cuts == 1 {
            return Self { low: left, high: left, most: left };
        }
        let fair = left / cuts;
        let most = max.min(left - (cuts - 1) * min);
        // Symmetric around the fair share, so that the mean is the same at every place.
        Self { low: min.max(left - (cuts - 1) * max), high: most.min(2 * fair - min), most }
    }

    /// A drawn cut with its weight, still within what the later cuts allow.
    pub(crate) fn weighted(self, drawn: i64, weight_bps: u32) -> i64 {
        weigh(drawn, weight_bps).clamp(self.low, self.most.max(self.low))
    }
}

/// `amount · weight / 10 000`, rounded down.
pub(crate) fn weigh(amount: i64, weight_bps: u32) -> i64 {
    let weighed = i128::from(amount) * i128::from(weight_bps) / 10_000;
    i64::try_from(weighed).unwrap_or(i64::MAX)
}

/// How many cuts of `min` to `max` it takes to cut `left` away: at least and at most.
pub(crate) fn helps_range(left: i64, min: i64, max: i64) -> (u64, u64) {
    let (left, min, max) = (left.max(0).unsigned_abs(), min.unsigned_abs(), max.unsigned_abs());
    (left.div_ceil(max), left.div_ceil(min))
}
