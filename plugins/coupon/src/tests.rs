//! The rules played.

mod storms;

use fairground_sdk::{Audience, HostEvent, MemberStatus, town::Town};
use serde_json::{Value, json};

use crate::Coupon;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn config(changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "inviter_offer": "inviter", "invitee_offer": "invitee",
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn unstarted(changes: Value) -> Town<Coupon> {
    let town = Town::new(config(changes)).offer("inviter", 500).offer("invitee", 500).offer("small", 10);
    town.commission_offer("cut", 50).budget(10_000)
}

fn town(changes: Value) -> Town<Coupon> {
    unstarted(changes).started()
}

fn code_of(town: &mut Town<Coupon>, member: &str) -> String {
    town.act(member, "get-code", json!({})).expect("a code")["code"].as_str().expect("a text").into()
}

/// What came of using a member's code: the state, or the code of the refusal.
fn bind(town: &mut Town<Coupon>, invitee: &str, inviter: &str) -> String {
    let code = code_of(town, inviter);
    match town.act(invitee, "bind", json!({"code": code})) {
        Ok(view) => view["state"].as_str().expect("a state").into(),
        Err(problem) => problem.code.into(),
    }
}

fn mine(town: &mut Town<Coupon>, invitee: &str) -> (String, Option<String>) {
    let view: Value = town.ask(invitee, "mine", json!({})).expect("a view");
    (view["state"].as_str().expect("a state").into(), view["reason"].as_str().map(Into::into))
}

fn hear(town: &mut Town<Coupon>, topic: &str, subject: &str, payload: Value) {
    let at = town.now();
    let id = format!("{topic}-{subject}-{at}");
    let event = HostEvent { id, topic: topic.into(), subject: subject.into(), payload: payload.to_string(), at };
    town.hear(&event).expect("heard");
}

fn bought(town: &mut Town<Coupon>, member: &str, order: &str, total: i64) {
    hear(town, "member.bought", member, json!({"order": order, "sku": "mug", "total_minor": total}));
}

/// Worked example 13, and regression 45: what is not paid to one is paid to nobody.
#[test]
fn a_budget_for_one_side_only_pays_neither() {
    let mut town = town(json!({}));
    town.world().budget.as_mut().expect("a budget").limit = 800;
    assert_eq!(bind(&mut town, "bob", "ann"), "qualified");
    assert_eq!(mine(&mut town, "bob"), ("qualified".into(), Some("common.budget-exhausted".into())));
    let budget = town.world().budget.clone().expect("a budget");
    assert_eq!((budget.held, budget.captured, budget.grants), (0, 0, 0));
    town.pass(HOUR);
    assert_eq!(mine(&mut town, "bob").0, "qualified", "tried again, and refused again");
    town.world().budget.as_mut().expect("a budget").limit = 1_000;
    town.pass(HOUR);
    assert_eq!(mine(&mut town, "bob"), ("rewarded".into(), None));
    assert_eq!((town.rewards_of("ann"), town.rewards_of("bob")), (vec!["inviter".into()], vec!["invitee".into()]));
}

#[test]
fn a_code_is_for_others_and_a_member_is_brought_once() {
    let mut town = town(json!({"code": {"uses": 2, "personal": 1}}));
    let code = code_of(&mut town, "ann");
    assert_eq!(code_of(&mut town, "ann"), code, "the same each time");
    assert!(code.len() == 8 && !code.contains(['0', 'O', '1', 'I', 'l']));
    assert_eq!(bind(&mut town, "ann", "ann"), "referral.self");
    let written = format!(" {}-{} ", code[..4].to_lowercase(), &code[4..]);
    town.act("bob", "bind", json!({"code": written})).expect("small letters and blanks are fine");
    assert_eq!(bind(&mut town, "bob", "cat"), "referral.already-referred");
    assert_eq!(bind(&mut town, "ann", "bob"), "referral.cycle");
    assert_eq!(bind(&mut town, "cat", "ann"), "rewarded");
    assert_eq!(bind(&mut town, "dan", "ann"), "referral.code-limit");
    let unknown = town.act("dan", "bind", json!({"code": "NOTHERE2"})).expect_err("no code");
    assert_eq!(unknown.code, "referral.code-not-found");
    town.world().join("eve");
    let personal = town.act("ann", "get-code", json!({"for": "eve"})).expect("a code")["code"].clone();
    let refused = town.act("dan", "bind", json!({"code": personal})).expect_err("it is eve's");
    assert_eq!(refused.code, "referral.recipient-mismatch");
    town.act("eve", "bind", json!({"code": personal})).expect("it is hers");
    let more = town.act("ann", "get-code", json!({"for": "dan"})).expect_err("one is enough");
    assert_eq!(more.code, "referral.code-limit");
}

/// Regression 44.
#[test]
fn codes_of_a_banned_account_work_no_longer() {
    let mut town = town(json!({"qualify": {"content-read": {"content": "book", "min_ms": 60_000}}}));
    assert_eq!(bind(&mut town, "bob", "ann"), "bound");
    let code = code_of(&mut town, "ann");
    town.world().members.get_mut("ann").expect("a member").0.status = MemberStatus::Suspended;
    let refused = town.act("cat", "bind", json!({"code": code})).expect_err("banned");
    assert_eq!(refused.code, "referral.code-expired");
    hear(&mut town, "member.read", "bob", json!({"content": "book", "ms": 60_000}));
    assert_eq!(mine(&mut town, "bob"), ("rejected".into(), Some("referral.code-expired".into())));
    assert!(town.rewards_of("ann").is_empty() && town.rewards_of("bob").is_empty(), "regression 45");
}

/// Regression 17: who is new is one definition of the community's, and not the age of a session.
#[test]
fn only_new_members_are_brought() {
    let mut town = town(json!({}));
    town.world().join("bob");
    town.world().members.get_mut("bob").expect("a member").0.first_order_at = Some(0);
    assert_eq!(bind(&mut town, "bob", "ann"), "referral.not-new");
    for twin in ["eve", "fay"] {
        town.world().join(twin);
        town.world().members.get_mut(twin).expect("a member").1.push("one".into());
    }
    assert_eq!(bind(&mut town, "fay", "eve"), "referral.same-cluster");
}

#[test]
fn it_counts_when_the_condition_is_met_in_time() {
    let first = json!({"qualify": {"first-order": {"min_total": 100}}, "attribution_window_ms": DAY});
    let mut town = town(first);
    bought(&mut town, "bob", "early", 500);
    assert_eq!(bind(&mut town, "bob", "ann"), "bound");
    bought(&mut town, "bob", "small", 99);
    assert_eq!(mine(&mut town, "bob").0, "bound");
    town.pass(DAY - 1);
    bought(&mut town, "bob", "o1", 100);
    assert_eq!(mine(&mut town, "bob").0, "rewarded");
    assert_eq!(bind(&mut town, "cat", "ann"), "bound");
    town.pass(DAY);
    assert_eq!(mine(&mut town, "cat"), ("expired".into(), Some("referral.window-passed".into())));
    bought(&mut town, "cat", "o2", 100);
    assert_eq!(mine(&mut town, "cat").0, "expired");
    // What happened in time counts, though it is heard late.
    let payload = json!({"order": "o3", "total_minor": 100}).to_string();
    let at = town.now() - 1;
    let late = HostEvent { id: "late".into(), topic: "member.bought".into(), subject: "cat".into(), payload, at };
    town.hear(&late).expect("heard");
    assert_eq!(mine(&mut town, "cat").0, "rewarded");
}

#[test]
fn who_is_in_the_group_cannot_be_brought_into_it() {
    let mut town = town(json!({"qualify": {"join-group": {"group": "club"}}, "reward_hold_ms": DAY}));
    town.world().groups.entry("club".into()).or_default().insert("bob".into());
    assert_eq!(bind(&mut town, "bob", "ann"), "referral.condition-failed");
    assert_eq!(bind(&mut town, "cat", "ann"), "bound");
    hear(&mut town, "member.joined", "cat", json!({"group": "other"}));
    assert_eq!(mine(&mut town, "cat").0, "bound");
    hear(&mut town, "member.joined", "cat", json!({"group": "club"}));
    assert_eq!(mine(&mut town, "cat").0, "held");
    hear(&mut town, "member.left", "cat", json!({"group": "club"}));
    assert_eq!(mine(&mut town, "cat").0, "clawed-back");
    town.pass(2 * DAY);
    assert!(town.rewards_of("ann").is_empty(), "who leaves before it is given has brought nothing");
}

/// R8.
#[test]
fn a_refund_takes_everything_back() {
    let config = json!({"qualify": {"first-order": {}}, "reward_hold_ms": 7 * DAY, "tiers": [{"at_least": 2, "offer": "small"}]});
    let mut town = town(config);
    for (number, member) in ["bob", "cat"].into_iter().enumerate() {
        bind(&mut town, member, "ann");
        bought(&mut town, member, &format!("o{number}"), 100);
    }
    assert_eq!(town.held_for("ann"), ["inviter", "inviter", "small"]);
    hear(&mut town, "member.returned", "bob", json!({"order": "another"}));
    assert_eq!(mine(&mut town, "bob").0, "held");
    hear(&mut town, "member.returned", "bob", json!({"order": "o0"}));
    assert_eq!(mine(&mut town, "bob").0, "clawed-back");
    assert_eq!(town.held_for("ann"), ["inviter"], "and the tier with it");
    town.pass(8 * DAY);
    assert_eq!((town.rewards_of("ann"), town.rewards_of("bob")), (vec!["inviter".to_owned()], vec![]));
    hear(&mut town, "member.returned", "cat", json!({"order": "o1"}));
    assert!(town.rewards_of("ann").is_empty() && town.rewards_of("cat").is_empty(), "after it was given, too");
}

#[test]
fn both_are_told_and_what_was_recovered_is_counted() {
    let notices: Vec<Value> = ["coupon.rewarded", "coupon.welcomed", "coupon.clawed-back"]
        .map(|event| json!({"event": event, "template": event}))
        .into();
    let mut town = town(json!({"qualify": {"first-order": {}}, "notices": notices}));
    bind(&mut town, "bob", "ann");
    bought(&mut town, "bob", "o1", 100);
    hear(&mut town, "member.returned", "bob", json!({"order": "o1"}));
    let told: Vec<(String, Audience)> =
        town.world().notices.iter().map(|(_, notice)| (notice.template.clone(), notice.audience.clone())).collect();
    let expected = [("rewarded", "ann"), ("welcomed", "bob"), ("clawed-back", "ann")]
        .map(|(event, member)| (format!("coupon.{event}"), Audience::Member(member.into())));
    assert_eq!(told, expected);
    let last = town.payloads("coupon.clawed-back").pop().expect("an event");
    assert_eq!((&last["recovered"], &last["holds"]), (&json!(2), &json!([])));
}

#[test]
fn codes_are_made_of_the_organisers_letters() {
    let mut town = town(json!({"code": {"alphabet": "ABCDEFGHJK", "length": 12}}));
    let code = code_of(&mut town, "ann");
    assert!(code.len() == 12 && code.chars().all(|letter| "ABCDEFGHJK".contains(letter)), "{code}");
    let twice = unstarted(json!({"code": {"alphabet": "AABCDEFGHJ"}})).check().expect_err("an issue");
    assert_eq!(twice[0].pointer, "/code/alphabet");
}

#[test]
fn an_inviter_is_rewarded_so_often_a_day_and_in_all() {
    let mut town = town(json!({"max_rewarded_per_inviter": 2, "max_rewarded_per_day": 1}));
    assert_eq!(bind(&mut town, "bob", "ann"), "rewarded");
    assert_eq!(bind(&mut town, "cat", "ann"), "qualified");
    assert_eq!(bind(&mut town, "dan", "ann"), "qualified");
    assert_eq!(mine(&mut town, "cat").1.as_deref(), Some("common.limit-member-day"));
    town.pass(DAY);
    assert_eq!((mine(&mut town, "cat").0, mine(&mut town, "dan").0), ("rewarded".into(), "rejected".into()));
    assert_eq!(bind(&mut town, "eve", "ann"), "referral.inviter-limit");
    let referrals: Value = town.ask("ann", "my-referrals", json!({})).expect("a page");
    assert_eq!(referrals["referrals"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_later_code_replaces_one_that_has_not_counted() {
    let read = json!({"content-read": {"content": "book"}});
    let mut town = town(json!({"qualify": read, "attribution": "last-touch"}));
    assert_eq!(bind(&mut town, "bob", "ann"), "bound");
    assert_eq!(bind(&mut town, "bob", "cat"), "bound");
    hear(&mut town, "member.read", "bob", json!({"content": "book", "ms": 1}));
    assert_eq!(town.rewards_of("cat"), ["inviter"]);
    assert!(town.rewards_of("ann").is_empty());
    assert_eq!(bind(&mut town, "bob", "ann"), "referral.already-referred");
}

#[test]
fn a_commission_reaches_two_levels() {
    let mut town = town(json!({"inviter_offer": "cut", "invitee_offer": null, "second_level_offer": "cut"}));
    assert_eq!(bind(&mut town, "bob", "ann"), "rewarded");
    assert_eq!(bind(&mut town, "cat", "bob"), "rewarded");
    assert_eq!(bind(&mut town, "dan", "cat"), "rewarded");
    let given = |town: &mut Town<Coupon>, member: &str| town.rewards_of(member).len();
    assert_eq!(["ann", "bob", "cat", "dan"].map(|member| given(&mut town, member)), [2, 2, 1, 0]);
}

/// Regressions 14, 28, 29 and 43: all that are asked for are left, or none are given.
#[test]
fn no_more_is_claimed_than_there_is() {
    let mut town = town(json!({"giveaway": {"offer": "small", "total": 5, "per_member": 3}}));
    assert_eq!(town.act("ann", "claim", json!({"quantity": 3})).expect("three")["left"], 2);
    assert_eq!(town.act("ann", "claim", json!({})).expect_err("her share").code, "common.limit-member-total");
    assert_eq!(
        town.act("bob", "claim", json!({"quantity": 3})).expect_err("two are left").code,
        "common.stock-exhausted"
    );
    town.act("bob", "claim", json!({"quantity": 2})).expect("two");
    assert_eq!(town.act("cat", "claim", json!({})).expect_err("none").code, "common.stock-exhausted");
    assert_eq!(town.rewards_of("bob").len(), 2);
}

#[test]
fn a_config_says_what_it_may_cost_and_what_is_odd_in_it() {
    let bounded = unstarted(json!({"limits": {"total": 10}, "tiers": [{"at_least": 2, "offer": "small"}]}));
    assert_eq!(bounded.check().expect("a report").max_liability, Some(10 * (500 + 500 + 10)));
    assert_eq!(unstarted(json!({})).check().expect("a report").max_liability, None);
    let order = unstarted(json!({"qualify": {"first-order": {}}, "invitee_offer": null})).check().expect("a report");
    assert_eq!(order.warnings.len(), 2, "{:?}", order.warnings);
    let nothing = unstarted(json!({"inviter_offer": null, "invitee_offer": null}));
    assert_eq!(nothing.check().expect_err("nothing to get")[0].pointer, "/inviter_offer");
    let shop = unstarted(json!({"qualify": {"event": {"topic": "order.paid"}}}));
    assert_eq!(shop.check().expect_err("the shop's own")[0].pointer, "/qualify/event/topic");
    let tiers = unstarted(json!({"tiers": [{"at_least": 2, "offer": "small"}, {"at_least": 2, "offer": "moon"}]}));
    let pointers: Vec<String> = tiers.check().expect_err("issues").into_iter().map(|issue| issue.pointer).collect();
    assert_eq!(pointers, ["/tiers/1/offer", "/tiers"]);
}
