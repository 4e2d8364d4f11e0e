//! Hot: new versions arrive, activities move, and nobody notices.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use fairground_tests::{
    client::{Client, HOME, Reply},
    component,
    database::Database,
    host::{OPERATOR_KEY, TestHost},
    program::Program,
};
use serde_json::json;
use sqlx::{AnyConnection, Connection, Executor};

use crate::plugins::{altered, next_version};

both! {
    async fn a_new_version_is_loaded_while_the_old_one_serves(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "old", "plugin": "mischief", "config": {}})).await;
        let version = async |id: &str, key: &str| host.act("ann", id, "version", key, json!({})).await.ok()["output"].clone();
        assert_eq!(version("old", "1").await, "7.0.1");
        host.load(next_version(&component("mischief"))).await;
        host.begin(json!({"id": "new", "plugin": "mischief", "config": {}})).await;
        assert_eq!((version("old", "2").await, version("new", "1").await), (json!("7.0.1"), json!("7.0.2")), "an activity is pinned");
        host.begin(json!({"id": "older", "plugin": "mischief", "version": "7.0.1", "config": {}})).await;
        assert_eq!(version("older", "1").await, "7.0.1");
    }
}

/// Two hosts of one database, in which a mischief runs.
pub(crate) async fn two_hosts(database: &Database) -> (TestHost, TestHost) {
    let (one, two) = (TestHost::start(database).await, TestHost::start(database).await);
    one.settle(&["ann"]).await;
    one.load(component("mischief")).await;
    one.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
    (one, two)
}

both! {
    async fn an_action_is_checked_against_the_version_that_runs_it(database) {
        let (one, two) = two_hosts(database).await;
        let later = async |host: &TestHost, key: &str, ms: serde_json::Value| {
            host.act("ann", "m", "later", key, json!({"ms": ms})).await
        };
        let before = later(&two, "1", json!(5)).await.ok();
        let fixed = altered(&component("mischief"), br#""ms":{"format":"int64","type":"integer"}"#, br#""ms":{"format":"int64","type":"boolean"}"#);
        one.load(next_version(&fixed)).await;
        one.post(&format!("{HOME}/activities/m/upgrade"), json!({"version": "7.0.2"})).await.ok();
        // The other host has the activity in memory as it was.
        // What fits the new schema alone comes to the plugin, whose code still wants a number.
        assert_eq!(later(&two, "2", json!(true)).await.problem(), (422, "common.invalid-input"));
        assert_eq!(later(&two, "3", json!(5)).await.problem(), (422, "http.invalid"));
        assert_eq!(later(&two, "1", json!(5)).await.ok(), before, "what was answered once is answered so again");
        assert_eq!(later(&one, "1", json!(5)).await.ok(), before);
        assert_eq!(later(&two, "1", json!(6)).await.problem(), (422, "common.idempotency-mismatch"));
        assert_eq!(later(&two, "1", json!(true)).await.problem(), (422, "common.idempotency-mismatch"));
        assert_eq!(one.act("ann", "m", "gone", "1", json!({})).await.status, 404);
    }
}

both! {
    async fn a_query_is_checked_against_the_version_that_answers_it(database) {
        let (one, two) = two_hosts(database).await;
        assert_eq!(two.ask("m", "counted").await.ok(), 0);
        one.load(next_version(&altered(&component("mischief"), b"counted", b"tallied"))).await;
        one.post(&format!("{HOME}/activities/m/upgrade"), json!({"version": "7.0.2"})).await.ok();
        // The other host has the activity in memory as it was.
        assert_eq!(two.ask("m", "tallied").await.ok(), 0);
        assert_eq!(two.ask("m", "counted").await.problem(), (404, "http.not-found"));
    }
}

/// The counter, and what it was when it was moved.
async fn counted(host: &TestHost) -> serde_json::Value {
    host.ask("m", "counted").await.ok()
}

async fn upgrade(host: &TestHost, version: &str) -> Reply {
    host.post(&format!("{HOME}/activities/m/upgrade"), json!({"version": version})).await
}

both! {
    async fn state_moves_to_another_shape_and_never_back(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        for number in 0..13 {
            host.act("ann", "m", "count", &number.to_string(), json!({})).await.ok();
        }
        host.load(component("molt")).await;
        host.load(altered(&component("molt"), b"7.1.0", b"7.1.1")).await;
        let before = host.journal("m").await.len();
        assert_eq!(upgrade(&host, "7.1.0").await.problem(), (409, "mischief.unlucky"));
        assert_eq!(counted(&host).await, 13, "a refusal moves nothing");
        host.act("ann", "m", "count", "13", json!({})).await.ok();
        upgrade(&host, "7.1.0").await.ok();
        assert_eq!(counted(&host).await, json!([14, 14]));
        host.act("ann", "m", "count", "14", json!({})).await.ok();
        assert_eq!(upgrade(&host, "7.0.1").await.problem(), (409, "plugin.older-state"));
        assert_eq!(counted(&host).await, json!([15, 14]), "it goes on as it was");
        upgrade(&host, "7.1.1").await.ok();
        upgrade(&host, "7.1.0").await.ok();
        assert_eq!(counted(&host).await, json!([15, 14]), "of one shape it moves back and forth");
        let journal = host.journal("m").await;
        let calls: Vec<_> = journal[before..].iter().map(|call| (call["kind"].as_str(), call["outcome"].as_str())).collect();
        let migrated = |outcome| (Some("migrate"), Some(outcome));
        let counts = (Some("action"), Some("ok"));
        assert_eq!(calls, [migrated("refused"), counts, migrated("ok"), counts, migrated("ok"), migrated("ok")]);
        let clock = host.clock.clone();
        host.stop().await;
        assert_eq!(counted(&TestHost::start_at(database, clock).await).await, json!([15, 14]));
    }
}

both! {
    async fn a_version_that_does_not_take_the_config_is_refused(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let fields = |first: &str, title: &str| format!("{first},\n  \"title\": \"{title}\"").into_bytes();
        let demanding = altered(&component("mischief"), &fields("\"examples\": [{}]", "Config"), &fields("\"required\": [\"abc\"]", "Con"));
        host.load(next_version(&demanding)).await;
        let refused = upgrade(&host, "7.0.2").await;
        assert_eq!(refused.problem(), (422, "plugin.config-misfit"));
        assert!(refused.text.contains("/config") && refused.text.contains("abc"), "{}", refused.text);
        assert_eq!(host.act("ann", "m", "version", "1", json!({})).await.ok()["output"], "7.0.1");
    }
}

both! {
    async fn versions_are_swapped_under_load_with_no_failed_request(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.load(next_version(&component("mischief"))).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "version": "7.0.1", "config": {}})).await;
        let stop = Arc::new(AtomicBool::new(false));
        let token = host.token("ann").await;
        let load: Vec<_> = (0..8)
            .map(|client_number| {
                let (client, token, stop) = (host.client.clone(), token.clone(), stop.clone());
                tokio::spawn(async move {
                    let mut done = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let reply = client.act_with(&token, "m", "count", &format!("{client_number}.{done}"), &json!({})).await;
                        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text);
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        for swap in 0..20 {
            let version = if swap % 2 == 0 { "7.0.2" } else { "7.0.1" };
            let moved = host.post(&format!("{HOME}/activities/m/upgrade"), json!({"version": version})).await.ok();
            assert_eq!(moved["version"], version);
        }
        stop.store(true, Ordering::Relaxed);
        let mut done = 0;
        for client in load {
            done += client.await.expect("joins");
        }
        assert_eq!(host.ask("m", "counted").await.ok(), done);
        let journal = host.journal("m").await;
        assert!(journal.iter().enumerate().all(|(index, entry)| entry["seq"] == index + 1), "without gaps");
        let unknown = host.post(&format!("{HOME}/activities/m/upgrade"), json!({"version": "9.9.9"})).await;
        assert_eq!(unknown.problem(), (404, "plugin.unknown"));
    }
}

both! {
    async fn a_watched_folder_loads_what_appears_and_moves_older_activities(database) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("mischief.wasm"), component("mischief")).expect("written");
        std::fs::write(folder.path().join("broken.wasm"), b"nothing").expect("written");
        let serve = fairground::Serve { watch: Some(folder.path().into()), ..fairground_tests::host::settings(database) };
        let host = fairground::Host::start(serve, fairground::Clock::system(), |_| ()).await.expect("starts");
        let base = format!("http://{}", host.address);
        let client = fairground_tests::client::Client::new(base, fairground_tests::host::OPERATOR_KEY).await;
        client.settle(&["ann"]).await;
        client.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        std::fs::write(folder.path().join("mischief.wasm"), next_version(&component("mischief"))).expect("written");
        // It looks once a second; however long that takes, the version comes.
        loop {
            let version = client.get(&format!("{HOME}/activities/m")).await.ok()["version"].clone();
            if version == "7.0.2" {
                break;
            }
            assert_eq!(version, "7.0.1");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        client.act("ann", "m", "count", "1", json!({})).await.ok();
        host.stop().await;
    }
}

/// The sum of a metric over all whose line begins so.
async fn metric(client: &Client, begin: &str) -> f64 {
    let text = client.get("/metrics").await.text;
    let lines = text.lines().filter(|line| line.starts_with(begin));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

const SLICES: &str = "fairground_batch_seconds_count{phase=\"prepare\"}";

/// Waits until so many slices have begun.
async fn slices_begin(client: &Client, count: f64) {
    for _ in 0..10_000 {
        if metric(client, SLICES).await >= count {
            return;
        }
    }
    panic!("a call did not come to a slice");
}

/// Keeps everybody from committing until it is dropped or rolled back.
async fn hold_commits(database: &Database) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&database.url).await.expect("a connection");
    let statements: &[&str] =
        if database.is_postgres { &["BEGIN", "SELECT 1 FROM activity_heads FOR UPDATE"] } else { &["BEGIN IMMEDIATE"] };
    for statement in statements {
        connection.execute(*statement).await.expect("is held");
    }
    connection
}

both! {
    /// A call that spins runs on top of the batch that has the first call in it. Before the spinning ends, whoever called first is told.
    async fn who_is_on_disk_is_told_while_the_next_calls_run(database) {
        const FAULTS: &str = "fairground_plugin_faults_total";
        let program = Program::start(database);
        let client = Arc::new(Client::new(program.base.clone(), OPERATOR_KEY).await);
        client.settle(&["ann"]).await;
        client.load(component("mischief")).await;
        client.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let token = client.token("ann").await;
        let act = |action: &'static str, round: u32| {
            let (client, token) = (client.clone(), token.clone());
            tokio::spawn(async move { client.act_with(&token, "m", action, &format!("{action}{round}"), &json!({})).await })
        };
        // SQLite looks at a lock at times only, and the spinning may be over when it does. Were the first told after that, no round would do.
        for round in 0..40 {
            let (faults, slices) = (metric(&client, FAULTS).await, metric(&client, SLICES).await);
            let mut held = hold_commits(database).await;
            let first = act("count", round);
            slices_begin(&client, slices + 1.0).await;
            let second = act("spin", round);
            slices_begin(&client, slices + 2.0).await;
            held.execute("ROLLBACK").await.expect("is let go");
            first.await.expect("joins").ok();
            let still_spins = metric(&client, FAULTS).await == faults;
            assert_eq!(second.await.expect("joins").status.as_u16(), 500);
            if still_spins {
                return;
            }
        }
        panic!("whoever was on disk was told when the next call had ended");
    }
}
