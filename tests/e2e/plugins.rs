//! Uploading, granting, listing, removing.

use fairground_tests::{client::HOME, component, host::TestHost};
use reqwest::{Method, StatusCode};
use serde_json::json;

/// The same plugin under the next version: its bytes name 7.0.1 in one place alone.
pub(crate) fn next_version(component: &[u8]) -> Vec<u8> {
    altered(component, b"7.0.1", b"7.0.2")
}

/// The component with other words of the same length in it.
pub(crate) fn altered(component: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = component.to_vec();
    let places: Vec<usize> =
        bytes.windows(old.len()).enumerate().filter_map(|(at, window)| (window == old).then_some(at)).collect();
    assert!(!places.is_empty(), "it is written out in the component");
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new);
    }
    bytes
}

/// The capabilities that the bargain needs.
const BARGAIN_ASKS: [&str; 9] =
    ["commerce", "events", "groups", "members", "notifications", "random", "rewards", "risk", "scheduler"];

both! {
    async fn an_upload_says_what_it_asks_for_and_the_same_bytes_say_it_again(database) {
        let host = TestHost::start(database).await;
        let first = host.upload(component("bargain")).await;
        assert_eq!(first.status, StatusCode::CREATED);
        assert_eq!((&first.body["name"], &first.body["version"], &first.body["state"]), (&json!("bargain"), &json!("0.1.0"), &json!("uploaded")));
        assert_eq!(first.body["capabilities"], json!(BARGAIN_ASKS));
        assert_eq!(first.body["digest"].as_str().expect("a digest").len(), 64);
        assert_eq!(first.body["manifest"]["actions"][1]["name"], "help");
        let again = host.upload(component("bargain")).await;
        assert_eq!((again.status, &again.body), (StatusCode::OK, &first.body));
        assert_eq!(host.listing("/v1/plugins").await, std::slice::from_ref(&first.body));
        assert_eq!(host.get("/v1/plugins/bargain/0.1.0").await.ok(), first.body);
        assert_eq!(host.get("/v1/plugins/bargain/9.9.9").await.problem(), (404, "http.not-found"));
    }
}

both! {
    async fn a_version_never_changes(database) {
        let host = TestHost::start(database).await;
        host.upload(component("mischief")).await.ok();
        let mut other = component("mischief");
        // A custom section changes the bytes and nothing else.
        other.extend([0, 3, 1, b'x', 0]);
        assert_eq!(host.upload(other).await.problem(), (409, "plugin.version-taken"));
    }
}

both! {
    async fn what_is_not_granted_is_named_and_nothing_runs(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.upload(component("bargain")).await.ok();
        let enable = "/v1/plugins/bargain/0.1.0/enable";
        let (last, all_but_one) = BARGAIN_ASKS.split_last().expect("capabilities");
        let missing = host.post(enable, json!({"grant": all_but_one})).await;
        assert_eq!(missing.problem(), (422, "plugin.missing-capability"));
        assert!(missing.body["detail"].as_str().expect("a detail").contains(last), "{}", missing.text);
        let unasked = [&BARGAIN_ASKS[..], &["points"]].concat();
        assert_eq!(host.post(enable, json!({"grant": unasked})).await.problem(), (422, "plugin.unasked-capability"));
        let template: serde_json::Value = serde_json::from_str(include_str!("../../plugins/bargain/template.json")).expect("JSON");
        let made = host.post(&format!("{HOME}/activities"), template).await;
        assert_eq!((made.status.as_u16(), &made.body["errors"][0]["code"]), (422, &json!("plugin.not-enabled")));
    }
}

both! {
    async fn a_version_in_use_stays_and_an_unused_one_goes(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let path = "/v1/plugins/mischief/7.0.1";
        assert_eq!(host.send(Method::DELETE, path, &host.operator, None, None).await.problem(), (409, "plugin.in-use"));
        host.load(next_version(&component("mischief"))).await;
        let unused = host.send(Method::DELETE, "/v1/plugins/mischief/7.0.2", &host.operator, None, None).await;
        assert_eq!(unused.status, StatusCode::NO_CONTENT);
        assert_eq!(host.get("/v1/plugins/mischief/7.0.2").await.status, StatusCode::NOT_FOUND);
    }
}

both! {
    async fn a_disabled_version_takes_no_actions_until_it_is_enabled_again(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let granted = host.get("/v1/plugins/mischief/7.0.1").await.ok()["granted"].clone();
        host.post("/v1/plugins/mischief/7.0.1/disable", json!({})).await.ok();
        assert_eq!(host.act("ann", "m", "count", "1", json!({})).await.problem(), (409, "common.plugin-disabled"));
        host.post("/v1/plugins/mischief/7.0.1/enable", json!({"grant": granted})).await.ok();
        host.act("ann", "m", "count", "1", json!({})).await.ok();
    }
}

/// A component that imports one instance with one function.
fn importing(name: &str) -> Vec<u8> {
    wat::parse_str(format!(r#"(component (import "{name}" (instance (export "f" (func)))))"#)).expect("a component")
}

both! {
    /// Regression 30: nothing of an operator or a plugin is run as part of the host.
    async fn an_import_that_is_not_offered_is_refused_by_name(database) {
        let host = TestHost::start(database).await;
        for import in [
            "wasi:sockets/tcp-create-socket@0.2.0", "wasi:filesystem/preopens@0.2.0", "wasi:cli/environment@0.2.0",
            "evil:pkg/x@1.0.0", "fairground:activity/storage@9.0.0", "fairground:activity/nothing@0.1.0",
        ] {
            let reply = host.upload(importing(import)).await;
            assert_eq!(reply.problem(), (422, "plugin.unknown-import"), "{import}");
            assert!(reply.text.contains(import), "{}", reply.text);
        }
        // The right name, another shape.
        assert_eq!(host.upload(importing("fairground:activity/storage@0.1.0")).await.problem(), (422, "plugin.wrong-interface"));
        assert!(host.listing("/v1/plugins").await.is_empty(), "nothing was stored");
    }
}

both! {
    async fn bytes_that_are_no_component_are_refused(database) {
        let host = TestHost::start(database).await;
        let module = wat::parse_str("(module (func (export \"run\")))").expect("a module");
        let engine = wasmtime::Engine::default();
        let empty = wat::parse_str("(component)").expect("a component");
        let precompiled = engine.precompile_component(&empty).expect("compiled");
        let mut cut = component("mischief");
        cut.truncate(cut.len() - 7);
        for (what, bytes) in [
            ("a core module", module), ("zeroes", vec![0; 1_024]), ("nothing", vec![]), ("text", b"(component)".to_vec()),
            ("code compiled elsewhere", precompiled), ("half a component", cut),
        ] {
            assert_eq!(host.upload(bytes).await.problem(), (422, "plugin.not-a-component"), "{what}");
        }
        assert_eq!(host.upload(empty).await.problem(), (422, "plugin.wrong-interface"));
        assert_eq!(host.upload(vec![0; (24 << 20) + 1]).await.problem(), (413, "http.too-large"));
    }
}

both! {
    async fn proposals_that_are_switched_off_are_refused(database) {
        let host = TestHost::start(database).await;
        let bodies = [
            r#"(memory 1 1 shared)"#,
            r#"(func (result v128) (v128.const i32x4 0 0 0 0))"#,
            r#"(memory i64 1)"#,
            r#"(memory 1) (memory 1)"#,
            r#"(tag)"#,
            r#"(func $f (return_call $f))"#,
            r#"(memory 65536)"#,
            r#"(table 10000000 funcref)"#,
        ];
        for body in bodies {
            let text = format!("(component (core module $m {body}) (core instance (instantiate $m)))");
            let reply = host.upload(wat::parse_str(&text).expect("a component")).await;
            assert_eq!(reply.problem(), (422, "plugin.not-a-component"), "{body}: {}", reply.text);
        }
    }
}
