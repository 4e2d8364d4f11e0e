//! Check-in (簽到): come every day; days in a row earn what the organiser promised.

mod buyers;
mod config;
mod entry;
mod freeze;
mod prizes;
mod proof;
mod record;
mod remind;
mod review;
#[cfg(test)]
mod tests;
mod views;

use fairground_sdk::{
    Block, HostEvent, Nothing, Page, conflict, invalid, limit_reached,
    platform::{BOUGHT, RETURNED},
    prelude::*,
};

use config::{Config, Cycle, Review, Then, ZonePolicy};
use entry::{Entry, How, Standing};
use freeze::{cover_gap, freeze};
use proof::Proof;
use record::Record;
use remind::remind;
use review::{approve, ops_review};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckInInput {
    /// # Proof 憑證
    /// What the activity asks to be shown. 活動要求的憑證。
    proof: Option<Proof>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DayInput {
    /// # Day 日期
    /// A day as in `2026-03-29`. 年-月-日。
    day: Day,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ZoneInput {
    /// # Zone 時區
    /// An IANA zone. IANA 時區名稱。
    #[schemars(length(min = 1, max = 64))]
    zone: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RemindInput {
    /// # On 開啟
    /// Whether to be reminded. 是否提醒。
    on: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReviewInput {
    /// # Member 成員
    /// Whose day it is. 誰的簽到。
    #[schemars(length(min = 1, max = 128))]
    member: String,
    /// # Day 日期
    /// A day as in `2026-03-29`. 年-月-日。
    day: Day,
    /// # Approve 通過
    /// Whether it counts. 是否算數。
    ok: bool,
}

/// How the risk rules know it.
const CHECK_IN: &str = "check-in.check-in";

/// What `check-in.broken` tells.
#[derive(Serialize)]
struct Broken {
    /// Days in a row, before one was missed.
    was: u32,
}

/// What today came to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Checked {
    day: Day,
    /// Days in a row.
    streak: u32,
    best: u32,
    /// Days in all.
    total: u32,
    cycle_day: u32,
    /// True where today was counted before: nothing changed.
    already: bool,
    /// False until a moderator has looked at it.
    approved: bool,
    /// Offers that this day earned.
    earned: Vec<String>,
    /// Offers that it would have earned, had the budget held out.
    missed: Vec<String>,
}

struct CheckIn;

impl Activity for CheckIn {
    type Config = Config;
    const NAME: &'static str = "check-in";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Check-in 簽到";
    const REWARDS: bool = true;
    const DESCRIPTION: &'static str = "Members check in every day; days in a row earn what was promised for them.";

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("check-in", "Check in 簽到", |call, input: CheckInInput| check_in(call, input.proof))
            .action("make-up", "Fill a missed day 補簽", |call, input: DayInput| make_up(call, input.day))
            .action("freeze", "Freeze a missed day 使用免斷卡", |call, input: DayInput| freeze(call, input.day))
            .action("pin-zone", "Move to another zone 更換時區", |call, input: ZoneInput| {
                pin_zone(call, &input.zone)
            })
            .action("remind", "Be reminded, or no longer 提醒", |call, input: RemindInput| remind(call, input.on))
            .operator_action("ops-review", "Approve or reject a day 審核", |call, input: ReviewInput| {
                ops_review(call, &input.member, input.day, input.ok)
            })
            .query("me", "Where you are", |call, _: Nothing| Ok(views::me(call)))
            .query("calendar", "Your days of a month", |call, input: views::MonthInput| views::calendar(call, &input))
            .query("wall", "What others wrote", |call, input: views::WallInput| Ok(views::wall(call, &input)))
            .query("today", "Who was here today", |call, input: views::TodayInput| Ok(views::today(call, &input)))
            .emits(&[
                "check-in.checked",
                "check-in.milestone",
                "check-in.broken",
                "check-in.made-up",
                "check-in.proof-rejected",
            ])
            .tells(&["check-in.checked", "check-in.milestone", "check-in.broken", "check-in.proof-rejected"])
            .listens(&[BOUGHT, RETURNED])
            .codes(&[
                "checkin.outside-window",
                "checkin.clock-back",
                "checkin.proof-required",
                "checkin.proof-too-short",
                "checkin.makeup-limit",
                "checkin.makeup-too-old",
                "checkin.makeup-points",
                "checkin.day-covered",
                "checkin.no-freeze-left",
                "checkin.zone-cool-down",
                "checkin.too-soon",
                "checkin.place-code-wrong",
                "checkin.cycle-finished",
            ])
    }

    fn check(config: &Config, offers: &Offers) -> Result<Report, Vec<Issue>> {
        config.check(offers)
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if remind::REMINDERS.rings(key) {
            remind::ring(call, due);
        } else if review::WAITING.rings(key) {
            review::ring(call, due);
        }
        Ok(())
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        buyers::hear(call, event);
        Ok(())
    }

    /// What nobody has looked at is approved: a member does not lose what a moderator left lying.
    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        let pending = call.scan::<review::Pending>("pending/", None, review::APPROVED_AT_ONCE);
        // What is approved here may wait, and is given by the next step.
        let is_done = pending.is_empty();
        for (key, review::Pending { day, .. }) in pending {
            let member = key.rsplit('/').next().unwrap_or_default().to_owned();
            approve(call, &member, day);
        }
        Ok(is_done)
    }

    fn page(call: &mut Call<Config>, viewer: Option<&str>) -> Answer<Vec<Block>> {
        let mut page = Page::of(call, "check-in");
        if viewer.is_some_and(|viewer| !viewer.is_empty()) {
            let me = views::me(call);
            page = page.live("Days in a row 連續天數", ("me", "/streak"), "days", me.streak).live(
                "Days in all 累計天數",
                ("me", "/total"),
                "days",
                me.total,
            );
        }
        Ok(page.done())
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(views::audit(call))
    }
}

fairground_sdk::activity!(CheckIn);

/// The zone whose days count for this member.
fn zone_of(call: &Call<Config>, record: Option<&Record>, member: &str) -> String {
    match call.config.zone_policy {
        ZonePolicy::Activity => call.config.zone.clone(),
        ZonePolicy::MemberPinned { .. } => match record.and_then(|record| record.zone.clone()) {
            Some((zone, _)) => zone,
            None => call.member(member).map_or_else(|| call.config.zone.clone(), |member| member.time_zone),
        },
    }
}

/// Counts today. A second time on one day changes nothing and says so.
fn check_in(call: &mut Call<Config>, proof: Option<Proof>) -> Answer<Checked> {
    let member = call.actor.clone();
    let known = Record::load(call, &member);
    let zone = zone_of(call, known.as_ref(), &member);
    let today = call.day(call.now(), &zone, call.config.day_starts_minute);
    let mut record = known.unwrap_or_else(|| Record::new(today));
    let first = Entry::load(call, &member, today).filter(|first| first.how != How::Frozen);
    if let Some(first) = first.as_ref().filter(|first| first.standing != Standing::Rejected) {
        return Ok(checked(call, &record, today, true, first.standing, Vec::new(), Vec::new()));
    }
    // A day that was rejected has been counted.
    let standing = if first.is_some() { call.admit(None, CHECK_IN)? } else { call.take_part(None, CHECK_IN)? };
    standing.at_once()?;
    may_check_in(call, &record, today, &zone)?;
    proof::check(call, proof.as_ref(), today)?;

    let was = record.streak(call);
    let is_broken = record.current_streak(call, today) == 0;
    cover_gap(call, &mut record, &member, today);
    let frozen = record.covers(today);
    record.cover(call, today);
    if !frozen && record.streak(call) == 1 && record.total > 0 && is_broken {
        call.emit("check-in.broken", &member, &Broken { was });
        call.tell("check-in.broken", &member, &[("was", was.to_string())]);
    }
    record.total += 1;
    record.last_at = call.now();
    if record.zone.is_none() && matches!(call.config.zone_policy, ZonePolicy::MemberPinned { .. }) {
        record.zone = Some((zone, call.now()));
    }
    let counted =
        Entry { how: How::CheckedIn, standing: Standing::Approved, at: call.now(), proof, prizes: Vec::new() };
    call.count(&format!("today/{today}"), 1, 0, i64::MAX).expect("it has no bound");
    finish(call, record, counted, &member, today)
}

/// State first, then the member, then limits.
fn may_check_in(call: &Call<Config>, record: &Record, today: Day, zone: &str) -> Answer<()> {
    if record.last_day().is_some_and(|last| today < last) {
        return Err(conflict("checkin.clock-back", "This day is before your last one."));
    }
    must_be_in_cycle(call, record, today)?;
    if let Some(window) = call.config.window {
        let minute = call.minute_of_day(call.now(), zone);
        if !(window.from_minute..window.to_minute).contains(&minute) {
            return Err(conflict("checkin.outside-window", "This is not the time to check in.")
                .with("from_minute", window.from_minute)
                .with("to_minute", window.to_minute));
        }
    }
    buyers::must_have_bought(call)?;
    let pinned = matches!(call.config.zone_policy, ZonePolicy::MemberPinned { .. });
    if pinned && call.now() < record.last_at.saturating_add_unsigned(call.config.min_gap_ms) {
        return Err(conflict("checkin.too-soon", "Your last check-in was a moment ago."));
    }
    Ok(())
}

/// A cycle that is not repeated ends with its last day.
fn must_be_in_cycle(call: &Call<Config>, record: &Record, day: Day) -> Answer<()> {
    if let Cycle::Days { then: Then::Stop, .. } = call.config.cycle
        && record.cycle(call, day).0 > 0
    {
        return Err(conflict("checkin.cycle-finished", "Your cycle is finished."));
    }
    Ok(())
}

/// Fills a day in the past.
fn make_up(call: &mut Call<Config>, day: Day) -> Answer<Checked> {
    let member = call.actor.clone();
    let Some(rule) = call.config.makeup.clone() else {
        return Err(limit_reached("checkin.makeup-limit", "Days cannot be made up here."));
    };
    let Some(mut record) = Record::load(call, &member) else {
        return Err(conflict("checkin.makeup-too-old", "Check in first; then fill what you missed."));
    };
    call.admit(None, "check-in.make-up")?.at_once()?;
    buyers::must_have_bought(call)?;
    must_be_in_cycle(call, &record, day)?;
    let zone = zone_of(call, Some(&record), &member);
    let today = call.day(call.now(), &zone, call.config.day_starts_minute);
    let back =
        call.days_between(day, today).filter(|back| (1..i64::from(rule.max_back_days)).contains(&i64::from(*back)));
    let begun = call.day(call.started_at, &zone, call.config.day_starts_minute);
    if back.is_none() || day < begun {
        return Err(
            conflict("checkin.makeup-too-old", "This day cannot be made up.").with("max_back_days", rule.max_back_days)
        );
    }
    if record.covers(day) {
        return Err(conflict("checkin.day-covered", "This day counts already."));
    }
    let cycle = record.cycle(call, today).0;
    let used = record.makeups_in(cycle);
    if used >= rule.per_cycle {
        return Err(limit_reached("checkin.makeup-limit", "You have made up as many days as you may."));
    }
    let paid = rule.cost_points == 0
        || call.spend_points(
            &format!("makeup:{member}:{day}:{used}"),
            &member,
            &rule.account,
            rule.cost_points,
            "make-up",
        );
    if !paid {
        return Err(conflict("checkin.makeup-points", "You have too few points.").with("points", rule.cost_points));
    }
    record.makeups = (cycle, used + 1);
    record.cover(call, day);
    record.total += 1;
    call.emit("check-in.made-up", &member, &day);
    let entry =
        Entry { how: How::MadeUp, standing: Standing::Approved, at: call.now(), proof: None, prizes: Vec::new() };
    finish(call, record, entry, &member, day)
}

/// Saves the day and gives what it earned; what a moderator must see first is held.
fn finish(call: &mut Call<Config>, record: Record, mut entry: Entry, member: &str, day: Day) -> Answer<Checked> {
    let due = prizes::due(call, &record, entry.how, member, day);
    let hold_for = match call.config.review {
        Review::Moderator { within_ms } if entry.how == How::CheckedIn => Some(within_ms),
        _ => None,
    };
    let given = prizes::give(call, member, due, hold_for)?;
    entry.prizes = given.keys;
    if let Some(within_ms) = hold_for {
        entry.standing = Standing::Pending;
        let until = call.now().saturating_add_unsigned(within_ms);
        review::wait(call, member, day, until);
    }
    post(call, member, day, &entry);
    entry.save(call, member, day);
    record.save(call, member);
    let answer = checked(call, &record, day, false, entry.standing, given.earned, given.missed);
    call.emit("check-in.checked", member, &answer);
    call.tell("check-in.checked", member, &[("streak", answer.streak.to_string())]);
    Ok(answer)
}

fn checked(
    call: &Call<Config>,
    record: &Record,
    day: Day,
    already: bool,
    standing: Standing,
    earned: Vec<String>,
    missed: Vec<String>,
) -> Checked {
    Checked {
        day,
        streak: record.streak(call),
        best: record.best,
        total: record.total,
        cycle_day: record.cycle(call, day).1,
        already,
        approved: standing == Standing::Approved,
        earned,
        missed,
    }
}

/// Puts a public text on the wall, once it is approved.
fn post(call: &mut Call<Config>, member: &str, day: Day, entry: &Entry) {
    if let Some(Proof::Text { public: true, .. }) = entry.proof
        && entry.standing == Standing::Approved
    {
        call.rank_put("wall", &format!("{member}/{day}"), entry.at, 0);
    }
}

/// Moves a member to another zone, once in a while.
fn pin_zone(call: &mut Call<Config>, zone: &str) -> Answer<views::Me> {
    let member = call.actor.clone();
    let ZonePolicy::MemberPinned { change_cool_down_ms } = call.config.zone_policy else {
        return Err(conflict("checkin.zone-cool-down", "Everybody's days are those of the activity."));
    };
    if !fairground_sdk::is_time_zone(zone) {
        return Err(invalid("common.invalid-input", "This is no IANA time zone."));
    }
    let Some(mut record) = Record::load(call, &member) else {
        return Err(conflict("checkin.zone-cool-down", "Your first check-in sets your zone."));
    };
    let since = record.zone.as_ref().map_or(i64::MIN, |(_, since)| *since);
    let free_at = since.saturating_add_unsigned(change_cool_down_ms);
    if call.now() < free_at {
        return Err(conflict("checkin.zone-cool-down", "You moved a short while ago.").with("free_at", free_at));
    }
    record.zone = Some((zone.into(), call.now()));
    record.save(call, &member);
    Ok(views::me(call))
}
