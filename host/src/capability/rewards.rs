//! `wit/rewards.wit`. Every limit is counted here and counted again by the commit.

use crate::{
    domain::{
        hold::{Hold, HoldState},
        id::Id,
        money::Money,
    },
    effects::{PointAccount, Timer, Written},
};

use super::{
    Call, RunningCall,
    quota::HORIZON_MS,
    wit::{
        rewards::{self as wit, Allowance, HoldChangeError, HoldError, Host, Limit},
        types::Money as WitMoney,
    },
};

const REASON_BYTES_MAX: usize = 500;

/// Keys of the timers that put back what nobody captured.
pub(crate) const HOLD_TIMER: &str = "\0hold\0";

fn money(money: &Money) -> WitMoney {
    WitMoney { minor: money.minor, currency: money.currency.as_str().into() }
}

fn state(state: HoldState) -> wit::HoldState {
    match state {
        HoldState::Held => wit::HoldState::Held,
        HoldState::Captured => wit::HoldState::Captured,
        HoldState::Released => wit::HoldState::Released,
        HoldState::Expired => wit::HoldState::Expired,
        HoldState::Revoked => wit::HoldState::Revoked,
    }
}

fn hold(hold: &Hold) -> wit::Hold {
    wit::Hold {
        key: hold.key.clone(),
        offer: hold.offer.clone(),
        beneficiary: hold.beneficiary.to_string(),
        cost: money(&hold.cost),
        state: state(hold.state),
        created_at: hold.created_at,
        expires_at: hold.expires_at,
    }
}

/// Where the host counts a member's grants of an offer, out of the plugin's sight.
fn grants_key(offer: &str, member: &Id) -> String {
    format!("\0grants\0{offer}\0{member}")
}

impl Call {
    /// Puts back a hold that nobody captured in time. False where there is nothing to put back.
    pub(crate) fn expire_hold(&mut self, key: &str) -> anyhow::Result<bool> {
        let Some(mut hold) = self.state.hold(key)?.filter(|hold| hold.state == HoldState::Held) else {
            return Ok(false);
        };
        hold.state = HoldState::Expired;
        self.shared.move_budget(&mut self.effects, &hold.beneficiary, -hold.cost.minor, 0, -1);
        self.uncount_grant(&hold)?;
        self.keep(hold);
        Ok(true)
    }

    /// Takes one from the member's grants of the offer. The entry stays as small as it was, so the storage used does too.
    fn uncount_grant(&mut self, hold: &Hold) -> anyhow::Result<()> {
        let key = grants_key(&hold.offer, &hold.beneficiary);
        let before = self.state.written(&key)?;
        let Some(grants) = before.value.as_deref().and_then(|text| std::str::from_utf8(text).ok()?.parse::<i64>().ok())
        else {
            return Ok(());
        };
        let width = before.value.map_or(0, |value| value.len());
        let fewer = format!("{:0width$}", (grants - 1).max(0));
        let written = Written { value: Some(fewer.into_bytes().into()), version: before.version + 1 };
        self.state.write(key.as_str().into(), written.clone());
        self.effects.entries.insert(key.into(), written);
        Ok(())
    }

    fn keep(&mut self, hold: Hold) {
        self.effects.holds.insert(hold.key.as_str().into(), hold.clone());
        self.state.set_hold(hold);
    }
}

impl RunningCall {
    fn find_hold(&mut self, key: &str) -> wasmtime::Result<Option<Hold>> {
        self.key(key)?;
        let found = self.reading_again()?.state.hold(key);
        self.host(found)
    }

    /// Which limit, if any, one more grant would break.
    fn exceeded(&mut self, cost: i64, member: &Id) -> wasmtime::Result<Result<(), HoldError>> {
        let call = self.reading_again()?;
        let Some(budget) = call.shared.budget.clone() else {
            return Ok(if cost == 0 { Ok(()) } else { Err(HoldError::NoBudget) });
        };
        let left = budget.limit.minor - budget.held.minor - budget.captured.minor;
        if cost > left {
            return Ok(Err(HoldError::Exhausted(Limit::Money)));
        }
        if budget.max_grants.is_some_and(|most| budget.grants >= most) {
            return Ok(Err(HoldError::Exhausted(Limit::Grants)));
        }
        if let Some(most) = budget.per_member_grants {
            let source = call.source.clone();
            let grants = call.shared.member_grants(&source, &budget.id, member);
            if self.host(grants)? >= most {
                return Ok(Err(HoldError::Exhausted(Limit::MemberGrants)));
            }
        }
        Ok(Ok(()))
    }

    fn count_grant(&mut self, hold: &Hold, change: i64) -> wasmtime::Result<()> {
        let key = grants_key(&hold.offer, &hold.beneficiary);
        let grants = self.own_number(&key)?;
        self.set_own_number(&key, grants + change)
    }

    fn place(
        &mut self,
        key: String,
        offer: String,
        member: &str,
        ttl: u64,
    ) -> wasmtime::Result<Result<Hold, HoldError>> {
        if let Some(known) = self.find_hold(&key)? {
            let same = known.offer == offer && known.beneficiary.as_str() == member;
            return Ok(if same { Ok(known) } else { Err(HoldError::Mismatch) });
        }
        let call = self.reading_again()?;
        let now = call.now;
        let currency = call.activity.currency;
        let Some(cost) = call.activity.offers.get(offer.as_str()).and_then(|offer| offer.cost(currency)) else {
            return Ok(Err(HoldError::UnknownOffer));
        };
        let Some(member) = self.member(member)? else { return Ok(Err(HoldError::UnknownMember)) };
        if let Err(limit) = self.exceeded(cost.minor, &member.id)? {
            return Ok(Err(limit));
        }
        let counted = self.quota.grant();
        self.within(counted)?;
        let ttl = i64::try_from(ttl).unwrap_or(i64::MAX).min(HORIZON_MS);
        let hold = Hold {
            key,
            offer,
            beneficiary: member.id,
            cost,
            state: HoldState::Held,
            created_at: now,
            expires_at: now.saturating_add(ttl),
            reason: String::new(),
        };
        self.count_grant(&hold, 1)?;
        let timer = Timer { due: hold.expires_at, payload: "null".into() };
        self.set_timer(&format!("{HOLD_TIMER}{}", hold.key), Some(timer))?;
        let call = self.reading_again()?;
        call.shared.move_budget(&mut call.effects, &hold.beneficiary, hold.cost.minor, 0, 1);
        call.keep(hold.clone());
        Ok(Ok(hold))
    }

    /// Moves a hold from one of the states allowed, or says in which state it is.
    fn take(&mut self, key: &str, from: HoldState) -> wasmtime::Result<Result<Hold, HoldChangeError>> {
        self.writing()?;
        Ok(match self.find_hold(key)? {
            None => Err(HoldChangeError::UnknownHold),
            Some(hold) if hold.state == from => Ok(hold),
            Some(hold) => Err(HoldChangeError::WrongState(state(hold.state))),
        })
    }

    fn reason(&mut self, reason: &str) -> wasmtime::Result<()> {
        if reason.len() > REASON_BYTES_MAX || reason.contains('\0') {
            self.misuse("a reason is at most 500 bytes, without NUL")
        } else {
            Ok(())
        }
    }

    /// The points that a hold's offer is made of, and whose.
    fn points_of(&mut self, hold: &Hold) -> wasmtime::Result<Option<(PointAccount, i64)>> {
        let call = self.reading_again()?;
        let points = call.activity.offers.get(hold.offer.as_str()).and_then(|offer| offer.points());
        Ok(points.map(|(account, points)| {
            (PointAccount { member: hold.beneficiary.clone(), account: account.to_string() }, points)
        }))
    }
}

impl Host for RunningCall {
    fn remaining(&mut self) -> wasmtime::Result<Option<Allowance>> {
        let call = self.reading()?;
        let allowance = call.shared.budget.as_ref().map(|budget| Allowance {
            money: WitMoney {
                minor: budget.limit.minor - budget.held.minor - budget.captured.minor,
                currency: budget.limit.currency.as_str().into(),
            },
            grants: budget.max_grants.map(|most| most.saturating_sub(budget.grants).unsigned_abs()),
        });
        call.note("rewards.remaining", (), &allowance);
        Ok(allowance)
    }

    fn quote(&mut self, offer: String) -> wasmtime::Result<Option<WitMoney>> {
        let activity = &self.reading()?.activity;
        let cost = activity.offers.get(offer.as_str()).and_then(|offer| offer.cost(activity.currency));
        Ok(cost.as_ref().map(money))
    }

    fn place_hold(
        &mut self,
        key: String,
        offer: String,
        beneficiary: String,
        ttl: u64,
    ) -> wasmtime::Result<Result<wit::Hold, HoldError>> {
        self.writing()?;
        let placed = self.place(key.clone(), offer.clone(), &beneficiary, ttl)?.map(|placed| hold(&placed));
        self.reading_again()?.note("rewards.place-hold", (key, offer, beneficiary), &placed);
        Ok(placed)
    }

    fn capture(&mut self, key: String) -> wasmtime::Result<Result<wit::Hold, HoldChangeError>> {
        let mut taken = match self.take(&key, HoldState::Held)? {
            Ok(taken) => taken,
            Err(HoldChangeError::WrongState(wit::HoldState::Captured)) => {
                let captured = self.find_hold(&key)?.expect("its state was just read");
                return Ok(Ok(hold(&captured)));
            }
            Err(error) => return Ok(Err(error)),
        };
        taken.state = HoldState::Captured;
        self.set_timer(&format!("{HOLD_TIMER}{key}"), None)?;
        if let Some((account, points)) = self.points_of(&taken)? {
            let call = self.reading_again()?;
            call.shared.move_points(&mut call.effects, account, points);
        }
        let call = self.reading_again()?;
        let cost = taken.cost.minor;
        call.shared.move_budget(&mut call.effects, &taken.beneficiary, -cost, cost, 0);
        let answer = hold(&taken);
        call.keep(taken);
        Ok(Ok(answer))
    }

    fn release(&mut self, key: String, reason: String) -> wasmtime::Result<Result<wit::Hold, HoldChangeError>> {
        self.reason(&reason)?;
        let mut taken = match self.take(&key, HoldState::Held)? {
            Ok(taken) => taken,
            Err(error) => return Ok(Err(error)),
        };
        taken.state = HoldState::Released;
        taken.reason = reason;
        self.set_timer(&format!("{HOLD_TIMER}{key}"), None)?;
        self.count_grant(&taken, -1)?;
        let call = self.reading_again()?;
        call.shared.move_budget(&mut call.effects, &taken.beneficiary, -taken.cost.minor, 0, -1);
        let answer = hold(&taken);
        call.keep(taken);
        Ok(Ok(answer))
    }

    fn revoke(
        &mut self,
        key: String,
        reason: String,
    ) -> wasmtime::Result<Result<(wit::Hold, WitMoney), HoldChangeError>> {
        self.reason(&reason)?;
        let mut taken = match self.take(&key, HoldState::Captured)? {
            Ok(taken) => taken,
            Err(error) => return Ok(Err(error)),
        };
        taken.state = HoldState::Revoked;
        taken.reason = reason;
        // What was spent meanwhile cannot be taken back: a balance never falls below zero.
        if let Some((account, points)) = self.points_of(&taken)? {
            let back = points.min(self.balance_of(&account)?);
            let call = self.reading_again()?;
            call.shared.move_points(&mut call.effects, account, -back);
        }
        self.count_grant(&taken, -1)?;
        let call = self.reading_again()?;
        let refundable = call.shared.budget.as_ref().is_some_and(|budget| budget.refundable);
        let recovered = Money { minor: if refundable { taken.cost.minor } else { 0 }, currency: taken.cost.currency };
        let grants = if refundable { -1 } else { 0 };
        call.shared.move_budget(&mut call.effects, &taken.beneficiary, 0, -recovered.minor, grants);
        let answer = (hold(&taken), money(&recovered));
        call.keep(taken);
        call.note("rewards.revoke", key, &answer.1);
        Ok(Ok(answer))
    }

    fn get(&mut self, key: String) -> wasmtime::Result<Option<wit::Hold>> {
        self.reading()?;
        Ok(self.find_hold(&key)?.as_ref().map(hold))
    }

    fn count_for(&mut self, member: String, offer: String) -> wasmtime::Result<u32> {
        self.reading()?;
        let Ok(member) = Id::new(&member) else { return Ok(0) };
        let grants = self.own_number(&grants_key(&offer, &member))?;
        Ok(u32::try_from(grants).unwrap_or(u32::MAX))
    }
}
