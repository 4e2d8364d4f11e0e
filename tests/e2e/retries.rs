//! Retries: ten thousand calls, each sent up to five times, most answers lost. Each happens once.

use std::{collections::BTreeSet, time::Duration};

use fairground_tests::{
    client::{Client, HOME},
    component,
    host::TestHost,
};
use reqwest::Method;
use serde_json::{Value, json};

const CALLS: usize = 10_000;
const CLIENTS: usize = 32;

/// A number that looks like chance, and is the same in each run.
fn noise(number: usize) -> u64 {
    let word = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40
}

/// What the n-th call is: it counts, gives points, or takes a unit that is put back.
fn call(number: usize) -> (&'static str, Value) {
    match number % 4 {
        0 => ("give", json!({"to": "bob", "offer": "star"})),
        1 => ("reserve", json!({"key": format!("r{number}"), "pool": "mug"})),
        _ => ("count", json!({})),
    }
}

/// Sends a call up to four times and goes away before the answer, more or less; then once more, and waits.
async fn insist(client: &Client, token: &str, number: usize) -> Value {
    let (action, input) = call(number);
    let path = format!("{HOME}/activities/m/actions/{action}");
    let key = number.to_string();
    for attempt in 0..noise(number) % 5 {
        let patience = Duration::from_micros(noise(number * 7 + attempt as usize) % 4_000);
        let sent = client.try_send(Method::POST, &path, token, Some(&input), Some(&key));
        let _ = tokio::time::timeout(patience, sent).await;
    }
    loop {
        let reply = client.send(Method::POST, &path, token, Some(&input), Some(&key)).await;
        if reply.status != 503 {
            return reply.ok();
        }
    }
}

both! {
    async fn ten_thousand_calls_with_lost_answers_happen_once_each(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann", "bob"]).await;
        host.put(&format!("{HOME}/budgets/purse"), json!({"limit": {"minor": 1_000_000, "currency": "CNY"}})).await.ok();
        host.put(&format!("{HOME}/stock-pools/mug"), json!({"total": CALLS})).await.ok();
        host.load(component("mischief")).await;
        let offers = json!({"star": {"title": "x", "kind": "points", "account": "stars", "points": 1, "unit_cost_micro": 1_000_000}});
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}, "budget": "purse", "capped_by_budget": true, "offers": offers})).await;
        let token = host.token("ann").await;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (host, token) = (host.client.clone(), token.clone());
                tokio::spawn(async move {
                    let mut answers = Vec::new();
                    for number in (client..CALLS).step_by(CLIENTS) {
                        answers.push((number, insist(&host, &token, number).await));
                    }
                    answers
                })
            })
            .collect();
        let mut seqs = BTreeSet::new();
        for client in clients {
            for (number, answer) in client.await.expect("joins") {
                assert!(seqs.insert(answer["seq"].as_i64().expect("a number")), "call {number} shares its number");
            }
        }
        assert_eq!(seqs.len(), CALLS);
        let journal = host.journal("m").await;
        assert_eq!(journal.iter().filter(|entry| entry["kind"] == "action").count(), CALLS);
        let stars = host.get(&format!("{HOME}/members/bob/rewards")).await.ok();
        assert_eq!(stars["points"][0]["balance"], CALLS / 4);
        assert_eq!(host.budget("purse").await["captured"]["minor"], CALLS / 4);
        assert_eq!(host.get(&format!("{HOME}/stock-pools/mug")).await.ok()["reserved"], CALLS / 4);
        // The counter is also each gift's key.
        assert_eq!(host.ask("m", "counted").await.ok(), CALLS * 3 / 4);
    }
}

/// More retries that only the store knows than a runner would put up with, if each of them counted as a failure.
const RETRIES: usize = 1_300;

both! {
    async fn retries_after_a_restart_are_answered_however_many(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let token = host.token("ann").await;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (host, token) = (host.client.clone(), token.clone());
                tokio::spawn(async move {
                    for number in (client..RETRIES).step_by(CLIENTS) {
                        host.act_with(&token, "m", "count", &number.to_string(), &json!({})).await.ok();
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("joins");
        }
        host.stop().await;
        let host = TestHost::start(database).await;
        let token = host.token("ann").await;
        for number in 0..RETRIES {
            host.act_with(&token, "m", "count", &number.to_string(), &json!({})).await.ok();
        }
        assert_eq!(host.ask("m", "counted").await.ok(), RETRIES);
    }
}
