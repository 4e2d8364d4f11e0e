//! Reminders, for members who wish them.

use fairground_sdk::{Audience, Notice, limit_reached, prelude::*};

use crate::{config::Config, record::Record, zone_of};

/// Answers when the next reminder comes.
pub(crate) fn remind(call: &mut Call<Config>, on: bool) -> Answer<Option<i64>> {
    let member = call.actor.clone();
    if !on {
        call.cancel_timer(&remind_timer(&member));
        return Ok(None);
    }
    let when = next_reminder(call, &member);
    if !call.set_timer(&remind_timer(&member), when) {
        return Err(limit_reached("checkin.reminders-full", "Too many members are reminded already."));
    }
    Ok(Some(when))
}

fn next_reminder(call: &Call<Config>, member: &str) -> i64 {
    let zone = zone_of(call, Record::load(call, member).as_ref(), member);
    let today = call.day(call.now(), &zone, 0);
    let at = call.day_start(today, &zone, call.config.remind_minute);
    if at > call.now() { at } else { call.day_start(call.add_days(today, 1), &zone, call.config.remind_minute) }
}

pub(crate) fn ring(call: &mut Call<Config>, member: &str) -> Answer<()> {
    let record = Record::load(call, member);
    let zone = zone_of(call, record.as_ref(), member);
    let today = call.day(call.now(), &zone, call.config.day_starts_minute);
    if !record.is_some_and(|record| record.covers(today)) {
        let notice = Notice {
            params: vec![("title".into(), call.config.title.clone())],
            dedupe_key: format!("remind:{today}"),
            dedupe_window: 86_400_000,
            ..Notice::new("check-in.remind", Audience::Member(member.into()))
        };
        call.notify(&notice);
    }
    let next = next_reminder(call, member);
    // A timer that just rang has left its place free.
    let _ = call.set_timer(&remind_timer(member), next);
    Ok(())
}

fn remind_timer(member: &str) -> String {
    format!("remind:{member}")
}
