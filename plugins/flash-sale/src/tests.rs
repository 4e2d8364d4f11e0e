//! The rules played.

mod storms;

use fairground_sdk::{
    Answer, OrderState,
    town::{BEGINNING, Town},
};
use serde_json::{Value, json};
use sha2::Digest;

use crate::FlashSale;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn config(changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "items": [{"sku": "mug", "sale_price": 500, "pool": "mugs", "total": 3, "per_order_max": 2, "per_member_total": 2}],
        "slots": [{"starts_at": BEGINNING, "ends_at": BEGINNING + HOUR}, {"starts_at": BEGINNING + 2 * HOUR, "ends_at": BEGINNING + 3 * HOUR}],
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn town(changes: Value) -> Town<FlashSale> {
    Town::new(config(changes)).stock("mugs", 10).sku("mug", 1_000).started()
}

fn reserve(town: &mut Town<FlashSale>, member: &str, quantity: u32) -> Answer<Value> {
    town.act(member, "reserve", json!({"item": "mug", "quantity": quantity}))
}

fn code<T: std::fmt::Debug>(answer: Answer<T>) -> &'static str {
    answer.expect_err("a refusal").code
}

fn left(town: &mut Town<FlashSale>) -> u64 {
    let sale: Value = town.ask("ann", "sale", json!({})).expect("a sale");
    sale["items"][0]["left"].as_u64().expect("a number")
}

/// Worked example 12.
#[test]
fn three_units_are_reserved_three_times_and_come_back_once() {
    let mut town = town(json!({}));
    for member in ["ann", "bob", "cat"] {
        reserve(&mut town, member, 1).expect("a unit");
    }
    for member in ["dan", "eve"] {
        assert_eq!(code(reserve(&mut town, member, 1)), "flash.sold-out");
    }
    town.pay("order:r1").expect("heard");
    town.act("bob", "cancel", json!({"reservation": "r2"})).expect("given back");
    assert_eq!(code(town.act("bob", "cancel", json!({"reservation": "r2"}))), "flash.reservation-lapsed");
    assert_eq!(left(&mut town), 1);
    town.pass(5 * MINUTE);
    assert_eq!((left(&mut town), town.world().pools["mugs"].sold), (2, 1), "cat's came back too");
}

/// Regression 41: time first, and no stock is taken for who comes at the wrong time.
#[test]
fn nothing_is_sold_outside_a_slot() {
    let mut town = town(json!({}));
    town.pass(HOUR);
    assert_eq!(code(reserve(&mut town, "ann", 1)), "flash.not-in-slot");
    assert_eq!(town.world().pools["mugs"].available(), 10);
    town.pass(HOUR);
    reserve(&mut town, "ann", 1).expect("the next slot");
}

/// Regression 18: counted with the reservation, and not from orders.
#[test]
fn a_member_has_a_share_of_each_good_and_of_each_slot() {
    let mut town = town(json!({"per_member_slot": 1}));
    assert_eq!(code(reserve(&mut town, "ann", 3)), "flash.order-max");
    assert_eq!(code(reserve(&mut town, "ann", 2)), "flash.slot-limit");
    reserve(&mut town, "ann", 1).expect("a unit");
    assert_eq!(code(reserve(&mut town, "ann", 1)), "flash.slot-limit");
    town.pass(2 * HOUR);
    for _ in 0..1 {
        reserve(&mut town, "ann", 1).expect("another slot; the first lapsed");
    }
    let mut two = self::town(json!({}));
    reserve(&mut two, "ann", 2).expect("two");
    assert_eq!(code(reserve(&mut two, "ann", 1)), "flash.member-limit");
}

#[test]
fn a_slot_has_units_of_its_own() {
    let slots = json!([{"starts_at": BEGINNING, "ends_at": BEGINNING + HOUR, "quota": 1}]);
    let mut town = town(json!({"slots": slots}));
    reserve(&mut town, "ann", 1).expect("a unit");
    assert_eq!(code(reserve(&mut town, "bob", 1)), "flash.sold-out");
}

#[test]
fn a_late_payment_is_served_where_there_is_a_unit_and_else_paid_back() {
    let mut town = town(json!({}));
    reserve(&mut town, "ann", 1).expect("a unit");
    town.pass(5 * MINUTE);
    town.pay("order:r1").expect("heard");
    assert_eq!((town.world().pools["mugs"].sold, left(&mut town)), (1, 2));
    reserve(&mut town, "bob", 2).expect("the rest");
    town.pass(5 * MINUTE);
    reserve(&mut town, "cat", 2).expect("what bob let go");
    town.pay("order:r2").expect("heard");
    town.shop_catches_up();
    assert_eq!(town.world().orders["order:r2"].state, OrderState::Refunded);

    let mut strict = self::town(json!({"late_payment": "refund"}));
    reserve(&mut strict, "ann", 1).expect("a unit");
    strict.pass(5 * MINUTE);
    strict.pay("order:r1").expect("heard");
    strict.shop_catches_up();
    assert_eq!((strict.world().orders["order:r1"].state, left(&mut strict)), (OrderState::Refunded, 3));
}

#[test]
fn who_waits_is_served_in_order() {
    let mut town = town(json!({"release": "waiting-list"}));
    reserve(&mut town, "ann", 2).expect("two");
    reserve(&mut town, "bob", 1).expect("one");
    assert_eq!(reserve(&mut town, "cat", 1).expect("a place")["waiting_place"], 1);
    assert_eq!(reserve(&mut town, "dan", 1).expect("a place")["waiting_place"], 2);
    assert_eq!(reserve(&mut town, "cat", 1).expect("the same place")["waiting_place"], 1);
    assert_eq!(code(reserve(&mut town, "ann", 1)), "flash.member-limit", "who has had their share does not wait");
    town.act("bob", "cancel", json!({"reservation": "r2"})).expect("given back");
    town.pass(0);
    let mine: Value = town.ask("cat", "mine", json!({})).expect("an answer");
    assert_eq!(mine["reservations"][0]["state"], "reserved");
    town.pass(5 * MINUTE);
    let mine: Value = town.ask("dan", "mine", json!({})).expect("an answer");
    assert_eq!(mine["reservations"][0]["state"], "reserved", "ann let hers pass");
}

#[test]
fn winners_are_drawn_and_only_they_buy() {
    let draw = json!({"draw": {"enter_until": BEGINNING + 10 * MINUTE, "winners": 2, "buy_window_ms": 5 * MINUTE}});
    let mut town = town(json!({"mode": draw}));
    let members = ["ann", "bob", "cat", "dan"];
    for member in members {
        town.act(member, "enter", json!({})).expect("in");
    }
    assert_eq!(code(town.act("ann", "enter", json!({}))), "flash.already-entered");
    town.pass(10 * MINUTE);
    assert_eq!(code(town.act("eve", "enter", json!({}))), "flash.not-in-slot");
    let won = |town: &mut Town<FlashSale>| -> Vec<&str> {
        let has_won = |town: &mut Town<FlashSale>, member: &str| {
            town.ask::<Value>(member, "draw", json!({})).expect("a view")["has_won"] == true
        };
        members.into_iter().filter(|member| has_won(town, member)).collect()
    };
    let first = won(&mut town);
    assert_eq!(first.len(), 2, "X6");
    let loser = members.into_iter().find(|member| !first.contains(member)).expect("two lost");
    assert_eq!(code(reserve(&mut town, loser, 1)), "flash.not-winner");
    reserve(&mut town, first[0], 1).expect("a winner");
    town.pass(5 * MINUTE);
    assert_eq!(won(&mut town).len(), 3, "one let the time pass");
    assert_eq!(code(reserve(&mut town, first[1], 1)), "flash.not-winner");
    // Anybody can compute the hash of the list from the list.
    let list = town.payloads("flash-sale.drawn");
    let hash = list.iter().fold(String::new(), |hash, won| {
        let winner = won["winner"].as_str().expect("a member");
        fairground_sdk::hex(&sha2::Sha256::digest(format!("{hash}\n{winner}")))
    });
    let last = list.last().expect("three were drawn");
    assert_eq!((&last["place"], &last["hash"]), (&json!(3), &json!(hash)));
    assert_eq!(town.ask::<Value>("eve", "draw", json!({})).expect("a view")["hash"], json!(hash));
}

#[test]
fn a_large_draw_goes_on_until_all_are_drawn() {
    let draw = json!({"draw": {"enter_until": BEGINNING + 10 * MINUTE, "winners": 200, "buy_window_ms": 5 * MINUTE}});
    let mut town = town(json!({"mode": draw}));
    for number in 0..200 {
        town.act(&format!("m{number}"), "enter", json!({})).expect("in");
    }
    town.pass(10 * MINUTE);
    assert_eq!(town.payloads("flash-sale.drawn").len(), 200);
}

#[test]
fn so_many_wishes_are_taken_in_a_second() {
    let mut town = town(json!({"requests_per_second": 1}));
    reserve(&mut town, "ann", 1).expect("the first");
    assert_eq!(code(reserve(&mut town, "bob", 1)), "flash.too-fast");
    town.pass(1_000);
    reserve(&mut town, "bob", 1).expect("the next second");
}

#[test]
fn those_who_asked_are_reminded_before_the_next_slot() {
    let notices = json!([{"event": "flash-sale.warm-up", "template": "soon"}]);
    let mut town = town(json!({"notices": notices}));
    for number in 0..30 {
        town.act(&format!("m{number}"), "remind-me", json!({})).expect("noted");
    }
    town.pass(2 * HOUR - 5 * MINUTE - 1);
    let is_soon =
        |town: &mut Town<FlashSale>| town.ask::<Value>("m1", "sale", json!({})).expect("a view")["is_warm_up"].clone();
    assert_eq!((town.notified().len(), is_soon(&mut town)), (0, json!(false)));
    town.pass(1);
    assert_eq!((town.notified().len(), is_soon(&mut town)), (30, json!(true)));
    let mut silent = super::tests::town(json!({}));
    assert_eq!(silent.act("ann", "remind-me", json!({})).expect_err("nobody is told").code, "common.wrong-state");
}

#[test]
fn slots_that_overlap_and_draws_outside_of_them_are_refused() {
    let pointer = |changes: Value| {
        let issues = Town::<FlashSale>::new(config(changes)).check().expect_err("an issue");
        issues[0].pointer.clone()
    };
    let slots = json!([{"starts_at": 0, "ends_at": 10}, {"starts_at": 9, "ends_at": 20}]);
    assert_eq!(pointer(json!({"slots": slots})), "/slots");
    let draw = json!({"draw": {"enter_until": 5, "winners": 2, "buy_window_ms": 60_000}});
    assert_eq!(pointer(json!({"mode": draw})), "/mode/draw/enter_until");
}

#[test]
fn who_comes_new_does_not_pass_those_who_wait() {
    let mut town = town(json!({"release": "waiting-list"}));
    reserve(&mut town, "ann", 2).expect("two");
    reserve(&mut town, "bob", 1).expect("one");
    for (place, member) in ["cat", "dan"].into_iter().enumerate() {
        assert_eq!(reserve(&mut town, member, 1).expect("a place")["waiting_place"], place + 1);
    }
    town.act("ann", "cancel", json!({"reservation": "r1"})).expect("two are given back");
    assert_eq!(reserve(&mut town, "eve", 1).expect("a place")["waiting_place"], 3, "cat and dan were there first");
    town.pass(0);
    for (member, has) in [("cat", 1), ("dan", 1), ("eve", 0)] {
        let mine: Value = town.ask(member, "mine", json!({})).expect("an answer");
        assert_eq!(mine["reservations"].as_array().map(Vec::len), Some(has), "{member}");
    }
    // Who was served and let it go waits again.
    town.act("cat", "cancel", json!({"reservation": "r3"})).expect("given back");
    town.pass(0);
    assert!(reserve(&mut town, "cat", 1).expect("a place")["waiting_place"].is_number());
}

#[test]
fn entering_a_draw_is_the_part_that_counts() {
    let draw = json!({"draw": {"enter_until": BEGINNING + 10 * MINUTE, "winners": 1, "buy_window_ms": 5 * MINUTE}});
    let mut town = town(json!({"mode": draw, "limits": {"per_member_total": 1}}));
    town.act("ann", "enter", json!({})).expect("in");
    town.pass(10 * MINUTE);
    reserve(&mut town, "ann", 1).expect("the winner buys");
}

#[test]
fn no_time_passes_for_winners_while_nothing_is_sold() {
    let draw = json!({"draw": {"enter_until": BEGINNING + 58 * MINUTE, "winners": 1, "buy_window_ms": 5 * MINUTE}});
    let mut town = town(json!({"mode": draw}));
    for member in ["ann", "bob", "cat"] {
        town.act(member, "enter", json!({})).expect("in");
    }
    let drawn = |town: &Town<FlashSale>| town.events().iter().filter(|(topic, _)| topic == "flash-sale.drawn").count();
    town.pass(58 * MINUTE);
    assert_eq!(drawn(&town), 1);
    town.pass(HOUR);
    assert_eq!(drawn(&town), 1, "the slot ended before the window did");
    town.pass(10 * MINUTE);
    assert!(drawn(&town) > 1, "in the next slot it went on, and passed");
}

#[test]
fn however_much_is_told_a_sale_settles() {
    let told: Vec<Value> =
        (0..6).map(|number| json!({"event": "flash-sale.lapsed", "template": format!("t{number}")})).collect();
    let items = json!([{"sku": "mug", "sale_price": 500, "pool": "mugs", "total": 60}]);
    let mut town = Town::<FlashSale>::new(config(json!({"notices": told, "items": items})))
        .stock("mugs", 60)
        .sku("mug", 1_000)
        .started();
    for number in 0..60 {
        reserve(&mut town, &format!("m{number}"), 1).expect("a unit");
    }
    town.stop();
    assert_eq!(town.world().pools["mugs"].available(), 60);
}

#[test]
fn money_counts_by_when_it_came() {
    let mut town = town(json!({"late_payment": "refund"}));
    reserve(&mut town, "ann", 1).expect("a unit");
    town.world().now += 6 * MINUTE;
    town.pay_unheard_for("order:r1", 2 * MINUTE).expect("heard");
    assert_eq!(town.world().pools["mugs"].sold, 1);
}
