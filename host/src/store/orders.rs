//! Orders that activities have the shop open, their refunds, and the goods that the shop has.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::domain::{
    activity::ActivityId,
    id::Id,
    money::{Currency, Money},
    order::{Line, Order, OrderState, Refund},
    rules::Ordered,
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json},
    commit::Part,
    rows::{Column, Rows, Script},
};

/// A good of the shop, as the platform has told it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Sku {
    #[schema(value_type = String)]
    pub id: Id,
    pub title: String,
    /// The shop's own price of one unit, in minor units of the community's currency.
    pub price_minor: i64,
    /// Units that can be sold now.
    pub sellable: i64,
}

/// An order, as the platform and its member see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderView {
    /// What the shop knows it by.
    #[schema(value_type = String)]
    pub id: Id,
    #[schema(value_type = String)]
    pub activity: Id,
    #[schema(value_type = String)]
    pub member: Id,
    pub lines: Vec<Line>,
    pub total: Money,
    pub state: OrderState,
    /// UTC milliseconds: it is cancelled then, unless it is paid.
    pub pay_by: i64,
    pub paid_minor: i64,
    pub refunding_minor: i64,
    pub refunded_minor: i64,
    /// Whether the shop must not ship it yet.
    pub is_held: bool,
    pub created_at: i64,
}

impl Store {
    /// What members from one id to another have ordered and paid since an instant; those who have not are left out.
    pub(crate) async fn ordered(
        &self,
        community: &Id,
        (first, last): (&Id, &Id),
        since: i64,
    ) -> anyhow::Result<HashMap<Id, Ordered>> {
        let rows = sqlx::query(
            "SELECT member, COUNT(*) AS orders, CAST(SUM(paid_minor - refunded_minor) AS BIGINT) AS minor FROM orders
             WHERE community = $1 AND member >= $2 AND member <= $3 AND created_at >= $4 AND paid_minor > refunded_minor
             GROUP BY member",
        )
        .bind(community.as_str())
        .bind(first.as_str())
        .bind(last.as_str())
        .bind(since)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| Ok((row.id("member")?, Ordered { orders: row.int("orders")?, minor: row.int("minor")? })))
            .collect()
    }

    /// The order and the journal number of its last change.
    pub(crate) async fn order(&self, id: &ActivityId, key: &str) -> anyhow::Result<Option<(Order, i64)>> {
        let row = sqlx::query("SELECT * FROM orders WHERE community = $1 AND activity = $2 AND key = $3")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(key.as_bytes())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| Ok((read(&row)?, row.int("seq")?))).transpose()
    }

    /// The refund and the journal number of its last change.
    pub(crate) async fn refund(&self, id: &ActivityId, key: &str) -> anyhow::Result<Option<(Refund, i64)>> {
        let row = sqlx::query("SELECT * FROM refunds WHERE community = $1 AND activity = $2 AND key = $3")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(key.as_bytes())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| Ok((read_refund(&row)?, row.int("seq")?))).transpose()
    }

    /// A refund by the name that the shop knows it by.
    pub(crate) async fn refund_by_id(&self, activity: &ActivityId, id: &Id) -> anyhow::Result<Option<Refund>> {
        let row = sqlx::query("SELECT * FROM refunds WHERE community = $1 AND activity = $2 AND id = $3")
            .bind(activity.community.as_str())
            .bind(activity.activity.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read_refund).transpose()
    }

    /// An order by the name that the shop knows it by, and its key in its activity.
    pub(crate) async fn order_by_id(&self, community: &Id, id: &Id) -> anyhow::Result<Option<(OrderView, String)>> {
        let row = sqlx::query("SELECT * FROM orders WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| Ok((view(&row)?, row.key("key")?))).transpose()
    }

    /// A member's orders, by id.
    pub(crate) async fn orders_of(
        &self,
        community: &Id,
        member: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<OrderView>> {
        let rows =
            sqlx::query("SELECT * FROM orders WHERE community = $1 AND member = $2 AND id > $3 ORDER BY id LIMIT $4")
                .bind(community.as_str())
                .bind(member.as_str())
                .bind(page.after.as_str())
                .bind(page.fetch())
                .fetch_all(&self.reader)
                .await?;
        let orders = rows.iter().map(view).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(orders, page.limit, |order: &OrderView| order.id.to_string()))
    }

    pub(crate) async fn put_sku(&self, community: &Id, sku: &Sku) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO skus (community, id, title, price_minor, sellable) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (community, id) DO UPDATE SET title = $3, price_minor = $4, sellable = $5",
        )
        .bind(community.as_str())
        .bind(sku.id.as_str())
        .bind(sku.title.as_str())
        .bind(sku.price_minor)
        .bind(sku.sellable)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn sku(&self, community: &Id, id: &Id) -> anyhow::Result<Option<Sku>> {
        let row = sqlx::query("SELECT * FROM skus WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read_sku).transpose()
    }

    pub(crate) async fn skus(&self, community: &Id, page: &PageRequest) -> anyhow::Result<Page<Sku>> {
        let rows = sqlx::query("SELECT * FROM skus WHERE community = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(community.as_str())
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let skus = rows.iter().map(read_sku).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(skus, page.limit, |sku: &Sku| sku.id.to_string()))
    }
}

/// Orders and refunds as they are now.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    write_orders(script, parts);
    const REFUNDS: Rows = Rows {
        text: "INSERT INTO refunds (community, activity, key, id, order_key, amount_minor, state, reason, seq)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL
               ON CONFLICT (community, activity, key) DO UPDATE SET state = excluded.state, seq = excluded.seq",
        columns: &[
            Column::Text,
            Column::Text,
            Column::Bytes,
            Column::Text,
            Column::Bytes,
            Column::Int,
            Column::Text,
            Column::Text,
            Column::Int,
        ],
    };
    let rows: Vec<_> =
        parts.iter().flat_map(|part| part.effects.refunds.values().map(|refund| (*part, refund))).collect();
    script.add(&REFUNDS, &rows, |values, (part, refund)| {
        values.activity(&part.id);
        values.bytes(refund.key.as_bytes());
        values.text(refund.id.as_str());
        values.bytes(refund.order.as_bytes());
        values.int(refund.amount_minor);
        values.word(refund.state);
        values.text(refund.reason.as_str());
        values.int(part.to.seq);
    });
}

fn write_orders<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const ORDERS: Rows = Rows {
        text: "INSERT INTO orders (community, activity, key, id, member, lines, total_minor, currency, state, pay_by,
                 paid_minor, refunding_minor, refunded_minor, is_held, created_at, seq)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL
               ON CONFLICT (community, activity, key) DO UPDATE SET state = excluded.state, paid_minor = excluded.paid_minor,
                 refunding_minor = excluded.refunding_minor, refunded_minor = excluded.refunded_minor,
                 is_held = excluded.is_held, seq = excluded.seq",
        columns: &[
            Column::Text,
            Column::Text,
            Column::Bytes,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Int,
            Column::Int,
            Column::Int,
            Column::Int,
            Column::Int,
            Column::Int,
        ],
    };
    let rows: Vec<_> = parts.iter().flat_map(|part| part.effects.orders.values().map(|order| (*part, order))).collect();
    script.add(&ORDERS, &rows, |values, (part, order)| {
        values.activity(&part.id);
        values.bytes(order.key.as_bytes());
        values.text(order.id.as_str());
        values.text(order.member.as_str());
        values.made(json(&order.lines));
        values.int(order.total.minor);
        values.text(order.total.currency.as_str());
        values.word(order.state);
        values.int(order.pay_by);
        values.int(order.paid_minor);
        values.int(order.refunding_minor);
        values.int(order.refunded_minor);
        values.int(i64::from(order.is_held));
        values.int(order.created_at);
        values.int(part.to.seq);
    });
}

fn read(row: &AnyRow) -> anyhow::Result<Order> {
    Ok(Order {
        id: row.id("id")?,
        key: row.key("key")?,
        member: row.id("member")?,
        lines: row.json("lines")?,
        total: Money { minor: row.int("total_minor")?, currency: Currency::new(&row.text("currency")?)? },
        state: row.word("state")?,
        pay_by: row.int("pay_by")?,
        paid_minor: row.int("paid_minor")?,
        refunding_minor: row.int("refunding_minor")?,
        refunded_minor: row.int("refunded_minor")?,
        is_held: row.int("is_held")? == 1,
        created_at: row.int("created_at")?,
    })
}

fn view(row: &AnyRow) -> anyhow::Result<OrderView> {
    let Order { id, member, lines, total, state, pay_by, paid_minor, refunding_minor, refunded_minor, .. } = read(row)?;
    Ok(OrderView {
        id,
        activity: row.id("activity")?,
        member,
        lines,
        total,
        state,
        pay_by,
        paid_minor,
        refunding_minor,
        refunded_minor,
        is_held: row.int("is_held")? == 1,
        created_at: row.int("created_at")?,
    })
}

fn read_refund(row: &AnyRow) -> anyhow::Result<Refund> {
    Ok(Refund {
        id: row.id("id")?,
        key: row.key("key")?,
        order: row.key("order_key")?,
        amount_minor: row.int("amount_minor")?,
        state: row.word("state")?,
        reason: row.text("reason")?,
    })
}

fn read_sku(row: &AnyRow) -> anyhow::Result<Sku> {
    Ok(Sku {
        id: row.id("id")?,
        title: row.text("title")?,
        price_minor: row.int("price_minor")?,
        sellable: row.int("sellable")?,
    })
}
