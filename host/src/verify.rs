//! `fairground verify`: does everything add up?

use crate::{
    config::Verify,
    store::{Store, verify::rules},
};

/// What a look at a database has found.
#[derive(Debug)]
pub struct Verdict {
    /// How many rules were looked at.
    pub rules: usize,
    /// A line for each row that breaks one: the oracle, the row, and the rule in brackets.
    pub broken: Vec<String>,
}

/// Looks at a database, which hosts may be running on, and changes nothing.
pub async fn verify(wish: &Verify) -> anyhow::Result<Verdict> {
    let store = Store::look(&wish.database).await?;
    let broken = store.verify().await?;
    store.close().await;
    let line = |found: crate::store::verify::Broken| format!("{}: {} [{}]", found.oracle, found.row, found.rule);
    Ok(Verdict { rules: rules(), broken: broken.into_iter().map(line).collect() })
}
