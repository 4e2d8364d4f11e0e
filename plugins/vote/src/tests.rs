//! The rules played.

mod storms;

use std::collections::BTreeSet;

use fairground_sdk::{
    HostEvent,
    town::{BEGINNING, Town},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Vote;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn config(changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "options": [{"id": "a", "title": "A"}, {"id": "b", "title": "B"}, {"id": "c", "title": "C"}], "duration_ms": HOUR,
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn unstarted(changes: Value) -> Town<Vote> {
    Town::new(config(changes)).offer("thanks", 10).offer("prize", 100).budget(1_000)
}

fn town(changes: Value) -> Town<Vote> {
    unstarted(changes).started()
}

/// The code of the refusal, where it is one.
fn cast(town: &mut Town<Vote>, member: &str, input: Value) -> &'static str {
    town.act(member, "vote", input).err().map_or("", |problem| problem.code)
}

fn choose(town: &mut Town<Vote>, member: &str, choices: &[&str]) -> &'static str {
    cast(town, member, json!({"choices": choices}))
}

fn results(town: &mut Town<Vote>) -> Value {
    town.ask("ann", "results", json!({})).expect("results")
}

fn tallies(town: &mut Town<Vote>) -> Vec<(String, i64)> {
    let tallies = results(town)["tallies"].as_array().expect("shown").clone();
    let tally =
        |tally: Value| (tally["option"].as_str().expect("an id").into(), tally["score"].as_i64().expect("a score"));
    tallies.into_iter().map(tally).collect()
}

fn winners(town: &mut Town<Vote>) -> Vec<String> {
    serde_json::from_value(results(town)["winners"].clone()).expect("ids")
}

#[test]
fn a_plurality_names_whoever_has_the_most() {
    let mut town = town(json!({"voter_offer": "thanks"}));
    assert_eq!(results(&mut town)["tallies"], Value::Null, "hidden until the close");
    for (member, option) in [("ann", "b"), ("bob", "b"), ("cat", "a")] {
        assert_eq!(choose(&mut town, member, &[option]), "");
    }
    assert_eq!(choose(&mut town, "ann", &["a"]), "vote.already-voted");
    assert_eq!(choose(&mut town, "dan", &["a", "b"]), "vote.choice-count");
    assert_eq!(choose(&mut town, "dan", &[]), "vote.choice-count");
    assert_eq!(choose(&mut town, "dan", &["z"]), "vote.unknown-option");
    assert_eq!(town.act("ann", "withdraw-vote", json!({})).expect_err("it is cast").code, "vote.no-revote");
    assert_eq!(town.rewards_of("ann"), ["thanks"]);
    town.pass(HOUR);
    assert_eq!(winners(&mut town), ["b"]);
    assert_eq!(tallies(&mut town), [("b".into(), 20_000), ("a".into(), 10_000)]);
    // V4.
    assert_eq!(choose(&mut town, "dan", &["a"]), "vote.closed");
    let void = town.operate("ops-void", json!({"member": "ann", "reason": "x"})).expect_err("it is declared");
    assert_eq!(void.code, "vote.closed");
}

#[test]
fn each_method_counts_in_its_way() {
    let mut approval = town(json!({"method": {"approval": {"max": 2}}, "secrecy": "open"}));
    choose(&mut approval, "ann", &["a", "b"]);
    choose(&mut approval, "bob", &["b"]);
    assert_eq!(choose(&mut approval, "cat", &["b", "b"]), "vote.choice-count");
    assert_eq!(tallies(&mut approval), [("b".into(), 20_000), ("a".into(), 10_000)]);

    let mut score = town(json!({"method": {"score": {"max": 5}}, "secrecy": "open", "min_choices": 2}));
    assert_eq!(cast(&mut score, "ann", json!({"scores": {"a": 5, "b": 2}})), "");
    assert_eq!(cast(&mut score, "bob", json!({"scores": {"a": 6, "b": 2}})), "vote.choice-count");
    assert_eq!(cast(&mut score, "bob", json!({"scores": {"a": 1}})), "vote.choice-count");
    assert_eq!(tallies(&mut score), [("a".into(), 50_000), ("b".into(), 20_000)]);

    let mut borda = town(json!({"method": {"borda": {"ranks": 3}}, "secrecy": "open"}));
    choose(&mut borda, "ann", &["a", "b", "c"]);
    choose(&mut borda, "bob", &["b", "c"]);
    assert_eq!(tallies(&mut borda), [("b".into(), 50_000), ("a".into(), 30_000), ("c".into(), 30_000)]);
}

#[test]
fn a_vote_weighs_by_tier() {
    let mut town = town(json!({"weights": {"gold": 25_000}, "secrecy": "open"}));
    town.world().join("ann");
    town.world().members.get_mut("ann").expect("a member").0.tier = "gold".into();
    choose(&mut town, "ann", &["a"]);
    choose(&mut town, "bob", &["b"]);
    assert_eq!(tallies(&mut town), [("a".into(), 25_000), ("b".into(), 10_000)]);
}

#[test]
fn a_ballot_is_replaced_or_withdrawn_until_the_close() {
    let mut town = town(json!({"revote": true, "secrecy": "open", "limits": {"per_member_total": 1}}));
    choose(&mut town, "ann", &["a"]);
    assert_eq!(choose(&mut town, "ann", &["b"]), "", "a change is no other part");
    assert_eq!(tallies(&mut town), [("b".into(), 10_000), ("a".into(), 0)]);
    town.act("ann", "withdraw-vote", json!({})).expect("withdrawn");
    assert_eq!(results(&mut town)["voters"], 0);
    assert_eq!(town.act("ann", "withdraw-vote", json!({})).expect_err("it is").code, "common.not-found");
    assert_eq!(choose(&mut town, "ann", &["c"]), "");
    assert_eq!(tallies(&mut town)[0], ("c".into(), 10_000));
}

/// V8.
#[test]
fn what_is_voided_counts_nothing_and_is_not_cast_again() {
    let mut town = town(json!({"revote": true, "secrecy": "open"}));
    choose(&mut town, "ann", &["a"]);
    choose(&mut town, "bob", &["b"]);
    town.operate("ops-void", json!({"member": "ann", "reason": "bought"})).expect("voided");
    choose(&mut town, "cat", &["c"]);
    town.act("cat", "withdraw-vote", json!({})).expect("withdrawn");
    town.operate("ops-void", json!({"member": "cat", "reason": "bought"})).expect("voided");
    for member in ["ann", "cat"] {
        assert_eq!(choose(&mut town, member, &["a"]), "vote.already-voted");
    }
    let at = town.now();
    let closed =
        HostEvent { id: "e".into(), topic: "member.closed".into(), subject: "bob".into(), payload: "null".into(), at };
    town.hear(&closed).expect("heard");
    assert!(tallies(&mut town).iter().all(|(_, score)| *score == 0));
    assert_eq!(results(&mut town)["voters"], 0);
}

#[test]
fn daily_votes_are_so_many_a_day() {
    let mut town = town(json!({"period": {"daily": {"votes": 2}}, "duration_ms": 3 * DAY, "secrecy": "open"}));
    for expected in ["", "", "vote.daily-limit"] {
        assert_eq!(choose(&mut town, "ann", &["a"]), expected);
    }
    town.pass(DAY);
    assert_eq!(choose(&mut town, "ann", &["b"]), "");
    assert_eq!(tallies(&mut town), [("a".into(), 20_000), ("b".into(), 10_000)]);
    assert_eq!(results(&mut town)["voters"], 1, "she is one voter");
    town.operate("ops-void", json!({"member": "ann", "reason": "x"})).expect("voided");
    assert_eq!(results(&mut town)["voters"], 0);
}

#[test]
fn one_ballot_of_many_is_voided_alone_and_scores_have_bounds() {
    let mut town = town(json!({"period": {"daily": {"votes": 2}}, "secrecy": "open", "voter_offer": "thanks"}));
    for _ in 0..2 {
        choose(&mut town, "ann", &["a"]);
    }
    let void = |town: &mut Town<Vote>, ballot: &str| {
        town.operate("ops-void", json!({"member": "ann", "reason": "bought", "ballot": ballot}))
    };
    let day = town.ask::<Value>("ann", "my-ballot", json!({})).expect("ballots");
    assert_eq!(void(&mut town, "2026-01-05.07").expect_err("there is none").code, "common.not-found");
    void(&mut town, "2026-01-05.01").unwrap_or_else(|problem| panic!("{} {day}", problem.code));
    assert_eq!(void(&mut town, "2026-01-05.01").expect_err("it counts no more").code, "common.not-found");
    let now: Value = town.ask("ann", "results", json!({})).expect("results");
    assert_eq!((&now["tallies"][0]["score"], &now["voters"]), (&json!(10_000), &json!(1)));
    assert_eq!(town.payloads("vote.voided"), [json!({"voided": 1, "reason": "bought"})]);
    assert_eq!(town.rewards_of("ann"), ["thanks"], "one of her ballots counts");
    town.stop();
    assert_eq!(town.payloads("vote.declared")[0]["tallies"][0], json!(["a", 10_000]));

    let daily = json!({"period": {"daily": {"votes": 1}}, "voter_offer": "thanks", "duration_ms": DAY});
    let mut last = self::town(daily);
    choose(&mut last, "ann", &["a"]);
    void(&mut last, "2026-01-05.00").expect("voided");
    assert!(last.rewards_of("ann").is_empty(), "nothing of hers counts any more");
    last.pass(5 * HOUR);
    assert_eq!(choose(&mut last, "ann", &["a"]), "", "the next day");
    assert_eq!(last.rewards_of("ann"), ["thanks"], "and another ballot earns it again");

    let mut score = self::town(json!({"method": {"score": {"max": 5, "choices": 1}}}));
    let both = score.act("ann", "vote", json!({"scores": {"a": 1, "b": 2}}));
    assert_eq!(both.expect_err("one only").code, "vote.choice-count");
    score.act("ann", "vote", json!({"scores": {"a": 1}})).expect("a ballot");
}

#[test]
fn who_may_not_take_part_learns_nothing_of_ballots() {
    let mut town = town(json!({"eligibility": {"segments_none": ["staff"]}}));
    choose(&mut town, "ann", &["a"]);
    town.world().members.get_mut("ann").expect("a member").0.tags.push("staff".into());
    let again = town.act("ann", "vote", json!({"choices": ["a"]}));
    assert_eq!(again.expect_err("not for staff").code, "common.not-eligible");
}

#[test]
fn all_that_a_member_has_cast_is_voided_however_much() {
    let period = json!({"daily": {"votes": 20}});
    let mut town =
        town(json!({"period": period, "method": {"approval": {"max": 8}}, "duration_ms": 9 * DAY, "secrecy": "open"}));
    for _ in 0..5 {
        for _ in 0..20 {
            assert_eq!(choose(&mut town, "ann", &["a", "b"]), "");
        }
        town.pass(DAY);
    }
    let mine: Value = town.ask("ann", "my-ballot", json!({})).expect("ballots");
    let next: Value = town.ask("ann", "my-ballot", json!({"after": mine["after"]})).expect("ballots");
    assert_eq!(
        (mine["ballots"].as_array().map(Vec::len), next["ballots"].as_array().map(Vec::len)),
        (Some(50), Some(50))
    );
    let voided = town.operate("ops-void", json!({"member": "ann", "reason": "x"})).expect("voided");
    assert_eq!(voided["is_all"], false);
    town.pass(1);
    let none = vec![("a".to_owned(), 0), ("b".to_owned(), 0)];
    assert_eq!((tallies(&mut town), results(&mut town)["voters"].clone()), (none, json!(0)));
}

#[test]
fn a_tie_is_shared_drawn_or_goes_to_the_first() {
    let play = |tie: Value| {
        let mut town = town(json!({"tie": tie}));
        for (member, option) in [("ann", "b"), ("bob", "a"), ("cat", "c"), ("dan", "c")] {
            choose(&mut town, member, &[option]);
            town.pass(1);
        }
        choose(&mut town, "eve", &["b"]);
        town.pass(1);
        choose(&mut town, "fay", &["a"]);
        town.pass(HOUR);
        winners(&mut town)
    };
    assert_eq!(
        play(json!("co-winners")).into_iter().collect::<BTreeSet<_>>(),
        ["a", "b", "c"].map(String::from).into()
    );
    assert_eq!(play(json!("earliest")), ["c"], "it had two first");
    assert_eq!(play(json!("draw-lots")).len(), 1);
}

#[test]
fn a_run_off_decides_between_those_that_had_the_most() {
    let mut town = town(json!({"tie": {"run-off": {"ms": HOUR}}}));
    for (member, option) in [("ann", "a"), ("bob", "a"), ("cat", "b"), ("dan", "b"), ("eve", "c")] {
        choose(&mut town, member, &[option]);
    }
    town.pass(HOUR);
    assert_eq!((&results(&mut town)["state"], &results(&mut town)["run_off"]), (&json!("run-off"), &json!(["a", "b"])));
    let options: Value = town.ask("ann", "options", json!({})).expect("options");
    assert_eq!(options["options"].as_array().map(Vec::len), Some(2));
    assert_eq!(choose(&mut town, "eve", &["c"]), "vote.unknown-option", "it is out");
    for (member, option) in [("ann", "a"), ("cat", "b"), ("eve", "b")] {
        assert_eq!(choose(&mut town, member, &[option]), "");
    }
    town.pass(HOUR);
    assert_eq!((winners(&mut town), results(&mut town)["round"].clone()), (vec!["b".to_owned()], json!(2)));
    let first: Value = town.ask("ann", "results", json!({"round": 1})).expect("results");
    assert_eq!((&first["voters"], &first["tallies"][2]["score"]), (&json!(5), &json!(10_000)));
}

#[test]
fn without_a_quorum_nobody_wins() {
    let mut town = town(json!({"quorum": 2, "verdict": {"accept_bps": 5_000, "good": "a", "bad": "b"}}));
    choose(&mut town, "ann", &["a"]);
    town.pass(HOUR);
    let results = results(&mut town);
    assert_eq!((&results["has_quorum"], &results["is_accepted"]), (&json!(false), &json!(false)));
    assert!(winners(&mut town).is_empty());
}

/// The orange Friday: fans judge a product every week.
#[test]
fn a_vote_comes_again_every_friday_and_says_whether_it_is_good() {
    let friday = json!({"weekdays": [5], "at_minute": 1_080});
    let verdict = json!({"accept_bps": 6_000, "good": "a", "bad": "b"});
    let mut town = town(json!({"recurrence": friday, "verdict": verdict, "duration_ms": 6 * HOUR}));
    assert_eq!(choose(&mut town, "ann", &["a"]), "vote.not-open");
    // From Monday 20:00 to Friday 18:00 in Shanghai.
    town.pass(4 * DAY - 2 * HOUR);
    for (member, option) in [("ann", "a"), ("bob", "a"), ("cat", "b")] {
        assert_eq!(choose(&mut town, member, &[option]), "");
    }
    town.pass(6 * HOUR);
    assert_eq!((&results(&mut town)["edition"], &results(&mut town)["is_accepted"]), (&json!(1), &json!(true)));
    assert_eq!(choose(&mut town, "dan", &["b"]), "vote.closed");
    town.pass(7 * DAY - 6 * HOUR);
    assert_eq!(choose(&mut town, "ann", &["b"]), "", "another edition, another ballot");
    assert_eq!(results(&mut town)["edition"], 2);
    let first: Value = town.ask("ann", "results", json!({"edition": 1})).expect("results");
    assert_eq!(first["tallies"][0], json!({"option": "a", "score": 20_000}));
}

#[test]
fn members_submit_what_is_voted_and_the_winner_is_rewarded() {
    let submissions = json!({"open_until": BEGINNING + HOUR, "moderated": true});
    let mut town = town(json!({"options": [], "submissions": submissions, "winner_offer": "prize"}));
    let submit = |town: &mut Town<Vote>, member: &str| town.act(member, "submit", json!({"title": "Mine"})).map(drop);
    submit(&mut town, "ann").expect("s-1");
    submit(&mut town, "bob").expect("s-2");
    assert_eq!(submit(&mut town, "ann").expect_err("one each").code, "common.limit-member-total");
    assert_eq!(choose(&mut town, "cat", &["s-1"]), "vote.not-open");
    town.operate("ops-review", json!({"option": "s-1", "ok": true})).expect("approved");
    town.pass(HOUR);
    assert_eq!(submit(&mut town, "dan").expect_err("too late").code, "vote.submission-closed");
    let options: Value = town.ask("cat", "options", json!({})).expect("options");
    assert_eq!(options["options"].as_array().map(Vec::len), Some(1), "what was not approved is not shown");
    for unknown in ["s-2", "s-01", "s-+1"] {
        assert_eq!(choose(&mut town, "cat", &[unknown]), "vote.unknown-option");
    }
    assert_eq!(choose(&mut town, "cat", &["s-1"]), "");
    town.pass(HOUR + 1);
    assert_eq!(town.rewards_of("ann"), ["prize"]);
}

/// V9, and what a receipt is good for.
#[test]
fn an_anonymous_ballot_is_known_by_its_receipt_alone() {
    let mut town = town(json!({"secrecy": "anonymous"}));
    let cast = town.act("ann", "vote", json!({"choices": ["b"], "nonce": "what nobody knows"})).expect("cast");
    let hash = Sha256::digest("what nobody knows\nb 1");
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(cast["receipt"], hash.as_str());
    assert_eq!(town.events().last(), Some(&("vote.voted".into(), hash.clone())));
    let mine: Value = town.ask("ann", "my-ballot", json!({})).expect("a ballot");
    assert_eq!(mine["ballots"][0]["points"], Value::Null);
    let proof: Value = town.ask("ann", "proof", json!({})).expect("a proof");
    assert_eq!(proof["receipts"], json!([hash]));
}

#[test]
fn whoever_comes_after_the_opening_is_no_elector() {
    let mut town = town(json!({"electorate": "at-open"}));
    town.world().join("ann");
    town.world().members.get_mut("ann").expect("a member").0.registered_at = BEGINNING - 1;
    assert_eq!(choose(&mut town, "ann", &["a"]), "");
    assert_eq!(choose(&mut town, "late", &["a"]), "vote.not-in-electorate");
}

#[test]
fn a_config_that_cannot_be_is_refused() {
    let pointers = |changes: Value| -> Vec<String> {
        unstarted(changes).check().expect_err("issues").into_iter().map(|issue| issue.pointer).collect()
    };
    assert_eq!(pointers(json!({"options": []})), ["/options"]);
    assert_eq!(pointers(json!({"min_choices": 2})), ["/min_choices"]);
    let many = json!({"method": {"approval": {"max": 9}}, "min_choices": 4});
    assert_eq!(pointers(many), ["/min_choices"]);
    assert_eq!(pointers(json!({"tie": "earliest", "revote": true})), ["/tie"]);
    assert_eq!(pointers(json!({"voter_offer": "moon"})), ["/voter_offer"]);
    assert_eq!(pointers(json!({"winner_offer": "prize"})), ["/winner_offer"]);
    assert_eq!(pointers(json!({"period": {"daily": {"votes": 1}}, "revote": true})), ["/revote"]);
    assert_eq!(pointers(json!({"verdict": {"accept_bps": 1, "good": "a", "bad": "a"}})), ["/verdict/bad"]);
    let weekly = json!({"weekdays": [1, 3], "at_minute": 0});
    assert_eq!(pointers(json!({"recurrence": weekly, "duration_ms": 2 * DAY})), ["/duration_ms"]);
    assert_eq!(unstarted(json!({"voter_offer": "thanks"})).check().expect("a report").max_liability, None);
    let bounded = json!({"voter_offer": "thanks", "limits": {"total": 7}});
    assert_eq!(unstarted(bounded).check().expect("a report").max_liability, Some(70));
}
