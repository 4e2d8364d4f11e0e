//! What the life of a reward moves: budget, stock, codes, points, cash, coupons; and the ledger of it all.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::{
    domain::{
        coupon::CouponState,
        event::HostEvent,
        hold::{Hold, HoldState},
        id::Id,
        json::Json,
        ledger::{Account, Transfer},
        offer::{Offer, OfferKind},
        order::public_id,
        shipment::{CLAIM_WITHIN_MS, ShipmentState},
    },
    effects::{CodeMove, CouponMove, Outgoing, OutgoingKind, PointAccount, PointMove, ShipmentMove, Timer, Written},
};

use super::Call;

/// Keys of the timers that put back what nobody captured.
pub(crate) const HOLD_TIMER: &str = "\0hold\0";

/// Keys of the timers that put back goods which were given and nobody claimed.
pub(crate) const CLAIM_TIMER: &str = "\0claim\0";

/// What the host's own news of a coupon say of its reward.
#[derive(Deserialize)]
struct CouponNews {
    /// None in news that an earlier build has left.
    reward: Option<String>,
}

/// Where the host counts a member's grants of an offer, out of the plugin's sight.
pub(super) fn grants_key(offer: &str, member: &Id) -> String {
    format!("\0grants\0{offer}\0{member}")
}

impl Call {
    fn transfer(&mut self, transfer: Transfer) {
        if transfer.amount > 0 {
            self.effects.ledger.push((self.seq, transfer));
        }
    }

    fn offer_of(&self, hold: &Hold) -> Option<Offer> {
        self.activity.offers.get(hold.offer.as_str()).cloned()
    }

    /// Money of the activity's budget goes from one of its accounts to another.
    fn move_money(&mut self, hold: &Hold, from: fn(Id) -> Account, to: fn(Id) -> Account, amount: i64) {
        if let Some(budget) = self.activity.budget.clone() {
            let (debit, credit) = (from(budget.clone()), to(budget));
            self.transfer(Transfer::money(hold.cost.currency, debit, credit, amount, &hold.key));
        }
    }

    /// Places a hold.
    pub(super) fn set_aside(&mut self, hold: Hold) {
        self.shared.move_budget(&mut self.effects, &hold.beneficiary, hold.cost.minor, 0, 1);
        self.move_money(&hold, Account::Available, Account::Held, hold.cost.minor);
        self.move_goods(&hold, 1, 0, CodeMove::Lock);
        self.keep(hold);
    }

    /// Puts back a hold that was not captured.
    pub(super) fn put_back(&mut self, hold: Hold) {
        self.shared.move_budget(&mut self.effects, &hold.beneficiary, -hold.cost.minor, 0, -1);
        self.move_money(&hold, Account::Held, Account::Available, hold.cost.minor);
        self.move_goods(&hold, -1, 0, CodeMove::Free);
        self.keep(hold);
    }

    /// Gives what was held at the price of `amount`, which is no more than what was held.
    pub(super) fn give(&mut self, mut hold: Hold, amount: i64) -> Hold {
        let rest = hold.cost.minor - amount;
        self.shared.move_budget(&mut self.effects, &hold.beneficiary, -hold.cost.minor, amount, 0);
        self.move_money(&hold, Account::Held, Account::Captured, amount);
        self.move_money(&hold, Account::Held, Account::Available, rest);
        self.move_goods(&hold, -1, 1, CodeMove::Reveal);
        hold.cost.minor = amount;
        hold.state = HoldState::Captured;
        match self.offer_of(&hold) {
            Some(Offer { kind: OfferKind::Points { account, points, valid_ms, .. }, .. }) => {
                self.credit_points(&hold, &account, i64::from(points), valid_ms);
            }
            Some(Offer { kind: OfferKind::Coupon { template, .. }, .. }) => self.issue_coupon(&hold, template),
            Some(Offer { kind: OfferKind::Physical { sku, claim_within_ms, .. }, .. }) => {
                self.offer_shipment(&hold, sku, claim_within_ms);
            }
            Some(offer) if offer.is_cash() => self.move_cash(&hold, amount),
            _ => {}
        }
        self.keep(hold.clone());
        hold
    }

    /// Takes back what was given; answers how much of its cost has come back, whether or not the budget takes it.
    pub(super) fn take_back(&mut self, hold: &Hold) -> anyhow::Result<i64> {
        let cost = hold.cost.minor;
        match self.offer_of(hold).map(|offer| offer.kind) {
            Some(OfferKind::Points { account, points, .. }) => {
                let account = PointAccount { member: hold.beneficiary.clone(), account: account.to_string() };
                // What was spent meanwhile cannot be taken back: a balance never falls below zero.
                let points = i64::from(points);
                let back = points.min(self.shared.balance(&self.source, &account, self.now)?.max(0));
                let name = account.account.clone();
                self.transfer(Transfer::points(
                    &name,
                    Account::Member(account.member.clone()),
                    Account::Issuer,
                    back,
                    &hold.key,
                ));
                self.shared.move_points(&mut self.effects, PointMove { account, points: -back, batch: None });
                Ok(if points == 0 { cost } else { (i128::from(cost) * i128::from(back) / i128::from(points)) as i64 })
            }
            Some(OfferKind::Coupon { .. }) => {
                let id = public_id("cpn", &self.activity.id, &hold.key);
                // One that was issued a moment ago, in this very batch, is not in the store yet.
                let community = self.activity.id.community.clone();
                let found = self.source.wait(self.source.store.coupon(&community, &id))?;
                let from = found.map_or(CouponState::Issued, |coupon| coupon.state);
                if from == CouponState::Issued {
                    self.tell_of_coupon("coupon-revoked", &id, &json!({"member": hold.beneficiary}));
                }
                self.effects.coupons.push((hold.key.as_str().into(), CouponMove::Revoke { id, from }));
                // Nobody has used an expired one, and nobody can. What an order has may come back: see `hear_own`.
                let is_unused = matches!(from, CouponState::Issued | CouponState::Expired);
                Ok(if is_unused { cost } else { 0 })
            }
            Some(OfferKind::Physical { sku, .. }) => {
                let id = public_id("shp", &self.activity.id, &hold.key);
                self.effects.shipments.push((hold.key.as_str().into(), ShipmentMove::Revoke { id, at: self.now }));
                self.end_timer(&format!("{CLAIM_TIMER}{}", hold.key));
                self.shared.move_stock(&mut self.effects, &sku, 0, -1);
                Ok(cost)
            }
            Some(OfferKind::VirtualGood { sku, .. }) => {
                self.effects.codes.push((sku, hold.key.as_str().into(), CodeMove::Void));
                Ok(0)
            }
            Some(OfferKind::Badge {}) | None => Ok(cost),
            Some(_) => {
                let member = hold.beneficiary.clone();
                let back = cost.min(self.shared.payable(&self.source, &member)?);
                self.move_cash(hold, -back);
                Ok(back)
            }
        }
    }

    /// What the budget takes of what has come back.
    pub(super) fn recoverable(&self, minor: i64) -> i64 {
        if self.shared.budget.as_ref().is_some_and(|budget| budget.refundable) { minor } else { 0 }
    }

    /// A hold was revoked: the budget has back what it takes back.
    pub(super) fn refund_budget(&mut self, hold: Hold, recovered: i64) {
        let is_refundable = self.shared.budget.as_ref().is_some_and(|budget| budget.refundable);
        let grants = if is_refundable { -1 } else { 0 };
        self.shared.move_budget(&mut self.effects, &hold.beneficiary, 0, -recovered, grants);
        self.move_money(&hold, Account::Captured, Account::Available, recovered);
        self.keep(hold);
    }

    /// The host's own news: an order has given a coupon back that was revoked meanwhile, so nobody has used it, and the budget has its cost
    /// back.
    pub(crate) fn hear_own(&mut self, event: &HostEvent) -> anyhow::Result<()> {
        if event.topic != "coupon-revoked" {
            return Ok(());
        }
        let CouponNews { reward } = serde_json::from_str(event.payload.get())?;
        let Some(reward) = reward else { return Ok(()) };
        if let Some(hold) = self.state.record::<Hold>(&reward)?.filter(|hold| hold.state == HoldState::Revoked) {
            let recovered = self.recoverable(hold.cost.minor);
            self.shared.move_budget(&mut self.effects, &hold.beneficiary, 0, -recovered, 0);
            self.move_money(&hold, Account::Captured, Account::Available, recovered);
        }
        Ok(())
    }

    fn move_goods(&mut self, hold: &Hold, reserved: i64, sold: i64, code: CodeMove) {
        let Some(offer) = self.offer_of(hold) else { return };
        let Some(pool) = offer.pool() else { return };
        self.shared.move_stock(&mut self.effects, pool, reserved, sold);
        if matches!(offer.kind, OfferKind::VirtualGood { .. }) {
            self.effects.codes.push((pool.clone(), hold.key.as_str().into(), code));
        }
    }

    fn credit_points(&mut self, hold: &Hold, account: &Id, points: i64, valid_ms: Option<i64>) {
        let to = PointAccount { member: hold.beneficiary.clone(), account: account.to_string() };
        let credit = Account::Member(hold.beneficiary.clone());
        self.transfer(Transfer::points(account.as_str(), Account::Issuer, credit, points, &hold.key));
        let key: Arc<str> = hold.key.as_str().into();
        let batch = valid_ms.map(|valid| (key, self.now.saturating_add(valid)));
        self.shared.move_points(&mut self.effects, PointMove { account: to, points, batch });
    }

    fn issue_coupon(&mut self, hold: &Hold, template: Id) {
        let id = public_id("cpn", &self.activity.id, &hold.key);
        let terms = self.shared.coupons.get(&template).and_then(Option::as_ref);
        let expires_at = terms.and_then(|terms| terms.expires_at(self.now));
        let told = json!({"member": hold.beneficiary, "template": template, "expires_at": expires_at});
        self.tell_of_coupon("coupon-issued", &id, &told);
        let issue = CouponMove::Issue { id, member: hold.beneficiary.clone(), template, at: self.now, expires_at };
        self.effects.coupons.push((hold.key.as_str().into(), issue));
    }

    fn tell_of_coupon(&mut self, topic: &str, coupon: &Id, told: &serde_json::Value) {
        let (topic, subject, payload) = (topic.into(), coupon.to_string(), Json::of(told));
        self.effects.outbox.push((self.seq, Outgoing { kind: OutgoingKind::Event, topic, subject, payload }));
    }

    /// Goods that the member may claim, for a time.
    fn offer_shipment(&mut self, hold: &Hold, sku: Id, claim_within_ms: Option<i64>) {
        let id = public_id("shp", &self.activity.id, &hold.key);
        let claim_by = self.now.saturating_add(claim_within_ms.unwrap_or(CLAIM_WITHIN_MS));
        let offer = ShipmentMove::Offer { id, member: hold.beneficiary.clone(), sku, claim_by, at: self.now };
        self.effects.shipments.push((hold.key.as_str().into(), offer));
        let timer: Arc<str> = format!("{CLAIM_TIMER}{}", hold.key).into();
        self.state.set_timer(timer.clone(), Some(Timer::once(claim_by, "null")));
        self.effects.timers.insert(timer, Some(Timer::once(claim_by, "null")));
    }

    /// Where the goods of a reward are; none where they were given in this very batch.
    pub(super) fn shipment(&self, hold: &Hold) -> anyhow::Result<Option<ShipmentState>> {
        let id = public_id("shp", &self.activity.id, &hold.key);
        let found = self.source.wait(self.source.store.shipment(&self.activity.id.community, &id))?;
        Ok(found.map(|shipment| shipment.state))
    }

    fn end_timer(&mut self, key: &str) {
        if self.state.has_timer(key) {
            let key: Arc<str> = key.into();
            self.state.set_timer(key.clone(), None);
            self.effects.timers.insert(key, None);
        }
    }

    /// Cash that the member is to be paid, or no longer.
    fn move_cash(&mut self, hold: &Hold, minor: i64) {
        let (owed, payable) = (Account::Owed, Account::Payable(hold.beneficiary.clone()));
        let (debit, credit) = if minor >= 0 { (owed, payable) } else { (payable, owed) };
        self.transfer(Transfer::money(hold.cost.currency, debit, credit, minor.abs(), &hold.key));
        self.shared.move_payable(&mut self.effects, &hold.beneficiary, minor);
    }

    /// Takes points that the member has.
    pub(super) fn spend(&mut self, account: PointAccount, points: i64, reference: &str) {
        let debit = Account::Member(account.member.clone());
        self.transfer(Transfer::points(&account.account, debit, Account::Spent, points, reference));
        self.shared.move_points(&mut self.effects, PointMove { account, points: -points, batch: None });
    }

    /// What members had spent is a member's again. It does not expire.
    pub(super) fn give_back(&mut self, account: PointAccount, points: i64, reference: &str) {
        let credit = Account::Member(account.member.clone());
        self.transfer(Transfer::points(&account.account, Account::Spent, credit, points, reference));
        self.shared.move_points(&mut self.effects, PointMove { account, points, batch: None });
    }

    /// Puts back a hold that nobody captured in time. False where there is nothing to put back.
    pub(crate) fn expire_hold(&mut self, key: &str) -> anyhow::Result<bool> {
        let Some(mut hold) = self.state.record::<Hold>(key)?.filter(|hold| hold.state == HoldState::Held) else {
            return Ok(false);
        };
        hold.state = HoldState::Expired;
        self.uncount_grant(&hold)?;
        self.put_back(hold);
        Ok(true)
    }

    /// Puts goods that nobody has claimed in time back into stock. False where somebody has, or they were taken back.
    pub(crate) fn lapse_claim(&mut self, key: &str) -> anyhow::Result<bool> {
        let Some(mut hold) = self.state.record::<Hold>(key)?.filter(|hold| hold.state == HoldState::Captured) else {
            return Ok(false);
        };
        let is_unclaimed = self.shipment(&hold)?.is_none_or(|state| state == ShipmentState::Unclaimed);
        let Some(OfferKind::Physical { sku, .. }) = self.offer_of(&hold).map(|offer| offer.kind) else {
            return Ok(false);
        };
        if !is_unclaimed {
            return Ok(false);
        }
        let id = public_id("shp", &self.activity.id, &hold.key);
        self.effects.shipments.push((hold.key.as_str().into(), ShipmentMove::Lapse { id, at: self.now }));
        self.shared.move_stock(&mut self.effects, &sku, 0, -1);
        hold.state = HoldState::Expired;
        self.uncount_grant(&hold)?;
        let recovered = self.recoverable(hold.cost.minor);
        self.refund_budget(hold, recovered);
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
        self.state.set_record(hold);
    }
}
