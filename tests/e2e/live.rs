//! Live: server-sent events of a community and of one activity, and what becomes of those who come again.

use fairground_tests::{
    client::HOME,
    component,
    database::Database,
    follower::Follower,
    host::{OPERATOR_KEY, TestHost},
};
use reqwest::Method;
use serde_json::json;

async fn town(database: &Database) -> TestHost {
    let host = TestHost::start(database).await;
    host.settle(&["ann"]).await;
    host.load(component("mischief")).await;
    for id in ["a", "b"] {
        host.begin(json!({"id": id, "plugin": "mischief", "config": {}})).await;
    }
    host
}

async fn say(host: &TestHost, activity: &str, what: &str) {
    host.act("ann", activity, "say", what, json!({"key": what})).await.ok();
}

async fn follow(host: &TestHost, path: &str, last: Option<i64>) -> Follower {
    Follower::start(&host.base, &format!("{HOME}{path}"), &host.app, last).await
}

/// The subjects of the next events.
async fn subjects(follower: &mut Follower, count: usize) -> Vec<String> {
    let told = follower.take(count).await;
    told.iter().map(|told| told.data["subject"].as_str().unwrap_or("(from here)").to_owned()).collect()
}

both! {
    async fn who_follows_hears_what_happens_and_who_comes_again_misses_nothing(database) {
        let host = town(database).await;
        say(&host, "a", "before").await;
        let mut all = follow(&host, "/stream", None).await;
        let begin = all.next().await.expect("where it begins").id;
        let mut only = follow(&host, "/activities/b/stream", None).await;
        only.next().await.expect("where it begins");
        for what in ["one", "two"] {
            say(&host, "a", what).await;
            say(&host, "b", what).await;
        }
        let told = all.take(4).await;
        let of = |activity: &str| -> Vec<&str> {
            told.iter().filter(|told| told.data["activity"] == activity).filter_map(|told| told.data["subject"].as_str()).collect()
        };
        assert_eq!((of("a"), of("b")), (vec!["one", "two"], vec!["one", "two"]));
        assert!(told.is_sorted_by_key(|told| told.id) && told[0].id > begin);
        assert_eq!(told[0].data["type"], "mischief.done");
        assert_eq!(subjects(&mut only, 2).await, ["one", "two"]);

        // Away meanwhile.
        drop(all);
        say(&host, "a", "three").await;
        let mut again = follow(&host, "/stream", Some(told[1].id)).await;
        let missed = again.take(4).await;
        assert_eq!(missed[0].id, told[1].id, "it says from where");
        assert_eq!(missed[1..3], told[2..]);
        assert_eq!(missed[3].data["subject"], "three");
        let mut whole = follow(&host, "/activities/b/stream", Some(0)).await;
        assert_eq!(subjects(&mut whole, 3).await, ["(from here)", "one", "two"]);
        host.stop().await;
        assert_eq!(again.next().await, None, "a host that ends sends everybody away");
    }
}

both! {
    async fn streams_are_for_operators_and_apps_of_the_community(database) {
        let host = town(database).await;
        let token = host.token("ann").await;
        let get = async |path: &str, bearer: &str| host.send(Method::GET, path, bearer, None, None).await;
        assert_eq!(get(&format!("{HOME}/stream"), &token).await.problem(), (403, "http.forbidden"));
        assert_eq!(get(&format!("{HOME}/activities/none/stream"), &host.app).await.problem(), (404, "http.not-found"));
        assert_eq!(get(&format!("{HOME}/members/bob/inbox/stream"), &token).await.problem(), (403, "http.forbidden"));
        let wish = json!({"name": "Else", "currency": "CNY", "time_zone": "UTC"});
        host.put("/v1/communities/else", wish).await.ok();
        let made = host.post("/v1/keys", json!({"kind": "app", "community": "else"})).await.ok();
        let other = made["secret"].as_str().expect("a secret");
        assert_eq!(get(&format!("{HOME}/stream"), other).await.problem(), (404, "http.not-found"));
    }
}

/// What one credential may follow at once (`delivery/live.rs`).
const FOLLOWERS_OF_ONE_MAX: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_credential_follows_only_so_much() {
    let database = Database::sqlite();
    let host = town(&database).await;
    let mut all = Vec::new();
    for _ in 0..FOLLOWERS_OF_ONE_MAX {
        all.push(follow(&host, "/stream", None).await);
    }
    let more = host.send(Method::GET, &format!("{HOME}/stream"), &host.app, None, None).await;
    assert_eq!(more.problem(), (503, "common.busy"));
    assert!(more.retry_after.is_some());
    // Another credential has room of its own.
    Follower::start(&host.base, &format!("{HOME}/stream"), &host.operator, None).await;
}

both! {
    async fn two_hosts_tell_the_same(database) {
        if !database.is_postgres {
            return;
        }
        let (one, two) = (town(database).await, TestHost::start(database).await);
        let mut here = follow(&one, "/stream", None).await;
        let mut there = Follower::start(&two.base, &format!("{HOME}/stream"), OPERATOR_KEY, None).await;
        here.next().await.expect("where it begins");
        there.next().await.expect("where it begins");
        for number in 0..10 {
            say(if number % 2 == 0 { &one } else { &two }, "a", &number.to_string()).await;
            say(if number % 2 == 0 { &two } else { &one }, "b", &number.to_string()).await;
        }
        let (here, there) = (here.take(20).await, there.take(20).await);
        assert_eq!(here, there);
        for activity in ["a", "b"] {
            let told = here.iter().filter(|told| told.data["activity"] == activity);
            let subjects: Vec<&str> = told.filter_map(|told| told.data["subject"].as_str()).collect();
            assert_eq!(subjects, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        }
    }
}
