//! Members and groups: rules and who has accepted them, invitations, promotions, violations, risk.

use fairground_tests::{
    client::{HOME, Reply},
    component,
    database::Database,
    host::TestHost,
};
use reqwest::Method;
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;

/// Two groups: ann is the chief owner, bob owns g, cat keeps order there, dan takes part; eve takes part in h.
pub(super) async fn town(database: &Database) -> TestHost {
    let host = TestHost::start(database).await;
    host.settle(&["ann", "bob", "cat", "dan", "eve", "fay"]).await;
    host.load(component("mischief")).await;
    for group in ["g", "h"] {
        host.put(&format!("{HOME}/groups/{group}"), json!({"name": group})).await.ok();
    }
    for (group, member, role) in [
        ("h", "ann", "chief_owner"),
        ("g", "bob", "owner"),
        ("g", "cat", "administrator"),
        ("g", "dan", "participant"),
        ("h", "eve", "participant"),
    ] {
        place(&host, group, member, role).await.ok();
    }
    host
}

pub(super) async fn place(host: &TestHost, group: &str, member: &str, role: &str) -> Reply {
    host.put(&format!("{HOME}/groups/{group}/members/{member}"), json!({"role": role})).await
}

/// A member does something with a token of their own.
pub(super) async fn by(host: &TestHost, member: &str, method: Method, path: &str, body: Value) -> Reply {
    let token = host.token(member).await;
    let body = (!body.is_null()).then_some(&body);
    host.send(method, &format!("{HOME}{path}"), &token, body, None).await
}

both! {
    async fn rules_are_accepted_in_their_version(database) {
        let host = town(database).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let rules = |benefit: &str| json!({
            "intro": {"who_we_are": "Neighbours", "benefits": benefit},
            "name_card_format": "City-Name", "do": ["Be kind"], "do_not": ["Sell"],
        });
        let path = format!("{HOME}/groups/g/rules");
        assert_eq!(host.get(&path).await.problem(), (404, "http.not-found"));
        assert_eq!(host.put(&path, rules("tea")).await.ok()["version"], 1);
        assert_eq!(host.put(&path, rules("tea")).await.ok()["version"], 1, "the same rules are no new version");
        let accept = async |member: &str, version: i64| {
            by(&host, member, Method::POST, "/groups/g/rules/acceptance", json!({"version": version})).await
        };
        assert_eq!(accept("dan", 1).await.ok()["rules_accepted_version"], 1);
        assert_eq!(accept("eve", 1).await.problem(), (404, "http.not-found"));
        assert_eq!(host.put(&path, rules("cake")).await.ok()["version"], 2);
        assert_eq!(accept("dan", 1).await.problem(), (409, "group.rules-version"));
        let accepted = host.ask("m", "accepted?group=g&member=dan").await.ok();
        assert_eq!(accepted, json!([2, 1]), "a plugin sees that the rules have moved on");
        assert_eq!(accept("dan", 2).await.ok()["rules_accepted_version"], 2);
        assert_eq!(host.get(&format!("{path}?version=1")).await.ok()["intro"]["benefits"], "tea");
        assert_eq!(by(&host, "dan", Method::GET, "/groups/g/rules", Value::Null).await.ok()["do_not"], json!(["Sell"]));
        assert_eq!(host.put(&path, json!({"do": vec!["x"; 51]})).await.problem(), (422, "group.rules"));
    }
}

both! {
    async fn who_is_invited_comes_in_and_is_counted(database) {
        let host = town(database).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        host.put(&format!("{HOME}/groups/g"), json!({"name": "g", "capacity": 4})).await.ok();
        let invite = async |by_whom: &str, member: &str| {
            by(&host, by_whom, Method::POST, "/groups/g/invitations", json!({"member": member})).await
        };
        let join = async |member: &str| by(&host, member, Method::POST, "/groups/g/join", Value::Null).await;
        let stats = async |inviter: &str| {
            let stats = host.get(&format!("{HOME}/groups/g/invite-stats?inviter={inviter}")).await.ok();
            ["invited", "joined", "qualified", "reversed"].map(|name| stats[name].as_i64().expect("a number"))
        };
        assert_eq!(join("fay").await.problem(), (403, "group.not-invited"));
        assert_eq!(invite("eve", "fay").await.problem(), (403, "group.forbidden"), "she is not in the group");
        assert_eq!(invite("dan", "fay").await.ok()["invited_by"], "dan");
        assert_eq!(invite("bob", "fay").await.ok()["invited_by"], "dan", "whoever was first");
        assert_eq!(invite("dan", "eve").await.ok()["invited_by"], "dan");
        assert_eq!(invite("dan", "cat").await.problem(), (409, "group.already-in"));
        assert_eq!(stats("dan").await, [2, 0, 0, 0]);
        assert_eq!(join("fay").await.ok()["invited_by"], "dan");
        assert_eq!(join("fay").await.ok()["invited_by"], "dan");
        assert_eq!(join("eve").await.problem(), (409, "group.full"));
        assert_eq!(stats("dan").await, [2, 1, 0, 0]);
        host.put(&format!("{HOME}/members/fay"), json!({"first_order_at": 1})).await.ok();
        assert_eq!(stats("dan").await, [2, 1, 1, 0]);
        assert_eq!(by(&host, "fay", Method::DELETE, "/groups/g/members/fay", Value::Null).await.status, 204);
        assert_eq!(stats("dan").await, [2, 1, 1, 1]);
        assert_eq!(stats("bob").await, [0, 0, 0, 0]);
        let seen = host.ask("m", "brought?group=g&member=dan").await.ok();
        assert_eq!(seen, json!({"invited": 2, "joined": 1, "qualified": 1, "reversed": 1}));
        assert_eq!(join("eve").await.ok()["group"], "g", "there is a place again");
        assert_eq!(join("fay").await.problem(), (403, "group.not-invited"), "who has left is invited anew");
        invite("dan", "fay").await.ok();
        assert_eq!(stats("dan").await, [2, 2, 1, 1], "until she comes she has left");
        // Who was taken out is not brought back by just anybody, and who may not act does not come in.
        let take_out = async || by(&host, "cat", Method::DELETE, "/groups/g/members/eve", Value::Null).await.status;
        assert_eq!(take_out().await, 204);
        assert_eq!(invite("dan", "eve").await.problem(), (403, "group.forbidden"));
        assert_eq!(invite("cat", "eve").await.ok()["member"], "eve");
        host.put(&format!("{HOME}/members/eve"), json!({"status": "suspended"})).await.ok();
        assert_eq!(join("eve").await.problem(), (403, "group.forbidden"));
        assert_eq!(take_out().await, 204, "an invitation is taken back");
        let members = host.listing(&format!("{HOME}/groups/g/members")).await;
        assert_eq!(members.len(), 3);
    }
}

both! {
    async fn who_brought_whom_into_the_community_is_one_forest(database) {
        let host = town(database).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let bind = async |member: &str, inviter: &str| {
            host.put(&format!("{HOME}/members/{member}/inviter"), json!({"inviter": inviter, "source": "poster"})).await
        };
        assert_eq!(bind("ann", "ann").await.problem(), (422, "member.self-invitation"));
        assert_eq!(bind("ann", "nobody").await.problem(), (404, "http.not-found"));
        assert_eq!(bind("bob", "ann").await.ok()["inviter"], "ann");
        assert_eq!(bind("bob", "ann").await.ok()["inviter"], "ann", "a retry changes nothing");
        assert_eq!(bind("bob", "cat").await.problem(), (409, "member.already-bound"));
        assert_eq!(bind("ann", "bob").await.problem(), (409, "member.cycle"));
        // What a call has bound itself counts in the same call, and in the one after it.
        for (member, invited) in [("cat", 2), ("dan", 3)] {
            let counted = host.act(member, "m", "bind-and-count", "1", json!({"member": "ann"})).await.ok()["output"].clone();
            assert_eq!(counted["invited"], invited, "{member}");
        }
        host.put(&format!("{HOME}/members/dan"), json!({"first_order_at": 5, "status": "closed"})).await.ok();
        let stats = json!({"invited": 3, "joined": 3, "qualified": 1, "reversed": 1});
        assert_eq!(by(&host, "ann", Method::GET, "/members/ann/invite-stats", Value::Null).await.ok(), stats);
        assert_eq!(host.ask("m", "brought?member=ann").await.ok(), stats);
        assert_eq!(by(&host, "bob", Method::GET, "/members/ann/invite-stats", Value::Null).await.problem(), (403, "http.forbidden"));
    }
}

both! {
    async fn a_promotion_is_proposed_by_a_plugin_and_decided_by_a_person(database) {
        let host = town(database).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let propose = async |key: &str, member: &str| {
            let case = json!({"member": member, "group": "g", "text": "came every day"});
            host.act("eve", "m", "promote", key, case).await.ok()["output"].clone()
        };
        assert_eq!(propose("1", "fay").await, true);
        assert_eq!(propose("2", "nobody").await, false);
        let open = host.listing(&format!("{HOME}/proposals")).await;
        assert_eq!((open.len(), &open[0]["kind"], &open[0]["activity"]), (1, &json!("promotion"), &json!("m")));
        let path = format!("/proposals/{}", open[0]["id"].as_str().expect("an id"));
        let accept = async |member: &str| by(&host, member, Method::POST, &format!("{path}/accept"), Value::Null).await;
        for member in ["dan", "eve", "fay"] {
            assert_eq!(accept(member).await.problem(), (403, "group.forbidden"), "{member}");
        }
        host.put(&format!("{HOME}/groups/g"), json!({"name": "g", "capacity": 3})).await.ok();
        assert_eq!(accept("cat").await.problem(), (409, "group.full"));
        host.put(&format!("{HOME}/groups/g"), json!({"name": "g"})).await.ok();
        let accepted = accept("cat").await.ok();
        assert_eq!((&accepted["outcome"], &accepted["decided_by"]), (&json!("joined"), &json!("member/cat")));
        assert_eq!(accept("cat").await.problem(), (409, "proposal.decided"));
        assert_eq!(host.get(&format!("{HOME}/groups/g/members/fay")).await.ok()["role"], "participant");
        // One who has a role there keeps it.
        assert_eq!(propose("4", "bob").await, true);
        let open = host.get(&format!("{HOME}/proposals?state=open")).await.ok();
        let path = format!("/proposals/{}/accept", open["items"][0]["id"].as_str().expect("an id"));
        by(&host, "cat", Method::POST, &path, Value::Null).await.ok();
        assert_eq!(host.get(&format!("{HOME}/groups/g/members/bob")).await.ok()["role"], "owner");
        propose("3", "eve").await;
        let open = by(&host, "bob", Method::GET, "/proposals?group=g&state=open", Value::Null).await.ok();
        let path = format!("{HOME}/proposals/{}/dismiss", open["items"][0]["id"].as_str().expect("an id"));
        assert_eq!(host.post(&path, json!({})).await.ok()["state"], "dismissed");
        assert_eq!(by(&host, "bob", Method::GET, "/proposals", Value::Null).await.problem(), (403, "group.forbidden"));
        assert_eq!(by(&host, "ann", Method::GET, "/proposals", Value::Null).await.ok()["items"].as_array().map(Vec::len), Some(3));
    }
}

both! {
    async fn violations_go_up_the_ladder(database) {
        let host = town(database).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}, "scope": {"groups": ["g"]}})).await;
        let report = async |member: &str| {
            let case = json!({"member": member, "rule": "Sell", "evidence": "a picture"});
            by(&host, "dan", Method::POST, "/groups/g/violations", case).await
        };
        let accept = async |who: &str, proposal: &Value| {
            let path = format!("/proposals/{}/accept", proposal["id"].as_str().expect("an id"));
            by(&host, who, Method::POST, &path, Value::Null).await
        };
        place(&host, "g", "fay", "participant").await.ok();
        assert_eq!(report("eve").await.problem(), (404, "http.not-found"), "she is not in the group");
        let act = async |key: &str| host.act("fay", "m", "count", key, json!({})).await;
        // Warned, muted for a day, muted for a week, removed.
        let first = report("fay").await.ok();
        assert_eq!(first["reporter"], "dan");
        assert_eq!(report("fay").await.problem(), (409, "proposal.reported"));
        let above = report("bob").await.ok();
        assert_eq!(accept("cat", &above).await.problem(), (403, "group.forbidden"), "an owner is above an administrator");
        let path = format!("{HOME}/proposals/{}/dismiss", above["id"].as_str().expect("an id"));
        host.post(&path, json!({})).await.ok();
        assert_eq!(accept("fay", &first).await.problem(), (403, "group.forbidden"));
        assert_eq!(accept("cat", &first).await.ok()["outcome"], json!({"sanctioned": "warn"}));
        act("1").await.ok();
        assert_eq!(accept("cat", &report("fay").await.ok()).await.ok()["outcome"], json!({"sanctioned": {"mute_ms": DAY_MS}}));
        assert_eq!(act("2").await.problem(), (403, "common.muted"));
        host.clock.turn(DAY_MS);
        act("3").await.ok();
        // One that a plugin reports is the third.
        let case = json!({"member": "fay", "group": "g", "text": "Sell"});
        host.act("dan", "m", "report", "r", case).await.ok();
        let open = by(&host, "cat", Method::GET, "/proposals?group=g&state=open", Value::Null).await.ok();
        assert_eq!(accept("cat", &open["items"][0]).await.ok()["outcome"], json!({"sanctioned": {"mute_ms": 7 * DAY_MS}}));
        assert_eq!(accept("bob", &report("fay").await.ok()).await.ok()["outcome"], json!({"sanctioned": "remove"}));
        assert_eq!(host.get(&format!("{HOME}/groups/g/members/fay")).await.problem(), (404, "http.not-found"));
        // Who leaves in time is taken out all the same.
        place(&host, "g", "eve", "participant").await.ok();
        for number in 0..4 {
            let reported = report("eve").await.ok();
            if number == 3 {
                by(&host, "eve", Method::DELETE, "/groups/g/members/eve", Value::Null).await;
            }
            accept("bob", &reported).await.ok();
        }
        let invited = by(&host, "dan", Method::POST, "/groups/g/invitations", json!({"member": "eve"})).await;
        assert_eq!(invited.problem(), (403, "group.forbidden"));
        // Nobody decides about themselves, and what is long ago no longer counts.
        let own = report("cat").await.ok();
        assert_eq!(accept("cat", &own).await.problem(), (403, "group.forbidden"));
        accept("bob", &own).await.ok();
        host.clock.turn(90 * DAY_MS + 1);
        assert_eq!(accept("bob", &report("cat").await.ok()).await.ok()["outcome"], json!({"sanctioned": "warn"}));
    }
}

both! {
    async fn who_is_new_and_who_belongs_is_one_definition_for_all(database) {
        let host = town(database).await;
        host.put(&format!("{HOME}/members/ann"), json!({"tier": "vip", "tags": ["early"]})).await.ok();
        host.put(&format!("{HOME}/members/bob"), json!({"first_order_at": 1})).await.ok();
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let is_new = async |member: &str| host.ask("m", &format!("is-new?member={member}")).await.ok();
        assert_eq!((is_new("ann").await, is_new("bob").await), (json!(true), json!(false)), "who has not ordered");
        let rules = json!({
            "newness": {"registered_within_ms": 0},
            "segments": {"best": {"tiers": ["vip"], "tags": ["early"]}, "buyers": {"orders_min": 1}},
        });
        host.clock.turn(DAY_MS);
        host.put(&format!("{HOME}/members/joe"), json!({})).await.ok();
        host.put(&format!("{HOME}/rules"), rules).await.ok();
        assert_eq!((is_new("ann").await, is_new("joe").await), (json!(true), json!(true)), "registered by the start, or later");
        let is_in = async |member: &str, segment: &str| {
            host.ask("m", &format!("in-segment?member={member}&segment={segment}")).await.ok()
        };
        assert_eq!((is_in("ann", "best").await, is_in("bob", "best").await), (json!(true), json!(false)));
        assert_eq!((is_in("ann", "early").await, is_in("ann", "buyers").await), (json!(true), json!(false)));
        let search = async |segment: &str| host.ask("m", &format!("search?member=x&segment={segment}")).await.ok();
        assert_eq!((search("best").await, search("early").await, search("none").await), (json!(["ann"]), json!(["ann"]), json!([])));
        assert_eq!(host.put(&format!("{HOME}/rules"), json!({"ladder": []})).await.problem(), (422, "rules.invalid"));
        assert_eq!(host.get(&format!("{HOME}/rules")).await.ok()["segments"]["best"]["tiers"], json!(["vip"]));
    }
}

both! {
    async fn risk_is_what_the_communitys_rules_say(database) {
        let host = town(database).await;
        for (member, cluster) in [("ann", "phone-1"), ("bob", "phone-1"), ("cat", "phone-2")] {
            host.put(&format!("{HOME}/members/{member}"), json!({"clusters": [cluster]})).await.ok();
        }
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let assess = async |member: &str, key: &str, with: Value| {
            let act = json!({"action": "help", "with": with});
            let report = host.act(member, "m", "assess", key, act).await.ok()["output"].clone();
            (report["verdict"].as_str().expect("a verdict").to_owned(), report["reasons"].clone())
        };
        let is = |verdict: &str, reasons: Value| (verdict.to_owned(), reasons);
        assert_eq!(assess("ann", "1", Value::Null).await, is("allow", json!([])));
        assert_eq!(assess("ann", "2", json!("bob")).await, is("deny", json!(["same-cluster"])));
        let rules = json!({"risk": {"same_cluster": "review", "young_ms": 1_000, "velocity": [
            {"action": "help", "of": "cluster", "max": 2, "window_ms": 60_000, "verdict": "deny"},
        ]}});
        host.put(&format!("{HOME}/rules"), rules).await.ok();
        assert_eq!(assess("ann", "3", json!("bob")).await, is("review", json!(["same-cluster", "young"])));
        host.clock.turn(1_000);
        assert_eq!(assess("bob", "4", Value::Null).await, is("allow", json!([])), "two with one phone have helped twice");
        assert_eq!(assess("ann", "5", Value::Null).await, is("deny", json!(["velocity"])));
        assert_eq!(assess("cat", "6", Value::Null).await, is("allow", json!([])));
        // The same call again is the same act.
        assert_eq!(assess("bob", "4", Value::Null).await, is("allow", json!([])));
        host.clock.turn(60_000);
        assert_eq!(assess("ann", "7", Value::Null).await, is("allow", json!([])));
    }
}
