//! The rules played.

mod fairness;
mod storms;

use fairground_sdk::{Answer, Day, MemberStatus, town::Town};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::CheckIn;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn config(changes: Value) -> Value {
    let mut config =
        json!({"title": "x", "one_line_benefit": "y", "risk": {"cluster_limit": 0}, "zone": "Asia/Shanghai"});
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn town(changes: Value) -> Town<CheckIn> {
    Town::new(config(changes))
        .offer("small", 10)
        .offer("badge", 0)
        .points_offer("points-3", "points", 3)
        .budget(1_000)
        .started()
}

fn check_in(town: &mut Town<CheckIn>, member: &str) -> Value {
    town.act(member, "check-in", json!({})).expect("it counts")
}

fn streak(town: &mut Town<CheckIn>, member: &str) -> u64 {
    check_in(town, member)["streak"].as_u64().expect("a number")
}

fn me(town: &mut Town<CheckIn>, member: &str) -> Value {
    town.ask(member, "me", json!({})).expect("an answer")
}

fn code<T: std::fmt::Debug>(answer: Answer<T>) -> &'static str {
    answer.expect_err("a refusal").code
}

fn today(town: &mut Town<CheckIn>) -> Day {
    serde_json::from_value(me(town, "nobody")["today"].clone()).expect("a day")
}

fn days_ago(town: &mut Town<CheckIn>, days: u8) -> Day {
    let today = today(town);
    Day { day: today.day - days, ..today }
}

#[test]
fn three_days_in_a_row_earn_the_milestone_once() {
    let mut town = town(json!({"streak": [{"days": 3, "offer": "badge"}]}));
    for day in 1..=4 {
        assert_eq!(streak(&mut town, "ann"), day);
        assert_eq!(town.rewards_of("ann").len(), usize::from(day >= 3));
        town.pass(DAY);
    }
}

#[test]
fn a_missed_day_starts_the_streak_over() {
    let mut town = town(json!({}));
    check_in(&mut town, "ann");
    town.pass(2 * DAY);
    assert_eq!(me(&mut town, "ann")["streak"], 0);
    assert_eq!(streak(&mut town, "ann"), 1);
    assert!(town.events().contains(&("check-in.broken".into(), "ann".into())));
}

#[test]
fn a_second_time_on_one_day_changes_nothing_and_says_so() {
    let mut town = town(json!({"daily": [{"day": 1, "offer": "small"}]}));
    check_in(&mut town, "ann");
    town.pass(HOUR);
    let again = check_in(&mut town, "ann");
    assert_eq!((&again["already"], &again["streak"], &again["total"]), (&json!(true), &json!(1), &json!(1)));
    assert_eq!(town.rewards_of("ann"), ["small"]);
}

#[test]
fn a_window_is_kept() {
    // The town begins at 20:00 in Shanghai.
    let mut town = town(json!({"window": {"from_minute": 360, "to_minute": 540}}));
    assert_eq!(code(town.act("ann", "check-in", json!({}))), "checkin.outside-window");
    town.pass(10 * HOUR);
    check_in(&mut town, "ann");
    town.pass(DAY + 3 * HOUR);
    assert_eq!(code(town.act("ann", "check-in", json!({}))), "checkin.outside-window", "09:00 is no longer part of it");
}

/// Regression 16: days are those of the zone, and not of the machine. K7, through two changes to daylight saving a year.
#[test]
fn a_thousand_noons_make_a_streak_of_a_thousand() {
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
        let mut town = Town::<CheckIn>::new(config(json!({"zone": zone}))).started();
        let mut last = 0;
        for _ in 0..1_000 {
            last = streak(&mut town, "ann");
            let noon = town.now() + DAY;
            town.pass(noon - town.now());
        }
        assert_eq!(last, 1_000, "{zone}");
        assert_eq!(town.audit(), Vec::<String>::new());
    }
}

#[test]
fn a_repeated_cycle_earns_its_prizes_again_and_a_stopped_one_ends() {
    let cycle = |then| json!({"cycle": {"days": {"days": 2, "then": then}}, "streak": [{"days": 2, "offer": "small"}]});
    let mut repeated = town(cycle("repeat"));
    for _ in 0..4 {
        check_in(&mut repeated, "ann");
        repeated.pass(DAY);
    }
    assert_eq!(repeated.rewards_of("ann"), ["small", "small"]);
    let mut stopped = town(cycle("stop"));
    for _ in 0..2 {
        check_in(&mut stopped, "ann");
        stopped.pass(DAY);
    }
    assert_eq!(code(stopped.act("ann", "check-in", json!({}))), "checkin.cycle-finished");
}

#[test]
fn a_made_up_day_joins_the_runs_and_reaches_milestones() {
    let makeup = json!({"max_back_days": 4, "per_cycle": 1, "cost_points": 3});
    let mut town = town(
        json!({"streak": [{"days": 3, "offer": "badge"}], "daily": [{"day": 1, "offer": "points-3"}], "makeup": makeup}),
    );
    check_in(&mut town, "ann");
    town.pass(2 * DAY);
    check_in(&mut town, "ann");
    let missed = days_ago(&mut town, 1);
    let made = town.act("ann", "make-up", json!({"day": missed})).expect("made up");
    assert_eq!((&made["streak"], &made["total"]), (&json!(3), &json!(3)));
    assert!(town.rewards_of("ann").contains(&"badge".into()));
    assert_eq!(code(town.act("ann", "make-up", json!({"day": missed}))), "checkin.day-covered");
    assert_eq!(town.world().points[&("ann".into(), "points".into())], 3, "two days' points less what the make-up cost");
}

#[test]
fn what_cannot_be_made_up_says_why_and_costs_nothing() {
    let mut town = town(json!({"makeup": {"max_back_days": 3, "per_cycle": 1, "cost_points": 5}}));
    let yesterday = days_ago(&mut town, 1);
    assert_eq!(code(town.act("ann", "make-up", json!({"day": yesterday}))), "checkin.makeup-too-old");
    check_in(&mut town, "ann");
    assert_eq!(
        code(town.act("ann", "make-up", json!({"day": yesterday}))),
        "checkin.makeup-too-old",
        "before the start"
    );
    town.pass(4 * DAY);
    check_in(&mut town, "ann");
    let three_ago = days_ago(&mut town, 3);
    assert_eq!(code(town.act("ann", "make-up", json!({"day": three_ago}))), "checkin.makeup-too-old");
    let two_ago = days_ago(&mut town, 2);
    assert_eq!(code(town.act("ann", "make-up", json!({"day": two_ago}))), "checkin.makeup-points");
    town.world().points.insert(("ann".into(), "points".into()), 20);
    town.act("ann", "make-up", json!({"day": two_ago})).expect("made up");
    let one_ago = days_ago(&mut town, 1);
    assert_eq!(code(town.act("ann", "make-up", json!({"day": one_ago}))), "checkin.makeup-limit");
    assert_eq!(town.world().points[&("ann".into(), "points".into())], 15);
}

#[test]
fn freezes_keep_a_streak_and_add_nothing_to_the_total() {
    let mut town = town(json!({"freeze": {"per_month": 1, "auto": true}}));
    check_in(&mut town, "ann");
    town.pass(2 * DAY);
    let back = check_in(&mut town, "ann");
    assert_eq!((&back["streak"], &back["total"]), (&json!(3), &json!(2)));
    town.pass(2 * DAY);
    assert_eq!(streak(&mut town, "ann"), 1, "one a month");
}

#[test]
fn a_member_freezes_a_day_by_hand_while_there_are_freezes() {
    let mut town = town(json!({"freeze": {"per_month": 1, "auto": false}}));
    assert_eq!(code(town.act("ann", "freeze", json!({"day": "2026-01-05"}))), "checkin.no-freeze-left");
    check_in(&mut town, "ann");
    town.pass(3 * DAY);
    let (one_ago, two_ago) = (days_ago(&mut town, 1), days_ago(&mut town, 2));
    town.act("ann", "freeze", json!({"day": one_ago})).expect("frozen");
    assert_eq!(code(town.act("ann", "freeze", json!({"day": one_ago}))), "checkin.day-covered");
    assert_eq!(code(town.act("ann", "freeze", json!({"day": two_ago}))), "checkin.no-freeze-left");
    assert_eq!(streak(&mut town, "ann"), 2);
}

#[test]
fn a_proof_is_what_the_organiser_asked_for() {
    let mut text = town(json!({"proof": {"text": {"min_len": 5}}}));
    assert_eq!(code(text.act("ann", "check-in", json!({}))), "checkin.proof-required");
    let write = |text: &str| json!({"proof": {"text": {"text": text, "public": true}}});
    assert_eq!(code(text.act("ann", "check-in", write("abc  "))), "checkin.proof-too-short");
    text.act("ann", "check-in", write("跑了五公里")).expect("it counts");
    let wall: Value = text.ask("bob", "wall", json!({})).expect("posts");
    assert_eq!(wall[0]["text"], "跑了五公里");

    let mut place = town(json!({"proof": {"code": {"places": {"cafe": "latte"}}}}));
    let at = |place: &str, code: &str| json!({"proof": {"code": {"place": place, "code": code}}});
    assert_eq!(code(place.act("ann", "check-in", at("cafe", "tea"))), "checkin.place-code-wrong");
    assert_eq!(code(place.act("ann", "check-in", at("bar", "latte"))), "checkin.place-code-wrong");
    place.act("ann", "check-in", at("cafe", "latte")).expect("it counts");
}

fn reviewed() -> Town<CheckIn> {
    town(json!({"review": {"moderator": {"within_ms": 3 * HOUR}}, "streak": [{"days": 1, "offer": "small"}]}))
}

#[test]
fn a_rejected_day_is_gone_and_its_prize_goes_back() {
    let mut town = reviewed();
    let first = check_in(&mut town, "ann");
    assert_eq!((&first["approved"], town.held_for("ann").len(), town.rewards_of("ann").len()), (&json!(false), 1, 0));
    let day = first["day"].clone();
    town.operate("ops-review", json!({"member": "ann", "day": day, "ok": false})).expect("rejected");
    assert_eq!((town.held_for("ann").len(), &me(&mut town, "ann")["streak"]), (0, &json!(0)));
    assert_eq!(town.world().budget.clone().expect("a budget").held, 0);
    assert_eq!(
        code(town.operate("ops-review", json!({"member": "ann", "day": day, "ok": true}))),
        "common.wrong-state"
    );
    // The same day may be tried again, and earns the prize then.
    assert_eq!(check_in(&mut town, "ann")["already"], false);
    town.operate("ops-review", json!({"member": "ann", "day": day, "ok": true})).expect("approved");
    assert_eq!(town.rewards_of("ann"), ["small"]);
    assert_eq!(code(town.operate("ops-review", json!({"member": "bob", "day": day, "ok": true}))), "common.not-found");
}

#[test]
fn a_day_that_nobody_looks_at_is_approved() {
    let mut town = reviewed();
    check_in(&mut town, "ann");
    town.pass(3 * HOUR - 1);
    assert_eq!(town.rewards_of("ann").len(), 0);
    town.pass(1);
    assert_eq!(town.rewards_of("ann"), ["small"]);

    // One that is sent in again waits anew.
    let mut again = reviewed();
    let day = check_in(&mut again, "ann")["day"].clone();
    again.operate("ops-review", json!({"member": "ann", "day": day, "ok": false})).expect("rejected");
    again.pass(2 * HOUR);
    check_in(&mut again, "ann");
    again.pass(3 * HOUR - 1);
    assert_eq!(again.rewards_of("ann").len(), 0);

    let mut ended = reviewed();
    for member in 0..60 {
        check_in(&mut ended, &format!("m{member}"));
    }
    ended.stop();
    for member in 0..60 {
        assert_eq!(ended.rewards_of(&format!("m{member}")), ["small"]);
    }
}

#[test]
fn what_the_budget_does_not_allow_is_missed_and_the_day_counts() {
    let config = config(json!({"daily": [{"day": 1, "offer": "small"}]}));
    let mut town = Town::<CheckIn>::new(config).offer("small", 10).budget(15).started();
    check_in(&mut town, "ann");
    let late = check_in(&mut town, "bob");
    assert_eq!((&late["missed"], &late["streak"]), (&json!(["small"]), &json!(1)));
}

#[test]
fn a_day_that_was_frozen_and_then_checked_in_counts_once() {
    let mut town = town(json!({"freeze": {"per_month": 2, "auto": false}}));
    check_in(&mut town, "ann");
    town.pass(DAY);
    let today = nth(1);
    town.act("ann", "freeze", json!({"day": today})).expect("frozen");
    assert_eq!(check_in(&mut town, "ann")["streak"], 2);
    town.pass(DAY);
    assert_eq!(check_in(&mut town, "ann")["streak"], 3);
    assert_eq!(town.audit(), Vec::<String>::new());
}

#[test]
fn who_hops_between_zones_waits() {
    let mut town = town(json!({"zone_policy": {"member_pinned": {"change_cool_down_ms": DAY}}}));
    town.world().join("ann");
    town.world().members.get_mut("ann").expect("ann").0.time_zone = "Pacific/Honolulu".into();
    check_in(&mut town, "ann");
    assert_eq!(me(&mut town, "ann")["zone"], "Pacific/Honolulu");
    assert_eq!(code(town.act("ann", "pin-zone", json!({"zone": "Asia/Tokyo"}))), "checkin.zone-cool-down");
    town.pass(DAY);
    check_in(&mut town, "ann");
    town.act("ann", "pin-zone", json!({"zone": "Pacific/Kiritimati"})).expect("moved");
    // A day later there already, but a moment later on the clock.
    assert_eq!(code(town.act("ann", "check-in", json!({}))), "checkin.too-soon");
    town.pass(4 * HOUR);
    check_in(&mut town, "ann");
    town.pass(DAY);
    town.act("ann", "pin-zone", json!({"zone": "Pacific/Honolulu"})).expect("moved back");
    assert_eq!(code(town.act("ann", "pin-zone", json!({"zone": "Mars/Olympus"}))), "common.invalid-input");
    let back = town.act("ann", "check-in", json!({})).map(|again| again["already"].clone());
    assert!(
        matches!(back.as_ref().map_err(|problem| problem.code), Ok(Value::Bool(true)) | Err("checkin.clock-back")),
        "{back:?}"
    );
}

#[test]
fn who_wishes_is_reminded_on_days_not_checked() {
    let mut town = town(json!({"remind_minute": 1_260}));
    for member in ["ann", "ann", "bob"] {
        town.act(member, "remind", json!({"on": true})).expect("a time");
    }
    check_in(&mut town, "bob");
    town.pass(2 * HOUR);
    assert_eq!(town.notified().into_iter().collect::<Vec<_>>(), ["ann"]);
    assert_eq!(town.world().notices.len(), 1, "who wishes it twice is reminded once");
    (0..60).for_each(|member| drop(town.act(&format!("m{member}"), "remind", json!({"on": true}))));
    town.act("bob", "remind", json!({"on": false})).expect("no more");
    town.pass(DAY);
    assert_eq!((town.notified().len(), town.notified().contains("bob")), (61, false));
}

#[test]
fn a_groups_members_of_today_are_listed() {
    let mut town = town(json!({}));
    for member in ["ann", "bob"] {
        check_in(&mut town, member);
    }
    town.world().groups.insert("birds".into(), ["bob".into(), "cat".into()].into());
    town.world().join("cat");
    town.world().members.get_mut("cat").expect("cat").0.status = MemberStatus::Active;
    let today: Value = town.ask("ann", "today", json!({"group": "birds"})).expect("an answer");
    assert_eq!(today["members"], json!(["bob"]));
    let all: Value = town.ask("ann", "today", json!({})).expect("an answer");
    assert_eq!(all["count"], 2);
}

#[test]
fn a_config_that_cannot_be_played_is_refused() {
    let pointers = |changes| -> Vec<String> {
        let town = Town::<CheckIn>::new(config(changes)).offer("small", 1);
        town.check().expect_err("issues").into_iter().map(|issue| issue.pointer).collect()
    };
    assert_eq!(pointers(json!({"zone": "Mars/Olympus"})), ["/zone"]);
    assert_eq!(pointers(json!({"window": {"from_minute": 60, "to_minute": 60}})), ["/window"]);
    assert_eq!(pointers(json!({"streak": [{"days": 1, "offer": "nothing"}]})), ["/streak/0/offer"]);
    assert_eq!(pointers(json!({"total": [{"days": 1, "offer": "small"}, {"days": 1, "offer": "small"}]})), ["/total"]);
    let beyond = json!({"cycle": {"days": {"days": 3, "then": "stop"}}, "daily": [{"day": 4, "offer": "small"}]});
    assert_eq!(pointers(beyond), ["/daily"]);
}

proptest! {
    /// K1 to K6, against a model that keeps every day.
    #[test]
    fn a_record_is_what_its_days_say(steps in prop::collection::vec((0u8..8, 1u8..6), 1..80), per_month in 0u32..3) {
        let freeze = (per_month > 0).then(|| json!({"per_month": per_month, "auto": false}));
        let mut town = town(json!({
            "makeup": {"max_back_days": 6, "per_cycle": 100}, "freeze": freeze,
            "streak": [{"days": 3, "offer": "badge"}, {"days": 5, "offer": "small"}],
        }));
        let mut covered = std::collections::BTreeSet::new();
        let (mut total, mut number) = (0u64, 0i64);
        for (what, back) in steps {
            let day = crate::tests::nth(number - i64::from(back));
            match what {
                0..=3 => {
                    let answer = check_in(&mut town, "ann");
                    prop_assert_eq!(&answer["already"], &json!(covered.contains(&number) && !answer_was_frozen(&answer, total)));
                    if answer["already"] == json!(false) {
                        total += 1;
                        covered.insert(number);
                    }
                }
                4 => if town.act("ann", "make-up", json!({"day": day})).is_ok() {
                    prop_assert!((1..6).contains(&back) && number - i64::from(back) >= 0, "K5");
                    prop_assert!(covered.insert(number - i64::from(back)), "K1");
                    total += 1;
                },
                5 => if town.act("ann", "freeze", json!({"day": day})).is_ok() {
                    prop_assert!(covered.insert(number - i64::from(back)), "K1");
                },
                _ => {
                    town.pass(DAY * i64::from(1 + what % 2));
                    number += i64::from(1 + what % 2);
                }
            }
            let me = me(&mut town, "ann");
            let alive = covered.contains(&number) || covered.contains(&(number - 1));
            let last = covered.last().copied().unwrap_or_default();
            let run = (0..).take_while(|back| covered.contains(&(last - back))).count() as u64;
            prop_assert_eq!(me["streak"].as_u64(), Some(if alive { run } else { 0 }), "K2");
            prop_assert!(me["best"].as_u64() >= me["streak"].as_u64(), "K3");
            prop_assert_eq!(me["total"].as_u64(), Some(total), "K3, K6");
            let rewards = town.rewards_of("ann");
            for offer in ["badge", "small"] {
                prop_assert!(rewards.iter().filter(|given| *given == offer).count() <= 1, "K4");
            }
            prop_assert_eq!(town.audit(), Vec::<String>::new());
        }
    }
}

/// A frozen day may still be checked in.
fn answer_was_frozen(answer: &Value, total: u64) -> bool {
    answer["already"] == json!(false) && answer["total"].as_u64() == Some(total + 1)
}

/// The day so many days after the town begins, in Shanghai.
fn nth(number: i64) -> String {
    let start = fairground_sdk::town::BEGINNING / DAY + number;
    civil(start)
}

/// Days since 1970 as a day of the calendar (Hinnant's algorithm).
fn civil(days: i64) -> String {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
