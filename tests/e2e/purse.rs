//! The purse: what each kind of reward moves, and that all of it adds up.

use std::collections::BTreeMap;

use fairground_tests::{client::HOME, component, database::Database, host::TestHost};
use reqwest::Method;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;

/// A town with an activity that has an offer of every kind, and a budget of 10 000 fen.
pub(super) async fn treasury(database: &Database) -> TestHost {
    let host = TestHost::start(database).await;
    host.settle(&["ann", "bob", "eve"]).await;
    let budget = json!({"limit": {"minor": 10_000, "currency": "CNY"}, "refundable": true});
    host.put(&format!("{HOME}/budgets/purse"), budget).await.ok();
    host.put(&format!("{HOME}/stock-pools/mug"), json!({"total": 2})).await.ok();
    host.post(&format!("{HOME}/stock-pools/film/codes"), json!({"codes": ["F-2", "F-1"]})).await.ok();
    let terms = json!({"title": "10 off", "discount": {"kind": "amount", "off_minor": 1_000}, "spend_minor_min": 5_000, "valid_ms": DAY});
    host.put(&format!("{HOME}/coupon-templates/ten"), terms).await.ok();
    let terms = json!({"title": "10 %", "discount": {"kind": "percent", "off_bps": 1_000, "off_minor_max": 500}});
    host.put(&format!("{HOME}/coupon-templates/tenth"), terms).await.ok();
    host.load(component("mischief")).await;
    host.begin(json!({
        "id": "m", "plugin": "mischief", "config": {}, "budget": "purse", "capped_by_budget": true,
        "offers": {
            "points": {"title": "x", "kind": "points", "account": "stars", "points": 50, "unit_cost_micro": 2_000_000},
            "soon": {"title": "x", "kind": "points", "account": "stars", "points": 30, "valid_ms": DAY},
            "coupon": {"title": "x", "kind": "coupon", "template": "ten", "cost_minor": 700},
            "tenth": {"title": "x", "kind": "coupon", "template": "tenth", "cost_minor": 300},
            "packet": {"title": "x", "kind": "red_packet", "amount_minor": 500},
            "random": {"title": "x", "kind": "random_packet", "max_minor": 500},
            "cut": {"title": "x", "kind": "commission", "amount_minor": 200},
            "mug": {"title": "x", "kind": "physical", "sku": "mug", "unit_cost_minor": 800, "shipping_cost_minor": 100},
            "film": {"title": "x", "kind": "virtual_good", "sku": "film", "unit_cost_minor": 300},
            "badge": {"title": "x", "kind": "badge"},
        },
    }))
    .await;
    host
}

async fn act(host: &TestHost, action: &str, input: Value) -> (u16, String) {
    let key = format!("{action}{input}");
    let reply = host.act("ann", "m", action, &key, input).await;
    (reply.status.as_u16(), reply.code().to_owned())
}

pub(super) async fn did(host: &TestHost, action: &str, input: Value) {
    assert_eq!(act(host, action, input.clone()).await, (200, String::new()), "{action} {input}");
}

async fn rewards(host: &TestHost, member: &str) -> Value {
    host.get(&format!("{HOME}/members/{member}/rewards?limit=200")).await.ok()
}

/// Held, captured and grants.
pub(super) async fn budget(host: &TestHost) -> (i64, i64, i64) {
    let budget = host.budget("purse").await;
    let number = |value: &Value| value.as_i64().expect("a number");
    (number(&budget["held"]["minor"]), number(&budget["captured"]["minor"]), number(&budget["grants"]))
}

/// What each account of the ledger holds, by asset and account.
async fn balances(host: &TestHost) -> BTreeMap<(String, String), i64> {
    let mut balances = BTreeMap::new();
    for transfer in host.listing(&format!("{HOME}/ledger")).await {
        let text = |field: &str| transfer[field].as_str().expect("a text").to_owned();
        let amount = transfer["amount"].as_i64().expect("an amount");
        *balances.entry((text("asset"), text("debit"))).or_default() -= amount;
        *balances.entry((text("asset"), text("credit"))).or_default() += amount;
    }
    balances
}

both! {
    async fn each_kind_of_reward_is_held_given_and_taken_back_as_its_kind_is(database) {
        let host = treasury(database).await;
        let costs = [("points", 100), ("coupon", 700), ("packet", 500), ("mug", 900), ("film", 300), ("badge", 0)];
        let all: i64 = costs.iter().map(|(_, cost)| cost).sum();
        for (offer, _) in costs {
            did(&host, "hold", json!({"key": offer, "offer": offer, "to": "bob"})).await;
        }
        assert_eq!(budget(&host).await, (all, 0, 6));
        assert_eq!(host.get(&format!("{HOME}/stock-pools/mug")).await.ok()["reserved"], 1);
        for (offer, _) in costs {
            did(&host, "capture", json!({"key": offer})).await;
        }
        assert_eq!(budget(&host).await, (0, all, 6));
        let given = rewards(&host, "bob").await;
        assert_eq!((&given["points"][0]["balance"], &given["payable"]["minor"]), (&json!(50), &json!(500)));
        let code = given["items"].as_array().expect("rewards").iter().find(|item| item["key"] == "film").expect("a film");
        assert_eq!(code["code"], "F-1", "the first code is revealed");
        let coupons = host.listing(&format!("{HOME}/members/bob/coupons")).await;
        assert_eq!((coupons.len(), &coupons[0]["state"]), (1, &json!("issued")));
        assert_eq!(host.get(&format!("{HOME}/stock-pools/mug")).await.ok()["sold"], 1);

        // Of the points 20 are spent, so three fifths of their cost come back; a code that was seen is lost.
        host.act("bob", "m", "spend", "s", json!({"key": "s", "account": "stars", "points": 20})).await.ok();
        for (offer, _) in costs {
            did(&host, "revoke", json!({"key": offer})).await;
        }
        assert_eq!(budget(&host).await, (0, 40 + 300, 0));
        let left = rewards(&host, "bob").await;
        assert_eq!((&left["points"][0]["balance"], &left["payable"]["minor"]), (&json!(0), &json!(0)));
        assert_eq!(host.listing(&format!("{HOME}/members/bob/coupons")).await[0]["state"], "revoked");
        let pool = host.get(&format!("{HOME}/stock-pools/mug")).await.ok();
        assert_eq!((&pool["available"], &pool["sold"]), (&json!(2), &json!(0)));
        let books = balances(&host).await;
        let of = |asset: &str, account: &str| books.get(&(asset.into(), account.into())).copied().unwrap_or_default();
        assert_eq!(of("CNY", "budget/purse/available"), 10_000 - 340);
        assert_eq!((of("points/stars", "spent"), of("points/stars", "issuer"), of("CNY", "payable/bob")), (20, -20, 0));
    }
}

both! {
    async fn what_is_released_or_expires_is_there_for_others(database) {
        let host = treasury(database).await;
        for key in ["a", "b"] {
            did(&host, "hold", json!({"key": key, "offer": "film", "to": "bob", "ttl": 1_000})).await;
        }
        assert_eq!(act(&host, "hold", json!({"key": "c", "offer": "film", "to": "bob"})).await, (409, "common.stock-exhausted".into()));
        did(&host, "release", json!({"key": "a"})).await;
        did(&host, "hold", json!({"key": "d", "offer": "film", "to": "eve"})).await;
        host.pass(1_000).await;
        did(&host, "hold", json!({"key": "e", "offer": "film", "to": "eve"})).await;
        for key in ["d", "e"] {
            did(&host, "capture", json!({"key": key})).await;
        }
        let given = rewards(&host, "eve").await;
        let mut codes: Vec<&str> = given["items"].as_array().expect("rewards").iter().filter_map(|item| item["code"].as_str()).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["F-1", "F-2"], "each code goes to one reward");
        assert_eq!(budget(&host).await, (0, 600, 2));
    }
}

both! {
    async fn points_expire_and_the_oldest_are_spent_first(database) {
        let host = treasury(database).await;
        let stars = async || rewards(&host, "ann").await["points"][0]["balance"].as_i64().expect("a balance");
        let give = async |key: &str, offer: &str| {
            did(&host, "hold", json!({"key": key, "offer": offer, "to": "ann"})).await;
            did(&host, "capture", json!({"key": key})).await;
        };
        give("old", "soon").await;
        host.pass(DAY / 2).await;
        give("young", "soon").await;
        give("ever", "points").await;
        assert_eq!(stars().await, 110);
        did(&host, "spend", json!({"key": "1", "account": "stars", "points": 40})).await;
        // 30 of the old ones and 10 of the young ones are spent: half a day later there is nothing old to expire.
        host.pass(DAY / 2).await;
        assert_eq!(stars().await, 70);
        host.pass(DAY / 2).await;
        assert_eq!(stars().await, 50, "20 young ones are gone");
        assert_eq!(act(&host, "spend", json!({"key": "2", "account": "stars", "points": 51})).await.0, 409);
        did(&host, "spend", json!({"key": "3", "account": "stars", "points": 50})).await;
        assert_eq!(balances(&host).await[&("points/stars".into(), "expired".into())], 20);
    }
}

both! {
    async fn expired_points_are_not_spent_although_nobody_has_swept_them_up(database) {
        let host = treasury(database).await;
        did(&host, "hold", json!({"key": "old", "offer": "soon", "to": "ann"})).await;
        did(&host, "capture", json!({"key": "old"})).await;
        host.clock.turn(DAY);
        assert_eq!(act(&host, "spend", json!({"key": "1", "account": "stars", "points": 1})).await.0, 409);
        assert_eq!(rewards(&host, "ann").await["points"][0]["balance"], 0);
    }
}

both! {
    async fn a_referral_pays_both_or_nobody(database) {
        // Worked example 13: 500 for each, and 800 are left.
        let host = treasury(database).await;
        host.put(&format!("{HOME}/budgets/purse"), json!({"limit": {"minor": 800, "currency": "CNY"}})).await.ok();
        let both = json!({"key": "r", "offer": "packet", "to": "bob"});
        assert_eq!(act(&host, "two", both).await, (409, "common.budget-exhausted".into()));
        assert_eq!(budget(&host).await, (0, 0, 0));
        assert!(rewards(&host, "bob").await["items"].as_array().expect("rewards").is_empty());
    }
}

both! {
    async fn a_commission_has_two_levels_and_the_host_sees_to_it(database) {
        let host = treasury(database).await;
        for (member, inviter) in [("bob", "ann"), ("eve", "bob"), ("joe", "eve")] {
            host.put(&format!("{HOME}/members/{member}"), json!({})).await.ok();
            host.act(member, "m", "join-by", "1", json!({"inviter": inviter})).await.ok();
        }
        let hold = async |key: &str, source: &str, to: &str| {
            act(&host, "hold", json!({"key": key, "offer": "cut", "to": to, "source": source})).await
        };
        assert_eq!(hold("1", "joe", "eve").await.0, 200);
        assert_eq!(hold("2", "joe", "bob").await.0, 200);
        assert_eq!(hold("3", "joe", "ann").await, (403, "common.not-eligible".into()));
        assert_eq!(act(&host, "hold", json!({"key": "4", "offer": "cut", "to": "ann"})).await.0, 403);
        assert_eq!(act(&host, "hold", json!({"key": "5", "offer": "packet", "to": "bob", "source": "joe"})).await.0, 404);
    }
}

both! {
    async fn random_packets_hold_the_most_and_give_what_was_drawn(database) {
        // Worked example 17: 1 500 fen in ten packets of 1 to 500.
        let host = treasury(database).await;
        let drawn = [1, 500, 149, 150, 151, 99, 201, 49, 100, 100];
        for number in 0..drawn.len() {
            did(&host, "hold", json!({"key": number.to_string(), "offer": "random", "to": "bob"})).await;
        }
        assert_eq!(budget(&host).await, (5_000, 0, 10));
        assert_eq!(act(&host, "capture-part", json!({"key": "0", "minor": 501})).await.0, 409);
        for (number, minor) in drawn.iter().enumerate() {
            did(&host, "capture-part", json!({"key": number.to_string(), "minor": minor})).await;
        }
        assert_eq!(budget(&host).await, (0, 1_500, 10));
        assert_eq!(rewards(&host, "bob").await["payable"]["minor"], 1_500);
    }
}

both! {
    async fn cash_is_paid_out_once(database) {
        let host = treasury(database).await;
        did(&host, "hold", json!({"key": "a", "offer": "packet", "to": "bob"})).await;
        did(&host, "capture", json!({"key": "a"})).await;
        let pay = async |key: &str, minor: i64| {
            let payout = json!({"amount": {"minor": minor, "currency": "CNY"}});
            let path = format!("{HOME}/members/bob/payouts");
            host.send(Method::POST, &path, &host.app, Some(&payout), Some(key)).await
        };
        assert_eq!(pay("1", 501).await.problem(), (409, "payout.too-much"));
        assert_eq!(pay("2", 300).await.ok()["payable"]["minor"], 200);
        assert_eq!(pay("2", 300).await.ok()["payable"]["minor"], 200, "a retry pays nothing again");
        assert_eq!(pay("2", 100).await.problem(), (422, "common.idempotency-mismatch"));
        // 300 are gone: only the rest comes back.
        did(&host, "revoke", json!({"key": "a"})).await;
        assert_eq!(budget(&host).await, (0, 300, 0));
        assert_eq!(pay("3", 1).await.problem(), (409, "payout.too-much"));
    }
}

both! {
    async fn offers_name_what_there_is(database) {
        let host = treasury(database).await;
        for (offer, code) in [
            (json!({"title": "x", "kind": "physical", "sku": "film", "unit_cost_minor": 0}), "offers.unknown-pool"),
            (json!({"title": "x", "kind": "virtual_good", "sku": "mug", "unit_cost_minor": 0}), "offers.unknown-pool"),
            (json!({"title": "x", "kind": "coupon", "template": "none", "cost_minor": 0}), "offers.unknown-template"),
        ] {
            let wish = json!({"plugin": "mischief", "config": {}, "offers": {"x": offer}});
            let refused = host.post(&format!("{HOME}/activities"), wish).await;
            assert_eq!(refused.status, 422);
            assert_eq!(refused.body["errors"][0]["code"], code);
        }
        assert_eq!(host.put(&format!("{HOME}/stock-pools/film"), json!({"total": 9})).await.problem(), (409, "stock.below-taken"));
        assert_eq!(host.put(&format!("{HOME}/stock-pools/mug"), json!({"total": -1})).await.problem(), (422, "stock.total"));
        let codes = json!({"codes": ["x"]});
        assert_eq!(host.post(&format!("{HOME}/stock-pools/mug/codes"), codes).await.problem(), (409, "stock.not-of-codes"));
    }
}

both! {
    async fn points_that_come_and_go_in_one_commit_leave_nothing_that_expires(database) {
        let host = treasury(database).await;
        for key in ["a", "b", "c"] {
            did(&host, "hold", json!({"key": key, "offer": "soon", "to": "ann"})).await;
        }
        let tokens = host.token("ann").await;
        // Given, spent and taken back at once: the calls end up in few commits.
        let calls: Vec<_> = [
            ("capture", json!({"key": "a"})), ("capture", json!({"key": "b"})), ("revoke", json!({"key": "b"})),
            ("capture", json!({"key": "c"})), ("spend", json!({"key": "s", "account": "stars", "points": 30})),
        ]
        .into_iter()
        .enumerate()
        .map(|(number, (action, input))| {
            let (client, token) = (host.client.clone(), tokens.clone());
            tokio::spawn(async move { client.act_with(&token, "m", action, &format!("k{number}"), &input).await })
        })
        .collect();
        for call in calls {
            call.await.expect("joins");
        }
        fairground_tests::verified(database).await;
        host.pass(2 * DAY).await;
        assert_eq!(rewards(&host, "ann").await["points"][0]["balance"], 0);
        assert_eq!(act(&host, "spend", json!({"key": "t", "account": "stars", "points": 1})).await.0, 409);
    }
}

both! {
    async fn goods_are_claimed_and_shipped_or_come_back(database) {
        let host = treasury(database).await;
        let given = async |key: &str| {
            did(&host, "hold", json!({"key": key, "offer": "mug", "to": "bob"})).await;
            did(&host, "capture", json!({"key": key})).await;
        };
        let token = host.token("bob").await;
        let own = async |key: &str| -> Value {
            let page = host.get(&format!("{HOME}/members/bob/shipments")).await.ok();
            page["items"].as_array().expect("items").iter().find(|one| one["key"] == key).expect("a shipment").clone()
        };
        let claim = async |id: &Value, body: Value| {
            let path = format!("{HOME}/members/bob/shipments/{}/claim", id.as_str().expect("an id"));
            host.send(Method::POST, &path, &token, Some(&body), None).await
        };
        let ship = async |id: &Value| {
            host.post(&format!("{HOME}/shipments/{}/ship", id.as_str().expect("an id")), json!({"tracking": "SF-1"})).await
        };
        let address = json!({"name": "Bob", "phone": "1", "lines": ["Riverside 1"], "country": "CN"});
        given("sent").await;
        given("slow").await;
        assert_eq!(act(&host, "hold", json!({"key": "none", "offer": "mug", "to": "ann"})).await.0, 409, "both mugs are gone");
        let sent = own("sent").await["id"].clone();
        assert_eq!(ship(&sent).await.problem(), (409, "shipment.wrong-state"), "nobody has said where to");
        assert_eq!(claim(&sent, json!({"name": "Bob", "phone": "1", "lines": [], "country": "CN"})).await.problem(), (422, "shipment.address"));
        assert_eq!(claim(&sent, address.clone()).await.ok()["state"], "claimed");
        assert_eq!(host.get(&format!("{HOME}/shipments")).await.ok()["items"][0]["address"]["lines"], json!(["Riverside 1"]));
        let other = host.token("ann").await;
        let path = format!("{HOME}/members/ann/shipments/{}/claim", sent.as_str().expect("an id"));
        assert_eq!(host.send(Method::POST, &path, &other, Some(&address), None).await.status, 404, "it is bob's");
        assert_eq!(ship(&sent).await.ok()["tracking"], "SF-1");
        assert_eq!(act(&host, "revoke", json!({"key": "sent"})).await.0, 409, "it is on its way");

        // What nobody claims in 30 days is in stock again, and its cost in the budget.
        assert_eq!(budget(&host).await, (0, 1_800, 2));
        host.pass(30 * DAY - 1).await;
        assert_eq!(own("slow").await["state"], "unclaimed");
        host.pass(1).await;
        assert_eq!(own("slow").await["state"], "lapsed");
        assert_eq!(budget(&host).await, (0, 900, 1));
        let late = own("slow").await["id"].clone();
        let token = host.token("bob").await;
        let path = format!("{HOME}/members/bob/shipments/{}/claim", late.as_str().expect("an id"));
        assert_eq!(host.send(Method::POST, &path, &token, Some(&address), None).await.problem(), (409, "shipment.wrong-state"));
        let pool = host.get(&format!("{HOME}/stock-pools/mug")).await.ok();
        assert_eq!((&pool["available"], &pool["sold"]), (&json!(1), &json!(1)));

        // Taken back before it is shipped; and an end of the activity takes nothing from who was given something.
        given("back").await;
        did(&host, "revoke", json!({"key": "back"})).await;
        given("kept").await;
        host.post(&format!("{HOME}/activities/m/stop"), json!({})).await.ok();
        host.pass(1).await;
        let states = async |key: &str| host.get(&format!("{HOME}/members/bob/shipments")).await.ok()["items"].as_array().expect("items").iter().find(|one| one["key"] == key).expect("a shipment")["state"].clone();
        assert_eq!((states("back").await, states("kept").await), (json!("revoked"), json!("unclaimed")));
    }
}

both! {
    async fn what_a_newcomer_cost_is_told_by_channel(database) {
        // Worked example 16.
        let host = TestHost::start(database).await;
        let names: Vec<String> = (0..8).map(|number| format!("n{number}")).collect();
        host.settle(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        host.settle(&["ann"]).await;
        host.put(&format!("{HOME}/budgets/b"), json!({"limit": {"minor": 5_000, "currency": "CNY"}})).await.ok();
        host.load(component("mischief")).await;
        let offers = json!({"rebate": {"title": "x", "kind": "red_packet", "amount_minor": 150}});
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}, "budget": "b", "capped_by_budget": true, "offers": offers})).await;
        host.act("ann", "m", "book", "1", json!({})).await.ok();
        for name in &names {
            host.act(name, "m", "acquired", "1", json!({})).await.ok();
            host.act(name, "m", "give", "2", json!({"offer": "rebate", "to": name})).await.ok();
        }
        host.act("ann", "m", "give", "2", json!({"offer": "rebate", "to": "ann"})).await.ok();
        let channels = host.get(&format!("{HOME}/activities/m/channels")).await.ok();
        let sms = json!({
            "cost_minor": 500, "rewards_minor": 1_200, "units": 100, "acquired": 8,
            "cac": {"minor": 1_700, "acquired": 8, "shown": "2.13"},
        });
        assert_eq!(channels, json!({"channels": {"sms": sms}}));
    }
}
