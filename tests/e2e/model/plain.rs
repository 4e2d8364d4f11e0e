//! What should be: the purse, the stock, the shop, coupons, the forest of inviters and a timer, in a few plain numbers.

use std::collections::BTreeMap;

use super::{LIMIT, MUGS, OFFERS, PAY_WITHIN, POINTS, PRICE, Step, Use};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coupon {
    Issued,
    Reserved,
    Used,
    Revoked,
}

/// Ended is by hand, expired by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Done,
    Ended,
    Expired,
}

#[derive(Debug, Clone)]
pub(super) struct Hold {
    pub(super) offer: usize,
    pub(super) member: usize,
    pub(super) state: State,
    pub(super) expires_at: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Units {
    pub(super) quantity: i64,
    pub(super) state: State,
    pub(super) expires_at: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) is_closed: bool,
    pub(super) pay_by: i64,
    pub(super) paid: i64,
    pub(super) refunded: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) now: i64,
    pub(super) held: i64,
    pub(super) captured: i64,
    pub(super) reserved: i64,
    pub(super) sold: i64,
    pub(super) points: [i64; 2],
    pub(super) payable: [i64; 2],
    pub(super) holds: BTreeMap<u8, Hold>,
    pub(super) units: BTreeMap<u8, Units>,
    pub(super) orders: BTreeMap<u8, Order>,
    pub(super) refunds: BTreeMap<u8, (u8, i64)>,
    pub(super) coupons: BTreeMap<u8, Coupon>,
    pub(super) inviters: BTreeMap<usize, usize>,
    pub(super) timer: Option<i64>,
    pub(super) rung: i64,
    /// Whether the last step was taken rather than refused.
    pub(super) has_taken: bool,
}

impl Model {
    fn available(&self) -> i64 {
        MUGS - self.reserved - self.sold
    }

    /// Takes a step; false where it is refused.
    pub(super) fn take(&mut self, step: &Step) -> bool {
        match *step {
            Step::Hold { key, offer, member, ttl } => self.hold(key, offer, member, ttl),
            Step::Capture(key) => self.capture(key),
            Step::Release(key) => self.end_hold(key),
            Step::Revoke(key) => self.revoke(key),
            Step::Spend { member, points } => {
                let enough = self.points[member] >= points;
                self.points[member] -= if enough { points } else { 0 };
                enough
            }
            Step::Reserve { key, quantity, ttl } => match self.units.get(&key) {
                Some(known) => known.quantity == quantity,
                None => {
                    let enough = quantity <= self.available();
                    if enough {
                        self.reserved += quantity;
                        self.units.insert(key, Units { quantity, state: State::Open, expires_at: self.now + ttl });
                    }
                    enough
                }
            },
            Step::Commit(key) => self.end_units(key, State::Done),
            Step::Unreserve(key) => self.end_units(key, State::Ended),
            Step::Buy(key) => {
                let opened = Order { pay_by: self.now + PAY_WITHIN, ..Order::default() };
                self.orders.entry(key).or_insert(opened);
                true
            }
            Step::Cancel(key) => {
                let open = self.orders.get_mut(&key).filter(|order| order.paid == 0);
                open.map(|order| order.is_closed = true).is_some()
            }
            Step::Pay(key) => self.orders.get_mut(&key).map(|order| order.paid += PRICE).is_some(),
            Step::Refund { key, order, minor } => self.refund(key, order, minor),
            Step::Break(_) => false,
            Step::Coupon(key, what) => self.coupon(key, what),
            Step::Bind { member, inviter } => self.bind(member, inviter),
            Step::Later(ms) => {
                self.timer = Some(self.now + ms);
                true
            }
            Step::Pass(ms) => {
                self.pass(ms);
                true
            }
        }
    }

    fn hold(&mut self, key: u8, offer: usize, member: usize, ttl: i64) -> bool {
        if let Some(known) = self.holds.get(&key) {
            return (known.offer, known.member) == (offer, member);
        }
        let (name, cost) = OFFERS[offer];
        if self.held + self.captured + cost > LIMIT || name == "mug" && self.available() < 1 {
            return false;
        }
        self.held += cost;
        self.reserved += i64::from(name == "mug");
        self.holds.insert(key, Hold { offer, member, state: State::Open, expires_at: self.now + ttl });
        true
    }

    fn capture(&mut self, key: u8) -> bool {
        let Some(hold) = self.holds.get_mut(&key) else { return false };
        if hold.state == State::Open {
            hold.state = State::Done;
            let (name, cost) = OFFERS[hold.offer];
            self.held -= cost;
            self.captured += cost;
            match name {
                "points" => self.points[hold.member] += POINTS,
                "packet" => self.payable[hold.member] += cost,
                "coupon" => drop(self.coupons.insert(key, Coupon::Issued)),
                _ => {
                    self.reserved -= 1;
                    self.sold += 1;
                }
            }
        }
        hold.state == State::Done
    }

    fn end_hold(&mut self, key: u8) -> bool {
        let Some(hold) = self.holds.get_mut(&key).filter(|hold| hold.state == State::Open) else { return false };
        hold.state = State::Ended;
        self.held -= OFFERS[hold.offer].1;
        self.reserved -= i64::from(OFFERS[hold.offer].0 == "mug");
        true
    }

    fn revoke(&mut self, key: u8) -> bool {
        let Some(hold) = self.holds.get_mut(&key).filter(|hold| hold.state == State::Done) else { return false };
        hold.state = State::Ended;
        let (name, cost) = OFFERS[hold.offer];
        self.captured -= match name {
            "points" => {
                let back = self.points[hold.member].min(POINTS);
                self.points[hold.member] -= back;
                cost * back / POINTS
            }
            "packet" => {
                self.payable[hold.member] -= cost;
                cost
            }
            "coupon" => match self.coupons.get_mut(&key) {
                Some(coupon @ Coupon::Issued) => {
                    *coupon = Coupon::Revoked;
                    cost
                }
                // What is reserved or used is lost.
                _ => 0,
            },
            _ => {
                self.sold -= 1;
                cost
            }
        };
        true
    }

    fn coupon(&mut self, key: u8, what: Use) -> bool {
        let is_revoked = self.holds.get(&key).is_some_and(|hold| hold.state == State::Ended);
        let Some(coupon) = self.coupons.get_mut(&key) else { return false };
        let to = match (what, *coupon) {
            (Use::Reserve, Coupon::Issued | Coupon::Reserved) => Coupon::Reserved,
            (Use::Spend, Coupon::Reserved | Coupon::Used) => Coupon::Used,
            (Use::Return, Coupon::Reserved | Coupon::Used) if is_revoked => Coupon::Revoked,
            (Use::Return, Coupon::Reserved | Coupon::Used) => Coupon::Issued,
            _ => return false,
        };
        *coupon = to;
        true
    }

    fn bind(&mut self, member: usize, inviter: usize) -> bool {
        let above = std::iter::successors(Some(inviter), |above| self.inviters.get(above).copied());
        let fits = !self.inviters.contains_key(&member) && above.into_iter().all(|above| above != member);
        if fits {
            self.inviters.insert(member, inviter);
        }
        fits
    }

    fn end_units(&mut self, key: u8, to: State) -> bool {
        let Some(units) = self.units.get_mut(&key) else { return false };
        if units.state == State::Open {
            units.state = to;
            self.reserved -= units.quantity;
            self.sold += if to == State::Done { units.quantity } else { 0 };
        }
        units.state == to
    }

    fn refund(&mut self, key: u8, order: u8, minor: i64) -> bool {
        let Some(known) = self.orders.get_mut(&order) else { return false };
        if let Some(before) = self.refunds.get(&key) {
            return *before == (order, minor);
        }
        let fits = minor <= known.paid - known.refunded;
        if fits {
            known.refunded += minor;
            self.refunds.insert(key, (order, minor));
        }
        fits
    }

    fn pass(&mut self, ms: i64) {
        self.now += ms;
        if self.timer.is_some_and(|due| due <= self.now) {
            self.timer = None;
            self.rung += 1;
        }
        let late: Vec<u8> =
            self.holds.iter().filter(|(_, hold)| hold.expires_at <= self.now).map(|(key, _)| *key).collect();
        for key in late {
            self.end_hold(key);
        }
        // What has expired is neither sold nor put back by hand.
        for units in self.units.values_mut().filter(|units| units.expires_at <= self.now && units.state == State::Open)
        {
            self.reserved -= units.quantity;
            units.state = State::Expired;
        }
        for order in self.orders.values_mut().filter(|order| order.pay_by <= self.now && order.paid == 0) {
            order.is_closed = true;
        }
    }
}
