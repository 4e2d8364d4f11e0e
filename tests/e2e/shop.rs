//! Orders: opened at the activity's price, paid on time, late, twice or never, and paid back; each said by the shop, heard once.

use fairground_tests::{
    client::{HOME, Reply},
    component,
    database::Database,
    eventually,
    host::TestHost,
    receiver::{Message, Reaction, Receiver},
};
use reqwest::Method;
use serde_json::{Value, json};

async fn town(database: &Database, shop: Value) -> (TestHost, Value) {
    let host = TestHost::start(database).await;
    host.settle(&["ann", "bob"]).await;
    let shop = host.put(&format!("{HOME}/shop"), shop).await.ok();
    host.put(&format!("{HOME}/skus/mug"), json!({"title": "A mug", "price_minor": 900, "sellable": 10})).await.ok();
    host.load(component("mischief")).await;
    host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
    (host, shop)
}

async fn buy(host: &TestHost, key: &str) -> String {
    let wish = json!({"key": key, "sku": "mug", "quantity": 2, "price": 400, "pay_within": 60_000});
    host.act("ann", "m", "buy", key, wish).await.ok();
    let orders = host.listing(&format!("{HOME}/members/ann/orders")).await;
    let newest = orders.iter().max_by_key(|order| order["created_at"].as_i64()).expect("an order");
    assert_eq!(newest["total"], json!({"minor": 800, "currency": "CNY"}));
    newest["id"].as_str().expect("an id").into()
}

async fn act(host: &TestHost, action: &str, key: &str, input: Value) -> Reply {
    host.act("ann", "m", action, key, input).await
}

/// State, paid and refunded, as the plugin sees it.
async fn order(host: &TestHost, key: &str) -> String {
    let seen = host.get(&format!("{HOME}/activities/m/queries/order?key={key}")).await.ok();
    seen.as_str().unwrap_or_default().into()
}

async fn heard(host: &TestHost) -> Vec<String> {
    serde_json::from_value(host.ask("m", "heard").await.ok()).expect("texts")
}

/// What somebody does at the demo shop's counter, once it knows the order.
async fn counter(host: &TestHost, order: &str, deed: &str, body: Value) -> Reply {
    eventually(async || {
        let orders = host.listing(&format!("{HOME}/demo-shop/orders")).await;
        orders.iter().any(|known| known["id"] == *order)
    })
    .await;
    host.post(&format!("{HOME}/demo-shop/orders/{order}/{deed}"), body).await
}

both! {
    async fn an_order_is_opened_paid_and_paid_back(database) {
        let (host, _) = town(database, json!({"kind": "demo"})).await;
        let id = buy(&host, "o").await;
        assert_eq!(order(&host, "o").await, "Open 0 0");
        counter(&host, &id, "pay", json!({})).await.ok();
        eventually(async || order(&host, "o").await == "Paid 800 0").await;
        assert_eq!(heard(&host).await, ["order.paid o 800"]);
        let ann = host.get(&format!("{HOME}/members/ann")).await.ok();
        assert!(ann["first_order_at"].is_i64(), "the host knows that she has ordered");

        assert_eq!(act(&host, "cancel", "1", json!({"key": "o"})).await.problem(), (409, "common.wrong-state"));
        let back = |key: &str, minor: i64| json!({"key": key, "order": "o", "minor": minor});
        assert_eq!(act(&host, "refund", "2", back("r1", 801)).await.problem(), (409, "mischief.over-refund"));
        act(&host, "refund", "3", back("r1", 500)).await.ok();
        act(&host, "refund", "4", back("r1", 500)).await.ok();
        assert_eq!(act(&host, "refund", "5", back("r2", 301)).await.problem(), (409, "mischief.over-refund"));
        eventually(async || order(&host, "o").await == "Paid 800 500").await;
        act(&host, "refund", "6", back("r2", 300)).await.ok();
        eventually(async || order(&host, "o").await == "Refunded 800 800").await;
        assert_eq!(heard(&host).await, ["order.paid o 800", "order.refunded o 500", "order.refunded o 300"]);
        let books = host.listing(&format!("{HOME}/demo-shop/orders")).await;
        assert_eq!((&books[0]["paid_minor"], &books[0]["refunded_minor"]), (&json!(800), &json!(800)));
    }
}

both! {
    async fn an_order_that_nobody_pays_is_closed_and_may_be_paid_late_and_twice(database) {
        let (host, _) = town(database, json!({"kind": "demo"})).await;
        let id = buy(&host, "o").await;
        host.pass(60_000).await;
        assert_eq!(order(&host, "o").await, "Cancelled 0 0");
        eventually(async || heard(&host).await == ["order.closed o 0"]).await;
        counter(&host, &id, "pay", json!({})).await.ok();
        counter(&host, &id, "pay", json!({"amount_minor": 700})).await.ok();
        eventually(async || order(&host, "o").await == "Paid 1500 0").await;
        assert_eq!(heard(&host).await, ["order.closed o 0", "order.paid o 800", "order.paid o 700"]);
        assert_eq!(counter(&host, &id, "refund", json!({"amount_minor": 1_501})).await.problem(), (409, "shop.over-refund"));
        counter(&host, &id, "refund", json!({"amount_minor": 1_500})).await.ok();
        eventually(async || order(&host, "o").await == "Refunded 1500 1500").await;
    }
}

both! {
    async fn what_the_plugin_could_not_hear_is_told_again_in_order(database) {
        let (host, _) = town(database, json!({"kind": "demo"})).await;
        let (first, second) = (buy(&host, "o").await, { host.clock.turn(1); buy(&host, "p").await });
        act(&host, "deaf", "1", json!({})).await.ok();
        counter(&host, &first, "pay", json!({})).await.ok();
        counter(&host, &first, "pay", json!({"amount_minor": 1})).await.ok();
        counter(&host, &second, "fail", json!({})).await.ok();
        // It broke off: nothing of it is kept, and actions go on meanwhile.
        act(&host, "hear", "2", json!({})).await.ok();
        assert_eq!(order(&host, "o").await, "Open 0 0");
        eventually(async || {
            host.pass(5_000).await;
            heard(&host).await.len() == 3
        })
        .await;
        let heard = heard(&host).await;
        let of_first: Vec<&String> = heard.iter().filter(|what| what.contains(" o ")).collect();
        assert_eq!(of_first, ["order.paid o 800", "order.paid o 1"]);
        assert!(heard.contains(&"order.closed p 0".to_owned()));
    }
}

both! {
    async fn a_real_shop_is_asked_and_answers_by_signed_messages(database) {
        let shop = Receiver::start(|_, message: &Message| {
            // It does not sell what costs more than 900.
            let is_dear = message.json()["data"]["total"]["minor"].as_i64().is_some_and(|minor| minor > 900);
            Reaction::Answer(if is_dear { 422 } else { 200 })
        })
        .await;
        let (host, made) = town(database, json!({"kind": "http", "url": shop.url})).await;
        let secret = made["secret"].as_str().expect("a secret");
        let webhook = standardwebhooks::Webhook::new(secret).expect("a secret of the standard");
        let id = buy(&host, "o").await;
        let asked = shop.wait_for(1).await[0].json();
        assert_eq!((asked["type"].as_str(), asked["data"]["order"].as_str()), (Some("order.open"), Some(id.as_str())));
        assert_eq!(asked["data"]["lines"], json!([{"sku": "mug", "quantity": 2, "unit_price_minor": 400}]));

        let seconds = host.clock.now() / 1_000;
        let say = async |message: &str, news: &Value, signature: Option<String>| {
            let body = news.to_string();
            let signed = webhook.sign(message, seconds, body.as_bytes()).expect("a signature");
            let request = reqwest::Client::new()
                .post(format!("{}{HOME}/shop/events", host.base))
                .header("webhook-id", message)
                .header("webhook-timestamp", seconds)
                .header("webhook-signature", signature.unwrap_or(signed));
            let answer = request.body(body).send().await.expect("an answer");
            (answer.status().as_u16(), answer.text().await.expect("a text"))
        };
        let paid = json!({"type": "order.paid", "data": {"order": id, "payment": "p1", "amount": {"minor": 800, "currency": "CNY"}}});
        assert_eq!(say("m1", &paid, Some("v1,AAAA".into())).await.0, 401);
        assert_eq!(say("m1", &paid, Some(String::new())).await.0, 401);
        assert_eq!(say("m1", &paid, None).await, (200, r#"{"is_new":true}"#.into()));
        // The same payment under another message is the same payment.
        assert_eq!(say("m2", &paid, None).await, (200, r#"{"is_new":false}"#.into()));
        let other_amount = json!({"type": "order.paid", "data": {"order": id, "payment": "p1", "amount": {"minor": 100, "currency": "CNY"}}});
        assert_eq!(say("m2b", &other_amount, None).await.0, 409, "a payment has one amount");
        let unknown = json!({"type": "order.closed", "data": {"order": "ord_none"}});
        assert_eq!(say("m3", &unknown, None).await.0, 404);
        let dollars = json!({"type": "order.paid", "data": {"order": id, "payment": "p2", "amount": {"minor": 800, "currency": "USD"}}});
        assert_eq!(say("m4", &dollars, None).await.0, 409);
        let early = json!({"type": "order.refunded", "data": {"order": id, "refund": "own", "amount": {"minor": 900, "currency": "CNY"}}});
        // While the payment is still to be heard, a shop is told to come again.
        eventually(async || order(&host, "o").await == "Paid 800 0").await;
        assert_eq!(say("m5", &early, None).await.0, 409, "so much was not paid");
        act(&host, "hold-shipping", "1", json!({"key": "o"})).await.ok();
        let hold = shop.wait_for(2).await[1].json();
        assert_eq!((hold["type"].as_str(), &hold["data"]["held"]), (Some("order.hold"), &json!(true)));

        // An order that the shop does not open is closed.
        act(&host, "buy", "2", json!({"key": "dear", "sku": "mug", "price": 901})).await.ok();
        eventually(async || order(&host, "dear").await == "Cancelled 0 0").await;
        assert!(heard(&host).await.contains(&"order.closed dear 0".to_owned()));

        // What it does not pay back can be asked for again; what it pays back is what was asked.
        host.act("ann", "m", "refund", "3", json!({"key": "r1", "order": "o", "minor": 300})).await.ok();
        let asked = shop.wait_for(4).await[3].json();
        let refund = asked["data"]["refund"].as_str().expect("an id").to_owned();
        let money = |minor: i64| json!({"minor": minor, "currency": "CNY"});
        let back = |order: &str, minor: i64| json!({"type": "order.refunded", "data": {"order": order, "refund": refund, "amount": money(minor)}});
        host.clock.turn(1);
        let other = buy(&host, "other").await;
        assert_eq!(say("m6", &back(&other, 300), None).await.0, 409, "the refund is of another order");
        assert_eq!(say("m7", &back(&id, 299), None).await.0, 409, "the refund is of another amount");
        let refused = json!({"type": "order.refund-refused", "data": {"order": id, "refund": refund}});
        assert_eq!(say("m8", &refused, None).await.0, 200);
        eventually(async || order(&host, "o").await == "Paid 800 0").await;
        host.act("ann", "m", "refund", "4", json!({"key": "r2", "order": "o", "minor": 800})).await.ok();
    }
}

both! {
    async fn news_that_the_plugin_can_never_hear_are_counted_all_the_same(database) {
        let (host, _) = town(database, json!({"kind": "demo"})).await;
        let id = buy(&host, "o").await;
        act(&host, "deaf", "1", json!({})).await.ok();
        counter(&host, &id, "pay", json!({})).await.ok();
        // The deadline passes meanwhile: an order that was paid in time is not closed.
        eventually(async || {
            host.pass(60_000).await;
            order(&host, "o").await == "Paid 800 0"
        })
        .await;
        let journal = host.journal("m").await;
        let last = journal.iter().rfind(|entry| entry["kind"] == "event").expect("an event");
        assert_eq!((&last["outcome"], &last["answer"]["code"]), (&json!("refused"), &json!("common.plugin-fault")));
        assert!(journal.iter().all(|entry| entry["name"] != "order-expired" || entry["answer"] == false));
        // That it was counted without the plugin does not mean that the plugin hears the next one.
        counter(&host, &id, "pay", json!({})).await.ok();
        eventually(async || order(&host, "o").await == "Paid 1600 0").await;
    }
}

/// A town where an order is to be paid, and the plugin has a timer that rings two seconds from now.
async fn deadline(database: &Database) -> (TestHost, String) {
    let (host, _) = town(database, json!({"kind": "demo"})).await;
    let id = buy(&host, "o").await;
    act(&host, "later", "1", json!({"ms": 2_000})).await.ok();
    (host, id)
}

/// Fails so often that the version rests for half a minute, and after each further failure again.
async fn tire(host: &TestHost) {
    for number in 0..20 {
        assert_eq!(act(host, "break", &format!("b{number}"), json!({})).await.problem(), (500, "common.plugin-fault"));
    }
}

/// What a plugin's timer and an order's payments did, in the order of the journal.
async fn told(host: &TestHost) -> Vec<String> {
    let journal = host.journal("m").await;
    let told = journal.iter().filter(|entry| ["event", "timer"].iter().any(|kind| entry["kind"] == *kind));
    told.map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect()
}

both! {
    async fn a_deadline_waits_for_a_payment_that_came_before_it_and_could_not_be_heard_yet(database) {
        let (host, id) = deadline(database).await;
        act(&host, "deaf", "2", json!({})).await.ok();
        counter(&host, &id, "pay", json!({})).await.ok();
        for number in 0..3 {
            host.pass(1_000).await;
            // Whoever acts meanwhile does not let the deadline pass either.
            act(&host, "count", &format!("c{number}"), json!({})).await.ok();
        }
        assert_eq!((told(&host).await, host.ask("m", "rung").await.ok()), (vec![], json!(0)));
        act(&host, "hear", "3", json!({})).await.ok();
        host.pass(5_000).await;
        eventually(async || told(&host).await == ["order.paid", "later"]).await;
    }
}

both! {
    async fn a_deadline_waits_for_what_cannot_be_heard_ten_minutes_and_no_longer(database) {
        let (host, id) = deadline(database).await;
        act(&host, "deaf", "2", json!({})).await.ok();
        // While members make it fail it rests most of the time, and takes longer than ten minutes to fail too often at what is told.
        tire(&host).await;
        counter(&host, &id, "pay", json!({})).await.ok();
        // The ten minutes begin when the activity first looks, which it does in its own time.
        host.pass(0).await;
        for number in 0..59 {
            host.pass(10_000).await;
            let failed = act(&host, "break", &format!("again{number}"), json!({})).await.status.as_u16();
            assert!([500, 503].contains(&failed), "{failed}");
        }
        assert_eq!(told(&host).await, Vec::<String>::new());
        for _ in 0..3 {
            host.pass(10_000).await;
        }
        let first = told(&host).await;
        assert_eq!(first.first().map(String::as_str), Some("later"), "{first:?}");
        // What was paid in time is not closed all the same, and heard at last.
        act(&host, "hear", "3", json!({})).await;
        eventually(async || {
            host.pass(30_000).await;
            order(&host, "o").await == "Paid 800 0"
        })
        .await;
    }
}

both! {
    async fn a_clock_that_jumps_is_no_wait(database) {
        let (host, id) = deadline(database).await;
        act(&host, "deaf", "2", json!({})).await.ok();
        counter(&host, &id, "pay", json!({})).await.ok();
        host.pass(10_000).await;
        act(&host, "hear", "3", json!({})).await.ok();
        host.pass(3_600_000).await;
        eventually(async || told(&host).await == ["order.paid", "later"]).await;
    }
}

both! {
    async fn a_deadline_waits_for_a_payment_while_a_version_that_fails_again_and_again_rests(database) {
        let (host, id) = deadline(database).await;
        tire(&host).await;
        counter(&host, &id, "pay", json!({})).await.ok();
        host.pass(3_000).await;
        assert_eq!(told(&host).await, Vec::<String>::new());
        host.pass(30_000).await;
        eventually(async || told(&host).await == ["order.paid", "later"]).await;
    }
}

both! {
    async fn a_deadline_waits_for_every_payment_that_came_before_it(database) {
        let (host, id) = deadline(database).await;
        let plugin = host.listing("/v1/plugins").await.remove(0);
        let path = format!("/v1/plugins/mischief/{}", plugin["version"].as_str().expect("a version"));
        host.post(&format!("{path}/disable"), json!({})).await.ok();
        // More than are read at once.
        for _ in 0..70 {
            counter(&host, &id, "pay", json!({"amount_minor": 1})).await.ok();
        }
        host.pass(3_000).await;
        host.post(&format!("{path}/enable"), json!({"grant": plugin["capabilities"]})).await.ok();
        eventually(async || {
            host.pass(1).await;
            told(&host).await.len() == 71
        })
        .await;
        let told = told(&host).await;
        assert_eq!(told.iter().position(|name| name == "later"), Some(70));
    }
}

both! {
    async fn only_what_can_be_sold_is_ordered(database) {
        let (host, _) = town(database, json!({"kind": "demo"})).await;
        let buy = async |key: &str, sku: &str, quantity: i64, price: i64| {
            let wish = json!({"key": key, "sku": sku, "quantity": quantity, "price": price});
            let reply = act(&host, "buy", key, wish).await;
            (reply.status.as_u16(), reply.code().to_owned())
        };
        assert_eq!(buy("1", "cup", 1, 1).await, (404, "common.not-found".into()));
        assert_eq!(buy("2", "mug", 0, 1).await, (422, "common.invalid-input".into()));
        assert_eq!(buy("3", "mug", 1, -1).await, (422, "common.invalid-input".into()));
        assert_eq!(buy("4", "mug", 2, 600_000_000_000_000).await, (422, "common.invalid-input".into()));
        assert_eq!(buy("5", "mug", 1, i64::MAX).await, (422, "common.invalid-input".into()));
    }
}

both! {
    async fn units_are_reserved_sold_and_put_back(database) {
        let (host, _) = town(database, json!({"kind": "demo"})).await;
        host.put(&format!("{HOME}/stock-pools/mugs"), json!({"total": 5})).await.ok();
        let step = async |action: &str, key: &str, input: Value| {
            let reply = act(&host, action, key, input).await;
            (reply.status.as_u16(), reply.code().to_owned())
        };
        let reserve = |key: &str, quantity: u64| json!({"key": key, "pool": "mugs", "quantity": quantity, "ttl": 1_000});
        assert_eq!(step("reserve", "1", reserve("a", 3)).await.0, 200);
        let refused = act(&host, "reserve", "2", reserve("b", 3)).await;
        assert_eq!((refused.code(), &refused.body["params"]), ("common.stock-exhausted", &json!([["left", "2"]])));
        assert_eq!(step("reserve", "3", reserve("a", 3)).await.0, 200, "the same key is the same reservation");
        assert_eq!(step("reserve", "4", reserve("a", 2)).await, (409, "common.idempotency-mismatch".into()));
        assert_eq!(step("reserve", "5", reserve("c", 0)).await, (422, "common.invalid-input".into()));
        assert_eq!(step("reserve", "6", reserve("b", 1)).await.0, 200);
        assert_eq!(step("commit", "7", json!({"key": "a"})).await.0, 200);
        assert_eq!(step("unreserve", "8", json!({"key": "a"})).await, (409, "common.wrong-state".into()));
        host.pass(1_000).await;
        assert_eq!(step("commit", "9", json!({"key": "b"})).await, (409, "common.wrong-state".into()));
        let pool = host.get(&format!("{HOME}/stock-pools/mugs")).await.ok();
        assert_eq!((&pool["reserved"], &pool["sold"], &pool["available"]), (&json!(0), &json!(3), &json!(2)));
        assert_eq!(host.put(&format!("{HOME}/stock-pools/mugs"), json!({"total": 2})).await.problem(), (409, "stock.below-taken"));
    }
}

both! {
    async fn events_of_the_platform_reach_those_who_listen_once(database) {
        let (host, _) = town(database, json!({"kind": "demo"})).await;
        host.post(&format!("{HOME}/activities"), json!({"id": "idle", "plugin": "mischief", "config": {}})).await.ok();
        let say = async |id: &str, topic: &str| {
            let event = json!({"id": id, "topic": topic, "subject": "bob", "payload": {"via": "sms"}});
            host.send(Method::POST, &format!("{HOME}/events"), &host.app, Some(&event), None).await
        };
        assert_eq!(say("1", "member.registered").await.ok()["is_new"], true);
        assert_eq!(say("1", "member.registered").await.ok()["is_new"], false);
        assert_eq!(say("2", "member.read").await.ok()["is_new"], true);
        assert_eq!(say("3", "order.paid").await.problem(), (422, "event.topic"));
        assert_eq!(say("4", "Member.Registered").await.problem(), (422, "event.topic"));
        eventually(async || heard(&host).await == ["member.registered bob"]).await;
        assert_eq!(host.journal("idle").await.len(), 0, "what does not run hears nothing");
    }
}
