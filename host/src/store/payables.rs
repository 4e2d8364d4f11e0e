//! Cash that members have been given and not been paid yet.

use crate::domain::{
    id::Id,
    ledger::{Account, Transfer},
    money::Money,
};

use super::{Store, columns::Columns, database::Transaction, deeds, ledger};

impl Store {
    /// What the member is to be paid.
    pub(crate) async fn payable(&self, community: &Id, member: &Id) -> anyhow::Result<i64> {
        let row = sqlx::query("SELECT balance_minor FROM payables WHERE community = $1 AND member = $2")
            .bind(community.as_str())
            .bind(member.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map_or(Ok(0), |row| row.int("balance_minor"))
    }

    /// The platform has paid a member, once under each key. None where so much is not owed; nothing changed then.
    pub(crate) async fn pay_out(
        &self,
        community: &Id,
        key: &str,
        member: &Id,
        amount: &Money,
        now: i64,
    ) -> anyhow::Result<Option<deeds::Deed>> {
        let input = format!("{member} {} {}", amount.minor, amount.currency.as_str());
        let mut tx = self.begin().await?;
        if let Some(done) = deeds::begin(&mut tx, community, "payout", key, &input, now).await? {
            return Ok(Some(done));
        }
        if !change(&mut tx, community, member, -amount.minor).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        let (debit, credit) = (Account::Payable(member.clone()), Account::Paid);
        let transfer = Transfer::money(amount.currency, debit, credit, amount.minor, key);
        ledger::append(&mut tx, community, &[transfer], now).await?;
        tx.commit().await?;
        Ok(Some(deeds::Deed::Same))
    }
}

/// Adds to what a member is to be paid, or takes from it: false, and nothing changed, where it is not there.
pub(super) async fn change(tx: &mut Transaction, community: &Id, member: &Id, change: i64) -> anyhow::Result<bool> {
    let text = if change >= 0 {
        "INSERT INTO payables (community, member, balance_minor) VALUES ($1, $2, $3)
         ON CONFLICT (community, member) DO UPDATE SET balance_minor = payables.balance_minor + $3"
    } else {
        "UPDATE payables SET balance_minor = balance_minor + $3
         WHERE community = $1 AND member = $2 AND balance_minor + $3 >= 0"
    };
    let changed = sqlx::query(text)
        .bind(community.as_str())
        .bind(member.as_str())
        .bind(change)
        .execute(&mut **tx)
        .await?
        .rows_affected();
    Ok(changed == 1)
}
