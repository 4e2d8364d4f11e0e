//! Acting: the whole way of an action, retries, races, refusals.

use std::collections::BTreeSet;

use fairground_tests::{client::HOME, component, host::TestHost};
use reqwest::Method;
use serde_json::{Value, json};

use crate::hot::two_hosts;

fn template(plugin: &str) -> Value {
    let text = match plugin {
        "bargain" => include_str!("../../plugins/bargain/template.json"),
        _ => include_str!("../../plugins/check-in/template.json"),
    };
    serde_json::from_str(text).expect("a template is JSON")
}

/// A bargain of so many cuts that anybody may help with.
pub(crate) fn wide_bargain(cuts: u32) -> Value {
    json!({
        "id": "bargain", "plugin": "bargain", "offers": {}, "config": {
            "title": "x", "one_line_benefit": "y", "sku": "mug", "original_price": i64::from(cuts) * 100 + 500, "floor_price": 500,
            "mode": {"fixed": {"cuts": cuts}}, "cut_min": 1, "cut_max": 1_000, "owner_first_cut": false,
            "helps_per_member_day": 0, "zone": "Asia/Shanghai", "risk": null,
        },
    })
}

async fn budget(host: &TestHost, minor: i64) {
    host.put(&format!("{HOME}/budgets/treats"), json!({"limit": {"minor": minor, "currency": "CNY"}})).await.ok();
}

both! {
    async fn from_an_upload_to_a_reward(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann", "bob"]).await;
        budget(&host, 1_000).await;
        host.load(component("check-in")).await;
        host.begin(template("check-in")).await;
        let first = host.act("ann", "daily", "check-in", "day-1", json!({})).await.ok();
        assert_eq!((&first["output"]["streak"], &first["seq"]), (&json!(1), &json!(2)));
        for day in 2..=3 {
            host.pass(86_400_000).await;
            let answer = host.act("ann", "daily", "check-in", &format!("day-{day}"), json!({})).await.ok();
            assert_eq!(answer["output"]["streak"], day);
        }
        let rewards = host.get(&format!("{HOME}/members/ann/rewards")).await.ok();
        assert_eq!(rewards["points"], json!([{"account": "points", "balance": 11}]));
        assert_eq!(rewards["items"].as_array().expect("items").len(), 2);
        let me = host.send(Method::GET, &format!("{HOME}/activities/daily/queries/me"), &host.token("ann").await, None, None).await.ok();
        assert_eq!((&me["streak"], &me["total"]), (&json!(3), &json!(3)));
        assert_eq!(host.budget("treats").await["captured"]["minor"], 2);
        let journal = host.journal("daily").await;
        let kinds: Vec<_> = journal.iter().map(|entry| entry["kind"].as_str().expect("a kind")).collect();
        assert_eq!(kinds, ["start", "action", "action", "action"]);
        let outbox = host.listing(&format!("{HOME}/activities/daily/outbox")).await;
        assert_eq!(outbox.iter().filter(|effect| effect["topic"] == "check-in.checked").count(), 3);
        assert_eq!(host.get(&format!("{HOME}/activities/daily/audit")).await.ok(), json!({"broken": []}));
    }
}

both! {
    async fn a_retry_gets_the_first_answer_byte_for_byte(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann", "bob"]).await;
        host.load(component("bargain")).await;
        host.begin(wide_bargain(5)).await;
        let token = host.token("ann").await;
        let act = async |action: &str, key: &str, input: Value| host.act_with(&token, "bargain", action, key, &input).await;
        let first = act("start", "k", json!({})).await;
        for _ in 0..3 {
            assert_eq!(act("start", "k", json!({})).await.text, first.text);
        }
        // A refusal is an answer too, and stays what it was.
        let refused = act("help", "h", json!({"session": "1-ann"})).await;
        assert_eq!(refused.problem(), (403, "bargain.self-help"));
        assert_eq!(act("help", "h", json!({"session": "1-ann"})).await.text, refused.text);
        // The order of fields does not make another input; another value does.
        assert_eq!(act("help", "h", json!({"session": "2-ann"})).await.problem(), (422, "common.idempotency-mismatch"));
        // The same key of another member is another call.
        host.act("bob", "bargain", "help", "k", json!({"session": "1-ann"})).await.ok();
        assert_eq!(host.journal("bargain").await.len(), 4);
    }
}

both! {
    async fn retries_at_the_same_time_are_one_action(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let token = host.token("ann").await;
        let calls: Vec<_> = (0..40)
            .map(|number| {
                let (client, token) = (host.client.clone(), token.clone());
                tokio::spawn(async move { client.act_with(&token, "m", "count", &format!("k{}", number % 4), &json!({})).await })
            })
            .collect();
        let mut answers = BTreeSet::new();
        for call in calls {
            let reply = call.await.expect("joins");
            assert!(reply.status.is_success(), "{}", reply.text);
            answers.insert(reply.text);
        }
        assert_eq!(answers.len(), 4, "one answer a key");
        assert_eq!(host.ask("m", "counted").await.ok(), 4);
    }
}

both! {
    /// Regressions 7, 19 and 34: no cut is lost, none is at the floor because the floor is high, and who is too late leaves nothing.
    async fn two_hundred_members_race_on_one_bargain_and_the_cuts_sum_exactly(database) {
        let host = TestHost::start(database).await;
        let names: Vec<String> = (0..200).map(|number| format!("m{number}")).collect();
        host.settle(&["ann"]).await;
        host.settle(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        host.load(component("bargain")).await;
        host.begin(wide_bargain(150)).await;
        host.act("ann", "bargain", "start", "s", json!({})).await.ok();
        let helps: Vec<_> = names
            .into_iter()
            .map(|name| {
                let client = host.client.clone();
                tokio::spawn(async move { client.act(&name, "bargain", "help", "h", json!({"session": "1-ann"})).await })
            })
            .collect();
        let (mut cuts, mut late) = (Vec::new(), 0);
        for help in helps {
            let reply = help.await.expect("joins");
            match reply.problem() {
                (200, _) => cuts.push(reply.body["output"]["amount"].as_i64().expect("an amount")),
                (409, "bargain.session-over") => late += 1,
                other => panic!("{other:?} {}", reply.text),
            }
        }
        assert_eq!((cuts.len(), late), (150, 50));
        assert_eq!(cuts.iter().sum::<i64>(), 150 * 100);
        assert!(cuts.iter().all(|cut| (1..=1_000).contains(cut)));
        let session = host.ask("bargain", "session?session=1-ann").await.ok();
        assert_eq!((&session["current"], &session["state"]), (&json!(500), &json!("success")));
        let journal = host.journal("bargain").await;
        let seqs: Vec<i64> = journal.iter().map(|entry| entry["seq"].as_i64().expect("a number")).collect();
        assert_eq!(seqs, (1..=202).collect::<Vec<_>>(), "without gaps");
    }
}

both! {
    async fn every_no_says_why(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann", "bob", "mute"]).await;
        host.put(&format!("{HOME}/members/mute"), json!({"status": "muted"})).await.ok();
        host.put(&format!("{HOME}/groups/birds"), json!({"name": "Birds"})).await.ok();
        host.put(&format!("{HOME}/groups/birds/members/bob"), json!({})).await.ok();
        host.load(component("mischief")).await;
        let made = json!({"id": "m", "plugin": "mischief", "config": {}, "scope": {"groups": ["birds"]}});
        host.post(&format!("{HOME}/activities"), made).await.ok();
        let act = async |member: &str, action: &str| host.act(member, "m", action, "k", json!({})).await;
        assert_eq!(act("bob", "count").await.problem(), (409, "common.not-started"));
        host.post(&format!("{HOME}/activities/m/start"), json!({})).await.ok();
        assert_eq!(act("ann", "count").await.problem(), (403, "common.not-in-scope"));
        assert_eq!(act("mute", "count").await.problem(), (403, "common.member-not-active"));
        assert_eq!(act("bob", "refuse").await.problem(), (409, "mischief.refused"));
        assert_eq!(act("bob", "nothing").await.problem(), (404, "http.not-found"));
        let bad = host.act("bob", "m", "babble", "b", json!({"amount": -1})).await;
        assert_eq!((bad.problem(), &bad.body["errors"][0]["pointer"]), ((422, "http.invalid"), &json!("/amount")));
        assert_eq!(host.ask("m", "counted").await.ok(), 0, "nothing of all this was kept");
        // What was refused by the host was not answered for good: the same key acts once it may.
        act("bob", "count").await.ok();
        host.post(&format!("{HOME}/activities/m/pause"), json!({})).await.ok();
        assert_eq!(host.act("bob", "m", "count", "k2", json!({})).await.problem(), (409, "common.paused"));
        assert_eq!(act("bob", "count").await.status.as_u16(), 200, "a retry gets its answer all the same");
        host.post(&format!("{HOME}/activities/m/stop"), json!({})).await.ok();
        assert_eq!(host.act("bob", "m", "count", "k2", json!({})).await.problem(), (409, "common.ended"));
    }
}

both! {
    /// Regression 8: no cut is of nothing.
    async fn a_config_that_does_not_fit_is_refused_with_pointers(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("bargain")).await;
        let make = async |change: &dyn Fn(&mut Value)| {
            let mut wish = wide_bargain(5);
            change(&mut wish);
            host.post(&format!("{HOME}/activities"), wish).await
        };
        let pointer = |reply: &fairground_tests::client::Reply| reply.body["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        let schema = make(&|wish| wish["config"]["cut_min"] = json!(0)).await;
        assert_eq!((schema.status.as_u16(), pointer(&schema)), (422, "/config/cut_min".into()));
        let rule = make(&|wish| wish["config"]["cut_max"] = json!(50)).await;
        assert_eq!((rule.status.as_u16(), pointer(&rule)), (422, "/config/mode/fixed/cuts".into()));
        assert_eq!(rule.body["errors"][0]["code"], "bargain.infeasible-range");
        let zone = make(&|wish| wish["config"]["zone"] = json!("Mars/Olympus")).await;
        assert_eq!(pointer(&zone), "/config/zone");
        let offers = json!({"thanks": {"title": "x", "kind": "red_packet", "amount_minor": 5}});
        let unfunded = make(&|wish| wish["offers"] = offers.clone()).await;
        assert_eq!((pointer(&unfunded), &unfunded.body["errors"][0]["code"]), ("/budget".into(), &json!("budget.required")));
        budget(&host, 100).await;
        let unbounded = make(&|wish| {
            wish["offers"] = offers.clone();
            wish["budget"] = json!("treats");
            wish["config"]["helper_offer"] = json!("thanks");
        })
        .await;
        assert_eq!(unbounded.body["errors"][0]["code"], "budget.unbounded");
        let ends = make(&|wish| wish["ends_at"] = json!(1)).await;
        assert_eq!(pointer(&ends), "/ends_at");
        assert!(host.listing(&format!("{HOME}/activities")).await.is_empty());
        make(&|_| ()).await.ok();
        assert_eq!(make(&|_| ()).await.problem(), (409, "activity.exists"));
    }
}

both! {
    async fn a_restart_keeps_everything(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann", "bob"]).await;
        host.load(component("bargain")).await;
        host.begin(wide_bargain(5)).await;
        host.act("ann", "bargain", "start", "s", json!({})).await.ok();
        let helped = host.act("bob", "bargain", "help", "h", json!({"session": "1-ann"})).await;
        let (session, journal) = (host.ask("bargain", "session?session=1-ann").await.ok(), host.journal("bargain").await);
        let clock = host.clock.clone();
        host.stop().await;
        let host = TestHost::start_at(database, clock).await;
        assert_eq!(host.ask("bargain", "session?session=1-ann").await.ok(), session);
        assert_eq!(host.journal("bargain").await, journal);
        assert_eq!(host.act("bob", "bargain", "help", "h", json!({"session": "1-ann"})).await.text, helped.text);
        host.pass(86_400_000).await;
        assert_eq!(host.ask("bargain", "session?session=1-ann").await.ok()["state"], "expired", "timers live on");
    }
}

both! {
    async fn retries_that_only_the_journal_knows_are_answered_and_harm_no_neighbour(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        for activity in ["a", "b"] {
            host.begin(json!({"id": activity, "plugin": "mischief", "config": {}})).await;
        }
        let mut first = Vec::new();
        for number in 0..40 {
            first.push(host.act("ann", "a", "count", &number.to_string(), json!({})).await);
        }
        let refused = host.act("ann", "a", "refuse", "no", json!({})).await;
        let clock = host.clock.clone();
        host.stop().await;
        // A new host has no answer in its memory: it runs a retry again, and the journal refuses to have it twice.
        let host = TestHost::start_at(database, clock).await;
        let send = |activity: &'static str, action: &'static str, key: String| {
            let client = host.client.clone();
            tokio::spawn(async move { client.act("ann", activity, action, &key, json!({})).await })
        };
        let retries: Vec<_> = (0..40).map(|number| send("a", "count", number.to_string())).collect();
        let fresh: Vec<_> = (0..40).map(|number| send("b", "count", number.to_string())).collect();
        for (retry, first) in retries.into_iter().zip(&first) {
            assert_eq!(retry.await.expect("joins").text, first.text);
        }
        for fresh in fresh {
            fresh.await.expect("joins").ok();
        }
        assert_eq!(send("a", "refuse", "no".into()).await.expect("joins").text.len(), refused.text.len());
        assert_eq!((host.journal("a").await.len(), host.journal("b").await.len()), (42, 41));
        assert_eq!(host.ask("a", "counted").await.ok(), 40);
        assert_eq!(host.ask("b", "counted").await.ok(), 40);
        // What has ended takes no actions, and answers its retries all the same.
        host.post(&format!("{HOME}/activities/a/stop"), json!({})).await;
        assert_eq!(host.act("ann", "a", "count", "new", json!({})).await.code(), "common.ended");
        host.stop().await;
        let host = TestHost::start(database).await;
        assert_eq!(host.act("ann", "a", "count", "7", json!({})).await.text, first[7].text);
        assert_eq!(host.act("ann", "a", "count", "newer", json!({})).await.code(), "common.ended");
    }
}

both! {
    async fn two_hosts_on_one_database_agree(database) {
        // One SQLite file has one host.
        if !database.is_postgres {
            return;
        }
        let (one, two) = two_hosts(database).await;
        let calls: Vec<_> = (0..200)
            .map(|number| {
                let client = if number % 2 == 0 { one.client.clone() } else { two.client.clone() };
                tokio::spawn(async move {
                    // A host that lost too often says so, and is asked again.
                    loop {
                        let reply = client.act("ann", "m", "count", &format!("k{}", number / 2 % 80), json!({})).await;
                        if reply.status.as_u16() != 503 {
                            return reply.ok();
                        }
                    }
                })
            })
            .collect();
        for call in calls {
            call.await.expect("joins");
        }
        assert_eq!((one.ask("m", "counted").await.ok(), two.ask("m", "counted").await.ok()), (json!(80), json!(80)));
        assert_eq!(two.journal("m").await.len(), 81);
    }
}
