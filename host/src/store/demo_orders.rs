//! The demo shop's books.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    id::Id,
    money::{Currency, Money},
};

use super::{Page, PageRequest, Store, columns::Columns};

/// An order, as the demo shop has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DemoOrder {
    #[schema(value_type = String)]
    pub id: Id,
    /// `open` or `closed`.
    pub state: String,
    pub total: Money,
    pub paid_minor: i64,
    pub refunded_minor: i64,
    /// Whether it must not be shipped yet.
    pub is_held: bool,
}

impl Store {
    pub(crate) async fn open_demo_order(&self, community: &Id, id: &Id, total: &Money) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO demo_orders (community, id, state, total_minor, currency, paid_minor, refunded_minor, is_held)
             VALUES ($1, $2, 'open', $3, $4, 0, 0, 0) ON CONFLICT (community, id) DO NOTHING",
        )
        .bind(community.as_str())
        .bind(id.as_str())
        .bind(total.minor)
        .bind(total.currency.as_str())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// False where it is paid already.
    pub(crate) async fn close_demo_order(&self, community: &Id, id: &Id) -> anyhow::Result<bool> {
        let text = "UPDATE demo_orders SET state = 'closed' WHERE community = $1 AND id = $2 AND paid_minor = 0";
        self.change_demo_order(text, community, id, (0, 0)).await
    }

    pub(crate) async fn hold_demo_order(&self, community: &Id, id: &Id, held: bool) -> anyhow::Result<bool> {
        let text = "UPDATE demo_orders SET is_held = $3 WHERE community = $1 AND id = $2";
        self.change_demo_order(text, community, id, (i64::from(held), 0)).await
    }

    pub(crate) async fn pay_demo_order(
        &self,
        community: &Id,
        id: &Id,
        paid: i64,
        refunded: i64,
    ) -> anyhow::Result<bool> {
        let text = "UPDATE demo_orders SET paid_minor = paid_minor + $3, refunded_minor = refunded_minor + $4
             WHERE community = $1 AND id = $2";
        self.change_demo_order(text, community, id, (paid, refunded)).await
    }

    async fn change_demo_order(
        &self,
        text: &'static str,
        community: &Id,
        id: &Id,
        (first, second): (i64, i64),
    ) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let changed = sqlx::query(text)
            .bind(community.as_str())
            .bind(id.as_str())
            .bind(first)
            .bind(second)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        tx.commit().await?;
        Ok(changed == 1)
    }

    pub(crate) async fn demo_order(&self, community: &Id, id: &Id) -> anyhow::Result<Option<DemoOrder>> {
        let row = sqlx::query("SELECT * FROM demo_orders WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn demo_orders(&self, community: &Id, page: &PageRequest) -> anyhow::Result<Page<DemoOrder>> {
        let rows = sqlx::query("SELECT * FROM demo_orders WHERE community = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(community.as_str())
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let orders = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(orders, page.limit, |order: &DemoOrder| order.id.to_string()))
    }
}

fn read(row: &sqlx::any::AnyRow) -> anyhow::Result<DemoOrder> {
    Ok(DemoOrder {
        id: row.id("id")?,
        state: row.text("state")?,
        total: Money { minor: row.int("total_minor")?, currency: Currency::new(&row.text("currency")?)? },
        paid_minor: row.int("paid_minor")?,
        refunded_minor: row.int("refunded_minor")?,
        is_held: row.int("is_held")? == 1,
    })
}
