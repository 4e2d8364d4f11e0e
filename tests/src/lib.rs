//! What tests and benches stand on: databases that are thrown away, hosts in this process or their own, and a client.

pub mod client;
pub mod crowd;
pub mod database;
pub mod follower;
pub mod host;
pub mod mailbox;
pub mod program;
pub mod receiver;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository").into()
}

/// A component that `cargo xtask` has built.
pub fn component(name: &str) -> Vec<u8> {
    let path =
        root().join("target").join(if ["mischief", "molt"].contains(&name) { "test-plugins" } else { "plugins" });
    let path = path.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask test`", path.display()))
}

/// The name by which the world knows an order (`ord`) or a coupon (`cpn`) that an activity of the town made under a key, as the host makes
/// it. What leaves for a shop is another in every community.
pub fn public_id(kind: &str, activity: &str, key: &str) -> String {
    use sha2::{Digest, Sha256};
    let community = if kind == "ord" { "town\n" } else { "" };
    let hash = Sha256::digest(format!("{community}{activity}\n{key}"));
    format!("{kind}_{}", hash[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Looks again and again until something is so; a minute is for ever.
pub async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..6_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to be");
}

/// Everything in a database adds up: `fairground verify` says so. One that no host has opened has nothing to add up.
pub async fn verified(database: &database::Database) {
    if !database.was_opened() {
        return;
    }
    assert_eq!(broken(database).await.broken, Vec::<String>::new());
}

/// What `fairground verify` finds in a database.
pub async fn broken(database: &database::Database) -> fairground::Verdict {
    fairground::verify(&fairground::Verify { database: database.url.clone() }).await.expect("it can be looked at")
}
