//! `kill -9` in the middle of load: no acknowledged action is lost, none is half done, the journal has no gaps.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use fairground_tests::{
    client::{Client, HOME},
    component,
    database::Database,
    host::OPERATOR_KEY,
    program::Program,
};
use reqwest::Method;
use serde_json::{Value, json};

const CYCLES: usize = 50;
const CLIENTS: usize = 8;

/// Acknowledged calls of a cycle before it is killed: so many that the kill comes in the middle of load.
const ACKS_PER_CYCLE: usize = 60;

/// Key → what was answered.
type Acks = Arc<Mutex<BTreeMap<String, Value>>>;

/// What the n-th call of a client is: it counts, sets a timer, sets a reward or units aside for a moment, or opens an order.
fn call(key: &str, number: usize) -> (&'static str, Value) {
    match number % 6 {
        0 => ("later", json!({"ms": 20})),
        1 => ("hold", json!({"key": key, "offer": "packet", "to": "ann", "ttl": 30})),
        2 => ("reserve", json!({"key": key, "pool": "mug", "ttl": 30})),
        3 => ("buy", json!({"key": key, "sku": "mug", "price": 400, "pay_within": 2_000})),
        _ => ("count", json!({})),
    }
}

/// Acts until the connection breaks.
async fn load(client: Client, token: String, name: String, acks: Acks) {
    for number in 0.. {
        let key = format!("{name}.{number}");
        let (action, input) = call(&key, number);
        let path = format!("{HOME}/activities/m/actions/{action}");
        match client.try_send(Method::POST, &path, &token, Some(&input), Some(&key)).await {
            Ok(reply) if reply.status.is_success() => drop(acks.lock().expect("a lock").insert(key, reply.body)),
            Ok(reply) => panic!("{} {}", reply.status, reply.text),
            Err(_) => return,
        }
    }
}

/// Pays what the demo shop has open, once or twice, until the connection breaks.
async fn pay(client: Client) {
    let mut cursor = String::new();
    loop {
        let path = format!("{HOME}/demo-shop/orders?limit=20&cursor={cursor}");
        let Ok(page) = client.try_send(Method::GET, &path, &client.operator, None, None).await else { return };
        for (number, order) in page.body["items"].as_array().into_iter().flatten().enumerate() {
            let path = format!("{HOME}/demo-shop/orders/{}/pay", order["id"].as_str().expect("an id"));
            for _ in 0..number % 3 {
                if client.try_send(Method::POST, &path, &client.operator, Some(&json!({})), None).await.is_err() {
                    return;
                }
            }
        }
        cursor = page.body["next_cursor"].as_str().unwrap_or_default().into();
    }
}

/// What the journal must say of everything that was acknowledged.
async fn check(client: &Client, acks: &BTreeMap<String, Value>) -> usize {
    let journal = client.journal("m").await;
    let mut by_key = BTreeMap::new();
    for (index, entry) in journal.iter().enumerate() {
        assert_eq!(entry["seq"], index + 1, "the journal has no gaps");
        if let Some(key) = entry["idempotency_key"].as_str() {
            let before = by_key.insert(key.to_owned(), json!({"output": entry["answer"], "seq": entry["seq"]}));
            assert!(before.is_none(), "{key} was done twice");
        }
    }
    for (key, answered) in acks {
        assert_eq!(by_key.get(key), Some(answered), "{key} was acknowledged");
    }
    by_key.len()
}

async fn begin(client: &Client) {
    client.settle(&["ann"]).await;
    client.put(&format!("{HOME}/shop"), json!({"kind": "demo"})).await.ok();
    client.put(&format!("{HOME}/skus/mug"), json!({"title": "A mug", "price_minor": 900, "sellable": 1})).await.ok();
    client.put(&format!("{HOME}/stock-pools/mug"), json!({"total": 1_000_000})).await.ok();
    let limit = json!({"limit": {"minor": 1_000_000_000, "currency": "CNY"}});
    client.put(&format!("{HOME}/budgets/purse"), limit).await.ok();
    client.load(component("mischief")).await;
    let offers = json!({"packet": {"title": "x", "kind": "red_packet", "amount_minor": 500}});
    let wish = json!({"id": "m", "plugin": "mischief", "config": {}, "budget": "purse", "capped_by_budget": true, "offers": offers});
    client.begin(wish).await;
}

both! {
    async fn fifty_kills_lose_no_acknowledged_action_and_everything_adds_up(database) {
        let acks = Acks::default();
        let mut program = Program::start(database);
        let mut client = Client::new(program.base.clone(), OPERATOR_KEY).await;
        begin(&client).await;
        for cycle in 0..CYCLES {
            let token = client.token("ann").await;
            let before = acks.lock().expect("a lock").len();
            let mut clients: Vec<_> = (0..CLIENTS)
                .map(|number| tokio::spawn(load(client.clone(), token.clone(), format!("{cycle}.{number}"), acks.clone())))
                .collect();
            clients.push(tokio::spawn(pay(client.clone())));
            while acks.lock().expect("a lock").len() < before + ACKS_PER_CYCLE + cycle * 3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            program.kill();
            for client in clients {
                client.await.expect("joins");
            }
            program = Program::start(database);
            fairground_tests::verified(database).await;
            client = Client::new(program.base.clone(), OPERATOR_KEY).await;
            if cycle % 10 == 9 {
                let known = acks.lock().expect("a lock").clone();
                check(&client, &known).await;
            }
        }
        // A retry of any acknowledged call gets its answer after all those kills.
        let known = acks.lock().expect("a lock").clone();
        for (key, answered) in known.iter().step_by(500) {
            let number = key.rsplit('.').next().and_then(|number| number.parse().ok()).expect("a number");
            let (action, input) = call(key, number);
            assert_eq!(client.act("ann", "m", action, key, input).await.ok(), *answered);
        }
        // What was set aside for a moment is put back, and what was paid in time was heard.
        let held = async || (client.budget("purse").await["held"]["minor"].clone(), client.get(&format!("{HOME}/stock-pools/mug")).await.ok()["reserved"].clone());
        fairground_tests::eventually(async || held().await == (json!(0), json!(0))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polite_end_answers_what_was_accepted() {
    let database = Database::sqlite();
    let acks = Acks::default();
    let mut program = Program::start(&database);
    let client = Client::new(program.base.clone(), OPERATOR_KEY).await;
    begin(&client).await;
    let token = client.token("ann").await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(load(client.clone(), token.clone(), number.to_string(), acks.clone())))
        .collect();
    while acks.lock().expect("a lock").len() < 100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(program.terminate().success());
    for client in clients {
        client.await.expect("joins");
    }
    let _again = Program::start(&database);
    let client = Client::new(_again.base.clone(), OPERATOR_KEY).await;
    let known = acks.lock().expect("a lock").clone();
    assert_eq!(check(&client, &known).await, known.len(), "what was accepted was answered");
}
