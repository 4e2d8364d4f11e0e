//! A version that keeps failing is stopped for a while: for itself only.

use std::sync::Mutex;

/// So many failures in a row, within the window, open the breaker.
pub(crate) const FAILURES_MAX: u32 = 20;

/// Failures further apart than this do not add up.
pub(crate) const WINDOW_MS: i64 = 60_000;

/// How long it stays open; then one call may try.
pub(crate) const OPEN_MS: i64 = 30_000;

#[derive(Default)]
struct Record {
    failures: u32,
    since: i64,
    open_until: i64,
}

#[derive(Default)]
pub(crate) struct Breaker(Mutex<Record>);

impl Breaker {
    /// How many milliseconds to wait, where it is open.
    pub(crate) fn open_for(&self, now: i64) -> Option<i64> {
        let record = self.0.lock().expect("nothing panics while it is locked");
        (now < record.open_until).then(|| record.open_until - now)
    }

    pub(crate) fn succeeded(&self) {
        let mut record = self.0.lock().expect("nothing panics while it is locked");
        record.failures = 0;
    }

    /// True when this failure opened it.
    pub(crate) fn failed(&self, now: i64) -> bool {
        let mut record = self.0.lock().expect("nothing panics while it is locked");
        if record.failures == 0 || now - record.since > WINDOW_MS {
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

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try_after_a_while() {
        let breaker = Breaker::default();
        for failure in 1..i64::from(FAILURES_MAX) {
            assert!(!breaker.failed(failure));
        }
        assert_eq!(breaker.open_for(20), None);
        assert!(breaker.failed(20));
        assert_eq!(breaker.open_for(20), Some(OPEN_MS));
        assert_eq!(breaker.open_for(20 + OPEN_MS), None);
        assert!(breaker.failed(20 + OPEN_MS), "the next failure opens it again");
    }

    #[test]
    fn a_success_or_a_long_time_between_failures_starts_over() {
        let breaker = Breaker::default();
        for failure in 0..100 {
            assert!(!breaker.failed(failure));
            breaker.succeeded();
        }
        for failure in 0..100 {
            assert!(!breaker.failed(failure * (WINDOW_MS / 10)), "{failure}");
        }
    }
}
