//! A version that keeps failing members is stopped for a while: for itself only, and only in the community where it fails. What others make
//! it fail at keeps it from nobody else.

use std::{collections::HashMap, sync::Mutex};

use crate::domain::id::Id;

/// So many failures in a row, within the window, open the breaker.
pub(crate) const FAILURES_MAX: u32 = 20;

/// Failures further apart than this do not add up.
pub(crate) const WINDOW_MS: i64 = 60_000;

/// How long it stays open; then one call may try.
pub(crate) const OPEN_MS: i64 = 30_000;

struct Record {
    failures: u32,
    since: i64,
    open_until: i64,
}

/// Of one version; only communities where it failed the last time have a record.
#[derive(Default)]
pub(crate) struct Breaker(Mutex<HashMap<Id, Record>>);

impl Breaker {
    /// How many milliseconds to wait, where it is open.
    pub(crate) fn open_for(&self, community: &Id, now: i64) -> Option<i64> {
        let records = self.0.lock().expect("nothing panics while it is locked");
        records.get(community).filter(|record| now < record.open_until).map(|record| record.open_until - now)
    }

    pub(crate) fn succeeded(&self, community: &Id) {
        self.0.lock().expect("nothing panics while it is locked").remove(community);
    }

    /// True when this failure opened it.
    pub(crate) fn failed(&self, community: &Id, now: i64) -> bool {
        let mut records = self.0.lock().expect("nothing panics while it is locked");
        let begun = Record { failures: 0, since: now, open_until: 0 };
        let record = records.entry(community.clone()).or_insert(begun);
        if now - record.since > WINDOW_MS {
            record.failures = 0;
            record.since = now;
        }
        record.failures += 1;
        if record.failures < FAILURES_MAX {
            return false;
        }
        // One more failure after the pause opens it again.
        record.failures = FAILURES_MAX - 1;
        record.since = now;
        record.open_until = now + OPEN_MS;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn town(name: &str) -> Id {
        Id::new(name).expect("an id")
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try_after_a_while() {
        let (breaker, town, other) = (Breaker::default(), town("town"), town("other"));
        for failure in 1..i64::from(FAILURES_MAX) {
            assert!(!breaker.failed(&town, failure));
        }
        assert_eq!(breaker.open_for(&town, 20), None);
        assert!(breaker.failed(&town, 20));
        assert_eq!(breaker.open_for(&town, 20), Some(OPEN_MS));
        assert_eq!(breaker.open_for(&other, 20), None, "it is of one community");
        breaker.succeeded(&other);
        assert_eq!(breaker.open_for(&town, 20 + OPEN_MS), None);
        assert!(breaker.failed(&town, 20 + OPEN_MS), "the next failure opens it again");
    }

    #[test]
    fn a_success_or_a_long_time_between_failures_starts_over() {
        let (breaker, town) = (Breaker::default(), town("town"));
        for failure in 0..100 {
            assert!(!breaker.failed(&town, failure));
            breaker.succeeded(&town);
        }
        for failure in 0..100 {
            assert!(!breaker.failed(&town, failure * (WINDOW_MS / 10)), "{failure}");
        }
    }
}
