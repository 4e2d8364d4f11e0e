//! The way in for what happens outside: news of the shop, events of the platform. Each is taken once, and kept until it was heard.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::domain::{
    activity::ActivityId,
    event::{HostEvent, OrderNews},
    id::{Id, hex},
    json::Json,
    money::MINOR_MAX,
    order::ShopNews,
};

use super::{Activities, work::Work};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    Now,
    /// It had been taken before; nothing changed.
    Before,
    /// It is about an order that the community does not have, or pays it in another currency.
    Unknown,
}

impl Activities {
    /// Takes what the shop says of an order. The same payment, closing or refund is taken once, under whatever message it comes.
    pub(crate) async fn hear_shop(&self, community: &Id, news: ShopNews, at: i64) -> anyhow::Result<Received> {
        let Some((order, key)) = self.store.order_by_id(community, news.order()).await? else {
            return Ok(Received::Unknown);
        };
        let (topic, what) = match &news {
            ShopNews::Paid { amount, .. } | ShopNews::Refunded { amount, .. }
                if amount.currency != order.total.currency || !(1..=MINOR_MAX).contains(&amount.minor) =>
            {
                return Ok(Received::Unknown);
            }
            ShopNews::Paid { order, payment, .. } => ("order.paid", format!("{order}\n{payment}")),
            ShopNews::Closed { order, .. } => ("order.closed", order.to_string()),
            ShopNews::Refunded { order, refund, .. } => ("order.refunded", format!("{order}\n{refund}")),
        };
        let hash = Sha256::new().chain_update(topic).chain_update("\n").chain_update(what).finalize();
        let event = HostEvent {
            id: Id::new(&format!("evt_{}", hex(&hash[..16]))).expect("hexadecimal digits are fine in an id"),
            topic: topic.into(),
            subject: order.member,
            payload: Json::of(&news).into_raw(),
            at,
            order: Some(OrderNews { key, news }),
        };
        self.receive_for(community, &event, vec![order.activity]).await
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
            let loaded = self.catalog.load(&plugin, &version).await?;
            if loaded.is_some_and(|loaded| loaded.manifest.listens.contains(&topic)) {
                listening.push(activity);
            }
        }
        let event = HostEvent { id, topic, subject, payload, at, order: None };
        self.receive_for(community, &event, listening).await
    }

    async fn receive_for(&self, community: &Id, event: &HostEvent, activities: Vec<Id>) -> anyhow::Result<Received> {
        if !self.store.receive(community, event, &activities, self.clock.now()).await? {
            return Ok(Received::Before);
        }
        for activity in activities {
            let id = ActivityId { community: community.clone(), activity };
            let activities = self.clone();
            // Where this host does not come to it, whoever looks for due timers does.
            tokio::spawn(async move { activities.ask_runner(&id, || Work::Wake).await.map(drop) });
        }
        Ok(Received::Now)
    }
}
