//! Exact shares: nothing is lost in a division, and nothing is made.

/// Divides `total` in the proportion of `weights` by largest remainder: each share is rounded down, and what is left over goes, one
/// unit each, to the largest fractions, to the first of equal ones. The shares sum to `total`; without any weight all are 0.
///
/// # Panics
/// Where `total` is negative.
pub fn split(total: i64, weights: &[u64]) -> Vec<i64> {
    let total = u128::try_from(total).expect("what is divided is not negative");
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    // The remainder is compared instead of the fraction: all have the same denominator.
    let exact: Vec<(u128, u128)> = weights.iter().map(|weight| divide(total, u128::from(*weight), sum)).collect();
    let mut shares: Vec<u128> = exact.iter().map(|(share, _)| *share).collect();
    let left = total - shares.iter().sum::<u128>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(exact[*index].1));
    for index in order.into_iter().take(usize::try_from(left).expect("less than one for each share")) {
        shares[index] += 1;
    }
    shares.into_iter().map(|share| i64::try_from(share).expect("a share is at most the total")).collect()
}

/// `total · weight / sum`, rounded down, and the remainder.
fn divide(total: u128, weight: u128, sum: u128) -> (u128, u128) {
    // Below 2^63 · 2^64: it fits.
    let product = total * weight;
    (product / sum, product % sum)
}

/// So many basis points of an amount, rounded down; 10 000 is the whole.
pub fn bps_of(minor: i64, bps: u32) -> i64 {
    let share = i128::from(minor) * i128::from(bps) / 10_000;
    i64::try_from(share).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Worked example 5.
    #[test]
    fn a_discount_is_spread_to_the_unit() {
        assert_eq!(split(100, &[333, 333, 334]), [33, 33, 34]);
        assert_eq!(split(10, &[1, 1, 1]), [4, 3, 3], "the first of equal fractions");
        assert_eq!(split(5, &[]), Vec::<i64>::new());
        assert_eq!(split(5, &[0, 0]), [0, 0]);
        assert_eq!(bps_of(999, 3_333), 332);
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_total_and_stay_within_one_of_their_part(
            total in 0..=i64::MAX,
            weights in prop::collection::vec(any::<u64>(), 1..20),
        ) {
            let shares = split(total, &weights);
            let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
            prop_assume!(sum > 0);
            prop_assert_eq!(shares.iter().sum::<i64>(), total);
            for (share, weight) in shares.iter().zip(&weights) {
                let (low, _) = divide(total.unsigned_abs().into(), u128::from(*weight), sum);
                let share = share.unsigned_abs().into();
                prop_assert!(low <= share && share <= low + 1);
            }
        }
    }
}
