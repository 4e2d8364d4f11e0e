//! The commit: what many activities did, in one transaction and one fsync.

use std::collections::BTreeSet;

use anyhow::Context;

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
    rows::Rows,
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
    /// Writes the parts, of different activities, in one transaction. An error says that nothing is known to be written; none, that
    /// nothing was, because one of several parts has a call that was answered before.
    pub(crate) async fn commit(&self, parts: &[Part]) -> anyhow::Result<Option<Vec<Fate>>> {
        let mut tx = self.begin().await?;
        // A runner that retires and the next one may both have a part of one activity: the second waits its turn.
        let mut seen = BTreeSet::new();
        let first: Vec<bool> = parts.iter().map(|part| seen.insert(&part.id)).collect();
        let movable = parts.iter().zip(&first).filter(|(_, first)| **first).map(|(part, _)| part).collect();
        let moved = move_heads(&mut tx, movable).await?;
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
        if !write_journal(&mut tx, &committed).await? {
            tx.rollback().await?;
            return Ok((parts.len() == 1).then(|| vec![Fate::Repeated]));
        }
        write_entries(&mut tx, &committed).await?;
        write_boards(&mut tx, &committed).await?;
        write_timers(&mut tx, &committed).await?;
        write_holds(&mut tx, &committed).await?;
        write_outbox(&mut tx, &committed).await?;
        tx.commit().await.context("the commit failed")?;
        // Those of refused parts too: what they counted on was old.
        for part in parts {
            for member in part.effects.inviters.keys() {
                self.members.invalidate(&(part.id.community.clone(), member.clone()));
            }
        }
        Ok(Some(fates))
    }
}

/// Moves each head from where the part was run to where it leads; answers those that were still there.
async fn move_heads(tx: &mut Transaction, mut ordered: Vec<&Part>) -> anyhow::Result<BTreeSet<ActivityId>> {
    // In one order everywhere, so that two hosts never wait for each other.
    ordered.sort_by(|a, b| a.id.cmp(&b.id));
    let rows = Rows {
        before: "UPDATE activity_heads SET seq = part.column4, lifecycle = part.column5, started_at = part.column6,
                 now = part.column7, stored_bytes = part.column8 FROM (",
        columns: &[
            "CAST(? AS TEXT)",
            "CAST(? AS TEXT)",
            "CAST(? AS BIGINT)",
            "CAST(? AS BIGINT)",
            "CAST(? AS TEXT)",
            "CAST(? AS BIGINT)",
            "CAST(? AS BIGINT)",
            "CAST(? AS BIGINT)",
        ],
        after: ") AS part WHERE community = part.column1 AND activity = part.column2 AND seq = part.column3
                RETURNING community, activity",
    };
    let moved = rows
        .fetch(tx, &ordered, |statement, part| {
            statement
                .bind(part.id.community.as_str())
                .bind(part.id.activity.as_str())
                .bind(part.from.seq)
                .bind(part.to.seq)
                .bind(word(part.to.lifecycle))
                .bind(part.to.started_at)
                .bind(part.to.now)
                .bind(part.to.stored_bytes)
        })
        .await?;
    moved.iter().map(|row| Ok(ActivityId { community: row.id("community")?, activity: row.id("activity")? })).collect()
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
    for (invitee, bound) in &effects.inviters {
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

/// False where a call was answered before.
async fn write_journal(tx: &mut Transaction, parts: &[&Part]) -> anyhow::Result<bool> {
    let rows: Vec<(&ActivityId, &JournalRow)> =
        parts.iter().flat_map(|part| part.journal.iter().map(|row| (&part.id, row))).collect();
    let written = Rows {
        before: "INSERT INTO journal (community, activity, seq, kind, actor, name, idempotency_key, input, now, outcome, answer,
                 facts, version)",
        columns: &["?"; 13],
        after: "ON CONFLICT (community, activity, actor, name, idempotency_key) DO NOTHING",
    }
    .execute(tx, &rows, |statement, (id, row)| {
        statement
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(row.seq)
            .bind(row.kind.as_str())
            .bind(row.actor.as_str())
            .bind(row.name.as_str())
            .bind(row.idempotency_key.as_deref())
            .bind(row.input.as_str())
            .bind(row.now)
            .bind(row.outcome.as_str())
            .bind(row.answer.as_str())
            .bind(row.facts.as_str())
            .bind(row.version.as_str())
    })
    .await?;
    Ok(written == rows.len() as u64)
}

async fn write_entries(tx: &mut Transaction, parts: &[&Part]) -> anyhow::Result<()> {
    let rows: Vec<(&Part, &str, &Written)> = parts
        .iter()
        .flat_map(|part| part.effects.entries.iter().map(|(key, written)| (*part, key.as_ref(), written)))
        .collect();
    Rows {
        before: "INSERT INTO entries (community, activity, key, value, version, seq)",
        columns: &["?"; 6],
        after:
            "ON CONFLICT (community, activity, key) DO UPDATE SET value = excluded.value, version = excluded.version,
                seq = excluded.seq",
    }
    .execute(tx, &rows, |statement, (part, key, written)| {
        statement
            .bind(part.id.community.as_str())
            .bind(part.id.activity.as_str())
            .bind(key.as_bytes())
            .bind(written.value.as_deref())
            .bind(written.version)
            .bind(part.to.seq)
    })
    .await?;
    Ok(())
}

async fn write_boards(tx: &mut Transaction, parts: &[&Part]) -> anyhow::Result<()> {
    let rows: Vec<(&Part, &str, &str, Option<Score>)> = parts
        .iter()
        .flat_map(|part| {
            part.effects.boards.iter().map(|((board, key), score)| (*part, board.as_ref(), key.as_ref(), *score))
        })
        .collect();
    Rows {
        before: "INSERT INTO board_entries (community, activity, board, key, score, reached_at, seq)",
        columns: &["?"; 7],
        after: "ON CONFLICT (community, activity, board, key) DO UPDATE SET score = excluded.score,
                reached_at = excluded.reached_at, seq = excluded.seq",
    }
    .execute(tx, &rows, |statement, (part, board, key, score)| {
        statement
            .bind(part.id.community.as_str())
            .bind(part.id.activity.as_str())
            .bind(*board)
            .bind(key.as_bytes())
            .bind(score.map(|score| score.score))
            .bind(score.map_or(0, |score| score.at))
            .bind(part.to.seq)
    })
    .await?;
    Ok(())
}

async fn write_timers(tx: &mut Transaction, parts: &[&Part]) -> anyhow::Result<()> {
    let all: Vec<(&ActivityId, &str, Option<&Timer>)> = parts
        .iter()
        .flat_map(|part| part.effects.timers.iter().map(|(key, timer)| (&part.id, key.as_ref(), timer.as_ref())))
        .collect();
    let gone: Vec<_> = all.iter().filter(|(_, _, timer)| timer.is_none()).collect();
    Rows {
        before: "DELETE FROM timers WHERE (community, activity, key) IN (",
        columns: &["?"; 3],
        after: ")",
    }
    .execute(tx, &gone, |statement, (id, key, _)| {
        statement.bind(id.community.as_str()).bind(id.activity.as_str()).bind(key.as_bytes())
    })
    .await?;
    let set: Vec<_> = all.iter().filter_map(|(id, key, timer)| Some((*id, *key, (*timer)?))).collect();
    Rows {
        before: "INSERT INTO timers (community, activity, key, due, payload)",
        columns: &["?"; 5],
        after: "ON CONFLICT (community, activity, key) DO UPDATE SET due = excluded.due, payload = excluded.payload",
    }
    .execute(tx, &set, |statement, (id, key, timer)| {
        statement
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(key.as_bytes())
            .bind(timer.due)
            .bind(timer.payload.as_str())
    })
    .await?;
    Ok(())
}

async fn write_holds(tx: &mut Transaction, parts: &[&Part]) -> anyhow::Result<()> {
    let rows: Vec<_> = parts.iter().flat_map(|part| part.effects.holds.values().map(|hold| (*part, hold))).collect();
    Rows {
        before:
            "INSERT INTO holds (community, activity, key, offer, beneficiary, cost_minor, currency, state, created_at,
                 expires_at, reason, seq)",
        columns: &["?"; 12],
        after: "ON CONFLICT (community, activity, key) DO UPDATE SET state = excluded.state, reason = excluded.reason,
                expires_at = excluded.expires_at, seq = excluded.seq",
    }
    .execute(tx, &rows, |statement, (part, hold)| {
        statement
            .bind(part.id.community.as_str())
            .bind(part.id.activity.as_str())
            .bind(hold.key.as_bytes())
            .bind(hold.offer.as_str())
            .bind(hold.beneficiary.as_str())
            .bind(hold.cost.minor)
            .bind(hold.cost.currency.as_str())
            .bind(word(hold.state))
            .bind(hold.created_at)
            .bind(hold.expires_at)
            .bind(hold.reason.as_str())
            .bind(part.to.seq)
    })
    .await?;
    Ok(())
}

async fn write_outbox(tx: &mut Transaction, parts: &[&Part]) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for part in parts {
        let mut last = (0, 0);
        for (seq, outgoing) in &part.effects.outbox {
            let ordinal = if last.0 == *seq { last.1 + 1 } else { 1 };
            last = (*seq, ordinal);
            rows.push((*part, *seq, ordinal, outgoing));
        }
    }
    Rows {
        before: "INSERT INTO outbox (community, activity, seq, ordinal, kind, topic, subject, payload, at)",
        columns: &["?"; 9],
        after: "",
    }
    .execute(tx, &rows, |statement, (part, seq, ordinal, outgoing)| {
        statement
            .bind(part.id.community.as_str())
            .bind(part.id.activity.as_str())
            .bind(*seq)
            .bind(*ordinal)
            .bind(outgoing.kind.as_str())
            .bind(outgoing.topic.as_str())
            .bind(outgoing.subject.as_str())
            .bind(outgoing.payload.as_str())
            .bind(part.to.now)
    })
    .await?;
    Ok(())
}
