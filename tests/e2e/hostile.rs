//! Guests that do what none should: each ends in the right answer, nothing of it is kept, and the host lives on.

use std::time::{Duration, Instant};

use fairground_tests::{
    client::{Client, HOME},
    component,
    database::Database,
    host::{OPERATOR_KEY, TestHost},
    program::Program,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::plugins::next_version;

async fn mischief(database: &Database) -> TestHost {
    let host = TestHost::start(database).await;
    host.settle(&["ann", "bob"]).await;
    host.load(component("mischief")).await;
    host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
    host
}

both! {
    async fn each_mischief_is_stopped_and_leaves_nothing(database) {
        let host = mischief(database).await;
        let cases: [(&str, Value, &str); 12] = [
            ("spin", json!({}), "out of fuel"),
            ("hoard", json!({}), "memory"),
            ("recurse", json!({}), "out of bounds memory access"),
            ("babble", json!({"amount": 300_000}), "256 KiB"),
            ("babble", json!({"amount": 2_000_000}), "rules of its interface"),
            ("break", json!({}), "it panicked"),
            ("flood-host", json!({}), "too many host calls"),
            ("flood-log", json!({}), "too many log bytes"),
            ("flood-storage", json!({}), "too many writes"),
            ("large-value", json!({"amount": 70_000}), "64 KiB"),
            ("shout", json!({"amount": 2_000_000}), "rules of its interface"),
            ("bad-key", json!({}), "control characters"),
        ];
        for (action, input, why) in cases {
            let reply = host.act("ann", "m", action, action, input).await;
            assert_eq!(reply.problem(), (500, "common.plugin-fault"), "{action}");
            let detail = reply.body["detail"].as_str().expect("a detail");
            assert!(detail.contains(why), "{action}: {detail}");
            assert!(!detail.contains("forged") && !detail.contains('\u{1b}'), "{detail}");
        }
        assert_eq!(host.act("ann", "m", "timers", "t", json!({"amount": 17})).await.problem(), (500, "common.plugin-fault"));
        let write = host.ask("m", "write").await;
        assert_eq!(write.problem(), (500, "common.plugin-fault"));
        assert_eq!(host.ask("m", "counted").await.ok(), 0);
        assert!(host.listing(&format!("{HOME}/activities/m/outbox")).await.is_empty());
        assert_eq!(host.journal("m").await.len(), 1, "only the start: what was not answered is not in the journal");
        host.act("ann", "m", "timers", "t16", json!({"amount": 16})).await.ok();
        host.act("ann", "m", "babble", "small", json!({"amount": 200_000})).await.ok();
        assert_eq!(host.ask("m", "counted").await.ok(), 2);
    }
}

both! {
    async fn a_panic_says_why_in_the_log_and_nowhere_else(database) {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let program = Program::start_logging(database, log.reopen().expect("the same file"));
        let client = Client::new(program.base.clone(), OPERATOR_KEY).await;
        client.settle(&["ann"]).await;
        client.load(component("mischief")).await;
        client.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let reply = client.act("ann", "m", "break", "1", json!({})).await;
        assert!(!reply.text.contains("purpose"), "{}", reply.text);
        // It is written before the answer.
        let log = std::fs::read_to_string(log.path()).expect("a log");
        let line = log.lines().find(|line| line.contains("on purpose")).unwrap_or_else(|| panic!("no such line: {log}"));
        for part in ["ERROR", "mischief", "it panicked at ", "src/lib.rs:", "on purpose\\u{a}\\u{1b}[2Jforged line"] {
            assert!(line.contains(part), "{part:?}: {line}");
        }
    }
}

both! {
    async fn what_fails_among_calls_that_do_not_leaves_nothing(database) {
        let host = mischief(database).await;
        let calls: Vec<_> = (0..90)
            .map(|number| {
                let client = host.client.clone();
                let action = ["count", "refuse", "break"][number % 3];
                tokio::spawn(async move { client.act("ann", "m", action, &number.to_string(), json!({})).await.status.as_u16() })
            })
            .collect();
        let mut counted = 0;
        for (number, call) in calls.into_iter().enumerate() {
            match (number % 3, call.await.expect("joins")) {
                (0, 200) => counted += 1,
                // So many failures in a row make it rest.
                (1, 409) | (2, 500) | (_, 503) => {}
                (kind, status) => panic!("call {number} of kind {kind} got {status}"),
            }
        }
        assert!(counted > 0);
        assert_eq!(host.ask("m", "counted").await.ok(), counted);
        let clock = host.clock.clone();
        host.stop().await;
        assert_eq!(TestHost::start_at(database, clock).await.ask("m", "counted").await.ok(), counted);
    }
}

both! {
    async fn a_fault_is_not_an_answer_so_a_retry_tries_again(database) {
        let host = mischief(database).await;
        for _ in 0..2 {
            assert_eq!(host.act("ann", "m", "break", "same", json!({})).await.problem(), (500, "common.plugin-fault"));
        }
        assert_eq!(host.journal("m").await.len(), 1);
    }
}

/// More than the host reads of what is due at once.
const DOOMED: usize = 300;

both! {
    async fn timers_that_always_fail_keep_no_other_from_its_own(database) {
        let host = mischief(database).await;
        let token = host.token("ann").await;
        let doom = json!({"ms": 1_000});
        let doomed: Vec<_> = (0..DOOMED)
            .map(|number| {
                let (host, token, doom) = (host.client.clone(), token.clone(), doom.clone());
                tokio::spawn(async move {
                    let id = format!("doomed-{number}");
                    host.begin(json!({"id": id, "plugin": "mischief", "config": {}})).await;
                    host.act_with(&token, &id, "doom", "1", &doom).await.ok();
                })
            })
            .collect();
        for doomed in doomed {
            doomed.await.expect("joins");
        }
        host.load(next_version(&component("mischief"))).await;
        host.begin(json!({"id": "good", "plugin": "mischief", "version": "7.0.2", "config": {}})).await;
        host.act("ann", "good", "later", "1", json!({"ms": 1_001})).await.ok();
        for round in 0..2 {
            host.pass(1_001).await;
            assert_eq!(host.ask("doomed-7", "rung").await.ok(), 0);
            assert_eq!(host.ask("good", "rung").await.ok(), 1, "round {round}");
        }
        host.stop().await;
    }
}

both! {
    async fn a_version_that_keeps_failing_rests_for_itself_only(database) {
        let host = mischief(database).await;
        host.load(component("check-in")).await;
        host.begin(json!({"id": "daily", "plugin": "check-in", "config": {"title": "x", "one_line_benefit": "y", "zone": "UTC"}})).await;
        for failure in 0..20 {
            assert_eq!(host.act("ann", "m", "break", &format!("f{failure}"), json!({})).await.status.as_u16(), 500);
        }
        let resting = host.act("ann", "m", "count", "1", json!({})).await;
        assert_eq!((resting.problem(), resting.retry_after.as_deref()), ((503, "common.busy"), Some("30")));
        assert!(resting.text.contains("rests"), "{}", resting.text);
        // What others make it fail at is not this community's.
        let elsewhere = "/v1/communities/elsewhere";
        host.put(elsewhere, json!({"name": "Elsewhere", "currency": "CNY", "time_zone": "UTC"})).await.ok();
        host.put(&format!("{elsewhere}/members/eve"), json!({})).await.ok();
        host.post(&format!("{elsewhere}/activities"), json!({"id": "m", "plugin": "mischief", "config": {}})).await.ok();
        host.post(&format!("{elsewhere}/activities/m/start"), json!({})).await.ok();
        let app = host.post("/v1/keys", json!({"kind": "app", "community": "elsewhere"})).await.ok()["secret"].clone();
        let app = app.as_str().expect("a secret");
        let wish = json!({"member": "eve", "ttl_seconds": 60});
        let eve = host.send(Method::POST, &format!("{elsewhere}/member-tokens"), app, Some(&wish), None).await.ok()["token"].clone();
        let path = format!("{elsewhere}/activities/m/actions/count");
        host.send(Method::POST, &path, eve.as_str().expect("a token"), Some(&json!({})), Some("1")).await.ok();
        host.act("ann", "daily", "check-in", "1", json!({})).await.ok();
        host.clock.turn(30_000);
        host.act("ann", "m", "count", "1", json!({})).await.ok();
    }
}

both! {
    async fn neighbours_act_while_a_plugin_spins(database) {
        let host = mischief(database).await;
        host.begin(json!({"id": "n", "plugin": "mischief", "config": {}})).await;
        let spins: Vec<_> = (0..20)
            .map(|number| {
                let client = host.client.clone();
                tokio::spawn(async move { client.act("bob", "m", "spin", &format!("s{number}"), json!({})).await.status.as_u16() })
            })
            .collect();
        for number in 0..20 {
            host.act("ann", "n", "count", &format!("k{number}"), json!({})).await;
        }
        for spin in spins {
            assert!([500, 503].contains(&spin.await.expect("joins")));
        }
        host.clock.turn(60_000);
        assert!(host.ask("n", "counted").await.ok().as_i64() > Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_stays_the_same() {
    let database = Database::sqlite();
    let mut program = Program::start(&database);
    let client =
        fairground_tests::client::Client::new(program.base.clone(), fairground_tests::host::OPERATOR_KEY).await;
    client.settle(&["ann"]).await;
    client.load(component("mischief")).await;
    client.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
    let process = program.id();
    for action in ["spin", "hoard", "recurse", "break", "flood-host", "flood-log", "flood-storage"] {
        let mut quickest = Duration::MAX;
        for attempt in 0..3 {
            let begun = Instant::now();
            let reply = client.act("ann", "m", action, &format!("{action}{attempt}"), json!({})).await;
            assert_eq!(reply.problem(), (500, "common.plugin-fault"), "{action}");
            quickest = quickest.min(begun.elapsed());
        }
        // A guest's own limit is 250 ms. Whoever else uses the machine does not slow down all three.
        assert!(quickest < Duration::from_secs(1), "{action} took {quickest:?}");
        client.act("ann", "m", "count", action, json!({})).await.ok();
    }
    assert_eq!(program.id(), process);
    assert!(program.terminate().success());
}
