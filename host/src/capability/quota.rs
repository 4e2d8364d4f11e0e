//! What one call may use, counted by the host: fuel does not meter what host functions do.

/// Wasm instructions, roughly. 36–70 ms of spinning.
pub(crate) const FUEL: u64 = 50_000_000;

/// The clock that stops what fuel does not: cheap in fuel, dear in time.
pub(crate) const EPOCH_TICK_MS: u64 = 10;

/// 250 ms of wall time. What the host waits for its store is not the guest's, and comes on top.
pub(crate) const EPOCH_TICKS: u64 = 25;

/// Ten seconds of waiting for the store, in ticks: a board of millions can be read, and two thousand readings of a slow store do not
/// hold a guest thread for minutes.
pub(crate) const WAIT_TICKS_MAX: u64 = 1_000;

/// Linear memory of one instance.
pub(crate) const MEMORY_BYTES_MAX: usize = 32 << 20;

/// Elements of one table; rustc's guests have a few hundred.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 10_000;

/// Bytes that one host call may take from the guest; wasmtime's own default is 128 MiB.
pub(crate) const HOSTCALL_BYTES_MAX: usize = 1 << 20;

/// Resource handles; our interface has none, so this only stops mischief.
pub(crate) const HANDLES_MAX: usize = 1_024;

pub(crate) const HOST_CALLS_MAX: u64 = 2_000;
pub(crate) const ROWS_READ_MAX: u64 = 2_000;
pub(crate) const BYTES_READ_MAX: u64 = 4 << 20;
pub(crate) const WRITES_MAX: u64 = 500;
pub(crate) const BYTES_WRITTEN_MAX: u64 = 1 << 20;
pub(crate) const GRANTS_MAX: u64 = 100;
pub(crate) const TIMERS_SET_MAX: u64 = 16;
pub(crate) const OUTGOING_MAX: u64 = 100;
pub(crate) const LOG_LINES_MAX: u64 = 64;
pub(crate) const LOG_BYTES_MAX: u64 = 16 << 10;

/// The answer of an action or a query.
pub(crate) const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// One value in storage.
pub(crate) const VALUE_BYTES_MAX: usize = 64 << 10;

/// A key of storage, a board, a timer, a hold.
pub(crate) const KEY_BYTES_MAX: usize = 256;

/// Rows that one host call answers.
pub(crate) const PAGE_ROWS_MAX: usize = 256;

/// Keys and values of one activity.
pub(crate) const STORED_BYTES_MAX: i64 = 1 << 30;

/// Timers that one activity has pending.
pub(crate) const TIMERS_PENDING_MAX: usize = 10_000;

/// 400 days: the longest activity, and some.
pub(crate) const HORIZON_MS: i64 = 400 * 86_400_000;

/// How much of each quota a call has used.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quota {
    host_calls: u64,
    rows_read: u64,
    bytes_read: u64,
    writes: u64,
    bytes_written: u64,
    grants: u64,
    timers_set: u64,
    outgoing: u64,
    log_lines: u64,
    log_bytes: u64,
}

/// What the host has told a call from outside its activity, as its row in the journal keeps it. The call that goes over it was the
/// last that could be told something.
pub(crate) const FACT_BYTES_MAX: usize = 1 << 20;

/// The name of the quota that a call went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exceeded(pub &'static str);

impl Quota {
    pub(crate) fn host_call(&mut self) -> Result<(), Exceeded> {
        count(&mut self.host_calls, 1, HOST_CALLS_MAX, "host calls")
    }

    pub(crate) fn read(&mut self, rows: usize, bytes: usize) -> Result<(), Exceeded> {
        count(&mut self.rows_read, rows as u64, ROWS_READ_MAX, "rows read")?;
        count(&mut self.bytes_read, bytes as u64, BYTES_READ_MAX, "bytes read")
    }

    pub(crate) fn write(&mut self, bytes: usize) -> Result<(), Exceeded> {
        count(&mut self.writes, 1, WRITES_MAX, "writes")?;
        count(&mut self.bytes_written, bytes as u64, BYTES_WRITTEN_MAX, "bytes written")
    }

    pub(crate) fn grant(&mut self) -> Result<(), Exceeded> {
        count(&mut self.grants, 1, GRANTS_MAX, "grants")
    }

    pub(crate) fn timer(&mut self) -> Result<(), Exceeded> {
        count(&mut self.timers_set, 1, TIMERS_SET_MAX, "timers")
    }

    pub(crate) fn outgoing(&mut self) -> Result<(), Exceeded> {
        count(&mut self.outgoing, 1, OUTGOING_MAX, "events and notices")
    }

    pub(crate) fn log(&mut self, bytes: usize) -> Result<(), Exceeded> {
        count(&mut self.log_lines, 1, LOG_LINES_MAX, "log lines")?;
        count(&mut self.log_bytes, bytes as u64, LOG_BYTES_MAX, "log bytes")
    }
}

fn count(used: &mut u64, more: u64, most: u64, name: &'static str) -> Result<(), Exceeded> {
    *used = used.saturating_add(more);
    if *used > most { Err(Exceeded(name)) } else { Ok(()) }
}
