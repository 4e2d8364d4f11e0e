//! The journal: every answered call, and the answers to retries.

use std::{collections::HashMap, fmt::Write};

use anyhow::Context;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::AssertSqlSafe;
use utoipa::ToSchema;

use crate::domain::{
    activity::ActivityId,
    journal::{JournalRow, Outcome, Recorded, RetryKey},
    json::Json,
};

use super::{
    Page, PageRequest, Store,
    columns::Columns,
    commit::Part,
    rows::{Column, Rows, Script},
};

/// One answered call, as operators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JournalEntry {
    pub seq: i64,
    /// `action`, `start`, `timer`, `event`, `pause`, `resume`, `stop`, `settle`, `migrate` or `expand`.
    pub kind: String,
    /// The member, or the operator's key; empty for the host's own calls.
    pub actor: String,
    pub name: String,
    pub idempotency_key: Option<String>,
    #[schema(value_type = serde_json::Value)]
    pub input: Box<RawValue>,
    /// UTC milliseconds.
    pub now: i64,
    /// `ok` or `refused`.
    pub outcome: String,
    /// The output, or the refusal.
    #[schema(value_type = serde_json::Value)]
    pub answer: Box<RawValue>,
    /// What the host told from outside the activity, and the draws, in the order asked.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub facts: Box<RawValue>,
    /// The plugin's version.
    pub version: String,
}

impl Store {
    /// A page of the journal, newest last; the cursor is the last number seen.
    pub(crate) async fn journal(&self, id: &ActivityId, page: &PageRequest) -> anyhow::Result<Page<JournalEntry>> {
        let rows = sqlx::query(
            "SELECT * FROM journal WHERE community = $1 AND activity = $2 AND seq > $3 ORDER BY seq LIMIT $4",
        )
        .bind(id.community.as_str())
        .bind(id.activity.as_str())
        .bind(page.after_number(0)?)
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let entries = rows
            .iter()
            .map(|row| {
                Ok(JournalEntry {
                    seq: row.int("seq")?,
                    kind: row.text("kind")?,
                    actor: row.text("actor")?,
                    name: row.text("name")?,
                    idempotency_key: row.text_or_none("idempotency_key")?,
                    input: RawValue::from_string(row.text("input")?)?,
                    now: row.int("now")?,
                    outcome: row.text("outcome")?,
                    answer: RawValue::from_string(row.text("answer")?)?,
                    facts: RawValue::from_string(row.text("facts")?)?,
                    version: row.text("version")?,
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Page::of(entries, page.limit, |entry: &JournalEntry| entry.seq.to_string()))
    }

    /// Which of these calls were answered before, and how. One statement for a whole batch.
    pub(crate) async fn recorded(
        &self,
        id: &ActivityId,
        keys: &[RetryKey],
    ) -> anyhow::Result<HashMap<RetryKey, Recorded>> {
        let mut found = HashMap::new();
        for keys in keys.chunks(LOOKUP_KEYS) {
            // Padded with the last key, so that there is one statement to prepare.
            let padded = keys.iter().chain(std::iter::repeat(&keys[keys.len() - 1])).take(lookup_size(keys.len()));
            let mut statement = sqlx::query(AssertSqlSafe(lookup(lookup_size(keys.len()))))
                .bind(id.community.as_str())
                .bind(id.activity.as_str());
            for key in padded {
                statement = statement.bind(key.actor.as_str()).bind(key.name.as_str()).bind(key.key.as_str());
            }
            for row in statement.fetch_all(&self.reader).await? {
                let key =
                    RetryKey { actor: row.id("actor")?, name: row.text("name")?, key: row.text("idempotency_key")? };
                let recorded = Recorded {
                    seq: row.int("seq")?,
                    input: row.text("input")?,
                    outcome: Outcome::parse(&row.text("outcome")?).context("column outcome")?,
                    answer: Json::parse(row.text("answer")?).context("column answer")?,
                };
                found.insert(key, recorded);
            }
        }
        Ok(found)
    }
}

/// The most keys of one look-up; a batch rarely has more.
const LOOKUP_KEYS: usize = 64;

/// Keys per statement: few sizes, so that few statements are prepared.
fn lookup_size(keys: usize) -> usize {
    [1, 8].into_iter().find(|size| keys <= *size).unwrap_or(LOOKUP_KEYS)
}

/// The keys stand first, and CROSS JOIN keeps them there: one probe of the index for each, however long the journal is.
fn lookup(size: usize) -> String {
    let mut sql = String::from("SELECT seq, actor, name, idempotency_key, input, outcome, answer FROM (VALUES ");
    for key in 0..size {
        let (comma, first) = (if key == 0 { "" } else { ", " }, key * 3 + 3);
        write!(sql, "{comma}(${first}, ${}, ${})", first + 1, first + 2).expect("a string takes all");
    }
    sql.push_str(
        ") AS wanted CROSS JOIN journal WHERE community = $1 AND activity = $2 AND actor = wanted.column1
         AND name = wanted.column2 AND idempotency_key = wanted.column3",
    );
    sql
}

/// The rows of calls that were answered.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const JOURNAL: Rows = Rows {
        text: "INSERT INTO journal (community, activity, seq, kind, actor, name, idempotency_key, input, now, outcome, answer,
                 facts, version)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL",
        columns: &[Column::Text, Column::Text, Column::Int, Column::Text, Column::Text, Column::Text, Column::Text, Column::Text, Column::Int, Column::Text, Column::Text, Column::Text, Column::Text],
    };
    let rows: Vec<(&ActivityId, &JournalRow)> =
        parts.iter().flat_map(|part| part.journal.iter().map(|row| (&part.id, row))).collect();
    script.add(&JOURNAL, &rows, |values, (id, row)| {
        values.activity(id);
        values.int(row.seq);
        values.text(row.kind.as_str());
        values.text(row.actor.as_str());
        values.text(row.name.as_str());
        values.text(row.idempotency_key.as_deref());
        values.text(row.input.as_str());
        values.int(row.now);
        values.text(row.outcome.as_str());
        values.text(row.answer.as_str());
        values.text(row.facts.as_str());
        values.text(row.version.as_str());
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            activity::{Head, Lifecycle},
            id::Id,
            journal::CallKind,
        },
        effects::Effects,
    };

    /// Calls of as many members, one after another, whose keys begin with the time.
    fn part(from: i64, count: i64) -> Part {
        let strewn = |seq: i64| seq * 2_654_435_761 % 4_093;
        let row = |seq| JournalRow {
            seq,
            kind: CallKind::Action,
            actor: format!("m{}", strewn(seq)),
            name: "help".into(),
            idempotency_key: Some(format!("{seq:012x}-{}", strewn(seq + 1))),
            input: "{}".into(),
            now: 0,
            outcome: Outcome::Ok,
            answer: Json::of(&()),
            facts: "[]".into(),
            version: "1.0.0".into(),
        };
        let id = Id::new("a").expect("an id");
        let head = Head { seq: from, lifecycle: Lifecycle::Running, started_at: 0, now: 0, stored_bytes: 0, faults: 0 };
        Part {
            id: ActivityId { community: id.clone(), activity: id },
            budget: None,
            from: head,
            to: Head { seq: from + count, ..head },
            journal: (from..from + count).map(row).collect(),
            effects: Effects::default(),
            change: None,
        }
    }

    #[tokio::test]
    async fn keys_that_begin_with_the_time_take_few_pages() {
        const BATCH: i64 = 64;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("test.db");
        let store = Store::open(&format!("sqlite:{}", path.display())).await.expect("opens");
        let commit = async |from| {
            let part = part(from, BATCH);
            let mut script = Script::new(store.kind);
            write(&mut script, &[&part]);
            script.commit(&store).await.expect("is written");
        };
        for from in (0..4_096).step_by(BATCH as usize) {
            commit(from).await;
        }
        // A frame of the log is a page and its header.
        let log = path.with_extension("db-wal");
        let frames = || std::fs::metadata(&log).expect("a file").len() / (4_096 + 24);
        let before = frames();
        commit(4_096).await;
        let pages = frames() - before;
        assert!((1..=16).contains(&pages), "{pages} pages for {BATCH} calls");
    }
}
