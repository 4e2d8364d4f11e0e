//! Who may do what: every operation with every kind of credential.

use fairground_tests::{client::HOME, component, host::TestHost};
use reqwest::Method;
use serde_json::{Value, json};

/// Paths of the document, with its parameters filled in for a community.
fn fill(path: &str, community: &str) -> String {
    let path = path.replace("{community}", community).replace("{activity}", "m").replace("{member}", "ann");
    path.replace("{group}", "g")
        .replace("{budget}", "b")
        .replace("{id}", "k")
        .replace("{name}", "n")
        .replace("{version}", "1.0.0")
}

async fn key(host: &TestHost, kind: &str, community: &str) -> String {
    host.post("/v1/keys", json!({"kind": kind, "community": community})).await.ok()["secret"]
        .as_str()
        .expect("a secret")
        .into()
}

both! {
    async fn each_operation_lets_in_whom_it_names_and_nobody_else(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.put("/v1/communities/other", json!({"name": "Other", "currency": "CNY", "time_zone": "UTC"})).await.ok();
        let credentials = [
            ("operator", key(&host, "operator", "town").await),
            ("app", key(&host, "app", "town").await),
            ("member", host.token("ann").await),
        ];
        let document = host.get("/openapi.json").await.ok();
        let mut seen = 0;
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                let method: Method = method.to_uppercase().parse().expect("a method");
                let who: Vec<&str> = operation["x-who"].as_array().expect("x-who").iter().filter_map(Value::as_str).collect();
                assert!(!who.is_empty(), "{path} lets nobody in");
                let send = async |community: &str, bearer: &str| {
                    host.send(method.clone(), &fill(path, community), bearer, Some(&json!({})), Some("k")).await.status.as_u16()
                };
                assert_eq!(send("town", "").await, 401, "{method} {path} without a credential");
                assert_eq!(send("town", "not-a-key").await, 401, "{method} {path} with a wrong key");
                if who == ["shop"] {
                    // No key of ours is good here: messages are signed.
                    for (_, credential) in &credentials {
                        assert_eq!(send("town", credential).await, 401, "{method} {path} without a signature");
                    }
                    continue;
                }
                for (kind, credential) in &credentials {
                    let status = send("town", credential).await;
                    // Deletes of the very keys in use come last in no order: none is named `k`.
                    let let_in = path.contains("{community}") && who.contains(kind);
                    assert_eq!(![401, 403].contains(&status) || (status == 403 && let_in && *kind != "operator"), let_in, "{method} {path} as {kind}: {status}");
                    if path.contains("{community}") {
                        assert_eq!(send("other", credential).await, 404, "{method} {path} as {kind} elsewhere");
                    }
                }
                seen += 1;
            }
        }
        assert!(seen >= 35, "{seen} operations");
    }
}

both! {
    async fn a_member_acts_and_sees_as_themselves_alone(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann", "bob"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let ann = host.token("ann").await;
        let rewards = async |member: &str| host.send(Method::GET, &format!("{HOME}/members/{member}/rewards"), &ann, None, None).await;
        assert_eq!(rewards("ann").await.status.as_u16(), 200);
        assert_eq!(rewards("bob").await.problem(), (403, "http.forbidden"));
        host.act_with(&ann, "m", "count", "1", &json!({})).await.ok();
        assert_eq!(host.journal("m").await[1]["actor"], "ann");
        // An operator is no member.
        assert_eq!(host.act_with(&host.operator, "m", "count", "2", &json!({})).await.problem(), (403, "common.not-allowed"));
    }
}

both! {
    async fn tokens_and_keys_end(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        let token = host.token("ann").await;
        let rewards = format!("{HOME}/members/ann/rewards");
        let with = async |bearer: &str| host.send(Method::GET, &rewards, bearer, None, None).await.status.as_u16();
        assert_eq!(with(&token).await, 200);
        // One letter of the signature, another subject, no signature.
        let (head, rest) = token.split_once('.').expect("three parts");
        let (claims, signature) = rest.split_once('.').expect("three parts");
        let flipped = format!("{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
        for forged in [format!("{head}.{claims}.{flipped}"), format!("{head}.{claims}."), format!("{head}.e30.{signature}")] {
            assert_eq!(with(&forged).await, 401);
        }
        let short = host.post("/v1/keys", json!({"kind": "app", "expires_at": host.clock.now() + 1_000})).await.ok();
        let short = short["secret"].as_str().expect("a secret");
        assert_eq!(with(short).await, 200);
        host.clock.turn(1_000);
        assert_eq!(with(short).await, 401);
        host.clock.turn(905_000);
        assert_eq!(with(&token).await, 401);
        for ttl in [0, 901] {
            let wish = json!({"member": "ann", "ttl_seconds": ttl});
            let reply = host.send(Method::POST, &format!("{HOME}/member-tokens"), &host.app, Some(&wish), None).await;
            assert_eq!(reply.problem(), (422, "token.ttl"));
        }
    }
}

both! {
    async fn a_key_is_shown_once_and_gone_when_it_is_revoked(database) {
        let host = TestHost::start(database).await;
        let made = host.post("/v1/keys", json!({"kind": "operator"})).await.ok();
        let (id, secret) = (made["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
        let listed = host.get("/v1/keys").await;
        assert!(listed.text.contains(id) && !listed.text.contains(secret));
        let path = format!("/v1/keys/{id}");
        assert_eq!(host.send(Method::GET, "/v1/keys", secret, None, None).await.status.as_u16(), 200);
        assert_eq!(host.send(Method::DELETE, &path, &host.operator, None, None).await.status.as_u16(), 204);
        assert_eq!(host.send(Method::GET, "/v1/keys", secret, None, None).await.status.as_u16(), 401);
        assert_eq!(host.send(Method::DELETE, &path, &host.operator, None, None).await.status.as_u16(), 404);
        let unknown = host.post("/v1/keys", json!({"kind": "app", "community": "nowhere"})).await;
        assert_eq!(unknown.problem(), (422, "community.unknown"));
    }
}
