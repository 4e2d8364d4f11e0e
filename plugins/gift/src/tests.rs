//! The rules played.

mod storms;

use fairground_sdk::{HostEvent, town::Town};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Giving;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn config(mode: Value, changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0}, "mode": mode,
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn unstarted(mode: Value, changes: Value) -> Town<Giving> {
    let town = Town::new(config(mode, changes)).goods_offer("unit", "mugs", 0).offer("prize", 100).offer("small", 10);
    town.packet_offer("packet", 500).budget(2_000).stock("mugs", 4).stock("pins", 3).sku("mug", 1_000).sku("pin", 333)
}

fn town(mode: Value, changes: Value) -> Town<Giving> {
    unstarted(mode, changes).started()
}

/// Two mugs, each for a friend.
fn link_mode() -> Value {
    json!({"gift-link": {"sku": "mug", "offer": "unit", "units_per_gift": 2}})
}

fn bundle(changes: Value) -> Value {
    let mut mode = json!({"buy": ["mug", "pin"], "buy_qty": 1, "get_qty": 1, "max_repeats_per_order": 9});
    let (Value::Object(fields), Value::Object(changes)) = (&mut mode, changes) else { panic!("objects") };
    fields.extend(changes);
    json!({"buy-x-get-y": mode})
}

/// The code of the refusal, where it is one.
fn code<T>(answer: Result<T, fairground_sdk::Problem>) -> &'static str {
    answer.err().map_or("", |problem| problem.code)
}

fn paid_gift(town: &mut Town<Giving>, giver: &str) -> String {
    let gift = town.act(giver, "send", json!({})).expect("an order")["gift"].as_str().expect("an id").to_owned();
    town.pay(&format!("gift:{gift}")).expect("paid");
    gift
}

fn link(town: &mut Town<Giving>, giver: &str, gift: &str, share: u32) -> String {
    let link = town.act(giver, "link", json!({"gift": gift, "share": share})).expect("a link");
    link["token"].as_str().expect("a token").into()
}

fn claim(town: &mut Town<Giving>, member: &str, token: &str) -> &'static str {
    code(town.act(member, "claim", json!({"token": token})))
}

fn share(town: &mut Town<Giving>, giver: &str, place: usize) -> String {
    let gift: Value = town.ask(giver, "gift", json!({"gift": "g1"})).expect("a gift");
    gift["shares"][place]["state"].as_str().expect("a state").into()
}

fn send(town: &mut Town<Giving>, lines: &[(&str, u32)]) -> Result<Value, fairground_sdk::Problem> {
    let lines: Vec<Value> = lines.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
    town.act("ann", "send", json!({"lines": lines}))
}

/// Sku, units and price of each line.
fn lines(town: &mut Town<Giving>, order: &str) -> Vec<(String, u32, i64)> {
    let lines = town.world().orders[order].lines.clone().into_iter();
    lines.map(|line| (line.sku, line.quantity, line.unit_price)).collect()
}

#[test]
fn a_link_is_good_for_one_friend() {
    let mut town = town(link_mode(), json!({}));
    assert_eq!(town.act("ann", "send", json!({})).expect("an order")["total"], 2_000);
    assert_eq!(
        code(town.act("ann", "link", json!({"gift": "g1", "share": 0}))),
        "common.wrong-state",
        "it is not paid"
    );
    town.pay("gift:g1").expect("paid");
    let first = link(&mut town, "ann", "g1", 0);
    assert!(!town.stored("link/").contains(&first) && first.len() == 32, "only its hash is kept");
    let second = link(&mut town, "ann", "g1", 0);
    assert_eq!(claim(&mut town, "bob", &first), "gift.link-invalid", "another link ends it");
    assert_eq!(claim(&mut town, "ann", &second), "gift.self-claim");
    assert_eq!(claim(&mut town, "bob", &second), "");
    // Two friends open the same link.
    assert_eq!(claim(&mut town, "cat", &second), "gift.link-used");
    assert_eq!(town.rewards_of("bob"), ["unit"]);
    let other = link(&mut town, "ann", "g1", 1);
    assert_eq!(claim(&mut town, "bob", &other), "gift.claim-limit");
    assert_eq!(claim(&mut town, "cat", &other), "");
    assert_eq!(code(town.act("bob", "link", json!({"gift": "g1", "share": 0}))), "common.not-owner");
}

#[test]
fn what_nobody_claims_is_paid_back_or_the_givers() {
    let mut refund = town(link_mode(), json!({"claim_ttl_ms": DAY}));
    paid_gift(&mut refund, "ann");
    let token = link(&mut refund, "ann", "g1", 0);
    let late = link(&mut refund, "ann", "g1", 1);
    assert_eq!(claim(&mut refund, "bob", &token), "");
    refund.world().now += DAY;
    assert_eq!(claim(&mut refund, "cat", &late), "gift.link-expired", "also before its timer has run");
    refund.pass(1);
    let order = refund.world().orders["gift:g1"].clone();
    assert_eq!((share(&mut refund, "ann", 1), order.refunded), ("refunded".into(), 1_000));
    assert_eq!(refund.world().pools["mugs"].available(), 3, "it is in stock again");

    let mut back = town(link_mode(), json!({"claim_ttl_ms": DAY, "unclaimed": "return-to-buyer"}));
    paid_gift(&mut back, "ann");
    back.pass(DAY);
    assert_eq!(back.rewards_of("ann"), ["unit", "unit"]);

    let mut open = town(link_mode(), json!({"claim_ttl_ms": DAY, "unclaimed": "keep-open"}));
    paid_gift(&mut open, "ann");
    open.pass(9 * DAY);
    let token = link(&mut open, "ann", "g1", 0);
    assert_eq!(claim(&mut open, "bob", &token), "");
    open.stop();
    assert_eq!(open.rewards_of("ann"), ["unit"]);
}

#[test]
fn a_gift_is_recalled_as_the_rule_says() {
    let mut block = town(link_mode(), json!({}));
    paid_gift(&mut block, "ann");
    let token = link(&mut block, "ann", "g1", 0);
    claim(&mut block, "bob", &token);
    assert_eq!(code(block.act("ann", "recall", json!({"gift": "g1"}))), "gift.cannot-recall");

    let mut deduct = town(link_mode(), json!({"refund_rule": "deduct-claimed"}));
    paid_gift(&mut deduct, "ann");
    let token = link(&mut deduct, "ann", "g1", 0);
    let other = link(&mut deduct, "ann", "g1", 1);
    claim(&mut deduct, "bob", &token);
    deduct.act("ann", "recall", json!({"gift": "g1"})).expect("the other one");
    assert_eq!(deduct.world().orders["gift:g1"].refunded, 1_000, "what was claimed is kept");
    assert_eq!(claim(&mut deduct, "cat", &other), "gift.link-expired");

    let mut unpaid = town(link_mode(), json!({}));
    unpaid.act("ann", "send", json!({})).expect("an order");
    unpaid.act("ann", "recall", json!({"gift": "g1"})).expect("given up");
    assert_eq!(unpaid.world().pools["mugs"].available(), 4);
}

#[test]
fn a_friend_declines_and_the_giver_need_not_wait() {
    let mut town = town(link_mode(), json!({}));
    paid_gift(&mut town, "ann");
    let token = link(&mut town, "ann", "g1", 0);
    town.act("bob", "decline", json!({"token": token})).expect("declined");
    assert_eq!((share(&mut town, "ann", 0), town.world().orders["gift:g1"].refunded), ("refunded".into(), 1_000));
}

/// F4: the shop pays everything back, and nothing is offered any more.
#[test]
fn a_gift_that_the_shop_pays_back_is_not_offered() {
    let mut town = town(link_mode(), json!({}));
    paid_gift(&mut town, "ann");
    let token = link(&mut town, "ann", "g1", 0);
    town.refund_by_shop("gift:g1", 2_000).expect("heard");
    assert_eq!(claim(&mut town, "bob", &token), "gift.link-expired");
    assert_eq!(town.world().pools["mugs"].available(), 4);
}

/// The shop pays a part back by itself, and then no more is given than is paid for.
#[test]
fn a_part_that_the_shop_pays_back_is_not_given() {
    let mut town = town(link_mode(), json!({}));
    paid_gift(&mut town, "ann");
    town.refund_by_shop("gift:g1", 1_000).expect("heard");
    let states = [share(&mut town, "ann", 0), share(&mut town, "ann", 1)];
    assert_eq!(states.iter().filter(|state| *state == "offered").count(), 1, "{states:?}");
}

#[test]
fn a_part_of_a_payment_waits_for_the_rest_or_is_paid_back() {
    let mut town = town(link_mode(), json!({"pay_window_ms": HOUR}));
    town.act("ann", "send", json!({})).expect("an order");
    town.pay_part("gift:g1", 500).expect("a part");
    assert_eq!((share(&mut town, "ann", 0), town.world().orders["gift:g1"].refunded), ("waiting".into(), 0));
    town.pass(HOUR);
    assert_eq!(town.world().orders["gift:g1"].refunded, 500);
    town.pay_part("gift:g1", 1_500).expect("the rest");
    let order = town.world().orders["gift:g1"].clone();
    assert_eq!((order.paid, order.refunded), (2_000, 2_000), "too late, and paid back");
}

#[test]
fn money_that_comes_late_or_twice_is_paid_back_or_serves() {
    let mut town = town(link_mode(), json!({"pay_window_ms": HOUR}));
    town.act("ann", "send", json!({})).expect("an order");
    town.act("bob", "send", json!({})).expect("an order");
    assert_eq!(code(town.act("cat", "send", json!({}))), "common.stock-exhausted", "nothing is sold that is not there");
    town.pass(HOUR);
    assert_eq!(town.world().pools["mugs"].available(), 4);
    town.act("cat", "send", json!({})).expect("an order");
    town.pay("gift:g1").expect("late");
    town.pay("gift:g2").expect("late");
    let refunded = |town: &mut Town<Giving>, order: &str| town.world().orders[order].refunded;
    assert_eq!((refunded(&mut town, "gift:g1"), refunded(&mut town, "gift:g2")), (0, 2_000), "there was one left");
    town.pay("gift:g1").expect("twice");
    assert_eq!(refunded(&mut town, "gift:g1"), 2_000, "the second payment");
    assert_eq!(share(&mut town, "ann", 0), "offered");
}

#[test]
fn a_claim_that_waits_can_be_revoked() {
    let mut town = town(link_mode(), json!({"reward_hold_ms": DAY}));
    paid_gift(&mut town, "ann");
    for (place, member) in [(0, "bob"), (1, "cat")] {
        let token = link(&mut town, "ann", "g1", place);
        assert_eq!(claim(&mut town, member, &token), "");
    }
    town.operate("ops-revoke", json!({"gift": "g1", "share": 0})).expect("revoked");
    town.pass(DAY);
    assert_eq!((town.rewards_of("bob"), town.rewards_of("cat")), (vec![], vec!["unit".to_owned()]));
    let late = town.operate("ops-revoke", json!({"gift": "g1", "share": 1}));
    assert_eq!(code(late), "common.wrong-state");
}

#[test]
fn what_cannot_be_delivered_is_paid_back_once() {
    let mut town = town(link_mode(), json!({}));
    paid_gift(&mut town, "ann");
    for (place, member) in [(0, "bob"), (1, "cat")] {
        let token = link(&mut town, "ann", "g1", place);
        assert_eq!(claim(&mut town, member, &token), "");
    }
    let give_back =
        |town: &mut Town<Giving>, share: u32| code(town.operate("ops-return", json!({"gift": "g1", "share": share})));
    assert_eq!(give_back(&mut town, 0), "");
    assert_eq!(give_back(&mut town, 0), "common.wrong-state", "once");
    town.shop_catches_up();
    let order = &town.world().orders["gift:g1"];
    assert_eq!((order.refunded, order.paid), (order.total / 2, order.total), "one of two units");
    assert_eq!((town.rewards_of("bob"), town.rewards_of("cat")), (vec![], vec!["unit".to_owned()]));
    assert_eq!(town.audit(), Vec::<String>::new());
}

/// F3 and F6.
#[test]
fn the_cheapest_of_what_is_bought_is_free() {
    let mut town = town(bundle(json!({"buy_qty": 1})), json!({}));
    assert_eq!(code(send(&mut town, &[("mug", 1)])), "gift.quantity-rule");
    assert_eq!(send(&mut town, &[("mug", 2), ("pin", 1)]).expect("an order")["total"], 2_000);
    assert_eq!(lines(&mut town, "gift:g1"), [("pin".into(), 1, 0), ("mug".into(), 2, 1_000)]);
    send(&mut town, &[("mug", 3), ("pin", 1)]).expect("an order");
    assert_eq!(lines(&mut town, "gift:g2"), [("pin".into(), 1, 0), ("mug".into(), 1, 0), ("mug".into(), 2, 1_000)]);
    assert_eq!(code(send(&mut town, &[("spoon", 2)])), "common.not-found");
}

#[test]
fn a_gift_of_another_good_comes_with_the_order_as_long_as_there_are_some() {
    let mode =
        bundle(json!({"buy": ["mug"], "buy_qty": 2, "get": "pin", "get_discount_bps": 5_000, "max_per_member": 3}));
    let mut town = town(mode, json!({"stock_pool": "pins", "pay_window_ms": HOUR}));
    send(&mut town, &[("mug", 5)]).expect("an order");
    assert_eq!(lines(&mut town, "gift:g1"), [("mug".into(), 5, 1_000), ("pin".into(), 2, 167)]);
    assert_eq!(code(send(&mut town, &[("mug", 4)])), "gift.round-limit", "two of three");
    town.pay("gift:g1").expect("paid");
    let pool = town.world().pools["pins"];
    assert_eq!((pool.reserved, pool.sold), (0, 2));
    send(&mut town, &[("mug", 2)]).expect("the third");
    town.pass(HOUR);
    assert_eq!(town.world().pools["pins"].available(), 1, "not paid, and in stock again");
    send(&mut town, &[("mug", 2)]).expect("and theirs again");
}

#[test]
fn a_gift_for_a_friend_comes_by_a_link() {
    let mode = bundle(json!({"buy": ["mug"], "recipient": "either", "offer": "unit", "get": "mug"}));
    let mut town = town(mode, json!({}));
    let lines = json!([{"sku": "mug", "quantity": 1}]);
    let gift = town.act("ann", "send", json!({"lines": lines, "to_friend": true})).expect("an order");
    assert_eq!((&gift["total"], gift["shares"].as_array().map(Vec::len)), (&json!(1_000), Some(1)));
    town.pay("gift:g1").expect("paid");
    let token = link(&mut town, "ann", "g1", 0);
    assert_eq!(claim(&mut town, "bob", &token), "");
    assert_eq!(code(town.act("ann", "recall", json!({"gift": "g1"}))), "gift.cannot-recall");
}

fn hear(town: &mut Town<Giving>, topic: &str, subject: &str, payload: Value) {
    let at = town.now();
    let id = format!("{topic}-{subject}-{at}");
    let event = HostEvent { id, topic: topic.into(), subject: subject.into(), payload: payload.to_string(), at };
    town.hear(&event).expect("heard");
}

#[test]
fn so_many_friends_are_a_gift() {
    let mode = json!({"invite-gift": {
        "needed": 2, "qualify": {"join-group": {"group": "club"}}, "offer": "prize", "welcome_offer": "small", "max_rounds": 2,
    }});
    let mut town = town(mode, json!({}));
    let code_text = town.act("ann", "get-code", json!({})).expect("a code")["code"].clone();
    let bind = |town: &mut Town<Giving>, member: &str| code(town.act(member, "bind", json!({"code": code_text})));
    assert_eq!(bind(&mut town, "ann"), "gift.self-claim");
    for friend in ["bob", "cat", "dan"] {
        assert_eq!(bind(&mut town, friend), "");
    }
    assert_eq!(bind(&mut town, "bob"), "gift.link-used");
    hear(&mut town, "member.joined", "bob", json!({"group": "club"}));
    assert_eq!(town.rewards_of("bob"), ["small"]);
    assert_eq!(code(town.act("ann", "redeem", json!({}))), "gift.not-enough-invites");
    hear(&mut town, "member.joined", "cat", json!({"group": "club"}));
    hear(&mut town, "member.left", "cat", json!({"group": "club"}));
    assert_eq!(code(town.act("ann", "redeem", json!({}))), "gift.not-enough-invites", "cat has left");
    hear(&mut town, "member.joined", "dan", json!({"group": "club"}));
    assert_eq!(code(town.act("ann", "redeem", json!({}))), "");
    assert_eq!(town.rewards_of("ann"), ["prize"]);
    hear(&mut town, "member.left", "dan", json!({"group": "club"}));
    assert_eq!(town.audit(), Vec::<String>::new(), "what has earned a gift stays counted");
    assert_eq!(code(town.act("ann", "redeem", json!({}))), "gift.not-enough-invites");
}

#[test]
fn friends_count_within_the_window_and_gifts_need_have_no_end() {
    let mode = json!({"invite-gift": {
        "needed": 1, "qualify": {"join-group": {"group": "club"}}, "offer": "prize", "max_rounds": 0, "window_ms": DAY,
        "friends_must_be_new": false,
    }});
    let mut town = town(mode, json!({}));
    let code_text = town.act("ann", "get-code", json!({})).expect("a code")["code"].clone();
    for friend in ["bob", "cat", "dan"] {
        town.world().join(friend);
        town.world().members.get_mut(friend).expect("a member").0.first_order_at = Some(0);
        town.act(friend, "bind", json!({"code": code_text})).expect("bound");
    }
    for friend in ["bob", "cat"] {
        hear(&mut town, "member.joined", friend, json!({"group": "club"}));
        town.act("ann", "redeem", json!({})).expect("a gift");
    }
    town.pass(DAY);
    hear(&mut town, "member.joined", "dan", json!({"group": "club"}));
    assert_eq!(code(town.act("ann", "redeem", json!({}))), "gift.not-enough-invites", "dan came too late");
}

/// Worked example 17.
#[test]
fn ten_packets_sum_to_fifteen_yuan() {
    let mode = json!({"red-packet": {"offer": "packet", "total": 1_500, "packets": 10, "min": 1, "max": 500}});
    let mut town = town(mode, json!({}));
    let mut sum = 0;
    for number in 0..10 {
        let packet = town.act(&format!("m{number}"), "open", json!({})).expect("a packet");
        let amount = packet["amount"].as_i64().expect("an amount");
        assert!((1..=500).contains(&amount));
        sum += amount;
    }
    assert_eq!((sum, sum / 10), (1_500, 150));
    assert_eq!(code(town.act("m0", "open", json!({}))), "gift.claim-limit");
    assert_eq!(code(town.act("late", "open", json!({}))), "gift.link-used");
    assert_eq!(town.world().budget.as_ref().map(|budget| (budget.held, budget.captured)), Some((0, 1_500)));
}

#[test]
fn a_config_that_cannot_be_is_refused() {
    let pointers = |mode: Value, changes: Value| -> Vec<String> {
        let issues = unstarted(mode, changes).check().expect_err("issues");
        issues.into_iter().map(|issue| issue.pointer).collect()
    };
    let moon =
        json!({"gift-link": {"sku": "mug", "offer": "moon", "units_per_gift": 1, "split": {"random": {"shares": 2}}}});
    assert_eq!(pointers(moon, json!({})), ["/mode/gift-link/offer", "/mode/gift-link/split/random/shares"]);
    let friend = bundle(json!({"recipient": "friend", "get_discount_bps": 9_999}));
    assert_eq!(pointers(friend, json!({})), ["/mode/buy-x-get-y/offer", "/mode/buy-x-get-y/get_discount_bps"]);
    let many = bundle(json!({"get_qty": 10}));
    assert_eq!(pointers(many, json!({})), ["/mode/buy-x-get-y/max_repeats_per_order"]);
    let packet = json!({"red-packet": {"offer": "packet", "total": 10, "packets": 2, "min": 6, "max": 501}});
    assert_eq!(pointers(packet, json!({})), ["/mode/red-packet/offer", "/mode/red-packet/total"]);
    let fine = json!({"red-packet": {"offer": "packet", "total": 1_500, "packets": 10, "min": 1, "max": 500}});
    assert_eq!(unstarted(fine, json!({})).check().expect("a report").max_liability, Some(1_500 + 500 - 1));
}

proptest! {
    /// F6, with a discount that leaves no whole price.
    #[test]
    fn the_lines_sum_to_the_total(mugs in 0..20u32, pins in 0..20u32, bps in 1..=10_000u32, get_qty in 1..4u32) {
        prop_assume!(mugs + pins > get_qty);
        let mode = bundle(json!({"get_qty": get_qty, "get_discount_bps": bps}));
        let mut town = town(mode, json!({}));
        let wanted: Vec<(&str, u32)> = [("mug", mugs), ("pin", pins)].into_iter().filter(|(_, units)| *units > 0).collect();
        let total = send(&mut town, &wanted).expect("an order")["total"].as_i64().expect("a total");
        let lines = lines(&mut town, "gift:g1");
        let units = |sku: &str| lines.iter().filter(|(known, ..)| known == sku).map(|(_, units, _)| units).sum::<u32>();
        prop_assert_eq!((units("mug"), units("pin")), (mugs, pins));
        prop_assert_eq!(lines.iter().map(|(_, units, price)| i64::from(*units) * price).sum::<i64>(), total);
    }
}
