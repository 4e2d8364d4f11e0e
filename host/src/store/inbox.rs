//! What activities have still to hear from outside, in order.

use crate::domain::{activity::ActivityId, event::HostEvent, id::Id};

use super::{
    Store,
    columns::{Columns, json},
    commit::Part,
    rows::{Column, Rows, Script},
};

/// An event and its place in an activity's inbox.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub position: i64,
    pub event: HostEvent,
}

impl Store {
    /// Takes an event once by its id, and puts it into these activities' inboxes. False where it was taken before: another event of
    /// this id changes nothing.
    pub(crate) async fn receive(
        &self,
        community: &Id,
        event: &HostEvent,
        activities: &[Id],
        now: i64,
    ) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
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
            // The activity's row first: two events of one activity get places in the order in which they were taken.
            sqlx::query("UPDATE activities SET id = id WHERE community = $1 AND id = $2")
                .bind(community.as_str())
                .bind(activity.as_str())
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT INTO inbox (community, activity, position, event, due)
                 SELECT $1, $2, COALESCE(MAX(position), 0) + 1, $3, $4 FROM inbox WHERE community = $1 AND activity = $2",
            )
            .bind(community.as_str())
            .bind(activity.as_str())
            .bind(json(event))
            .bind(now)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(taken == 1)
    }

    /// The first events that an activity has still to hear, in order.
    pub(crate) async fn inbox(&self, id: &ActivityId, limit: i64) -> anyhow::Result<Vec<Heard>> {
        let rows = sqlx::query(
            "SELECT position, event FROM inbox WHERE community = $1 AND activity = $2 ORDER BY position LIMIT $3",
        )
        .bind(id.community.as_str())
        .bind(id.activity.as_str())
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok(Heard { position: row.int("position")?, event: row.json("event")? })).collect()
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

/// What was heard is no longer to be heard.
pub(super) fn write(script: &mut Script, parts: &[&Part]) {
    const HEARD: Rows = Rows {
        text: "DELETE FROM inbox WHERE (community, activity, position) IN (SELECT * FROM {rows})",
        columns: &[Column::Text, Column::Text, Column::Int],
    };
    let rows: Vec<_> = parts.iter().flat_map(|part| part.effects.heard.iter().map(|place| (&part.id, *place))).collect();
    script.add(&HEARD, &rows, |values, (id, position)| {
        values.activity(id);
        values.int(*position);
    });
}
