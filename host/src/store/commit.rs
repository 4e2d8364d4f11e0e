//! The commit: what many activities did, in one transaction and one fsync.

use std::collections::{BTreeSet, HashSet};

use anyhow::Context;
use sqlx::{any::AnyRow, error::DatabaseError};

use crate::{
    domain::{
        activity::{ActivityId, Head},
        id::Id,
        journal::JournalRow,
    },
    effects::{Effects, Score, Timer, Written},
};

use super::{
    Store, budgets,
    columns::{Columns, word},
    database::Transaction,
    points,
    rows::{Column, Rows, Script, number},
};

/// What one activity did in a row, from the head it was run on to the next.
pub(crate) struct Part {
    pub id: ActivityId,
    pub budget: Option<Id>,
    pub from: Head,
    pub to: Head,
    pub journal: Vec<JournalRow>,
    pub effects: Effects,
    /// The version that the activity moves to, where it moves.
    pub version: Option<String>,
}

/// What became of a part. Only a committed one left anything behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed,
    /// Another host moved the activity first.
    Conflict,
    /// A budget, a balance or an inviter that it counted on has changed.
    Refused,
    /// One of its calls is a retry of a call that is in the journal.
    Repeated,
}

impl Store {
    /// Writes the parts, of different activities, in one transaction. An error says that nothing is known to be written.
    pub(crate) async fn commit(&self, parts: &[Part]) -> anyhow::Result<Vec<Fate>> {
        // What is shared, and versions, are rare, and need an answer half-way.
        if parts.iter().all(|part| !part.effects.is_shared() && part.version.is_none()) {
            let mut script = Script::new(self.kind);
            let all: Vec<&Part> = parts.iter().collect();
            move_heads(&mut script, &all, OrFail::Yes);
            write(&mut script, &all);
            match script.commit(self).await {
                Ok(()) => return Ok(vec![Fate::Committed; parts.len()]),
                Err(error) => tracing::debug!(%error, "a commit is done again with care"),
            }
        }
        self.commit_with_care(parts).await
    }

    /// Looks half-way what became of each part.
    async fn commit_with_care(&self, parts: &[Part]) -> anyhow::Result<Vec<Fate>> {
        let mut tx = self.begin().await?;
        // A runner that retires and the next one may both have a part of one activity: the second waits its turn.
        let mut seen = BTreeSet::new();
        let first: Vec<bool> = parts.iter().map(|part| seen.insert(&part.id)).collect();
        let movable: Vec<&Part> = parts.iter().zip(&first).filter(|(_, first)| **first).map(|(part, _)| part).collect();
        let mut script = Script::new(self.kind);
        move_heads(&mut script, &movable, OrFail::No);
        let moved = moved(&script.run(&mut tx).await?)?;
        let mut fates = Vec::with_capacity(parts.len());
        for (part, first) in parts.iter().zip(first) {
            fates.push(if !first || !moved.contains(&part.id) {
                Fate::Conflict
            } else if part.effects.is_shared() && !change_shared(&mut tx, part).await? {
                Fate::Refused
            } else {
                Fate::Committed
            });
        }
        let committed: Vec<&Part> =
            parts.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Committed).map(|(part, _)| part).collect();
        write_versions(&mut tx, &committed).await?;
        let mut script = Script::new(self.kind);
        write(&mut script, &committed);
        if let Err(error) = script.run(&mut tx).await {
            tx.rollback().await?;
            // The one rule that a call can break here is that of the idempotency keys.
            return match parts {
                [_] if error.as_database_error().is_some_and(DatabaseError::is_unique_violation) => {
                    Ok(vec![Fate::Repeated])
                }
                _ => Err(error.into()),
            };
        }
        tx.commit().await.context("the commit failed")?;
        // Those of refused parts too: what they counted on was old.
        for part in parts {
            for member in part.effects.inviters.iter().flat_map(|(invitee, bound)| [invitee, &bound.inviter]) {
                self.members.invalidate(&(part.id.community.clone(), member.clone()));
            }
        }
        Ok(fates)
    }
}

/// What a head that is not where its part was run does to the transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OrFail {
    Yes,
    No,
}

/// Moves each head from where its part was run to where it leads. Answers those that were still there, or fails if one was not:
/// no head may be NULL.
fn move_heads(script: &mut Script, parts: &[&Part], or_fail: OrFail) {
    const COLUMNS: &[Column] =
        &[Column::Text, Column::Text, Column::Int, Column::Int, Column::Text, Column::Int, Column::Int, Column::Int];
    const OR_FAIL: Rows = Rows {
        text:
            "UPDATE activity_heads SET seq = CASE seq WHEN rows.column3 THEN rows.column4 END, lifecycle = rows.column5,
                 started_at = rows.column6, now = rows.column7, stored_bytes = rows.column8
               FROM {rows} WHERE community = rows.column1 AND activity = rows.column2",
        columns: COLUMNS,
    };
    const WHERE_POSSIBLE: Rows = Rows {
        text: "UPDATE activity_heads SET seq = rows.column4, lifecycle = rows.column5, started_at = rows.column6,
                 now = rows.column7, stored_bytes = rows.column8
               FROM {rows} WHERE community = rows.column1 AND activity = rows.column2 AND seq = rows.column3
               RETURNING community, activity",
        columns: COLUMNS,
    };
    let heads = if or_fail == OrFail::Yes { &OR_FAIL } else { &WHERE_POSSIBLE };
    let mut ordered = parts.to_vec();
    // In one order everywhere, so that two hosts never wait for each other.
    ordered.sort_by(|a, b| a.id.cmp(&b.id));
    script.add(heads, &ordered, |values, part| {
        values.activity(&part.id);
        values.int(part.from.seq);
        values.int(part.to.seq);
        values.text(word(part.to.lifecycle).as_str());
        values.int(part.to.started_at);
        values.int(part.to.now);
        values.int(part.to.stored_bytes);
    });
}

fn moved(rows: &[AnyRow]) -> anyhow::Result<HashSet<ActivityId>> {
    let rows = rows.iter();
    rows.map(|row| Ok(ActivityId { community: row.id("community")?, activity: row.id("activity")? })).collect()
}

/// Changes what activities share, or takes the part's head back and answers false.
async fn change_shared(tx: &mut Transaction, part: &Part) -> anyhow::Result<bool> {
    sqlx::query("SAVEPOINT part").execute(&mut **tx).await?;
    if try_shared(tx, part).await? {
        sqlx::query("RELEASE SAVEPOINT part").execute(&mut **tx).await?;
        return Ok(true);
    }
    sqlx::query("ROLLBACK TO SAVEPOINT part").execute(&mut **tx).await?;
    sqlx::query("RELEASE SAVEPOINT part").execute(&mut **tx).await?;
    sqlx::query(
        "UPDATE activity_heads SET seq = $3, lifecycle = $4, started_at = $5, now = $6, stored_bytes = $7
         WHERE community = $1 AND activity = $2",
    )
    .bind(part.id.community.as_str())
    .bind(part.id.activity.as_str())
    .bind(part.from.seq)
    .bind(word(part.from.lifecycle))
    .bind(part.from.started_at)
    .bind(part.from.now)
    .bind(part.from.stored_bytes)
    .execute(&mut **tx)
    .await?;
    Ok(false)
}

async fn try_shared(tx: &mut Transaction, part: &Part) -> anyhow::Result<bool> {
    let Part { id, budget, effects, .. } = part;
    if effects.budget != Default::default() {
        let Some(budget) = budget else { return Ok(false) };
        if !budgets::change(tx, &id.community, budget, &effects.budget).await? {
            return Ok(false);
        }
    }
    for (account, change) in &effects.points {
        if !points::change(tx, &id.community, account, *change).await? {
            return Ok(false);
        }
    }
    if !effects.inviters.is_empty() {
        // One at a time in a community: two that bind each other must not both find the way free.
        sqlx::query("UPDATE communities SET id = id WHERE id = $1")
            .bind(id.community.as_str())
            .execute(&mut **tx)
            .await?;
    }
    for (invitee, bound) in &effects.inviters {
        if is_above(tx, &id.community, invitee, &bound.inviter).await? {
            return Ok(false);
        }
        let bound = sqlx::query(
            "UPDATE members SET inviter = $3, inviter_source = $4 WHERE community = $1 AND id = $2 AND inviter IS NULL",
        )
        .bind(id.community.as_str())
        .bind(invitee.as_str())
        .bind(bound.inviter.as_str())
        .bind(bound.source.as_str())
        .execute(&mut **tx)
        .await?
        .rows_affected();
        if bound == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a member is another one, or brought them, or whoever brought them, and so on.
async fn is_above(tx: &mut Transaction, community: &Id, member: &Id, other: &Id) -> anyhow::Result<bool> {
    let found = sqlx::query(
        "WITH RECURSIVE above (id) AS (
            SELECT id FROM members WHERE community = $1 AND id = $2
            UNION SELECT members.inviter FROM members JOIN above ON members.id = above.id
            WHERE members.community = $1 AND members.inviter IS NOT NULL
         ) SELECT COUNT(*) FROM above WHERE id = $3",
    )
    .bind(community.as_str())
    .bind(other.as_str())
    .bind(member.as_str())
    .fetch_one(&mut **tx)
    .await?;
    Ok(number(&found)? > 0)
}

async fn write_versions(tx: &mut Transaction, parts: &[&Part]) -> anyhow::Result<()> {
    for part in parts {
        if let Some(version) = &part.version {
            sqlx::query("UPDATE activities SET version = $3 WHERE community = $1 AND id = $2")
                .bind(part.id.community.as_str())
                .bind(part.id.activity.as_str())
                .bind(version.as_str())
                .execute(&mut **tx)
                .await?;
        }
    }
    Ok(())
}

/// What belongs to the activities alone; the journal first.
fn write(script: &mut Script, parts: &[&Part]) {
    write_journal(script, parts);
    write_entries(script, parts);
    write_boards(script, parts);
    write_timers(script, parts);
    write_holds(script, parts);
    write_outbox(script, parts);
}

fn write_journal(script: &mut Script, parts: &[&Part]) {
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

fn write_entries(script: &mut Script, parts: &[&Part]) {
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

fn write_boards(script: &mut Script, parts: &[&Part]) {
    const BOARDS: Rows = Rows {
        text: "INSERT INTO board_entries (community, activity, board, key, score, reached_at, seq)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL
               ON CONFLICT (community, activity, board, key) DO UPDATE SET score = excluded.score,
                 reached_at = excluded.reached_at, seq = excluded.seq",
        columns: &[Column::Text, Column::Text, Column::Text, Column::Bytes, Column::Int, Column::Int, Column::Int],
    };
    let rows: Vec<(&Part, &str, &str, Option<Score>)> = parts
        .iter()
        .flat_map(|part| {
            part.effects.boards.iter().map(|((board, key), score)| (*part, board.as_ref(), key.as_ref(), *score))
        })
        .collect();
    script.add(&BOARDS, &rows, |values, (part, board, key, score)| {
        values.activity(&part.id);
        values.text(*board);
        values.bytes(key.as_bytes());
        values.int(score.map(|score| score.score));
        values.int(score.map_or(0, |score| score.at));
        values.int(part.to.seq);
    });
}

fn write_timers(script: &mut Script, parts: &[&Part]) {
    const GONE: Rows = Rows {
        text: "DELETE FROM timers WHERE (community, activity, key) IN (SELECT * FROM {rows})",
        columns: &[Column::Text, Column::Text, Column::Bytes],
    };
    const SET: Rows = Rows {
        text: "INSERT INTO timers (community, activity, key, due, payload)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL
               ON CONFLICT (community, activity, key) DO UPDATE SET due = excluded.due, payload = excluded.payload",
        columns: &[Column::Text, Column::Text, Column::Bytes, Column::Int, Column::Text],
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
    });
}

fn write_holds(script: &mut Script, parts: &[&Part]) {
    const HOLDS: Rows = Rows {
        text:
            "INSERT INTO holds (community, activity, key, offer, beneficiary, cost_minor, currency, state, created_at,
                 expires_at, reason, seq)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL
               ON CONFLICT (community, activity, key) DO UPDATE SET state = excluded.state, reason = excluded.reason,
                 expires_at = excluded.expires_at, seq = excluded.seq",
        columns: &[
            Column::Text,
            Column::Text,
            Column::Bytes,
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Int,
            Column::Text,
            Column::Int,
        ],
    };
    let rows: Vec<_> = parts.iter().flat_map(|part| part.effects.holds.values().map(|hold| (*part, hold))).collect();
    script.add(&HOLDS, &rows, |values, (part, hold)| {
        values.activity(&part.id);
        values.bytes(hold.key.as_bytes());
        values.text(hold.offer.as_str());
        values.text(hold.beneficiary.as_str());
        values.int(hold.cost.minor);
        values.text(hold.cost.currency.as_str());
        values.text(word(hold.state).as_str());
        values.int(hold.created_at);
        values.int(hold.expires_at);
        values.text(hold.reason.as_str());
        values.int(part.to.seq);
    });
}

fn write_outbox(script: &mut Script, parts: &[&Part]) {
    const OUTBOX: Rows = Rows {
        text: "INSERT INTO outbox (community, activity, seq, ordinal, kind, topic, subject, payload, at)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL",
        columns: &[
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Int,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Int,
        ],
    };
    let mut rows = Vec::new();
    for part in parts {
        let mut last = (0, 0);
        for (seq, outgoing) in &part.effects.outbox {
            let ordinal = if last.0 == *seq { last.1 + 1 } else { 1 };
            last = (*seq, ordinal);
            rows.push((*part, *seq, ordinal, outgoing));
        }
    }
    script.add(&OUTBOX, &rows, |values, (part, seq, ordinal, outgoing)| {
        values.activity(&part.id);
        values.int(*seq);
        values.int(*ordinal);
        values.text(outgoing.kind.as_str());
        values.text(outgoing.topic.as_str());
        values.text(outgoing.subject.as_str());
        values.text(outgoing.payload.as_str());
        values.int(part.to.now);
    });
}
