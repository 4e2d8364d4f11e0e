//! The ledger: append-only, which the database itself sees to.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{id::Id, ledger::Transfer};

use super::{
    BadCursor, Page, PageRequest, Store,
    columns::Columns,
    commit::Part,
    database::Transaction,
    rows::{Column, Rows, Script},
};

/// One transfer, as operators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerEntry {
    /// The activity whose call moved it; empty where the operator, the platform or the clock did.
    pub activity: String,
    /// The journal number of that call, or else a number that counts the community's other transfers.
    pub seq: i64,
    pub ordinal: i64,
    /// A currency, or `points/ACCOUNT`.
    pub asset: String,
    pub debit: String,
    pub credit: String,
    pub amount: i64,
    pub reference: String,
    /// UTC milliseconds.
    pub at: i64,
}

impl Store {
    /// A community's transfers by activity and number; the cursor is `activity/seq.ordinal`.
    pub(crate) async fn ledger(&self, community: &Id, page: &PageRequest) -> anyhow::Result<Page<LedgerEntry>> {
        let (activity, (seq, ordinal)) = match page.after.split_once('/') {
            Some((activity, place)) => (activity, PageRequest::place(place)?),
            None if page.after.is_empty() => ("", (-1, 0)),
            None => return Err(BadCursor.into()),
        };
        let rows = sqlx::query(
            "SELECT * FROM ledger WHERE community = $1 AND (activity > $2 OR (activity = $2 AND (seq > $3 OR (seq = $3 AND ordinal > $4))))
             ORDER BY activity, seq, ordinal LIMIT $5",
        )
        .bind(community.as_str())
        .bind(activity)
        .bind(seq)
        .bind(ordinal)
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let entries = rows
            .iter()
            .map(|row| {
                Ok(LedgerEntry {
                    activity: row.text("activity")?,
                    seq: row.int("seq")?,
                    ordinal: row.int("ordinal")?,
                    asset: row.text("asset")?,
                    debit: row.text("debit")?,
                    credit: row.text("credit")?,
                    amount: row.int("amount")?,
                    reference: row.text("reference")?,
                    at: row.int("at")?,
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Page::of(entries, page.limit, |entry: &LedgerEntry| {
            format!("{}/{}.{}", entry.activity, entry.seq, entry.ordinal)
        }))
    }
}

/// Transfers that no activity made, under the community's next number.
pub(super) async fn append(
    tx: &mut Transaction,
    community: &Id,
    transfers: &[Transfer],
    now: i64,
) -> anyhow::Result<()> {
    let row = sqlx::query("UPDATE communities SET transfers = transfers + 1 WHERE id = $1 RETURNING transfers")
        .bind(community.as_str())
        .fetch_one(&mut **tx)
        .await?;
    let seq = row.int("transfers")?;
    for (transfer, ordinal) in transfers.iter().zip(1i64..) {
        sqlx::query(
            "INSERT INTO ledger (community, activity, seq, ordinal, asset, debit, credit, amount, reference, at)
             VALUES ($1, '', $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(community.as_str())
        .bind(seq)
        .bind(ordinal)
        .bind(transfer.asset.as_str())
        .bind(transfer.debit.name())
        .bind(transfer.credit.name())
        .bind(transfer.amount)
        .bind(transfer.reference.as_str())
        .bind(now)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// The transfers of calls.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const LEDGER: Rows = Rows {
        text: "INSERT INTO ledger (community, activity, seq, ordinal, asset, debit, credit, amount, reference, at)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL",
        columns: &[
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Int,
            Column::Text,
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Text,
            Column::Int,
        ],
    };
    let mut rows = Vec::new();
    for part in parts {
        rows.extend(numbered(&part.effects.ledger).map(|(seq, ordinal, transfer)| (*part, seq, ordinal, transfer)));
    }
    script.add(&LEDGER, &rows, |values, (part, seq, ordinal, transfer)| {
        values.activity(&part.id);
        values.int(*seq);
        values.int(*ordinal);
        values.text(transfer.asset.as_str());
        values.made(transfer.debit.name());
        values.made(transfer.credit.name());
        values.int(transfer.amount);
        values.text(transfer.reference.as_str());
        values.int(part.to.now);
    });
}

/// What calls did, by the number of the call and its place within the call.
pub(super) fn numbered<T>(all: &[(i64, T)]) -> impl Iterator<Item = (i64, i64, &T)> {
    let mut last = (0, 0);
    all.iter().map(move |(seq, item)| {
        last = (*seq, if last.0 == *seq { last.1 + 1 } else { 1 });
        (last.0, last.1, item)
    })
}
