//! A call: who acts, in which activity, and what may be asked of the host.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Budget, Day, Hold, Limit, OutOfBounds, Placed, Problem, Ranked, Refused, host, problem::Kind};

/// As the host takes keys.
pub(crate) const KEY_BYTES_MAX: usize = 256;

/// One call of an activity. What it writes is kept when it answers, and gone when it refuses or panics.
pub struct Call<C> {
    /// The activity's id.
    pub activity: String,
    pub config: C,
    /// The member who acts; an operator's key for an operator's action; empty for the host's own calls.
    pub actor: String,
    pub by_operator: bool,
    /// The one currency of the community.
    pub currency: String,
    pub started_at: i64,
    pub ends_at: Option<i64>,
}

impl<C> Call<C> {
    /// The time of the call: the same however often it is asked.
    pub fn now(&self) -> i64 {
        host::now()
    }

    /// The business day of an instant in a zone that is known to exist.
    pub fn day(&self, at: i64, zone: &str, day_starts_minute: u32) -> Day {
        host::business_day(at, zone, day_starts_minute).expect("the zone was checked with the config")
    }

    /// When a business day starts.
    pub fn day_start(&self, day: Day, zone: &str, day_starts_minute: u32) -> i64 {
        host::day_start(day, zone, day_starts_minute).expect("the zone was checked with the config")
    }

    /// Minutes since midnight on the zone's wall clock.
    pub fn minute_of_day(&self, at: i64, zone: &str) -> u32 {
        host::minute_of_day(at, zone).expect("the zone was checked with the config")
    }

    /// The day so many days later.
    pub fn add_days(&self, day: Day, days: i32) -> Day {
        host::add_days(day, days).expect("years -9999 to 9999 are enough")
    }

    /// From `a` to `b`; none where one of them is no day of the calendar.
    pub fn days_between(&self, a: Day, b: Day) -> Option<i32> {
        host::days_between(a, b)
    }

    /// What is stored under a key.
    pub fn load<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        host::get(key).map(|bytes| stored(&bytes))
    }

    /// The same for a key that a client had a part in: what is no key names nothing.
    pub fn find<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        if key.len() > KEY_BYTES_MAX || key.chars().any(char::is_control) { None } else { self.load(key) }
    }

    pub fn save<T: Serialize>(&mut self, key: &str, value: &T) {
        host::put(key, postcard::to_allocvec(value).expect("postcard can write all that derives `Serialize`"));
    }

    /// True where there was something to delete.
    pub fn delete(&mut self, key: &str) -> bool {
        host::delete(key)
    }

    /// What is stored under keys that start with `prefix`, after `start_after`, in the order of the keys; at most 256.
    pub fn scan<T: DeserializeOwned>(&self, prefix: &str, start_after: Option<&str>, limit: u32) -> Vec<(String, T)> {
        let rows = host::scan(prefix, start_after, limit).into_iter();
        rows.map(|(key, bytes)| (key, stored(&bytes))).collect()
    }

    /// Adds to a counter that stays in `low..=high`; answers its new value.
    pub fn count(&mut self, key: &str, delta: i64, low: i64, high: i64) -> Result<i64, OutOfBounds> {
        host::add(key, delta, low, high)
    }

    /// A counter's value; 0 where there is none.
    pub fn counter(&self, key: &str) -> i64 {
        host::counter(key)
    }

    /// Puts an entry on a board, or changes it. The highest score is first; of one score whoever reached it first (`at`), then the lesser
    /// key.
    pub fn rank_put(&mut self, board: &str, key: &str, score: i64, at: i64) {
        host::rank_put(board, key, score, at);
    }

    pub fn rank_remove(&mut self, board: &str, key: &str) -> bool {
        host::rank_remove(board, key)
    }

    /// Where an entry is: no two share a place.
    pub fn rank(&self, board: &str, key: &str) -> Option<Ranked> {
        host::rank(board, key)
    }

    /// Places from `start_rank` (1 is the first) on; at most 256.
    pub fn ranks(&self, board: &str, start_rank: u64, limit: u32) -> Vec<Ranked> {
        host::ranks(board, start_rank, limit)
    }

    pub fn rank_len(&self, board: &str) -> u64 {
        host::rank_len(board)
    }

    /// An unbiased integer of `low..=high`, from the stream named `purpose`.
    pub fn draw(&mut self, purpose: &str, low: u64, high: u64) -> u64 {
        host::uniform(purpose, low, high)
    }

    /// `k` distinct indexes of `0..n`, in the order drawn.
    pub fn draw_distinct(&mut self, purpose: &str, n: u64, k: u32) -> Vec<u64> {
        host::sample(purpose, n, k)
    }

    /// Calls `on_timer` at `when` (at most 400 days ahead) or soon after. The same key replaces it. False, and nothing is set,
    /// where 10 000 timers are pending.
    #[must_use]
    pub fn set_timer(&mut self, key: &str, when: i64) -> bool {
        host::schedule(key, when, "null")
    }

    /// Calls `on_timer` at a time of each of these weekdays (Monday is 1, Sunday 7), so many minutes after midnight in a zone that is
    /// known to exist, until the timer is cancelled. The same key replaces it. Answers the first time, or none, and nothing is set,
    /// where 10 000 timers are pending.
    #[must_use]
    pub fn set_timer_every(&mut self, key: &str, weekdays: &[u8], minute: u32, zone: &str) -> Option<i64> {
        host::schedule_every(key, weekdays, minute, zone)
    }

    pub fn cancel_timer(&mut self, key: &str) -> bool {
        host::cancel_timer(key)
    }

    /// Emits an event about a subject; the topic is one of the blueprint's.
    pub fn emit<T: Serialize>(&mut self, topic: &str, subject: &str, payload: &T) {
        host::emit(topic, subject, &serde_json::to_string(payload).expect("a payload is JSON"));
    }

    pub fn log(&self, line: &str) {
        host::log(line);
    }

    /// What the budget still allows.
    pub fn budget(&self) -> Option<Budget> {
        host::budget()
    }

    /// Sets an offer aside for a member, for `ttl` milliseconds. The same key gives the same hold.
    pub fn hold(&mut self, key: &str, offer: &str, member: &str, ttl: u64) -> Placed {
        host::place_hold(key, offer, member, ttl)
    }

    /// Gives what is held; false where there is nothing held.
    pub fn capture(&mut self, key: &str) -> bool {
        host::capture(key)
    }

    /// Sets a commission aside for somebody who has brought `source`, or has brought whoever brought `source`.
    pub fn hold_commission(&mut self, key: &str, offer: &str, source: &str, member: &str, ttl: u64) -> Placed {
        host::place_commission(key, offer, source, member, ttl)
    }

    /// Gives so many minor units of what a random packet holds, and puts the rest back; false where that cannot be.
    #[must_use]
    pub fn capture_part(&mut self, key: &str, minor: i64) -> bool {
        host::capture_part(key, minor, &self.currency)
    }

    /// Puts back what is held; false where there is nothing held.
    pub fn release(&mut self, key: &str, reason: &str) -> bool {
        host::release(key, reason)
    }

    /// Takes back what was given; false where nothing was.
    pub fn revoke(&mut self, key: &str, reason: &str) -> bool {
        host::revoke(key, reason)
    }

    pub fn find_hold(&self, key: &str) -> Option<Hold> {
        host::find_hold(key)
    }

    /// Gives an offer at once. The same key gives once.
    pub fn give(&mut self, key: &str, offer: &str, member: &str) -> Result<(), Problem> {
        self.hold(key, offer, member, 0).map_err(refused)?;
        self.capture(key);
        Ok(())
    }

    pub fn points(&self, member: &str, account: &str) -> u64 {
        host::points(member, account)
    }

    /// Gives points that this activity has taken to a member; false, and nothing changed, where it has taken fewer. The same key gives
    /// once.
    pub fn give_points(&mut self, key: &str, member: &str, account: &str, points: u64, reason: &str) -> bool {
        host::give_points(key, member, account, points, reason)
    }

    /// Takes points from a member; false, and nothing changed, where there are too few.
    pub fn spend_points(&mut self, key: &str, member: &str, account: &str, points: u64, reason: &str) -> bool {
        host::spend_points(key, member, account, points, reason)
    }
}

/// What this activity has stored: postcard, which has fields by their position. Its readers are a third of those of JSON, and faster; in
/// return a type that is stored cannot change its shape without `migrate`.
pub(crate) fn stored<T: DeserializeOwned>(bytes: &[u8]) -> T {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => value,
        _ => panic!("it was stored by this activity in another shape; see STATE_VERSION"),
    }
}

/// A hold that was refused, as a problem with a common code.
pub fn refused(why: Refused) -> Problem {
    let (kind, code, message) = match why {
        Refused::Exhausted(Limit::MemberGrants) => {
            (Kind::LimitReached, "common.limit-member-total", "This member has had their share.")
        }
        Refused::Exhausted(Limit::Stock) => {
            (Kind::InsufficientStock, "common.stock-exhausted", "There is nothing left of it.")
        }
        Refused::Exhausted(_) | Refused::NoBudget => {
            (Kind::InsufficientBudget, "common.budget-exhausted", "The budget does not allow it.")
        }
        Refused::UnknownOffer => (Kind::NotFound, "common.not-found", "There is no such offer."),
        Refused::NeedsSource | Refused::TooDeep => (
            Kind::NotAllowed,
            "common.not-eligible",
            "A commission goes to whoever brought the buyer, or brought them.",
        ),
        Refused::UnknownMember => (Kind::NotFound, "common.not-found", "There is no such member."),
        Refused::Mismatch => {
            (Kind::Conflict, "common.idempotency-mismatch", "This was given before, but not like this.")
        }
    };
    Problem::new(kind, code, message)
}

/// Whether a zone is known; for `check`, where a config's zone is not known to be one.
pub fn is_time_zone(name: &str) -> bool {
    host::business_day(0, name, 0).is_some()
}
