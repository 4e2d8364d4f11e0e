//! Endpoints, and how far each has been told of each activity.

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::domain::{
    activity::ActivityId,
    endpoint::{Endpoint, EndpointKind, EndpointState, SigningKey},
    id::Id,
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json, word},
    outbox::{self, OutboxRow},
};

/// Rows of an outbox that are read at once.
const ROWS_MAX: i64 = 64;

/// Keys of an endpoint that sign at a time, should somebody rotate them again and again.
const KEYS_MAX: usize = 5;

/// How far an endpoint has been told: everything up to and with call `seq`, and of the next call as far as `ordinal`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub seq: i64,
    pub ordinal: i64,
}

/// Something that an endpoint may have to be told.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub activity: ActivityId,
    pub endpoint: Id,
    pub cursor: Cursor,
    pub attempts: i64,
    /// The activity's last call when it was found due.
    pub head: i64,
}

/// How the telling of an activity goes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    #[schema(value_type = String)]
    pub activity: Id,
    /// Everything up to and with this call has been told.
    pub seq: i64,
    /// Failures in a row.
    pub attempts: i64,
    /// UTC milliseconds of the next attempt, where the last one failed.
    pub due: i64,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl Store {
    /// Creates an endpoint or takes the place of the one of its id, which has been told what that one had been told. A new webhook
    /// or stream hears what happens from now on, a first shop everything.
    pub(crate) async fn put_endpoint(&self, endpoint: &Endpoint) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        let is_new = sqlx::query("SELECT 1 FROM endpoints WHERE community = $1 AND id = $2")
            .bind(endpoint.community.as_str())
            .bind(endpoint.id.as_str())
            .fetch_optional(&mut *tx)
            .await?
            .is_none();
        sqlx::query(
            "INSERT INTO endpoints (community, id, kind, url, topics, secrets, state, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (community, id) DO UPDATE SET kind = $3, url = $4, topics = $5, secrets = $6, state = $7",
        )
        .bind(endpoint.community.as_str())
        .bind(endpoint.id.as_str())
        .bind(word(endpoint.kind))
        .bind(endpoint.url.as_str())
        .bind(json(&endpoint.topics))
        .bind(json(&endpoint.keys))
        .bind(word(endpoint.state))
        .bind(endpoint.created_at)
        .execute(&mut *tx)
        .await?;
        if !is_new {
            // Whatever it failed at is tried again at once, perhaps elsewhere.
            sqlx::query(
                "UPDATE deliveries SET attempts = 0, due = 0, error = NULL WHERE community = $1 AND endpoint = $2",
            )
            .bind(endpoint.community.as_str())
            .bind(endpoint.id.as_str())
            .execute(&mut *tx)
            .await?;
        } else if matches!(endpoint.kind, EndpointKind::Webhook | EndpointKind::Stream) {
            sqlx::query(
                "INSERT INTO deliveries (community, endpoint, activity, seq, ordinal, attempts, due, leased_until)
                 SELECT community, $2, activity, seq, 0, 0, 0, 0 FROM activity_heads WHERE community = $1
                 ON CONFLICT DO NOTHING",
            )
            .bind(endpoint.community.as_str())
            .bind(endpoint.id.as_str())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn endpoint(&self, community: &Id, id: &Id) -> anyhow::Result<Option<Endpoint>> {
        let row = sqlx::query("SELECT * FROM endpoints WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Webhooks of a community, by id.
    pub(crate) async fn webhooks(&self, community: &Id, page: &PageRequest) -> anyhow::Result<Page<Endpoint>> {
        let rows = sqlx::query(
            "SELECT * FROM endpoints WHERE community = $1 AND kind = 'webhook' AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(community.as_str())
        .bind(page.after.as_str())
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let endpoints = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(endpoints, page.limit, |endpoint: &Endpoint| endpoint.id.to_string()))
    }

    /// Webhooks that are switched on and have asked for a topic by name.
    pub(crate) async fn webhooks_for(&self, community: &Id, topic: &str) -> anyhow::Result<Vec<Endpoint>> {
        let rows = sqlx::query(
            "SELECT * FROM endpoints WHERE community = $1 AND kind = 'webhook' AND state = 'active' ORDER BY id",
        )
        .bind(community.as_str())
        .fetch_all(&self.reader)
        .await?;
        let endpoints: Vec<Endpoint> = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(endpoints.into_iter().filter(|endpoint| !endpoint.topics.is_empty() && endpoint.wants(topic)).collect())
    }

    /// False where there is none.
    pub(crate) async fn delete_endpoint(&self, community: &Id, id: &Id) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM deliveries WHERE community = $1 AND endpoint = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        let deleted = sqlx::query("DELETE FROM endpoints WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?
            .rows_affected();
        tx.commit().await?;
        Ok(deleted == 1)
    }

    pub(crate) async fn set_endpoint_state(&self, community: &Id, id: &Id, state: EndpointState) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE endpoints SET state = $3 WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .bind(word(state))
            .execute(&mut *tx)
            .await?;
        // Switched on again, it is told at once.
        if state == EndpointState::Active {
            sqlx::query("UPDATE deliveries SET attempts = 0, due = 0 WHERE community = $1 AND endpoint = $2")
                .bind(community.as_str())
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Tells an endpoint of an activity again, from the call after `seq` on; never further on than it would be told anyway. Whoever
    /// is telling it now has no lease any more.
    pub(crate) async fn replay(&self, id: &ActivityId, endpoint: &Id, seq: i64) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE deliveries SET ordinal = CASE WHEN seq < $4 THEN ordinal ELSE 0 END, seq = CASE WHEN seq < $4 THEN seq ELSE $4 END,
               attempts = 0, due = 0, leased_until = 0
             WHERE community = $1 AND endpoint = $2 AND activity = $3",
        )
        .bind(id.community.as_str())
        .bind(endpoint.as_str())
        .bind(id.activity.as_str())
        .bind(seq)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Puts a new key before those that are still good, and lets those end at `until`. None where there is no such endpoint.
    pub(crate) async fn rotate(
        &self,
        community: &Id,
        id: &Id,
        (key, now, until): (SigningKey, i64, i64),
    ) -> anyhow::Result<Option<Endpoint>> {
        let mut tx = self.begin().await?;
        let locked = "UPDATE endpoints SET state = state WHERE community = $1 AND id = $2 RETURNING *";
        let row = sqlx::query(locked).bind(community.as_str()).bind(id.as_str()).fetch_optional(&mut *tx).await?;
        let Some(mut endpoint) = row.as_ref().map(read).transpose()? else {
            tx.rollback().await?;
            return Ok(None);
        };
        endpoint.keys.retain(|key| key.until.is_none_or(|until| now < until));
        for old in &mut endpoint.keys {
            old.until = Some(old.until.unwrap_or(until).min(until));
        }
        endpoint.keys.insert(0, key);
        endpoint.keys.truncate(KEYS_MAX);
        sqlx::query("UPDATE endpoints SET secrets = $3 WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .bind(json(&endpoint.keys))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Some(endpoint))
    }

    /// How the telling of each activity goes, where it has begun.
    pub(crate) async fn deliveries(
        &self,
        community: &Id,
        endpoint: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<DeliveryView>> {
        let rows = sqlx::query(
            "SELECT * FROM deliveries WHERE community = $1 AND endpoint = $2 AND activity > $3 ORDER BY activity LIMIT $4",
        )
        .bind(community.as_str())
        .bind(endpoint.as_str())
        .bind(page.after.as_str())
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let deliveries = rows
            .iter()
            .map(|row| {
                Ok(DeliveryView {
                    activity: row.id("activity")?,
                    seq: row.int("seq")?,
                    attempts: row.int("attempts")?,
                    due: row.int("due")?,
                    error: row.text_or_none("error")?,
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Page::of(deliveries, page.limit, |delivery: &DeliveryView| delivery.activity.to_string()))
    }

    /// Endpoints that may have to be told of an activity at `now`, and nobody is telling them; at most `limit`.
    pub(crate) async fn due_deliveries(&self, now: i64, limit: i64) -> anyhow::Result<Vec<Due>> {
        let rows = sqlx::query(
            "SELECT endpoints.community, endpoints.id, heads.activity, heads.seq AS head, COALESCE(deliveries.seq, 0) AS seq,
                    COALESCE(deliveries.ordinal, 0) AS ordinal, COALESCE(deliveries.attempts, 0) AS attempts
             FROM endpoints
             JOIN activity_heads AS heads ON heads.community = endpoints.community
             LEFT JOIN deliveries ON deliveries.community = endpoints.community AND deliveries.endpoint = endpoints.id
               AND deliveries.activity = heads.activity
             WHERE endpoints.state = 'active' AND heads.seq > COALESCE(deliveries.seq, 0)
               AND COALESCE(deliveries.due, 0) <= $1 AND COALESCE(deliveries.leased_until, 0) <= $1
             ORDER BY COALESCE(deliveries.attempts, 0), COALESCE(deliveries.due, 0) LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Due {
                    activity: ActivityId { community: row.id("community")?, activity: row.id("activity")? },
                    endpoint: row.id("id")?,
                    cursor: Cursor { seq: row.int("seq")?, ordinal: row.int("ordinal")? },
                    attempts: row.int("attempts")?,
                    head: row.int("head")?,
                })
            })
            .collect()
    }

    /// Takes it upon this host to tell an endpoint, until about `until`; answers the lease, or none where somebody was faster: what was
    /// due a moment ago may have been told since, or have failed, or be switched off.
    pub(crate) async fn lease(&self, due: &Due, now: i64, until: i64) -> anyhow::Result<Option<i64>> {
        // No two leases are the same, so that who let one lapse cannot write under the next.
        let mut random = [0];
        getrandom::fill(&mut random).expect("the system has randomness");
        let lease = until + i64::from(random[0]);
        let mut tx = self.begin().await?;
        let leased = sqlx::query(
            "INSERT INTO deliveries (community, endpoint, activity, seq, ordinal, attempts, due, leased_until)
             VALUES ($1, $2, $3, 0, 0, 0, 0, $7)
             ON CONFLICT (community, endpoint, activity) DO UPDATE SET leased_until = $7
             WHERE deliveries.leased_until <= $6 AND deliveries.due <= $6 AND deliveries.seq = $4 AND deliveries.ordinal = $5
               AND deliveries.attempts = $8 AND EXISTS (SELECT 1 FROM endpoints WHERE endpoints.community = $1 AND endpoints.id = $2 AND endpoints.state = 'active')",
        )
        .bind(due.activity.community.as_str())
        .bind(due.endpoint.as_str())
        .bind(due.activity.activity.as_str())
        .bind(due.cursor.seq)
        .bind(due.cursor.ordinal)
        .bind(now)
        .bind(lease)
        .bind(due.attempts)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok((leased == 1).then_some(lease))
    }

    /// What an endpoint has been told by now under a lease, which ends with that: the next attempt is at `due`. Nothing changes where
    /// the lease is no longer good: the operator wants it told again, or another host has begun.
    pub(crate) async fn told(
        &self,
        begun: &Due,
        lease: i64,
        cursor: Cursor,
        (attempts, due, error): (i64, i64, Option<&str>),
    ) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE deliveries SET seq = $4, ordinal = $5, attempts = $6, due = $7, error = $8, leased_until = 0
             WHERE community = $1 AND endpoint = $2 AND activity = $3 AND leased_until = $9",
        )
        .bind(begun.activity.community.as_str())
        .bind(begun.endpoint.as_str())
        .bind(begun.activity.activity.as_str())
        .bind(cursor.seq)
        .bind(cursor.ordinal)
        .bind(attempts)
        .bind(due)
        .bind(error)
        .bind(lease)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// There was nothing to tell of these: their cursors go to the calls that they were due for.
    pub(crate) async fn caught_up(&self, all: &[Due]) -> anyhow::Result<()> {
        if all.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for due in all {
            sqlx::query(
                "INSERT INTO deliveries (community, endpoint, activity, seq, ordinal, attempts, due, leased_until)
                 VALUES ($1, $2, $3, $6, 0, 0, 0, 0)
                 ON CONFLICT (community, endpoint, activity) DO UPDATE SET seq = $6, ordinal = 0
                 WHERE deliveries.seq = $4 AND deliveries.ordinal = $5",
            )
            .bind(due.activity.community.as_str())
            .bind(due.endpoint.as_str())
            .bind(due.activity.activity.as_str())
            .bind(due.cursor.seq)
            .bind(due.cursor.ordinal)
            .bind(due.head)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What is behind a cursor in an activity's outbox, in order.
    pub(crate) async fn outbox_after(&self, id: &ActivityId, cursor: Cursor) -> anyhow::Result<Vec<OutboxRow>> {
        let rows = sqlx::query(
            "SELECT * FROM outbox WHERE community = $1 AND activity = $2 AND seq > $3 AND (seq > $3 + 1 OR ordinal > $4)
             ORDER BY seq, ordinal LIMIT $5",
        )
        .bind(id.community.as_str())
        .bind(id.activity.as_str())
        .bind(cursor.seq)
        .bind(cursor.ordinal)
        .bind(ROWS_MAX)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(outbox::read).collect()
    }
}

fn read(row: &AnyRow) -> anyhow::Result<Endpoint> {
    Ok(Endpoint {
        community: row.id("community")?,
        id: row.id("id")?,
        kind: row.word("kind")?,
        url: row.text("url")?,
        topics: row.json("topics")?,
        keys: row.json("secrets")?,
        state: row.word("state")?,
        created_at: row.int("created_at")?,
    })
}
