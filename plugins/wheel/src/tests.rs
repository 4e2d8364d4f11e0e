//! The rules played.

mod storms;

use fairground_sdk::town::Town;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Wheel, config::Config};

fn config(changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "prizes": [{"name": "A mug", "weight": 1, "offer": "mug", "stock": 2}, {"name": "Nothing", "weight": 3}],
        "fallback": {"name": "A pin", "offer": "pin"},
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn town(changes: Value) -> Town<Wheel> {
    Town::new(config(changes)).offer("mug", 100).offer("pin", 1).budget(1_000).started()
}

fn spin(town: &mut Town<Wheel>, member: &str) -> Value {
    town.act(member, "spin", json!({})).expect("a spin")
}

/// Regression 26: the whole itself is never drawn, so that every number stands for a prize.
#[test]
fn every_number_stands_for_a_prize_in_the_proportion_of_its_weight() {
    let config: Config = serde_json::from_value(config(json!({}))).expect("a config");
    let places: Vec<usize> = (0..config.whole()).map(|drawn| config.prize_at(drawn)).collect();
    assert_eq!(places, [0, 1, 1, 1]);
}

/// Regression 27: a counter with a bound, so that nothing is won more often than there is.
#[test]
fn a_prize_that_is_used_up_falls_back() {
    let only = json!([{"name": "A mug", "weight": 1, "offer": "mug", "stock": 2}]);
    let mut town = town(json!({"prizes": only}));
    let won: Vec<String> = (0..4).map(|_| spin(&mut town, "ann")["prize"].as_str().expect("a name").into()).collect();
    assert_eq!(won, ["A mug", "A mug", "A pin", "A pin"]);
    assert_eq!(town.rewards_of("ann").iter().filter(|offer| *offer == "mug").count(), 2);
    let odds: Value = town.ask("ann", "odds", json!({})).expect("odds");
    assert_eq!((&odds["prizes"][0]["left"], &odds["spins"]), (&json!(0), &json!(4)));
}

#[test]
fn a_budget_that_is_used_up_falls_back_too() {
    let only = json!([{"name": "A mug", "weight": 1, "offer": "mug"}]);
    let mut town =
        Town::<Wheel>::new(config(json!({"prizes": only}))).offer("mug", 100).offer("pin", 1).budget(101).started();
    let won: Vec<Value> = (0..3).map(|_| spin(&mut town, "ann")).collect();
    assert_eq!(won.iter().map(|spin| &spin["offer"]).collect::<Vec<_>>(), [&json!("mug"), &json!("pin"), &Value::Null]);
}

/// Regression 15: too few points are an error, and nothing happens.
#[test]
fn a_spin_costs_its_points_or_does_not_happen() {
    let mut town = town(json!({"cost_points": 5}));
    let refused = town.act("ann", "spin", json!({})).expect_err("she has no points");
    assert_eq!(refused.code, "wheel.not-enough-points");
    town.world().points.insert(("ann".into(), "points".into()), 7);
    spin(&mut town, "ann");
    assert_eq!(town.world().points[&("ann".to_owned(), "points".to_owned())], 2);
    assert_eq!(town.world().counter("spins"), 1, "a spin that was refused is no spin");
}

#[test]
fn odds_and_the_most_that_it_costs_are_said_beforehand() {
    let town = |changes: Value| Town::<Wheel>::new(config(changes)).offer("mug", 100).offer("pin", 1);
    let report = town(json!({"limits": {"total": 20}})).check().expect("a report");
    assert_eq!(report.disclosures[0], "Odds: A mug: 1 of 4; Nothing: 3 of 4.");
    assert_eq!(report.max_liability, Some(2_000));
    assert_eq!(town(json!({})).check().expect("a report").max_liability, None, "nothing bounds the spins");
    let unknown = json!({"fallback": {"name": "x", "offer": "moon"}});
    assert_eq!(town(unknown).check().expect_err("an issue")[0].pointer, "/fallback/offer");
}

#[test]
fn the_newest_spins_are_shown_first() {
    let mut town = town(json!({}));
    for _ in 0..60 {
        spin(&mut town, "ann");
        town.pass(1);
    }
    let mine: Value = town.ask("ann", "mine", json!({})).expect("spins");
    let times: Vec<i64> =
        mine["spins"].as_array().expect("a list").iter().filter_map(|spin| spin["at"].as_i64()).collect();
    assert_eq!(times.len(), 50);
    assert!(times.windows(2).all(|pair| pair[0] > pair[1]) && times[0] == town.now() - 1);
}

proptest! {
    #[test]
    fn a_place_is_drawn_for_as_many_numbers_as_its_weight(weights in prop::collection::vec(1..50u32, 1..20)) {
        let prizes: Vec<Value> = weights.iter().map(|weight| json!({"name": "x", "weight": weight})).collect();
        let config: Config = serde_json::from_value(config(json!({"prizes": prizes}))).expect("a config");
        let mut counts = vec![0u32; weights.len()];
        for drawn in 0..config.whole() {
            counts[config.prize_at(drawn)] += 1;
        }
        prop_assert_eq!(counts, weights);
    }
}
