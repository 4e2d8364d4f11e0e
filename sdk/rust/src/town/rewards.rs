//! Rewards, budgets and points, in a town.

use std::collections::BTreeMap;

use crate::{Budget, Hold, HoldState, Limit, Placed, Refused};

use super::World;

/// Whoever brought a member, and whoever brought them.
const COMMISSION_LEVELS: usize = 2;

pub(super) const HOLD_TIMER: &str = "\0hold\0";

#[derive(Debug, Clone, Default)]
pub(crate) struct Offer {
    pub cost: i64,
    pub points: Option<(String, u64)>,
    /// The stock pool that it is a unit of.
    pub pool: Option<String>,
    pub is_packet: bool,
    pub is_commission: bool,
}

/// Always: held + captured ≤ limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BudgetState {
    pub limit: i64,
    pub held: i64,
    pub captured: i64,
    pub grants: u64,
    /// Always: grants ≤ max_grants.
    pub max_grants: Option<u64>,
    pub per_member: Option<u64>,
    pub member_grants: BTreeMap<String, u64>,
}

impl World {
    pub(crate) fn budget_left(&self) -> Option<Budget> {
        self.budget.as_ref().map(|budget| Budget {
            money: budget.limit - budget.held - budget.captured,
            grants: budget.max_grants.map(|most| most - budget.grants),
        })
    }

    pub(crate) fn place_hold(
        &mut self,
        key: &str,
        offer: &str,
        source: Option<&str>,
        member: &str,
        ttl: u64,
    ) -> Placed {
        self.writing();
        Self::key(key);
        self.quota.grant();
        if let Some((known, _)) = self.holds.get(key) {
            let same = known.offer == offer && known.beneficiary == member;
            return if same { Ok(known.clone()) } else { Err(Refused::Mismatch) };
        }
        let Offer { cost, pool, is_commission, .. } = self.offers.get(offer).cloned().ok_or(Refused::UnknownOffer)?;
        if !self.members.contains_key(member) {
            return Err(Refused::UnknownMember);
        }
        match source {
            None if is_commission => return Err(Refused::NeedsSource),
            Some(_) if !is_commission => return Err(Refused::UnknownOffer),
            Some(source) if !self.has_brought(member, source) => return Err(Refused::TooDeep),
            _ => {}
        }
        self.check_budget(cost, member)?;
        self.take_unit(pool.as_deref())?;
        if let Some(budget) = &mut self.budget {
            *budget.member_grants.entry(member.into()).or_default() += 1;
            budget.grants += 1;
            budget.held += cost;
        }
        let hold =
            Hold { key: key.into(), offer: offer.into(), beneficiary: member.into(), cost, state: HoldState::Held };
        let ends = self.now.saturating_add(i64::try_from(ttl).unwrap_or(i64::MAX));
        self.timers.insert(format!("{HOLD_TIMER}{key}"), (ends, "null".into()));
        self.holds.insert(key.into(), (hold.clone(), ends));
        Ok(hold)
    }

    /// Whether a member has brought another, or whoever brought them.
    fn has_brought(&self, member: &str, source: &str) -> bool {
        let inviter_of = |id: &String| self.members.get(id).and_then(|(member, _)| member.inviter.clone());
        let above = std::iter::successors(inviter_of(&source.to_owned()), inviter_of);
        above.take(COMMISSION_LEVELS).any(|above| above == member)
    }

    fn check_budget(&self, cost: i64, member: &str) -> Result<(), Refused> {
        let Some(budget) = &self.budget else {
            return if cost > 0 { Err(Refused::NoBudget) } else { Ok(()) };
        };
        if budget.held + budget.captured + cost > budget.limit {
            return Err(Refused::Exhausted(Limit::Money));
        }
        if budget.max_grants.is_some_and(|most| budget.grants >= most) {
            return Err(Refused::Exhausted(Limit::Grants));
        }
        let grants = budget.member_grants.get(member).copied().unwrap_or_default();
        if budget.per_member.is_some_and(|most| grants >= most) {
            return Err(Refused::Exhausted(Limit::MemberGrants));
        }
        Ok(())
    }

    /// Gives a part of what a random packet holds.
    pub(crate) fn capture_part(&mut self, key: &str, minor: i64) -> bool {
        let Some((hold, _)) = self.holds.get_mut(key) else { return false };
        let is_packet = self.offers.get(&hold.offer).is_some_and(|offer| offer.is_packet);
        if !is_packet || hold.state != HoldState::Held || !(0..=hold.cost).contains(&minor) {
            return hold.state == HoldState::Captured;
        }
        let rest = hold.cost - minor;
        hold.cost = minor;
        if let Some(budget) = &mut self.budget {
            budget.held -= rest;
        }
        self.change_hold(key, HoldState::Captured)
    }

    pub(crate) fn change_hold(&mut self, key: &str, to: HoldState) -> bool {
        self.writing();
        let Some((hold, _)) = self.holds.get_mut(key) else { return false };
        let from = if to == HoldState::Revoked { HoldState::Captured } else { HoldState::Held };
        if to == HoldState::Captured && hold.state == to {
            return true;
        }
        if hold.state != from {
            return false;
        }
        hold.state = to;
        let hold = hold.clone();
        self.timers.remove(&format!("{HOLD_TIMER}{key}"));
        self.move_points(&hold);
        self.move_unit(&hold);
        let Some(budget) = &mut self.budget else { return true };
        match to {
            HoldState::Captured => {
                budget.held -= hold.cost;
                budget.captured += hold.cost;
            }
            HoldState::Revoked => {}
            _ => {
                budget.held -= hold.cost;
                budget.grants -= 1;
                *budget.member_grants.entry(hold.beneficiary).or_default() -= 1;
            }
        }
        true
    }

    /// A capture credits an offer's points; a revocation takes back what is left of them.
    fn move_points(&mut self, hold: &Hold) {
        let Some(Offer { points: Some((account, points)), .. }) = self.offers.get(&hold.offer).cloned() else { return };
        let balance = self.points.entry((hold.beneficiary.clone(), account)).or_default();
        match hold.state {
            HoldState::Captured => *balance += points,
            HoldState::Revoked => *balance = balance.saturating_sub(points),
            _ => {}
        }
    }

    /// A capture sells an offer's unit, anything else puts it back.
    fn move_unit(&mut self, hold: &Hold) {
        let Some(Offer { pool: Some(pool), .. }) = self.offers.get(&hold.offer).cloned() else { return };
        let Some(pool) = self.pools.get_mut(&pool) else { return };
        match hold.state {
            HoldState::Captured => {
                pool.reserved -= 1;
                pool.sold += 1;
            }
            HoldState::Revoked => pool.sold -= 1,
            _ => pool.reserved -= 1,
        }
    }

    pub(super) fn expire_hold(&mut self, key: &str) {
        if self.change_hold(key, HoldState::Released)
            && let Some((hold, _)) = self.holds.get_mut(key)
        {
            hold.state = HoldState::Expired;
        }
    }

    pub(super) fn given(&self, member: &str, state: HoldState) -> Vec<String> {
        let holds =
            self.holds.values().map(|(hold, _)| hold).filter(|hold| hold.beneficiary == member && hold.state == state);
        holds.map(|hold| hold.offer.clone()).collect()
    }

    pub(crate) fn spend_points(&mut self, key: &str, member: &str, account: &str, points: u64) -> bool {
        self.writing();
        let arguments = (member.to_owned(), account.to_owned(), points);
        if let Some(before) = self.spent.get(key) {
            return *before == arguments;
        }
        let balance = self.points.entry((member.into(), account.into())).or_default();
        if *balance < points {
            return false;
        }
        *balance -= points;
        *self.taken.entry(account.into()).or_default() += points;
        self.spent.insert(key.into(), arguments);
        true
    }

    /// Never more than the activity has taken.
    pub(crate) fn give_points(&mut self, key: &str, member: &str, account: &str, points: u64) -> bool {
        self.writing();
        let arguments = (member.to_owned(), account.to_owned(), points);
        if let Some(before) = self.given_back.get(key) {
            return *before == arguments;
        }
        let taken = self.taken.entry(account.into()).or_default();
        if *taken < points || !self.members.contains_key(member) {
            return false;
        }
        *taken -= points;
        *self.points.entry((member.into(), account.into())).or_default() += points;
        self.given_back.insert(key.into(), arguments);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commission_goes_two_levels_up_and_no_further() {
        let mut world = World::default();
        let offer = Offer { is_commission: true, ..Offer::default() };
        world.offers.insert("cut".into(), offer);
        for (member, inviter) in [("a", None), ("b", Some("a")), ("c", Some("b")), ("d", Some("c"))] {
            world.join(member);
            if let Some(inviter) = inviter {
                world.bind_inviter(member, inviter).expect("bound");
            }
        }
        let mut place =
            |key: &str, to: &str| world.place_hold(key, "cut", Some("d"), to, 1_000).map(|hold| hold.beneficiary);
        assert_eq!(place("1", "c"), Ok("c".into()));
        assert_eq!(place("2", "b"), Ok("b".into()));
        assert_eq!(place("3", "a"), Err(Refused::TooDeep));
        assert_eq!(place("4", "d"), Err(Refused::TooDeep));
        assert_eq!(world.place_hold("5", "cut", None, "c", 1_000), Err(Refused::NeedsSource));
    }

    #[test]
    fn a_random_packet_puts_back_what_was_not_drawn() {
        let mut world = World::default();
        world.join("ann");
        world.budget = Some(BudgetState { limit: 500, ..BudgetState::default() });
        world.offers.insert("packet".into(), Offer { cost: 500, is_packet: true, ..Offer::default() });
        world.place_hold("p", "packet", None, "ann", 1_000).expect("a hold");
        assert!(!world.capture_part("p", 501));
        assert!(world.capture_part("p", 150));
        let budget = world.budget.expect("a budget");
        assert_eq!((budget.held, budget.captured), (0, 150));
    }
}
