//! Stock and the shop, in a town.

use crate::{
    HoldState, HostEvent, Limit, Line, NotTraded, Order, OrderNews, OrderState, Refused, Reservation, ReservationState,
};

use super::World;

/// As in the host.
const LINES_MAX: usize = 20;
const MINOR_MAX: i64 = 1_000_000_000_000_000;
const HORIZON_MS: i64 = 400 * 86_400_000;

pub(super) const RESERVATION_TIMER: &str = "\0reservation\0";
pub(super) const ORDER_TIMER: &str = "\0order\0";

/// Always: available + reserved + sold = total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StockPool {
    pub total: u64,
    pub reserved: u64,
    pub sold: u64,
}

impl StockPool {
    pub fn available(&self) -> u64 {
        self.total - self.reserved - self.sold
    }
}

/// A refund that was asked for; the shop has paid it back where it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    pub order: String,
    pub minor: i64,
    pub is_done: bool,
}

/// What the shop does to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShopNews {
    Paid(i64),
    Closed,
    /// By the refund's key.
    Refunded(String),
    /// So much, without being asked.
    RefundedByShop(i64),
    /// By the refund's key.
    RefundRefused(String),
}

impl World {
    pub(crate) fn reserve(&mut self, key: &str, pool: &str, quantity: u64, ttl: u64) -> Result<Reservation, NotTraded> {
        self.writing();
        Self::key(key);
        if let Some(known) = self.reservations.get(key) {
            let same = known.pool == pool && known.quantity == quantity;
            return if same { Ok(known.clone()) } else { Err(NotTraded::Mismatch) };
        }
        let Some(stock) = self.pools.get_mut(pool) else { return Err(NotTraded::Unknown) };
        if quantity == 0 {
            return Err(NotTraded::BadAmount);
        }
        if quantity > stock.available() {
            return Err(NotTraded::SoldOut(stock.available()));
        }
        stock.reserved += quantity;
        let expires_at = self.now.saturating_add(i64::try_from(ttl).unwrap_or(i64::MAX).min(HORIZON_MS));
        let state = ReservationState::Active;
        let made = Reservation { key: key.into(), pool: pool.into(), quantity, state, expires_at };
        self.quota.grant();
        self.timers.insert(format!("{RESERVATION_TIMER}{key}"), (expires_at, "null".into()));
        self.reservations.insert(key.into(), made.clone());
        Ok(made)
    }

    pub(crate) fn end_reservation(&mut self, key: &str, to: ReservationState) -> Result<Reservation, NotTraded> {
        self.writing();
        let made = self.reservations.get_mut(key).ok_or(NotTraded::Unknown)?;
        if made.state != to {
            if made.state != ReservationState::Active {
                return Err(NotTraded::WrongState);
            }
            made.state = to;
            let pool = self.pools.get_mut(&made.pool).ok_or(NotTraded::Unknown)?;
            pool.reserved -= made.quantity;
            pool.sold += if to == ReservationState::Committed { made.quantity } else { 0 };
            self.timers.remove(&format!("{RESERVATION_TIMER}{key}"));
        }
        Ok(made.clone())
    }

    /// Takes a unit for a reward, where its offer is of goods.
    pub(super) fn take_unit(&mut self, pool: Option<&str>) -> Result<(), Refused> {
        let Some(pool) = pool else { return Ok(()) };
        match self.pools.get_mut(pool).filter(|pool| pool.available() > 0) {
            Some(pool) => {
                pool.reserved += 1;
                Ok(())
            }
            None => Err(Refused::Exhausted(Limit::Stock)),
        }
    }

    pub(crate) fn open_order(
        &mut self,
        key: &str,
        member: &str,
        lines: &[Line],
        pay_within: u64,
    ) -> Result<Order, NotTraded> {
        self.writing();
        Self::key(key);
        let sum = |total: i64, line: &Line| {
            let price = Some(line.unit_price).filter(|price| *price >= 0 && line.quantity > 0)?;
            total.checked_add(price.checked_mul(i64::from(line.quantity))?).filter(|sum| *sum <= MINOR_MAX)
        };
        let total = lines.iter().try_fold(0, sum).filter(|_| (1..=LINES_MAX).contains(&lines.len()));
        let total = total.ok_or(NotTraded::BadAmount)?;
        if let Some(known) = self.orders.get(key) {
            let same = known.member == member && known.lines == lines;
            return if same { Ok(known.clone()) } else { Err(NotTraded::Mismatch) };
        }
        if !self.members.contains_key(member) || !lines.iter().all(|line| self.skus.contains_key(&line.sku)) {
            return Err(NotTraded::Unknown);
        }
        self.quota.outgoing();
        let pay_by = self.now.saturating_add(i64::try_from(pay_within).unwrap_or(i64::MAX).min(HORIZON_MS));
        let order = Order {
            key: key.into(),
            member: member.into(),
            lines: lines.to_vec(),
            total,
            state: if total == 0 { OrderState::Paid } else { OrderState::Open },
            pay_by,
            paid: 0,
            refunded: 0,
        };
        if total > 0 {
            self.timers.insert(format!("{ORDER_TIMER}{key}"), (pay_by, "null".into()));
        }
        self.orders.insert(key.into(), order.clone());
        Ok(order)
    }

    pub(crate) fn cancel_order(&mut self, key: &str) -> Result<Order, NotTraded> {
        self.writing();
        let order = self.orders.get_mut(key).ok_or(NotTraded::Unknown)?;
        match order.state {
            OrderState::Open => {
                order.state = OrderState::Cancelled;
                self.timers.remove(&format!("{ORDER_TIMER}{key}"));
                self.quota.outgoing();
                self.to_close.push(key.into());
            }
            OrderState::Cancelled => {}
            _ => return Err(NotTraded::WrongState),
        }
        Ok(order.clone())
    }

    pub(crate) fn refund(&mut self, key: &str, order: &str, minor: i64) -> Result<Order, NotTraded> {
        self.writing();
        Self::key(key);
        let known = self.orders.get_mut(order).ok_or(NotTraded::Unknown)?;
        if let Some(before) = self.refunds.get(key) {
            let same = before.order == order && before.minor == minor;
            return if same { Ok(known.clone()) } else { Err(NotTraded::Mismatch) };
        }
        match minor {
            ..=0 => return Err(NotTraded::BadAmount),
            _ if known.paid == 0 => return Err(NotTraded::WrongState),
            _ if minor > known.paid - known.refunded => return Err(NotTraded::OverRefund),
            _ => {}
        }
        known.refunded += minor;
        known.state = OrderState::Refunding;
        self.quota.outgoing();
        self.refunds.insert(key.into(), Refund { order: order.into(), minor, is_done: false });
        Ok(known.clone())
    }

    pub(crate) fn hold_fulfilment(&mut self, order: &str, held: bool) -> Result<(), NotTraded> {
        self.writing();
        let known = self.orders.get(order).ok_or(NotTraded::Unknown)?;
        if matches!(known.state, OrderState::Cancelled | OrderState::Refunded) {
            return Err(NotTraded::WrongState);
        }
        if held {
            self.unshipped.insert(order.into())
        } else {
            self.unshipped.remove(order)
        };
        Ok(())
    }

    /// Puts back what is still promised once the activity is settled.
    pub(super) fn end_promises(&mut self) {
        for key in self.holds.keys().cloned().collect::<Vec<_>>() {
            self.change_hold(&key, HoldState::Released);
        }
        for key in self.reservations.keys().cloned().collect::<Vec<_>>() {
            if self.reservations[&key].state == ReservationState::Active {
                let _ = self.end_reservation(&key, ReservationState::Released);
            }
        }
        for key in self.orders.keys().cloned().collect::<Vec<_>>() {
            self.expire_order(&key);
        }
    }

    /// Closes an order that nobody paid in time.
    pub(super) fn expire_order(&mut self, key: &str) {
        if let Some(order) = self.orders.get_mut(key).filter(|order| order.state == OrderState::Open) {
            order.state = OrderState::Cancelled;
            self.to_close.push(key.into());
        }
    }

    /// What the shop has said of an order: counted, and as the activity is told of it. None where nothing is new about it.
    pub(super) fn hear_shop(&mut self, key: &str, news: &ShopNews) -> Option<HostEvent> {
        let (topic, amount, refund) = match news {
            ShopNews::Paid(minor) => ("order.paid", *minor, None),
            ShopNews::Closed => ("order.closed", 0, None),
            ShopNews::Refunded(refund) => {
                let asked = self.refunds.get_mut(refund).filter(|refund| !refund.is_done)?;
                asked.is_done = true;
                ("order.refunded", asked.minor, Some(refund.clone()))
            }
            ShopNews::RefundedByShop(minor) => {
                // Of more than is left the host does not hear.
                let left = self.orders.get(key)?.paid - self.returned.get(key).copied().unwrap_or_default();
                ("order.refunded", (*minor).clamp(0, left), None)
            }
            ShopNews::RefundRefused(refund) => {
                let asked = self.refunds.get_mut(refund).filter(|refund| !refund.is_done)?;
                asked.is_done = true;
                ("order.refund-refused", asked.minor, Some(refund.clone()))
            }
        };
        let now = self.now;
        let refunding: i64 = self
            .refunds
            .values()
            .filter(|refund| refund.order == key && !refund.is_done)
            .map(|refund| refund.minor)
            .sum();
        let order = self.orders.get_mut(key).unwrap_or_else(|| panic!("there is no order {key}"));
        order.paid += if topic == "order.paid" { amount } else { 0 };
        let returned = self.returned.entry(key.into()).or_default();
        *returned = order.paid.min(*returned + if topic == "order.refunded" { amount } else { 0 });
        let returned = *returned;
        // The shop may have paid back by itself what it was being asked for.
        order.refunded = order.paid.min(returned + refunding);
        order.state = match order.state {
            OrderState::Open if topic == "order.closed" => OrderState::Cancelled,
            state if topic == "order.closed" => state,
            _ if refunding > 0 => OrderState::Refunding,
            _ if returned == order.paid => OrderState::Refunded,
            _ => OrderState::Paid,
        };
        self.timers.remove(&format!("{ORDER_TIMER}{key}"));
        if let Some((member, _)) = self.members.get_mut(&order.member).filter(|_| topic == "order.paid") {
            member.first_order_at.get_or_insert(now);
        }
        self.told += 1;
        let news = OrderNews {
            intent: key.into(),
            member: order.member.clone(),
            total_minor: order.total,
            paid_minor: order.paid,
            refunded_minor: returned,
            refunding_minor: refunding,
            amount_minor: amount,
            payment: (topic == "order.paid").then(|| format!("pay-{}", self.told)),
            refund,
        };
        Some(HostEvent {
            id: format!("evt-{}", self.told),
            topic: topic.into(),
            subject: order.member.clone(),
            payload: serde_json::to_string(&news).expect("news are JSON"),
            at: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        let mut world = World::default();
        world.join("ann");
        world.pools.insert("mugs".into(), StockPool { total: 3, ..StockPool::default() });
        world.skus.insert("mug".into(), (500, 10));
        world
    }

    fn mugs(quantity: u32) -> Vec<Line> {
        vec![Line { sku: "mug".into(), quantity, unit_price: 400 }]
    }

    #[test]
    fn units_are_available_reserved_or_sold() {
        let mut world = world();
        assert!(world.reserve("a", "mugs", 2, 1_000).is_ok());
        assert_eq!(world.reserve("b", "mugs", 2, 1_000), Err(NotTraded::SoldOut(1)));
        assert_eq!(world.reserve("a", "mugs", 1, 1_000), Err(NotTraded::Mismatch));
        assert!(world.end_reservation("a", ReservationState::Committed).is_ok());
        assert_eq!(world.end_reservation("a", ReservationState::Released), Err(NotTraded::WrongState));
        assert_eq!(world.pools["mugs"], StockPool { total: 3, reserved: 0, sold: 2 });
    }

    #[test]
    fn no_more_is_refunded_than_was_paid() {
        let mut world = world();
        let order = world.open_order("o", "ann", &mugs(2), 1_000).expect("an order");
        assert_eq!((order.total, order.state), (800, OrderState::Open));
        assert_eq!(world.refund("r", "o", 1), Err(NotTraded::WrongState));
        let told = world.hear_shop("o", &ShopNews::Paid(800)).expect("news");
        assert_eq!(told.order_news().expect("of an order").amount_minor, 800);
        assert_eq!(world.refund("r", "o", 801), Err(NotTraded::OverRefund));
        assert!(world.refund("r", "o", 500).is_ok());
        assert!(world.refund("r", "o", 500).is_ok(), "the same key refunds once");
        assert_eq!(world.refund("s", "o", 301), Err(NotTraded::OverRefund));
        assert_eq!(world.orders["o"].state, OrderState::Refunding);
        assert!(world.hear_shop("o", &ShopNews::Refunded("r".into())).is_some());
        assert!(world.hear_shop("o", &ShopNews::Refunded("r".into())).is_none());
        assert_eq!((world.orders["o"].state, world.orders["o"].refunded), (OrderState::Paid, 500));
    }
}
