//! Review: a day that a moderator must see counts at once; its prizes wait.

use fairground_sdk::{Queue, conflict, not_found, prelude::*};

use crate::{
    config::Config,
    entry::{Entry, Standing},
    post, prizes,
    record::Record,
};

/// Days by when they are approved where nobody has looked at them. One that was decided stays until then, and does nothing.
pub(crate) const WAITING: Queue<'static> = Queue("reviews");

/// Days that one call approves; each gives what it earned, and a call may give 100.
const APPROVED_AT_ONCE: u32 = 20;

/// Sets a day aside for a moderator until an instant.
pub(crate) fn wait(call: &mut Call<Config>, member: &str, day: Day, until: i64) {
    WAITING.put(call, until, &format!("{day}:{member}"));
    call.save(&pending_key(member, day), &day);
}

/// Approves what nobody has looked at in time.
pub(crate) fn ring(call: &mut Call<Config>, due: i64) {
    for name in WAITING.take(call, APPROVED_AT_ONCE, due) {
        if let Some((day, member)) = name.split_once(':')
            && let Ok(day) = day.parse()
        {
            approve(call, member, day);
        }
    }
}

/// A moderator has looked at a day.
pub(crate) fn ops_review(call: &mut Call<Config>, member: &str, day: Day, ok: bool) -> Answer<Standing> {
    let entry = Entry::load(call, member, day);
    match entry.map(|entry| entry.standing) {
        None => Err(not_found("common.not-found", "There is no such entry.")),
        Some(Standing::Pending) if ok => {
            approve(call, member, day);
            Ok(Standing::Approved)
        }
        Some(Standing::Pending) => {
            reject(call, member, day);
            Ok(Standing::Rejected)
        }
        Some(_) => Err(conflict("common.wrong-state", "This entry was decided before.")),
    }
}

/// Gives what was held for the day. Does nothing where it was decided before.
pub(crate) fn approve(call: &mut Call<Config>, member: &str, day: Day) {
    let Some(mut entry) = Entry::load(call, member, day).filter(|entry| entry.standing == Standing::Pending) else {
        return;
    };
    for prize in &entry.prizes {
        call.capture(prize);
    }
    entry.standing = Standing::Approved;
    post(call, member, day, &entry);
    entry.save(call, member, day);
    decided(call, member, day);
}

/// The day is gone, and what was held for it; the streak is what is left.
fn reject(call: &mut Call<Config>, member: &str, day: Day) {
    let (Some(mut entry), Some(mut record)) = (Entry::load(call, member, day), Record::load(call, member)) else {
        return;
    };
    for prize in entry.prizes.drain(..) {
        prizes::take_back(call, &prize);
    }
    entry.standing = Standing::Rejected;
    entry.save(call, member, day);
    record.uncover(call, day);
    record.total = record.total.saturating_sub(1);
    record.best = record.best.max(record.streak(call));
    record.save(call, member);
    call.emit("check-in.proof-rejected", member, &day);
    decided(call, member, day);
}

fn decided(call: &mut Call<Config>, member: &str, day: Day) {
    call.delete(&pending_key(member, day));
}

pub(crate) fn pending_key(member: &str, day: Day) -> String {
    format!("pending/{day}/{member}")
}
