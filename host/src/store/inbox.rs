//! What activities have still to hear from outside, in order.

use std::{collections::VecDeque, sync::Arc};

use serde::de::DeserializeOwned;

use crate::{
    clock::Clock,
    domain::{activity::ActivityId, event::HostEvent, id::Id},
};

use super::{
    Store,
    columns::{Columns, json},
    commit::Part,
    database::Transaction,
    rows::{Column, Rows, Script},
};

/// An event in an activity's inbox.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub position: i64,
    /// Events of one stream are heard in order.
    pub stream: Arc<str>,
    /// When it was taken.
    pub due: i64,
    pub event: HostEvent,
}

/// What an activity has still to hear.
pub(crate) struct Inbox {
    /// The first events, in order, but for those of streams that rest.
    pub events: VecDeque<Heard>,
    /// When the first of all others was taken.
    pub others_since: Option<i64>,
}

/// Events that are read at once.
const PAGE: i64 = 64;

/// Pages that are looked through for something that may be heard.
const PAGES_MAX: usize = 64;

impl Store {
    /// Takes an event once by its id, and puts it into these activities' inboxes. False where it was taken before: another event of
    /// this id changes nothing.
    pub(crate) async fn receive(
        &self,
        community: &Id,
        (event, stream): (&HostEvent, &str),
        activities: &[Id],
        clock: &Clock,
    ) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        // Not before its turn: a deadline that has passed meanwhile was earlier.
        let now = clock.now();
        let taken = sqlx::query(
            "INSERT INTO received (community, id, topic, subject, payload, at, received_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (community, id) DO NOTHING",
        )
        .bind(community.as_str())
        .bind(event.id.as_str())
        .bind(event.topic.as_str())
        .bind(event.subject.as_str())
        .bind(event.payload.get())
        .bind(event.at)
        .bind(now)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        for activity in activities.iter().filter(|_| taken == 1) {
            put(&mut tx, (community, activity), (event, stream), now).await?;
        }
        tx.commit().await?;
        Ok(taken == 1)
    }

    /// What an event of this id said when it was taken.
    pub(crate) async fn received<T: DeserializeOwned>(&self, community: &Id, id: &Id) -> anyhow::Result<Option<T>> {
        let row = sqlx::query("SELECT payload FROM received WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| row.json("payload")).transpose()
    }

    /// What an activity has still to hear; of streams that rest only that there is something.
    pub(crate) async fn inbox(&self, id: &ActivityId, rests: impl Fn(&str) -> bool) -> anyhow::Result<Inbox> {
        let (mut events, mut others_since, mut after) = (VecDeque::new(), None, 0);
        for _ in 0..PAGES_MAX {
            let rows = sqlx::query(
                "SELECT * FROM inbox WHERE community = $1 AND activity = $2 AND position > $3 ORDER BY position LIMIT $4",
            )
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(after)
            .bind(PAGE)
            .fetch_all(&self.reader)
            .await?;
            for row in &rows {
                after = row.int("position")?;
                let (stream, due): (Arc<str>, i64) = (row.text("stream")?.into(), row.int("due")?);
                if rests(&stream) {
                    others_since = first(others_since, Some(due));
                } else {
                    events.push_back(Heard { position: after, stream, due, event: row.json("event")? });
                }
            }
            if rows.len() < PAGE as usize {
                return Ok(Inbox { events, others_since });
            }
            if !events.is_empty() {
                break;
            }
        }
        let row =
            sqlx::query("SELECT MIN(due) AS since FROM inbox WHERE community = $1 AND activity = $2 AND position > $3")
                .bind(id.community.as_str())
                .bind(id.activity.as_str())
                .bind(after)
                .fetch_one(&self.reader)
                .await?;
        Ok(Inbox { events, others_since: first(others_since, row.int_or_none("since")?) })
    }

    /// Whether there is something of a stream that the activity has still to hear.
    pub(crate) async fn has_news(&self, id: &ActivityId, stream: &str) -> anyhow::Result<bool> {
        let row = sqlx::query("SELECT 1 FROM inbox WHERE community = $1 AND activity = $2 AND stream = $3 LIMIT 1")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(stream)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }

    /// Activities that are running or paused in a community, with their plugin's name and version.
    pub(crate) async fn live_activities(&self, community: &Id) -> anyhow::Result<Vec<(Id, String, String)>> {
        let rows = sqlx::query(
            "SELECT activities.id, plugin, version FROM activities
             JOIN activity_heads ON activity_heads.community = activities.community AND activity_heads.activity = activities.id
             WHERE activities.community = $1 AND lifecycle IN ('running', 'paused') ORDER BY activities.id",
        )
        .bind(community.as_str())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok((row.id("id")?, row.text("plugin")?, row.text("version")?))).collect()
    }
}

/// The earlier one.
fn first(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

/// What was heard is no longer to be heard.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const HEARD: Rows = Rows {
        text: "DELETE FROM inbox WHERE (community, activity, position) IN (SELECT * FROM {rows})",
        columns: &[Column::Text, Column::Text, Column::Int],
    };
    let rows: Vec<_> =
        parts.iter().flat_map(|part| part.effects.heard.iter().map(|place| (&part.id, *place))).collect();
    script.add(&HEARD, &rows, |values, (id, position)| {
        values.activity(id);
        values.int(*position);
    });
}

/// Puts an event at the end of an activity's inbox.
pub(super) async fn put(
    tx: &mut Transaction,
    (community, activity): (&Id, &Id),
    (event, stream): (&HostEvent, &str),
    now: i64,
) -> anyhow::Result<()> {
    // The activity's row first: two events of one activity get places in the order in which they were taken.
    sqlx::query("UPDATE activities SET id = id WHERE community = $1 AND id = $2")
        .bind(community.as_str())
        .bind(activity.as_str())
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO inbox (community, activity, position, stream, event, due)
         SELECT $1, $2, COALESCE(MAX(position), 0) + 1, $3, $4, $5 FROM inbox WHERE community = $1 AND activity = $2",
    )
    .bind(community.as_str())
    .bind(activity.as_str())
    .bind(stream)
    .bind(json(event))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
