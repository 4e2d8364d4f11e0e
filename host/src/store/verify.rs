//! What must hold of a database at every instant: each check asks for the rows that break it. All see the same snapshot.

mod checks;

use std::collections::BTreeMap;

use sqlx::{Row, any::AnyRow};

use crate::domain::{
    hold::HoldState,
    id::Id,
    offer::{OfferKind, Offers},
    order::ShopNews,
};

use super::{
    Store,
    columns::Columns,
    database::{Kind, Transaction},
};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The oracle, as the tests name it: `V2`.
    pub oracle: &'static str,
    /// What should hold.
    pub rule: &'static str,
    /// Which row breaks it, and how.
    pub row: String,
}

/// A check that a statement makes: it answers a text for each row that breaks the rule.
struct Check {
    oracle: &'static str,
    rule: &'static str,
    sql: &'static str,
}

/// Rows of one check that are told; more would hide the others.
const ROWS_MAX: usize = 100;

impl Store {
    /// Every broken row, at most 100 of each rule. Nothing is changed, and nobody waits for it.
    pub(crate) async fn verify(&self) -> anyhow::Result<Vec<Broken>> {
        let begin = match self.kind {
            Kind::Sqlite => "BEGIN",
            Kind::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        let mut tx = self.reader.begin_with(begin).await?;
        let mut broken = Vec::new();
        for Check { oracle, rule, sql } in checks::ALL {
            let rows = sqlx::query(sqlx::AssertSqlSafe(checks::whole(sql))).fetch_all(&mut *tx).await?;
            for row in rows.iter().take(ROWS_MAX) {
                broken.push(Broken { oracle, rule, row: row.try_get(0)? });
            }
        }
        broken.extend(stock(&mut tx).await?);
        broken.extend(payments(&mut tx).await?);
        tx.rollback().await?;
        Ok(broken)
    }
}

/// How many rules are looked at.
pub(crate) fn rules() -> usize {
    // Those of statements, and three that need the offers and what was received.
    checks::ALL.len() + 3
}

fn count(row: &AnyRow, column: &str) -> anyhow::Result<i64> {
    row.int(column)
}

/// Stock pools have reserved and sold what reservations and rewards say. Which rewards are goods, only the offers know.
async fn stock(tx: &mut Transaction) -> anyhow::Result<Vec<Broken>> {
    let mut taken: BTreeMap<(Id, Id), (i64, i64)> = BTreeMap::new();
    let reservations = "SELECT community, pool, state, CAST(SUM(quantity) AS BIGINT) AS units FROM reservations
        WHERE state IN ('active', 'committed') GROUP BY community, pool, state";
    for row in sqlx::query(reservations).fetch_all(&mut **tx).await? {
        let pool = taken.entry((row.id("community")?, row.id("pool")?)).or_default();
        let units = count(&row, "units")?;
        if row.text("state")? == "active" { pool.0 += units } else { pool.1 += units }
    }
    let rewards = "SELECT holds.community, holds.offer, holds.state, activities.offers, COUNT(*) AS units FROM holds
        JOIN activities ON activities.community = holds.community AND activities.id = holds.activity
        GROUP BY holds.community, holds.activity, holds.offer, holds.state, activities.offers";
    for row in sqlx::query(rewards).fetch_all(&mut **tx).await? {
        let offers: Offers = row.json("offers")?;
        let name = row.text("offer")?;
        let Some((offer, pool)) = offers.get(name.as_str()).and_then(|offer| Some((offer, offer.pool()?))) else {
            continue;
        };
        let units = count(&row, "units")?;
        let pool = taken.entry((row.id("community")?, pool.clone())).or_default();
        match (row.word::<HoldState>("state")?, &offer.kind) {
            (HoldState::Held, _) => pool.0 += units,
            // A code that was seen is gone, whatever became of the reward.
            (HoldState::Captured, _) | (HoldState::Revoked, OfferKind::VirtualGood { .. }) => pool.1 += units,
            _ => {}
        }
    }
    let mut broken = Vec::new();
    for row in sqlx::query("SELECT * FROM stock_pools").fetch_all(&mut **tx).await? {
        let (community, pool) = (row.id("community")?, row.id("id")?);
        let (reserved, sold) = taken.remove(&(community.clone(), pool.clone())).unwrap_or_default();
        let has = (row.int("reserved")?, row.int("sold")?);
        if has != (reserved, sold) {
            let row = format!(
                "{community} stock pool {pool} has {has:?} reserved and sold, its units say {reserved} and {sold}"
            );
            broken.push(Broken { oracle: "V10", rule: "a stock pool counts its units", row });
        }
    }
    broken.extend(taken.into_keys().map(|(community, pool)| Broken {
        oracle: "V9",
        rule: "units are of a stock pool of their community",
        row: format!("{community} has no stock pool {pool}"),
    }));
    Ok(broken)
}

/// Orders have been paid what the shop said, but for what is still to be heard.
async fn payments(tx: &mut Transaction) -> anyhow::Result<Vec<Broken>> {
    let mut paid: BTreeMap<(Id, Id), i64> = BTreeMap::new();
    for row in
        sqlx::query("SELECT community, payload FROM received WHERE topic = 'order.paid'").fetch_all(&mut **tx).await?
    {
        if let ShopNews::Paid { order, amount, .. } = row.json("payload")? {
            *paid.entry((row.id("community")?, order)).or_default() += amount.minor;
        }
    }
    for row in sqlx::query("SELECT community, event FROM inbox").fetch_all(&mut **tx).await? {
        let event: crate::domain::event::HostEvent = row.json("event")?;
        if let Some(ShopNews::Paid { order, amount, .. }) = event.order.map(|news| news.news) {
            *paid.entry((row.id("community")?, order)).or_default() -= amount.minor;
        }
    }
    let mut broken = Vec::new();
    for row in sqlx::query("SELECT community, id, paid_minor FROM orders").fetch_all(&mut **tx).await? {
        let (community, order) = (row.id("community")?, row.id("id")?);
        let told = paid.remove(&(community.clone(), order.clone())).unwrap_or_default();
        if told != row.int("paid_minor")? {
            let row = format!("{community} order {order} has {} paid, the shop said {told}", row.int("paid_minor")?);
            broken.push(Broken { oracle: "V4", rule: "an order is paid what the shop said", row });
        }
    }
    Ok(broken)
}
