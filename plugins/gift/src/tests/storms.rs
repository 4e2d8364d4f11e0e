//! Random stories: G1 to G16 and F1 to F6 hold after every step.

use fairground_sdk::{
    Hold, HoldState, HostEvent,
    town::{
        Town,
        storm::{Dice, Storm, storm},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    Giving,
    gift::{Gift, ShareState, State},
};

const HOUR: u64 = 3_600_000;

impl Storm for Giving {
    fn configs() -> BoxedStrategy<Value> {
        let recipient = prop_oneof![Just("self"), Just("friend"), Just("either")];
        let bundle = (1..3u32, 1..3u32, prop::option::of(Just("pin")), recipient, 1..4u32, 0..4u32).prop_map(
            |(buy, get_qty, get, recipient, repeats, most)| {
                let (offer, bps) = if recipient == "self" { (None, 5_000) } else { (Some("unit"), 10_000) };
                json!({"buy-x-get-y": {
                    "buy": ["mug", "pin"], "buy_qty": buy, "get": get, "get_qty": get_qty, "get_discount_bps": bps,
                    "recipient": recipient, "max_repeats_per_order": repeats, "max_per_member": most, "offer": offer,
                }})
            },
        );
        let split = prop_oneof![Just(json!("each-one")), Just(json!({"random": {"shares": 2}}))];
        let link = (2..5u32, split, prop::option::of(Just(0))).prop_map(|(units, split, price)| {
            json!({"gift-link": {"sku": "mug", "price": price, "offer": "unit", "units_per_gift": units, "split": split}})
        });
        let qualify = prop_oneof![Just(json!("register")), Just(json!({"first-order": {"min_total": 100}}))];
        let invite = (1..3u32, qualify, 1..4u32).prop_map(|(needed, qualify, rounds)| {
            json!({"invite-gift": {"needed": needed, "qualify": qualify, "offer": "prize", "welcome_offer": "small", "max_rounds": rounds}})
        });
        let packet = (1..8i64).prop_map(|packets| {
            json!({"red-packet": {"offer": "packet", "total": packets * 30, "packets": packets, "min": 10, "max": 50}})
        });
        let unclaimed = prop_oneof![Just("refund"), Just("return-to-buyer"), Just("keep-open")];
        let rule = prop_oneof![Just("block-after-claim"), Just("deduct-claimed")];
        let wait = prop_oneof![Just(0), Just(2 * HOUR)];
        (prop_oneof![3 => bundle, 4 => link, 2 => invite, 1 => packet], unclaimed, rule, wait, any::<bool>(), 1..3u32)
            .prop_map(|(mode, unclaimed, rule, wait, own, each)| {
                let wait = if mode.get("red-packet").is_some() { 0 } else { wait };
                json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
                    "mode": mode, "claim_ttl_ms": 30 * HOUR, "unclaimed": unclaimed, "refund_rule": rule, "per_claimer": each,
                    "self_claim": own, "reward_hold_ms": wait, "stock_pool": "pins",
                })
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        let town = Town::new(config.clone()).goods_offer("unit", "mugs", 3).offer("prize", 100).offer("small", 10);
        let town = town.packet_offer("packet", 60).budget(300).stock("mugs", 9).stock("pins", 5);
        town.sku("mug", 1_000).sku("pin", 333)
    }

    fn deed(town: &Town<Self>, _: &str, dice: &mut Dice) -> (&'static str, Value) {
        let ids = town.stored("gift/");
        let links: Vec<String> =
            town.answers("link").filter_map(|link| link["token"].as_str()).map(Into::into).collect();
        match dice.below(20) {
            0..=4 if town.config()["mode"].get("gift-link").is_some() => ("send", json!({})),
            0..=4 => {
                let line = |sku: &str, quantity: usize| json!({"sku": sku, "quantity": quantity});
                let lines = [line("mug", 1 + dice.below(4)), line("pin", 1 + dice.below(3))];
                ("send", json!({"lines": lines[..1 + dice.below(2)], "to_friend": dice.below(2) == 0}))
            }
            5..=8 => ("link", json!({"gift": dice.id(&ids), "share": dice.below(3)})),
            9..=12 => ("claim", json!({"token": dice.id(&links)})),
            13 => ("decline", json!({"token": dice.id(&links)})),
            14 => ("recall", json!({"gift": dice.id(&ids)})),
            15 => ("get-code", json!({})),
            16..=17 => ("bind", json!({"code": dice.id(&town.stored("fg/code/"))})),
            18 => ("redeem", json!({})),
            _ => ("open", json!({})),
        }
    }

    fn operation(town: &Town<Self>, dice: &mut Dice) -> Option<(&'static str, Value)> {
        let name = if dice.below(2) == 0 { "ops-revoke" } else { "ops-return" };
        Some((name, json!({"gift": dice.id(&town.stored("gift/")), "share": dice.below(3)})))
    }

    fn news(town: &Town<Self>, dice: &mut Dice) -> Option<HostEvent> {
        let (subject, at) = (dice.member(), town.now());
        let order = format!("o{}", dice.below(2));
        let (topic, payload) = match dice.below(4) {
            0 => ("member.returned", json!({"order": order})),
            1 => ("member.closed", json!(null)),
            _ => ("member.bought", json!({"order": order, "total_minor": 50 + 50 * dice.below(3)})),
        };
        let id = format!("{topic}-{subject}-{at}");
        Some(HostEvent { id, topic: topic.into(), subject, payload: payload.to_string(), at })
    }

    /// F1: what is set aside is what shares say. F3 and F6: what is for less is no more than was bought for, and the lines sum to the total.
    fn holds(town: &mut Town<Self>) {
        let is_there =
            |hold: &&Hold| hold.offer == "unit" && matches!(hold.state, HoldState::Held | HoldState::Captured);
        let there = town.world().holds().filter(is_there).count();
        let units = |gift: &Gift| -> u32 {
            let is_gone = |state: ShareState| match state {
                ShareState::Waiting => gift.state == State::Lapsed,
                ShareState::Refunded | ShareState::Revoked => true,
                _ => false,
            };
            gift.shares.iter().filter(|share| !is_gone(share.state)).map(|share| share.units).sum()
        };
        let expected: u32 = town.entries::<Gift>("gift/").iter().map(units).sum();
        assert_eq!(there, expected as usize, "F1");
        let mode = town.config()["mode"]["buy-x-get-y"].clone();
        let number = |field: &str| u32::try_from(mode[field].as_u64().unwrap_or(0)).expect("small");
        for gift in town.entries::<Gift>("gift/") {
            let order = town.world().orders[&gift.order()].clone();
            let sum: i64 = order.lines.iter().map(|line| i64::from(line.quantity) * line.unit_price).sum();
            assert_eq!((sum, order.total), (order.total, gift.total.max(order.total)), "F6");
            if mode.is_null() {
                continue;
            }
            let price = |sku: &str| if sku == "mug" { 1_000 } else { 333 };
            let less: u32 =
                order.lines.iter().filter(|line| line.unit_price < price(&line.sku)).map(|line| line.quantity).sum();
            let full: u32 = order.lines.iter().map(|line| line.quantity).sum::<u32>() - less;
            let given: u32 = less + gift.shares.iter().map(|share| share.units).sum::<u32>();
            let repeats = (full / number("buy_qty")).min(number("max_repeats_per_order"));
            assert!(given > 0 && given <= repeats * number("get_qty"), "F3: {given} of {full}");
        }
    }

    /// G11 and G12.
    fn settled(town: &mut Town<Self>) {
        for gift in town.entries::<Gift>("gift/") {
            assert_ne!(gift.state, State::Ordered, "G11: {gift:?}");
            let is_open = gift.shares.iter().any(|share| share.state == ShareState::Offered);
            assert!(!is_open, "G11: {gift:?}");
            let order = town.world().orders[&gift.order()].clone();
            assert!(order.paid - order.refunded <= gift.kept(), "G12: {gift:?} {order:?}");
        }
    }
}

#[test]
fn gifts_stand_any_storm() {
    storm::<Giving>();
}
