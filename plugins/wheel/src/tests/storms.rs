//! Random stories: G1 to G16, W1 and W2 hold after every step.

use fairground_sdk::town::{
    Town,
    storm::{Dice, Storm, storm},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Wheel;

impl Storm for Wheel {
    fn configs() -> BoxedStrategy<Value> {
        let prize = (1..9u32, prop::option::of(1..4u32), prop::option::of(prop_oneof![Just("mug"), Just("pin")]))
            .prop_map(|(weight, stock, offer)| json!({"name": "x", "weight": weight, "stock": stock, "offer": offer}));
        let fallback = prop::option::of(Just("pin"));
        (prop::collection::vec(prize, 1..5), fallback, 0..3u64, prop_oneof![Just(0u64), Just(3_600_000)], 0..30u32)
            .prop_map(|(prizes, fallback, price, wait, total)| {
                json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 1},
                    "prizes": prizes, "fallback": {"name": "y", "offer": fallback}, "cost_points": price,
                    "reward_hold_ms": wait, "limits": {"total": total, "per_member_per_day": 4},
                })
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        let mut town = Town::new(config.clone()).offer("mug", 100).offer("pin", 1).budget(450);
        for member in 0..7 {
            town.world().points.insert((format!("m{member}"), "points".into()), 6);
        }
        town
    }

    fn deed(_: &Town<Self>, _: &str, _: &mut Dice) -> (&'static str, Value) {
        ("spin", json!({}))
    }
}

#[test]
fn a_wheel_stands_any_storm() {
    storm::<Wheel>();
}
