//! Random stories: G1 to G16 and GB1 to GB10 hold after every step.

use fairground_sdk::town::{
    Town,
    storm::{Dice, Storm, storm},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::GroupBuy;

impl Storm for GroupBuy {
    fn configs() -> BoxedStrategy<Value> {
        let shape = prop_oneof![
            (2..5u32).prop_map(|size| json!({"size": size})),
            (3..5u32).prop_map(|size| json!({"size": size, "completion": {"merchant-fill": {"min_real_bps": 6_000}}})),
            Just(json!({"tiers": [{"size": 2, "price": 900}, {"size": 3, "price": 800}, {"size": 5, "price": 700}]})),
        ];
        let late = prop_oneof![Just("refund"), Just("reseat-else-refund")];
        let leaves = prop_oneof![Just("promote-next"), Just("fail-group")];
        let handover = prop_oneof![Just("none"), Just("refund-difference")];
        let withdraw = prop_oneof![Just("until-full"), Just("never")];
        let leader = prop_oneof![Just(Value::Null), Just(json!(850)), Just(json!(0))];
        (shape, late, leaves, handover, withdraw, leader, 1..3u32, 1..4u32)
            .prop_map(|(shape, late, leaves, handover, withdraw, leader, at_once, quantity)| {
                let mut config = json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
                    "skus": [{"sku": "mug", "solo_price": 1_000, "group_price": 900, "leader_price": leader}],
                    "group_ttl_ms": 3_600_000, "pay_window_ms": 600_000, "concurrent_per_member": at_once,
                    "quantity_per_order": quantity, "late_payment": late, "leader_leaves": leaves,
                    "leader_price_on_handover": handover, "withdraw_paid": withdraw, "stock_pool": "mugs",
                });
                let (Value::Object(fields), Value::Object(shape)) = (&mut config, shape) else { panic!("objects") };
                fields.extend(shape);
                config
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        Town::new(config.clone()).stock("mugs", 12).sku("mug", 1_000)
    }

    fn deed(town: &Town<Self>, member: &str, dice: &mut Dice) -> (&'static str, Value) {
        let groups: Vec<String> = town.stored("group/");
        let seats: Vec<String> = town.stored(&format!("of/{member}/"));
        let own: Vec<String> = seats.iter().map(|group| format!("{group}.{}", 1 + dice.below(4))).collect();
        let quantity = 1 + dice.below(2);
        match dice.below(12) {
            0..=1 => ("open", json!({"sku": "mug", "quantity": quantity})),
            2..=5 => ("join", json!({"sku": "mug", "quantity": quantity})),
            6..=8 => ("join", json!({"sku": "mug", "group": dice.id(&groups), "quantity": quantity})),
            9 => ("leave", json!({"seat": dice.id(&own)})),
            10 => ("withdraw", json!({"seat": dice.id(&own)})),
            _ => ("buy-alone", json!({"sku": "mug", "quantity": quantity})),
        }
    }

    fn operation(town: &Town<Self>, dice: &mut Dice) -> Option<(&'static str, Value)> {
        let group = dice.id(&town.stored("group/"));
        (dice.below(3) == 0).then(|| ("ops-cancel", json!({"group": group, "reason": "x"})))
    }

    /// GB6: what is counted as sold or reserved is what the pool has; GB4 by the counter of seats.
    fn holds(town: &mut Town<Self>) {
        let pool = town.world().pools["mugs"];
        let units = town.world().counter("units");
        assert_eq!(units, i64::try_from(pool.reserved + pool.sold).expect("few units"), "GB6");
    }

    /// G4 and G12: what was paid is kept for what was sold, and for nothing else.
    fn settled(town: &mut Town<Self>) {
        for (key, order) in town.world().orders.clone() {
            let kept = order.paid - order.refunded;
            assert!((0..=order.total).contains(&kept), "{key}: {order:?}");
        }
        let open = town.stored("open-group/").len() + town.stored("live/").len() + town.stored("open-solo/").len();
        assert_eq!(open, 0, "G11: nothing is open");
        assert_eq!(town.world().pools["mugs"].reserved, 0);
    }
}

#[test]
fn a_group_buy_stands_any_storm() {
    storm::<GroupBuy>();
}
