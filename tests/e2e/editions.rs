//! Whom an activity is for, and the same activity again: editions of a series.

use fairground_tests::{client::HOME, component, database::Database, host::TestHost};
use reqwest::Method;
use serde_json::{Value, json};

async fn town(database: &Database) -> TestHost {
    let host = TestHost::start(database).await;
    host.settle(&["ann", "bob", "cat", "dan"]).await;
    for (group, kind, region, member) in
        [("club", "paid", "north", "ann"), ("crowd", "ordinary", "south", "bob"), ("core", "core", "south", "cat")]
    {
        host.put(&format!("{HOME}/groups/{group}"), json!({"name": group, "kind": kind, "region": region})).await.ok();
        host.put(&format!("{HOME}/groups/{group}/members/{member}"), json!({})).await.ok();
    }
    host.load(component("mischief")).await;
    host
}

async fn make(host: &TestHost, id: &str, scope: Value) -> Value {
    let made = json!({"id": id, "plugin": "mischief", "config": {}, "scope": scope});
    host.post(&format!("{HOME}/activities"), made).await.ok()
}

/// Who may take part.
async fn inside(host: &TestHost, activity: &str) -> Vec<&'static str> {
    let mut inside = Vec::new();
    for member in ["ann", "bob", "cat", "dan"] {
        let reply = host.act(member, activity, "count", member, json!({})).await;
        if reply.status.is_success() {
            inside.push(member);
        } else {
            assert_eq!(reply.problem(), (403, "common.not-in-scope"), "{member}");
        }
    }
    inside
}

both! {
    async fn a_scope_names_groups_by_what_they_are(database) {
        let host = town(database).await;
        for (id, scope, expected) in [
            ("all", json!("all"), vec!["ann", "bob", "cat", "dan"]),
            ("named", json!({"groups": ["club"]}), vec!["ann"]),
            ("kinds", json!({"kinds": ["paid", "core"]}), vec!["ann", "cat"]),
            ("region", json!({"region": "south"}), vec!["bob", "cat"]),
        ] {
            make(&host, id, scope).await;
            host.post(&format!("{HOME}/activities/{id}/start"), json!({})).await.ok();
            assert_eq!(inside(&host, id).await, expected, "{id}");
        }
        // Groups are looked at as they are when somebody acts, and a scope grows as any other.
        host.put(&format!("{HOME}/groups/late"), json!({"name": "x", "kind": "paid"})).await.ok();
        host.put(&format!("{HOME}/groups/late/members/dan"), json!({})).await.ok();
        assert_eq!(host.act("dan", "kinds", "count", "late", json!({})).await.ok()["output"], 3);
        let expand = async |scope: Value| host.post(&format!("{HOME}/activities/kinds/expand"), json!({"scope": scope})).await;
        assert_eq!(expand(json!({"kinds": ["paid"]})).await.problem(), (409, "scope.not-wider"));
        let wider = expand(json!({"kinds": ["ordinary", "paid", "core"]})).await.ok()["config_version"].clone();
        assert_eq!(expand(json!({"kinds": ["ordinary", "paid", "core"]})).await.ok()["config_version"], wider, "said twice");
        assert_eq!(host.act("bob", "kinds", "count", "late", json!({})).await.ok()["output"], 4);
        for (scope, code) in [(json!({"kinds": []}), "scope.count"), (json!({"region": ""}), "scope.region")] {
            let made = json!({"plugin": "mischief", "config": {}, "scope": scope});
            let reply = host.post(&format!("{HOME}/activities"), made).await;
            assert_eq!((reply.status.as_u16(), &reply.body["errors"][0]["code"]), (422, &json!(code)));
        }
    }
}

both! {
    async fn editions_are_as_the_one_before_but_for_what_is_said(database) {
        let host = town(database).await;
        let budget = json!({"limit": {"minor": 1_000, "currency": "CNY"}, "refundable": true});
        host.put(&format!("{HOME}/budgets/purse"), budget).await.ok();
        let may = json!({
            "id": "may", "plugin": "mischief", "config": {}, "scope": {"groups": ["club"]}, "budget": "purse",
            "offers": {"badge": {"title": "May", "kind": "badge"}},
        });
        let first = host.post(&format!("{HOME}/activities"), may).await.ok();
        assert_eq!((&first["series"], &first["edition"]), (&json!("may"), &json!(1)));
        let again = async |of: &str, other: Value| host.post(&format!("{HOME}/activities/{of}/editions"), other).await;
        let other = json!({"id": "june", "scope": {"region": "south"}, "offers": {"badge": {"title": "June"}}});
        let second = again("may", other).await.ok();
        assert_eq!((&second["series"], &second["edition"], &second["state"]), (&json!("may"), &json!(2), &json!("validated")));
        assert_eq!((&second["scope"], &second["budget"]), (&json!({"region": "south"}), &json!("purse")));
        assert_eq!(second["offers"]["badge"]["title"], "June");
        assert_ne!(second["random_commitment"], first["random_commitment"], "luck is its own");
        // Of an edition there is another as well; null takes something away.
        let third = again("june", json!({"id": "july", "budget": null, "offers": null})).await.ok();
        assert_eq!((&third["edition"], &third["budget"], &third["offers"]), (&json!(3), &Value::Null, &json!({})));
        let listed = host.listing(&format!("{HOME}/activities/june/editions")).await;
        let ids: Vec<&Value> = listed.iter().map(|activity| &activity["id"]).collect();
        assert_eq!(ids, [&json!("may"), &json!("june"), &json!("july")]);

        assert_eq!(again("may", json!({"id": "june"})).await.problem(), (409, "activity.exists"));
        assert_eq!(again("may", json!({"colour": "red"})).await.problem(), (422, "http.invalid"));
        assert_eq!(again("may", json!({"scope": {"groups": ["nobody"]}})).await.problem(), (422, "http.invalid"));
        assert_eq!(again("may", json!({"scope": null})).await.problem(), (422, "http.invalid"));
        assert_eq!(again("nothing", json!({})).await.problem(), (404, "http.not-found"));
        let token = host.token("ann").await;
        let wish = json!({});
        let members = host.send(Method::POST, &format!("{HOME}/activities/may/editions"), &token, Some(&wish), None).await;
        assert_eq!(members.problem(), (403, "group.forbidden"));
    }
}

both! {
    /// A rule for an event of which nobody is told would be silent.
    async fn notices_name_events_that_are_told(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("check-in")).await;
        let made = |event: &str| json!({"plugin": "check-in", "config": {
            "title": "x", "one_line_benefit": "y", "zone": "UTC", "notices": [{"event": event, "template": "t"}],
        }});
        host.post(&format!("{HOME}/activities"), made("check-in.milestone")).await.ok();
        let typo = host.post(&format!("{HOME}/activities"), made("check-in.millstone")).await;
        let issue = &typo.body["errors"][0];
        assert_eq!((&issue["pointer"], &issue["code"]), (&json!("/config/notices/0/event"), &json!("config.schema")));
        assert!(issue["message"].as_str().expect("a text").contains("check-in.milestone"), "it says which there are: {issue}");
    }
}
