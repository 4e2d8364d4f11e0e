//! The rules played.

mod storms;

use fairground_sdk::{HostEvent, town::Town};
use serde_json::{Value, json};

use crate::Boost;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn config(changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "mode": {"count": {"goal": 3}}, "owner_offer": "big",
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn unstarted(changes: Value) -> Town<Boost> {
    Town::new(config(changes)).offer("big", 100).offer("small", 10).offer("thanks", 1).budget(1_000)
}

fn town(changes: Value) -> Town<Boost> {
    unstarted(changes).started()
}

fn tree(changes: Value) -> Value {
    let milestones = json!([{"units": 1, "offer": "small"}, {"units": 3, "offer": "big"}]);
    let mut config = json!({"mode": {"accumulate": {"milestones": milestones}}, "owner_offer": null});
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn start(town: &mut Town<Boost>, member: &str) {
    town.act(member, "start", json!({})).expect("a session");
}

/// The code of the refusal, where it is one.
fn help(town: &mut Town<Boost>, helper: &str, session: &str) -> &'static str {
    town.act(helper, "help", json!({"session": session})).err().map_or("", |problem| problem.code)
}

fn session(town: &mut Town<Boost>, id: &str) -> Value {
    town.ask("ann", "session", json!({"session": id})).expect("a session")
}

fn claim(town: &mut Town<Boost>, member: &str, units: u32) -> &'static str {
    let input = json!({"session": format!("1-{member}"), "units": units});
    town.act(member, "claim", input).err().map_or("", |problem| problem.code)
}

/// Regression 35: nobody helps twice, and what is full takes no more.
#[test]
fn so_many_friends_reach_the_goal_each_once() {
    let mut town = town(json!({"helper_offer": "thanks"}));
    start(&mut town, "ann");
    assert_eq!(help(&mut town, "ann", "1-ann"), "boost.self-help");
    assert_eq!(help(&mut town, "bob", "1-ann"), "");
    assert_eq!(help(&mut town, "bob", "1-ann"), "boost.already-helped");
    assert_eq!(help(&mut town, "cat", "1-ann"), "");
    assert!(town.rewards_of("ann").is_empty());
    assert_eq!(help(&mut town, "dan", "1-ann"), "");
    assert_eq!((town.rewards_of("ann"), town.rewards_of("bob")), (vec!["big".into()], vec!["thanks".into()]));
    assert_eq!(session(&mut town, "1-ann")["state"], "granted");
    assert_eq!(help(&mut town, "eve", "1-ann"), "boost.finished");
    assert_eq!(town.act("ann", "start", json!({})).expect_err("one").code, "boost.session-limit");
}

#[test]
fn time_is_looked_at_in_the_help_itself() {
    let mut town = town(json!({"ttl_ms": HOUR}));
    start(&mut town, "ann");
    town.pass(HOUR - 1);
    assert_eq!(help(&mut town, "bob", "1-ann"), "");
    town.world().now += 1;
    assert_eq!(help(&mut town, "cat", "1-ann"), "boost.expired", "also before its timer has run");
    town.pass(1);
    assert_eq!(session(&mut town, "1-ann")["state"], "expired");
}

#[test]
fn a_tree_is_watered_every_day_and_gives_at_each_milestone() {
    let daily = json!({"accumulate": {"milestones": [{"units": 2, "offer": "small"}, {"units": 3, "offer": "big"}], "daily": true}});
    let mut town = town(json!({"mode": daily, "owner_offer": null, "helps_per_pair": 0, "ttl_ms": 9 * DAY}));
    start(&mut town, "ann");
    assert_eq!(help(&mut town, "bob", "1-ann"), "");
    assert_eq!(help(&mut town, "bob", "1-ann"), "boost.already-helped");
    town.pass(DAY);
    assert_eq!(help(&mut town, "bob", "1-ann"), "");
    assert_eq!(town.rewards_of("ann"), ["small"]);
    assert_eq!(help(&mut town, "cat", "1-ann"), "");
    assert_eq!(town.rewards_of("ann"), ["small", "big"]);
}

/// Worked example 8.
#[test]
fn a_wait_is_shortened_to_its_least_and_no_further() {
    let mode =
        json!({"accelerate": {"base_wait_ms": HOUR, "cut_ms": 5 * MINUTE, "min_wait_ms": 20 * MINUTE, "offer": "big"}});
    let mut town = town(json!({"mode": mode, "owner_offer": null}));
    let begun = town.now();
    start(&mut town, "ann");
    for (number, minutes) in (0..10).zip([55, 50, 45, 40, 35, 30, 25, 20, 20, 20]) {
        assert_eq!(help(&mut town, &format!("m{number}"), "1-ann"), "");
        assert_eq!(session(&mut town, "1-ann")["deadline"], begun + minutes * MINUTE);
    }
    town.pass(20 * MINUTE - 1);
    assert!(town.rewards_of("ann").is_empty());
    town.pass(1);
    assert_eq!(town.rewards_of("ann"), ["big"]);
    assert_eq!(help(&mut town, "late", "1-ann"), "boost.finished");
}

#[test]
fn new_members_count_for_more() {
    let mut town = town(json!({"unit_new": 3}));
    for member in ["ann", "old"] {
        town.world().join(member);
    }
    town.world().members.get_mut("old").expect("a member").0.first_order_at = Some(0);
    start(&mut town, "ann");
    help(&mut town, "old", "1-ann");
    assert_eq!(session(&mut town, "1-ann")["progress"], 1);
    help(&mut town, "new", "1-ann");
    assert_eq!(session(&mut town, "1-ann")["progress"], 4);
    let mut only = super::tests::town(json!({"new_helper_only": true}));
    only.world().join("old");
    only.world().members.get_mut("old").expect("a member").0.first_order_at = Some(0);
    start(&mut only, "ann");
    assert_eq!(help(&mut only, "old", "1-ann"), "boost.new-helper-only");
}

#[test]
fn a_help_that_is_not_final_can_be_reversed() {
    let mut town = town(tree(json!({"confirm_after_ms": DAY, "helper_offer": "thanks"})));
    start(&mut town, "ann");
    help(&mut town, "bob", "1-ann");
    assert_eq!((town.held_for("ann"), town.held_for("bob")), (vec!["small".into()], vec!["thanks".into()]));
    let at = town.now();
    let closed =
        HostEvent { id: "e".into(), topic: "member.closed".into(), subject: "bob".into(), payload: "null".into(), at };
    town.hear(&closed).expect("heard");
    assert_eq!(session(&mut town, "1-ann")["progress"], 0);
    assert!(town.held_for("ann").is_empty() && town.held_for("bob").is_empty());
    help(&mut town, "cat", "1-ann");
    town.pass(DAY);
    assert_eq!((town.rewards_of("ann"), town.rewards_of("cat")), (vec!["small".into()], vec!["thanks".into()]));
    let closed = HostEvent { subject: "cat".into(), ..closed };
    town.hear(&closed).expect("heard");
    assert_eq!(session(&mut town, "1-ann")["progress"], 1, "what is final stays");
}

#[test]
fn a_return_reverses_helps_where_the_organiser_says_so() {
    let progress_after = |changes: Value| {
        let mut town = town(tree(changes));
        start(&mut town, "ann");
        help(&mut town, "bob", "1-ann");
        let (topic, payload) = ("member.returned".into(), json!({"order": "o", "sku": "mug", "total_minor": 5}));
        let at = town.now();
        let returned = HostEvent { id: "e".into(), topic, subject: "bob".into(), payload: payload.to_string(), at };
        town.hear(&returned).expect("heard");
        session(&mut town, "1-ann")["progress"].clone()
    };
    assert_eq!(progress_after(json!({"confirm_after_ms": DAY})), 1);
    assert_eq!(progress_after(json!({"confirm_after_ms": DAY, "reverse_on_return": true})), 0);
    assert_eq!(progress_after(json!({"reverse_on_return": true})), 1, "what is final stays");

    // News that come late undo nothing that came after what they tell.
    let mut late =
        town(tree(json!({"confirm_after_ms": 2 * DAY, "reverse_on_return": true, "sessions_per_member": 9})));
    let at = late.now();
    late.pass(HOUR);
    start(&mut late, "ann");
    help(&mut late, "bob", "1-ann");
    let payload = json!({"order": "o", "sku": "mug", "total_minor": 5}).to_string();
    let topic = "member.returned".into();
    late.hear(&HostEvent { id: "e".into(), topic, subject: "bob".into(), payload, at }).expect("heard");
    assert_eq!(session(&mut late, "1-ann")["progress"], 1);
}

#[test]
fn a_milestone_is_claimed_in_time() {
    let mut town =
        town(tree(json!({"claim_within_ms": HOUR, "ttl_ms": DAY, "helps_per_pair": 0, "sessions_per_member": 2})));
    start(&mut town, "ann");
    assert_eq!(claim(&mut town, "ann", 1), "boost.milestone-not-reached");
    help(&mut town, "bob", "1-ann");
    assert_eq!(town.held_for("ann"), ["small"]);
    assert_eq!(claim(&mut town, "ann", 1), "");
    assert_eq!(town.rewards_of("ann"), ["small"]);
    assert_eq!(claim(&mut town, "ann", 1), "boost.already-claimed");
    assert_eq!(claim(&mut town, "ann", 9), "common.not-found");
    for helper in ["cat", "dan"] {
        help(&mut town, helper, "1-ann");
    }
    town.pass(HOUR);
    assert_eq!(claim(&mut town, "ann", 3), "boost.claim-window-passed");
    town.pass(2 * DAY);
    assert_eq!((town.rewards_of("ann"), town.held_for("ann")), (vec!["small".to_owned()], vec![]));
}

#[test]
fn a_budget_that_is_used_up_keeps_nobody_from_helping() {
    let mut town = town(json!({}));
    town.world().budget.as_mut().expect("a budget").limit = 50;
    start(&mut town, "ann");
    for helper in ["bob", "cat", "dan"] {
        assert_eq!(help(&mut town, helper, "1-ann"), "");
    }
    assert_eq!(session(&mut town, "1-ann")["prizes"][0]["stage"], "missed");
    assert_eq!(claim(&mut town, "ann", 3), "common.budget-exhausted");
    town.world().budget.as_mut().expect("a budget").limit = 100;
    assert_eq!(claim(&mut town, "ann", 3), "");
    assert_eq!(town.rewards_of("ann"), ["big"]);
}

#[test]
fn helpers_help_so_often_and_not_at_once_in_return() {
    let limits = json!({"helps_per_member_day": 1, "helps_per_member_total": 2, "reciprocal_window_ms": HOUR, "helps_per_pair": 0});
    let mut town = town(limits);
    for owner in ["ann", "bob", "cat", "dan"] {
        start(&mut town, owner);
    }
    assert_eq!(help(&mut town, "bob", "1-ann"), "");
    assert_eq!(help(&mut town, "ann", "1-bob"), "boost.reciprocal");
    assert_eq!(help(&mut town, "bob", "1-cat"), "boost.help-limit-day");
    town.pass(HOUR);
    assert_eq!(help(&mut town, "ann", "1-bob"), "");
    let later = town.now() + DAY;
    town.world().now = later - HOUR;
    assert_eq!(help(&mut town, "bob", "1-cat"), "boost.expired");
    let can: Value = town.ask("bob", "can-help", json!({"session": "1-cat"})).expect("an answer");
    assert_eq!(can, json!({"can": false, "code": "boost.expired"}));
}

#[test]
fn help_makes_winning_more_likely_in_a_draw() {
    let mode = json!({"weighted-draw": {"winners": 2, "offer": "big"}});
    let mut town = town(json!({"mode": mode, "owner_offer": null, "helps_per_pair": 0}));
    for owner in ["ann", "bob", "cat"] {
        start(&mut town, owner);
        for number in 0..5 {
            assert_eq!(help(&mut town, &format!("h{number}"), &format!("1-{owner}")), "");
        }
    }
    assert_eq!(
        town.act("ann", "cancel", json!({"session": "1-ann"})).expect_err("she is in").code,
        "common.wrong-state"
    );
    town.stop();
    let won = ["ann", "bob", "cat"].into_iter().filter(|owner| town.rewards_of(owner) == ["big"]).count();
    assert_eq!(won, 2);
    assert_eq!(town.events().iter().filter(|(topic, _)| topic == "boost.drawn").count(), 2);
    let listed: Value = town.ask("ann", "winners", json!({})).expect("a list");
    let winners = listed["winners"].as_array().expect("a list");
    assert!(winners.iter().all(|winner| town.rewards_of(winner["owner"].as_str().expect("a member")) == ["big"]));
    assert_eq!((winners.len(), &winners[1]["place"], &listed["after"]), (2, &json!(2), &Value::Null));
    let rest: Value = town.ask("ann", "winners", json!({"after": 1})).expect("a list");
    assert_eq!(rest["winners"], json!([winners[1]]));
}

#[test]
fn helps_are_listed_in_pages() {
    let mut town = town(json!({"mode": {"count": {"goal": 1_000}}}));
    start(&mut town, "ann");
    for number in 0..60 {
        help(&mut town, &format!("h{number}"), "1-ann");
    }
    let first: Value = town.ask("ann", "helpers", json!({"session": "1-ann"})).expect("a page");
    let second: Value =
        town.ask("ann", "helpers", json!({"session": "1-ann", "after": first["after"]})).expect("a page");
    assert_eq!(
        (first["helps"].as_array().map(Vec::len), second["helps"].as_array().map(Vec::len)),
        (Some(50), Some(10))
    );
    assert_eq!((&first["helps"][49]["helper"], &second["helps"][0]["helper"]), (&json!("h49"), &json!("h50")));
    assert_eq!(second["after"], Value::Null);
}

#[test]
fn a_config_that_cannot_be_is_refused() {
    let pointers = |changes: Value| -> Vec<String> {
        unstarted(changes).check().expect_err("issues").into_iter().map(|issue| issue.pointer).collect()
    };
    assert_eq!(pointers(json!({"owner_offer": null})), ["/owner_offer"]);
    assert_eq!(pointers(json!({"helper_offer": "moon"})), ["/helper_offer"]);
    let draw = json!({"weighted-draw": {"winners": 1, "offer": "moon"}});
    let wrong = json!({"mode": draw, "owner_offer": null, "confirm_after_ms": 1, "claim_within_ms": HOUR});
    assert_eq!(pointers(wrong), ["/confirm_after_ms", "/claim_within_ms", "/mode/weighted-draw/offer"]);
    let wait = json!({"accelerate": {"base_wait_ms": HOUR, "cut_ms": 1, "min_wait_ms": HOUR, "offer": "big"}});
    assert_eq!(pointers(json!({"mode": wait, "owner_offer": null})), ["/mode/accelerate/min_wait_ms"]);
    let daily = json!({"accumulate": {"milestones": [{"units": 3, "offer": "big"}, {"units": 3, "offer": "big"}], "daily": true}});
    assert_eq!(
        pointers(json!({"mode": daily, "owner_offer": null})),
        ["/mode/accumulate/milestones", "/helps_per_pair"]
    );
    let report = unstarted(json!({"limits": {"total": 5}})).check().expect("a report");
    assert_eq!((report.max_liability, report.warnings.len()), (Some(500), 1));
}
