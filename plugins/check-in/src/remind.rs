//! Reminders, for members who wish them.

use fairground_sdk::{Audience, Notice, Queue, prelude::*};

use crate::{config::Config, record::Record, zone_of};

/// Members by when they are reminded next.
pub(crate) const REMINDERS: Queue<'static> = Queue("reminders");

/// Members that one call reminds: each may set the timer anew, and a call may set 16.
const REMINDED_AT_ONCE: u32 = 12;

/// Answers when the next reminder comes.
pub(crate) fn remind(call: &mut Call<Config>, on: bool) -> Answer<Option<i64>> {
    let member = call.actor.clone();
    let key = next_key(&member);
    if let Some(before) = call.load::<i64>(&key) {
        REMINDERS.remove(call, before, &member);
        call.delete(&key);
    }
    Ok(on.then(|| plan(call, &member)))
}

/// Reminds those whose time has come.
pub(crate) fn ring(call: &mut Call<Config>, due: i64) {
    let has_ended = call.ends_at.is_some_and(|end| call.now() >= end);
    for member in REMINDERS.take(call, REMINDED_AT_ONCE, due) {
        if !has_ended {
            remind_one(call, &member);
        }
        plan(call, &member);
    }
}

fn plan(call: &mut Call<Config>, member: &str) -> i64 {
    let when = next_reminder(call, member);
    call.save(&next_key(member), &when);
    REMINDERS.put(call, when, member);
    when
}

fn next_reminder(call: &Call<Config>, member: &str) -> i64 {
    let zone = zone_of(call, Record::load(call, member).as_ref(), member);
    let today = call.day(call.now(), &zone, 0);
    let at = call.day_start(today, &zone, call.config.remind_minute);
    if at > call.now() { at } else { call.day_start(call.add_days(today, 1), &zone, call.config.remind_minute) }
}

fn remind_one(call: &mut Call<Config>, member: &str) {
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
}

fn next_key(member: &str) -> String {
    format!("reminder/{member}")
}
