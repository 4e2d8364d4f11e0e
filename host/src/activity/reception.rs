//! The way in for what happens outside: news of the shop, events of the platform. Each is taken once, and kept until it was heard.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::{
    domain::{
        activity::ActivityId,
        event::{HostEvent, OrderNews},
        id::{Id, hex},
        json::Json,
        money::{MINOR_MAX, Money},
        order::{ShopNews, order_stream},
    },
    store::orders::OrderView,
};

use super::{Activities, work::Work};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    Now,
    /// It had been taken before; nothing changed.
    Before,
    /// It is about an order that the community does not have.
    Unknown,
    /// It is in another currency, was told of another amount before, confirms a refund of another order or amount, or pays back what was
    /// not paid.
    Unfit,
    /// Whether it can be so depends on earlier news of the order, which the activity has still to hear.
    Later,
}

/// What becomes of news that was taken before. It cannot be of another amount now; why something was closed may be said in other words.
fn repeated(before: &ShopNews, news: &ShopNews) -> Received {
    if before.amount() == news.amount() { Received::Before } else { Received::Unfit }
}

impl Activities {
    /// Takes what the shop says of an order. The same payment, closing or refund is taken once, under whatever message it comes.
    pub(crate) async fn hear_shop(&self, community: &Id, news: ShopNews, at: i64) -> anyhow::Result<Received> {
        let Some((order, key)) = self.store.order_by_id(community, news.order()).await? else {
            return Ok(Received::Unknown);
        };
        let activity = ActivityId { community: community.clone(), activity: order.activity.clone() };
        let stream = order_stream(&key);
        let (topic, what) = match &news {
            ShopNews::Paid { order, payment, .. } => ("order.paid", format!("{order}\n{payment}")),
            ShopNews::Closed { order, .. } => ("order.closed", order.to_string()),
            ShopNews::Refunded { order, refund, .. } => ("order.refunded", format!("{order}\n{refund}")),
            ShopNews::RefundRefused { order, refund, .. } => ("order.refund-refused", format!("{order}\n{refund}")),
        };
        let hash = Sha256::new().chain_update(topic).chain_update("\n").chain_update(what).finalize();
        let id = Id::new(&format!("evt_{}", hex(&hash[..16]))).expect("hexadecimal digits are fine in an id");
        // First of all: what was taken once fitted then, and may not fit any more because it was.
        if let Some(before) = self.store.received(community, &id).await? {
            return Ok(repeated(&before, &news));
        }
        if let Some(misfit) = self.misfit(&activity, &order, &key, &stream, &news).await? {
            return Ok(misfit);
        }
        let event = HostEvent {
            id,
            topic: topic.into(),
            subject: order.member,
            payload: Json::of(&news).into_raw(),
            at,
            order: Some(OrderNews { key, news: news.clone() }),
        };
        let received = self.receive_for(community, &event, &stream, vec![order.activity]).await?;
        // Another message was faster.
        if received == Received::Before
            && let Some(before) = self.store.received(community, &event.id).await?
        {
            return Ok(repeated(&before, &news));
        }
        Ok(received)
    }

    /// Takes an event of the platform, for the activities that listen to its topic.
    pub(crate) async fn hear_platform(
        &self,
        community: &Id,
        (id, topic, subject): (Id, String, Id),
        payload: Box<RawValue>,
        at: i64,
    ) -> anyhow::Result<Received> {
        let mut listening = Vec::new();
        for (activity, plugin, version) in self.store.live_activities(community).await? {
            // One whose plugin cannot be loaded now keeps no other from hearing; it is told once it can be.
            let loaded = self.catalog.load(&plugin, &version).await.ok().flatten();
            if loaded.is_none_or(|loaded| loaded.manifest.hears(&topic)) {
                listening.push(activity);
            }
        }
        let stream = format!("\u{1}subject/{subject}");
        let event = HostEvent { id, topic, subject, payload, at, order: None };
        self.receive_for(community, &event, &stream, listening).await
    }

    /// Ends some coupons that nobody has used in time.
    pub(crate) async fn expire_coupons(&self) -> anyhow::Result<()> {
        for id in self.store.expire_coupons(self.clock.now()).await? {
            self.wake(id);
        }
        Ok(())
    }

    /// Has an activity hear what is in its inbox. Where this host does not come to it, whoever looks for due timers does.
    pub(crate) fn wake(&self, id: ActivityId) {
        let activities = self.clone();
        tokio::spawn(async move { activities.ask_runner(&id, || Work::Wake).await.map(drop) });
    }

    /// Why what the shop says cannot be so, or cannot be so yet.
    async fn misfit(
        &self,
        activity: &ActivityId,
        order: &OrderView,
        key: &str,
        stream: &str,
        news: &ShopNews,
    ) -> anyhow::Result<Option<Received>> {
        let is_amount =
            |amount: &Money| amount.currency == order.total.currency && (1..=MINOR_MAX).contains(&amount.minor);
        let asked = match news {
            ShopNews::Refunded { refund, .. } | ShopNews::RefundRefused { refund, .. } => {
                self.store.refund_by_id(activity, refund).await?
            }
            _ => None,
        };
        let fits = match (news, asked) {
            (ShopNews::Closed { .. }, _) => true,
            (ShopNews::Paid { amount, .. }, _) => is_amount(amount),
            (ShopNews::Refunded { amount, .. }, Some(asked)) => {
                is_amount(amount) && asked.order == key && asked.amount_minor == amount.minor
            }
            (ShopNews::RefundRefused { .. }, asked) => asked.is_some_and(|asked| asked.order == key),
            // By the shop itself: of what it was paid, as far as that was heard.
            (ShopNews::Refunded { amount, .. }, None) => {
                if self.store.has_news(activity, stream).await? {
                    return Ok(Some(Received::Later));
                }
                // It may have heard them since the order was read.
                let Some((order, _)) = self.store.order_by_id(&activity.community, news.order()).await? else {
                    return Ok(Some(Received::Unknown));
                };
                is_amount(amount) && amount.minor <= order.paid_minor - order.refunded_minor
            }
        };
        Ok((!fits).then_some(Received::Unfit))
    }

    async fn receive_for(
        &self,
        community: &Id,
        event: &HostEvent,
        stream: &str,
        activities: Vec<Id>,
    ) -> anyhow::Result<Received> {
        if !self.store.receive(community, (event, stream), &activities, &self.clock).await? {
            return Ok(Received::Before);
        }
        for activity in activities {
            self.wake(ActivityId { community: community.clone(), activity });
        }
        Ok(Received::Now)
    }
}
