//! Rights: what members may do by their roles, and what an operator keeps.

use fairground_tests::{client::HOME, host::TestHost};
use reqwest::Method;
use serde_json::{Value, json};

use super::groups::{by, place, town};

both! {
    async fn roles_may_do_what_the_matrix_says(database) {
        let host = town(database).await;
        let early = json!({"id": "early", "plugin": "mischief", "config": {}, "scope": {"groups": ["g"]}});
        let early = by(&host, "bob", Method::POST, "/activities", early).await;
        assert_eq!(early.problem(), (403, "group.forbidden"), "not of this plugin, until the rules say so");
        host.put(&format!("{HOME}/rules"), json!({"owner_plugins": ["mischief"]})).await.ok();
        let wish = |id: &str, groups: Value| json!({"id": id, "plugin": "mischief", "config": {}, "scope": {"groups": groups}});
        let make = async |member: &str, wish: Value| by(&host, member, Method::POST, "/activities", wish).await;
        let refused = (403, "group.forbidden");
        for (number, (member, groups, may)) in [
            ("ann", json!(["g", "h"]), true),
            ("bob", json!(["g"]), true),
            ("bob", json!(["g", "h"]), false),
            ("bob", json!(["h"]), false),
            ("cat", json!(["g"]), false),
            ("dan", json!(["g"]), false),
            ("fay", json!(["g"]), false),
        ]
        .into_iter()
        .enumerate()
        {
            let made = make(member, wish(&format!("a{number}"), groups)).await;
            assert_eq!(made.status == 201, may, "{number} {}", made.text);
            assert!(may || made.problem() == refused);
        }
        // What costs only what its maker says, an owner does not give.
        let points = json!({"p": {"title": "P", "kind": "points", "account": "points", "points": 1_000_000}});
        let badge = json!({"b": {"title": "B", "kind": "badge"}});
        for (id, offers, status) in [("p", points, 403), ("b", badge, 201)] {
            let mut wish = wish(id, json!(["g"]));
            wish["offers"] = offers;
            assert_eq!(make("bob", wish).await.status, status, "{id}");
        }
        let everybody = json!({"id": "all", "plugin": "mischief", "config": {}});
        assert_eq!(make("bob", everybody.clone()).await.problem(), refused);
        assert_eq!(make("ann", everybody).await.status, 201);

        // Who publishes in g: its administrator too; who only takes part does not.
        let control = async |member: &str, activity: &str, what: &str| {
            by(&host, member, Method::POST, &format!("/activities/{activity}/{what}"), Value::Null).await
        };
        assert_eq!(control("dan", "a1", "start").await.problem(), refused);
        assert_eq!(control("eve", "a1", "start").await.problem(), refused);
        assert_eq!(control("cat", "a1", "start").await.ok()["state"], "running");
        assert_eq!(control("bob", "a1", "pause").await.ok()["state"], "paused");
        assert_eq!(control("cat", "a0", "start").await.problem(), refused, "it is for h as well");
        assert_eq!(control("ann", "a1", "resume").await.ok()["state"], "running");
        assert_eq!(by(&host, "dan", Method::GET, "/activities/a1", Value::Null).await.problem(), refused);
        let journal = host.journal("a1").await;
        assert_eq!(journal.iter().map(|call| call["actor"].clone()).collect::<Vec<_>>(), ["cat", "bob", "ann"]);
    }
}

both! {
    async fn who_is_taken_out_has_a_lower_role(database) {
        let host = town(database).await;
        let refused = (403, "group.forbidden");
        let take_out = async |who: &str, member: &str| {
            by(&host, who, Method::DELETE, &format!("/groups/g/members/{member}"), Value::Null).await
        };
        assert_eq!(take_out("dan", "cat").await.problem(), refused);
        assert_eq!(take_out("cat", "bob").await.problem(), refused, "an owner is above an administrator");
        place(&host, "g", "ann", "participant").await.ok();
        assert_eq!(take_out("cat", "ann").await.problem(), refused, "a chief owner is one everywhere");
        let path = format!("{HOME}/groups/h/members/ann");
        let gone = host.send(Method::DELETE, &path, &host.app, None, None).await;
        assert_eq!(gone.problem(), (403, "http.forbidden"));
        assert_eq!(take_out("eve", "dan").await.problem(), refused, "she is not in the group");
        assert_eq!(take_out("cat", "dan").await.status, 204);
        assert_eq!(take_out("ann", "bob").await.status, 204, "a chief owner is above everybody");
        // A member who may not act at all has no rights either.
        host.put(&format!("{HOME}/members/ann"), json!({"status": "muted"})).await.ok();
        assert_eq!(take_out("ann", "cat").await.problem(), refused);
        // A platform's key makes nobody a chief owner, and no chief owner anything else.
        for (group, member, role) in [("g", "fay", "chief_owner"), ("h", "ann", "participant")] {
            let path = format!("{HOME}/groups/{group}/members/{member}");
            let put = host.send(Method::PUT, &path, &host.app, Some(&json!({"role": role})), None).await;
            assert_eq!(put.problem(), (403, "http.forbidden"), "{member}");
        }
    }
}

both! {
    async fn owners_spend_from_budgets_of_their_own(database) {
        let host = town(database).await;
        let budget = async |member: &str, id: &str, minor: i64| {
            let wish = json!({"limit": {"minor": minor, "currency": "CNY"}});
            by(&host, member, Method::PUT, &format!("/budgets/{id}"), wish).await
        };
        let refused = (403, "group.forbidden");
        assert_eq!(budget("bob", "tea", 1).await.problem(), refused, "owners set none until the community lets them");
        host.put(&format!("{HOME}/rules"), json!({"owner_budget_minor_max": 1_000, "owner_plugins": ["mischief"]})).await.ok();
        assert_eq!(budget("bob", "tea", 1_001).await.problem(), refused);
        assert_eq!(budget("bob", "tea", 1_000).await.ok()["set_by"], "bob");
        assert_eq!(budget("bob", "cake", 1).await.problem(), refused, "all of theirs together");
        assert_eq!(budget("bob", "tea", 900).await.ok()["limit"]["minor"], 900);
        assert_eq!(budget("bob", "cake", 100).await.ok()["set_by"], "bob");
        assert_eq!(budget("cat", "cake", 1).await.problem(), refused);
        place(&host, "h", "eve", "owner").await.ok();
        assert_eq!(budget("eve", "tea", 1_000).await.problem(), refused, "it is bob's");
        assert_eq!(by(&host, "eve", Method::GET, "/budgets/tea", Value::Null).await.problem(), (404, "http.not-found"));
        assert!(budget("ann", "big", 50_000).await.ok()["set_by"].is_null());
        let spend = async |member: &str, id: &str, budget: &str, group: &str| {
            let wish = json!({"id": id, "plugin": "mischief", "config": {}, "scope": {"groups": [group]}, "budget": budget});
            by(&host, member, Method::POST, "/activities", wish).await
        };
        assert_eq!(spend("bob", "x", "tea", "g").await.status, 201);
        assert_eq!(spend("eve", "y", "tea", "h").await.problem(), refused);
        assert_eq!(spend("bob", "y", "big", "g").await.problem(), refused);
        // What somebody else sets afterwards is theirs.
        let wish = json!({"limit": {"minor": 70_000, "currency": "CNY"}});
        assert!(host.put(&format!("{HOME}/budgets/cake"), wish).await.ok()["set_by"].is_null());
        assert_eq!(spend("bob", "y", "cake", "g").await.problem(), refused);
        assert_eq!(spend("ann", "y", "big", "g").await.status, 201);
    }
}

both! {
    async fn groups_have_few_administrators_and_owners_few_groups(database) {
        let host = town(database).await;
        for member in ["dan", "eve"] {
            place(&host, "g", member, "administrator").await.ok();
        }
        assert_eq!(place(&host, "g", "fay", "administrator").await.problem(), (409, "group.administrators"));
        place(&host, "g", "cat", "administrator").await.ok();
        place(&host, "g", "dan", "participant").await.ok();
        place(&host, "g", "fay", "administrator").await.ok();
        for number in 1..=10 {
            host.put(&format!("{HOME}/groups/x{number}"), json!({"name": "x"})).await.ok();
            let warned = place(&host, &format!("x{number}"), "bob", "owner").await.ok();
            assert_eq!(warned["warnings"].as_array().map(Vec::len), Some(usize::from(number == 10)), "{number}");
        }
        let bad = host.put(&format!("{HOME}/groups/g/members/dan"), json!({"invited_by": "dan"})).await;
        assert_eq!(bad.problem(), (422, "group.unknown-inviter"));
    }
}

both! {
    async fn a_pilot_is_expanded_and_never_shrinks(database) {
        let host = town(database).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}, "scope": {"groups": ["g"]}})).await;
        let act = async |member: &str, key: &str| host.act(member, "m", "count", key, json!({})).await;
        let expand = async |member: &str, scope: Value| {
            by(&host, member, Method::POST, "/activities/m/expand", json!({"scope": scope})).await
        };
        assert_eq!(act("eve", "1").await.problem(), (403, "common.not-in-scope"));
        assert_eq!(act("dan", "1").await.ok()["output"], 1);
        let both = json!({"groups": ["g", "h"]});
        for member in ["bob", "cat", "dan"] {
            assert_eq!(expand(member, both.clone()).await.problem(), (403, "group.forbidden"), "{member}");
        }
        assert_eq!(expand("ann", json!({"groups": ["h"]})).await.problem(), (409, "scope.not-wider"));
        assert_eq!(expand("ann", json!({"groups": ["g", "none"]})).await.problem(), (422, "http.invalid"));
        assert_eq!(expand("ann", both.clone()).await.ok()["scope"], both);
        assert_eq!(act("eve", "2").await.ok()["output"], 2);
        assert_eq!(act("fay", "1").await.problem(), (403, "common.not-in-scope"));
        let everybody = async || host.post(&format!("{HOME}/activities/m/expand"), json!({"scope": "all"})).await.ok();
        if database.is_postgres {
            // Another host, which knew the activity before, learns of it.
            let other = TestHost::start(database).await;
            assert_eq!(other.act("fay", "m", "count", "3", json!({})).await.problem(), (403, "common.not-in-scope"));
            everybody().await;
            other.act("fay", "m", "count", "3", json!({})).await.ok();
        } else {
            assert_eq!(everybody().await["scope"], "all");
        }
        act("fay", "2").await.ok();
        let kinds: Vec<Value> = host.journal("m").await.iter().map(|call| call["kind"].clone()).collect();
        assert_eq!(kinds.iter().filter(|kind| *kind == "expand").count(), 2);
    }
}
