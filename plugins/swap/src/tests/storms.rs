//! Random stories: G1 to G16 and S1 to S9 hold after every step.

use fairground_sdk::town::{
    Town,
    storm::{Dice, Storm, storm},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Swap, trade::Trade};

const HOUR: u64 = 3_600_000;

/// Of each member.
const POINTS: u64 = 40;

impl Storm for Swap {
    fn configs() -> BoxedStrategy<Value> {
        let matching = prop_oneof![
            Just(json!("direct")),
            (2..6u32).prop_map(|len| json!({"cycles": {"max_len": len, "run_every_ms": HOUR / 2}})),
        ];
        let deposit = prop_oneof![Just(Value::Null), Just(json!({"account": "points", "points": 10}))];
        let top_up = prop_oneof![Just(Value::Null), Just(json!({"account": "points", "points": 7}))];
        let delivery = prop_oneof![3 => Just("mail"), 1 => Just("meet-up")];
        (matching, deposit, top_up, delivery, 1..6u32, -3..1i64, prop_oneof![Just(0), Just(4), Just(50)])
            .prop_map(|(matching, deposit, top_up, delivery, most, least, cost)| {
                let cost = if deposit.is_null() { 0 } else { cost };
                json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
                    "categories": ["a", "b", "c"], "banned_categories": ["c"], "matching": matching, "deposit": deposit,
                    "top_up": top_up, "delivery": delivery, "listings_per_member": most, "min_reputation": least,
                    "listing_ttl_ms": 100 * HOUR, "confirm_window_ms": 5 * HOUR, "ship_window_ms": 10 * HOUR,
                    "return_cost": cost, "inspect_window_ms": 4 * HOUR, "dispute_window_ms": 6 * HOUR,
                })
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        let mut town = Town::new(config.clone());
        for member in 0..7 {
            town.world().points.insert((format!("m{member}"), "points".into()), POINTS);
        }
        town
    }

    fn deed(town: &Town<Self>, member: &str, dice: &mut Dice) -> (&'static str, Value) {
        let id = |key: &String| format!("l{}", key.trim_start_matches('0'));
        let all: Vec<String> = town.stored("listing/").iter().map(id).collect();
        let own: Vec<String> = town.stored(&format!("of/{member}/")).iter().map(id).collect();
        let number = |key: &String| 9_999_999_999 - key.parse::<i64>().expect("a number");
        let trades: Vec<String> =
            town.stored(&format!("trades/{member}/")).iter().map(|key| format!("t{}", number(key))).collect();
        let what = json!({
            "title": "x", "category": dice.of(&["a", "b", "a", "b", "c"]), "grade": "good", "value": 100 + 10 * dice.below(4),
            "wants": [dice.of(&["a", "b"])],
        });
        let trade = json!({"trade": dice.id(&trades)});
        match dice.below(30) {
            0..=6 => ("list", what),
            7 => ("edit", json!({"listing": dice.id(&own), "as": what})),
            8 => ("withdraw", json!({"listing": dice.id(&own)})),
            9 => ("want", json!({"listing": dice.id(&own), "want": dice.id(&all)})),
            10..=12 => {
                let top_up = dice.below(15) as i64 - 7;
                ("offer", json!({"mine": [dice.id(&own)], "theirs": [dice.id(&all)], "top_up": top_up}))
            }
            13 => {
                let instead = json!({"mine": [dice.id(&own)], "theirs": [dice.id(&all)]});
                ("counter", json!({"trade": dice.id(&trades), "instead": instead}))
            }
            14..=18 => ("confirm", trade),
            19 => ("decline", trade),
            20..=23 => ("ship", trade),
            24..=26 => ("receive", json!({"trade": dice.id(&trades), "keep": dice.below(2) == 0})),
            27 => ("enter-code", json!({"trade": dice.id(&trades), "code": "123456"})),
            _ => ("dispute", json!({"trade": dice.id(&trades), "reason": "x"})),
        }
    }

    fn operation(town: &Town<Self>, dice: &mut Dice) -> Option<(&'static str, Value)> {
        let trades = town.stored("trade/");
        let settled = dice.below(2) == 0;
        Some(("ops-resolve", json!({"trade": dice.id(&trades), "settled": settled, "at_fault": [dice.member()]})))
    }

    /// No point is lost or made: what was taken lies in open trades.
    fn holds(town: &mut Town<Self>) {
        let has: u64 = town.world().points.values().sum();
        let taken = town.world().taken.get("points").copied().unwrap_or_default();
        assert_eq!(has + taken, 7 * POINTS, "S4, S5");
        let in_trades: u64 = town
            .entries::<Trade>("trade/")
            .iter()
            .map(|trade| {
                let deposits = trade.legs.iter().filter(|leg| leg.is_deposited).count() as u64 * 10;
                deposits + if trade.is_topped_up { trade.top_up.unsigned_abs() } else { 0 }
            })
            .sum();
        assert_eq!(taken, in_trades, "S4, S5");
    }

    /// S7.
    fn settled(town: &mut Town<Self>) {
        assert_eq!(town.entries::<Trade>("trade/").iter().find(|trade| trade.is_open()), None, "S7");
        assert_eq!(town.world().taken.get("points").copied().unwrap_or_default(), 0, "S4");
    }
}

#[test]
fn swaps_stand_any_storm() {
    storm::<Swap>();
}
