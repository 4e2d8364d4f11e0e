//! Random stories of many members: G1 to G16, and K1 to K6 as the audit finds them, hold after every step.

use fairground_sdk::town::{
    Town,
    storm::{Dice, Storm, storm},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::CheckIn;

const DAY: i64 = 86_400_000;

impl Storm for CheckIn {
    fn configs() -> BoxedStrategy<Value> {
        let cycle = prop_oneof![
            Just(json!("endless")),
            (2..5u32).prop_map(|days| json!({"days": {"days": days, "then": "repeat"}})),
            (2..5u32).prop_map(|days| json!({"days": {"days": days, "then": "stop"}})),
        ];
        let zone = prop_oneof![Just(json!("activity")), Just(json!({"member_pinned": {"change_cool_down_ms": DAY}}))];
        let review = prop_oneof![Just(json!("auto")), Just(json!({"moderator": {"within_ms": 7_200_000}}))];
        let freeze =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(|auto| json!({"per_month": 2, "auto": auto})),];
        let wait = prop_oneof![Just(0), Just(DAY)];
        (cycle, zone, review, freeze, any::<bool>(), 0..1_440u32, wait)
            .prop_map(|(cycle, zone, review, freeze, makes_up, starts, wait)| {
                json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Europe/Berlin", "day_starts_minute": starts,
                    "risk": {"cluster_limit": 0}, "zone_policy": zone, "cycle": cycle, "review": review, "freeze": freeze,
                    "reward_hold_ms": wait,
                    "makeup": makes_up.then(|| json!({"max_back_days": 4, "per_cycle": 2, "cost_points": 1})),
                    "daily": [{"day": 1, "offer": "point"}], "streak": [{"days": 2, "offer": "small"}],
                    "total": [{"days": 3, "offer": "badge"}],
                })
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        Town::new(config.clone()).offer("small", 10).offer("badge", 0).points_offer("point", "points", 2).budget(120)
    }

    fn deed(town: &Town<Self>, _: &str, dice: &mut Dice) -> (&'static str, Value) {
        let day = super::civil(town.now() / DAY - dice.below(5) as i64);
        match dice.below(10) {
            0..=4 => ("check-in", json!({})),
            5..=6 => ("make-up", json!({"day": day})),
            7 => ("freeze", json!({"day": day})),
            8 => ("remind", json!({"on": dice.below(2) == 0})),
            _ => ("pin-zone", json!({"zone": dice.of(&["Asia/Shanghai", "America/New_York", "Europe/Berlin"])})),
        }
    }

    fn operation(town: &Town<Self>, dice: &mut Dice) -> Option<(&'static str, Value)> {
        let day = super::civil(town.now() / DAY - dice.below(3) as i64);
        Some(("ops-review", json!({"member": dice.member(), "day": day, "ok": dice.below(2) == 0})))
    }

    /// K4: of a total milestone there is one a member at most.
    fn holds(town: &mut Town<Self>) {
        for member in (0..7).map(|number| format!("m{number}")) {
            let badges = town.rewards_of(&member).iter().filter(|offer| *offer == "badge").count();
            assert!(badges <= 1, "K4: {member}");
        }
    }

    fn settled(town: &mut Town<Self>) {
        assert!((0..7).all(|number| town.held_for(&format!("m{number}")).is_empty()), "G3");
    }
}

#[test]
fn a_check_in_stands_any_storm() {
    storm::<CheckIn>();
}
