//! The shop that is built in: it keeps books of its own, and is paid, fails and pays back as it is told to. For trying things out
//! and for tests; no money moves.

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::{
    activity::Received,
    domain::{id::Id, money::Money, order::ShopNews},
    store::{demo_orders::DemoOrder, outbox::OutboxRow},
};

use super::Delivery;

/// What an activity asks of the shop, by topic.
#[derive(Deserialize)]
struct Asked {
    order: Id,
    total: Option<Money>,
    refund: Option<Id>,
    amount: Option<Money>,
    held: Option<bool>,
}

/// What somebody does to an order of the demo shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Pays so much, or what it costs. Also late, and as often as one likes: each payment counts.
    Pay(Option<i64>),
    /// The payment fails: the order is closed.
    Fail,
    /// The shop pays back by itself.
    Refund(i64),
}

impl Delivery {
    /// Does what an activity asks. Asked again it does nothing again, and says so again.
    pub(super) async fn ask_demo_shop(&self, community: &Id, row: &OutboxRow) -> anyhow::Result<()> {
        let asked: Asked = serde_json::from_str(row.payload.get()).context("what the shop is asked has a shape")?;
        let store = &self.activities.store;
        let order = asked.order;
        let news = match row.topic.as_str() {
            "order.open" => {
                let total = asked.total.context("an order has a total")?;
                store.open_demo_order(community, &order, &total).await?;
                None
            }
            "order.cancel" => {
                let is_closed = store.close_demo_order(community, &order).await?;
                is_closed.then(|| ShopNews::Closed { order, reason: "cancelled".into() })
            }
            "order.refund" => {
                let (refund, amount) = asked.refund.zip(asked.amount).context("a refund has an id and an amount")?;
                Some(ShopNews::Refunded { order, refund, amount })
            }
            "order.hold" => {
                store.hold_demo_order(community, &order, asked.held.unwrap_or_default()).await?;
                None
            }
            other => bail!("the shop cannot {other}"),
        };
        if let Some(news) = news {
            self.tell_host(community, news).await?;
        }
        Ok(())
    }

    /// Somebody does something to an order: what the host said to it, and the order. None where the demo shop has no such order.
    pub(crate) async fn visit_demo_shop(
        &self,
        community: &Id,
        order: &Id,
        deed: Deed,
    ) -> anyhow::Result<Option<(Received, DemoOrder)>> {
        let store = &self.activities.store;
        let Some(known) = store.demo_order(community, order).await? else { return Ok(None) };
        let money = |minor: i64| Money { minor, currency: known.total.currency };
        let order = order.clone();
        let news = match deed {
            Deed::Pay(minor) => {
                let amount = money(minor.unwrap_or(known.total.minor));
                ShopNews::Paid { order, payment: Id::random("pay"), amount }
            }
            Deed::Fail => {
                store.close_demo_order(community, &order).await?;
                ShopNews::Closed { order, reason: "the payment failed".into() }
            }
            Deed::Refund(minor) => ShopNews::Refunded { order, refund: Id::random("rfd"), amount: money(minor) },
        };
        let received = self.tell_host(community, news).await?;
        Ok(store.demo_order(community, &known.id).await?.map(|order| (received, order)))
    }

    /// Books what has happened, and tells the host.
    async fn tell_host(&self, community: &Id, news: ShopNews) -> anyhow::Result<Received> {
        let (order, paid, refunded) = match &news {
            ShopNews::Paid { order, amount, .. } => (order.clone(), amount.minor, 0),
            ShopNews::Refunded { order, amount, .. } => (order.clone(), 0, amount.minor),
            ShopNews::Closed { order, .. } | ShopNews::RefundRefused { order, .. } => (order.clone(), 0, 0),
        };
        let now = self.activities.clock.now();
        let received = self.activities.hear_shop(community, news, now).await?;
        if received == Received::Now {
            self.activities.store.pay_demo_order(community, &order, paid, refunded).await?;
        }
        Ok(received)
    }
}
