//! What activities share, as one batch sees it: a budget, balances. The commit checks what the batch counted on.

use std::collections::HashMap;

use crate::{
    domain::id::Id,
    effects::{Effects, PointAccount},
    state::Source,
    store::budgets::Budget,
};

/// Read once for a batch, then moved by the batch's own effects.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    pub budget: Option<Budget>,
    member_grants: HashMap<Id, i64>,
    balances: HashMap<PointAccount, i64>,
    /// What this batch has moved so far: the store does not know of it yet.
    moved_grants: HashMap<Id, i64>,
    moved_points: HashMap<PointAccount, i64>,
    pub inviters: HashMap<Id, Id>,
}

impl Shared {
    pub(crate) fn new(budget: Option<Budget>) -> Self {
        Self { budget, ..Self::default() }
    }

    pub(crate) fn member_grants(&mut self, source: &Source, budget: &Id, member: &Id) -> anyhow::Result<i64> {
        if let Some(known) = self.member_grants.get(member) {
            return Ok(*known);
        }
        let grants = source.runtime.block_on(source.store.member_grants(&source.id.community, budget, member))?;
        let grants = grants + self.moved_grants.get(member).copied().unwrap_or_default();
        self.member_grants.insert(member.clone(), grants);
        Ok(grants)
    }

    pub(crate) fn balance(&mut self, source: &Source, account: &PointAccount) -> anyhow::Result<i64> {
        if let Some(known) = self.balances.get(account) {
            return Ok(*known);
        }
        let balance = source.runtime.block_on(source.store.balance(&source.id.community, account))?;
        let balance = balance + self.moved_points.get(account).copied().unwrap_or_default();
        self.balances.insert(account.clone(), balance);
        Ok(balance)
    }

    /// Moves the budget as the commit will.
    pub(crate) fn move_budget(&mut self, effects: &mut Effects, member: &Id, held: i64, captured: i64, grants: i64) {
        let Some(budget) = &mut self.budget else { return };
        budget.held.minor += held;
        budget.captured.minor += captured;
        budget.grants += grants;
        effects.budget.held += held;
        effects.budget.captured += captured;
        effects.budget.grants += grants;
        if grants != 0 {
            *self.moved_grants.entry(member.clone()).or_default() += grants;
            *effects.budget.member_grants.entry(member.clone()).or_default() += grants;
            if let Some(known) = self.member_grants.get_mut(member) {
                *known += grants;
            }
        }
    }

    /// Moves a balance as the commit will.
    pub(crate) fn move_points(&mut self, effects: &mut Effects, account: PointAccount, points: i64) {
        if let Some(known) = self.balances.get_mut(&account) {
            *known += points;
        }
        *self.moved_points.entry(account.clone()).or_default() += points;
        *effects.points.entry(account).or_default() += points;
    }
}
