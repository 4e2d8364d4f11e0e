//! What a [`super::Town`] is made of.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use jiff::{Timestamp, ToSpan, civil::Date, tz};

use crate::{Day, Hold, Member, MemberStatus, Newness, Notice, Order, OutOfBounds, Ranked, Reservation, Risk, Verdict};

use super::{
    quota::Quota,
    rewards::{BudgetState, Offer},
    trade::{Refund, StockPool},
};

/// As in the host.
pub(crate) const PAGE_ROWS_MAX: u32 = 256;
const VALUE_BYTES_MAX: usize = 64 << 10;
const KEY_BYTES_MAX: usize = 256;
const TIMERS_PENDING_MAX: usize = 10_000;
const TIMER_PAYLOAD_BYTES_MAX: usize = 4 << 10;
const EVENT_PAYLOAD_BYTES_MAX: usize = 16 << 10;
const LOG_LINE_BYTES_MAX: usize = 1_024;
const HORIZON_MS: i64 = 400 * 86_400_000;

/// The state of a town. Tests look at it, and set up members and points in it.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub now: i64,
    pub budget: Option<BudgetState>,
    /// (member, account) → balance.
    pub points: BTreeMap<(String, String), u64>,
    /// Id → the member and its identity clusters.
    pub members: BTreeMap<String, (Member, Vec<String>)>,
    /// Members whose acts the rules of risk would have looked at.
    pub reviewed: BTreeSet<String>,
    /// Group → who is in it.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// What the activity stored.
    pub entries: BTreeMap<String, Vec<u8>>,
    pub(crate) offers: BTreeMap<String, Offer>,
    /// With the time at which an uncaptured hold is put back.
    pub(crate) holds: BTreeMap<String, (Hold, i64)>,
    pub(crate) timers: BTreeMap<String, (i64, String)>,
    /// Of timers that come again: weekdays, minute and zone.
    calendars: BTreeMap<String, (Vec<u8>, u32, String)>,
    pub(crate) boards: BTreeMap<String, BTreeMap<String, (i64, i64)>>,
    /// Topic, subject and payload.
    pub(crate) events: Vec<(String, String, String)>,
    /// Those that were not suppressed at once, with the time of the call.
    pub notices: Vec<(i64, Notice)>,
    /// What was proposed: `promotion` or `violation`, member and group.
    pub proposals: Vec<(String, String, String)>,
    /// Defined segments, by name. Any other is the tag of that name.
    pub segments: BTreeMap<String, BTreeSet<String>>,
    /// What `Newness::Configured` is; `never-ordered` where nothing is said.
    pub newness: Option<Newness>,
    /// Group → the version of its rules.
    pub rules: BTreeMap<String, u32>,
    /// Group and member → the version that the member has accepted.
    pub accepted: BTreeMap<(String, String), u32>,
    /// Group and member → who brought the member there.
    pub brought: BTreeMap<(String, String), String>,
    pub(crate) read_only: bool,
    /// Stock pools, by name.
    pub pools: BTreeMap<String, StockPool>,
    /// Goods of the shop: its price, and how many can be sold.
    pub skus: BTreeMap<String, (i64, u64)>,
    pub reservations: BTreeMap<String, Reservation>,
    pub orders: BTreeMap<String, Order>,
    pub refunds: BTreeMap<String, Refund>,
    /// What the shop has paid back, by the order's key.
    pub returned: BTreeMap<String, i64>,
    /// Orders that must not be shipped yet.
    pub unshipped: BTreeSet<String>,
    /// Orders that the shop was asked to close, and has not closed yet.
    pub(super) to_close: Vec<String>,
    /// How much the activity was told.
    pub(super) told: u64,
    pub(super) spent: BTreeMap<String, (String, String, u64)>,
    pub(super) given_back: BTreeMap<String, (String, String, u64)>,
    /// Account → points that the activity has taken, beyond what it has given back.
    pub taken: BTreeMap<String, u64>,
    draws: u64,
    pub(super) quota: Quota,
    /// The next call breaks off after so many host calls.
    pub(super) breaks_after: Option<usize>,
    /// Topics, and those of which members are told, by the blueprint.
    emits: &'static [&'static str],
    pub(crate) tells: &'static [&'static str],
}

/// What a call unwinds with that was told to break off.
pub(super) struct BrokenOff;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Plays a call in this world; gives the world back as the call left it.
pub(super) fn playing<T>(world: World, play: impl FnOnce() -> T) -> (World, T) {
    WORLD.with(|place| *place.borrow_mut() = Some(world));
    let answer = play();
    let world = WORLD.with(|place| place.borrow_mut().take());
    (world.expect("it was put there above"), answer)
}

/// One host call.
pub(crate) fn with<T>(run: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with(|place| {
        let mut place = place.borrow_mut();
        let world = place.as_mut().expect("a host function was called outside a call of a town");
        world.quota.host_call();
        match &mut world.breaks_after {
            Some(0) => std::panic::resume_unwind(Box::new(BrokenOff)),
            Some(left) => *left -= 1,
            None => {}
        }
        run(world)
    })
}

impl World {
    pub(super) fn begin(&mut self, emits: &'static [&'static str], tells: &'static [&'static str]) {
        (self.emits, self.tells) = (emits, tells);
        self.quota = Quota::default();
    }

    /// A board's keys and scores, the best first.
    pub fn ranked(&self, board: &str) -> Vec<(String, i64)> {
        let places = self.boards.get(board).into_iter().flatten();
        let mut places: Vec<_> = places.map(|(key, (score, at))| (Reverse(*score), *at, key)).collect();
        places.sort();
        places.into_iter().map(|(Reverse(score), _, key)| (key.clone(), score)).collect()
    }

    /// All that was ever set aside, in the order of the keys.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values().map(|(hold, _)| hold)
    }

    /// An ordinary member, unless there is one of this id.
    pub fn join(&mut self, id: &str) {
        let member = Member {
            id: id.into(),
            status: MemberStatus::Active,
            tier: "ordinary".into(),
            tags: Vec::new(),
            registered_at: self.now,
            first_order_at: None,
            time_zone: "UTC".into(),
            inviter: None,
        };
        self.members.entry(id.into()).or_insert((member, Vec::new()));
    }

    pub(super) fn writing(&self) {
        assert!(!self.read_only, "a query may not write");
    }

    pub(super) fn key(key: &str) {
        let fits = (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control);
        assert!(fits, "a key is 1 to 256 bytes without control characters");
    }

    pub(crate) fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        Self::key(key);
        let value = self.entries.get(key).cloned();
        self.quota.read(1, value.as_ref().map_or(0, Vec::len));
        value
    }

    pub(crate) fn put(&mut self, key: &str, value: Option<Vec<u8>>) -> bool {
        self.writing();
        Self::key(key);
        self.quota.write(key.len() + value.as_ref().map_or(0, Vec::len));
        match value {
            Some(value) => {
                assert!(value.len() <= VALUE_BYTES_MAX, "a value is at most 64 KiB");
                self.entries.insert(key.into(), value).is_some()
            }
            None => self.entries.remove(key).is_some(),
        }
    }

    pub(crate) fn scan(&mut self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)> {
        let wanted = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        let rows = self.entries.iter().filter(|(key, _)| wanted(key)).take(limit.min(PAGE_ROWS_MAX) as usize);
        let rows: Vec<_> = rows.map(|(key, value)| (key.clone(), value.clone())).collect();
        self.quota.read(rows.len(), rows.iter().map(|(key, value)| key.len() + value.len()).sum());
        rows
    }

    /// The value of a counter that the activity keeps; 0 where there is none.
    pub fn counter(&self, key: &str) -> i64 {
        let value = self.entries.get(key);
        value
            .and_then(|bytes| std::str::from_utf8(bytes.strip_prefix(b"counter:")?).ok()?.parse().ok())
            .unwrap_or_default()
    }

    pub(crate) fn add(&mut self, key: &str, delta: i64, low: i64, high: i64) -> Result<i64, OutOfBounds> {
        let is_counter = self.entries.get(key).is_none_or(|bytes| bytes.starts_with(b"counter:"));
        assert!(is_counter, "{key} is no counter");
        let value = self.counter(key);
        match value.checked_add(delta).filter(|sum| (low..=high).contains(sum)) {
            Some(sum) => {
                self.put(key, Some(format!("counter:{sum}").into_bytes()));
                Ok(sum)
            }
            None => Err(OutOfBounds(value)),
        }
    }

    pub(crate) fn rank_put(&mut self, board: &str, key: &str, score: i64, at: i64) {
        self.writing();
        Self::key(board);
        Self::key(key);
        self.quota.write(key.len());
        self.boards.entry(board.into()).or_default().insert(key.into(), (score, at));
    }

    pub(crate) fn rank_remove(&mut self, board: &str, key: &str) -> bool {
        self.writing();
        self.quota.write(key.len());
        self.boards.get_mut(board).is_some_and(|board| board.remove(key).is_some())
    }

    pub(crate) fn standings(&self, board: &str) -> Vec<Ranked> {
        let mut rows: Vec<_> = self.boards.get(board).into_iter().flatten().collect();
        rows.sort_by_key(|(key, (score, at))| (Reverse(*score), *at, (*key).clone()));
        let ranked = rows.into_iter().zip(1..);
        ranked.map(|((key, (score, at)), rank)| Ranked { rank, key: key.clone(), score: *score, at: *at }).collect()
    }

    /// Good enough for tests, and the same in every run.
    pub(crate) fn uniform(&mut self, low: u64, high: u64) -> u64 {
        self.writing();
        assert!(low <= high, "the range is not empty");
        self.draws += 1;
        let mut word = self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        (high - low).checked_add(1).map_or(word, |span| low + word % span)
    }

    pub(crate) fn sample(&mut self, n: u64, k: u32) -> Vec<u64> {
        assert!(u64::from(k) <= n, "no more are drawn than there are");
        let mut left: Vec<u64> = (0..n).collect();
        (0..k)
            .map(|_| left.remove(usize::try_from(self.uniform(0, left.len() as u64 - 1)).expect("an index")))
            .collect()
    }

    /// Timers of the activity's that have not rung.
    pub fn timers_pending(&self) -> usize {
        self.timers.keys().filter(|key| !key.starts_with('\0')).count()
    }

    pub(crate) fn schedule(&mut self, key: &str, when: i64, payload: &str) -> bool {
        self.writing();
        Self::key(key);
        self.quota.timer();
        assert!(payload.len() <= TIMER_PAYLOAD_BYTES_MAX, "a timer's payload is at most 4 KiB");
        assert!(when <= self.now.saturating_add(HORIZON_MS), "a timer is due within 400 days");
        let room = self.timers_pending() < TIMERS_PENDING_MAX || self.timers.contains_key(key);
        if room {
            self.timers.insert(key.into(), (when, payload.into()));
            self.calendars.remove(key);
        }
        room
    }

    pub(crate) fn schedule_every(&mut self, key: &str, weekdays: &[u8], minute: u32, zone: &str) -> Option<i64> {
        assert!(!weekdays.is_empty() && weekdays.iter().all(|day| (1..=7).contains(day)), "weekdays are 1 to 7");
        let calendar = (weekdays.to_vec(), minute, zone.to_owned());
        let first = next_of(&calendar, self.now).expect("a minute of the day and a zone that is known");
        self.schedule(key, first, "null").then(|| {
            self.calendars.insert(key.into(), calendar);
            first
        })
    }

    pub(crate) fn cancel_timer(&mut self, key: &str) -> bool {
        self.writing();
        self.calendars.remove(key);
        self.timers.remove(key).is_some()
    }

    /// Takes the oldest timer due at `until` or before.
    pub(super) fn next_timer(&mut self, until: i64) -> Option<(String, i64, String)> {
        let (key, (due, _)) = self.timers.iter().min_by_key(|(key, (due, _))| (*due, (*key).clone()))?;
        if *due > until {
            return None;
        }
        let key = key.clone();
        let (due, payload) = self.timers.remove(&key)?;
        if let Some(next) = self.calendars.get(&key).and_then(|calendar| next_of(calendar, due)) {
            self.timers.insert(key.clone(), (next, payload.clone()));
        }
        Some((key, due, payload))
    }

    pub(crate) fn emit(&mut self, topic: &str, subject: &str, payload: &str) {
        self.writing();
        self.quota.outgoing();
        assert!(payload.len() <= EVENT_PAYLOAD_BYTES_MAX, "an event's payload is at most 16 KiB");
        assert!(self.emits.contains(&topic), "{topic} is not among the blueprint's topics");
        Self::key(subject);
        assert!(serde_json::from_str::<serde_json::Value>(payload).is_ok(), "a payload is JSON");
        self.events.push((topic.into(), subject.into(), payload.into()));
    }

    pub(crate) fn log(&mut self, line: &str) {
        self.quota.log(line.len().min(LOG_LINE_BYTES_MAX));
        println!("{line}");
    }

    pub(crate) fn assess(&self, member: &str, counterparty: Option<&str>) -> Risk {
        let Some((who, clusters)) = self.members.get(member) else {
            return Risk { verdict: Verdict::Deny, reasons: vec!["unknown-member".into()], clusters: Vec::new() };
        };
        let other = counterparty.filter(|other| *other != member).and_then(|other| self.members.get(other));
        let shared = other.is_some_and(|(_, others)| others.iter().any(|cluster| clusters.contains(cluster)));
        let (verdict, reasons) = match who.status {
            MemberStatus::Suspended | MemberStatus::Closed => (Verdict::Deny, vec!["not-active".into()]),
            _ if shared => (Verdict::Deny, vec!["same-cluster".into()]),
            MemberStatus::Muted => (Verdict::Review, vec!["muted".into()]),
            _ if self.reviewed.contains(member) => (Verdict::Review, vec!["young".into()]),
            MemberStatus::Active => (Verdict::Allow, Vec::new()),
        };
        Risk { verdict, reasons, clusters: clusters.clone() }
    }
}

/// The first time of a calendar after an instant.
fn next_of((weekdays, minute, zone): &(Vec<u8>, u32, String), after: i64) -> Option<i64> {
    let today = day(Timestamp::from_millisecond(after).ok()?.to_zoned(tz::db().get(zone).ok()?).date());
    (0..=7).find_map(|days| {
        let then = add_days(today, days)?;
        let weekday = date(then)?.weekday().to_monday_one_offset().unsigned_abs();
        let at = day_start(then, zone, *minute)?;
        (weekdays.contains(&weekday) && at > after).then_some(at)
    })
}

fn date(day: Day) -> Option<Date> {
    Date::new(day.year, i8::try_from(day.month).ok()?, i8::try_from(day.day).ok()?).ok()
}

fn day(date: Date) -> Day {
    Day { year: date.year(), month: date.month().unsigned_abs(), day: date.day().unsigned_abs() }
}

pub(crate) fn day_start(day: Day, zone: &str, minute: u32) -> Option<i64> {
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    let start = date(day)?.at(hour, minute, 0, 0);
    let zoned = tz::db().get(zone).ok()?.to_ambiguous_zoned(start).compatible().ok()?;
    Some(zoned.timestamp().as_millisecond())
}

pub(crate) fn business_day(at: i64, zone: &str, minute: u32) -> Option<Day> {
    let today = day(Timestamp::from_millisecond(at).ok()?.to_zoned(tz::db().get(zone).ok()?).date());
    if at < day_start(today, zone, minute)? { add_days(today, -1) } else { Some(today) }
}

pub(crate) fn minute_of_day(at: i64, zone: &str) -> Option<u32> {
    let time = Timestamp::from_millisecond(at).ok()?.to_zoned(tz::db().get(zone).ok()?);
    Some(u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs()))
}

pub(crate) fn add_days(from: Day, days: i32) -> Option<Day> {
    date(from)?.checked_add(i64::from(days).days()).ok().map(day)
}

pub(crate) fn days_between(a: Day, b: Day) -> Option<i32> {
    Some(date(a)?.until(date(b)?).ok()?.get_days())
}
