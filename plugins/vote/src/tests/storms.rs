//! Random stories: G1 to G16 and V1 to V8 hold after every step.

use fairground_sdk::{
    HostEvent,
    town::{
        BEGINNING, Town,
        storm::{Dice, Storm, storm},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    Vote,
    edition::{Edition, State},
};

const HOUR: i64 = 3_600_000;

impl Storm for Vote {
    fn configs() -> BoxedStrategy<Value> {
        let method = prop_oneof![
            Just(json!("plurality")),
            (1..4u32).prop_map(|max| json!({"approval": {"max": max}})),
            (1..4u32).prop_map(|max| json!({"score": {"max": max}})),
            (1..4u32).prop_map(|ranks| json!({"borda": {"ranks": ranks}})),
        ];
        let period = prop_oneof![Just(json!("once")), (1..4u32).prop_map(|votes| json!({"daily": {"votes": votes}}))];
        let secrecy = prop_oneof![Just("open"), Just("hidden-until-close"), Just("anonymous")];
        let tie = prop_oneof![
            Just(json!("co-winners")),
            Just(json!("draw-lots")),
            Just(json!("earliest")),
            Just(json!({"run-off": {"ms": HOUR}})),
        ];
        let course = prop_oneof![
            Just(json!({})),
            Just(json!({"submissions": {"open_until": BEGINNING + HOUR, "moderated": true}, "winner_offer": "prize"})),
            Just(json!({"submissions": {"open_until": BEGINNING + HOUR}, "winner_offer": "prize"})),
            Just(json!({"recurrence": {"weekdays": [1, 3], "at_minute": 1_200}})),
        ];
        (method, period, secrecy, tie, course, any::<bool>(), 0..4u32, 1..40i64)
            .prop_map(|(method, period, secrecy, tie, course, revote, quorum, hours)| {
                let revote = revote && period == "once" && tie != "earliest";
                let mut config = json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
                    "options": [{"id": "a", "title": "A"}, {"id": "b", "title": "B"}, {"id": "c", "title": "C"}],
                    "method": method, "period": period, "secrecy": secrecy, "tie": tie, "revote": revote, "quorum": quorum,
                    "weights": {"gold": 20_000}, "voter_offer": "thanks", "duration_ms": hours * HOUR,
                    "verdict": {"accept_bps": 6_000, "good": "a", "bad": "b"},
                });
                let (Value::Object(fields), Value::Object(course)) = (&mut config, course) else { panic!("objects") };
                fields.extend(course);
                config
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        let mut town = Town::new(config.clone()).offer("thanks", 10).offer("prize", 100).budget(250);
        town.world().join("m2");
        town.world().members.get_mut("m2").expect("a member").0.tier = "gold".into();
        town
    }

    fn deed(town: &Town<Self>, _: &str, dice: &mut Dice) -> (&'static str, Value) {
        let mut options: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        options.extend(town.stored("option/").into_iter().map(|key| format!("s-{}", key.trim_start_matches('0'))));
        let named: Vec<String> = (0..dice.below(4)).map(|_| dice.id(&options)).collect();
        match dice.below(12) {
            0 => ("submit", json!({"title": "Mine"})),
            1 => ("withdraw-vote", json!({})),
            2..=4 => {
                let scores: serde_json::Map<String, Value> =
                    named.into_iter().map(|option| (option, json!(dice.below(3)))).collect();
                ("vote", json!({"scores": scores}))
            }
            5..=6 => ("vote", json!({"choices": named})),
            _ => ("vote", json!({"choices": [dice.of(&options)]})),
        }
    }

    fn operation(_: &Town<Self>, dice: &mut Dice) -> Option<(&'static str, Value)> {
        Some(match dice.below(2) {
            0 => ("ops-void", json!({"member": dice.member(), "reason": "x"})),
            _ => ("ops-review", json!({"option": format!("s-{}", 1 + dice.below(3)), "ok": dice.below(3) > 0})),
        })
    }

    fn news(town: &Town<Self>, dice: &mut Dice) -> Option<HostEvent> {
        let (subject, at) = (dice.member(), town.now());
        (dice.below(4) == 0).then(|| HostEvent {
            id: format!("closed-{subject}-{at}"),
            topic: "member.closed".into(),
            subject,
            payload: "null".into(),
            at,
        })
    }

    /// V3.
    fn holds(town: &mut Town<Self>) {
        let Ok(now) = town.ask::<Value>("m0", "results", json!({})) else { return };
        let is_hidden = now["tallies"].is_null() && now["voters"].is_null();
        let hides = town.config()["secrecy"] != "open";
        assert_eq!(is_hidden, hides && now["state"] != "declared", "V3: {now}");
    }

    /// G11.
    fn settled(town: &mut Town<Self>) {
        for edition in town.entries::<Edition>("edition/") {
            assert_eq!(edition.state, State::Declared, "G11");
        }
    }
}

#[test]
fn a_vote_stands_any_storm() {
    storm::<Vote>();
}
