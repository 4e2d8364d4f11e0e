//! Stock and orders, as a call has them.

use crate::{Call, HostEvent, Line, NotTraded, Order, OrderNews, Reservation, from_json, host};

/// Topics that the shop speaks of. An activity that listens hears them of its own orders.
pub const ORDER_TOPICS: [&str; 4] = ["order.paid", "order.closed", "order.refunded", "order.refund-refused"];

/// How often a refund is asked for again.
const REFUSALS_MAX: i64 = 2;

fn refusals(order: &str) -> String {
    format!("fg/refused/{order}")
}

impl<C> Call<C> {
    /// Sets units of a stock pool aside for `ttl` milliseconds. The same key gives the same reservation.
    pub fn reserve(&mut self, key: &str, pool: &str, quantity: u64, ttl: u64) -> Result<Reservation, NotTraded> {
        host::reserve(key, pool, quantity, ttl)
    }

    /// Whether so many units of a pool could be set aside now: for what must not be half done where they cannot.
    pub fn has_units(&mut self, pool: &str, quantity: u64) -> bool {
        let number = self.count("fg/probes", 1, 0, i64::MAX).expect("nobody probes that often");
        let key = format!("probe:{number}");
        self.reserve(&key, pool, quantity, 1).is_ok() && self.release_reservation(&key).is_ok()
    }

    /// The units set aside are sold.
    pub fn commit_reservation(&mut self, key: &str) -> Result<Reservation, NotTraded> {
        host::commit_reservation(key)
    }

    /// The units set aside are put back.
    pub fn release_reservation(&mut self, key: &str) -> Result<Reservation, NotTraded> {
        host::release_reservation(key)
    }

    /// The shop's own price of a good, in minor units, and how many can be sold; none where it has no such good.
    pub fn sku(&self, sku: &str) -> Option<(i64, u64)> {
        host::sku(sku)
    }

    /// Asks the shop to open an order that can be paid for `pay_within` milliseconds. The same key gives the same order. One of nothing
    /// is paid at once, and no event says so.
    pub fn open_order(&mut self, key: &str, member: &str, lines: &[Line], pay_within: u64) -> Result<Order, NotTraded> {
        host::open_order(key, member, lines, pay_within, &self.currency)
    }

    pub fn order(&self, key: &str) -> Option<Order> {
        host::order(key)
    }

    /// Closes an order that is not paid.
    pub fn cancel_order(&mut self, key: &str, reason: &str) -> Result<Order, NotTraded> {
        host::cancel_order(key, reason)
    }

    /// Pays back so many minor units of what was paid for an order. The same key refunds once.
    pub fn refund(&mut self, key: &str, order: &str, minor: i64, reason: &str) -> Result<Order, NotTraded> {
        host::refund(key, order, minor, reason, &self.currency)
    }

    /// Pays back whatever was paid for an order beyond `keep` minor units, as far as it is not paid back or being paid back; answers how
    /// much that is now. Asked again it pays nothing twice.
    pub fn refund_beyond(&mut self, order: &str, keep: i64, reason: &str) -> i64 {
        let Some(known) = self.order(order) else { return 0 };
        let beyond = known.paid - known.refunded - keep;
        if beyond <= 0 {
            return 0;
        }
        // What was refused is no longer counted as refunded; another try is another refund.
        let tries = self.counter(&refusals(order));
        let key = format!("{order}/back/{}/{tries}", known.refunded);
        if self.refund(&key, order, beyond, reason).is_ok() { beyond } else { 0 }
    }

    /// Whether the shop has refused to pay something of an order back.
    pub fn was_refund_refused(&self, order: &str) -> bool {
        self.counter(&refusals(order)) > 0
    }

    /// The shop will not pay back what it was asked to: asks again, twice. After that it is for people: the line in the log says so.
    pub fn refund_again(&mut self, news: &OrderNews) {
        let order = &news.intent;
        // The same refusal may be told twice.
        let told = format!("fg/refusal/{}", news.refund.as_deref().unwrap_or_default());
        if news.refund.is_some() && self.counter(&told) > 0 {
            return;
        }
        self.count(&told, 1, 0, i64::MAX).expect("it was 0 above");
        let tries = self.count(&refusals(order), 1, 0, i64::MAX).expect("nobody refuses that often");
        if tries > REFUSALS_MAX {
            self.log(&format!("the shop will not pay back {} of {order}", news.amount_minor));
            return;
        }
        let Some(known) = self.order(order) else { return };
        let amount = news.amount_minor.min(known.paid - known.refunded);
        let key = format!("{order}/back/{}/{tries}", known.refunded);
        let _ = self.refund(&key, order, amount, "once more");
    }

    /// Keeps an order from being shipped, or lets it go.
    pub fn hold_fulfilment(&mut self, order: &str, held: bool) -> Result<(), NotTraded> {
        host::hold_fulfilment(order, held)
    }
}

impl OrderNews {
    /// What was paid, and stays paid, is the total at least.
    pub fn is_covered(&self) -> bool {
        self.paid_minor - self.refunded_minor - self.refunding_minor >= self.total_minor
    }

    /// All that was paid is back, or on its way; also where nothing was paid.
    pub fn is_all_back(&self) -> bool {
        self.refunded_minor + self.refunding_minor >= self.paid_minor
    }
}

impl HostEvent {
    /// What the shop says, where it is the shop that speaks.
    pub fn order_news(&self) -> Option<OrderNews> {
        ORDER_TOPICS.contains(&self.topic.as_str()).then(|| from_json(&self.payload))?
    }
}
