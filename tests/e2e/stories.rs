//! A story for each plugin, from its beginning to its settlement, with the demo shop and a restart in the middle.

#[path = "stories/members.rs"]
mod members;
#[path = "stories/selling.rs"]
mod selling;

use fairground_tests::{
    client::{HOME, Reply},
    component,
    database::Database,
    eventually,
    host::TestHost,
    public_id,
};
use reqwest::Method;
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;

/// Of a call that takes too long.
const TRIES: usize = 5;

struct Story<'a> {
    database: &'a Database,
    host: TestHost,
}

impl<'a> Story<'a> {
    /// A community with these members, a shop that sells mugs, a stock pool of them, and this plugin.
    async fn begin(database: &'a Database, members: &[&str], mugs: u32, plugin: &str) -> Self {
        let host = TestHost::start(database).await;
        host.settle(members).await;
        host.put(&format!("{HOME}/shop"), json!({"kind": "demo"})).await.ok();
        let mug = json!({"title": "A mug", "price_minor": 10_000, "sellable": 1_000});
        host.put(&format!("{HOME}/skus/mug"), mug).await.ok();
        host.put(&format!("{HOME}/stock-pools/mugs"), json!({"total": mugs})).await.ok();
        host.load(component(plugin)).await;
        Self { database, host }
    }

    /// The host goes, and another takes over.
    async fn restarted(self) -> Self {
        let Self { database, host } = self;
        let clock = host.clock.clone();
        host.stop().await;
        Self { database, host: TestHost::start_at(database, clock).await }
    }

    async fn act(&self, member: &str, activity: &str, action: &str, input: Value) -> Reply {
        // The same wish of the same member is the same call.
        let key = format!("{action}-{:x}", hash(&input.to_string()));
        for _ in 0..TRIES {
            let reply = self.host.act(member, activity, action, &key, input.clone()).await;
            // A call that took too long on a busy machine left nothing, and is made again: as any client does.
            if reply.code() != "common.plugin-fault" {
                return reply;
            }
        }
        panic!("{member} could not {action} in {activity}")
    }

    /// The platform tells something of a member.
    async fn tell(&self, topic: &str, member: &str, payload: Value) {
        let event = json!({
            "id": format!("{topic}-{member}-{:x}", hash(&payload.to_string())), "topic": topic, "subject": member, "payload": payload,
        });
        self.host.post(&format!("{HOME}/events"), event).await.ok();
    }

    /// A query as a member asks it.
    async fn ask_as(&self, member: &str, activity: &str, query: &str) -> Value {
        let token = self.host.token(member).await;
        let path = format!("{HOME}/activities/{activity}/queries/{query}");
        self.host.send(Method::GET, &path, &token, None::<&Value>, None).await.ok()
    }

    /// The balance of a member's points.
    async fn points(&self, member: &str) -> i64 {
        let rewards = self.host.get(&format!("{HOME}/members/{member}/rewards")).await.ok();
        let accounts = rewards["points"].as_array().cloned().unwrap_or_default();
        accounts
            .iter()
            .filter(|account| account["account"] == "points")
            .filter_map(|account| account["balance"].as_i64())
            .sum()
    }

    /// A budget of so many minor units, by the name of `treats`.
    async fn budget(&self, minor: i64) {
        let limit = json!({"limit": {"minor": minor, "currency": "CNY"}});
        self.host.put(&format!("{HOME}/budgets/treats"), limit).await.ok();
    }

    async fn ask(&self, activity: &str, query: &str) -> Value {
        self.host.ask(activity, query).await.ok()
    }

    /// Somebody does something to an order at the demo shop's counter, once it knows the order.
    async fn counter(&self, activity: &str, key: &str, deed: &str) {
        let id = public_id("ord", activity, key);
        eventually(async || {
            let path = format!("{HOME}/demo-shop/orders/{id}/{deed}");
            self.host.send(Method::POST, &path, &self.host.operator, Some(&json!({})), None).await.status.is_success()
        })
        .await;
    }

    /// State, paid and refunded of a member's order.
    async fn order(&self, member: &str, activity: &str, key: &str) -> (String, i64, i64) {
        let id = public_id("ord", activity, key);
        let orders = self.host.listing(&format!("{HOME}/members/{member}/orders")).await;
        let order = orders.iter().find(|order| order["id"] == id.as_str()).expect("an order");
        let number = |field: &str| order[field].as_i64().unwrap_or_default();
        (order["state"].as_str().expect("a state").into(), number("paid_minor"), number("refunded_minor"))
    }

    async fn pool(&self) -> (Value, Value) {
        let pool = self.host.get(&format!("{HOME}/stock-pools/mugs")).await.ok();
        (pool["reserved"].clone(), pool["sold"].clone())
    }

    async fn settled(&self, activity: &str) {
        let path = format!("{HOME}/activities/{activity}");
        self.host.post(&format!("{path}/stop"), json!({})).await.ok();
        eventually(async || {
            self.host.pass(1_000).await;
            self.host.get(&path).await.ok()["state"] == "settled"
        })
        .await;
    }
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
