//! The rules played.

mod storms;

use fairground_sdk::{HostEvent, town::Town};
use serde_json::{Value, json};

use crate::Leaderboard;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn config(changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "metrics": [{"topic": "cups", "field": "many", "weight": 1}], "season": "day", "dispute_ms": HOUR,
        "prizes": [
            {"from": 1, "to": 1, "offer": "p1000"}, {"from": 2, "to": 2, "offer": "p500"}, {"from": 3, "to": 3, "offer": "p200"},
        ],
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn unstarted(changes: Value) -> Town<Leaderboard> {
    let town = Town::new(config(changes)).offer("p1000", 1_000).offer("p500", 500).offer("p200", 200);
    town.packet_offer("packet", 1_700).budget(100_000)
}

fn town(changes: Value) -> Town<Leaderboard> {
    unstarted(changes).started()
}

fn tell(town: &mut Town<Leaderboard>, member: &str, topic: &str, payload: Value, at: i64) {
    town.world().join(member);
    let id = format!("{topic}-{member}-{at}");
    let event = HostEvent { id, topic: topic.into(), subject: member.into(), payload: payload.to_string(), at };
    town.hear(&event).expect("heard");
}

fn drink(town: &mut Town<Leaderboard>, member: &str, cups: i64) {
    let now = town.now();
    tell(town, member, "cups", json!({"many": cups}), now);
    town.world().now += 1;
}

/// Subject and score of those that are listed.
fn top(town: &mut Town<Leaderboard>) -> Vec<(String, i64)> {
    let board: Value = town.ask("nobody", "top", json!({})).expect("a board");
    let place = |place: &Value| {
        (place["subject"].as_str().expect("an id").to_owned(), place["score"].as_i64().expect("a score"))
    };
    board["places"].as_array().expect("places").iter().map(place).collect()
}

fn code<T>(answer: Result<T, fairground_sdk::Problem>) -> &'static str {
    answer.err().map_or("", |problem| problem.code)
}

/// What ann, bob and cat win with 10, 10 and 5, by the cost of their offers.
fn won(changes: Value) -> [i64; 3] {
    let mut town = town(changes);
    for (member, cups) in [("ann", 10), ("bob", 10), ("cat", 5)] {
        drink(&mut town, member, cups);
    }
    town.pass(2 * DAY);
    ["ann", "bob", "cat"].map(|member| {
        let given = town.world().holds().filter(|hold| hold.beneficiary == member);
        given.map(|hold| hold.cost).sum()
    })
}

/// Worked example 7.
#[test]
fn ties_win_as_the_rule_says() {
    assert_eq!(won(json!({})), [1_000, 500, 200]);
    assert_eq!(won(json!({"tie": "competition", "max_winners": 9})), [1_000, 1_000, 200]);
    assert_eq!(won(json!({"tie": "dense", "max_winners": 9})), [1_000, 1_000, 500]);
    // 1 000, 500 and 200 of 1 700.
    let pool = json!({"offer": "packet", "total": 1_700, "shares_bps": [5_882, 2_941, 1_177]});
    assert_eq!(won(json!({"tie": "split-pool", "prizes": [], "pool": pool})), [750, 750, 200]);
    assert_eq!(won(json!({"tie": "competition", "max_winners": 1})), [1_000, 0, 0], "the first in the whole order");
}

#[test]
fn whoever_was_first_is_before_the_other() {
    let mut town = town(json!({}));
    for (member, cups) in [("bob", 3), ("ann", 2), ("ann", 1), ("cat", 9)] {
        drink(&mut town, member, cups);
    }
    assert_eq!(top(&mut town), [("cat".into(), 9), ("bob".into(), 3), ("ann".into(), 3)]);
    let around: Value = town.ask("bob", "around", json!({})).expect("a board");
    assert_eq!((&around["places"][1]["subject"], &around["places"][1]["rank"]), (&json!("bob"), &json!(2)));
    let rank: Value = town.ask("ann", "rank", json!({})).expect("a rank");
    assert_eq!(rank["position"], 3);
    let overtaken = |town: &Town<Leaderboard>| {
        town.events().into_iter().filter(|(topic, _)| topic == "leaderboard.overtaken").count()
    };
    assert_eq!(overtaken(&town), 0, "cat came in at the top, and ann has only drawn level");
    drink(&mut town, "ann", 1);
    assert_eq!((overtaken(&town), top(&mut town)[1].0.as_str()), (1, "ann"));
}

#[test]
fn a_day_gives_so_much_and_an_order_scores_once() {
    let metrics = json!([
        {"topic": "cups", "field": "many", "weight": 2, "cap_per_day": 9},
        {"topic": "member.bought", "weight": 5, "dedupe_key": "order"},
    ]);
    let mut town = town(json!({"metrics": metrics, "season": "whole"}));
    for cups in [3, 3, 3] {
        drink(&mut town, "ann", cups);
    }
    assert_eq!(top(&mut town), [("ann".into(), 9)]);
    let score = |town: &mut Town<Leaderboard>, topic: &str, payload: &str| {
        code(town.operate("ops-score", json!({"member": "ann", "topic": topic, "payload": payload})))
    };
    assert_eq!(score(&mut town, "cups", "{\"many\": 1}"), "board.cap-reached");
    assert_eq!(score(&mut town, "member.bought", "{\"order\": \"o1\"}"), "");
    assert_eq!(score(&mut town, "member.bought", "{\"order\": \"o1\"}"), "board.duplicate-event");
    assert_eq!(score(&mut town, "nothing", "{}"), "common.not-found");
    town.pass(DAY);
    assert_eq!(score(&mut town, "cups", "{\"many\": 1}"), "", "another day");
    assert_eq!(top(&mut town), [("ann".into(), 16)]);
}

#[test]
fn what_is_told_late_counts_until_the_ranks_are_final() {
    let mut town = town(json!({"grace_ms": 10 * MINUTE}));
    drink(&mut town, "ann", 1);
    let begun = town.now();
    // The day ends at midnight in Shanghai: four hours after noon, UTC.
    town.pass(4 * HOUR);
    tell(&mut town, "bob", "cups", json!({"many": 2}), begun);
    let first: Value = town.ask("x", "season-result", json!({"edition": 1})).expect("a season");
    assert_eq!((&first["state"], &first["places"][0]["subject"]), (&json!("grace"), &json!("bob")));
    town.pass(10 * MINUTE);
    tell(&mut town, "cat", "cups", json!({"many": 9}), begun);
    let first: Value = town.ask("x", "season-result", json!({"edition": 1})).expect("a season");
    assert_eq!((&first["state"], &first["subjects"]), (&json!("frozen"), &json!(2)), "too late");
    let late = town.operate("ops-adjust", json!({"subject": "ann", "delta": 5, "reason": "x", "edition": 1}));
    assert_eq!(code(late), "board.adjust-after-freeze");
    drink(&mut town, "cat", 1);
    assert_eq!(top(&mut town), [("cat".into(), 1)], "the next season goes on");
}

/// Regression 42: the result is frozen, and hashed.
#[test]
fn a_season_is_paid_once_after_its_disputes() {
    let mut town = town(json!({}));
    for (member, cups) in [("ann", 3), ("bob", 2), ("cat", 1)] {
        drink(&mut town, member, cups);
    }
    assert_eq!(code(town.act("ann", "dispute", json!({"edition": 1, "reason": "x"}))), "board.season-closed");
    town.pass(4 * HOUR + 11 * MINUTE);
    assert_eq!(code(town.act("zoe", "dispute", json!({"edition": 1, "reason": "x"}))), "common.not-eligible");
    town.act("bob", "dispute", json!({"edition": 1, "reason": "ann is a robot"})).expect("said");
    assert_eq!(code(town.act("bob", "dispute", json!({"edition": 1, "reason": "x"}))), "common.limit-member-total");
    town.pass(DAY);
    assert!(town.rewards_of("bob").is_empty(), "nothing is paid while it is disputed");
    town.operate("ops-resolve", json!({"edition": 1, "exclude": ["ann"]})).expect("decided");
    town.pass(DAY);
    assert_eq!(
        (town.rewards_of("ann"), town.rewards_of("bob")),
        (vec![], vec!["p500".to_owned()]),
        "others keep their ranks"
    );
    let first: Value = town.ask("x", "season-result", json!({"edition": 1})).expect("a season");
    assert_eq!(first["state"], "settled");
    town.stop();
    assert_eq!(town.rewards_of("bob"), ["p500"]);
}

#[test]
fn a_season_that_was_to_end_with_the_activity_goes_on_with_it() {
    for season in ["whole", "week"] {
        let mut town = unstarted(json!({"season": season}));
        let begin = town.now();
        town = town.ending_at(begin + HOUR).started();
        drink(&mut town, "ann", 3);
        town.extend(begin + 2 * HOUR);
        town.pass(HOUR + MINUTE);
        drink(&mut town, "bob", 5);
        assert_eq!(top(&mut town), [("bob".to_owned(), 5), ("ann".to_owned(), 3)], "{season}");
        town.end();
        assert_eq!(
            (town.rewards_of("bob"), town.rewards_of("ann")),
            (vec!["p1000".to_owned()], vec!["p500".to_owned()])
        );
        assert!(
            town.ask::<Value>("x", "season-result", json!({"edition": 2})).is_err(),
            "there is one season: {season}"
        );
    }
}

#[test]
fn thousands_are_frozen_and_paid_in_steps() {
    let prizes = json!([{"from": 1, "to": 500, "offer": "p200"}]);
    let mut town = town(json!({"prizes": prizes, "tie": "competition", "max_winners": 400}));
    // Three in each tie.
    for number in 0..1_200i64 {
        let member = format!("m{number:04}");
        let now = town.now();
        tell(&mut town, &member, "cups", json!({"many": 1_000 - number / 3}), now);
    }
    town.pass(DAY);
    let paid = town.world().holds().count();
    assert_eq!(paid, 400);
    let last: Vec<String> = town.rewards_of("m0399");
    assert_eq!((last.len(), town.rewards_of("m0400").len()), (1, 0));
}

#[test]
fn who_is_staff_does_not_score_and_who_hides_still_wins() {
    let mut town = town(json!({"exclude_tags": ["staff"], "visibility": {"mask_names": true}}));
    town.world().join("boss");
    town.world().members.get_mut("boss").expect("a member").0.tags.push("staff".into());
    for member in ["boss", "ann", "bob"] {
        drink(&mut town, member, 2);
    }
    assert_eq!(code(town.operate("ops-score", json!({"member": "boss", "topic": "cups"}))), "board.excluded");
    town.act("ann", "opt-out", json!({"hidden": true})).expect("hidden");
    assert_eq!(top(&mut town), [("bo***".into(), 2)]);
    town.pass(DAY);
    assert_eq!(town.rewards_of("ann"), ["p1000"]);
}

#[test]
fn of_one_identity_one_wins() {
    let mut town = town(json!({"risk": {"cluster_limit": 1}}));
    for (member, cups) in [("ann", 9), ("anna", 7), ("bob", 5)] {
        drink(&mut town, member, cups);
    }
    for member in ["ann", "anna"] {
        town.world().members.get_mut(member).expect("a member").1 = vec!["one phone".into()];
    }
    town.stop();
    let won = ["ann", "anna", "bob"].map(|member| town.rewards_of(member).len());
    assert_eq!(won, [1, 0, 1], "the second of one phone wins nothing, and nobody moves up");
    let told: Vec<Value> = town.payloads("leaderboard.prize");
    assert_eq!([&told[0]["hold"], &told[1]["is_given"]], [&json!("season:1:ann"), &json!(false)]);
}

/// Who does not win takes nobody's place.
#[test]
fn whoever_is_denied_is_not_counted() {
    let mut town = town(json!({"risk": {"cluster_limit": 1}}));
    for (member, cups, phones) in [("ann", 9, vec!["a"]), ("bob", 7, vec!["b", "a"]), ("cat", 5, vec!["b"])] {
        drink(&mut town, member, cups);
        town.world().members.get_mut(member).expect("a member").1 = phones.into_iter().map(Into::into).collect();
    }
    town.stop();
    assert_eq!(["ann", "bob", "cat"].map(|member| town.rewards_of(member).len()), [1, 0, 1]);
}

#[test]
fn who_is_masked_or_hidden_is_so_in_the_news_too() {
    let visibility = json!({"top": 10, "around_me": 1, "mask_names": true, "opt_out": true});
    let mut town = town(json!({"visibility": visibility}));
    drink(&mut town, "ann", 1);
    drink(&mut town, "bob", 2);
    drink(&mut town, "cat", 1);
    drink(&mut town, "ann", 5);
    town.act("cat", "opt-out", json!({"hidden": true})).expect("hidden");
    drink(&mut town, "cat", 9);
    let by: Vec<Value> = town.payloads("leaderboard.overtaken").iter().map(|told| told["by"].clone()).collect();
    assert_eq!(by, [json!("an***"), Value::Null]);
}

#[test]
fn seasons_that_are_over_can_be_looked_up() {
    let mut town = town(json!({}));
    drink(&mut town, "ann", 9);
    drink(&mut town, "bob", 3);
    town.pass(4 * HOUR + 11 * MINUTE);
    town.act("bob", "dispute", json!({"edition": 1, "reason": "she slept"})).expect("heard");
    let rank: Value = town.ask("ann", "rank", json!({"edition": 1})).expect("a rank");
    let around: Value = town.ask("bob", "around", json!({"edition": 1})).expect("a board");
    assert_eq!((&rank["score"], &around["places"][1]["score"]), (&json!(9), &json!(3)));
    let result: Value = town.ask("ann", "season-result", json!({"edition": 1})).expect("a board");
    assert_eq!(result["disputes"], 1);
    assert_eq!(town.payloads("leaderboard.disputed"), [json!({"member": "bob", "reason": "she slept"})]);
}

#[test]
fn groups_score_together_and_each_member_wins() {
    let mut town = town(json!({"subject": "group", "prizes": [{"from": 1, "to": 1, "offer": "p200"}]}));
    for (group, members) in [("red", ["ann", "bob"]), ("blue", ["cat", "dan"])] {
        for member in members {
            town.world().join(member);
            town.world().groups.entry(group.into()).or_default().insert(member.into());
        }
    }
    for (member, cups) in [("ann", 2), ("cat", 3), ("bob", 2)] {
        drink(&mut town, member, cups);
    }
    assert_eq!(top(&mut town), [("red".into(), 4), ("blue".into(), 3)]);
    town.pass(DAY);
    let given = ["ann", "bob", "cat"].map(|member| town.rewards_of(member).len());
    assert_eq!(given, [1, 1, 0]);
}

fn with_stakes() -> Value {
    let stake = json!({"account": "points", "points": 5});
    json!({"pk": {"duration_ms": HOUR, "accept_window_ms": 10 * MINUTE, "stake": stake}})
}

fn points(town: &mut Town<Leaderboard>, member: &str) -> u64 {
    town.world().points.get(&(member.to_owned(), "points".to_owned())).copied().unwrap_or_default()
}

#[test]
fn the_better_of_two_takes_both_stakes() {
    let mut town = town(with_stakes());
    for member in ["ann", "bob"] {
        town.world().join(member);
        town.world().points.insert((member.into(), "points".into()), 7);
    }
    assert_eq!(code(town.act("ann", "challenge", json!({"to": "ann"}))), "common.self-action");
    assert_eq!(code(town.act("ann", "challenge", json!({"to": "bob", "stake": 6}))), "board.stake-too-high");
    assert_eq!(code(town.act("poor", "challenge", json!({"to": "bob"}))), "board.stake-too-high");
    town.act("ann", "challenge", json!({"to": "bob"})).expect("d1");
    assert_eq!(code(town.act("ann", "challenge", json!({"to": "bob"}))), "board.duel-exists");
    assert_eq!(code(town.act("cat", "accept", json!({"duel": "d1"}))), "common.not-owner");
    drink(&mut town, "ann", 9);
    town.act("bob", "accept", json!({"duel": "d1"})).expect("accepted");
    assert_eq!((points(&mut town, "ann"), points(&mut town, "bob")), (2, 2));
    drink(&mut town, "bob", 1);
    town.pass(HOUR);
    let duel: Value = town.ask("x", "duel", json!({"duel": "d1"})).expect("a duel");
    assert_eq!(
        (&duel["state"], &duel["scores"]),
        (&json!("won"), &json!([0, 1])),
        "what was scored before does not count"
    );
    assert_eq!((points(&mut town, "ann"), points(&mut town, "bob")), (2, 12));
}

#[test]
fn a_challenge_that_comes_to_nothing_gives_the_stake_back() {
    let mut town = town(with_stakes());
    for member in ["ann", "bob"] {
        town.world().join(member);
        town.world().points.insert((member.into(), "points".into()), 5);
    }
    town.act("ann", "challenge", json!({"to": "bob"})).expect("d1");
    town.act("bob", "decline", json!({"duel": "d1"})).expect("declined");
    assert_eq!(points(&mut town, "ann"), 5);
    town.act("ann", "challenge", json!({"to": "bob"})).expect("d2");
    town.world().now += 10 * MINUTE;
    assert_eq!(code(town.act("bob", "accept", json!({"duel": "d2"}))), "board.duel-expired");
    town.pass(1);
    assert_eq!(points(&mut town, "ann"), 5);
    town.act("ann", "challenge", json!({"to": "bob"})).expect("d3");
    town.act("bob", "accept", json!({"duel": "d3"})).expect("accepted");
    town.pass(HOUR);
    assert_eq!((points(&mut town, "ann"), points(&mut town, "bob")), (5, 5), "nobody was better");
}

#[test]
fn seasons_follow_the_calendar() {
    let ends = |season: Value| {
        let mut town = town(json!({"season": season}));
        let board: Value = town.ask("x", "top", json!({})).expect("a board");
        (board["ends_at"].as_i64().expect("an instant") - town.now()) / HOUR
    };
    // It is Monday, 2026-01-05, 20:00 in Shanghai.
    assert_eq!(ends(json!("day")), 4);
    assert_eq!(ends(json!("week")), 4 + 6 * 24);
    assert_eq!(ends(json!("month")), 4 + 26 * 24);
}

#[test]
fn a_config_that_cannot_be_is_refused() {
    let pointers = |changes: Value| -> Vec<String> {
        unstarted(changes).check().expect_err("issues").into_iter().map(|issue| issue.pointer).collect()
    };
    assert_eq!(pointers(json!({"tie": "competition"})), ["/max_winners"]);
    assert_eq!(pointers(json!({"tie": "split-pool"})), ["/tie"]);
    let pool = json!({"offer": "packet", "total": 1_701, "shares_bps": [9_000, 1_001]});
    assert_eq!(pointers(json!({"pool": pool})), ["/pool/offer", "/pool/shares_bps"]);
    let prizes = json!([{"from": 2, "to": 1, "offer": "p500"}, {"from": 1, "to": 3, "offer": "moon"}]);
    assert_eq!(pointers(json!({"prizes": prizes})), ["/prizes/0/from", "/prizes/1/offer", "/prizes/1/from"]);
    assert_eq!(pointers(json!({"metrics": [{"topic": "order.paid", "weight": 1}]})), ["/metrics/0/topic"]);
    assert_eq!(unstarted(json!({"season": "whole"})).check().expect("a report").max_liability, Some(1_700));
    assert_eq!(unstarted(json!({})).check().expect("a report").max_liability, None, "any number of days");
}
