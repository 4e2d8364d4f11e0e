//! The purse, the stock and the shop against a model: whatever is done in whatever order, the host has what the model has, and
//! everything adds up. `PROPTEST_CASES` makes it more thorough.

#[path = "model/plain.rs"]
mod plain;

use fairground_tests::{client::HOME, component, database::Database, eventually, host::TestHost, public_id};
use proptest::{prelude::*, test_runner::Config};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use plain::{Model, Order};

const LIMIT: i64 = 2_000;
const MUGS: i64 = 3;
const PRICE: i64 = 400;
const PAY_WITHIN: i64 = 1_000;
const MEMBERS: [&str; 2] = ["ann", "bob"];

/// Those who bring one another.
const FOLK: [&str; 4] = ["ann", "bob", "cat", "dan"];

/// Name, and what one costs; and how many points are one of the first.
const OFFERS: [(&str, i64); 4] = [("points", 100), ("packet", 500), ("mug", 900), ("coupon", 300)];
const POINTS: i64 = 50;

#[derive(Debug, Clone)]
enum Step {
    Hold {
        key: u8,
        offer: usize,
        member: usize,
        ttl: i64,
    },
    Capture(u8),
    Release(u8),
    Revoke(u8),
    Spend {
        member: usize,
        points: i64,
    },
    Reserve {
        key: u8,
        quantity: i64,
        ttl: i64,
    },
    Commit(u8),
    Unreserve(u8),
    Buy(u8),
    Cancel(u8),
    Pay(u8),
    Refund {
        key: u8,
        order: u8,
        minor: i64,
    },
    /// A call that breaks off after so many of the things that a call may do.
    Break(usize),
    /// What the platform does with the coupon of a hold.
    Coupon(u8, Use),
    Bind {
        member: usize,
        inviter: usize,
    },
    /// Sets the one timer anew.
    Later(i64),
    Pass(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Reserve,
    Spend,
    Return,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..4u8;
    let ttl = prop_oneof![Just(500i64), Just(86_400_000)];
    prop_oneof![
        6 => (key.clone(), 0..4usize, 0..2usize, ttl.clone())
            .prop_map(|(key, offer, member, ttl)| Step::Hold { key, offer, member, ttl }),
        4 => key.clone().prop_map(Step::Capture),
        2 => key.clone().prop_map(Step::Release),
        2 => key.clone().prop_map(Step::Revoke),
        2 => (0..2usize, 1..60i64).prop_map(|(member, points)| Step::Spend { member, points }),
        3 => (key.clone(), 1..3i64, ttl).prop_map(|(key, quantity, ttl)| Step::Reserve { key, quantity, ttl }),
        1 => key.clone().prop_map(Step::Commit),
        1 => key.clone().prop_map(Step::Unreserve),
        2 => key.clone().prop_map(Step::Buy),
        1 => key.clone().prop_map(Step::Cancel),
        2 => key.clone().prop_map(Step::Pay),
        2 => (key.clone(), key.clone(), prop_oneof![Just(PRICE), 1..PRICE])
            .prop_map(|(key, order, minor)| Step::Refund { key, order, minor }),
        3 => (0..59usize).prop_map(Step::Break),
        3 => (key.clone(), prop_oneof![Just(Use::Reserve), Just(Use::Spend), Just(Use::Return)])
            .prop_map(|(key, what)| Step::Coupon(key, what)),
        2 => (0..4usize, 0..4usize).prop_map(|(member, inviter)| Step::Bind { member, inviter }),
        // What is due at once rings whenever the host looks, which it does by itself.
        1 => (1..1_000i64).prop_map(Step::Later),
        2 => (1..1_200i64).prop_map(Step::Pass),
    ]
}

/// A host, driven by the steps.
struct Driven {
    host: TestHost,
    database: Database,
    calls: usize,
}

impl Driven {
    async fn start(database: Database) -> Self {
        let host = TestHost::start(&database).await;
        host.settle(&FOLK).await;
        let terms = json!({"title": "10 off", "discount": {"kind": "amount", "off_minor": 1_000}});
        host.put(&format!("{HOME}/coupon-templates/ten"), terms).await.ok();
        host.put(&format!("{HOME}/shop"), json!({"kind": "demo"})).await.ok();
        host.put(&format!("{HOME}/skus/mug"), json!({"title": "A mug", "price_minor": 900, "sellable": 10})).await.ok();
        host.put(&format!("{HOME}/stock-pools/mug"), json!({"total": MUGS})).await.ok();
        let budget = json!({"limit": {"minor": LIMIT, "currency": "CNY"}, "refundable": true});
        host.put(&format!("{HOME}/budgets/purse"), budget).await.ok();
        host.load(component("mischief")).await;
        host.begin(json!({
            "id": "m", "plugin": "mischief", "config": {}, "budget": "purse", "capped_by_budget": true,
            "offers": {
                "points": {"title": "x", "kind": "points", "account": "stars", "points": POINTS, "unit_cost_micro": 2_000_000},
                "packet": {"title": "x", "kind": "red_packet", "amount_minor": 500},
                "mug": {"title": "x", "kind": "physical", "sku": "mug", "unit_cost_minor": 900},
                "coupon": {"title": "x", "kind": "coupon", "template": "ten", "cost_minor": 300},
            },
        }))
        .await;
        Self { host, database, calls: 0 }
    }

    /// Acts, and again under the same key: the same is answered.
    async fn act(&mut self, member: usize, action: &str, input: Value) -> bool {
        self.calls += 1;
        let key = self.calls.to_string();
        let first = self.host.act(MEMBERS[member], "m", action, &key, input.clone()).await;
        if first.status != 500 {
            let again = self.host.act(MEMBERS[member], "m", action, &key, input).await;
            assert_eq!((first.status, &first.text), (again.status, &again.text), "{action}");
        }
        first.status.is_success()
    }

    async fn take(&mut self, step: &Step) -> bool {
        let ann = 0;
        match *step {
            Step::Hold { key, offer, member, ttl } => {
                let hold =
                    json!({"key": format!("h{key}"), "offer": OFFERS[offer].0, "to": MEMBERS[member], "ttl": ttl});
                self.act(ann, "hold", hold).await
            }
            Step::Capture(key) => self.act(ann, "capture", json!({"key": format!("h{key}")})).await,
            Step::Release(key) => self.act(ann, "release", json!({"key": format!("h{key}")})).await,
            Step::Revoke(key) => self.act(ann, "revoke", json!({"key": format!("h{key}")})).await,
            Step::Spend { member, points } => {
                let key = format!("s{}", self.calls);
                self.act(member, "spend", json!({"key": key, "account": "stars", "points": points})).await
            }
            Step::Reserve { key, quantity, ttl } => {
                let units = json!({"key": format!("u{key}"), "pool": "mug", "quantity": quantity, "ttl": ttl});
                self.act(ann, "reserve", units).await
            }
            Step::Commit(key) => self.act(ann, "commit", json!({"key": format!("u{key}")})).await,
            Step::Unreserve(key) => self.act(ann, "unreserve", json!({"key": format!("u{key}")})).await,
            Step::Buy(key) => {
                let order = json!({"key": format!("o{key}"), "sku": "mug", "price": PRICE, "pay_within": PAY_WITHIN});
                self.act(ann, "buy", order).await
            }
            Step::Cancel(key) => self.act(ann, "cancel", json!({"key": format!("o{key}")})).await,
            Step::Pay(key) => self.pay(key).await,
            Step::Refund { key, order, minor } => {
                let back = json!({"key": format!("r{key}"), "order": format!("o{order}"), "minor": minor});
                self.act(ann, "refund", back).await
            }
            Step::Break(deeds) => self.act(ann, "break-after", json!({"deeds": deeds})).await,
            Step::Coupon(key, what) => {
                let what = match what {
                    Use::Reserve => "reserve",
                    Use::Spend => "use",
                    Use::Return => "return",
                };
                let path = format!("{HOME}/coupons/{}/{what}", public_id("cpn", "m", &format!("h{key}")));
                let send =
                    async |wish: Value| self.host.send(Method::POST, &path, &self.host.app, Some(&wish), None).await;
                if what != "reserve" {
                    return send(json!({"order": "x"})).await.status.is_success();
                }
                // Whose it is, the host knows: nobody else may.
                for member in MEMBERS {
                    let reply = send(json!({"member": member, "order": "x"})).await;
                    if reply.code() != "coupon.not-owner" {
                        return reply.status.is_success();
                    }
                }
                false
            }
            Step::Bind { member, inviter } => {
                self.calls += 1;
                let (key, by) = (self.calls.to_string(), json!({"inviter": FOLK[inviter]}));
                self.host.act(FOLK[member], "m", "join-by", &key, by).await.ok()["output"] == true
            }
            Step::Later(ms) => self.act(ann, "later", json!({"ms": ms})).await,
            Step::Pass(ms) => {
                self.host.pass(ms).await;
                true
            }
        }
    }

    /// Pays an order at the demo shop's counter, once it knows the order.
    async fn pay(&self, key: u8) -> bool {
        let seen = self.host.get(&format!("{HOME}/activities/m/queries/order?key=o{key}")).await.ok();
        if seen.is_null() {
            return false;
        }
        let (host, id) = (&self.host, public_id("ord", "m", &format!("o{key}")));
        eventually(async || {
            let path = format!("{HOME}/demo-shop/orders/{id}/pay");
            host.send(Method::POST, &path, &host.operator, Some(&json!({})), None).await.status.is_success()
        })
        .await;
        true
    }

    /// The host has what the model has, once the shop has caught up.
    async fn compare(&self, model: &Model) {
        let host = &self.host;
        let budget = host.budget("purse").await;
        assert_eq!(
            (&budget["held"]["minor"], &budget["captured"]["minor"]),
            (&json!(model.held), &json!(model.captured))
        );
        let pool = host.get(&format!("{HOME}/stock-pools/mug")).await.ok();
        assert_eq!((&pool["reserved"], &pool["sold"]), (&json!(model.reserved), &json!(model.sold)));
        for (member, name) in MEMBERS.iter().enumerate() {
            let seen = host.get(&format!("{HOME}/members/{name}/rewards")).await.ok();
            let points = seen["points"][0]["balance"].as_i64().unwrap_or_default();
            assert_eq!(
                (points, &seen["payable"]["minor"]),
                (model.points[member], &json!(model.payable[member])),
                "{name}"
            );
        }
        for (member, name) in FOLK.iter().enumerate() {
            let seen = host.get(&format!("{HOME}/members/{name}")).await.ok();
            let wanted = model.inviters.get(&member).map(|inviter| FOLK[*inviter]);
            assert_eq!(seen["inviter"].as_str(), wanted, "{name}");
        }
        for (key, coupon) in &model.coupons {
            let member = MEMBERS[model.holds[key].member];
            let coupons = host.listing(&format!("{HOME}/members/{member}/coupons")).await;
            let id = public_id("cpn", "m", &format!("h{key}"));
            let seen = coupons.iter().find(|one| one["id"] == id.as_str()).expect("a coupon");
            assert_eq!(seen["state"], format!("{coupon:?}").to_lowercase());
        }
        assert_eq!(host.ask("m", "rung").await.ok(), json!(model.rung));
        for (key, Order { paid, refunded, is_closed, .. }) in &model.orders {
            let state = match (paid, is_closed) {
                (0, false) => "Open",
                (0, true) => "Cancelled",
                _ if paid == refunded => "Refunded",
                _ => "Paid",
            };
            let wanted = format!("{state} {paid} {refunded}");
            let path = format!("{HOME}/activities/m/queries/order?key=o{key}");
            eventually(async || host.get(&path).await.ok().as_str() == Some(&wanted)).await;
        }
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        step().boxed()
    }

    fn apply(mut model: Self, step: &Step) -> Self {
        model.has_taken = model.take(step);
        model
    }
}

/// A host with a runtime of its own, with which goes whatever the host has begun.
struct Played {
    runtime: Runtime,
    driven: Driven,
}

impl Played {
    /// Nothing where no PostgreSQL is installed, which `Database` says aloud.
    fn begin(on: Backend) -> Option<Self> {
        let runtime = Runtime::new().expect("a runtime");
        let database = match on {
            Backend::Sqlite => Some(Database::sqlite()),
            Backend::Postgres => runtime.block_on(Database::postgres()),
        }?;
        let driven = runtime.block_on(Driven::start(database));
        Some(Self { runtime, driven })
    }

    fn take(&mut self, step: &Step, model: &Model) {
        let has_taken = self.runtime.block_on(self.driven.take(step));
        assert_eq!(has_taken, model.has_taken, "{step:?}");
        self.runtime.block_on(self.driven.compare(model));
    }

    fn end(self) {
        self.runtime.block_on(async {
            self.driven.host.stop().await;
            fairground_tests::verified(&self.driven.database).await;
        });
    }
}

#[derive(Debug, Clone, Copy)]
enum Backend {
    Sqlite,
    Postgres,
}

/// The tests of a state machine take types, hence one for each database.
struct OnSqlite;
struct OnPostgres;

macro_rules! played_on {
    ($test:ident, $backend:expr) => {
        impl StateMachineTest for $test {
            type SystemUnderTest = Option<Played>;
            type Reference = Model;

            fn init_test(_: &Model) -> Option<Played> {
                Played::begin($backend)
            }

            fn apply(mut played: Option<Played>, model: &Model, step: Step) -> Option<Played> {
                if let Some(played) = &mut played {
                    played.take(&step, model);
                }
                played
            }

            fn teardown(played: Option<Played>, _: Model) {
                if let Some(played) = played {
                    played.end();
                }
            }
        }
    };
}

played_on!(OnSqlite, Backend::Sqlite);
played_on!(OnPostgres, Backend::Postgres);

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(16);
    // What failed is printed; nothing is left in the repository.
    Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn the_host_does_what_the_model_does_on_sqlite(sequential 1..40 => OnSqlite);

    #[test]
    fn the_host_does_what_the_model_does_on_postgres(sequential 1..40 => OnPostgres);
}

/// After each of the deeds in turn, up to all of them.
#[test]
fn a_call_that_breaks_off_leaves_nothing_wherever_it_does() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(mut played) = Played::begin(backend) else { continue };
        let mut model = Model::default();
        // One that goes well in between, or the version would be given a rest.
        for step in (0..59).flat_map(|deeds| [Step::Break(deeds), Step::Later(1_000)]) {
            model = Model::apply(model, &step);
            played.take(&step, &model);
        }
        played.end();
    }
}
