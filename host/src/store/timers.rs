//! Timers.

use std::sync::Arc;

use sqlx::any::AnyRow;

use crate::{
    domain::{activity::ActivityId, event::OWN_STREAM},
    effects::Timer,
};

use super::{
    Store,
    columns::{Columns, json},
    commit::Part,
    rows::{Column, Rows, Script},
};

/// An activity that something waits for, and since when.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub since: i64,
    pub id: ActivityId,
}

impl Store {
    pub(crate) async fn timers(&self, id: &ActivityId) -> anyhow::Result<Vec<(Arc<str>, Timer)>> {
        let rows = sqlx::query("SELECT * FROM timers WHERE community = $1 AND activity = $2")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .fetch_all(&self.reader)
            .await?;
        rows.iter()
            .map(|row| {
                let calendar = row.text_or_none("calendar")?.map(|text| serde_json::from_str(&text)).transpose()?;
                let timer = Timer { due: row.int("due")?, payload: row.text("payload")?, calendar };
                Ok((row.key("key")?.into(), timer))
            })
            .collect()
    }

    /// A page of the activities with a timer due at `now` or before, or with something to hear, whose plugin may run or is not
    /// needed, the oldest first.
    pub(crate) async fn due_activities(&self, now: i64, after: Option<&Due>, limit: usize) -> anyhow::Result<Vec<Due>> {
        let (since, community, activity) = match after {
            Some(Due { since, id }) => (*since, id.community.as_str(), id.activity.as_str()),
            None => (i64::MIN, "", ""),
        };
        let rows = sqlx::query(
            "SELECT waiting.community, waiting.activity, MIN(due) AS since FROM
                (SELECT community, activity, due, '' AS stream FROM timers WHERE due <= $1
                 UNION ALL SELECT community, activity, due, stream FROM inbox WHERE due <= $1) AS waiting
             JOIN activities ON activities.community = waiting.community AND activities.id = waiting.activity
             JOIN plugins ON plugins.name = activities.plugin AND plugins.version = activities.version
             WHERE plugins.state = 'enabled' OR SUBSTR(waiting.stream, 1, LENGTH($3)) = $3
             GROUP BY waiting.community, waiting.activity
             HAVING (MIN(due), waiting.community, waiting.activity) > ($4, $5, $6)
             ORDER BY MIN(due), waiting.community, waiting.activity LIMIT $2",
        )
        .bind(now)
        .bind(i64::try_from(limit)?)
        .bind(OWN_STREAM)
        .bind(since)
        .bind(community)
        .bind(activity)
        .fetch_all(&self.reader)
        .await?;
        let due = |row: &AnyRow| {
            let id = ActivityId { community: row.id("community")?, activity: row.id("activity")? };
            Ok(Due { since: row.int("since")?, id })
        };
        rows.iter().map(due).collect()
    }
}

/// Timers that were set, and those that ran or were cancelled.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const GONE: Rows = Rows {
        text: "DELETE FROM timers WHERE (community, activity, key) IN (SELECT * FROM {rows})",
        columns: &[Column::Text, Column::Text, Column::Bytes],
    };
    const SET: Rows = Rows {
        text: "INSERT INTO timers (community, activity, key, due, payload, calendar)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL
               ON CONFLICT (community, activity, key) DO UPDATE SET due = excluded.due, payload = excluded.payload,
                 calendar = excluded.calendar",
        columns: &[Column::Text, Column::Text, Column::Bytes, Column::Int, Column::Text, Column::Text],
    };
    let all: Vec<(&ActivityId, &str, Option<&Timer>)> = parts
        .iter()
        .flat_map(|part| part.effects.timers.iter().map(|(key, timer)| (&part.id, key.as_ref(), timer.as_ref())))
        .collect();
    let gone: Vec<_> = all.iter().filter(|(_, _, timer)| timer.is_none()).collect();
    script.add(&GONE, &gone, |values, (id, key, _)| {
        values.activity(id);
        values.bytes(key.as_bytes());
    });
    let set: Vec<_> = all.iter().filter_map(|(id, key, timer)| Some((*id, *key, (*timer)?))).collect();
    script.add(&SET, &set, |values, (id, key, timer)| {
        values.activity(id);
        values.bytes(key.as_bytes());
        values.int(timer.due);
        values.text(timer.payload.as_str());
        values.made(timer.calendar.as_ref().map(json));
    });
}
