//! Prizes: which ones a day earns, each once.

use fairground_sdk::{Refused, prelude::*, refused};

use crate::{
    config::{Config, Cycle},
    entry::How,
    record::Record,
};

/// A prize and the key under which it is given once. Attempts count, so that a day that was rejected can earn it again.
pub(crate) struct Due {
    key: String,
    offer: String,
}

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
        Cycle::Days { .. } => record.streak(call).min(record.cycle(call, record.last_day().unwrap_or(day)).1),
    };
    let mut due = Vec::new();
    let mut add = |kind: &str, number: String, offer: &String| {
        due.push(Due { key: format!("{member}:{kind}:{number}"), offer: offer.clone() });
    };
    // A day's own prize is for who came that day.
    if how == How::CheckedIn {
        for prize in call.config.daily.iter().filter(|prize| prize.day == cycle_day) {
            add("day", day.to_string(), &prize.offer);
        }
    }
    for milestone in call.config.streak.iter().filter(|milestone| milestone.days <= streak) {
        add("streak", format!("{cycle}:{}", milestone.days), &milestone.offer);
    }
    for milestone in call.config.total.iter().filter(|milestone| milestone.days <= record.total) {
        add("total", milestone.days.to_string(), &milestone.offer);
    }
    due
}

/// Gives what is due, or holds it for the review. What the budget does not allow is missed: the day counts all the same.
pub(crate) fn give(call: &mut Call<Config>, member: &str, due: Vec<Due>, hold_for_ms: Option<u64>) -> Answer<Given> {
    let mut given = Given::default();
    for Due { key, offer } in due {
        if call.load::<bool>(&given_key(&key)).is_some() {
            continue;
        }
        // Longer than the review, so that the review decides.
        let ttl = hold_for_ms.map_or(0, |review| review.saturating_add(86_400_000));
        let attempt = format!("{key}:{}", call.counter(&attempts_key(&key)));
        match call.hold(&attempt, &offer, member, ttl) {
            Ok(_) => {
                if hold_for_ms.is_none() {
                    call.capture(&attempt);
                }
                call.save(&given_key(&key), &true);
                call.emit("check-in.milestone", member, &offer);
                given.keys.push(attempt);
                given.earned.push(offer);
            }
            Err(Refused::Exhausted(_) | Refused::NoBudget) => given.missed.push(offer),
            Err(why) => return Err(refused(why)),
        }
    }
    Ok(given)
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
