//! Races for the last of something: as many win as there is, on one host and on two.

use fairground_tests::{client::Client, client::HOME, component, database::Database, host::TestHost};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

const RACERS: usize = 500;

/// A town with so many members, a pool of 3 and a budget of 800.
async fn town(database: &Database, budget: Value) -> TestHost {
    let host = TestHost::start(database).await;
    let names: Vec<String> = (0..RACERS).map(|number| format!("m{number}")).collect();
    host.settle(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    host.put(&format!("{HOME}/stock-pools/mug"), json!({"total": 3})).await.ok();
    host.put(&format!("{HOME}/budgets/purse"), budget).await.ok();
    host.put(
        &format!("{HOME}/coupon-templates/ten"),
        json!({"title": "x", "discount": {"kind": "amount", "off_minor": 1}}),
    )
    .await
    .ok();
    host.load(component("mischief")).await;
    for id in ["a", "b", "c"] {
        host.begin(json!({
            "id": id, "plugin": "mischief", "config": {}, "budget": "purse", "capped_by_budget": true,
            "offers": {
                "packet": {"title": "x", "kind": "red_packet", "amount_minor": 500},
                "coupon": {"title": "x", "kind": "coupon", "template": "ten", "cost_minor": 0},
            },
        }))
        .await;
    }
    host
}

/// Everybody acts at once, in three activities, over these hosts; answers how many succeeded and with which code the rest did not.
async fn race(
    hosts: &[&Client],
    racers: usize,
    action: &'static str,
    input: impl Fn(usize) -> Value,
) -> (usize, Vec<String>) {
    let calls: Vec<_> = (0..racers)
        .map(|number| {
            let client = hosts[number % hosts.len()].clone();
            let input = input(number);
            let activity = ["a", "b", "c"][number % 3];
            tokio::spawn(async move {
                loop {
                    let reply = client.act(&format!("m{number}"), activity, action, "race", input.clone()).await;
                    // Too many at once is no answer: a client asks again under the same key.
                    if reply.status != 503 {
                        return reply;
                    }
                }
            })
        })
        .collect();
    let (mut won, mut codes) = (0, Vec::new());
    for call in calls {
        let reply = call.await.expect("joins");
        if reply.status.is_success() { won += 1 } else { codes.push(reply.code().to_owned()) }
    }
    codes.sort();
    codes.dedup();
    (won, codes)
}

fn reserve(number: usize) -> Value {
    json!({"key": format!("r{number}"), "pool": "mug"})
}

fn packet(number: usize) -> Value {
    json!({"key": format!("p{number}"), "offer": "packet", "to": format!("m{number}")})
}

fn limit(minor: i64) -> Value {
    json!({"limit": {"minor": minor, "currency": "CNY"}})
}

both! {
    async fn five_hundred_race_for_the_last_three_units(database) {
        let host = town(database, limit(0)).await;
        assert_eq!(race(&[&host], RACERS, "reserve", reserve).await, (3, vec!["common.stock-exhausted".into()]));
        let pool = host.get(&format!("{HOME}/stock-pools/mug")).await.ok();
        assert_eq!((&pool["reserved"], &pool["available"]), (&json!(3), &json!(0)));
    }
}

both! {
    async fn five_hundred_race_for_the_last_eight_hundred_by_five_hundreds(database) {
        let host = town(database, limit(800)).await;
        assert_eq!(race(&[&host], RACERS, "hold", packet).await, (1, vec!["common.budget-exhausted".into()]));
        assert_eq!(host.budget("purse").await["held"]["minor"], 500);
    }
}

both! {
    /// Regression 43.
    async fn sixty_four_claim_one_coupon(database) {
        let mut budget = limit(0);
        budget["max_grants"] = json!(1);
        let host = town(database, budget).await;
        let claim = |number: usize| json!({"to": format!("m{number}"), "offer": "coupon"});
        assert_eq!(race(&[&host], 64, "give", claim).await, (1, vec!["common.budget-exhausted".into()]));
        let mut coupons = 0;
        for number in 0..64 {
            coupons += host.listing(&format!("{HOME}/members/m{number}/coupons")).await.len();
        }
        assert_eq!(coupons, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_on_one_database_give_no_more_than_there_is() {
    let Some(database) = Database::postgres().await else { return };
    let first = town(&database, limit(800)).await;
    let second = TestHost::start_at(&database, first.clock.clone()).await;
    let hosts = [&*first, &*second];
    assert_eq!(race(&hosts, RACERS, "reserve", reserve).await, (3, vec!["common.stock-exhausted".into()]));
    assert_eq!(race(&hosts, RACERS, "hold", packet).await, (1, vec!["common.budget-exhausted".into()]));
    second.stop().await;
    first.stop().await;
    fairground_tests::verified(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_drops_its_connections_costs_no_answer() {
    let Some(database) = Database::postgres().await else { return };
    let host = town(&database, limit(0)).await;
    let count = async |key: &str| host.act("m1", "a", "count", key, json!({})).await;
    let first = count("1").await.ok()["seq"].as_i64().expect("a number");
    let mut server = PgConnection::connect(&database.url).await.expect("the server answers");
    for key in ["2", "3"] {
        let drop_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(!server.fetch_all(drop_all).await.expect("rows").is_empty());
        count(key).await.ok();
    }
    assert_eq!(count("3").await.ok()["seq"], first + 2);
    host.stop().await;
    fairground_tests::verified(&database).await;
}
