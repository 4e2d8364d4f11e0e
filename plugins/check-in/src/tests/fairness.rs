//! What nobody can get around: freezes of each month, rules that are asked again, days that were rejected, prizes that wait.

use fairground_sdk::{HostEvent, town::Town};
use serde_json::{Value, json};

use super::{DAY, HOUR, check_in, code, config, me, streak, town};
use crate::CheckIn;

/// Six weeks in, with one check-in on the first day and one today.
fn away_for_weeks(changes: Value) -> Town<CheckIn> {
    let mut town = town(changes);
    check_in(&mut town, "ann");
    town.pass(35 * DAY);
    check_in(&mut town, "ann");
    town
}

fn freeze(town: &mut Town<CheckIn>, day: &str) -> &'static str {
    town.act("ann", "freeze", json!({"day": day})).map_or_else(|problem| problem.code, |_| "")
}

#[test]
fn freezes_of_each_month_are_counted_whatever_their_order() {
    let mut town = away_for_weeks(json!({"freeze": {"per_month": 1, "auto": false}}));
    assert_eq!(me(&mut town, "ann")["today"], "2026-02-09");
    assert_eq!([freeze(&mut town, "2026-01-20"), freeze(&mut town, "2026-02-03")], ["", ""]);
    // Going back and forth between months begins no new one.
    assert_eq!([freeze(&mut town, "2026-01-21"), freeze(&mut town, "2026-02-04")], ["checkin.no-freeze-left"; 2]);
}

#[test]
fn days_are_filled_by_those_alone_who_may_take_part() {
    let changes = json!({
        "freeze": {"per_month": 5, "auto": false}, "makeup": {"max_back_days": 9, "per_cycle": 5, "cost_points": 0},
        "buyers_of": "tea", "eligibility": {"segments_none": ["staff"]},
    });
    let mut town = Town::<CheckIn>::new(config(changes)).budget(1_000).started();
    let told = |town: &mut Town<CheckIn>, topic: &str, order: &str| {
        let payload = json!({"order": order, "sku": "tea", "total_minor": 1}).to_string();
        let (id, topic, at) = (format!("{topic}{order}"), topic.into(), town.now());
        town.hear(&HostEvent { id, topic, subject: "ann".into(), payload, at }).expect("heard");
    };
    for order in ["o1", "o2"] {
        told(&mut town, "member.bought", order);
    }
    check_in(&mut town, "ann");
    town.pass(5 * DAY);
    told(&mut town, "member.returned", "o1");
    check_in(&mut town, "ann");
    told(&mut town, "member.returned", "o2");
    // What was bought before takes nothing from what is bought now.
    told(&mut town, "member.returned", "o0");
    let make_up = |town: &mut Town<CheckIn>| code(town.act("ann", "make-up", json!({"day": "2026-01-08"})));
    assert_eq!([make_up(&mut town), freeze(&mut town, "2026-01-08")], ["common.not-eligible"; 2], "all is returned");
    told(&mut town, "member.bought", "o3");
    town.world().members.get_mut("ann").expect("a member").0.tags.push("staff".into());
    assert_eq!([make_up(&mut town), freeze(&mut town, "2026-01-08")], ["common.not-eligible"; 2], "she works here");
    town.world().members.get_mut("ann").expect("a member").0.tags.clear();
    town.act("ann", "make-up", json!({"day": "2026-01-08"})).expect("a buyer");
}

#[test]
fn an_order_proves_one_day() {
    let mut town = town(json!({"proof": "order"}));
    let mut show = |member: &str, order: &str| -> &'static str {
        let shown = json!({"proof": {"order": {"order": order}}});
        town.pass(DAY);
        if order == "told" {
            let payload = json!({"order": order, "sku": "tea", "total_minor": 1}).to_string();
            let topic = "member.bought".into();
            let at = town.now();
            town.hear(&HostEvent { id: "1".into(), topic, subject: "ann".into(), payload, at }).expect("heard");
        }
        town.act(member, "check-in", shown).map_or_else(|problem| problem.code, |_| "")
    };
    assert_eq!(show("ann", "made-up"), "checkin.proof-required");
    assert_eq!(show("bob", "told"), "checkin.proof-required", "it is ann's");
    assert_eq!(show("ann", "told"), "");
    assert_eq!(show("ann", "told"), "checkin.proof-required", "it has proved a day");
}

/// News may come in any order, and a day that was rejected may be shown again.
#[test]
fn what_was_returned_proves_nothing_and_a_day_is_proved_twice_by_its_own_order() {
    let mut town = moderated(json!({"proof": "order"}));
    let tell = |town: &mut Town<CheckIn>, topic: &str, order: &str| {
        let payload = json!({"order": order, "sku": "tea", "total_minor": 1}).to_string();
        let (id, topic, at) = (format!("{topic}{order}"), topic.into(), town.now());
        town.hear(&HostEvent { id, topic, subject: "ann".into(), payload, at }).expect("heard");
    };
    let show = |town: &mut Town<CheckIn>, order: &str| {
        town.act("ann", "check-in", json!({"proof": {"order": {"order": order}}}))
    };
    tell(&mut town, "member.returned", "o1");
    tell(&mut town, "member.bought", "o1");
    assert_eq!(code(show(&mut town, "o1")), "checkin.proof-required");
    tell(&mut town, "member.bought", "o2");
    let day = show(&mut town, "o2").expect("it counts")["day"].clone();
    review(&mut town, &day, false);
    show(&mut town, "o2").expect("the same day again");
    town.pass(DAY);
    assert_eq!(code(show(&mut town, "o2")), "checkin.proof-required", "another day");
}

/// A day of the next cycle does not stand in for one that was rejected.
#[test]
fn a_prize_counts_days_of_its_own_cycle() {
    let mut town = moderated(json!({"cycle": {"days": {"days": 2, "then": "repeat"}}}));
    let days: Vec<Value> = (0..3)
        .map(|_| {
            let day = check_in(&mut town, "ann")["day"].clone();
            town.pass(DAY);
            day
        })
        .collect();
    assert_eq!(town.held_for("ann"), ["small"], "for the first two");
    review(&mut town, &days[0], false);
    review(&mut town, &days[1], true);
    assert!(town.held_for("ann").is_empty() && town.rewards_of("ann").is_empty());
}

#[test]
fn a_day_that_is_made_up_earns_what_its_own_cycle_has() {
    let makeup = json!({"max_back_days": 9, "per_cycle": 5, "cost_points": 0});
    let cycle = json!({"days": {"days": 3, "then": "repeat"}});
    let mut town = town(json!({"cycle": cycle, "makeup": makeup, "streak": [{"days": 2, "offer": "small"}]}));
    check_in(&mut town, "ann");
    town.pass(3 * DAY);
    for _ in 0..2 {
        check_in(&mut town, "ann");
        town.pass(DAY);
    }
    assert_eq!(town.rewards_of("ann"), ["small"], "two days of the second cycle");
    town.act("ann", "make-up", json!({"day": "2026-01-07"})).expect("made up");
    assert_eq!(town.rewards_of("ann"), ["small"], "one day of the first cycle alone is no two");
    town.act("ann", "make-up", json!({"day": "2026-01-06"})).expect("made up");
    assert_eq!(town.rewards_of("ann"), ["small", "small"], "now there are three");
}

#[test]
fn what_broke_is_told() {
    let mut town = town(json!({}));
    for _ in 0..3 {
        check_in(&mut town, "ann");
        town.pass(DAY);
    }
    town.pass(DAY);
    assert_eq!(streak(&mut town, "ann"), 1);
    assert_eq!(town.payloads("check-in.broken"), [json!({"was": 3})]);
}

fn moderated(changes: Value) -> Town<CheckIn> {
    let mut all = json!({"review": {"moderator": {"within_ms": 5 * DAY}}, "streak": [{"days": 2, "offer": "small"}]});
    let (Value::Object(fields), Value::Object(changes)) = (&mut all, changes) else { panic!("objects") };
    fields.extend(changes);
    town(all)
}

fn review(town: &mut Town<CheckIn>, day: &Value, ok: bool) {
    town.operate("ops-review", json!({"member": "ann", "day": day, "ok": ok})).expect("reviewed");
}

#[test]
fn a_prize_needs_the_days_that_it_counted() {
    let mut town = moderated(json!({}));
    let first = check_in(&mut town, "ann")["day"].clone();
    town.pass(DAY);
    let second = check_in(&mut town, "ann")["day"].clone();
    assert_eq!(town.held_for("ann"), ["small"]);
    review(&mut town, &first, false);
    review(&mut town, &second, true);
    assert!(town.held_for("ann").is_empty() && town.rewards_of("ann").is_empty(), "two days in a row there are not");
    town.pass(DAY);
    let third = check_in(&mut town, "ann")["day"].clone();
    review(&mut town, &third, true);
    assert_eq!(town.rewards_of("ann"), ["small"], "now there are");
}

#[test]
fn a_day_that_is_sent_in_again_counts_once() {
    let mut town = moderated(json!({"limits": {"per_member_per_day": 1}}));
    let day = check_in(&mut town, "ann")["day"].clone();
    review(&mut town, &day, false);
    let count =
        |town: &mut Town<CheckIn>| town.ask::<Value>("ann", "today", json!({})).expect("a count")["count"].clone();
    assert_eq!(count(&mut town), 0);
    check_in(&mut town, "ann");
    assert_eq!(count(&mut town), 1);
}

#[test]
fn prizes_wait_as_long_as_the_organiser_asks() {
    let daily = json!([{"day": 1, "offer": "small"}]);
    let mut town = town(json!({"reward_hold_ms": HOUR, "daily": daily}));
    check_in(&mut town, "ann");
    assert_eq!((town.held_for("ann").len(), town.rewards_of("ann").len()), (1, 0));
    town.pass(HOUR);
    assert_eq!(town.rewards_of("ann"), ["small"]);

    // After a review, too, and at the end of all.
    let mut moderated = moderated(json!({"reward_hold_ms": HOUR, "daily": daily}));
    let day = check_in(&mut moderated, "ann")["day"].clone();
    review(&mut moderated, &day, true);
    assert_eq!(moderated.rewards_of("ann").len(), 0);
    moderated.pass(HOUR);
    assert_eq!(moderated.rewards_of("ann"), ["small"]);
    check_in(&mut moderated, "bob");
    moderated.stop();
    assert_eq!(moderated.rewards_of("bob"), ["small"]);
}

#[test]
fn only_buyers_check_in_where_the_organiser_says_so() {
    let mut town = town(json!({"buyers_of": "tea"}));
    assert_eq!(code(town.act("ann", "check-in", json!({}))), "common.not-eligible");
    let told = |topic: &str, sku: &str| HostEvent {
        id: "1".into(),
        topic: topic.into(),
        subject: "ann".into(),
        payload: json!({"sku": sku}).to_string(),
        at: 0,
    };
    town.hear(&told("member.bought", "coffee")).expect("heard");
    assert_eq!(code(town.act("ann", "check-in", json!({}))), "common.not-eligible");
    town.hear(&told("member.bought", "tea")).expect("heard");
    check_in(&mut town, "ann");
    town.pass(DAY);
    town.hear(&told("member.returned", "tea")).expect("heard");
    assert_eq!(code(town.act("ann", "check-in", json!({}))), "common.not-eligible");
}
