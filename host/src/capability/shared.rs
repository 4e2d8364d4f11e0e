//! What activities share, as one batch sees it: a budget, balances. The commit checks what the batch counted on.

use std::sync::Arc;

use imbl::HashMap;

use crate::{
    domain::{coupon::CouponTerms, id::Id, member::Member, rules::Rules, stock::StockPool},
    effects::{Effects, PointAccount, PointMove},
    state::Source,
    store::{budgets::Budget, orders::Sku},
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
    payables: HashMap<Id, i64>,
    moved_payables: HashMap<Id, i64>,
    pools: HashMap<Id, Option<StockPool>>,
    /// Reserved and sold.
    moved_stock: HashMap<Id, (i64, i64)>,
    skus: HashMap<Id, Option<Sku>>,
    members: HashMap<Id, Option<Arc<Member>>>,
    rules: Option<Arc<Rules>>,
    /// Templates of coupons.
    pub coupons: HashMap<Id, Option<CouponTerms>>,
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
        let grants = source.wait(source.store.member_grants(&source.id.community, budget, member))?;
        let grants = grants + self.moved_grants.get(member).copied().unwrap_or_default();
        self.member_grants.insert(member.clone(), grants);
        Ok(grants)
    }

    pub(crate) fn balance(&mut self, source: &Source, account: &PointAccount, now: i64) -> anyhow::Result<i64> {
        if let Some(known) = self.balances.get(account) {
            return Ok(*known);
        }
        let balance = source.wait(source.store.balance(&source.id.community, account, now))?;
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
    pub(crate) fn move_points(&mut self, effects: &mut Effects, moved: PointMove) {
        let PointMove { account, points, .. } = &moved;
        if let Some(known) = self.balances.get_mut(account) {
            *known += points;
        }
        *self.moved_points.entry(account.clone()).or_default() += points;
        effects.points.push(moved);
    }

    /// What a member is to be paid.
    pub(crate) fn payable(&mut self, source: &Source, member: &Id) -> anyhow::Result<i64> {
        if let Some(known) = self.payables.get(member) {
            return Ok(*known);
        }
        let payable = source.wait(source.store.payable(&source.id.community, member))?;
        let payable = payable + self.moved_payables.get(member).copied().unwrap_or_default();
        self.payables.insert(member.clone(), payable);
        Ok(payable)
    }

    /// Moves what a member is to be paid, as the commit will.
    pub(crate) fn move_payable(&mut self, effects: &mut Effects, member: &Id, minor: i64) {
        if let Some(known) = self.payables.get_mut(member) {
            *known += minor;
        }
        *self.moved_payables.entry(member.clone()).or_default() += minor;
        *effects.payables.entry(member.clone()).or_default() += minor;
    }

    /// A stock pool, if there is one.
    pub(crate) fn pool(&mut self, source: &Source, id: &Id) -> anyhow::Result<Option<StockPool>> {
        if let Some(known) = self.pools.get(id) {
            return Ok(known.clone());
        }
        let mut pool = source.wait(source.store.pool(&source.id.community, id))?;
        if let (Some(pool), Some((reserved, sold))) = (&mut pool, self.moved_stock.get(id)) {
            move_pool(pool, *reserved, *sold);
        }
        self.pools.insert(id.clone(), pool.clone());
        Ok(pool)
    }

    /// Moves a stock pool as the commit will.
    pub(crate) fn move_stock(&mut self, effects: &mut Effects, id: &Id, reserved: i64, sold: i64) {
        if let Some(Some(pool)) = self.pools.get_mut(id) {
            move_pool(pool, reserved, sold);
        }
        let moved = self.moved_stock.entry(id.clone()).or_default();
        *moved = (moved.0 + reserved, moved.1 + sold);
        let change = effects.stock.entry(id.clone()).or_default();
        change.reserved += reserved;
        change.sold += sold;
    }

    pub(crate) fn member(&mut self, source: &Source, id: &Id) -> anyhow::Result<Option<Arc<Member>>> {
        if let Some(known) = self.members.get(id) {
            return Ok(known.clone());
        }
        let member = source.wait(source.store.member(&source.id.community, id))?.map(Arc::new);
        self.members.insert(id.clone(), member.clone());
        Ok(member)
    }

    /// What the community has decided.
    pub(crate) fn rules(&mut self, source: &Source) -> anyhow::Result<Arc<Rules>> {
        if let Some(known) = &self.rules {
            return Ok(known.clone());
        }
        let rules = source.wait(source.store.rules(&source.id.community))?;
        self.rules = Some(rules.clone());
        Ok(rules)
    }

    /// A thing that the shop sells, if it does.
    pub(crate) fn sku(&mut self, source: &Source, id: &Id) -> anyhow::Result<Option<Sku>> {
        if let Some(known) = self.skus.get(id) {
            return Ok(known.clone());
        }
        let sku = source.wait(source.store.sku(&source.id.community, id))?;
        self.skus.insert(id.clone(), sku.clone());
        Ok(sku)
    }

    /// Learns the terms of a template: how long its coupons are valid.
    pub(crate) fn learn_coupon(&mut self, source: &Source, template: &Id) -> anyhow::Result<()> {
        if !self.coupons.contains_key(template) {
            let terms = source.wait(source.store.template(&source.id.community, template))?;
            self.coupons.insert(template.clone(), terms);
        }
        Ok(())
    }
}

fn move_pool(pool: &mut StockPool, reserved: i64, sold: i64) {
    pool.reserved += reserved;
    pool.sold += sold;
    pool.available -= reserved + sold;
}
