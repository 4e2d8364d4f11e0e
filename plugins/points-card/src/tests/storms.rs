//! Random stories: G1 to G16 and P1 to P4 hold after every step.

use fairground_sdk::{
    HostEvent,
    town::{
        Town,
        storm::{Dice, Storm, storm},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{PointsCard, card::Card};

impl Storm for PointsCard {
    fn configs() -> BoxedStrategy<Value> {
        let earn = prop_oneof![
            (1..4u32).prop_map(|points| json!({"per-order": {"points": points}})),
            (20..80i64).prop_map(|minor| json!({"per-amount": {"minor": minor}})),
        ];
        let lasts = prop_oneof![Just(0i64), Just(86_400_000), Just(3 * 86_400_000)];
        let wait = prop_oneof![Just(0u64), Just(3_600_000)];
        let (stock, limits) = (prop::option::of(1..4u32), (0..3u32, 0..12u32));
        (earn, any::<bool>(), lasts, wait, stock, limits)
            .prop_map(|(earn, reach, lasts, wait, stock, (each, total))| {
                json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
                    "earn": earn, "giving": if reach { "reach" } else { "redeem" }, "expire_ms": lasts, "reward_hold_ms": wait,
                    "gifts": [{"points": 2, "offer": "cup"}, {"points": 5, "offer": "pot", "stock": stock}],
                    "limits": {"per_member_total": each, "total": total},
                })
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        Town::new(config.clone()).offer("cup", 30).offer("pot", 100).budget(640).grants_per_member(6)
    }

    fn deed(town: &Town<Self>, member: &str, dice: &mut Dice) -> (&'static str, Value) {
        let owners = town.stored("card/");
        // Few have cards, so that much happens to each.
        let opens = owners.len() < 2 || dice.below(20) == 0;
        match dice.below(6) {
            0 => ("redeem", json!({"offer": "moon"})),
            1 => ("redeem", json!({"offer": "pot"})),
            _ if opens && !owners.iter().any(|owner| owner == member) => ("open", json!({})),
            _ => ("redeem", json!({"offer": "cup"})),
        }
    }

    /// Mostly of whoever has a card, and of orders that were heard of.
    fn news(town: &Town<Self>, dice: &mut Dice) -> Option<HostEvent> {
        let subject = dice.of(&[dice.clone().id(&town.stored("card/")), dice.clone().member()]).clone();
        let orders = town.stored(&format!("order/{subject}/"));
        let sku = dice.of(&["tea", "milk"]);
        let (topic, payload) = match dice.below(6) {
            0 => ("member.returned", json!({"order": dice.id(&orders)})),
            1 => ("member.returned", json!({"order": dice.id(&orders), "sku": sku})),
            _ => {
                let order = format!("o{}", dice.below(4));
                ("member.bought", json!({"order": order, "sku": sku, "total_minor": 40 * dice.below(6)}))
            }
        };
        let at = town.now() - [0, 1, 3_600_000][dice.below(3)];
        let id = format!("{topic}-{at}-{subject}");
        Some(HostEvent { id, topic: topic.into(), subject, payload: payload.to_string(), at })
    }

    /// G11: nothing is left on any card.
    fn settled(town: &mut Town<Self>) {
        for card in town.entries::<Card>("card/") {
            assert_eq!(card.balance(), 0, "G11: {card:?}");
        }
    }
}

#[test]
fn cards_stand_any_storm() {
    storm::<PointsCard>();
}
