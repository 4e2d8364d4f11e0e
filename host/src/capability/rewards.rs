//! `wit/rewards.wit`. Every limit is counted here and counted again by the commit.

use crate::{
    domain::{
        hold::{Hold, HoldState},
        id::Id,
        money::Money,
        offer::{Offer, OfferKind},
        shipment::ShipmentState,
    },
    effects::Timer,
};

use super::{
    RunningCall,
    purse::{HOLD_TIMER, grants_key},
    quota::HORIZON_MS,
    wit::{
        rewards::{self as wit, Allowance, HoldChangeError, HoldError, Host, Limit},
        types::Money as WitMoney,
    },
};

const REASON_BYTES_MAX: usize = 500;

/// Whoever brought a member, and whoever brought them: a third level would be a pyramid.
const COMMISSION_LEVELS: usize = 2;

/// A hold that a plugin asks for.
struct Wish {
    key: String,
    offer: String,
    member: String,
    /// Of a commission, whom it is for.
    source: Option<String>,
    ttl: u64,
}

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

impl RunningCall {
    fn find_hold(&mut self, key: &str) -> wasmtime::Result<Option<Hold>> {
        self.key(key)?;
        let counted = self.quota.read(1, 0);
        self.within(counted)?;
        let found = self.reading_again()?.state.record(key);
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

    fn place(&mut self, wish: Wish) -> wasmtime::Result<Result<Hold, HoldError>> {
        let Wish { key, offer, member, source, ttl } = wish;
        if let Some(known) = self.find_hold(&key)? {
            let same = known.offer == offer && known.beneficiary.as_str() == member;
            return Ok(if same { Ok(known) } else { Err(HoldError::Mismatch) });
        }
        let call = self.reading_again()?;
        let (now, currency) = (call.now, call.activity.currency);
        let Some(promised) = call.activity.offers.get(offer.as_str()).cloned() else {
            return Ok(Err(HoldError::UnknownOffer));
        };
        let Some(cost) = promised.cost(currency) else { return Ok(Err(HoldError::UnknownOffer)) };
        let Some(member) = self.member(&member)? else { return Ok(Err(HoldError::UnknownMember)) };
        if let Err(refused) = self.check_source(&promised, source.as_deref(), &member.id)? {
            return Ok(Err(refused));
        }
        if let Err(limit) = self.exceeded(cost.minor, &member.id)? {
            return Ok(Err(limit));
        }
        if let Some(pool) = promised.pool()
            && self.pool(pool)?.is_none_or(|pool| pool.available < 1)
        {
            return Ok(Err(HoldError::Exhausted(Limit::Stock)));
        }
        self.learn_coupon(&promised)?;
        let counted = self.quota.grant();
        self.within(counted)?;
        let ttl = i64::try_from(ttl).unwrap_or(i64::MAX).min(HORIZON_MS);
        let hold = Hold {
            key,
            offer,
            beneficiary: member.id.clone(),
            cost,
            state: HoldState::Held,
            created_at: now,
            expires_at: now.saturating_add(ttl),
            reason: String::new(),
        };
        self.count_grant(&hold, 1)?;
        let timer = Timer::once(hold.expires_at, "null");
        self.set_timer(&format!("{HOLD_TIMER}{}", hold.key), Some(timer))?;
        self.reading_again()?.set_aside(hold.clone());
        Ok(Ok(hold))
    }

    /// A commission goes to whoever brought the source, or brought them: two levels up the forest of inviters, never more.
    fn check_source(
        &mut self,
        offer: &Offer,
        source: Option<&str>,
        beneficiary: &Id,
    ) -> wasmtime::Result<Result<(), HoldError>> {
        let is_commission = matches!(offer.kind, OfferKind::Commission { .. });
        let Some(source) = source else {
            return Ok(if is_commission { Err(HoldError::NeedsSource) } else { Ok(()) });
        };
        if !is_commission {
            return Ok(Err(HoldError::UnknownOffer));
        }
        let Some(source) = self.member(source)? else { return Ok(Err(HoldError::UnknownMember)) };
        let mut above = source.id.clone();
        for _ in 0..COMMISSION_LEVELS {
            match self.inviter_of(&above)? {
                Some(inviter) if inviter == *beneficiary => return Ok(Ok(())),
                Some(inviter) => above = inviter,
                None => break,
            }
        }
        Ok(Err(HoldError::TooDeep))
    }

    /// How long coupons of the offer's template are valid, so that a capture knows.
    fn learn_coupon(&mut self, offer: &Offer) -> wasmtime::Result<()> {
        let OfferKind::Coupon { template, .. } = &offer.kind else { return Ok(()) };
        let call = self.reading_again()?;
        let source = call.source.clone();
        let learnt = call.shared.learn_coupon(&source, template);
        self.host(learnt)
    }

    /// Moves a hold from one of the states allowed, or says in which state it is.
    fn take(&mut self, key: &str, from: HoldState) -> wasmtime::Result<Result<Hold, HoldChangeError>> {
        self.writing()?;
        Ok(match self.find_hold(key)? {
            None => Err(HoldChangeError::UnknownHold),
            Some(hold)
                if from == HoldState::Held && hold.state == from && hold.expires_at < self.reading_again()?.now =>
            {
                // Its timer has not run yet: it is over all the same.
                Err(HoldChangeError::WrongState(wit::HoldState::Expired))
            }
            Some(hold) if hold.state == from => Ok(hold),
            Some(hold) => Err(HoldChangeError::WrongState(state(hold.state))),
        })
    }

    pub(super) fn reason(&mut self, reason: &str) -> wasmtime::Result<()> {
        if reason.len() > REASON_BYTES_MAX || reason.contains('\0') {
            self.misuse("a reason is at most 500 bytes, without NUL")
        } else {
            Ok(())
        }
    }

    /// Gives what is held under a key, at the price that is asked for, where it may be.
    fn capture_at(
        &mut self,
        key: &str,
        price: impl FnOnce(&Hold, Option<&Offer>) -> Option<i64>,
    ) -> wasmtime::Result<Result<wit::Hold, HoldChangeError>> {
        let taken = match self.take(key, HoldState::Held)? {
            Ok(taken) => taken,
            Err(HoldChangeError::WrongState(wit::HoldState::Captured)) => {
                let captured = self.find_hold(key)?.expect("its state was just read");
                return Ok(Ok(hold(&captured)));
            }
            Err(error) => return Ok(Err(error)),
        };
        let offer = self.reading_again()?.activity.offers.get(taken.offer.as_str()).cloned();
        let Some(amount) = price(&taken, offer.as_ref()) else { return Ok(Err(HoldChangeError::BadAmount)) };
        if let Some(offer) = &offer {
            self.learn_coupon(offer)?;
        }
        self.set_timer(&format!("{HOLD_TIMER}{key}"), None)?;
        let given = self.reading_again()?.give(taken, amount);
        Ok(Ok(hold(&given)))
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
        let wish = Wish { key: key.clone(), offer: offer.clone(), member: beneficiary.clone(), source: None, ttl };
        let placed = self.place(wish)?.map(|placed| hold(&placed));
        self.reading_again()?.note("rewards.place-hold", (key, offer, beneficiary), &placed);
        Ok(placed)
    }

    fn place_commission(
        &mut self,
        key: String,
        offer: String,
        source: String,
        beneficiary: String,
        ttl: u64,
    ) -> wasmtime::Result<Result<wit::Hold, HoldError>> {
        self.writing()?;
        let asked = (key.clone(), offer.clone(), source.clone(), beneficiary.clone());
        let placed = self.place(Wish { key, offer, member: beneficiary, source: Some(source), ttl })?;
        let placed = placed.map(|placed| hold(&placed));
        self.reading_again()?.note("rewards.place-commission", asked, &placed);
        Ok(placed)
    }

    fn capture(&mut self, key: String) -> wasmtime::Result<Result<wit::Hold, HoldChangeError>> {
        self.capture_at(&key, |held, _| Some(held.cost.minor))
    }

    fn capture_part(&mut self, key: String, amount: WitMoney) -> wasmtime::Result<Result<wit::Hold, HoldChangeError>> {
        self.capture_at(&key, |held, offer| {
            let is_packet = offer.is_some_and(|offer| matches!(offer.kind, OfferKind::RandomPacket { .. }));
            let fits = amount.currency == held.cost.currency.as_str() && (0..=held.cost.minor).contains(&amount.minor);
            (is_packet && fits).then_some(amount.minor)
        })
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
        let answer = hold(&taken);
        self.reading_again()?.put_back(taken);
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
        let shipment = self.reading_again()?.shipment(&taken);
        if self.host(shipment)? == Some(ShipmentState::Shipped) {
            // What is on its way is the member's.
            return Ok(Err(HoldChangeError::WrongState(wit::HoldState::Captured)));
        }
        let back = self.reading_again()?.take_back(&taken);
        let back = self.host(back)?;
        taken.state = HoldState::Revoked;
        taken.reason = reason;
        self.count_grant(&taken, -1)?;
        let call = self.reading_again()?;
        let recovered = Money { minor: call.recoverable(back), currency: taken.cost.currency };
        let answer = (hold(&taken), money(&recovered));
        call.refund_budget(taken, recovered.minor);
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
