//! Random stories: G1 to G16 and L1 to L8 hold after every step.

use std::collections::BTreeMap;

use fairground_sdk::{
    HoldState, HostEvent,
    town::{
        BEGINNING, Town,
        storm::{Dice, Storm, storm},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    Leaderboard,
    season::{Season, State},
};

const HOUR: i64 = 3_600_000;

impl Storm for Leaderboard {
    fn configs() -> BoxedStrategy<Value> {
        let season = prop_oneof![
            Just(json!("day")),
            Just(json!("whole")),
            Just(json!({"custom": {"seasons": [
                {"starts_at": BEGINNING, "ends_at": BEGINNING + 2 * HOUR},
                {"starts_at": BEGINNING + 26 * HOUR, "ends_at": BEGINNING + 60 * HOUR},
            ]}})),
        ];
        let prizes = json!([{"from": 1, "to": 1, "offer": "gold"}, {"from": 2, "to": 3, "offer": "silver"}]);
        let pool = json!({"offer": "packet", "total": 100, "shares_bps": [5_000, 3_000, 1_000]});
        let wins = prop_oneof![
            Just((json!("unique-earliest"), prizes.clone(), Value::Null, 0)),
            Just((json!("unique-earliest"), json!([]), pool.clone(), 0)),
            Just((json!("split-pool"), json!([]), pool, 0)),
            (1..4u32).prop_map({
                let prizes = prizes.clone();
                move |most| (json!("competition"), prizes.clone(), Value::Null, most)
            }),
            (1..4u32).prop_map(move |most| (json!("dense"), prizes.clone(), Value::Null, most)),
        ];
        let stake = prop_oneof![Just(Value::Null), Just(json!({"account": "points", "points": 5}))];
        let times = (prop_oneof![Just(0), Just(HOUR)], prop_oneof![Just(0), Just(20 * HOUR)]);
        (season, wins, stake, times, any::<bool>(), 0..3i64, 0..2u32)
            .prop_map(|(season, (tie, prizes, pool, most), stake, (grace, dispute), is_group, least, cluster)| {
                let is_group = is_group && pool.is_null() && stake.is_null();
                json!({
                    "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": cluster},
                    "metrics": [
                        {"topic": "cups", "field": "many", "weight": 2, "cap_per_day": 9},
                        {"topic": "member.bought", "weight": 1, "dedupe_key": "order"},
                        {"topic": "broken", "weight": -1},
                    ],
                    "season": season, "subject": if is_group { "group" } else { "member" }, "tie": tie, "prizes": prizes,
                    "pool": pool, "max_winners": most, "grace_ms": grace, "dispute_ms": dispute, "min_score": least,
                    "pk": {"duration_ms": 2 * HOUR, "accept_window_ms": HOUR, "stake": stake}, "exclude_tags": ["staff"],
                })
            })
            .boxed()
    }

    fn town(config: &Value) -> Town<Self> {
        let town = Town::new(config.clone()).offer("gold", 50).offer("silver", 20).packet_offer("packet", 100);
        let mut town = town.budget(400);
        for member in 0..7 {
            let name = format!("m{member}");
            town.world().points.insert((name.clone(), "points".into()), 12);
            let group = if member % 2 == 0 { "even" } else { "odd" };
            town.world().groups.entry(group.into()).or_default().insert(name);
        }
        town.world().join("m3");
        town.world().members.get_mut("m3").expect("a member").0.tags.push("staff".into());
        town
    }

    fn deed(town: &Town<Self>, _: &str, dice: &mut Dice) -> (&'static str, Value) {
        let is_group = town.config()["subject"] == "group";
        let duels = town.stored("duel/");
        match dice.below(10) {
            0 => ("opt-out", json!({"hidden": dice.below(2) == 0})),
            1 => ("dispute", json!({"edition": 1 + dice.below(3), "reason": "x"})),
            2..=4 if is_group => {
                let sides = ["even", "odd"];
                let side = dice.below(2);
                ("challenge", json!({"to": sides[1 - side], "for": sides[side]}))
            }
            2..=4 => ("challenge", json!({"to": dice.member()})),
            5..=8 => ("accept", json!({"duel": dice.id(&duels)})),
            _ => ("decline", json!({"duel": dice.id(&duels)})),
        }
    }

    fn operation(town: &Town<Self>, dice: &mut Dice) -> Option<(&'static str, Value)> {
        let subject = if town.config()["subject"] == "group" { "even".into() } else { dice.member() };
        Some(match dice.below(3) {
            0 => ("ops-adjust", json!({"subject": subject, "delta": dice.below(7) as i64 - 3, "reason": "x"})),
            1 => ("ops-resolve", json!({"edition": 1 + dice.below(3), "exclude": [dice.member()]})),
            _ => ("ops-score", json!({"member": dice.member(), "topic": "cups", "payload": "{\"many\": 1}"})),
        })
    }

    fn news(town: &Town<Self>, dice: &mut Dice) -> Option<HostEvent> {
        let subject = dice.member();
        let (topic, payload) = match dice.below(4) {
            0 => ("member.bought", json!({"order": format!("o{}", dice.below(4))})),
            1 => ("broken", json!(null)),
            _ => ("cups", json!({"many": dice.below(4)})),
        };
        let at = town.now() - [0, 0, 60_000, 3 * HOUR][dice.below(4)];
        let id = format!("{topic}-{subject}-{at}");
        Some(HostEvent { id, topic: topic.into(), subject, payload: payload.to_string(), at })
    }

    /// L3, and L4: what is hashed is the board, and a season's prizes are each one's once.
    fn holds(town: &mut Town<Self>) {
        for season in town.entries::<Season>("season/").into_iter().filter(|season| season.state == State::Frozen) {
            let again: Value = town.ask("m0", "season-result", json!({"edition": season.edition})).expect("a season");
            assert_eq!(again["hash"], season.hash.as_str(), "L3");
            assert_eq!(season.hash, hash_of(town, &season), "L3");
        }
        let mut once = BTreeMap::<(String, String), u32>::new();
        let paid = town.world().holds().filter(|hold| hold.key.starts_with("season:") || hold.key.starts_with("pool:"));
        for hold in paid.filter(|hold| hold.state == HoldState::Captured) {
            let mut parts = hold.key.split(':');
            let season = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
            *once.entry((format!("{season:?}"), hold.beneficiary.clone())).or_default() += 1;
        }
        assert!(once.values().all(|times| *times == 1), "L4: {once:?}");
    }

    /// G11, L8: all points are there again, and every season is settled.
    fn settled(town: &mut Town<Self>) {
        assert!(town.entries::<Season>("season/").iter().all(|season| season.state == State::Settled), "G11");
        let points: u64 = town.world().points.values().sum();
        assert_eq!(points, 7 * 12, "L8");
    }
}

/// The hash of a season's ranks as the README says it.
fn hash_of(town: &mut Town<Leaderboard>, season: &Season) -> String {
    use sha2::{Digest, Sha256};
    let board = town.world().ranked(&season.board());
    let mut hash = Sha256::new();
    for (rank, (subject, score)) in (1..).zip(board) {
        let rank: u64 = rank;
        hash.update(format!("\n{rank} {subject} {score}"));
    }
    fairground_sdk::hex(&hash.finalize())
}

#[test]
fn a_leaderboard_stands_any_storm() {
    storm::<Leaderboard>();
}
