//! Chance: a commitment from the beginning, the seed at the end, and every draw made again from it.

use fairground::{Fairness, fairness};
use fairground_tests::{client::HOME, component, eventually, host::TestHost};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, Connection, Executor};

both! {
    async fn everybody_can_make_every_draw_again_once_it_is_settled(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        for key in ["1", "2", "3"] {
            host.act("ann", "m", "draw", key, json!({})).await.ok();
        }
        let path = format!("{HOME}/activities/m/fairness");
        let before = host.get(&path).await.ok();
        assert!(before["seed"].is_null() && before["items"].as_array().expect("items").is_empty());
        let wish = Fairness { activity: "town/m".into(), database: database.url.clone() };
        let early = fairness(&wish).await.expect_err("it is not settled").to_string();
        assert!(early.contains(before["commitment"].as_str().expect("a commitment")), "{early}");

        host.post(&format!("{HOME}/activities/m/stop"), json!({})).await.ok();
        eventually(async || {
            host.pass(1).await;
            host.get(&format!("{HOME}/activities/m")).await.ok()["state"] == "settled"
        })
        .await;
        let told = host.get(&path).await.ok();
        assert_eq!(told["commitment"], before["commitment"]);
        let seed = told["seed"].as_str().expect("a seed");
        let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&seed[at * 2..at * 2 + 2], 16).expect("a byte")).collect();
        let hash = Sha256::digest([bytes.as_slice(), b"m"].concat());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(told["commitment"], hash, "the seed is the one that was promised");
        assert_eq!(told["items"].as_array().expect("items").len(), 3);

        let fair = fairness(&wish).await.expect("it is settled");
        assert_eq!((fair.draws, fair.unfair.len(), fair.seed.as_str()), (6, 0, seed));
        host.stop().await;

        // Somebody gave themselves a six.
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&database.url).await.expect("a connection");
        let trigger = if database.is_postgres { "DROP TRIGGER journal_is_append_only ON journal" } else { "DROP TRIGGER journal_keeps_rows" };
        connection.execute(trigger).await.expect("dropped");
        let forge = "UPDATE journal SET facts = REPLACE(facts, '[\"cut\",1,6],', '[\"cut\",1,6],1') WHERE seq = 2";
        connection.execute(forge).await.expect("forged");
        let unfair = fairness(&wish).await.expect("it is settled").unfair;
        assert_eq!(unfair.len(), 1);
        assert!(unfair[0].starts_with("call 2: "), "{unfair:?}");
    }
}
