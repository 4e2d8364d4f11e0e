//! The rules played.

use std::collections::BTreeMap;

use fairground_sdk::{Answer, MemberStatus, town::Town};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Bargain, cuts::Bounds};

/// A day.
const DAY: i64 = 86_400_000;

fn config(mode: Value, changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "sku": "mug", "original_price": 10_000, "floor_price": 1_000, "mode": mode, "cut_min": 500, "cut_max": 3_000,
        "owner_first_cut": false, "zone": "Asia/Shanghai",
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn fixed(cuts: u32) -> Value {
    json!({"kind": "fixed", "cuts": cuts})
}

fn until_floor() -> Value {
    json!({"kind": "until_floor"})
}

fn town(mode: Value, changes: Value) -> Town<Bargain> {
    Town::new(config(mode, changes)).started()
}

fn help(town: &mut Town<Bargain>, helper: &str, session: &str) -> Answer<Value> {
    town.act(helper, "help", json!({"session": session}))
}

fn code<T: std::fmt::Debug>(answer: Answer<T>) -> &'static str {
    answer.expect_err("a refusal").code
}

fn session(town: &mut Town<Bargain>, id: &str) -> Value {
    town.ask("ann", "session", json!({"session": id})).expect("a session")
}

/// Worked example 2.
#[test]
fn the_first_of_five_cuts_lies_between_the_bounds_and_the_last_meets_the_floor() {
    assert_eq!(bounds(9_000, 5), (500, 3_000));
    assert_eq!(bounds(6_000, 4), (500, 2_500));
    let mut town = town(fixed(5), json!({}));
    town.act("ann", "start", json!({})).expect("a session");
    let cuts: Vec<i64> = ["bob", "cat", "dan", "eve", "fay"]
        .into_iter()
        .map(|helper| help(&mut town, helper, "1-ann").expect("a cut")["amount"].as_i64().expect("an amount"))
        .collect();
    assert_eq!(cuts.iter().sum::<i64>(), 9_000);
    assert!(cuts.iter().all(|cut| (500..=3_000).contains(cut)), "{cuts:?}");
    assert_eq!(session(&mut town, "1-ann")["state"], "success");
    assert_eq!(town.audit(), Vec::<String>::new());
}

fn bounds(left: i64, cuts: i64) -> (i64, i64) {
    let bounds = Bounds::between(left, cuts, 500, 3_000);
    (bounds.low, bounds.high)
}

/// Worked example 3.
#[test]
fn two_cuts_of_at_most_a_third_cannot_cut_everything() {
    let issues = Town::<Bargain>::new(config(fixed(2), json!({}))).check().expect_err("infeasible");
    assert_eq!((issues[0].pointer.as_str(), issues[0].code), ("/mode/cuts", "bargain.infeasible-range"));
}

/// Worked example 4.
#[test]
fn how_many_helps_it_takes_is_said_beforehand() {
    let report = Town::<Bargain>::new(config(until_floor(), json!({}))).check().expect("a report");
    assert_eq!(report.disclosures, ["It takes 3 to 18 cuts."]);
}

#[test]
fn nobody_helps_themselves_or_twice() {
    let mut town = town(fixed(5), json!({}));
    town.act("ann", "start", json!({})).expect("a session");
    assert_eq!(code(help(&mut town, "ann", "1-ann")), "bargain.self-help");
    help(&mut town, "bob", "1-ann").expect("a cut");
    let before = session(&mut town, "1-ann");
    assert_eq!(code(help(&mut town, "bob", "1-ann")), "bargain.already-helped");
    assert_eq!(session(&mut town, "1-ann"), before, "a refused call leaves nothing behind");
    assert_eq!(code(help(&mut town, "bob", "1-nobody")), "common.not-found");
}

#[test]
fn the_owners_first_cut_counts() {
    let mut town = town(fixed(5), json!({"owner_first_cut": true}));
    let started = town.act("ann", "start", json!({})).expect("a session");
    assert_eq!((started["cuts"].as_u64(), started["cuts_left_max"].as_u64()), (Some(1), Some(4)));
}

#[test]
fn helps_a_day_are_counted_by_the_day_of_the_zone() {
    let mut town = town(fixed(5), json!({"helps_per_member_day": 1}));
    for owner in ["ann", "cat"] {
        town.act(owner, "start", json!({})).expect("a session");
    }
    help(&mut town, "bob", "1-ann").expect("a cut");
    assert_eq!(code(help(&mut town, "bob", "1-cat")), "bargain.help-limit-day");
    // Noon in UTC is 20:00 in Shanghai: four hours later it is tomorrow there.
    town.pass(4 * 3_600_000);
    help(&mut town, "bob", "1-cat").expect("a new day");
}

#[test]
fn helps_in_all_and_for_one_owner_have_limits() {
    let mut one = town(fixed(5), json!({"helps_per_member_total": 1}));
    for owner in ["ann", "cat"] {
        one.act(owner, "start", json!({})).expect("a session");
    }
    help(&mut one, "bob", "1-ann").expect("a cut");
    assert_eq!(code(help(&mut one, "bob", "1-cat")), "bargain.help-limit-total");

    let mut two = town(fixed(5), json!({"sessions_per_member": 2, "concurrent_sessions": 2}));
    for _ in 0..2 {
        two.act("ann", "start", json!({})).expect("a session");
    }
    help(&mut two, "bob", "1-ann").expect("a cut");
    assert_eq!(code(help(&mut two, "bob", "2-ann")), "bargain.pair-limit");
}

#[test]
fn a_member_has_so_many_sessions_and_so_many_at_once() {
    let mut town = town(fixed(5), json!({"sessions_per_member": 2}));
    town.act("ann", "start", json!({})).expect("a session");
    assert_eq!(code(town.act("ann", "start", json!({}))), "bargain.session-exists");
    town.act("ann", "cancel", json!({"session": "1-ann"})).expect("cancelled");
    town.act("ann", "start", json!({})).expect("the second");
    town.act("ann", "cancel", json!({"session": "2-ann"})).expect("cancelled");
    assert_eq!(code(town.act("ann", "start", json!({}))), "bargain.session-limit");
    assert_eq!(code(town.act("bob", "cancel", json!({"session": "2-ann"}))), "common.not-owner");
}

#[test]
fn a_session_expires_at_its_deadline_and_not_before() {
    let mut town = town(fixed(5), json!({}));
    town.act("ann", "start", json!({})).expect("a session");
    town.pass(DAY - 1);
    help(&mut town, "bob", "1-ann").expect("the last millisecond");
    town.pass(1);
    assert_eq!(session(&mut town, "1-ann")["state"], "expired");
    assert_eq!(code(help(&mut town, "cat", "1-ann")), "bargain.session-over");
    let before = session(&mut town, "1-ann");
    town.run_timer("session:1-ann", 0, "null");
    assert_eq!(session(&mut town, "1-ann"), before, "a timer that comes twice changes nothing");
}

#[test]
fn the_deadline_counts_before_its_timer_has_run() {
    let mut town = town(fixed(5), json!({}));
    town.act("ann", "start", json!({})).expect("a session");
    town.world().now += DAY;
    assert_eq!(code(help(&mut town, "bob", "1-ann")), "bargain.session-over");
}

#[test]
fn a_session_ends_with_its_activity() {
    let ends_at = fairground_sdk::town::BEGINNING + 1_000;
    let mut town = Town::<Bargain>::new(config(fixed(5), json!({}))).ending_at(ends_at).started();
    town.act("ann", "start", json!({})).expect("a session");
    town.pass(1_000);
    assert_eq!(code(help(&mut town, "bob", "1-ann")), "common.ended");
    let session: Value = town.ask("bob", "session", json!({"session": "1-ann"})).expect("a session");
    assert_eq!(session["state"], "expired");
}

#[test]
fn after_the_settlement_nothing_is_open() {
    let mut town = town(fixed(5), json!({}));
    for owner in 0..120 {
        town.act(&format!("m{owner}"), "start", json!({})).expect("a session");
    }
    town.stop();
    for owner in 0..120 {
        assert_eq!(session(&mut town, &format!("1-m{owner}"))["state"], "expired");
    }
}

#[test]
fn helpers_get_their_offer_once_and_only_within_the_budget() {
    let config = config(fixed(5), json!({"helper_offer": "thanks"}));
    let mut town = Town::<Bargain>::new(config).offer("thanks", 100).budget(150).started();
    town.act("ann", "start", json!({})).expect("a session");
    help(&mut town, "bob", "1-ann").expect("a cut");
    assert_eq!(town.rewards_of("bob"), ["thanks"]);
    assert_eq!(code(help(&mut town, "cat", "1-ann")), "common.budget-exhausted");
    assert_eq!(session(&mut town, "1-ann")["cuts"], 1, "no cut without what was promised for it");
}

#[test]
fn risk_rules_and_new_members_are_looked_at() {
    let mut town = town(fixed(5), json!({"new_helper_only": true}));
    town.act("ann", "start", json!({})).expect("a session");
    for name in ["bob", "cat", "dan"] {
        town.world().join(name);
    }
    let now = town.now();
    town.world().members.get_mut("bob").expect("bob").0.first_order_at = Some(now - 1);
    assert_eq!(code(help(&mut town, "bob", "1-ann")), "bargain.new-helper-only");
    town.world().members.get_mut("cat").expect("cat").0.status = MemberStatus::Muted;
    assert_eq!(code(help(&mut town, "cat", "1-ann")), "common.risk-review");
    for name in ["ann", "dan"] {
        town.world().members.get_mut(name).expect("a member").1.push("phone-1".into());
    }
    assert_eq!(code(help(&mut town, "dan", "1-ann")), "common.risk-denied");
}

#[test]
fn no_place_in_the_order_is_worth_more_than_another() {
    let mut sums = [0i64; 10];
    const ROUNDS: i64 = 2_000;
    for round in 0..ROUNDS {
        let (mut left, mut word) =
            (10_000, u64::try_from(round).expect("a number").wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for (place, sum) in sums.iter_mut().enumerate() {
            let bounds = Bounds::between(left, 10 - place as i64, 100, 3_000);
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            let span = (bounds.high - bounds.low + 1).unsigned_abs();
            let cut = bounds.low + i64::try_from(word % span).expect("small");
            *sum += cut;
            left -= cut;
        }
    }
    // 1 000 expected each; CRMEB's rule gives 3 489 to the first and 113 to the last.
    assert!(sums.iter().all(|sum| (930..=1_070).contains(&(sum / ROUNDS))), "{:?}", sums.map(|sum| sum / ROUNDS));
}

proptest! {
    #[test]
    fn cuts_are_within_bounds_and_sum_exactly(min in 1i64..200, spread in 0i64..2_000, cuts in 1i64..60, at in 0.0f64..=1.0, draws in prop::collection::vec(0.0f64..=1.0, 60), weight in 10_000u32..50_000) {
        let max = min + spread;
        let total = cuts * min + ((cuts * (max - min)) as f64 * at) as i64;
        let mut left = total;
        for place in 0..cuts {
            let bounds = Bounds::between(left, cuts - place, min, max);
            prop_assert!(min <= bounds.low && bounds.low <= bounds.high && bounds.high <= max, "{:?}", bounds);
            let drawn = bounds.low + ((bounds.high - bounds.low) as f64 * draws[place as usize]) as i64;
            let cut = bounds.weighted(drawn, weight);
            prop_assert!((min..=max).contains(&cut), "{cut}");
            left -= cut;
        }
        prop_assert_eq!(left, 0);
    }

    /// B1 to B6 after every step of a random story.
    #[test]
    fn a_bargain_keeps_its_invariants(fixed_cuts in prop::option::of(3u32..=18), day_limit in 0u32..3, steps in prop::collection::vec((0usize..6, 0usize..6, 0u8..10), 1..60)) {
        let mode = fixed_cuts.map_or_else(until_floor, fixed);
        let mut town = town(mode, json!({"helps_per_member_day": day_limit, "sessions_per_member": 3, "helps_per_pair": 2}));
        let mut prices: BTreeMap<String, i64> = BTreeMap::new();
        let names = ["ann", "bob", "cat", "dan", "eve", "fay"];
        for (who, owner, what) in steps {
            let session = format!("{}-{}", 1 + u32::from(what) % 3, names[owner]);
            match what {
                0..=1 => drop(town.act(names[who], "start", json!({}))),
                2 => drop(town.act(names[who], "cancel", json!({"session": session}))),
                3 => town.pass(3_600_000 * 5),
                _ => drop(help(&mut town, names[who], &session)),
            }
            prop_assert_eq!(town.audit(), Vec::<String>::new());
            for name in names {
                let mine: Value = town.ask(name, "mine", json!({})).expect("an answer");
                for session in mine["sessions"].as_array().expect("a list") {
                    let current = session["current"].as_i64().expect("a price");
                    let before = prices.insert(session["session"].as_str().expect("an id").into(), current).unwrap_or(i64::MAX);
                    prop_assert!(current <= before, "B2: a price never rises");
                }
            }
        }
        town.stop();
        prop_assert_eq!(town.audit(), Vec::<String>::new());
    }
}
