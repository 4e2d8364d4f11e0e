//! End to end: real components, real sockets, real databases. Each test of `both!` runs on SQLite and on PostgreSQL.

/// Runs a test on each database, and then `fairground verify`. It is skipped on PostgreSQL, with a loud line, only where none is installed.
macro_rules! both {
    ($(#[$meta:meta])* async fn $name:ident($database:ident) $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of its module")]
            use super::*;

            async fn run($database: &fairground_tests::database::Database) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let database = fairground_tests::database::Database::sqlite();
                run(&database).await;
                fairground_tests::verified(&database).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                if let Some(database) = fairground_tests::database::Database::postgres().await {
                    run(&database).await;
                    fairground_tests::verified(&database).await;
                }
            }
        }
    };
}

#[path = "e2e/actions.rs"]
mod actions;
#[path = "e2e/coupons.rs"]
mod coupons;
#[path = "e2e/crash.rs"]
mod crash;
#[path = "e2e/demo.rs"]
mod demo;
#[path = "e2e/edges.rs"]
mod edges;
#[path = "e2e/editions.rs"]
mod editions;
#[path = "e2e/fairness.rs"]
mod fairness;
#[path = "e2e/groups.rs"]
mod groups;
#[path = "e2e/hostile.rs"]
mod hostile;
#[path = "e2e/hot.rs"]
mod hot;
#[path = "e2e/identity.rs"]
mod identity;
#[path = "e2e/lifecycle.rs"]
mod lifecycle;
#[path = "e2e/live.rs"]
mod live;
#[path = "e2e/model.rs"]
mod model;
#[path = "e2e/news.rs"]
mod news;
#[path = "e2e/notices.rs"]
mod notices;
#[path = "e2e/pilots.rs"]
mod pilots;
#[path = "e2e/plugins.rs"]
mod plugins;
#[path = "e2e/purse.rs"]
mod purse;
#[path = "e2e/races.rs"]
mod races;
#[path = "e2e/retries.rs"]
mod retries;
#[path = "e2e/rewards.rs"]
mod rewards;
#[path = "e2e/rights.rs"]
mod rights;
#[path = "e2e/season.rs"]
mod season;
#[path = "e2e/shop.rs"]
mod shop;
#[path = "e2e/stories.rs"]
mod stories;
#[path = "e2e/verify.rs"]
mod verify;
#[path = "e2e/webhooks.rs"]
mod webhooks;
