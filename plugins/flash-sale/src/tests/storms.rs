//! Random stories: G1 to G16 and X1 to X8 hold after every step.

use fairground_sdk::town::{
    BEGINNING, Town,
    storm::{Dice, Storm, storm},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::FlashSale;

const HOUR: i64 = 3_600_000;

impl Storm for FlashSale {
    fn configs() -> BoxedStrategy<Value> {
        let mode = prop_oneof![
            2 => Just(json!("first-come")),
            1 => (1..4u32).prop_map(|winners| {
                json!({"draw": {"enter_until": BEGINNING + HOUR / 2, "winners": winners, "buy_window_ms": 600_000}})
            }),
        ];
        let release = prop_oneof![Just("back-to-pool"), Just("waiting-list")];
        let late = prop_oneof![Just("fulfil-if-stock-else-refund"), Just("refund")];
        let quota = prop_oneof![Just(Value::Null), (1..5u32).prop_map(|quota| json!(quota))];
        (mode, release, late, quota, 0..3u32, 0..3u32, 1..6u32, 0..3u32)
            .prop_map(|(mode, release, late, quota, in_slot, of_item, total, rate)| {
                json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
                    "items": [
                        {"sku": "mug", "sale_price": 500, "pool": "mugs", "total": total, "per_member_total": of_item, "per_order_max": 2},
                        {"sku": "pin", "sale_price": 0, "pool": "mugs", "total": 2},
                    ],
                    "slots": [
                        {"starts_at": BEGINNING, "ends_at": BEGINNING + 2 * HOUR, "quota": quota},
                        {"starts_at": BEGINNING + 26 * HOUR, "ends_at": BEGINNING + 60 * HOUR},
                    ],
                    "per_member_slot": in_slot, "pay_window_ms": 600_000, "mode": mode, "release": release,
                    "late_payment": late, "requests_per_second": rate * 10,
                })
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        Town::new(config.clone()).stock("mugs", 4).sku("mug", 1_000).sku("pin", 10)
    }

    fn deed(town: &Town<Self>, member: &str, dice: &mut Dice) -> (&'static str, Value) {
        let number = |key: &String| 9_999_999_999 - key.parse::<i64>().expect("a number");
        let own = town.stored(&format!("mine/{member}/"));
        let own: Vec<String> = own.iter().map(|key| format!("r{}", number(key))).collect();
        match dice.below(10) {
            0..=1 => ("enter", json!({})),
            2 => ("cancel", json!({"reservation": dice.id(&own)})),
            3 => ("remind-me", json!({})),
            4 => ("reserve", json!({"item": "pin"})),
            _ => ("reserve", json!({"item": "mug", "quantity": 1 + dice.below(2)})),
        }
    }

    /// X1 against the pool itself; X2 by the counters.
    fn holds(town: &mut Town<Self>) {
        let taken = town.world().counter("taken/0") + town.world().counter("taken/1");
        let pool = town.world().pools["mugs"];
        assert_eq!(i64::try_from(pool.reserved + pool.sold).expect("few units"), taken, "X1, X4");
    }

    /// X5 and X8.
    fn settled(town: &mut Town<Self>) {
        assert_eq!(town.world().pools["mugs"].reserved, 0, "X8");
        for (key, order) in town.world().orders.clone() {
            let kept = order.paid - order.refunded;
            assert!(kept == 0 || kept == order.total, "{key}: {order:?}");
        }
    }
}

#[test]
fn a_flash_sale_stands_any_storm() {
    storm::<FlashSale>();
}
