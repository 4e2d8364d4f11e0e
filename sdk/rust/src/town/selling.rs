//! What members and the shop do with orders, and the activity then hears.

use crate::{Activity, Answer, HostEvent};

use super::{Town, trade::ShopNews};

impl<A: Activity> Town<A> {
    /// Somebody pays an order in full: on time, late, or once more.
    pub fn pay(&mut self, order: &str) -> Answer<()> {
        let total = self.world.orders.get(order).unwrap_or_else(|| panic!("there is no order {order}")).total;
        self.told_by_shop(order, &ShopNews::Paid(total))
    }

    /// Somebody pays so much of an order.
    pub fn pay_part(&mut self, order: &str, minor: i64) -> Answer<()> {
        self.told_by_shop(order, &ShopNews::Paid(minor))
    }

    /// The whole of it was paid so many milliseconds ago: the host was away, and the activity hears it before its deadlines.
    pub fn pay_unheard_for(&mut self, order: &str, milliseconds: i64) -> Answer<()> {
        let total = self.world.orders.get(order).unwrap_or_else(|| panic!("there is no order {order}")).total;
        self.told_by_shop_at(order, &ShopNews::Paid(total), self.world.now - milliseconds)
    }

    /// The payment of an order fails.
    pub fn fail_payment(&mut self, order: &str) -> Answer<()> {
        self.told_by_shop(order, &ShopNews::Closed)
    }

    /// The shop does what it was asked to: it closes what was cancelled, and pays back.
    pub fn shop_catches_up(&mut self) {
        for order in std::mem::take(&mut self.world.to_close) {
            drop(self.told_by_shop(&order, &ShopNews::Closed));
        }
        for (refund, order) in self.refunds_asked() {
            drop(self.told_by_shop(&order, &ShopNews::Refunded(refund)));
        }
    }

    /// The shop pays back so much by itself.
    pub fn refund_by_shop(&mut self, order: &str, minor: i64) -> Answer<()> {
        self.told_by_shop(order, &ShopNews::RefundedByShop(minor))
    }

    /// The shop refuses to pay back whatever it was asked to.
    pub fn refuse_refunds(&mut self) {
        for (refund, order) in self.refunds_asked() {
            drop(self.told_by_shop(&order, &ShopNews::RefundRefused(refund)));
        }
    }

    /// Refunds that the shop was asked for, and their orders.
    fn refunds_asked(&self) -> Vec<(String, String)> {
        let asked = self.world.refunds.iter().filter(|(_, refund)| !refund.is_done);
        asked.map(|(key, refund)| (key.clone(), refund.order.clone())).collect()
    }

    /// What the shop says is counted, whatever the activity answers.
    fn told_by_shop(&mut self, order: &str, news: &ShopNews) -> Answer<()> {
        self.told_by_shop_at(order, news, self.world.now)
    }

    fn told_by_shop_at(&mut self, order: &str, news: &ShopNews, at: i64) -> Answer<()> {
        let Some(event) = self.world.hear_shop(order, news) else { return Ok(()) };
        let event = HostEvent { at, ..event };
        if !A::blueprint().hears(&event.topic) {
            return Ok(());
        }
        self.play_again(|call| A::on_event(call, &event))
    }
}
