//! Seasons: open, then final, then paid, a bounded step at a time.

use fairground_sdk::{Queue, hex, prelude::*, unless_never};
use sha2::{Digest, Sha256};

use crate::{
    config::{Calendar, Config},
    payout,
    payout::Progress,
};

/// Seasons that have a next step, by the time of it.
pub(crate) const STEPS: Queue<'static> = Queue("season");

/// When a season opens, where none follows at once.
pub(crate) const OPEN: &str = "open";

/// Set when the activity stops.
const STOPPED: &str = "stopped";

/// Seasons that are looked through for the one of an event.
const LOOKED_AT: u32 = 40;

/// Ranks that one step reads.
const READ_AT_ONCE: u32 = 250;

/// A timer lies within 400 days; what is later is planned again then.
const HORIZON_MS: i64 = 399 * 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Open,
    /// It is over, and takes what happened in it and is told late.
    Grace,
    /// Its ranks are final; they are being hashed.
    Freezing,
    /// Its ranks are final, and may be disputed.
    Frozen,
    Settling,
    Settled,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Season {
    pub edition: u32,
    pub starts_at: i64,
    pub ends_at: i64,
    pub state: State,
    /// How many disputes nobody has decided.
    pub disputes: u32,
    /// Subjects that win nothing: an operator has decided so.
    pub excluded: Vec<String>,
    /// Ranks that are hashed, and the hash so far: of the hash before and the next ranks, a line each.
    pub hashed: u64,
    pub hash: String,
    pub paid: Progress,
}

impl Season {
    pub(crate) fn load(call: &Call<Config>, edition: u32) -> Option<Self> {
        call.load(&format!("season/{edition:06}"))
    }

    /// The newest.
    pub(crate) fn current(call: &Call<Config>) -> Option<Self> {
        Self::load(call, call.load::<u32>("edition")?)
    }

    pub(crate) fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("season/{:06}", self.edition), self);
    }

    pub(crate) fn board(&self) -> String {
        format!("season/{}", self.edition)
    }

    /// The season that takes something that happened at an instant.
    pub(crate) fn taking(call: &Call<Config>, at: i64) -> Option<Self> {
        let now = call.now();
        let newest = Self::current(call)?;
        if newest.takes(call, at, now) {
            return Some(newest);
        }
        live_ones(call, LOOKED_AT).into_iter().find(|season| season.takes(call, at, now))
    }

    /// Time counts, whether or not timers have run.
    fn takes(&self, call: &Call<Config>, at: i64, now: i64) -> bool {
        let until = self.ends_at.saturating_add_unsigned(call.config.grace_ms);
        let is_open = matches!(self.state, State::Open | State::Grace) && now < until;
        is_open && (self.starts_at..self.ends_at).contains(&at)
    }

    /// Opens the season of an instant, or plans the next one. What was missed while the host was away is opened as well, so that news of it
    /// has a place.
    pub(crate) fn open(call: &mut Call<Config>, at: i64) {
        let now = call.now();
        if call.load::<bool>(STOPPED).is_some() || call.ends_at.is_some_and(|end| at >= end) {
            return;
        }
        match window(call, at) {
            Some((starts_at, ends_at)) if starts_at <= now => {
                let edition = call.load::<u32>("edition").unwrap_or(0) + 1;
                let season = Self {
                    edition,
                    starts_at,
                    ends_at: ends_at.min(call.ends_at.unwrap_or(i64::MAX)),
                    state: State::Open,
                    disputes: 0,
                    excluded: Vec::new(),
                    hashed: 0,
                    hash: String::new(),
                    paid: Progress::default(),
                };
                call.save("edition", &edition);
                call.save(&live_key(edition), &edition);
                if season.ends_at < i64::MAX {
                    STEPS.put(call, season.ends_at, &edition.to_string());
                }
                call.emit("leaderboard.season-opened", &edition.to_string(), &unless_never(season.ends_at));
                season.save(call);
            }
            Some((starts_at, _)) => {
                let _ = call.set_timer(OPEN, starts_at.min(now.saturating_add(HORIZON_MS)));
            }
            None => {}
        }
    }

    /// Until when else it lasts: it was to end with the activity, which ends later by now.
    fn goes_on(&self, call: &Call<Config>) -> Option<i64> {
        let (_, ends_at) = window(call, self.starts_at)?;
        let ends_at = ends_at.min(call.ends_at.unwrap_or(i64::MAX));
        (ends_at > self.ends_at).then_some(ends_at)
    }

    /// Takes its next step, where it is due; in the end nothing is waited for.
    pub(crate) fn step(&mut self, call: &mut Call<Config>, is_over: bool) -> Answer<()> {
        let now = call.now();
        let frozen_at = self.ends_at.saturating_add_unsigned(call.config.grace_ms);
        let settled_at = frozen_at.saturating_add_unsigned(call.config.dispute_ms);
        let next = match self.state {
            State::Open if is_over => {
                self.state = State::Freezing;
                Some(now)
            }
            State::Open if now >= self.ends_at => match self.goes_on(call) {
                Some(ends_at) => {
                    self.ends_at = ends_at;
                    Some(ends_at)
                }
                None => {
                    self.state = State::Grace;
                    Self::open(call, self.ends_at);
                    Some(frozen_at)
                }
            },
            State::Open => Some(self.ends_at),
            State::Grace if is_over || now >= frozen_at => {
                self.state = State::Freezing;
                Some(now)
            }
            State::Grace => Some(frozen_at),
            State::Freezing => {
                let is_done = self.hash_some(call);
                if is_done {
                    self.state = State::Frozen;
                    call.emit("leaderboard.season-frozen", &self.edition.to_string(), &self.hash);
                }
                Some(if is_done { settled_at.max(now) } else { now })
            }
            State::Frozen if self.disputes > 0 && !is_over => None,
            State::Frozen if is_over || now >= settled_at => {
                self.state = State::Settling;
                Some(now)
            }
            State::Frozen => Some(settled_at),
            State::Settling => {
                if payout::pay_some(call, self)? {
                    self.state = State::Settled;
                    call.delete(&live_key(self.edition));
                    call.emit("leaderboard.season-settled", &self.edition.to_string(), &self.paid.winners);
                }
                (self.state == State::Settling).then_some(now)
            }
            State::Settled => None,
        };
        if let Some(at) = next.filter(|_| !is_over) {
            STEPS.put(call, at, &self.edition.to_string());
        }
        self.save(call);
        Ok(())
    }

    /// Hashes some of the final ranks; true where all are.
    fn hash_some(&mut self, call: &Call<Config>) -> bool {
        let ranks = call.ranks(&self.board(), self.hashed + 1, READ_AT_ONCE);
        let mut hash = Sha256::new();
        hash.update(&self.hash);
        for ranked in &ranks {
            hash.update(format!("\n{} {} {}", ranked.rank, ranked.key, ranked.score));
        }
        self.hash = hex(&hash.finalize());
        self.hashed += ranks.len() as u64;
        ranks.len() < READ_AT_ONCE as usize
    }
}

/// Those that are not settled, the oldest first.
pub(crate) fn live_ones(call: &Call<Config>, most: u32) -> Vec<Season> {
    let editions = call.scan::<u32>("live/", None, most);
    editions.into_iter().filter_map(|(_, edition)| Season::load(call, edition)).collect()
}

fn live_key(edition: u32) -> String {
    format!("live/{edition:06}")
}

/// The season of an instant, or the next one.
fn window(call: &Call<Config>, at: i64) -> Option<(i64, i64)> {
    let (zone, minute) = (&call.config.zone, call.config.day_starts_minute);
    let today = call.day(at, zone, minute);
    let starts = |day: Day| call.day_start(day, zone, minute);
    let days = |from: Day, to: Day| Some((starts(from).max(call.started_at), starts(to)));
    match &call.config.season {
        Calendar::Day => days(today, call.add_days(today, 1)),
        Calendar::Week => {
            // The first of January 1970 was a Thursday.
            let epoch = Day { year: 1970, month: 1, day: 1 };
            let since_monday = (call.days_between(epoch, today)? + 3).rem_euclid(7);
            let monday = call.add_days(today, -since_monday);
            days(monday, call.add_days(monday, 7))
        }
        Calendar::Month => {
            let first = Day { day: 1, ..today };
            let next = match first.month {
                12 => Day { year: first.year + 1, month: 1, day: 1 },
                month => Day { month: month + 1, ..first },
            };
            days(first, next)
        }
        Calendar::Whole => Some((call.started_at, i64::MAX)),
        Calendar::Custom { seasons } => {
            let next = seasons.iter().find(|season| at < season.ends_at)?;
            Some((next.starts_at.max(call.started_at), next.ends_at))
        }
    }
}

/// The activity stops: no season opens any more, and settling takes the steps.
pub(crate) fn stop(call: &mut Call<Config>) {
    call.save(STOPPED, &true);
    call.cancel_timer(OPEN);
    call.cancel_timer(&STEPS.timer());
}
