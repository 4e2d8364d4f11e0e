//! What members ask: where am I, which days, who was here.

use fairground_sdk::{invalid, prelude::*};

use crate::{
    config::Config,
    entry::{Entry, How, Standing},
    proof::Proof,
    record::{Record, length, month},
    zone_of,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MonthInput {
    /// `2026-03`.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}$"))]
    month: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WallInput {
    /// The first post is 1.
    #[serde(default = "first")]
    #[schemars(range(min = 1))]
    from: u64,
}

fn first() -> u64 {
    1
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TodayInput {
    /// Only members of this group; the first 256 of it.
    #[schemars(length(min = 1, max = 128))]
    group: Option<String>,
}

/// Where a member is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Me {
    today: Day,
    checked_in_today: bool,
    /// Days in a row, as of today.
    pub streak: u32,
    pub best: u32,
    pub total: u32,
    cycle_day: u32,
    makeups_left: u32,
    freezes_left: u32,
    zone: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CalendarDay {
    day: String,
    how: How,
    standing: Standing,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Post {
    member: String,
    day: String,
    text: String,
    at: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Today {
    day: Day,
    count: u64,
    /// Who, where a group was asked for.
    members: Vec<String>,
}

pub(crate) fn me(call: &Call<Config>) -> Me {
    let member = call.actor.clone();
    let known = Record::load(call, &member);
    let zone = zone_of(call, known.as_ref(), &member);
    let today = call.day(call.now(), &zone, call.config.day_starts_minute);
    let record = known.unwrap_or_else(|| Record::new(today));
    let (cycle, cycle_day) = record.cycle(call, today);
    let month = month(today);
    Me {
        today,
        checked_in_today: record.covers(today),
        streak: record.current_streak(call, today),
        best: record.best,
        total: record.total,
        cycle_day,
        makeups_left: call
            .config
            .makeup
            .as_ref()
            .map_or(0, |rule| rule.per_cycle.saturating_sub(record.makeups_in(cycle))),
        freezes_left: call.config.freeze.map_or(0, |rule| rule.per_month.saturating_sub(record.freezes_in(&month))),
        zone,
    }
}

pub(crate) fn calendar(call: &Call<Config>, input: &MonthInput) -> Answer<Vec<CalendarDay>> {
    if input.month.len() != 7 {
        return Err(invalid("common.invalid-input", "A month is written 2026-03."));
    }
    let entries = Entry::of_month(call, &call.actor, &input.month);
    Ok(entries.into_iter().map(|(day, entry)| CalendarDay { day, how: entry.how, standing: entry.standing }).collect())
}

/// The newest public posts.
pub(crate) fn wall(call: &Call<Config>, input: &WallInput) -> Vec<Post> {
    const PAGE: u32 = 20;
    let posts = call.ranks("wall", input.from, PAGE).into_iter();
    posts
        .filter_map(|ranked| {
            let (member, day) = ranked.key.split_once('/')?;
            let entry = Entry::load(call, member, day.parse().ok()?)?;
            match entry.proof {
                Some(Proof::Text { text, public: true }) if entry.standing == Standing::Approved => {
                    Some(Post { member: member.into(), day: day.into(), text, at: entry.at })
                }
                _ => None,
            }
        })
        .collect()
}

pub(crate) fn today(call: &Call<Config>, input: &TodayInput) -> Today {
    let day = call.day(call.now(), &call.config.zone, call.config.day_starts_minute);
    let Some(group) = &input.group else {
        return Today { day, count: call.counter(&format!("today/{day}")).unsigned_abs(), members: Vec::new() };
    };
    let here = |member: &String| {
        Entry::load(call, member, day)
            .is_some_and(|entry| entry.how == How::CheckedIn && entry.standing != Standing::Rejected)
    };
    let members: Vec<String> = call.members_of(group, None).0.into_iter().filter(here).collect();
    Today { day, count: members.len() as u64, members }
}

/// Members that one audit recomputes; it is one bounded call.
const AUDITED: u32 = 100;

/// Recomputes what must hold of the records: K2, K3, K5 and that runs are in order.
pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let mut broken = Vec::new();
    for (key, record) in call.scan::<Record>("member/", None, AUDITED) {
        let ordered = record.runs.windows(2).all(|pair| call.add_days(pair[0].to, 1) < pair[1].from);
        let covered: u32 = record.runs.iter().map(|run| length(call, *run)).sum();
        let rules = [
            ("runs", ordered && record.runs.iter().all(|run| run.from <= run.to)),
            ("K2", record.streak(call) <= covered),
            ("K3", record.best >= record.streak(call)),
            ("K5", call.config.makeup.as_ref().is_none_or(|rule| record.makeups.1 <= rule.per_cycle)),
        ];
        broken.extend(rules.into_iter().filter(|(_, holds)| !holds).map(|(rule, _)| format!("{rule} {key}")));
    }
    broken
}
