//! A season of a hundred thousand, with ties: frozen and paid in batches, through a `kill -9`, each prize once.

use fairground_tests::{
    client::{Client, HOME},
    component, crowd,
    database::Database,
    eventually,
    host::OPERATOR_KEY,
    program::Program,
};
use serde_json::json;

const MEMBERS: u32 = 100_000;

/// Winners, by ties of three.
const WINNERS: u32 = 3_000;

/// Prizes that are given when the host is killed: some batches, and not all.
const KILLED_AT: i64 = 200;

/// The members, and what they have scored: a hundred thousand calls would say nothing more.
async fn fill(database: &Database) {
    crowd::settle(database, MEMBERS).await;
    let key = if database.is_postgres { "convert_to('m' || i, 'UTF8')" } else { "CAST('m' || i AS BLOB)" };
    let members = crowd::numbers(MEMBERS);
    crowd::execute(
        database,
        format!(
            "INSERT INTO board_entries (community, activity, board, key, score, reached_at, seq)
             {members} SELECT 'town', 'l', 'season/1', {key}, 1000000 - i / 3, 1000 + i % 3, 1 FROM n"
        ),
    )
    .await;
}

async fn given(client: &Client) -> i64 {
    client.budget("treats").await["captured"]["minor"].as_i64().expect("an amount")
}

both! {
    async fn a_hundred_thousand_are_ranked_and_each_prize_is_paid_once(database) {
        let mut program = Program::start(database);
        let client = Client::new(program.base.clone(), OPERATOR_KEY).await;
        client.settle(&["ann"]).await;
        client.put(&format!("{HOME}/budgets/treats"), json!({"limit": {"minor": 10_000, "currency": "CNY"}})).await.ok();
        client.load(component("leaderboard")).await;
        let config = json!({
            "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "metrics": [{"topic": "cups", "field": "many", "weight": 1}],
            "season": "whole", "tie": "competition", "max_winners": WINNERS, "min_score": 1,
            "prizes": [{"from": 1, "to": WINNERS, "offer": "one"}],
        });
        let offer = json!({"title": "x", "kind": "points", "account": "points", "points": 1, "unit_cost_micro": 1_000_000});
        client.begin(json!({"id": "l", "plugin": "leaderboard", "config": config, "budget": "treats", "offers": {"one": offer}})).await;
        program.terminate();
        fill(database).await;

        program = Program::start(database);
        let client = Client::new(program.base.clone(), OPERATOR_KEY).await;
        let top = client.ask("l", "top").await.ok();
        assert_eq!((&top["subjects"], &top["places"][3]["rank"]), (&json!(MEMBERS), &json!(4)));
        client.post(&format!("{HOME}/activities/l/stop"), json!({})).await.ok();
        eventually(async || given(&client).await >= KILLED_AT).await;
        program.kill();

        program = Program::start(database);
        let client = Client::new(program.base.clone(), OPERATOR_KEY).await;
        let before = given(&client).await;
        assert!((KILLED_AT..i64::from(WINNERS)).contains(&before), "killed in the middle: {before}");
        eventually(async || client.get(&format!("{HOME}/activities/l")).await.ok()["state"] == "settled").await;
        assert_eq!(given(&client).await, i64::from(WINNERS));
        let result = client.ask("l", "season-result").await.ok();
        assert_eq!(result["hash"].as_str().map(str::len), Some(64));
        for (member, points) in [("m0", 1), ("m2999", 1), ("m3000", 0)] {
            let rewards = client.get(&format!("{HOME}/members/{member}/rewards")).await.ok();
            assert_eq!(rewards["points"].as_array().map_or(0, Vec::len), points, "{member}");
        }
        program.terminate();
    }
}
