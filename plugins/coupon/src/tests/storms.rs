//! Random stories: G1 to G16 and R1 to R9 hold after every step.

use fairground_sdk::{
    HostEvent,
    town::{
        Town,
        storm::{Dice, Storm, storm},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Coupon;

impl Storm for Coupon {
    fn configs() -> BoxedStrategy<Value> {
        let qualify = prop_oneof![
            Just(json!("register")),
            Just(json!({"join-group": {"group": "club"}})),
            Just(json!({"content-read": {"content": "book", "min_ms": 60_000}})),
            Just(json!({"first-order": {"min_total": 100}})),
            Just(json!({"event": {"topic": "lesson.done", "where": {"field": "level", "equals": "2"}}})),
        ];
        let offer = |name: &'static str| prop::option::of(Just(name));
        let offers = (offer("inviter"), offer("invitee"), offer("cut"));
        let tiers = prop_oneof![
            Just(json!([])),
            Just(json!([{"at_least": 1, "offer": "tier"}, {"at_least": 2, "offer": "inviter"}]))
        ];
        let wait = prop_oneof![Just(0u64), Just(3_600_000), Just(2 * 86_400_000)];
        let flags = (any::<bool>(), any::<bool>(), any::<bool>());
        (offers, qualify, tiers, wait, flags, 0..4u32, 0..3u32, 0..3u32)
            .prop_map(|((inviter, invitee, above), qualify, tiers, wait, (new, claw, last), most, day, uses)| {
                let above = above.filter(|_| inviter.is_some() || invitee.is_some());
                json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
                    "inviter_offer": inviter, "invitee_offer": invitee, "second_level_offer": above, "tiers": tiers,
                    "qualify": qualify, "attribution": if last { "last-touch" } else { "first-touch" },
                    "attribution_window_ms": 86_400_000, "invitee_must_be_new": new, "clawback_on_refund": claw,
                    "max_rewarded_per_inviter": most, "max_rewarded_per_day": day, "reward_hold_ms": wait,
                    "code": {"uses": uses, "personal": 1},
                    "giveaway": {"offer": "tier", "total": 5, "per_member": 3},
                })
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        let town = Town::new(config.clone()).offer("inviter", 100).offer("invitee", 50).offer("tier", 10);
        town.commission_offer("cut", 20).budget(640).grants_per_member(3)
    }

    fn deed(town: &Town<Self>, _: &str, dice: &mut Dice) -> (&'static str, Value) {
        match dice.below(10) {
            0..=2 => ("get-code", json!({})),
            3 => ("get-code", json!({"for": dice.member()})),
            4 => ("claim", json!({"quantity": 1 + dice.below(3)})),
            _ => ("bind", json!({"code": dice.id(&town.stored("fg/code/"))})),
        }
    }

    fn news(town: &Town<Self>, dice: &mut Dice) -> Option<HostEvent> {
        let subject = dice.member();
        let order = format!("o{}", dice.below(3));
        let (topic, payload) = match dice.below(8) {
            0 => ("member.joined", json!({"group": "club"})),
            1 => ("member.left", json!({"group": "club"})),
            2 => ("member.read", json!({"content": "book", "ms": 60_000 * dice.below(3)})),
            3..=4 => ("member.bought", json!({"order": order, "sku": "mug", "total_minor": 50 + 50 * dice.below(3)})),
            5 => ("member.returned", json!({"order": order, "sku": "mug"})),
            6 => ("lesson.done", json!({"level": 1 + dice.below(2)})),
            _ => ("member.closed", json!(null)),
        };
        let at = town.now() - [0, 1, 3_600_000][dice.below(3)];
        let id = format!("{topic}-{at}-{subject}");
        Some(HostEvent { id, topic: topic.into(), subject, payload: payload.to_string(), at })
    }

    /// G11, and R3: nobody is above themselves.
    fn settled(town: &mut Town<Self>) {
        for state in ["n/bound", "n/qualified"] {
            assert_eq!(town.world().counter(state), 0, "G11: {state}");
        }
        let inviter_of = |town: &mut Town<Self>, member: &str| town.world().members[member].0.inviter.clone();
        for member in town.world().members.keys().cloned().collect::<Vec<_>>() {
            let mut above = inviter_of(town, &member);
            for _ in 0..10 {
                assert_ne!(above.as_deref(), Some(member.as_str()), "R3");
                above = above.and_then(|one| inviter_of(town, &one));
            }
        }
    }
}

#[test]
fn referrals_stand_any_storm() {
    storm::<Coupon>();
}
