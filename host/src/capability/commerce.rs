//! `wit/commerce.wit`: stock and orders. What the shop is asked to do leaves through the outbox.

use std::sync::Arc;

use serde_json::json;

use crate::{
    domain::{
        id::Id,
        json::Json,
        money::{MINOR_MAX, Money},
        order::{Line, Order, OrderState, Refund, RefundState, order_stream, worldwide_id},
        stock::{Reservation, ReservationState, StockPool},
    },
    effects::{Effects, Outgoing, OutgoingKind, Timer},
    state::State,
};

use super::{
    Call, RunningCall,
    quota::HORIZON_MS,
    wit::{
        commerce::{self as wit, CommerceError, Host},
        types::Money as WitMoney,
    },
};

/// A basket that a person can overlook.
const LINES_MAX: usize = 20;

/// An order of which there is news to hear is looked at again after so long.
const NEWS_WAIT_MS: i64 = 5_000;

/// Keys of the timers that put back units which nobody bought.
pub(crate) const RESERVATION_TIMER: &str = "\0reservation\0";

/// Keys of the timers that close orders which nobody paid.
pub(crate) const ORDER_TIMER: &str = "\0order\0";

type Answer<T> = wasmtime::Result<Result<T, CommerceError>>;

fn reservation(made: &Reservation) -> wit::Reservation {
    wit::Reservation {
        key: made.key.clone(),
        pool: made.pool.to_string(),
        quantity: made.quantity.unsigned_abs(),
        state: match made.state {
            ReservationState::Active => wit::ReservationState::Active,
            ReservationState::Committed => wit::ReservationState::Committed,
            ReservationState::Released => wit::ReservationState::Released,
            ReservationState::Expired => wit::ReservationState::Expired,
        },
        expires_at: made.expires_at,
    }
}

fn money(minor: i64, order: &Order) -> WitMoney {
    WitMoney { minor, currency: order.total.currency.as_str().into() }
}

fn intent(order: &Order) -> wit::Intent {
    let line = |line: &Line| wit::Line {
        sku: line.sku.to_string(),
        quantity: line.quantity,
        unit_price: money(line.unit_price_minor, order),
    };
    wit::Intent {
        key: order.key.clone(),
        member: order.member.to_string(),
        lines: order.lines.iter().map(line).collect(),
        total: money(order.total.minor, order),
        state: match order.state {
            OrderState::Open => wit::IntentState::Open,
            OrderState::Paid => wit::IntentState::Paid,
            OrderState::Cancelled => wit::IntentState::Cancelled,
            OrderState::Refunding => wit::IntentState::Refunding,
            OrderState::Refunded => wit::IntentState::Refunded,
        },
        pay_by: order.pay_by,
        paid: order.paid_minor,
        // Both at once only where the shop paid back by itself what it was being asked for.
        refunded: order.paid_minor.min(order.refunding_minor + order.refunded_minor),
    }
}

impl Call {
    fn keep_reservation(&mut self, made: Reservation) {
        self.effects.reservations.insert(made.key.as_str().into(), made.clone());
        self.state.set_record(made);
    }

    fn keep_order(&mut self, order: Order) {
        self.effects.orders.insert(order.key.as_str().into(), order.clone());
        self.state.set_record(order);
    }

    /// Queues what the shop is to do about an order.
    fn tell_shop(&mut self, topic: &str, order: &Order, mut payload: serde_json::Value) {
        payload["order"] = order.id.as_str().into();
        let outgoing = Outgoing {
            kind: OutgoingKind::Shop,
            topic: topic.into(),
            subject: order.id.to_string(),
            payload: Json::of(&payload),
        };
        self.effects.outbox.push((self.seq, outgoing));
    }

    /// Puts back units that nobody bought in time. False where there is nothing to put back.
    pub(crate) fn expire_reservation(&mut self, key: &str) -> anyhow::Result<bool> {
        let found = self.state.record::<Reservation>(key)?.filter(|made| made.state == ReservationState::Active);
        let Some(mut made) = found else { return Ok(false) };
        made.state = ReservationState::Expired;
        self.shared.move_stock(&mut self.effects, &made.pool, -made.quantity, 0);
        self.keep_reservation(made);
        Ok(true)
    }

    /// Closes an order that nobody paid in time. False where there is nothing to close.
    pub(crate) fn expire_order(&mut self, key: &str) -> anyhow::Result<bool> {
        let found = self.state.record::<Order>(key)?.filter(|order| order.state == OrderState::Open);
        let Some(mut order) = found else { return Ok(false) };
        if self.source.wait(self.source.store.has_news(&self.activity.id, &order_stream(key)))? {
            // Perhaps it was paid in time, and the plugin could not hear it for longer than timers wait.
            let timer: Arc<str> = format!("{ORDER_TIMER}{key}").into();
            let later = Some(Timer::once(self.now.saturating_add(NEWS_WAIT_MS), "null"));
            self.state.set_timer(timer.clone(), later.clone());
            self.effects.timers.insert(timer, later);
            return Ok(false);
        }
        order.state = OrderState::Cancelled;
        self.tell_shop("order.cancel", &order, json!({"reason": "not paid in time"}));
        self.keep_order(order);
        Ok(true)
    }
}

/// Writes an order and a refund that the shop has changed.
pub(crate) fn keep_news(state: &mut State, effects: &mut Effects, order: &Order, refund: Option<&Refund>) {
    effects.orders.insert(order.key.as_str().into(), order.clone());
    state.set_record(order.clone());
    if let Some(refund) = refund {
        effects.refunds.insert(refund.key.as_str().into(), refund.clone());
        state.set_record(refund.clone());
    }
}

impl RunningCall {
    /// A stock pool, as this batch sees it.
    pub(super) fn pool(&mut self, id: &Id) -> wasmtime::Result<Option<StockPool>> {
        let call = self.reading_again()?;
        let source = call.source.clone();
        let pool = call.shared.pool(&source, id);
        self.host(pool)
    }

    fn find_reservation(&mut self, key: &str) -> wasmtime::Result<Option<Reservation>> {
        self.key(key)?;
        let counted = self.quota.read(1, 0);
        self.within(counted)?;
        let found = self.reading_again()?.state.record(key);
        self.host(found)
    }

    fn find_order(&mut self, key: &str) -> wasmtime::Result<Option<Order>> {
        self.key(key)?;
        let counted = self.quota.read(1, 0);
        self.within(counted)?;
        let found = self.reading_again()?.state.record(key);
        self.host(found)
    }

    fn place_reservation(&mut self, key: String, pool: &str, quantity: u64, ttl: u64) -> Answer<Reservation> {
        if let Some(known) = self.find_reservation(&key)? {
            let same = known.pool.as_str() == pool && known.quantity.unsigned_abs() == quantity;
            return Ok(if same { Ok(known) } else { Err(CommerceError::Mismatch) });
        }
        let found = match Id::new(pool) {
            Ok(id) => self.pool(&id)?.filter(|pool| !pool.is_of_codes),
            Err(_) => None,
        };
        let Some(pool) = found else { return Ok(Err(CommerceError::Unknown)) };
        let Some(quantity) = i64::try_from(quantity).ok().filter(|quantity| *quantity > 0) else {
            return Ok(Err(CommerceError::BadAmount));
        };
        if quantity > pool.available {
            return Ok(Err(CommerceError::SoldOut(pool.available.unsigned_abs())));
        }
        let counted = self.quota.grant();
        self.within(counted)?;
        let now = self.reading_again()?.now;
        let expires_at = now.saturating_add(i64::try_from(ttl).unwrap_or(i64::MAX).min(HORIZON_MS));
        let made = Reservation { key, pool: pool.id, quantity, state: ReservationState::Active, expires_at };
        let timer = Timer::once(expires_at, "null");
        self.set_timer(&format!("{RESERVATION_TIMER}{}", made.key), Some(timer))?;
        let call = self.reading_again()?;
        call.shared.move_stock(&mut call.effects, &made.pool, quantity, 0);
        call.keep_reservation(made.clone());
        Ok(Ok(made))
    }

    /// Ends an active reservation; one that has ended that way already is left alone.
    fn end_reservation(&mut self, key: &str, to: ReservationState) -> Answer<wit::Reservation> {
        self.writing()?;
        let Some(mut made) = self.find_reservation(key)? else { return Ok(Err(CommerceError::Unknown)) };
        if made.state != to {
            let is_late = made.expires_at < self.reading_again()?.now;
            if made.state != ReservationState::Active || is_late {
                return Ok(Err(CommerceError::WrongState));
            }
            made.state = to;
            self.set_timer(&format!("{RESERVATION_TIMER}{key}"), None)?;
            let sold = if to == ReservationState::Committed { made.quantity } else { 0 };
            let call = self.reading_again()?;
            call.shared.move_stock(&mut call.effects, &made.pool, -made.quantity, sold);
            call.keep_reservation(made.clone());
        }
        Ok(Ok(reservation(&made)))
    }

    /// The lines as the host keeps them, and what they come to.
    fn check_lines(&mut self, lines: &[wit::Line]) -> Answer<(Vec<Line>, Money)> {
        let currency = self.reading_again()?.activity.currency;
        if !(1..=LINES_MAX).contains(&lines.len()) {
            return Ok(Err(CommerceError::BadAmount));
        }
        let (mut kept, mut total) = (Vec::with_capacity(lines.len()), 0i64);
        for line in lines {
            let Ok(sku) = Id::new(&line.sku) else { return Ok(Err(CommerceError::Unknown)) };
            let price = line.unit_price.minor;
            let sum = price.checked_mul(i64::from(line.quantity)).and_then(|sum| total.checked_add(sum));
            match sum.filter(|sum| *sum <= MINOR_MAX) {
                Some(sum) if price >= 0 && line.quantity > 0 && line.unit_price.currency == currency.as_str() => {
                    total = sum;
                }
                _ => return Ok(Err(CommerceError::BadAmount)),
            }
            kept.push(Line { sku, quantity: line.quantity, unit_price_minor: price });
        }
        for line in &kept {
            let Call { shared, source, .. } = self.reading_again()?;
            let known = shared.sku(source, &line.sku);
            if self.host(known)?.is_none() {
                return Ok(Err(CommerceError::Unknown));
            }
        }
        Ok(Ok((kept, Money { minor: total, currency })))
    }

    fn open_order(&mut self, key: String, member: &str, lines: &[wit::Line], pay_within: u64) -> Answer<Order> {
        let (lines, total) = match self.check_lines(lines)? {
            Ok(checked) => checked,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(known) = self.find_order(&key)? {
            let same = known.member.as_str() == member && known.lines == lines;
            return Ok(if same { Ok(known) } else { Err(CommerceError::Mismatch) });
        }
        let Some(member) = self.member(member)? else { return Ok(Err(CommerceError::Unknown)) };
        let counted = self.quota.outgoing();
        self.within(counted)?;
        let now = self.reading_again()?.now;
        let pay_by = now.saturating_add(i64::try_from(pay_within).unwrap_or(i64::MAX).min(HORIZON_MS));
        let is_free = total.minor == 0;
        let order = Order {
            id: worldwide_id("ord", &self.reading_again()?.activity.id, &key),
            key,
            member: member.id.clone(),
            lines,
            total,
            // What costs nothing waits for nobody to pay it.
            state: if is_free { OrderState::Paid } else { OrderState::Open },
            pay_by,
            paid_minor: 0,
            refunding_minor: 0,
            refunded_minor: 0,
            is_held: false,
            created_at: now,
        };
        if !is_free {
            self.set_timer(&format!("{ORDER_TIMER}{}", order.key), Some(Timer::once(pay_by, "null")))?;
        }
        let call = self.reading_again()?;
        let payload =
            json!({"member": order.member, "lines": order.lines, "total": order.total, "pay_by": order.pay_by});
        call.tell_shop("order.open", &order, payload);
        call.keep_order(order.clone());
        Ok(Ok(order))
    }

    fn ask_refund(&mut self, key: String, order: &str, amount: &WitMoney, reason: String) -> Answer<Order> {
        let Some(mut order) = self.find_order(order)? else { return Ok(Err(CommerceError::Unknown)) };
        self.key(&key)?;
        let before = self.reading_again()?.state.record::<Refund>(&key);
        if let Some(before) = self.host(before)? {
            let same = before.order == order.key && before.amount_minor == amount.minor;
            return Ok(if same { Ok(order) } else { Err(CommerceError::Mismatch) });
        }
        if amount.currency != order.total.currency.as_str() || amount.minor <= 0 {
            return Ok(Err(CommerceError::BadAmount));
        }
        if order.paid_minor == 0 {
            return Ok(Err(CommerceError::WrongState));
        }
        if amount.minor > order.paid_minor - order.refunding_minor - order.refunded_minor {
            return Ok(Err(CommerceError::OverRefund));
        }
        let counted = self.quota.outgoing();
        self.within(counted)?;
        order.refunding_minor += amount.minor;
        order.settle_state();
        let call = self.reading_again()?;
        let refund = Refund {
            id: worldwide_id("rfd", &call.activity.id, &key),
            key,
            order: order.key.clone(),
            amount_minor: amount.minor,
            state: RefundState::Asked,
            reason,
        };
        let amount = Money { minor: amount.minor, currency: order.total.currency };
        call.tell_shop("order.refund", &order, json!({"refund": refund.id, "amount": amount, "reason": refund.reason}));
        call.effects.refunds.insert(refund.key.as_str().into(), refund.clone());
        call.state.set_record(refund);
        call.keep_order(order.clone());
        Ok(Ok(order))
    }
}

impl Host for RunningCall {
    fn sku(&mut self, sku: String) -> wasmtime::Result<Option<wit::SkuInfo>> {
        self.reading()?;
        let mut found = None;
        if let Ok(id) = Id::new(&sku) {
            let call = self.reading_again()?;
            let currency = call.activity.currency;
            let known = call.shared.sku(&call.source, &id);
            found = self.host(known)?.map(|known| wit::SkuInfo {
                sku: known.id.to_string(),
                price: WitMoney { minor: known.price_minor, currency: currency.as_str().into() },
                sellable: known.sellable.unsigned_abs(),
            });
        }
        self.reading_again()?.note("commerce.sku", sku, &found);
        Ok(found)
    }

    fn reserve(&mut self, key: String, pool: String, quantity: u64, ttl: u64) -> Answer<wit::Reservation> {
        self.writing()?;
        let made = self.place_reservation(key.clone(), &pool, quantity, ttl)?.map(|made| reservation(&made));
        self.reading_again()?.note("commerce.reserve", (key, pool, quantity), &made);
        Ok(made)
    }

    fn commit_reservation(&mut self, key: String) -> Answer<wit::Reservation> {
        self.end_reservation(&key, ReservationState::Committed)
    }

    fn release_reservation(&mut self, key: String) -> Answer<wit::Reservation> {
        self.end_reservation(&key, ReservationState::Released)
    }

    fn open_intent(
        &mut self,
        key: String,
        member: String,
        lines: Vec<wit::Line>,
        pay_within: u64,
    ) -> Answer<wit::Intent> {
        self.writing()?;
        let opened = self.open_order(key.clone(), &member, &lines, pay_within)?.map(|order| intent(&order));
        self.reading_again()?.note("commerce.open-intent", (key, member), &opened);
        Ok(opened)
    }

    fn get_intent(&mut self, key: String) -> wasmtime::Result<Option<wit::Intent>> {
        self.reading()?;
        Ok(self.find_order(&key)?.as_ref().map(intent))
    }

    fn cancel_intent(&mut self, key: String, reason: String) -> Answer<wit::Intent> {
        self.writing()?;
        self.reason(&reason)?;
        let Some(mut order) = self.find_order(&key)? else { return Ok(Err(CommerceError::Unknown)) };
        match order.state {
            OrderState::Cancelled => {}
            OrderState::Open => {
                let counted = self.quota.outgoing();
                self.within(counted)?;
                order.state = OrderState::Cancelled;
                self.set_timer(&format!("{ORDER_TIMER}{key}"), None)?;
                let call = self.reading_again()?;
                call.tell_shop("order.cancel", &order, json!({"reason": reason}));
                call.keep_order(order.clone());
            }
            _ => return Ok(Err(CommerceError::WrongState)),
        }
        Ok(Ok(intent(&order)))
    }

    fn refund(&mut self, key: String, order: String, amount: WitMoney, reason: String) -> Answer<wit::Intent> {
        self.writing()?;
        self.reason(&reason)?;
        Ok(self.ask_refund(key, &order, &amount, reason)?.map(|order| intent(&order)))
    }

    fn set_fulfilment_hold(&mut self, order: String, held: bool) -> Answer<()> {
        self.writing()?;
        let Some(mut order) = self.find_order(&order)? else { return Ok(Err(CommerceError::Unknown)) };
        if matches!(order.state, OrderState::Cancelled | OrderState::Refunded) {
            return Ok(Err(CommerceError::WrongState));
        }
        if order.is_held != held {
            let counted = self.quota.outgoing();
            self.within(counted)?;
            order.is_held = held;
            let call = self.reading_again()?;
            call.tell_shop("order.hold", &order, json!({"held": held}));
            call.keep_order(order);
        }
        Ok(Ok(()))
    }
}
