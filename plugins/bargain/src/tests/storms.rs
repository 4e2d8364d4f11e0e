//! Random stories: G1 to G16 and B1 to B10 hold after every step.

use fairground_sdk::{
    HostEvent, OrderState,
    town::{
        Town,
        storm::{Dice, Storm, storm},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Bargain;

impl Storm for Bargain {
    fn configs() -> BoxedStrategy<Value> {
        let mode = prop_oneof![(2..8u32).prop_map(|cuts| json!({"fixed": {"cuts": cuts}})), Just(json!("until-floor"))];
        let hold = prop_oneof![Just("at-start"), Just("at-success"), Just("at-order")];
        let policy = prop_oneof![Just("floor-only"), Just("any-price")];
        (
            mode,
            hold,
            policy,
            any::<bool>(),
            0..4u32,
            10_000..20_000u32,
            prop_oneof![Just(0u64), Just(7_200_000)],
            0..2i64,
        )
            .prop_map(|(mode, hold, policy, first, a_day, weight, wait, floor)| {
                json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 2},
                    "sku": "mug", "original_price": 10_000, "floor_price": floor * 1_000, "mode": mode,
                    "cut_min": 100, "cut_max": 9_000, "owner_first_cut": first, "helps_per_member_day": a_day,
                    "new_helper_weight_bps": weight, "sessions_per_member": 3, "concurrent_sessions": 2,
                    "helps_per_pair": 2, "buy_policy": policy, "stock_pool": "mugs", "stock_hold": hold,
                    "session_ttl_ms": 3_600_000, "order_window_ms": 1_800_000, "helper_offer": "thanks",
                    "reward_hold_ms": wait,
                })
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        Town::new(config.clone()).offer("thanks", 100).budget(1_500).stock("mugs", 3).sku("mug", 9_500)
    }

    fn deed(town: &Town<Self>, member: &str, dice: &mut Dice) -> (&'static str, Value) {
        let sessions = town.stored("session/");
        let own: Vec<String> = sessions.iter().filter(|id| id.ends_with(member)).cloned().collect();
        match dice.below(10) {
            0..=1 => ("start", json!({})),
            2..=3 => ("order", json!({"session": dice.id(&own)})),
            4 => ("cancel", json!({"session": dice.id(&own)})),
            _ => ("help", json!({"session": dice.id(&sessions)})),
        }
    }

    fn news(town: &Town<Self>, dice: &mut Dice) -> Option<HostEvent> {
        let (topic, at) = ("member.closed".to_owned(), town.now());
        Some(HostEvent { id: format!("closed-{at}"), topic, subject: dice.member(), payload: "null".into(), at })
    }

    /// B8: what is sold is what was bought; G4: what came to nothing is paid back.
    fn settled(town: &mut Town<Self>) {
        let bought = town.events().iter().filter(|(topic, _)| topic == "bargain.bought").count() as u64;
        assert_eq!(town.world().pools["mugs"].sold, bought);
        for (key, order) in town.world().orders.clone() {
            let kept = order.paid - order.refunded;
            assert!(kept == 0 || (kept == order.total && order.state == OrderState::Paid), "{key}: {order:?}");
        }
    }
}

#[test]
fn a_bargain_stands_any_storm() {
    storm::<Bargain>();
}
