//! Budgets. `held + captured <= limit` is kept by conditional statements, and by a CHECK behind them.

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::{
    domain::{
        id::Id,
        ledger::{Account, Transfer},
        money::{Currency, Money},
    },
    effects::BudgetChange,
};

use super::{Page, PageRequest, Store, columns::Columns, communities::lock_community, database::Transaction, ledger};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Budget {
    #[schema(value_type = String)]
    pub id: Id,
    pub limit: Money,
    pub held: Money,
    pub captured: Money,
    pub max_grants: Option<i64>,
    pub grants: i64,
    pub per_member_grants: Option<i64>,
    /// Whether money that was revoked may be given again.
    pub refundable: bool,
    /// The owner of groups who set it, where no operator or app did.
    #[schema(value_type = Option<String>)]
    pub set_by: Option<Id>,
}

/// What an operator says of a budget.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetProfile {
    /// In the community's currency; never below what is held and captured.
    pub limit: Money,
    /// How many grants in all.
    pub max_grants: Option<u32>,
    /// How many grants to one member.
    pub per_member_grants: Option<u32>,
    #[serde(default)]
    pub refundable: bool,
}

/// What became of setting a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    Yes,
    /// More than that is granted already, or somebody else has set it meanwhile.
    BelowGranted,
    /// An owner's budgets would come to more than they may.
    TooMuch,
}

impl Store {
    /// Creates or updates. `by` is the owner of groups who sets it, where one does, and how much all of theirs may come to. Unless it
    /// answers `Yes`, nothing changed.
    pub(crate) async fn put_budget(
        &self,
        community: &Id,
        id: &Id,
        profile: &BudgetProfile,
        by: Option<(&Id, i64)>,
        now: i64,
    ) -> anyhow::Result<Set> {
        let mut tx = self.begin().await?;
        // One at a time in a community, so that the ledger has what the limit has grown by.
        lock_community(&mut tx, community).await?;
        if let Some((owner, most)) = by {
            let others = sqlx::query(
                "SELECT CAST(COALESCE(SUM(limit_minor), 0) AS BIGINT) AS minor FROM budgets WHERE community = $1 AND set_by = $2 AND id <> $3",
            )
            .bind(community.as_str())
            .bind(owner.as_str())
            .bind(id.as_str())
            .fetch_one(&mut *tx)
            .await?;
            if others.int("minor")?.saturating_add(profile.limit.minor) > most {
                tx.rollback().await?;
                return Ok(Set::TooMuch);
            }
        }
        let before = sqlx::query("SELECT limit_minor FROM budgets WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&mut *tx)
            .await?;
        let grown = profile.limit.minor - before.map_or(Ok(0), |row| row.int("limit_minor"))?;
        let written = sqlx::query(
            "INSERT INTO budgets (community, id, limit_minor, currency, max_grants, per_member_grants, refundable, set_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (community, id) DO UPDATE SET limit_minor = $3, max_grants = $5, per_member_grants = $6, refundable = $7,
               set_by = $8
             WHERE budgets.held_minor + budgets.captured_minor <= $3 AND ($5 IS NULL OR budgets.grants <= $5)
               AND ($8 IS NULL OR budgets.set_by = $8)",
        )
        .bind(community.as_str())
        .bind(id.as_str())
        .bind(profile.limit.minor)
        .bind(profile.limit.currency.as_str())
        .bind(profile.max_grants.map(i64::from))
        .bind(profile.per_member_grants.map(i64::from))
        .bind(i64::from(profile.refundable))
        .bind(by.map(|(owner, _)| owner.as_str()))
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if written == 1 && grown != 0 {
            let (operator, available) = (Account::Operator, Account::Available(id.clone()));
            let (debit, credit) = if grown > 0 { (operator, available) } else { (available, operator) };
            let transfer = Transfer::money(profile.limit.currency, debit, credit, grown.abs(), "limit");
            ledger::append(&mut tx, community, &[transfer], now).await?;
        }
        tx.commit().await?;
        Ok(if written == 1 { Set::Yes } else { Set::BelowGranted })
    }

    pub(crate) async fn budget(&self, community: &Id, id: &Id) -> anyhow::Result<Option<Budget>> {
        let row = sqlx::query("SELECT * FROM budgets WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn budgets(&self, community: &Id, page: &PageRequest) -> anyhow::Result<Page<Budget>> {
        let rows = sqlx::query("SELECT * FROM budgets WHERE community = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(community.as_str())
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let budgets = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(budgets, page.limit, |budget: &Budget| budget.id.to_string()))
    }

    /// How many grants the member has from this budget, over all activities.
    pub(crate) async fn member_grants(&self, community: &Id, budget: &Id, member: &Id) -> anyhow::Result<i64> {
        let row = sqlx::query("SELECT grants FROM budget_members WHERE community = $1 AND budget = $2 AND member = $3")
            .bind(community.as_str())
            .bind(budget.as_str())
            .bind(member.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map_or(Ok(0), |row| row.int("grants"))
    }
}

/// Moves a budget, or nothing at all: false where a limit does not allow it.
pub(super) async fn change(
    tx: &mut Transaction,
    community: &Id,
    budget: &Id,
    change: &BudgetChange,
) -> anyhow::Result<bool> {
    let moved = sqlx::query(
        "UPDATE budgets SET held_minor = held_minor + $3, captured_minor = captured_minor + $4, grants = grants + $5
         WHERE community = $1 AND id = $2 AND held_minor + $3 >= 0 AND captured_minor + $4 >= 0
           AND held_minor + captured_minor + $3 + $4 <= limit_minor
           AND grants + $5 >= 0 AND (max_grants IS NULL OR grants + $5 <= max_grants)",
    )
    .bind(community.as_str())
    .bind(budget.as_str())
    .bind(change.held)
    .bind(change.captured)
    .bind(change.grants)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if moved == 0 {
        return Ok(false);
    }
    for (member, grants) in &change.member_grants {
        // Counted whether or not there is a limit, so that a limit set later knows the past.
        let counted = sqlx::query(if *grants < 0 {
            "UPDATE budget_members SET grants = grants + $4 WHERE community = $1 AND budget = $2 AND member = $3"
        } else {
            "INSERT INTO budget_members (community, budget, member, grants) VALUES ($1, $2, $3, $4)
             ON CONFLICT (community, budget, member) DO UPDATE SET grants = budget_members.grants + $4
             WHERE NOT EXISTS (SELECT 1 FROM budgets WHERE budgets.community = $1 AND budgets.id = $2
                AND budget_members.grants + $4 > budgets.per_member_grants)"
        })
        .bind(community.as_str())
        .bind(budget.as_str())
        .bind(member.as_str())
        .bind(*grants)
        .execute(&mut **tx)
        .await?
        .rows_affected();
        if counted == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read(row: &AnyRow) -> anyhow::Result<Budget> {
    let currency = Currency::new(&row.text("currency")?)?;
    let money = |column| anyhow::Ok(Money { minor: row.int(column)?, currency });
    Ok(Budget {
        id: row.id("id")?,
        limit: money("limit_minor")?,
        held: money("held_minor")?,
        captured: money("captured_minor")?,
        max_grants: row.int_or_none("max_grants")?,
        grants: row.int("grants")?,
        per_member_grants: row.int_or_none("per_member_grants")?,
        refundable: row.int("refundable")? == 1,
        set_by: row.id_or_none("set_by")?,
    })
}
