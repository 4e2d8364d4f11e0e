//! The rules played.

mod prices;
mod storms;

use fairground_sdk::{
    Answer, OrderState,
    town::{BEGINNING, Town},
};
use serde_json::{Value, json};

use crate::GroupBuy;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn config(changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "skus": [{"sku": "mug", "solo_price": 1_000, "group_price": 900, "leader_price": 800}], "size": 3,
        "group_ttl_ms": HOUR, "pay_window_ms": 15 * MINUTE, "stock_pool": "mugs",
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn town(changes: Value) -> Town<GroupBuy> {
    Town::new(config(changes)).stock("mugs", 10).sku("mug", 1_000).started()
}

/// ann opens g1.
fn opened(changes: Value) -> Town<GroupBuy> {
    let mut town = town(changes);
    open(&mut town, "ann").expect("a group");
    town
}

fn open(town: &mut Town<GroupBuy>, member: &str) -> Answer<Value> {
    town.act(member, "open", json!({"sku": "mug"}))
}

fn join(town: &mut Town<GroupBuy>, member: &str) -> Answer<Value> {
    town.act(member, "join", json!({"sku": "mug", "group": "g1"}))
}

fn pay(town: &mut Town<GroupBuy>, seat: &str) {
    town.pay(&format!("seat:{seat}")).expect("heard");
}

fn group(town: &mut Town<GroupBuy>, id: &str) -> Value {
    let whole: Value = town.ask("ann", "group", json!({"group": id})).expect("a group");
    whole["group"].clone()
}

fn code<T: std::fmt::Debug>(answer: Answer<T>) -> &'static str {
    answer.expect_err("a refusal").code
}

/// What stays with the shop of an order.
fn kept(town: &mut Town<GroupBuy>, seat: &str) -> i64 {
    town.shop_catches_up();
    let order = &town.world().orders[&format!("seat:{seat}")];
    order.paid - order.refunded
}

#[test]
fn a_full_group_is_completed_and_shipped() {
    let mut town = opened(json!({}));
    for member in ["bob", "cat"] {
        join(&mut town, member).expect("a seat");
    }
    assert_eq!(town.world().unshipped.len(), 3, "nothing is shipped before");
    for seat in ["g1.1", "g1.2", "g1.3"] {
        pay(&mut town, seat);
    }
    assert_eq!(group(&mut town, "g1")["state"], "full");
    assert_eq!((town.world().unshipped.len(), town.world().pools["mugs"].sold), (0, 3));
    assert_eq!([kept(&mut town, "g1.1"), kept(&mut town, "g1.2")], [800, 900], "the leader pays less");
    assert_eq!(town.audit(), Vec::<String>::new());
}

/// Worked example 1.
#[test]
fn four_in_a_tiered_group_pay_the_price_of_three() {
    let tiers = json!([{"size": 2, "price": 9_000}, {"size": 3, "price": 8_000}, {"size": 5, "price": 7_000}]);
    let skus = json!([{"sku": "mug", "solo_price": 10_000, "group_price": 9_000}]);
    let mut town = opened(json!({"tiers": tiers, "skus": skus}));
    for member in ["bob", "cat", "dan"] {
        join(&mut town, member).expect("a seat");
    }
    for seat in 1..=4 {
        pay(&mut town, &format!("g1.{seat}"));
    }
    assert_eq!(group(&mut town, "g1")["state"], "forming");
    town.pass(HOUR);
    assert_eq!(group(&mut town, "g1")["state"], "tier");
    let all: i64 = (1..=4).map(|seat| kept(&mut town, &format!("g1.{seat}"))).sum();
    assert_eq!(all, 32_000);
}

/// Worked example 11; regressions 1, 23, 36 and 39: a seat is taken with the order, so nobody pays for one that is not there.
#[test]
fn the_last_seat_is_taken_once() {
    let mut town = opened(json!({}));
    for member in ["bob", "cat"] {
        join(&mut town, member).expect("a seat");
    }
    assert_eq!(code(join(&mut town, "dan")), "group-buy.group-full");
    town.act("cat", "leave", json!({"seat": "g1.3"})).expect("gone");
    join(&mut town, "dan").expect("the seat is free again");
}

/// Worked example 10; regression 4.
#[test]
fn a_late_payment_gets_a_seat_where_there_is_one_and_else_its_money() {
    let mut town = opened(json!({}));
    pay(&mut town, "g1.1");
    join(&mut town, "bob").expect("a seat");
    town.pass(15 * MINUTE);
    assert_eq!(group(&mut town, "g1")["free"], 2, "bob's seat has lapsed");
    pay(&mut town, "g1.2");
    assert_eq!(group(&mut town, "g1")["paid"], 2, "the same group again");

    // Its seats are taken: another group of the good has one.
    join(&mut town, "cat").expect("a seat");
    town.pass(15 * MINUTE);
    join(&mut town, "dan").expect("the last seat");
    open(&mut town, "eve").expect("another group");
    pay(&mut town, "g1.3");
    let there = group(&mut town, "g2");
    assert_eq!((&there["paid"], &there["held"]), (&json!(1), &json!(1)), "cat sits with eve");
    assert!(town.events().iter().any(|(topic, _)| topic == "group-buy.reseated"));

    let mut strict = opened(json!({"late_payment": "refund"}));
    strict.pass(15 * MINUTE);
    pay(&mut strict, "g1.1");
    assert_eq!((group(&mut strict, "g1")["state"].clone(), kept(&mut strict, "g1.1")), (json!("empty"), 0));
}

#[test]
fn a_late_payment_opens_a_group_while_there_is_time_for_one() {
    let mut town = opened(json!({}));
    town.pass(15 * MINUTE);
    assert_eq!(group(&mut town, "g1")["state"], "empty", "the leader never paid");
    pay(&mut town, "g1.1");
    let new = group(&mut town, "g2");
    assert_eq!((&new["paid"], &new["state"], kept(&mut town, "g1.1")), (&json!(1), &json!("forming"), 800));

    let mut ending = Town::<GroupBuy>::new(config(json!({})))
        .stock("mugs", 10)
        .sku("mug", 1_000)
        .ending_at(BEGINNING + 20 * MINUTE)
        .started();
    open(&mut ending, "ann").expect("a group");
    ending.pass(15 * MINUTE);
    pay(&mut ending, "g1.1");
    assert_eq!(kept(&mut ending, "g1.1"), 0, "nobody could pay for a seat beside hers");
}

#[test]
fn in_the_grace_seats_are_paid_for_and_no_new_ones_are_taken() {
    let graced = |grace: i64| {
        let town = Town::<GroupBuy>::new(config(json!({"grace_ms": grace}))).stock("mugs", 10).sku("mug", 1_000);
        let mut town = town.ending_at(BEGINNING + 20 * MINUTE).started();
        town.pass(19 * MINUTE);
        open(&mut town, "ann").expect("a group");
        town.pass(2 * MINUTE);
        assert_eq!(code(join(&mut town, "bob")), "common.ended");
        pay(&mut town, "g1.1");
        (group(&mut town, "g1")["state"].clone(), kept(&mut town, "g1.1"))
    };
    assert_eq!(graced(0), (json!("expired"), 0), "the activity's end is the group's");
    assert_eq!(graced(10 * MINUTE), (json!("forming"), 800));
}

#[test]
fn at_the_deadline_itself_it_is_too_late() {
    let mut town = opened(json!({"late_payment": "refund"}));
    town.world().now += 15 * MINUTE;
    pay(&mut town, "g1.1");
    assert_eq!((group(&mut town, "g1")["paid"].clone(), kept(&mut town, "g1.1")), (json!(0), 0));
}

/// Regression 31: each order is paid back by its own key.
#[test]
fn a_group_that_fails_pays_everybody_back_by_their_own_order() {
    let mut town = opened(json!({}));
    join(&mut town, "bob").expect("a seat");
    for seat in ["g1.1", "g1.2"] {
        pay(&mut town, seat);
    }
    town.pass(HOUR);
    assert_eq!(group(&mut town, "g1")["state"], "expired");
    assert_eq!([kept(&mut town, "g1.1"), kept(&mut town, "g1.2")], [0, 0]);
    let orders: Vec<String> = town.world().refunds.values().map(|refund| refund.order.clone()).collect();
    assert_eq!(orders, ["seat:g1.1", "seat:g1.2"]);
    assert_eq!(town.world().pools["mugs"].available(), 10);
}

/// Regression 22: the deadline stays as it was.
#[test]
fn who_has_paid_first_leads_when_the_leader_goes() {
    let mut town = opened(json!({}));
    for member in ["bob", "cat"] {
        join(&mut town, member).expect("a seat");
    }
    let deadline = group(&mut town, "g1")["deadline"].clone();
    pay(&mut town, "g1.1");
    pay(&mut town, "g1.3");
    town.act("ann", "withdraw", json!({"seat": "g1.1"})).expect("gone");
    let after = group(&mut town, "g1");
    assert_eq!((&after["leader"], &after["deadline"], &after["state"]), (&json!("c***"), &deadline, &json!("forming")));
    assert_eq!(kept(&mut town, "g1.1"), 0);
    assert_eq!(town.world().orders["seat:g1.3"].total, 900, "not the leader's price");

    let mut strict = opened(json!({"leader_leaves": "fail-group"}));
    join(&mut strict, "bob").expect("a seat");
    strict.act("ann", "leave", json!({"seat": "g1.1"})).expect("gone");
    assert_eq!(group(&mut strict, "g1")["state"], "cancelled");
}

#[test]
fn the_next_leader_gets_the_difference_where_that_is_the_rule() {
    let mut town = opened(json!({"leader_price_on_handover": "refund-difference", "size": 2}));
    join(&mut town, "bob").expect("a seat");
    pay(&mut town, "g1.2");
    town.act("ann", "leave", json!({"seat": "g1.1"})).expect("gone");
    join(&mut town, "cat").expect("a seat");
    pay(&mut town, "g1.3");
    assert_eq!([kept(&mut town, "g1.2"), kept(&mut town, "g1.3")], [800, 900]);
}

/// Regressions 25 and 32: a share of members, and no invented ones.
#[test]
fn the_merchant_completes_only_where_enough_have_paid() {
    let fill = json!({"size": 4, "completion": {"merchant-fill": {"min_real_bps": 6_000}}});
    for (payers, state) in [(2, "expired"), (3, "merchant")] {
        let mut town = opened(fill.clone());
        for member in ["bob", "cat"] {
            join(&mut town, member).expect("a seat");
        }
        for seat in 1..=payers {
            pay(&mut town, &format!("g1.{seat}"));
        }
        town.pass(HOUR);
        assert_eq!(group(&mut town, "g1")["state"], state, "of 4 it takes 60 %: 2.4, which is 3");
    }
    let report = Town::<GroupBuy>::new(config(fill)).check().expect("a config");
    assert!(report.disclosures.iter().any(|said| said.contains("completed by the merchant when 3")), "{report:?}");
}

/// Regression 2: the size is the group's own, and not the config's of the moment; regression 37: each group its own deadline.
#[test]
fn a_group_keeps_the_rules_that_it_was_opened_under() {
    let mut town = opened(json!({}));
    town.pass(10 * MINUTE);
    open(&mut town, "eve").expect("another");
    let deadlines =
        [group(&mut town, "g1"), group(&mut town, "g2")].map(|group| group["deadline"].as_i64().expect("a time"));
    assert_eq!(deadlines[1] - deadlines[0], 10 * MINUTE);
    town.change_config(&config(json!({"size": 2})));
    join(&mut town, "bob").expect("a seat");
    pay(&mut town, "g1.1");
    pay(&mut town, "g1.2");
    assert_eq!(group(&mut town, "g1")["state"], "forming", "it was opened for three");
}

#[test]
fn members_sit_in_so_many_groups_and_buy_so_much() {
    let mut town = opened(json!({"open_limit": 1, "join_limit": 1, "max_groups": 2, "quantity_total": 3}));
    assert_eq!(code(open(&mut town, "ann")), "group-buy.open-limit");
    assert_eq!(code(join(&mut town, "ann")), "group-buy.already-in-group");
    let two = town.act("bob", "join", json!({"sku": "mug", "group": "g1", "quantity": 2}));
    assert_eq!(code(two), "group-buy.quantity-limit");
    assert_eq!(code(town.act("bob", "join", json!({"sku": "cup", "group": "g1"}))), "group-buy.sku-not-in-activity");
    join(&mut town, "bob").expect("a seat");
    town.act("bob", "leave", json!({"seat": "g1.2"})).expect("gone");
    assert_eq!(code(join(&mut town, "bob")), "group-buy.join-limit");
    open(&mut town, "cat").expect("the second group");
    assert_eq!(code(open(&mut town, "dan")), "group-buy.max-groups");
    join(&mut town, "dan").expect("the third unit");
    assert_eq!(code(join(&mut town, "eve")), "group-buy.quantity-limit");
    assert_eq!(code(town.act("bob", "leave", json!({"seat": "g1.1"}))), "common.not-owner");
    assert_eq!(code(town.act("ann", "withdraw", json!({"seat": "g1.1"}))), "group-buy.withdraw-not-allowed");
}

#[test]
fn one_order_is_paid_before_another_is_opened() {
    let mut town = opened(json!({"concurrent_per_member": 2}));
    open(&mut town, "bob").expect("another group");
    assert_eq!(code(join(&mut town, "bob")), "group-buy.unpaid-order-exists");
    pay(&mut town, "g2.1");
    join(&mut town, "bob").expect("a second seat");
    pay(&mut town, "g1.2");
    open(&mut town, "cat").expect("a third group");
    assert_eq!(code(town.act("bob", "join", json!({"sku": "mug", "group": "g3"}))), "group-buy.concurrent-limit");
}

#[test]
fn only_new_members_join_where_the_old_bring_the_new() {
    let mut town = opened(json!({"new_joiner_only": true}));
    town.world().join("bob");
    town.world().members.get_mut("bob").expect("bob").0.first_order_at = Some(0);
    assert_eq!(code(join(&mut town, "bob")), "common.new-member-only");
    open(&mut town, "bob").expect("whoever opens need not be new");
    join(&mut town, "cat").expect("a new one");
}

/// Regression 6: the activity's own pool. A solo buyer and a group compete for the last unit.
#[test]
fn the_last_unit_goes_to_whoever_comes_first() {
    let mut town = Town::<GroupBuy>::new(config(json!({}))).stock("mugs", 1).sku("mug", 1_000).started();
    town.act("ann", "buy-alone", json!({"sku": "mug"})).expect("an order");
    assert_eq!(code(open(&mut town, "bob")), "common.stock-exhausted");
    assert_eq!(town.world().orders["solo:1"].total, 1_000);
    town.pass(15 * MINUTE);
    open(&mut town, "bob").expect("ann did not pay");
    // She pays late, and there is nothing left for her.
    town.pay("solo:1").expect("heard");
    town.shop_catches_up();
    assert_eq!(town.world().orders["solo:1"].state, OrderState::Refunded);
}

/// Completed is final: a refund of one order neither opens nor fails the group.
#[test]
fn a_refund_after_completion_changes_nothing_for_the_others() {
    let mut town = opened(json!({"size": 2}));
    join(&mut town, "bob").expect("a seat");
    for seat in ["g1.1", "g1.2"] {
        pay(&mut town, seat);
    }
    town.refund_by_shop("seat:g1.2", 900).expect("heard");
    assert_eq!(group(&mut town, "g1")["state"], "full");
    let mine: Value = town.ask("bob", "my-groups", json!({})).expect("an answer");
    assert_eq!(mine["seats"][0]["state"], "refunded");
    assert_eq!(town.audit(), Vec::<String>::new());
}

/// Regression 5: what breaks off is done again, until it is done.
#[test]
fn an_expiry_that_breaks_off_is_done_again() {
    let mut town = opened(json!({}));
    pay(&mut town, "g1.1");
    town.break_after(3);
    town.pass(HOUR);
    assert_eq!((group(&mut town, "g1")["state"].clone(), kept(&mut town, "g1.1")), (json!("expired"), 0));
}

#[test]
fn a_group_of_two_hundred_ends_in_several_calls() {
    let mut town = Town::<GroupBuy>::new(config(json!({"size": 200}))).stock("mugs", 200).sku("mug", 1_000).started();
    open(&mut town, "m1").expect("a group");
    for number in 2..=200 {
        join(&mut town, &format!("m{number}")).expect("a seat");
    }
    for number in 1..=200 {
        pay(&mut town, &format!("g1.{number}"));
    }
    town.pass(1);
    assert_eq!((town.world().pools["mugs"].sold, town.world().unshipped.len()), (200, 0));
}

/// Regression 3, GB10.
#[test]
fn a_group_of_another_activity_is_not_found() {
    let mut town = town(json!({}));
    assert_eq!(code(join(&mut town, "bob")), "common.not-found");
}

#[test]
fn an_operator_cancels_a_group_and_the_end_stops_all() {
    let mut town = opened(json!({}));
    pay(&mut town, "g1.1");
    town.operate("ops-cancel", json!({"group": "g1", "reason": "a wrong price"})).expect("cancelled");
    assert_eq!((group(&mut town, "g1")["state"].clone(), kept(&mut town, "g1.1")), (json!("cancelled"), 0));
    open(&mut town, "bob").expect("another");
    pay(&mut town, "g2.1");
    town.stop();
    assert_eq!((group(&mut town, "g2")["state"].clone(), kept(&mut town, "g2.1")), (json!("stopped"), 0));
}

#[test]
fn however_much_is_told_a_large_group_ends() {
    let told: Vec<Value> =
        (0..5).map(|number| json!({"event": "group-buy.completed", "template": format!("t{number}")})).collect();
    let config = config(json!({"size": 60, "notices": told}));
    let mut town = Town::<GroupBuy>::new(config).stock("mugs", 60).sku("mug", 1_000).started();
    open(&mut town, "m1").expect("a group");
    for number in 2..=60 {
        join(&mut town, &format!("m{number}")).expect("a seat");
    }
    for number in 1..=60 {
        pay(&mut town, &format!("g1.{number}"));
    }
    town.pass(1);
    assert_eq!(town.world().pools["mugs"].sold, 60);
}

#[test]
fn the_leaders_price_is_not_for_who_comes_late_to_another_group() {
    let mut town = opened(json!({}));
    open(&mut town, "eve").expect("another group");
    town.act("eve", "leave", json!({"seat": "g2.1"})).expect("gone");
    pay(&mut town, "g2.1");
    assert_eq!(group(&mut town, "g1")["paid"], 0, "eve does not sit with ann at a leader's price");
    assert_eq!(group(&mut town, "g3")["leader"], "e***", "but leads a group of her own");
}

#[test]
fn units_in_all_hold_for_late_payments_too() {
    let mut town = town(json!({"quantity_total": 1}));
    open(&mut town, "ann").expect("a group");
    town.pass(15 * MINUTE);
    open(&mut town, "bob").expect("the unit is free again");
    pay(&mut town, "g1.1");
    assert_eq!(kept(&mut town, "g1.1"), 0);
}

#[test]
fn one_order_alone_is_paid_before_another() {
    let mut town = town(json!({}));
    town.act("ann", "buy-alone", json!({"sku": "mug"})).expect("an order");
    assert_eq!(code(town.act("ann", "buy-alone", json!({"sku": "mug"}))), "group-buy.unpaid-order-exists");
    town.pay("solo:1").expect("heard");
    town.act("ann", "buy-alone", json!({"sku": "mug"})).expect("another order");
}

#[test]
fn money_counts_by_when_it_came() {
    let mut town = opened(json!({"late_payment": "refund"}));
    // The host was away over the deadline, and hears the payment before its timers.
    town.world().now += 16 * MINUTE;
    town.pay_unheard_for("seat:g1.1", 2 * MINUTE).expect("heard");
    assert_eq!((group(&mut town, "g1")["paid"].clone(), kept(&mut town, "g1.1")), (json!(1), 800));
}

#[test]
fn a_timer_that_rings_late_takes_nothing_before_its_time() {
    let mut town = opened(json!({"late_payment": "refund"}));
    let begun = town.world().now;
    town.pass(5 * MINUTE);
    join(&mut town, "bob").expect("a seat");
    pay(&mut town, "g1.1");
    // The plugin rested for half an hour. The timer is still that of the seat that was paid; bob's payment comes after it, and in time.
    town.world().now += 30 * MINUTE;
    town.run_timer("fg/due/seats", begun + 15 * MINUTE, "null");
    town.pay_unheard_for("seat:g1.2", 17 * MINUTE).expect("heard");
    assert_eq!((group(&mut town, "g1")["paid"].clone(), kept(&mut town, "g1.2")), (json!(2), 900));
}
