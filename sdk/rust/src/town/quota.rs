//! What one call may use, as the host counts it (`wit/world.wit` says the same in words). A rule that needs more is found out in
//! its author's tests, and not in front of members.

const HOST_CALLS_MAX: usize = 2_000;
const ROWS_READ_MAX: usize = 2_000;
const BYTES_READ_MAX: usize = 4 << 20;
const WRITES_MAX: usize = 500;
const BYTES_WRITTEN_MAX: usize = 1 << 20;
const GRANTS_MAX: usize = 100;
const TIMERS_SET_MAX: usize = 16;
const OUTGOING_MAX: usize = 100;
const LOG_LINES_MAX: usize = 64;
const LOG_BYTES_MAX: usize = 16 << 10;

/// The answer of an action or a query.
pub(super) const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// How much of each quota a call has used. Where the host stops a call, this panics, and the town keeps nothing of the call.
#[derive(Debug, Clone, Default)]
pub(super) struct Quota {
    host_calls: usize,
    rows_read: usize,
    bytes_read: usize,
    writes: usize,
    bytes_written: usize,
    grants: usize,
    timers_set: usize,
    outgoing: usize,
    log_lines: usize,
    log_bytes: usize,
}

impl Quota {
    pub(super) fn host_call(&mut self) {
        count(&mut self.host_calls, 1, HOST_CALLS_MAX, "host calls");
    }

    pub(super) fn read(&mut self, rows: usize, bytes: usize) {
        count(&mut self.rows_read, rows, ROWS_READ_MAX, "rows read");
        count(&mut self.bytes_read, bytes, BYTES_READ_MAX, "bytes read");
    }

    pub(super) fn write(&mut self, bytes: usize) {
        count(&mut self.writes, 1, WRITES_MAX, "writes");
        count(&mut self.bytes_written, bytes, BYTES_WRITTEN_MAX, "bytes written");
    }

    pub(super) fn grant(&mut self) {
        count(&mut self.grants, 1, GRANTS_MAX, "grants");
    }

    pub(super) fn timer(&mut self) {
        count(&mut self.timers_set, 1, TIMERS_SET_MAX, "timers");
    }

    pub(super) fn outgoing(&mut self) {
        count(&mut self.outgoing, 1, OUTGOING_MAX, "events and notices");
    }

    pub(super) fn log(&mut self, bytes: usize) {
        count(&mut self.log_lines, 1, LOG_LINES_MAX, "log lines");
        count(&mut self.log_bytes, bytes, LOG_BYTES_MAX, "log bytes");
    }
}

fn count(used: &mut usize, more: usize, most: usize, name: &str) {
    *used += more;
    assert!(*used <= most, "too many {name}: the host stops a call at {most}");
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn each_quota_stops_a_call_at_its_limit() {
        type Use = fn(&mut Quota);
        let cases: [(Use, usize); 7] = [
            (Quota::host_call, HOST_CALLS_MAX),
            (|quota| quota.read(1, 0), ROWS_READ_MAX),
            (|quota| quota.write(0), WRITES_MAX),
            (Quota::grant, GRANTS_MAX),
            (Quota::timer, TIMERS_SET_MAX),
            (Quota::outgoing, OUTGOING_MAX),
            (|quota| quota.log(0), LOG_LINES_MAX),
        ];
        for (uses, most) in cases {
            let mut quota = Quota::default();
            (0..most).for_each(|_| uses(&mut quota));
            assert!(catch_unwind(AssertUnwindSafe(|| uses(&mut quota))).is_err(), "{most} and one more");
        }
        for uses in [
            (|quota| quota.read(0, BYTES_READ_MAX + 1)) as Use,
            |quota| quota.write(BYTES_WRITTEN_MAX + 1),
            |quota| quota.log(LOG_BYTES_MAX + 1),
        ] {
            assert!(catch_unwind(|| uses(&mut Quota::default())).is_err());
        }
    }
}
