//! Review: a day that a moderator must see counts at once; its prizes wait.

use fairground_sdk::{Queue, conflict, not_found, prelude::*};

use crate::{
    config::Config,
    entry::{Entry, Standing},
    post, prizes,
    record::Record,
};

/// Days by when they are approved where nobody has looked at them.
pub(crate) const WAITING: Queue<'static> = Queue("reviews");

/// Days that one call approves: each gives all that it earned.
pub(crate) const APPROVED_AT_ONCE: u32 = 20;

/// A day that a moderator is to look at.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub day: Day,
    until: i64,
}

/// Sets a day aside for a moderator until an instant.
pub(crate) fn wait(call: &mut Call<Config>, member: &str, day: Day, until: i64) {
    WAITING.put(call, until, &place(member, day));
    call.save(&pending_key(member, day), &Pending { day, until });
}

fn place(member: &str, day: Day) -> String {
    format!("{day}:{member}")
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
    let record = Record::load(call, member).unwrap_or_else(|| Record::new(day));
    for prize in std::mem::take(&mut entry.prizes) {
        if prizes::is_earned(call, &record, &prize, day) {
            call.approve(&prize);
            entry.prizes.push(prize);
        } else {
            prizes::take_back(call, &prize);
        }
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
    call.count(&format!("today/{day}"), -1, 0, i64::MAX).expect("it was counted as it came");
    call.emit("check-in.proof-rejected", member, &day);
    call.tell("check-in.proof-rejected", member, &[("day", day.to_string())]);
    decided(call, member, day);
}

fn decided(call: &mut Call<Config>, member: &str, day: Day) {
    let key = pending_key(member, day);
    if let Some(pending) = call.load::<Pending>(&key) {
        // The same day may be sent in again, and waits anew.
        WAITING.remove(call, pending.until, &place(member, day));
        call.delete(&key);
    }
}

pub(crate) fn pending_key(member: &str, day: Day) -> String {
    format!("pending/{day}/{member}")
}
