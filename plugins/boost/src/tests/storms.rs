//! Random stories: G1 to G16 and H1 to H8 hold after every step.

use std::collections::{BTreeMap, BTreeSet};

use fairground_sdk::{
    HoldState, HostEvent,
    town::{
        Town,
        storm::{Dice, Storm, storm},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    Boost,
    help::{Help, Stage},
    session::{Session, State},
};

const HOUR: u64 = 3_600_000;

impl Storm for Boost {
    fn configs() -> BoxedStrategy<Value> {
        let mode = prop_oneof![
            (1..6u32).prop_map(|goal| json!({"count": {"goal": goal}})),
            any::<bool>().prop_map(|daily| {
                let milestones = json!([{"units": 1, "offer": "small"}, {"units": 4, "offer": "big"}]);
                json!({"accumulate": {"milestones": milestones, "daily": daily}})
            }),
            (1..60u64).prop_map(|cut| {
                let cut = cut * 60_000;
                json!({"accelerate": {"base_wait_ms": 2 * HOUR, "cut_ms": cut, "new_cut_ms": 2 * cut, "min_wait_ms": HOUR / 2, "offer": "big"}})
            }),
            (1..4u32).prop_map(|winners| json!({"weighted-draw": {"winners": winners, "offer": "big"}})),
        ];
        let confirm = prop_oneof![Just(0), Just(HOUR), Just(30 * HOUR)];
        let claim = prop_oneof![Just(Value::Null), Just(json!(HOUR)), Just(json!(40 * HOUR))];
        let wait = prop_oneof![Just(0), Just(2 * HOUR)];
        (mode, confirm, claim, wait, 0..4u32, 0..4u32, prop_oneof![Just(0), Just(HOUR)], 1..3u32, any::<bool>())
            .prop_map(|(mode, confirm, claim, wait, most, a_day, reciprocal, sessions, has_thanks)| {
                let most = if most == 0 { 0 } else { most + 2 };
                let is_reached = mode.get("count").is_some() || mode.get("accumulate").is_some();
                json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
                    "owner_offer": mode.get("count").map(|_| "big"), "mode": mode, "unit_new": 2, "ttl_ms": 20 * HOUR,
                    "confirm_after_ms": if is_reached { confirm } else { 0 },
                    "claim_within_ms": if is_reached { claim } else { Value::Null },
                    "max_helpers": most, "helps_per_member_day": a_day, "helps_per_pair": 0, "reciprocal_window_ms": reciprocal,
                    "reverse_on_return": sessions == 2, "helper_offer": has_thanks.then_some("thanks"), "reward_hold_ms": wait, "sessions_per_member": sessions,
                })
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        Town::new(config.clone()).offer("big", 100).offer("small", 30).offer("thanks", 1).budget(480)
    }

    fn deed(town: &Town<Self>, member: &str, dice: &mut Dice) -> (&'static str, Value) {
        let sessions = town.stored("session/");
        let own: Vec<String> = sessions.iter().filter(|id| id.ends_with(member)).cloned().collect();
        match dice.below(12) {
            0..=1 => ("start", json!({})),
            2 => ("cancel", json!({"session": dice.id(&own)})),
            3..=4 => ("claim", json!({"session": dice.id(&own), "units": dice.below(5)})),
            _ => ("help", json!({"session": dice.id(&sessions)})),
        }
    }

    fn news(town: &Town<Self>, dice: &mut Dice) -> Option<HostEvent> {
        let (subject, at) = (dice.member(), town.now());
        let topic = dice.of(&["member.closed", "member.returned"]).to_string();
        let id = format!("{topic}-{subject}-{at}");
        let payload = json!({"order": "o", "sku": "mug", "total_minor": 1}).to_string();
        (dice.below(3) == 0).then_some(HostEvent { id, topic, subject, payload, at })
    }

    /// H5 and H7, from the helps themselves.
    fn holds(town: &mut Town<Self>) {
        let (a_day, window) =
            (town.config()["helps_per_member_day"].clone(), town.config()["reciprocal_window_ms"].clone());
        let (a_day, window) = (a_day.as_u64().expect("a number"), window.as_i64().expect("a number"));
        let helps: Vec<Help> = town.entries("no/");
        // Days of Shanghai begin at 16:00 UTC.
        let day = |at: i64| (at + 8 * 3_600_000) / 86_400_000;
        let mut days = BTreeMap::<(&str, i64), u64>::new();
        let owner = |help: &Help| help.session.split_once('-').expect("a number and an owner").1.to_owned();
        let mut last = BTreeMap::<(String, String), i64>::new();
        for help in &helps {
            *days.entry((&help.helper, day(help.at))).or_default() += 1;
            let back = last.get(&(owner(help), help.helper.clone()));
            assert!(window == 0 || back.is_none_or(|at| help.at >= at + window), "H5: {help:?}");
            last.insert((help.helper.clone(), owner(help)), help.at);
        }
        assert!(a_day == 0 || days.values().all(|helps| *helps <= a_day), "H7: {days:?}");
    }

    /// G11, and H6.
    fn settled(town: &mut Town<Self>) {
        let sessions: Vec<Session> = town.entries("session/");
        let is_open = |session: &&Session| matches!(session.state, State::Open | State::Reached);
        assert_eq!(sessions.iter().find(is_open), None, "G11");
        let helps: Vec<Help> = town.entries("no/");
        assert!(helps.iter().all(|help| help.stage != Stage::Pending), "G11: {helps:?}");
        if let Some(wanted) = town.config()["mode"]["weighted-draw"]["winners"].as_u64() {
            let drawn = town.events().into_iter().filter(|(topic, _)| topic == "boost.drawn").map(|(_, id)| id);
            let drawn: Vec<String> = drawn.collect();
            let distinct: BTreeSet<&String> = drawn.iter().collect();
            assert_eq!((drawn.len() as u64, distinct.len()), (wanted.min(sessions.len() as u64), drawn.len()), "H6");
            let granted = sessions.iter().filter(|session| session.state == State::Granted).count();
            assert_eq!(granted, drawn.len(), "H6");
        }
        let captured = town.world().holds().filter(|hold| hold.state == HoldState::Captured).count();
        assert!(captured <= sessions.len() * 2 + helps.len(), "H2");
    }
}

#[test]
fn help_stands_any_storm() {
    storm::<Boost>();
}
