//! Telling one endpoint of one activity: what is behind its cursor, in order, until something fails.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;
use serde_json::json;

use crate::{
    domain::{
        activity::ActivityId,
        endpoint::{Endpoint, EndpointKind, EndpointState},
        id::Id,
        order::{ShopNews, worldwide_id},
    },
    store::{
        endpoints::{Cursor, Due},
        outbox::OutboxRow,
    },
};

use super::{
    Delivery,
    client::Message,
    live::{Followed, News},
    signature,
};

/// Who tells has so long; then another host may. It is longer than [`TELLING_TIME_MAX`] and one answer together.
const LEASE_MS: i64 = 60_000;

/// Once it has told for so long, what has been told is written down; the rest comes in the next round. So it is when the host is to end.
const TELLING_TIME_MAX: Duration = Duration::from_secs(10);

/// Pauses between attempts, in seconds: ten attempts over three days and three hours. Then the endpoint is switched off.
pub(super) const PAUSES_S: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// The one status by which a shop says that it will never do what it is asked to. Anything else may pass.
const REFUSED: u16 = 422;

/// A pause is longer by up to a fifth, so that receivers which failed together are not told together.
const JITTER_PERCENT: i64 = 20;

/// What became of telling an endpoint of an activity.
pub(super) enum Told {
    Something,
    /// There is nothing to tell, up to and with the call that it was due for.
    Nothing(Due),
    /// It is not to be told now.
    No,
}

/// What became of a message.
enum Answer {
    Heard,
    /// Not now; why.
    Failed(String),
    /// It said that it is gone, and wants no more.
    Gone,
}

impl Delivery {
    pub(super) async fn tell(self, due: Due) -> anyhow::Result<Told> {
        let store = &self.activities.store;
        let rows = store.outbox_after(&due.activity, due.cursor).await?;
        if rows.is_empty() {
            return Ok(Told::Nothing(due));
        }
        let Some(endpoint) = store.endpoint(&due.activity.community, &due.endpoint).await? else {
            return Ok(Told::No);
        };
        let now = self.activities.clock.now();
        let Some(lease) = store.lease(&due, now, now + LEASE_MS).await? else { return Ok(Told::No) };
        if endpoint.kind == EndpointKind::Stream {
            return self.tell_live(&due, lease, &rows).await;
        }
        let begun = Instant::now();
        let mut cursor = due.cursor;
        for (index, row) in rows.iter().enumerate() {
            let answer = match self.tell_one(&endpoint, row).await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), endpoint = %endpoint.id, "a message could not be told");
                    Answer::Failed("the host could not tell it".into())
                }
            };
            match answer {
                Answer::Heard => {
                    // The rows of one call were written together: where another call follows, this one is done.
                    let is_call_done = rows.get(index + 1).is_some_and(|next| next.seq > row.seq);
                    cursor = if is_call_done {
                        Cursor { seq: row.seq, ordinal: 0 }
                    } else {
                        Cursor { seq: row.seq - 1, ordinal: row.ordinal }
                    };
                    if begun.elapsed() > TELLING_TIME_MAX || *self.draining.borrow() {
                        break;
                    }
                }
                Answer::Failed(why) => {
                    self.failed(&endpoint, (&due, lease), cursor, &why).await?;
                    return Ok(Told::Something);
                }
                Answer::Gone => {
                    // Switched off while the lease holds: nobody tells it once more in between.
                    store.set_endpoint_state(&endpoint.community, &endpoint.id, EndpointState::Disabled).await?;
                    store.told(&due, lease, cursor, (0, 0, Some("it answered 410 Gone"))).await?;
                    return Ok(Told::Something);
                }
            }
        }
        store.told(&due, lease, cursor, (0, 0, None)).await?;
        Ok(Told::Something)
    }

    /// Gives everything its place in the community's stream.
    async fn tell_live(&self, due: &Due, lease: i64, rows: &[OutboxRow]) -> anyhow::Result<Told> {
        let store = &self.activities.store;
        let told: Vec<&OutboxRow> = rows.iter().filter(|row| is_news(row)).collect();
        if !told.is_empty() {
            store.append_to_stream(&due.activity, &told).await?;
            self.live.tell(News::Of(Followed::Stream(due.activity.community.clone())));
        }
        // More of the last call may follow.
        let cursor = rows.last().map_or(due.cursor, |row| Cursor { seq: row.seq - 1, ordinal: row.ordinal });
        store.told(due, lease, cursor, (0, 0, None)).await?;
        Ok(Told::Something)
    }

    async fn failed(
        &self,
        endpoint: &Endpoint,
        (due, lease): (&Due, i64),
        cursor: Cursor,
        why: &str,
    ) -> anyhow::Result<()> {
        metrics::counter!("fairground_deliveries_failed_total").increment(1);
        let store = &self.activities.store;
        // A failure after something was told is the first of its message.
        let before = if cursor == due.cursor { due.attempts } else { 0 };
        let Some(pause) = usize::try_from(before).ok().and_then(|before| PAUSES_S.get(before)) else {
            tracing::warn!(endpoint = %endpoint.id, why, "an endpoint has failed for three days and is switched off");
            store.set_endpoint_state(&endpoint.community, &endpoint.id, EndpointState::Disabled).await?;
            return store.told(due, lease, cursor, (before + 1, 0, Some(why))).await;
        };
        let mut random = [0];
        getrandom::fill(&mut random).expect("the system has randomness");
        let jitter = pause * 1_000 * JITTER_PERCENT * i64::from(random[0]) / (100 * 255);
        let next = self.activities.clock.now() + pause * 1_000 + jitter;
        tracing::debug!(endpoint = %endpoint.id, activity = %due.activity.activity, why, "a delivery failed");
        store.told(due, lease, cursor, (before + 1, next, Some(why))).await
    }

    async fn tell_one(&self, endpoint: &Endpoint, row: &OutboxRow) -> anyhow::Result<Answer> {
        match (endpoint.kind, row.kind.as_str()) {
            (EndpointKind::Webhook, _) if is_news(row) && endpoint.wants(&row.topic) => {
                Ok(match self.post(endpoint, &message_id(endpoint, row), message(&endpoint.community, row)?).await {
                    Ok(status) if status.is_success() => Answer::Heard,
                    Ok(status) if status.as_u16() == 410 => Answer::Gone,
                    Ok(status) => Answer::Failed(format!("it answered {status}")),
                    Err(why) => Answer::Failed(why),
                })
            }
            (EndpointKind::Shop, "shop") => {
                Ok(match self.post(endpoint, &message_id(endpoint, row), message(&endpoint.community, row)?).await {
                    Ok(status) if status.is_success() => Answer::Heard,
                    // It will not, however often it is asked.
                    Ok(status) if status.as_u16() == REFUSED => {
                        self.refused(endpoint, row).await?;
                        Answer::Heard
                    }
                    Ok(status) => Answer::Failed(format!("it answered {status}")),
                    Err(why) => Answer::Failed(why),
                })
            }
            (EndpointKind::DemoShop, "shop") => {
                self.ask_demo_shop(&endpoint.community, row).await?;
                Ok(Answer::Heard)
            }
            _ => Ok(Answer::Heard),
        }
    }

    /// Sends a message, signed; answers the status, or why there is none.
    pub(super) async fn post(&self, endpoint: &Endpoint, id: &Id, body: String) -> Result<reqwest::StatusCode, String> {
        let now = self.activities.clock.now();
        let seconds = now.div_euclid(1_000);
        let signature = signature::sign(endpoint.keys_at(now), id.as_str(), seconds, body.as_bytes());
        let message = Message { id: id.to_string(), seconds, signature, body };
        self.client.post(&endpoint.url, &message).await
    }

    /// The shop does not do what it was asked to: an order that it does not open is closed, a refund is not made.
    async fn refused(&self, endpoint: &Endpoint, row: &OutboxRow) -> anyhow::Result<()> {
        tracing::warn!(topic = row.topic, order = row.subject, "the shop refused");
        let order = Id::new(&row.subject).context("an order's subject is its id")?;
        let reason = "the shop refused".to_owned();
        let news = match row.topic.as_str() {
            "order.open" => ShopNews::Closed { order, reason },
            "order.refund" => {
                let asked: RefundAsked = serde_json::from_str(row.payload.get())?;
                ShopNews::RefundRefused { order, refund: asked.refund, reason }
            }
            _ => return Ok(()),
        };
        self.activities.hear_shop(&endpoint.community, news, self.activities.clock.now()).await?;
        Ok(())
    }
}

#[derive(Deserialize)]
struct RefundAsked {
    refund: Id,
}

/// What the world hears of.
fn is_news(row: &OutboxRow) -> bool {
    matches!(row.kind.as_str(), "event" | "proposal")
}

/// What is said of a row of the outbox, as JSON.
pub(crate) fn message(community: &Id, row: &OutboxRow) -> anyhow::Result<String> {
    let body = json!({
        "type": row.topic, "timestamp": timestamp(row.at)?, "data": row.payload,
        "community": community, "activity": row.activity, "subject": row.subject, "seq": row.seq,
    });
    Ok(body.to_string())
}

/// The same however often it is sent.
fn message_id(endpoint: &Endpoint, row: &OutboxRow) -> Id {
    let activity = ActivityId { community: endpoint.community.clone(), activity: row.activity.clone() };
    worldwide_id("msg", &activity, &format!("{}\n{}", row.seq, row.ordinal))
}

pub(super) fn timestamp(at: i64) -> anyhow::Result<String> {
    Ok(jiff::Timestamp::from_millisecond(at)?.to_string())
}
