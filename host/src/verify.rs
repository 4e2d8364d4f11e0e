//! `fairground verify`: does everything add up?

use anyhow::bail;

use crate::{
    config::Verify,
    store::{Store, verify::rules},
};

/// Checks a database and prints what it found; an error where something does not add up.
pub async fn verify(wish: Verify) -> anyhow::Result<()> {
    let store = Store::look(&wish.database).await?;
    let broken = store.verify().await?;
    store.close().await;
    for found in &broken {
        println!("{}: {} [{}]", found.oracle, found.row, found.rule);
    }
    if broken.is_empty() {
        println!("everything adds up: {} rules hold", rules());
        return Ok(());
    }
    bail!("{} rows do not add up", broken.len())
}
