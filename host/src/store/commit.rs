//! The commit: what many activities did, in one transaction and one fsync.

use std::collections::{BTreeSet, HashSet};

use anyhow::Context;
use sqlx::{
    any::AnyRow,
    error::{DatabaseError, ErrorKind},
};

use crate::{
    domain::{
        activity::{ActivityId, Change, Head},
        id::Id,
        journal::JournalRow,
    },
    effects::Effects,
};

use super::{
    Store, boards,
    columns::{Columns, json},
    communities::lock_community,
    database::Transaction,
    direct, entries, holds, inbox, journal, ledger, notices, orders, outbox, proposals,
    rows::{Column, Rows, Script},
    shared::change_shared,
    stock, timers,
};

/// What one activity did in a row, from the head it was run on to the next.
pub(crate) struct Part {
    pub id: ActivityId,
    pub budget: Option<Id>,
    pub from: Head,
    pub to: Head,
    pub journal: Vec<JournalRow>,
    pub effects: Effects,
    /// What the activity itself becomes.
    pub change: Option<Change>,
}

/// What became of a part. Only a committed one left anything behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed,
    /// Another host moved the activity first.
    Conflict,
    /// What it shares with others and counted on has changed: a budget, a balance, a stock pool, an inviter.
    Refused,
    /// One of its calls is a retry of a call that is in the journal.
    Repeated,
}

impl Store {
    /// Writes the parts, of different activities, in one transaction. An error says that nothing is known to be written.
    pub(crate) async fn commit(&self, parts: &[Part]) -> anyhow::Result<Vec<Fate>> {
        // What is shared, and changes of an activity itself, are rare, and need an answer half-way.
        if parts.iter().all(|part| !part.effects.is_shared() && part.change.is_none()) {
            let mut script = Script::new(self.kind);
            let all: Vec<&Part> = parts.iter().collect();
            move_heads(&mut script, &all, OrFail::Yes);
            write(&mut script, &all);
            match script.commit(self).await {
                Ok(()) => return Ok(vec![Fate::Committed; parts.len()]),
                Err(error) if is_broken_rule(&error) => tracing::debug!(%error, "a commit is done again with care"),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "a commit failed, and is done again with care")
                }
            }
        }
        match self.commit_with_care(parts).await {
            // Two that waited for each other: one of them was chosen to begin anew.
            Err(error) if parts.len() == 1 && is_collision(&error) => Ok(vec![Fate::Conflict]),
            fates => fates,
        }
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
        // Before anything else that is shared, and in one order, as whoever else locks a community does.
        let binding: BTreeSet<&Id> =
            parts.iter().filter(|part| !part.effects.inviters.is_empty()).map(|part| &part.id.community).collect();
        for community in binding {
            lock_community(&mut tx, community).await?;
        }
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
        write_changes(&mut tx, &committed).await?;
        let mut script = Script::new(self.kind);
        write(&mut script, &committed);
        if let Err(error) = script.run(&mut tx).await {
            // A full disk has ended the transaction by itself.
            if let Err(error) = tx.rollback().await {
                tracing::debug!(%error, "there is nothing to undo");
            }
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
            let bound = part.effects.inviters.iter().flat_map(|(invitee, bound)| [invitee, &bound.inviter]);
            for member in bound.chain(part.effects.ordered.keys()) {
                self.members.invalidate(&(part.id.community.clone(), member.clone()));
            }
        }
        Ok(fates)
    }
}

/// Whether a row broke a rule of its table: a head has moved on, or a call was answered before.
fn is_broken_rule(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error).map(DatabaseError::kind);
    matches!(kind, Some(ErrorKind::UniqueViolation | ErrorKind::NotNullViolation)) || direct::is_broken_rule(error)
}

/// Whether PostgreSQL has ended a transaction for another's sake: a deadlock, or a snapshot that is too old.
fn is_collision(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    error.and_then(DatabaseError::code).is_some_and(|code| code == "40P01" || code == "40001")
}

/// What a head that is not where its part was run does to the transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OrFail {
    Yes,
    No,
}

/// Moves each head from where its part was run to where it leads. Answers those that were still there, or fails if one was not:
/// no head may be NULL.
fn move_heads<'a>(script: &mut Script<'a>, parts: &[&'a Part], or_fail: OrFail) {
    const COLUMNS: &[Column] = &[
        Column::Text,
        Column::Text,
        Column::Int,
        Column::Int,
        Column::Text,
        Column::Int,
        Column::Int,
        Column::Int,
        Column::Int,
    ];
    const OR_FAIL: Rows = Rows {
        text:
            "UPDATE activity_heads SET seq = CASE seq WHEN rows.column3 THEN rows.column4 END, lifecycle = rows.column5,
                 started_at = rows.column6, now = rows.column7, stored_bytes = rows.column8, faults = activity_heads.faults + rows.column9
               FROM {rows} WHERE community = rows.column1 AND activity = rows.column2",
        columns: COLUMNS,
    };
    const WHERE_POSSIBLE: Rows = Rows {
        text: "UPDATE activity_heads SET seq = rows.column4, lifecycle = rows.column5, started_at = rows.column6,
                 now = rows.column7, stored_bytes = rows.column8, faults = activity_heads.faults + rows.column9
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
        values.word(part.to.lifecycle);
        values.int(part.to.started_at);
        values.int(part.to.now);
        values.int(part.to.stored_bytes);
        // By how much: another host may have counted some as well.
        values.int(part.to.faults - part.from.faults);
    });
}

fn moved(rows: &[AnyRow]) -> anyhow::Result<HashSet<ActivityId>> {
    let rows = rows.iter();
    rows.map(|row| Ok(ActivityId { community: row.id("community")?, activity: row.id("activity")? })).collect()
}

async fn write_changes(tx: &mut Transaction, parts: &[&Part]) -> anyhow::Result<()> {
    for part in parts {
        let Some(change) = &part.change else { continue };
        let statement = match change {
            Change::Version(version) => {
                sqlx::query("UPDATE activities SET version = $1 WHERE community = $2 AND id = $3").bind(version.as_str())
            }
            Change::Scope(scope) => sqlx::query(
                "UPDATE activities SET scope = $1, config_version = config_version + 1 WHERE community = $2 AND id = $3",
            )
            .bind(json(scope)),
            Change::End(end) => sqlx::query(
                "UPDATE activities SET ends_at = $1, config_version = config_version + 1 WHERE community = $2 AND id = $3",
            )
            .bind(*end),
        };
        statement.bind(part.id.community.as_str()).bind(part.id.activity.as_str()).execute(&mut **tx).await?;
    }
    Ok(())
}

/// What belongs to the activities alone; the journal first.
fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    journal::write(script, parts);
    entries::write(script, parts);
    boards::write(script, parts);
    timers::write(script, parts);
    holds::write(script, parts);
    stock::write(script, parts);
    orders::write(script, parts);
    ledger::write(script, parts);
    inbox::write(script, parts);
    notices::write(script, parts);
    proposals::write(script, parts);
    outbox::write(script, parts);
}
