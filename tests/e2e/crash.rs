//! `kill -9` in the middle of load: no acknowledged action is lost, none is half done, the journal has no gaps.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use fairground_tests::{client::Client, component, database::Database, host::OPERATOR_KEY, program::Program};
use reqwest::Method;
use serde_json::{Value, json};

const CYCLES: usize = 20;
const CLIENTS: usize = 8;

/// Acknowledged calls of a cycle before it is killed: so many that the kill comes in the middle of load.
const ACKS_PER_CYCLE: usize = 60;

/// Key → what was answered.
type Acks = Arc<Mutex<BTreeMap<String, Value>>>;

/// Acts until the connection breaks.
async fn load(client: Client, token: String, name: String, acks: Acks) {
    for number in 0.. {
        let key = format!("{name}.{number}");
        let path = "/v1/communities/town/activities/m/actions/count";
        match client.try_send(Method::POST, path, &token, Some(&json!({})), Some(&key)).await {
            Ok(reply) if reply.status.is_success() => drop(acks.lock().expect("a lock").insert(key, reply.body)),
            Ok(reply) => panic!("{} {}", reply.status, reply.text),
            Err(_) => return,
        }
    }
}

/// What the journal must say of everything that was acknowledged.
async fn verify(client: &Client, acks: &BTreeMap<String, Value>) -> usize {
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
    // Each call counts one: state and journal tell the same.
    assert_eq!(client.ask("m", "counted").await.ok(), by_key.len());
    by_key.len()
}

both! {
    async fn twenty_kills_lose_no_acknowledged_action(database) {
        let acks = Acks::default();
        let mut program = Program::start(database);
        let mut client = Client::new(program.base.clone(), OPERATOR_KEY).await;
        client.settle(&["ann"]).await;
        client.load(component("mischief")).await;
        client.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        for cycle in 0..CYCLES {
            let token = client.token("ann").await;
            let before = acks.lock().expect("a lock").len();
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| tokio::spawn(load(client.clone(), token.clone(), format!("{cycle}.{number}"), acks.clone())))
                .collect();
            while acks.lock().expect("a lock").len() < before + ACKS_PER_CYCLE + cycle * 7 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            program.kill();
            for client in clients {
                client.await.expect("joins");
            }
            program = Program::start(database);
            client = Client::new(program.base.clone(), OPERATOR_KEY).await;
            let known = acks.lock().expect("a lock").clone();
            verify(&client, &known).await;
        }
        // A retry of any acknowledged call gets its answer after all those kills.
        let (key, answered) = acks.lock().expect("a lock").first_key_value().map(|(key, value)| (key.clone(), value.clone())).expect("some");
        assert_eq!(client.act("ann", "m", "count", &key, json!({})).await.ok(), answered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polite_end_answers_what_was_accepted() {
    let database = Database::sqlite();
    let acks = Acks::default();
    let mut program = Program::start(&database);
    let client = Client::new(program.base.clone(), OPERATOR_KEY).await;
    client.settle(&["ann"]).await;
    client.load(component("mischief")).await;
    client.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
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
    assert_eq!(verify(&client, &known).await, known.len(), "what was accepted was answered");
}
