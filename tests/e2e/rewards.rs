//! Rewards and their budgets: the host holds the purse.

use fairground_tests::{client::HOME, component, database::Database, host::TestHost};
use serde_json::{Value, json};

async fn givers(database: &Database, budget: Value, activities: &[&str]) -> TestHost {
    let host = TestHost::start(database).await;
    host.settle(&["ann", "bob"]).await;
    host.put(&format!("{HOME}/budgets/purse"), budget).await.ok();
    host.load(component("mischief")).await;
    for id in activities {
        host.begin(json!({
            "id": id, "plugin": "mischief", "config": {}, "budget": "purse", "capped_by_budget": true,
            "offers": {"packet": {"title": "x", "kind": "red_packet", "amount_minor": 500}, "badge": {"title": "x", "kind": "badge"}},
        }))
        .await;
    }
    host
}

fn limit(minor: i64) -> Value {
    json!({"limit": {"minor": minor, "currency": "CNY"}})
}

both! {
    async fn who_brought_whom_stays_a_forest_however_many_bind_at_once(database) {
        const PAIRS: usize = 24;
        let host = TestHost::start(database).await;
        let names: Vec<String> = (0..2 * PAIRS).map(|number| format!("m{number}")).collect();
        host.settle(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        host.load(component("mischief")).await;
        for activity in ["a", "b"] {
            host.begin(json!({"id": activity, "plugin": "mischief", "config": {}})).await;
        }
        // Each says in one activity that the other brought them, and the other says so in another activity.
        let bind = |activity: &'static str, member: usize, inviter: usize| {
            let client = host.client.clone();
            tokio::spawn(async move {
                let inviter = json!({"inviter": format!("m{inviter}")});
                client.act(&format!("m{member}"), activity, "join-by", "1", inviter).await.ok()
            })
        };
        let calls: Vec<_> = (0..PAIRS).map(|pair| (bind("a", 2 * pair, 2 * pair + 1), bind("b", 2 * pair + 1, 2 * pair))).collect();
        for (pair, (first, second)) in calls.into_iter().enumerate() {
            let bound = [first.await.expect("joins"), second.await.expect("joins")];
            assert_eq!(bound.iter().filter(|bound| bound["output"] == true).count(), 1, "pair {pair}: {bound:?}");
            let mut inviters = 0;
            for member in [2 * pair, 2 * pair + 1] {
                let seen = host.get(&format!("{HOME}/members/m{member}")).await.ok();
                inviters += usize::from(!seen["inviter"].is_null());
            }
            assert_eq!(inviters, 1, "pair {pair}");
        }
    }
}

both! {
    async fn no_race_takes_more_than_the_budget_has(database) {
        let host = givers(database, limit(20 * 500 + 499), &["a", "b", "c"]).await;
        let gifts: Vec<_> = (0..90)
            .map(|number| {
                let client = host.client.clone();
                let activity = ["a", "b", "c"][number % 3];
                tokio::spawn(async move {
                    let to = json!({"to": if number % 2 == 0 { "ann" } else { "bob" }, "offer": "packet"});
                    client.act("ann", activity, "give", &format!("g{number}"), to).await
                })
            })
            .collect();
        let (mut given, mut refused) = (0, 0);
        for gift in gifts {
            match gift.await.expect("joins").problem() {
                (200, _) => given += 1,
                (409, "common.budget-exhausted") => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((given, refused), (20, 70));
        let budget = host.budget("purse").await;
        assert_eq!((&budget["captured"]["minor"], &budget["held"]["minor"], &budget["grants"]), (&json!(10_000), &json!(0), &json!(20)));
        let (ann, bob) = (host.listing(&format!("{HOME}/members/ann/rewards")).await, host.listing(&format!("{HOME}/members/bob/rewards")).await);
        assert_eq!(ann.len() + bob.len(), 20);
    }
}

both! {
    async fn one_member_gets_no_more_than_their_share(database) {
        let mut budget = limit(100_000);
        budget["per_member_grants"] = json!(2);
        let host = givers(database, budget, &["a", "b"]).await;
        let give = async |activity: &str, key: &str, to: &str| {
            host.act("ann", activity, "give", key, json!({"to": to, "offer": "packet"})).await.problem().0
        };
        assert_eq!([give("a", "1", "bob").await, give("b", "2", "bob").await, give("a", "3", "bob").await], [200, 200, 409]);
        assert_eq!(give("a", "4", "ann").await, 200);
    }
}

both! {
    async fn a_hold_that_nobody_captures_goes_back(database) {
        let host = givers(database, limit(500), &["a"]).await;
        let give = async |key: &str| host.act("ann", "a", "give", key, json!({"to": "bob", "offer": "packet", "hold_ms": 1_000})).await;
        give("1").await.ok();
        assert_eq!(host.budget("purse").await["held"]["minor"], 500);
        assert_eq!(give("2").await.problem(), (409, "common.budget-exhausted"));
        host.pass(1_000).await;
        assert_eq!(host.budget("purse").await["held"]["minor"], 0);
        let rewards = host.listing(&format!("{HOME}/members/bob/rewards")).await;
        assert_eq!(rewards[0]["state"], "expired");
        give("3").await.ok();
    }
}

both! {
    async fn what_costs_nothing_needs_no_budget_and_unknown_names_are_refused(database) {
        let host = givers(database, limit(0), &["a"]).await;
        let give = async |key: &str, to: &str, offer: &str| {
            let reply = host.act("ann", "a", "give", key, json!({"to": to, "offer": offer})).await;
            (reply.status.as_u16(), reply.code().to_owned())
        };
        assert_eq!(give("1", "bob", "badge").await.0, 200);
        assert_eq!(give("2", "bob", "packet").await, (409, "common.budget-exhausted".into()));
        assert_eq!(give("3", "bob", "nothing").await, (404, "common.not-found".into()));
        assert_eq!(give("4", "nobody", "badge").await, (404, "common.not-found".into()));
    }
}

both! {
    async fn a_budget_never_falls_below_what_is_granted(database) {
        let host = givers(database, limit(1_000), &["a"]).await;
        host.act("ann", "a", "give", "1", json!({"to": "bob", "offer": "packet"})).await.ok();
        assert_eq!(host.put(&format!("{HOME}/budgets/purse"), limit(499)).await.problem(), (409, "budget.below-granted"));
        host.put(&format!("{HOME}/budgets/purse"), limit(500)).await.ok();
        for wrong in [json!({"limit": {"minor": -1, "currency": "CNY"}}), json!({"limit": {"minor": 1, "currency": "USD"}})] {
            assert_eq!(host.put(&format!("{HOME}/budgets/purse"), wrong).await.status.as_u16(), 422);
        }
    }
}
