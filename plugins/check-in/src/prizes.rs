//! Prizes: which ones a day earns, each once.

use fairground_sdk::{Standing, prelude::*, unless_exhausted};

use crate::{
    config::{Config, Cycle},
    entry::How,
    record::Record,
};

/// A prize and the key under which it is given once. Attempts count, so that a day that was rejected can earn it again.
pub(crate) struct Due {
    key: String,
    offer: String,
    kind: Kind,
    days: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// For having come on a day.
    Day,
    /// For days in a row.
    Streak,
    /// For days in all.
    Total,
}

/// What `check-in.milestone` tells.
#[derive(Serialize)]
struct Told<'a> {
    kind: Kind,
    /// Which day of the cycle, or how many days.
    days: u32,
    offer: &'a str,
}

/// Prizes of one day: what is beyond, with lists that long, comes with the next day.
const GIVEN_AT_ONCE: usize = 50;

#[derive(Default)]
pub(crate) struct Given {
    pub keys: Vec<String>,
    pub earned: Vec<String>,
    pub missed: Vec<String>,
}

/// Remembers that a prize was given or held; goes when that is released.
fn given_key(prize: &str) -> String {
    format!("given/{prize}")
}

/// What this day earns and was not given before.
pub(crate) fn due(call: &Call<Config>, record: &Record, how: How, member: &str, day: Day) -> Vec<Due> {
    let (cycle, cycle_day) = record.cycle(call, day);
    let streak = match call.config.cycle {
        Cycle::Endless => record.streak(call),
        Cycle::Days { .. } => record.run_in_cycle(call, day),
    };
    let mut due = Vec::new();
    let mut add = |kind: Kind, days: u32, number: String, offer: &String| {
        let name = match kind {
            Kind::Day => "day",
            Kind::Streak => "streak",
            Kind::Total => "total",
        };
        due.push(Due { key: format!("{member}:{name}:{number}"), offer: offer.clone(), kind, days });
    };
    // A day's own prize is for who came that day.
    if how == How::CheckedIn {
        for prize in call.config.daily.iter().filter(|prize| prize.day == cycle_day) {
            add(Kind::Day, cycle_day, day.to_string(), &prize.offer);
        }
    }
    for milestone in call.config.streak.iter().filter(|milestone| milestone.days <= streak) {
        add(Kind::Streak, milestone.days, format!("{cycle}:{}", milestone.days), &milestone.offer);
    }
    for milestone in call.config.total.iter().filter(|milestone| milestone.days <= record.total) {
        add(Kind::Total, milestone.days, milestone.days.to_string(), &milestone.offer);
    }
    due
}

/// Gives what is due, or holds it for the review. What the budget does not allow is missed: the day counts all the same.
pub(crate) fn give(call: &mut Call<Config>, member: &str, due: Vec<Due>, hold_for_ms: Option<u64>) -> Answer<Given> {
    let mut given = Given::default();
    let fresh: Vec<Due> = due.into_iter().filter(|due| call.load::<bool>(&given_key(&due.key)).is_none()).collect();
    for Due { key, offer, kind, days } in fresh.into_iter().take(GIVEN_AT_ONCE) {
        let attempt = format!("{key}:{}", call.counter(&attempts_key(&key)));
        let placed = match hold_for_ms {
            Some(review) => call.reward_on_approval(&attempt, &offer, member, review),
            None => call.reward(&attempt, &offer, member, Standing::CLEAR).map(drop),
        };
        if unless_exhausted(placed)?.is_none() {
            given.missed.push(offer);
            continue;
        }
        call.save(&given_key(&key), &true);
        call.emit("check-in.milestone", member, &Told { kind, days, offer: &offer });
        given.keys.push(attempt);
        given.earned.push(offer);
    }
    if !given.earned.is_empty() {
        call.tell("check-in.milestone", member, &[("offers", given.earned.join(", "))]);
    }
    Ok(given)
}

/// Whether a prize that was held for a day is still earned by it, now that days before it may have been rejected.
pub(crate) fn is_earned(call: &Call<Config>, record: &Record, attempt: &str, day: Day) -> bool {
    let parts: Vec<&str> = attempt.split(':').collect();
    let has = |days: &str, had: u32| days.parse::<u32>().is_ok_and(|days| days <= had);
    match parts[..] {
        [_, "streak", _, days, _] => has(days, record.run_in_cycle(call, day)),
        [_, "total", days, _] => has(days, record.total),
        _ => true,
    }
}

/// How often a prize was put back.
fn attempts_key(key: &str) -> String {
    format!("attempts/{key}")
}

/// Puts back what was held, so that another day may earn it.
pub(crate) fn take_back(call: &mut Call<Config>, attempt: &str) {
    call.release(attempt, "the day was rejected");
    if let Some((key, _)) = attempt.rsplit_once(':') {
        call.delete(&given_key(key));
        call.count(&attempts_key(key), 1, 0, i64::MAX).expect("it has no bound");
    }
}
