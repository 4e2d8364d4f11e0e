//! Freezes: missed days that do not break a streak. They add nothing to the total.

use fairground_sdk::{conflict, limit_reached, prelude::*};

use crate::{
    buyers,
    config::Config,
    entry::{Entry, How, Standing},
    must_be_in_cycle,
    record::{Record, month},
    views, zone_of,
};

/// Keeps a streak over a missed day. It adds nothing to the total.
pub(crate) fn freeze(call: &mut Call<Config>, day: Day) -> Answer<views::Me> {
    let member = call.actor.clone();
    let (Some(rule), Some(mut record)) = (call.config.freeze, Record::load(call, &member)) else {
        return Err(limit_reached("checkin.no-freeze-left", "There is no freeze for you."));
    };
    call.admit(None, "check-in.freeze")?.at_once()?;
    buyers::must_have_bought(call)?;
    must_be_in_cycle(call, &record, day)?;
    let zone = zone_of(call, Some(&record), &member);
    let today = call.day(call.now(), &zone, call.config.day_starts_minute);
    let within = call.days_between(day, today).is_some_and(|back| (0..31).contains(&back)) && day >= record.first_day;
    if !within {
        return Err(conflict("checkin.makeup-too-old", "This day cannot be frozen."));
    }
    if record.covers(day) {
        return Err(conflict("checkin.day-covered", "This day counts already."));
    }
    if !take_freeze(&mut record, day, rule.per_month) {
        return Err(limit_reached("checkin.no-freeze-left", "Your freezes of this month are used up."));
    }
    record.cover(call, day);
    freeze_entry(call).save(call, &member, day);
    record.save(call, &member);
    Ok(views::me(call))
}

/// Freezes the days missed since the last one, the oldest first, as far as this month's freezes go.
pub(crate) fn cover_gap(call: &mut Call<Config>, record: &mut Record, member: &str, today: Day) {
    let (Some(rule), Some(last)) = (call.config.freeze, record.last_day()) else { return };
    if !rule.auto {
        return;
    }
    let mut day = call.add_days(last, 1);
    // A gap that cannot be covered to its end is not covered at all: freezes are not spent for nothing.
    let mut trial = record.clone();
    let mut frozen = Vec::new();
    while day < today {
        if !take_freeze(&mut trial, day, rule.per_month) {
            return;
        }
        frozen.push(day);
        day = call.add_days(day, 1);
    }
    for day in frozen {
        trial.cover(call, day);
        freeze_entry(call).save(call, member, day);
    }
    *record = trial;
}

fn freeze_entry(call: &Call<Config>) -> Entry {
    Entry { how: How::Frozen, standing: Standing::Approved, at: call.now(), proof: None, prizes: Vec::new() }
}

fn take_freeze(record: &mut Record, day: Day, per_month: u32) -> bool {
    let month = month(day);
    let used = record.freezes_in(&month);
    if used < per_month {
        record.count_freeze(month);
    }
    used < per_month
}
