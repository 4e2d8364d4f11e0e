//! Stock pools and what activities have reserved of them.

use sqlx::any::AnyRow;

use crate::{
    domain::{
        activity::ActivityId,
        id::Id,
        stock::{Reservation, StockPool},
    },
    effects::StockChange,
};

use super::{
    Page, PageRequest, Store,
    columns::Columns,
    commit::Part,
    database::Transaction,
    rows::{Column, Rows, Script},
};

impl Store {
    /// Creates a pool or changes its total. False where that is below what is reserved and sold, or the pool is of codes; nothing
    /// changed then.
    pub(crate) async fn put_pool(&self, community: &Id, id: &Id, total: i64) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let written = sqlx::query(
            "INSERT INTO stock_pools (community, id, is_of_codes, total) VALUES ($1, $2, 0, $3)
             ON CONFLICT (community, id) DO UPDATE SET total = $3
             WHERE stock_pools.reserved + stock_pools.sold <= $3 AND stock_pools.is_of_codes = 0",
        )
        .bind(community.as_str())
        .bind(id.as_str())
        .bind(total)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(written == 1)
    }

    pub(crate) async fn pool(&self, community: &Id, id: &Id) -> anyhow::Result<Option<StockPool>> {
        let row = sqlx::query("SELECT * FROM stock_pools WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn pools(&self, community: &Id, page: &PageRequest) -> anyhow::Result<Page<StockPool>> {
        let rows = sqlx::query("SELECT * FROM stock_pools WHERE community = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(community.as_str())
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let pools = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(pools, page.limit, |pool: &StockPool| pool.id.to_string()))
    }

    /// The reservation and the journal number of its last change.
    pub(crate) async fn reservation(&self, id: &ActivityId, key: &str) -> anyhow::Result<Option<(Reservation, i64)>> {
        let row = sqlx::query("SELECT * FROM reservations WHERE community = $1 AND activity = $2 AND key = $3")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(key.as_bytes())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| {
            let reservation = Reservation {
                key: row.key("key")?,
                pool: row.id("pool")?,
                quantity: row.int("quantity")?,
                state: row.word("state")?,
                expires_at: row.int("expires_at")?,
            };
            Ok((reservation, row.int("seq")?))
        })
        .transpose()
    }
}

/// Moves a pool, or nothing at all: false where it has not so many units.
pub(super) async fn change(
    tx: &mut Transaction,
    community: &Id,
    pool: &Id,
    change: StockChange,
) -> anyhow::Result<bool> {
    let moved = sqlx::query(
        "UPDATE stock_pools SET reserved = reserved + $3, sold = sold + $4
         WHERE community = $1 AND id = $2 AND reserved + $3 >= 0 AND sold + $4 >= 0 AND reserved + sold + $3 + $4 <= total",
    )
    .bind(community.as_str())
    .bind(pool.as_str())
    .bind(change.reserved)
    .bind(change.sold)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    Ok(moved == 1)
}

/// Reservations as they are now.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const RESERVATIONS: Rows = Rows {
        text: "INSERT INTO reservations (community, activity, key, pool, quantity, state, expires_at, seq)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL
               ON CONFLICT (community, activity, key) DO UPDATE SET state = excluded.state, seq = excluded.seq",
        columns: &[
            Column::Text,
            Column::Text,
            Column::Bytes,
            Column::Text,
            Column::Int,
            Column::Text,
            Column::Int,
            Column::Int,
        ],
    };
    let rows: Vec<_> =
        parts.iter().flat_map(|part| part.effects.reservations.values().map(|made| (*part, made))).collect();
    script.add(&RESERVATIONS, &rows, |values, (part, made)| {
        values.activity(&part.id);
        values.bytes(made.key.as_bytes());
        values.text(made.pool.as_str());
        values.int(made.quantity);
        values.word(made.state);
        values.int(made.expires_at);
        values.int(part.to.seq);
    });
}

fn read(row: &AnyRow) -> anyhow::Result<StockPool> {
    let (total, reserved, sold) = (row.int("total")?, row.int("reserved")?, row.int("sold")?);
    let is_of_codes = row.int("is_of_codes")? == 1;
    Ok(StockPool { id: row.id("id")?, is_of_codes, total, available: total - reserved - sold, reserved, sold })
}
