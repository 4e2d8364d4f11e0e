//! The rules played.

mod storms;

use fairground_sdk::{HostEvent, MemberStatus, town::Town};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    Swap, circles,
    config::Config,
    listing::{Grade, Listing, State},
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn config(changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "categories": ["a", "b", "c", "d", "e", "f"], "deposit": {"account": "points", "points": 300},
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn town(changes: Value) -> Town<Swap> {
    let mut town = Town::new(config(changes)).started();
    for member in ["ann", "bob", "cat", "dan", "eve"] {
        town.world().join(member);
        town.world().points.insert((member.into(), "points".into()), 300);
    }
    town
}

fn code<T>(answer: Result<T, fairground_sdk::Problem>) -> &'static str {
    answer.err().map_or("", |problem| problem.code)
}

/// Lists something of a category for another one; its id.
fn list(town: &mut Town<Swap>, member: &str, category: &str, wants: &str) -> String {
    let input = json!({"title": "x", "category": category, "grade": "good", "value": 1_000, "wants": [wants]});
    town.act(member, "list", input).expect("a listing")["listing"].as_str().expect("an id").into()
}

fn act(town: &mut Town<Swap>, member: &str, action: &str, trade: &str) -> &'static str {
    let input = if action == "dispute" { json!({"trade": trade, "reason": "x"}) } else { json!({"trade": trade}) };
    code(town.act(member, action, input))
}

fn keep(town: &mut Town<Swap>, member: &str, trade: &str) -> &'static str {
    code(town.act(member, "receive", json!({"trade": trade, "keep": true})))
}

fn state(town: &mut Town<Swap>, member: &str, trade: &str) -> String {
    let trade: Value = town.ask(member, "trade", json!({"trade": trade})).expect("a trade");
    trade["state"].as_str().expect("a state").into()
}

fn listing(town: &mut Town<Swap>, id: &str) -> String {
    let listing: Value = town.ask("ann", "listing", json!({"listing": id})).expect("a listing");
    listing["state"].as_str().expect("a state").into()
}

fn points(town: &mut Town<Swap>) -> [u64; 5] {
    ["ann", "bob", "cat", "dan", "eve"].map(|member| town.world().points[&(member.to_owned(), "points".to_owned())])
}

/// A circle of so many, who have all confirmed.
fn circle(town: &mut Town<Swap>, members: &[&str]) {
    let categories = ["a", "b", "c", "d", "e"];
    for (at, member) in members.iter().enumerate() {
        // Each wants what the one before has.
        list(town, member, categories[at], categories[(at + members.len() - 1) % members.len()]);
    }
    town.pass(HOUR);
    for member in members {
        assert_eq!(act(town, member, "confirm", "t1"), "");
    }
    assert_eq!(state(town, members[0], "t1"), "in-transit");
}

fn cycles(max_len: u32) -> Value {
    json!({"matching": {"cycles": {"max_len": max_len, "run_every_ms": HOUR}}})
}

#[test]
fn two_swap_by_an_offer() {
    let mut town = town(json!({}));
    let (mine, theirs) = (list(&mut town, "ann", "a", "b"), list(&mut town, "bob", "b", "a"));
    let offer = json!({"mine": [mine], "theirs": [theirs]});
    assert_eq!(code(town.act("cat", "offer", offer.clone())), "common.not-owner");
    town.act("ann", "offer", offer.clone()).expect("t1");
    assert_eq!(points(&mut town)[..2], [0, 300], "her deposit");
    assert_eq!(code(town.act("ann", "offer", offer)), "swap.deposit-required");
    assert_eq!(act(&mut town, "cat", "accept", "t1"), "swap.not-party");
    assert_eq!(act(&mut town, "bob", "accept", "t1"), "");
    assert_eq!(code(town.act("ann", "withdraw", json!({"listing": mine}))), "swap.already-locked");
    for member in ["ann", "bob"] {
        assert_eq!(act(&mut town, member, "ship", "t1"), "");
        assert_eq!(act(&mut town, member, "ship", "t1"), "common.wrong-state");
    }
    assert_eq!(keep(&mut town, "ann", "t1"), "");
    assert_eq!(act(&mut town, "bob", "receive", "t1"), "");
    assert_eq!(state(&mut town, "ann", "t1"), "in-transit", "bob still looks at it");
    town.pass(2 * DAY);
    assert_eq!((state(&mut town, "ann", "t1"), listing(&mut town, &mine)), ("settled".into(), "exchanged".into()));
    assert_eq!(points(&mut town)[..2], [300, 300]);
    let reputation: Value = town.ask("ann", "reputation", json!({"member": "bob"})).expect("a reputation");
    assert_eq!(reputation["score"], 1);
}

/// Worked example 14.
#[test]
fn one_of_three_who_does_not_ship_pays_the_others() {
    let mut town = town(cycles(3));
    circle(&mut town, &["ann", "bob", "cat"]);
    assert_eq!(points(&mut town)[..3], [0, 0, 0]);
    for member in ["ann", "bob"] {
        assert_eq!(act(&mut town, member, "ship", "t1"), "");
    }
    town.pass(3 * DAY);
    assert_eq!(state(&mut town, "ann", "t1"), "unwinding");
    // ann holds nobody's thing, for cat has not shipped; bob has hers.
    assert_eq!(points(&mut town)[..3], [300 + 150, 150, 0]);
    assert_eq!(act(&mut town, "ann", "receive", "t1"), "", "hers has come back");
    assert_eq!(act(&mut town, "bob", "receive", "t1"), "");
    assert_eq!((state(&mut town, "ann", "t1"), points(&mut town)), ("cancelled".into(), [450, 450, 0, 300, 300]));
    let states = ["l1", "l2", "l3"].map(|id| listing(&mut town, id));
    assert_eq!(states, ["listed", "listed", "withdrawn"]);
    let reputation: Value = town.ask("ann", "reputation", json!({"member": "cat"})).expect("a reputation");
    assert_eq!(reputation["faults"], 1);
}

/// Whoever sends back what another had shipped is paid for it first.
#[test]
fn sending_back_is_paid_out_of_the_deposit() {
    let mut changes = cycles(3);
    changes["return_cost"] = json!(40);
    let mut town = town(changes);
    circle(&mut town, &["ann", "bob", "cat"]);
    for member in ["ann", "bob"] {
        assert_eq!(act(&mut town, member, "ship", "t1"), "");
    }
    town.pass(3 * DAY);
    // bob has what ann had shipped; what bob had shipped is cat's to send, whose deposit it is.
    assert_eq!(points(&mut town)[..3], [300 + 130, 170, 0]);
    let told = &town.payloads("swap.unwound")[0];
    assert_eq!(told["forfeits"], json!([{"to": "ann", "points": 130}, {"to": "bob", "points": 170}]));
    for member in ["ann", "bob"] {
        assert_eq!(act(&mut town, member, "receive", "t1"), "");
    }
    assert_eq!(points(&mut town), [430, 470, 0, 300, 300], "S4: what was put in is what came out");
}

#[test]
fn what_is_looked_for_is_found() {
    let mut town = town(json!({"grades": ["new", "good"]}));
    let mut list = |member: &str, title: &str, category: &str, grade: &str, value: i64| {
        let listing = json!({"title": title, "category": category, "grade": grade, "value": value});
        code(town.act(member, "list", listing))
    };
    assert_eq!(list("ann", "Red kettle", "a", "new", 500), "");
    assert_eq!(list("ann", "Old kettle", "b", "good", 100), "");
    assert_eq!(list("bob", "Lamp", "b", "good", 900), "");
    assert_eq!(list("bob", "Lamp", "b", "fair", 900), "swap.banned-category", "no such grade");
    let mut found = |filters: Value| -> Vec<String> {
        let page: Value = town.ask("cat", "browse", filters).expect("a page");
        let ids = page["listings"].as_array().expect("a list").iter();
        ids.map(|listing| listing["listing"].as_str().expect("an id").into()).collect()
    };
    assert_eq!(found(json!({})), ["l1", "l2", "l3"]);
    assert_eq!(found(json!({"title": "KETTLE"})), ["l1", "l2"]);
    assert_eq!(found(json!({"grade": "like-new"})), ["l1"], "at least");
    assert_eq!(found(json!({"value_from": 200, "value_to": 500})), ["l1"]);
    assert_eq!(found(json!({"owner": "bob", "category": "b"})), ["l3"]);
}

#[test]
fn whoever_leaves_has_nothing_to_swap_however_much_it_was() {
    let mut town = town(json!({"listings_per_member": 100}));
    for _ in 0..25 {
        list(&mut town, "bob", "b", "a");
    }
    list(&mut town, "ann", "b", "a");
    let (id, topic, at) = ("e".into(), "member.closed".into(), town.now());
    town.hear(&HostEvent { id, topic, subject: "bob".into(), payload: "null".into(), at }).expect("heard");
    town.pass(1);
    let left: Value = town.ask("cat", "browse", json!({})).expect("a page");
    let owners: Vec<&Value> = left["listings"].as_array().expect("a list").iter().map(|it| &it["owner"]).collect();
    assert_eq!(owners, [&json!("ann")]);
}

#[test]
fn what_was_proposed_of_somebody_who_has_left_is_gone_after_that() {
    let mut fresh = town(cycles(2));
    list(&mut fresh, "ann", "a", "b");
    list(&mut fresh, "bob", "b", "a");
    fresh.pass(HOUR);
    assert_eq!(state(&mut fresh, "ann", "t1"), "proposed");
    fresh.world().members.get_mut("bob").expect("bob").0.status = MemberStatus::Closed;
    fresh.pass(DAY);
    assert_eq!(state(&mut fresh, "ann", "t1"), "expired");
    assert_eq!([listing(&mut fresh, "l1"), listing(&mut fresh, "l2")], ["listed", "removed"]);
}

#[test]
fn a_circle_of_five_with_one_defaulter_ends() {
    let mut town = town(cycles(5));
    circle(&mut town, &["ann", "bob", "cat", "dan", "eve"]);
    for member in ["ann", "bob", "cat", "dan"] {
        assert_eq!(act(&mut town, member, "ship", "t1"), "");
    }
    town.pass(20 * DAY);
    assert_eq!(state(&mut town, "ann", "t1"), "cancelled", "also where nobody says that it came back");
    assert_eq!(points(&mut town), [375, 375, 375, 375, 0]);
}

#[test]
fn one_who_declines_a_circle_leaves_the_others_first_in_the_next() {
    let mut town = town(cycles(2));
    for (member, has, wants) in [("ann", "a", "b"), ("bob", "b", "a"), ("cat", "b", "a")] {
        list(&mut town, member, has, wants);
    }
    town.pass(HOUR);
    assert_eq!(state(&mut town, "bob", "t1"), "proposed");
    assert_eq!(code(town.act("ann", "withdraw", json!({"listing": "l1"}))), "swap.already-locked");
    assert_eq!(act(&mut town, "ann", "confirm", "t1"), "");
    assert_eq!(act(&mut town, "bob", "decline", "t1"), "");
    assert_eq!(points(&mut town)[0], 300, "she has her deposit back");
    town.pass(HOUR);
    assert_eq!(state(&mut town, "cat", "t2"), "proposed", "bob does not want hers");
    town.pass(DAY);
    assert_eq!(state(&mut town, "cat", "t2"), "expired", "nobody confirmed");
}

#[test]
fn an_offer_keeps_to_values_and_top_ups() {
    let mut town = town(json!({"deposit": null, "top_up": {"account": "points", "points": 50}}));
    let mine = list(&mut town, "ann", "a", "b");
    let dear = json!({"title": "x", "category": "b", "grade": "new", "value": 1_429});
    let dear = town.act("bob", "list", dear).expect("a listing")["listing"].clone();
    assert_eq!(code(town.act("ann", "offer", json!({"mine": [mine], "theirs": [dear]}))), "swap.value-gap");
    let theirs = list(&mut town, "bob", "b", "a");
    let offer = |top_up: i64| json!({"mine": ["l1"], "theirs": [theirs], "top_up": top_up});
    assert_eq!(code(town.act("ann", "offer", offer(51))), "swap.top-up-limit");
    town.act("ann", "offer", offer(-50)).expect("t1");
    assert_eq!(act(&mut town, "bob", "accept", "t1"), "");
    assert_eq!(points(&mut town)[..2], [300, 250], "bob adds fifty");
    for member in ["ann", "bob"] {
        act(&mut town, member, "ship", "t1");
    }
    for member in ["ann", "bob"] {
        assert_eq!(keep(&mut town, member, "t1"), "");
    }
    assert_eq!(points(&mut town)[..2], [350, 250], "S5");
    let same = json!({"mine": ["l1"], "theirs": ["l1"]});
    assert_eq!(code(town.act("ann", "offer", same)), "swap.not-listed");
}

#[test]
fn the_first_accepted_offer_locks_and_what_was_changed_is_no_offer() {
    let mut town = town(json!({"deposit": null}));
    for (member, has, wants) in [("ann", "a", "b"), ("bob", "b", "a"), ("cat", "b", "a")] {
        list(&mut town, member, has, wants);
    }
    for (member, mine) in [("bob", "l2"), ("cat", "l3")] {
        town.act(member, "offer", json!({"mine": [mine], "theirs": ["l1"]})).expect("an offer");
    }
    let changed = json!({"title": "another", "category": "b", "grade": "fair", "value": 1_000});
    town.act("bob", "edit", json!({"listing": "l2", "as": changed})).expect("changed");
    assert_eq!(act(&mut town, "ann", "accept", "t1"), "swap.not-listed", "it is not what was offered");
    assert_eq!(act(&mut town, "ann", "accept", "t2"), "");
    town.act("bob", "offer", json!({"mine": ["l2"], "theirs": ["l1"]})).expect_err("it is locked");
    assert_eq!(act(&mut town, "ann", "accept", "t1"), "swap.not-listed");
    assert_eq!(act(&mut town, "ann", "decline", "t1"), "");
}

#[test]
fn a_counter_offer_replaces_the_offer() {
    let mut town = town(json!({"deposit": null}));
    for (member, has) in [("ann", "a"), ("bob", "b"), ("bob", "c")] {
        list(&mut town, member, has, "a");
    }
    town.act("ann", "offer", json!({"mine": ["l1"], "theirs": ["l2"]})).expect("t1");
    let instead = json!({"mine": ["l3"], "theirs": ["l1"]});
    let counter = town.act("bob", "counter", json!({"trade": "t1", "instead": instead})).expect("t2");
    assert_eq!((&counter["trade"], state(&mut town, "ann", "t1")), (&json!("t2"), "declined".into()));
    assert_eq!(act(&mut town, "ann", "accept", "t2"), "");
}

#[test]
fn a_dispute_is_decided_or_ends_by_itself() {
    let play = |decide: bool| {
        let mut town = town(cycles(2));
        circle(&mut town, &["ann", "bob"]);
        assert_eq!(act(&mut town, "ann", "dispute", "t1"), "swap.dispute-closed", "nothing is on its way to her");
        for member in ["ann", "bob"] {
            act(&mut town, member, "ship", "t1");
        }
        act(&mut town, "ann", "receive", "t1");
        assert_eq!(act(&mut town, "ann", "dispute", "t1"), "");
        if decide {
            let decision = json!({"trade": "t1", "settled": false, "at_fault": ["bob"]});
            town.operate("ops-resolve", decision).expect("decided");
        }
        town.pass(3 * DAY);
        assert_eq!((state(&mut town, "ann", "t1"), listing(&mut town, "l1")), ("cancelled".into(), "withdrawn".into()));
        points(&mut town)
    };
    assert_eq!(play(true)[..2], [600, 0]);
    assert_eq!(play(false)[..2], [300, 300]);
}

#[test]
fn at_a_meeting_the_giver_enters_what_the_receiver_tells() {
    let mut town = town(json!({"matching": {"cycles": {"max_len": 2, "run_every_ms": HOUR}}, "delivery": "meet-up"}));
    circle(&mut town, &["ann", "bob"]);
    let told = |town: &mut Town<Swap>, member: &str, leg: usize| -> Option<String> {
        let trade: Value = town.ask(member, "trade", json!({"trade": "t1"})).expect("a trade");
        trade["legs"][leg]["code"].as_str().map(Into::into)
    };
    // The first leg is ann's gift to bob.
    assert_eq!(told(&mut town, "ann", 0), None, "the giver does not see it");
    let right = told(&mut town, "bob", 0).expect("the receiver does");
    let wrong = if right == "000000" { "111111" } else { "000000" };
    let enter = |town: &mut Town<Swap>, code: &str| town.act("ann", "enter-code", json!({"trade": "t1", "code": code}));
    for left in (0..5).rev() {
        let answer = enter(&mut town, wrong).expect("counted");
        assert_eq!((&answer["legs"][0]["state"], &answer["legs"][0]["codes_left"]), (&json!("awaiting"), &json!(left)));
    }
    assert_eq!(code(enter(&mut town, &right)), "swap.code-wrong", "too many were");
    let other = told(&mut town, "ann", 1).expect("hers");
    town.act("bob", "enter-code", json!({"trade": "t1", "code": other})).expect("right");
    assert_eq!(act(&mut town, "ann", "ship", "t1"), "");
    assert_eq!(keep(&mut town, "bob", "t1"), "");
    assert_eq!(state(&mut town, "ann", "t1"), "settled");
}

#[test]
fn listings_keep_to_categories_limits_and_time() {
    let changes =
        json!({"listings_per_member": 2, "banned_categories": ["f"], "listing_ttl_ms": DAY, "min_reputation": 0});
    let mut town = town(changes);
    let banned = json!({"title": "x", "category": "f", "grade": "new", "value": 1});
    assert_eq!(code(town.act("ann", "list", banned)), "swap.banned-category");
    let first = list(&mut town, "ann", "a", "b");
    list(&mut town, "ann", "a", "b");
    let third = json!({"title": "x", "category": "a", "grade": "new", "value": 1});
    assert_eq!(code(town.act("ann", "list", third.clone())), "swap.listing-limit");
    town.act("ann", "withdraw", json!({"listing": first})).expect("withdrawn");
    town.act("ann", "list", third).expect("there is room");
    let browse: Value = town.ask("bob", "browse", json!({"category": "a"})).expect("a page");
    assert_eq!(browse["listings"].as_array().map(Vec::len), Some(2));
    town.pass(DAY);
    let browse: Value = town.ask("bob", "browse", json!({"category": "a"})).expect("a page");
    assert_eq!(browse["listings"].as_array().map(Vec::len), Some(0));
    assert_eq!(listing(&mut town, "l2"), "expired");
}

#[test]
fn what_fits_is_found_and_pages_are_complete() {
    let mut town = town(json!({"listings_per_member": 100}));
    for _ in 0..60 {
        list(&mut town, "bob", "b", "a");
    }
    let mine = list(&mut town, "ann", "a", "b");
    let matches: Value = town.ask("ann", "matches", json!({"listing": mine})).expect("a page");
    assert_eq!(matches["listings"].as_array().map(Vec::len), Some(50));
    let first: Value = town.ask("ann", "browse", json!({"category": "b"})).expect("a page");
    let second: Value = town.ask("ann", "browse", json!({"category": "b", "after": first["after"]})).expect("a page");
    assert_eq!((&first["listings"][49]["listing"], &second["listings"][0]["listing"]), (&json!("l50"), &json!("l51")));
    assert_eq!((second["listings"].as_array().map(Vec::len), &second["after"]), (Some(10), &Value::Null));
}

fn graph(wants: &[Vec<usize>]) -> Vec<Listing> {
    let listing = |(at, wants): (usize, &Vec<usize>)| Listing {
        number: u32::try_from(at).expect("few") + 1,
        owner: format!("m{at}"),
        category: "a".into(),
        grade: Grade::Good,
        title: "x".into(),
        value: 100,
        wants: wants.iter().map(|want| format!("l{}", want + 1)).collect(),
        refused: Vec::new(),
        state: State::Listed,
        trade: None,
        expires_at: 1,
        version: 0,
        is_first: false,
    };
    wants.iter().enumerate().map(listing).collect()
}

proptest! {
    /// Circles are what is wanted all round, no listing is in two, and they are the same each time.
    #[test]
    fn circles_are_circles(wants in prop::collection::vec(prop::collection::vec(0..12usize, 0..4), 2..12), max_len in 2..6usize) {
        let listings = graph(&wants);
        let config: Config = serde_json::from_value(config(json!({}))).expect("a config");
        let persons: Vec<usize> = (0..listings.len()).collect();
        let find = |edges: u32| circles::find(&listings, &persons, &config, (max_len, edges));
        let found = find(10_000);
        prop_assert_eq!(&found, &find(10_000));
        let mut used = std::collections::BTreeSet::new();
        for circle in &found {
            prop_assert!((2..=max_len).contains(&circle.len()));
            for (at, giver) in circle.iter().enumerate() {
                let receiver = circle[(at + 1) % circle.len()];
                prop_assert!(wants[receiver].contains(giver), "{receiver} wants {giver}");
                prop_assert!(used.insert(*giver));
            }
        }
        // Two that want each other and are in no circle would have been found.
        for one in 0..wants.len() {
            for other in 0..one {
                let want_each_other = wants[one].contains(&other) && wants[other].contains(&one);
                prop_assert!(!want_each_other || used.contains(&one) || used.contains(&other));
            }
        }
        prop_assert!(find(0).is_empty(), "no steps, no circles");
        // All are one person, and nobody swaps with themselves.
        prop_assert!(circles::find(&listings, &vec![0; listings.len()], &config, (max_len, 10_000)).is_empty());
    }
}
