//! Balances of points, and the batches of those that expire. What is left of a batch is part of the balance.

use sqlx::any::AnyRow;

use crate::{
    domain::{
        activity::ActivityId,
        id::Id,
        ledger::{Account, Transfer},
    },
    effects::{PointAccount, PointMove},
};

use super::{Store, columns::Columns, database::Transaction, ledger};

/// Batches that expire in one transaction.
const EXPIRING_MAX: i64 = 100;

/// What of a balance has expired by `$4` and was not taken from it yet.
const EXPIRED: &str = "(SELECT COALESCE(SUM(remaining), 0) FROM point_batches WHERE point_batches.community = $1
    AND point_batches.member = $2 AND point_batches.account = $3 AND expires_at <= $4)";

impl Store {
    /// What the member can spend at `now`.
    pub(crate) async fn balance(&self, community: &Id, account: &PointAccount, now: i64) -> anyhow::Result<i64> {
        let text = format!(
            "SELECT CAST(balance - {EXPIRED} AS BIGINT) AS spendable FROM point_balances
             WHERE community = $1 AND member = $2 AND account = $3"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(community.as_str())
            .bind(account.member.as_str())
            .bind(account.account.as_str())
            .bind(now)
            .fetch_optional(&self.reader)
            .await?;
        row.map_or(Ok(0), |row| row.int("spendable"))
    }

    /// The member's accounts and what can be spent of each at `now`, by name.
    pub(crate) async fn balances(&self, community: &Id, member: &Id, now: i64) -> anyhow::Result<Vec<(String, i64)>> {
        let rows =
            sqlx::query("SELECT account FROM point_balances WHERE community = $1 AND member = $2 ORDER BY account")
                .bind(community.as_str())
                .bind(member.as_str())
                .fetch_all(&self.reader)
                .await?;
        let mut balances = Vec::with_capacity(rows.len());
        for row in rows {
            let account = PointAccount { member: member.clone(), account: row.text("account")? };
            let balance = self.balance(community, &account, now).await?;
            balances.push((account.account, balance));
        }
        Ok(balances)
    }

    /// Takes points that nobody spent in time from their balances. True where there may be more of them.
    pub(crate) async fn expire_points(&self, now: i64) -> anyhow::Result<bool> {
        let due = sqlx::query(
            "SELECT * FROM point_batches WHERE expires_at <= $1 AND remaining > 0 ORDER BY community, member, account LIMIT $2",
        )
        .bind(now)
        .bind(EXPIRING_MAX)
        .fetch_all(&self.reader)
        .await?;
        let mut expired = 0;
        for row in &due {
            match self.expire_batch(row, now).await {
                Ok(()) => expired += 1,
                // One that cannot be taken keeps no other from being taken.
                Err(error) => tracing::error!(error = format!("{error:#}"), "points could not expire"),
            }
        }
        Ok(expired > 0 && due.len() as i64 == EXPIRING_MAX)
    }

    async fn expire_batch(&self, row: &AnyRow, now: i64) -> anyhow::Result<()> {
        let (community, member, account) = (row.id("community")?, row.id("member")?, row.text("account")?);
        let mut tx = self.begin().await?;
        // The balance's row first, as in every change of it: nobody spends meanwhile.
        sqlx::query(
            "UPDATE point_balances SET balance = balance WHERE community = $1 AND member = $2 AND account = $3",
        )
        .bind(community.as_str())
        .bind(member.as_str())
        .bind(account.as_str())
        .execute(&mut *tx)
        .await?;
        let batch =
            "community = $1 AND member = $2 AND account = $3 AND expires_at = $4 AND activity = $5 AND key = $6";
        let text = format!("SELECT remaining FROM point_batches WHERE {batch}");
        let bind = |text: String| {
            let query = sqlx::query(sqlx::AssertSqlSafe(text));
            let query = query.bind(community.to_string()).bind(member.to_string()).bind(account.clone());
            anyhow::Ok(query.bind(row.int("expires_at")?).bind(row.text("activity")?).bind(row.bytes("key")?))
        };
        let left = bind(text)?.fetch_one(&mut *tx).await?.int("remaining")?;
        if left > 0 {
            bind(format!("UPDATE point_batches SET remaining = 0 WHERE {batch}"))?.execute(&mut *tx).await?;
            sqlx::query(
                "UPDATE point_balances SET balance = balance - $4 WHERE community = $1 AND member = $2 AND account = $3",
            )
            .bind(community.as_str())
            .bind(member.as_str())
            .bind(account.as_str())
            .bind(left)
            .execute(&mut *tx)
            .await?;
            let (debit, reference) = (Account::Member(member.clone()), row.key("key")?);
            let transfer = Transfer::points(&account, debit, Account::Expired, left, &reference);
            ledger::append(&mut tx, &community, &[transfer], now).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Adds to a balance, or takes from it what is there and has not expired, the oldest batches first: false, and nothing changed,
/// where it is not there.
pub(super) async fn change(tx: &mut Transaction, id: &ActivityId, moved: &PointMove, now: i64) -> anyhow::Result<bool> {
    let PointMove { account, points, batch } = moved;
    let text = if *points >= 0 {
        "INSERT INTO point_balances (community, member, account, balance) VALUES ($1, $2, $3, $5)
         ON CONFLICT (community, member, account) DO UPDATE SET balance = point_balances.balance + $5"
            .to_owned()
    } else {
        format!(
            "UPDATE point_balances SET balance = balance + $5
             WHERE community = $1 AND member = $2 AND account = $3 AND balance + $5 >= {EXPIRED}"
        )
    };
    let changed = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(id.community.as_str())
        .bind(account.member.as_str())
        .bind(account.account.as_str())
        .bind(now)
        .bind(*points)
        .execute(&mut **tx)
        .await?
        .rows_affected();
    if let Some((key, expires_at)) = batch {
        insert_batch(tx, id, moved, key, *expires_at).await?;
    }
    if *points < 0 && changed == 1 {
        spend_batches(tx, &id.community, account, -points, now).await?;
    }
    Ok(changed == 1)
}

async fn insert_batch(
    tx: &mut Transaction,
    id: &ActivityId,
    moved: &PointMove,
    key: &str,
    expires_at: i64,
) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO point_batches (community, member, account, expires_at, activity, key, remaining)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id.community.as_str())
    .bind(moved.account.member.as_str())
    .bind(moved.account.account.as_str())
    .bind(expires_at)
    .bind(id.activity.as_str())
    .bind(key.as_bytes())
    .bind(moved.points)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes points from the batches that expire first. Beyond them are points that never expire.
async fn spend_batches(
    tx: &mut Transaction,
    community: &Id,
    account: &PointAccount,
    mut points: i64,
    now: i64,
) -> anyhow::Result<()> {
    let batches = sqlx::query(
        "SELECT expires_at, activity, key, remaining FROM point_batches
         WHERE community = $1 AND member = $2 AND account = $3 AND expires_at > $4 AND remaining > 0
         ORDER BY expires_at, activity, key",
    )
    .bind(community.as_str())
    .bind(account.member.as_str())
    .bind(account.account.as_str())
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    for batch in batches {
        if points == 0 {
            break;
        }
        let spent = points.min(batch.int("remaining")?);
        points -= spent;
        sqlx::query(
            "UPDATE point_batches SET remaining = remaining - $7
             WHERE community = $1 AND member = $2 AND account = $3 AND expires_at = $4 AND activity = $5 AND key = $6",
        )
        .bind(community.as_str())
        .bind(account.member.as_str())
        .bind(account.account.as_str())
        .bind(batch.int("expires_at")?)
        .bind(batch.text("activity")?)
        .bind(batch.bytes("key")?)
        .bind(spent)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
