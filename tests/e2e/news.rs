//! What the shop says and what timers do, in whatever order across orders and however often: it ends the same.

use fairground_tests::{
    client::HOME,
    component,
    database::Database,
    eventually,
    host::TestHost,
    public_id,
    receiver::{Reaction, Receiver},
};
use proptest::{prelude::*, test_runner::Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const ORDERS: usize = 3;
const TIMERS: usize = 2;
/// What turns a timer's clock, among the orders that something is said of.
const TIMER: usize = ORDERS;

/// What a shop says of an order, in an order that can be.
fn news() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        Just(vec!["paid-1"]),
        Just(vec!["closed"]),
        Just(vec!["closed", "paid-1"]),
        Just(vec!["paid-1", "paid-2", "refunded-1"]),
        Just(vec!["paid-1", "refunded-1", "refunded-2"]),
    ]
}

/// What is said of whom when, and whether it is said twice.
type Course = Vec<(usize, bool)>;

fn course(said: &[Vec<&'static str>]) -> impl Strategy<Value = Course> + use<> {
    let lengths = said.iter().map(Vec::len).chain([TIMERS]);
    let turns: Vec<usize> = lengths.enumerate().flat_map(|(whose, length)| vec![whose; length]).collect();
    let length = turns.len();
    (Just(turns).prop_shuffle(), prop::collection::vec(any::<bool>(), length))
        .prop_map(|(turns, twice)| turns.into_iter().zip(twice).collect())
}

fn cases() -> impl Strategy<Value = (Vec<Vec<&'static str>>, Course, Course)> {
    prop::collection::vec(news(), ORDERS).prop_flat_map(|said| (Just(said.clone()), course(&said), course(&said)))
}

struct Town {
    host: TestHost,
    webhook: standardwebhooks::Webhook,
    messages: usize,
}

impl Town {
    async fn start(database: &Database, shop: &Receiver) -> Self {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        let made = host.put(&format!("{HOME}/shop"), json!({"kind": "http", "url": shop.url})).await.ok();
        let webhook = standardwebhooks::Webhook::new(made["secret"].as_str().expect("a secret")).expect("a key");
        host.put(&format!("{HOME}/skus/mug"), json!({"title": "A mug", "price_minor": 900, "sellable": 99})).await.ok();
        host.load(component("mischief")).await;
        Self { host, webhook, messages: 0 }
    }

    /// Sends one message of the shop, under an id that it never had.
    async fn say(&mut self, order: &str, what: &str) -> bool {
        self.messages += 1;
        let (kind, number) = what.split_once('-').unwrap_or((what, ""));
        let name = format!("{order}-{number}");
        let data = match kind {
            "paid" => json!({"order": order, "payment": name, "amount": {"minor": 800, "currency": "CNY"}}),
            "refunded" => json!({"order": order, "refund": name, "amount": {"minor": 300, "currency": "CNY"}}),
            _ => json!({"order": order}),
        };
        let body = json!({"type": format!("order.{kind}"), "data": data}).to_string();
        let (id, seconds) = (format!("msg_{}", self.messages), self.host.clock.now() / 1_000);
        let signature = self.webhook.sign(&id, seconds, body.as_bytes()).expect("a signature");
        loop {
            let request = reqwest::Client::new()
                .post(format!("{}{HOME}/shop/events", self.host.base))
                .header("webhook-id", &id)
                .header("webhook-timestamp", seconds)
                .header("webhook-signature", &signature);
            let answer = request.body(body.clone()).send().await.expect("an answer");
            // What hangs on news that are still to be heard is sent again, as a shop does.
            if answer.status() != 503 {
                assert_eq!(answer.status(), 200, "{what} of {order}");
                return answer.json::<Value>().await.expect("JSON")["is_new"] == true;
            }
        }
    }

    /// Plays a course in an activity of its own, and tells what has come of it.
    async fn play(&mut self, activity: &str, said: &[Vec<&'static str>], course: &Course) -> Vec<Value> {
        self.host.begin(json!({"id": activity, "plugin": "mischief", "config": {}})).await;
        let mut orders = Vec::new();
        for order in 0..ORDERS {
            let wish = json!({"key": format!("o{order}"), "sku": "mug", "price": 800, "pay_within": 86_400_000});
            self.host.act("ann", activity, "buy", &format!("buy{order}"), wish).await.ok();
            orders.push(public_id("ord", activity, &format!("o{order}")));
        }
        let mut next = [0; ORDERS + 1];
        for (whose, twice) in course {
            let turn = next[*whose];
            next[*whose] += 1;
            if *whose == TIMER {
                self.ring(activity, turn).await;
                continue;
            }
            assert!(self.say(&orders[*whose], said[*whose][turn]).await);
            assert!(!*twice || !self.say(&orders[*whose], said[*whose][turn]).await, "heard a second time");
        }
        // All of it once more, as a shop does that has lost its answers.
        for (order, said) in orders.iter().zip(said) {
            for what in said.iter().rev() {
                assert!(!self.say(order, what).await, "{what} was heard again");
            }
        }
        self.outcome(activity, said.iter().map(Vec::len).sum()).await
    }

    async fn ring(&self, activity: &str, turn: usize) {
        let later = json!({"ms": 500});
        self.host.act("ann", activity, "later", &format!("later{turn}"), later).await.ok();
        self.host.pass(500).await;
    }

    /// Each order, what was heard of it in its order, and how often the timer rang.
    async fn outcome(&self, activity: &str, told: usize) -> Vec<Value> {
        let host = &self.host;
        let heard =
            async || -> Vec<String> { serde_json::from_value(host.ask(activity, "heard").await.ok()).expect("texts") };
        eventually(async || heard().await.len() >= told).await;
        let heard = heard().await;
        let mut outcome = vec![host.ask(activity, "rung").await.ok()];
        for order in 0..ORDERS {
            let path = format!("{HOME}/activities/{activity}/queries/order?key=o{order}");
            outcome.push(host.get(&path).await.ok());
            let of_it = heard.iter().filter(|what| what.contains(&format!(" o{order} ")));
            outcome.push(of_it.cloned().collect());
        }
        outcome
    }
}

fn ends_the_same(database: Option<Database>, said: &[Vec<&'static str>], one: &Course, other: &Course) {
    let Some(database) = database else { return };
    runtime().block_on(async {
        let shop = Receiver::start(|_, _| Reaction::Answer(200)).await;
        let mut town = Town::start(&database, &shop).await;
        let outcome = town.play("one", said, one).await;
        assert_eq!(outcome[0], json!(TIMERS), "each timer rang once");
        assert_eq!(outcome, town.play("other", said, other).await);
        town.host.stop().await;
        fairground_tests::verified(&database).await;
    });
}

/// One for each case: with it goes whatever its host has begun.
fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(8);
    Config { cases, failure_persistence: None, max_shrink_iters: 50, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn news_end_the_same_in_whatever_order_on_sqlite((said, one, other) in cases()) {
        ends_the_same(Some(Database::sqlite()), &said, &one, &other);
    }

    #[test]
    fn news_end_the_same_in_whatever_order_on_postgres((said, one, other) in cases()) {
        ends_the_same(runtime().block_on(Database::postgres()), &said, &one, &other);
    }
}
