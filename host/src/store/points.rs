//! Balances of points.

use crate::{domain::id::Id, effects::PointAccount};

use super::{Store, columns::Columns, database::Transaction};

impl Store {
    pub(crate) async fn balance(&self, community: &Id, account: &PointAccount) -> anyhow::Result<i64> {
        let row =
            sqlx::query("SELECT balance FROM point_balances WHERE community = $1 AND member = $2 AND account = $3")
                .bind(community.as_str())
                .bind(account.member.as_str())
                .bind(account.account.as_str())
                .fetch_optional(&self.reader)
                .await?;
        row.map_or(Ok(0), |row| row.int("balance"))
    }

    /// The member's accounts and their balances, by name.
    pub(crate) async fn balances(&self, community: &Id, member: &Id) -> anyhow::Result<Vec<(String, i64)>> {
        let rows = sqlx::query(
            "SELECT account, balance FROM point_balances WHERE community = $1 AND member = $2 ORDER BY account",
        )
        .bind(community.as_str())
        .bind(member.as_str())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok((row.text("account")?, row.int("balance")?))).collect()
    }
}

/// Adds to a balance, or takes from it what is there: false, and nothing changed, where it is not there.
pub(super) async fn change(
    tx: &mut Transaction,
    community: &Id,
    account: &PointAccount,
    points: i64,
) -> anyhow::Result<bool> {
    let text = if points >= 0 {
        "INSERT INTO point_balances (community, member, account, balance) VALUES ($1, $2, $3, $4)
         ON CONFLICT (community, member, account) DO UPDATE SET balance = point_balances.balance + $4"
    } else {
        "UPDATE point_balances SET balance = balance + $4
         WHERE community = $1 AND member = $2 AND account = $3 AND balance + $4 >= 0"
    };
    let changed = sqlx::query(text)
        .bind(community.as_str())
        .bind(account.member.as_str())
        .bind(account.account.as_str())
        .bind(points)
        .execute(&mut **tx)
        .await?
        .rows_affected();
    Ok(changed == 1)
}
