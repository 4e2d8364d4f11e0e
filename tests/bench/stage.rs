//! A plugin's activity on a stage of its own: made by a real host, which then stops, and called in a sandbox.

use anyhow::Context;
use fairground::bench::SandboxBench;
use fairground_tests::{
    client::HOME,
    component, crowd,
    database::Database,
    host::{BEGINNING, TestHost},
    root,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// More than any bench takes, in minor units.
const BUDGET: i64 = 1_000_000_000;

/// Of a thing that is sold.
const STOCK: u32 = 1_000_000;

pub(crate) struct Stage {
    pub(crate) sandbox: SandboxBench,
    _runtime: Runtime,
    _database: Database,
}

impl Stage {
    /// A town with so many members, `m0` and on, a shop with mugs, a budget, and this activity.
    pub(crate) fn new(plugin: &str, config: &Value, offers: &Value, members: u32) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let database = Database::sqlite();
        let sandbox = runtime.block_on(async {
            let host = TestHost::start(&database).await;
            host.settle(&[]).await;
            host.put(&format!("{HOME}/shop"), json!({"kind": "demo"})).await.ok();
            let mug = json!({"title": "A mug", "price_minor": 10_000, "sellable": STOCK});
            host.put(&format!("{HOME}/skus/mug"), mug).await.ok();
            host.put(&format!("{HOME}/stock-pools/mugs"), json!({"total": STOCK})).await.ok();
            let limit = json!({"limit": {"minor": BUDGET, "currency": "CNY"}});
            host.put(&format!("{HOME}/budgets/treats"), limit).await.ok();
            host.load(component(plugin)).await;
            let mut config = config.clone();
            let words = json!({"title": "bench", "one_line_benefit": "x", "zone": "Asia/Shanghai"});
            for (name, word) in words.as_object().context("an object")? {
                config[name] = word.clone();
            }
            let activity = json!({
                "id": "bench", "plugin": plugin, "config": config, "offers": offers, "budget": "treats", "capped_by_budget": true,
            });
            host.begin(activity).await;
            host.stop().await;
            crowd::settle(&database, members).await;
            SandboxBench::open(&database.url, &root().join("target/test-artifacts"), ("town", "bench"), BEGINNING).await
        })?;
        Ok(Self { sandbox, _runtime: runtime, _database: database })
    }
}
