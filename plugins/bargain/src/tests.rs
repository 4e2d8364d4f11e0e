//! The rules played.

use fairground_sdk::{Answer, HostEvent, MemberStatus, OrderState, town::Town};
use serde_json::{Value, json};

use crate::Bargain;

mod storms;

/// A day.
const DAY: i64 = 86_400_000;

fn config(mode: Value, changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "risk": {"cluster_limit": 0}, "sku": "mug", "original_price": 10_000, "floor_price": 1_000, "mode": mode, "cut_min": 500, "cut_max": 3_000,
        "owner_first_cut": false, "zone": "Asia/Shanghai",
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn fixed(cuts: u32) -> Value {
    json!({"fixed": {"cuts": cuts}})
}

fn until_floor() -> Value {
    json!("until-floor")
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

/// A town with a shop, in which ann has reached the floor with the help of bob.
fn at_the_floor(changes: Value) -> Town<Bargain> {
    let mut fields =
        json!({"original_price": 1_000, "floor_price": 0, "cut_min": 1_000, "cut_max": 1_000, "stock_pool": "mugs"});
    let (Value::Object(all), Value::Object(changes)) = (&mut fields, changes) else { panic!("objects") };
    all.extend(changes);
    let price = fields["original_price"].as_i64().expect("a price");
    let floor = fields["floor_price"].as_i64().expect("a price");
    fields["cut_min"] = json!(price - floor);
    fields["cut_max"] = json!(price - floor);
    let mut town = Town::<Bargain>::new(config(fixed(1), fields)).stock("mugs", 1).sku("mug", 1_000).started();
    town.act("ann", "start", json!({})).expect("a session");
    help(&mut town, "bob", "1-ann").expect("the one cut");
    town
}

fn order(town: &mut Town<Bargain>) -> Answer<Value> {
    town.act("ann", "order", json!({"session": "1-ann"}))
}

fn session(town: &mut Town<Bargain>, id: &str) -> Value {
    town.ask("ann", "session", json!({"session": id})).expect("a session")
}

/// Regression 11: after all cuts the price is the floor. Worked example 2.
#[test]
fn the_first_of_five_cuts_lies_between_the_bounds_and_the_last_meets_the_floor() {
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

/// Worked example 3.
#[test]
fn two_cuts_of_at_most_a_third_cannot_cut_everything() {
    let issues = Town::<Bargain>::new(config(fixed(2), json!({}))).check().expect_err("infeasible");
    assert_eq!((issues[0].pointer.as_str(), issues[0].code), ("/mode/fixed/cuts", "bargain.infeasible-range"));
}

/// Worked example 4.
#[test]
fn how_many_helps_it_takes_is_said_beforehand() {
    let report = Town::<Bargain>::new(config(until_floor(), json!({}))).check().expect("a report");
    assert_eq!(report.disclosures, ["It takes 3 to 18 cuts."]);
}

/// Regression 33: whether or not the helper has a bargain of their own.
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
    let now = town.now();
    town.run_timer("fg/due/deadlines", now, "null");
    assert_eq!(session(&mut town, "1-ann"), before, "a timer that comes twice changes nothing");
}

#[test]
fn the_deadline_counts_before_its_timer_has_run() {
    let mut town = town(fixed(5), json!({}));
    town.act("ann", "start", json!({})).expect("a session");
    town.world().now += DAY;
    assert_eq!(code(help(&mut town, "bob", "1-ann")), "bargain.session-over");
}

/// Regressions 9 and 20: at the end of the activity, to the millisecond, nobody helps.
#[test]
fn a_session_ends_with_its_activity() {
    let ends_at = fairground_sdk::town::BEGINNING + DAY + 2_000;
    let mut town = Town::<Bargain>::new(config(fixed(5), json!({}))).ending_at(ends_at).started();
    town.act("ann", "start", json!({})).expect("a session");
    town.pass(2_000);
    // So that whoever reaches the floor has the whole window to order in.
    assert_eq!(code(help(&mut town, "bob", "1-ann")), "bargain.session-over");
    assert_eq!(code(town.act("cat", "start", json!({}))), "common.ended");
    assert_eq!(session(&mut town, "1-ann")["state"], "expired");
    town.pass(DAY);
    assert_eq!(code(town.act("dan", "start", json!({}))), "common.ended");
}

/// Regression 10.
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
    let cut = help(&mut town, "cat", "1-ann").expect("the budget caps rewards, and not the bargain");
    assert_eq!((cut["is_rewarded"].as_bool(), town.rewards_of("cat").len()), (Some(false), 0));
}

/// §4.2: the cut stays, and the reward goes.
#[test]
fn a_helper_whose_account_is_closed_keeps_no_reward() {
    let config = config(fixed(5), json!({"helper_offer": "thanks", "helps_per_member_day": 0}));
    let mut town = Town::<Bargain>::new(config).offer("thanks", 1).budget(1_000).started();
    for owner in 0..60 {
        town.act(&format!("m{owner}"), "start", json!({})).expect("a session");
        help(&mut town, "bob", &format!("1-m{owner}")).expect("a cut");
    }
    assert_eq!(town.rewards_of("bob").len(), 60);
    let price = session(&mut town, "1-m7")["current"].clone();
    let (topic, at) = ("member.closed".to_owned(), town.now());
    let closed = HostEvent { id: "c".into(), topic, subject: "bob".into(), payload: "null".into(), at };
    town.hear(&closed).expect("heard");
    town.pass(1);
    assert_eq!((town.rewards_of("bob").len(), &session(&mut town, "1-m7")["current"]), (0, &price));
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
    town.world().reviewed.insert("cat".into());
    assert_eq!(code(help(&mut town, "cat", "1-ann")), "common.risk-review");
    town.world().members.get_mut("cat").expect("cat").0.status = MemberStatus::Muted;
    assert_eq!(code(help(&mut town, "cat", "1-ann")), "common.member-not-active");
    for name in ["ann", "dan"] {
        town.world().members.get_mut(name).expect("a member").1.push("phone-1".into());
    }
    assert_eq!(code(help(&mut town, "dan", "1-ann")), "common.risk-denied");
}

#[test]
fn who_reached_the_floor_orders_at_it_and_pays() {
    let mut town = at_the_floor(json!({"floor_price": 400}));
    assert_eq!(town.world().pools["mugs"].reserved, 1, "a unit is set aside at success");
    assert_eq!(code(town.act("bob", "order", json!({"session": "1-ann"}))), "common.not-owner");
    assert_eq!(order(&mut town).expect("an order")["price"], 400);
    assert_eq!(code(order(&mut town)), "bargain.already-ordered");
    town.pay("order:1:1-ann").expect("heard");
    assert_eq!(session(&mut town, "1-ann")["state"], "bought");
    assert_eq!((town.world().pools["mugs"].reserved, town.world().pools["mugs"].sold), (0, 1));
    // A second payment of the same order goes back.
    town.pay("order:1:1-ann").expect("heard");
    town.shop_catches_up();
    let paid = &town.world().orders["order:1:1-ann"];
    assert_eq!((paid.paid, paid.refunded, paid.state), (800, 400, OrderState::Paid));
    assert_eq!(session(&mut town, "1-ann")["state"], "bought");
}

#[test]
fn a_price_of_nothing_is_bought_at_once() {
    let mut town = at_the_floor(json!({}));
    assert_eq!(order(&mut town).expect("an order")["session"]["state"], "bought");
    assert_eq!(town.world().pools["mugs"].sold, 1);
}

#[test]
fn a_payment_that_failed_leaves_the_price_and_the_time() {
    let mut town = at_the_floor(json!({"floor_price": 400}));
    order(&mut town).expect("an order");
    town.fail_payment("order:1:1-ann").expect("heard");
    assert_eq!(session(&mut town, "1-ann")["state"], "success");
    order(&mut town).expect("another order");
    // The first is paid after all: it counts, and the second is closed.
    town.pay("order:1:1-ann").expect("heard");
    town.shop_catches_up();
    assert_eq!(session(&mut town, "1-ann")["state"], "bought");
    assert_eq!(town.world().orders["order:2:1-ann"].state, OrderState::Cancelled);
}

#[test]
fn a_late_payment_is_paid_back_in_full() {
    let mut town = at_the_floor(json!({"floor_price": 400}));
    order(&mut town).expect("an order");
    town.pass(DAY);
    assert_eq!(session(&mut town, "1-ann")["state"], "lapsed");
    assert_eq!(town.world().pools["mugs"].reserved, 0, "the unit is for sale again");
    assert_eq!(code(order(&mut town)), "bargain.order-window-passed");
    town.pay("order:1:1-ann").expect("heard");
    town.shop_catches_up();
    assert_eq!(town.world().orders["order:1:1-ann"].state, OrderState::Refunded);
}

#[test]
fn a_price_on_the_way_is_bought_only_where_that_is_the_policy() {
    let floor_only = &mut town(fixed(5), json!({}));
    floor_only.act("ann", "start", json!({})).expect("a session");
    assert_eq!(code(order(floor_only)), "bargain.not-success");
    let config = config(fixed(5), json!({"buy_policy": "any-price"}));
    let mut any = Town::<Bargain>::new(config).sku("mug", 10_000).started();
    any.act("ann", "start", json!({})).expect("a session");
    help(&mut any, "bob", "1-ann").expect("a cut");
    let current = session(&mut any, "1-ann")["current"].clone();
    assert_eq!(order(&mut any).expect("an order")["price"], current);
    assert_eq!(code(help(&mut any, "cat", "1-ann")), "bargain.session-over", "B7");
    any.fail_payment("order:1:1-ann").expect("heard");
    assert_eq!(session(&mut any, "1-ann")["state"], "agreed");
    assert_eq!(order(&mut any).expect("the same price")["price"], current);
}

#[test]
fn the_shops_own_price_is_asked_where_it_is_lower() {
    let mut town = at_the_floor(json!({"floor_price": 400}));
    town.world().skus.insert("mug".into(), (300, 9));
    assert_eq!(order(&mut town).expect("an order")["price"], 300);
    assert_eq!(town.audit(), Vec::<String>::new(), "B1 is of the price that was cut");
}

/// Regression 12: success, then no stock at the order.
#[test]
fn stock_that_is_held_at_the_start_is_there_at_the_end() {
    let mut town = at_the_floor(json!({"floor_price": 400, "stock_hold": "at-start"}));
    assert_eq!(code(town.act("cat", "start", json!({}))), "common.stock-exhausted");
    order(&mut town).expect("an order");
    town.pay("order:1:1-ann").expect("heard");
    assert_eq!(town.world().pools["mugs"].sold, 1);
}

/// Regression 24: a refund that is refused is not forgotten.
#[test]
fn what_the_shop_will_not_pay_back_is_asked_again_twice() {
    let mut town = at_the_floor(json!({"floor_price": 400}));
    order(&mut town).expect("an order");
    town.pass(DAY);
    town.pay("order:1:1-ann").expect("heard");
    for _ in 0..5 {
        town.refuse_refunds();
    }
    assert_eq!(town.world().refunds.len(), 3);
}

#[test]
fn money_counts_by_when_it_came() {
    let mut town = at_the_floor(json!({"floor_price": 400}));
    order(&mut town).expect("an order");
    town.world().now += DAY + 1;
    town.pay_unheard_for("order:1:1-ann", 2).expect("heard");
    assert_eq!(session(&mut town, "1-ann")["state"], "bought");
}

#[test]
fn money_that_comes_after_all_went_back_goes_back_too() {
    let mut town = at_the_floor(json!({"floor_price": 400}));
    order(&mut town).expect("an order");
    town.pay("order:1:1-ann").expect("heard");
    town.refund_by_shop("order:1:1-ann", 400).expect("heard");
    assert_eq!(session(&mut town, "1-ann")["state"], "refunded");
    town.pay("order:1:1-ann").expect("heard");
    town.shop_catches_up();
    assert_eq!(town.world().orders["order:1:1-ann"].state, OrderState::Refunded);
}

#[test]
fn one_timer_serves_however_many_sessions() {
    let mut town = town(fixed(5), json!({}));
    for owner in ["ann", "bob", "cat"] {
        town.act(owner, "start", json!({})).expect("a session");
        town.pass(1);
    }
    assert_eq!(town.world().timers_pending(), 1);
    town.act("ann", "cancel", json!({"session": "1-ann"})).expect("cancelled");
    town.pass(DAY);
    let states = ["1-ann", "1-bob", "1-cat"].map(|id| session(&mut town, id)["state"].clone());
    assert_eq!(states, ["cancelled", "expired", "expired"]);
}
