//! Entries: the activities' own memory.

use std::sync::Arc;

use sqlx::any::AnyRow;

use crate::{domain::activity::ActivityId, effects::Written};

use super::{
    Store,
    columns::Columns,
    commit::Part,
    rows::{Column, Rows, Script},
};

pub(crate) struct EntryRow {
    pub key: Arc<str>,
    pub written: Written,
    pub seq: i64,
}

impl Store {
    pub(crate) async fn entry(&self, id: &ActivityId, key: &str) -> anyhow::Result<Option<EntryRow>> {
        let row = sqlx::query("SELECT * FROM entries WHERE community = $1 AND activity = $2 AND key = $3")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(key.as_bytes())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Every key of the activity, deleted ones included, or the first `limit` of them.
    pub(crate) async fn all_entries(&self, id: &ActivityId, limit: usize) -> anyhow::Result<Vec<EntryRow>> {
        let rows = sqlx::query("SELECT * FROM entries WHERE community = $1 AND activity = $2 LIMIT $3")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(i64::try_from(limit)?)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Keys with a value that start with `prefix`, after `after`, in byte order.
    pub(crate) async fn entry_page(
        &self,
        id: &ActivityId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<EntryRow>> {
        let mut end = prefix.as_bytes().to_vec();
        // UTF-8 never has the byte 0xFF, so the last byte can always be raised; without a prefix the end is above all keys.
        match end.last_mut() {
            Some(last) => *last += 1,
            None => end.push(u8::MAX),
        }
        let rows = sqlx::query(
            "SELECT * FROM entries WHERE community = $1 AND activity = $2 AND key >= $3 AND key > $4 AND key < $5
               AND value IS NOT NULL
             ORDER BY key LIMIT $6",
        )
        .bind(id.community.as_str())
        .bind(id.activity.as_str())
        .bind(prefix.as_bytes())
        .bind(after.unwrap_or_default().as_bytes())
        .bind(end)
        .bind(i64::try_from(limit)?)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(read).collect()
    }
}

/// The last word on each key.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const ENTRIES: Rows = Rows {
        text: "INSERT INTO entries (community, activity, key, value, version, seq)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL
               ON CONFLICT (community, activity, key) DO UPDATE SET value = excluded.value, version = excluded.version,
                 seq = excluded.seq",
        columns: &[Column::Text, Column::Text, Column::Bytes, Column::Bytes, Column::Int, Column::Int],
    };
    let rows: Vec<(&Part, &str, &Written)> = parts
        .iter()
        .flat_map(|part| part.effects.entries.iter().map(|(key, written)| (*part, key.as_ref(), written)))
        .collect();
    script.add(&ENTRIES, &rows, |values, (part, key, written)| {
        values.activity(&part.id);
        values.bytes(key.as_bytes());
        values.bytes(written.value.as_deref());
        values.int(written.version);
        values.int(part.to.seq);
    });
}

fn read(row: &AnyRow) -> anyhow::Result<EntryRow> {
    let written = Written { value: row.bytes_or_none("value")?.map(Into::into), version: row.int("version")? };
    Ok(EntryRow { key: row.key("key")?.into(), written, seq: row.int("seq")? })
}
