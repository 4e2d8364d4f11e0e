//! Reservations: units set aside with an order, and then sold, given back or paid back.

use fairground_sdk::{Kind, Line, NotTraded, OrderNews, Queue, conflict, limit_reached, not_found, prelude::*};

use crate::config::{Config, Item, LatePayment};

/// Reservations by when they must be paid for.
pub(crate) const UNPAID: Queue<'static> = Queue("unpaid");

/// More than anybody reserves.
const NUMBERS_MAX: i64 = 9_999_999_999;

/// Units are kept a day longer than they can be needed.
const SPARE_MS: u64 = 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Reserved,
    Sold,
    /// Not paid in time.
    Lapsed,
    Cancelled,
    /// Sold, and paid back.
    Refunded,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reservation {
    pub id: String,
    pub member: String,
    pub sku: String,
    /// The good's number in the config.
    pub item: usize,
    pub quantity: u32,
    /// Minor units, of one unit, as it was.
    pub unit_price: i64,
    pub slot: usize,
    pub state: State,
    pub pay_by: i64,
    /// How often units were set aside for it.
    pub units: u32,
}

impl Reservation {
    /// Sets units aside for a member, and asks the shop for an order. Limits first, and stock after them.
    pub(crate) fn make(
        call: &mut Call<Config>,
        (number_of_item, item): (usize, &Item),
        slot: usize,
        member: &str,
        quantity: u32,
    ) -> Answer<Self> {
        let number = call.count("reservations", 1, 0, i64::MAX).expect("nobody reserves that often");
        let pay_by = call.now().saturating_add_unsigned(call.config.pay_window_ms);
        let mut made = Self {
            id: format!("r{number}"),
            member: member.into(),
            sku: item.sku.clone(),
            item: number_of_item,
            quantity,
            unit_price: item.sale_price,
            slot,
            state: State::Reserved,
            pay_by: pay_by.min(call.ends_at.unwrap_or(i64::MAX)),
            units: 0,
        };
        if made.pay_by <= call.now() {
            return Err(conflict("flash.not-in-slot", "There is no time left to pay."));
        }
        made.take_units(call, item)?;
        call.count(&format!("has-reserved/{member}"), 1, 0, i64::MAX).expect("nobody reserves that often");
        let line = Line { sku: item.sku.clone(), quantity, unit_price: item.sale_price };
        let window = (made.pay_by - call.now()).unsigned_abs();
        let not_sold = |_| not_found("common.not-found", "The shop does not have this good.");
        call.open_order(&made.order(), member, &[line], window).map_err(not_sold)?;
        UNPAID.put(call, made.pay_by, &made.id);
        call.save(&made.open_key(), &made.id);
        // The newest first.
        call.save(&format!("mine/{member}/{:010}", NUMBERS_MAX - number), &made.id);
        call.emit("flash-sale.reserved", &made.id, &made);
        made.save(call);
        if made.unit_price == 0 {
            made.sell(call);
        }
        Ok(made)
    }

    /// Counts its units against every limit, and takes them out of the pool.
    fn take_units(&mut self, call: &mut Call<Config>, item: &Item) -> Answer<()> {
        let quantity = i64::from(self.quantity);
        for (key, most, problem) in counters(call, (self.item, item), self.slot, &self.member) {
            if call.count(&key, quantity, 0, most).is_err() {
                return Err(problem);
            }
        }
        self.units += 1;
        let ttl = call.config.pay_window_ms + SPARE_MS;
        match call.reserve(&self.unit_key(), &item.pool, self.quantity.into(), ttl) {
            Ok(_) => {}
            Err(NotTraded::Unknown) => return Err(not_found("common.not-found", "There is no such stock pool.")),
            Err(_) => return Err(sold_out()),
        }
        if call.counter(&taken_key(self.item)) == i64::from(item.total) {
            call.emit("flash-sale.sold-out", &item.sku, &item.total);
        }
        Ok(())
    }

    /// Whether no limit speaks against so many units.
    pub(crate) fn fits(call: &Call<Config>, item: (usize, &Item), slot: usize, member: &str, quantity: u32) -> bool {
        counters(call, item, slot, member)
            .iter()
            .all(|(key, most, _)| call.counter(key).checked_add(quantity.into()).is_some_and(|sum| sum <= *most))
    }

    /// Why so many units are beyond the member's own share, where they are.
    pub(crate) fn must_be_within_share(
        call: &Call<Config>,
        item: (usize, &Item),
        slot: usize,
        member: &str,
        quantity: u32,
    ) -> Answer<()> {
        let [of_item, of_slot, ..] = counters(call, item, slot, member);
        for (key, most, problem) in [of_item, of_slot] {
            if call.counter(&key).checked_add(quantity.into()).is_none_or(|sum| sum > most) {
                return Err(problem);
            }
        }
        Ok(())
    }

    /// Why so many units can never be had, in however empty a sale.
    pub(crate) fn must_be_possible(
        call: &Call<Config>,
        item: (usize, &Item),
        slot: usize,
        quantity: u32,
    ) -> Answer<()> {
        let quota = call.config.slots.get(slot).and_then(|slot| slot.quota);
        let most = quota.map_or(item.1.total, |quota| quota.min(item.1.total));
        if quantity > most {
            return Err(limit_reached("flash.order-max", "There are not so many.").with("most", most));
        }
        Ok(())
    }

    /// Its units are nobody's any more.
    fn give_units(&self, call: &mut Call<Config>) {
        let Some(item) = call.config.items.get(self.item).cloned() else { return };
        let was_sold_out = call.counter(&taken_key(self.item)) == i64::from(item.total);
        for (key, _, _) in counters(call, (self.item, &item), self.slot, &self.member) {
            call.count(&key, -i64::from(self.quantity), 0, i64::MAX).expect("they were counted when they were taken");
        }
        let _ = call.release_reservation(&self.unit_key());
        if was_sold_out {
            call.emit("flash-sale.restocked", &item.sku, &self.quantity);
        }
    }

    pub(crate) fn load(call: &Call<Config>, id: &str) -> Option<Self> {
        call.find(&format!("reservation/{id}"))
    }

    pub(crate) fn find(call: &Call<Config>, id: &str) -> Answer<Self> {
        Self::load(call, id).ok_or_else(|| not_found("common.not-found", "There is no such reservation."))
    }

    /// Those that are not paid yet.
    pub(crate) fn open_ones(call: &Call<Config>, limit: u32) -> Vec<Self> {
        let ids = call.scan::<String>("open-reservation/", None, limit);
        ids.into_iter().filter_map(|(_, id)| Self::load(call, &id)).collect()
    }

    pub(crate) fn order(&self) -> String {
        format!("order:{}", self.id)
    }

    /// False where its units are not set aside any more.
    fn sell(&mut self, call: &mut Call<Config>) -> bool {
        let is_sold = call.commit_reservation(&self.unit_key()).is_ok();
        if is_sold {
            self.close(call, State::Sold, "flash-sale.sold");
        }
        is_sold
    }

    /// Gives it up unpaid.
    pub(crate) fn give_up(&mut self, call: &mut Call<Config>, state: State) {
        self.give_units(call);
        let _ = call.cancel_order(&self.order(), "the reservation is given up");
        call.refund_beyond(&self.order(), 0, "the reservation is given up");
        self.close(call, state, "flash-sale.lapsed");
    }

    fn close(&mut self, call: &mut Call<Config>, state: State, topic: &str) {
        self.state = state;
        UNPAID.remove(call, self.pay_by, &self.id);
        call.delete(&self.open_key());
        call.emit(topic, &self.id, &*self);
        let member = self.member.clone();
        call.tell(topic, &member, &[("reservation", self.id.clone())]);
        self.save(call);
    }

    fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("reservation/{}", self.id), self);
    }

    fn open_key(&self) -> String {
        format!("open-reservation/{}", self.id)
    }

    fn unit_key(&self) -> String {
        format!("unit:{}:{}", self.id, self.units)
    }

    /// Money has come in at an instant: in time, late, or a second time.
    pub(crate) fn paid(&mut self, call: &mut Call<Config>, news: &OrderNews, at: i64, is_over: bool) {
        let is_whole = news.is_covered();
        let is_in_time = at < self.pay_by;
        // What is set aside still is sold to whoever pays for it.
        let is_welcome = is_in_time || call.config.late_payment == LatePayment::FulfilIfStockElseRefund;
        match self.state {
            // The rest may come while there is time.
            State::Reserved if is_in_time && !is_whole => return,
            State::Reserved => {
                if !(is_whole && is_welcome && self.sell(call)) {
                    self.give_up(call, State::Lapsed);
                }
            }
            State::Lapsed | State::Cancelled => {
                let is_back = is_whole && !is_over && self.takes_late(call);
                let _ = is_back && self.sell(call);
            }
            State::Sold | State::Refunded => {}
        }
        let keep = if self.state == State::Sold { news.total_minor } else { 0 };
        if call.refund_beyond(&news.intent, keep, "too late, or paid twice") > 0 && keep == 0 {
            call.emit("flash-sale.late-refund", &self.id, &news.paid_minor);
        }
    }

    /// What was given up is there still, within every limit.
    fn takes_late(&mut self, call: &mut Call<Config>) -> bool {
        if call.config.late_payment == LatePayment::Refund {
            return false;
        }
        let Some(item) = call.config.items.get(self.item).cloned() else { return false };
        let fits = Self::fits(call, (self.item, &item), self.slot, &self.member, self.quantity);
        // Looked for first: nothing may be counted without units.
        fits && call.has_units(&item.pool, self.quantity.into()) && self.take_units(call, &item).is_ok()
    }

    /// All of it went back: the units are the shop's business.
    pub(crate) fn refunded(&mut self, call: &mut Call<Config>, news: &OrderNews) {
        let is_all = news.total_minor > 0 && news.is_all_back();
        if self.state == State::Sold && is_all {
            self.state = State::Refunded;
            self.save(call);
        }
    }
}

/// Every counter that units stand in, how high it may rise, and what is said beyond that. 0 sets no limit.
fn counters(
    call: &Call<Config>,
    (number, item): (usize, &Item),
    slot: usize,
    member: &str,
) -> [(String, i64, Problem); 4] {
    let most = |limit: u32| if limit == 0 { i64::MAX } else { i64::from(limit) };
    let config = &call.config;
    let share = limit_reached("flash.member-limit", "You have had your share of it.");
    let of_slot = limit_reached("flash.slot-limit", "You have had your share of this slot.");
    let quota = config.slots.get(slot).and_then(|slot| slot.quota);
    [
        (format!("units-of/{number}/{member}"), most(item.per_member_total), share),
        (format!("units-in/{slot}/{member}"), most(config.per_member_slot), of_slot),
        (format!("slot/{slot}"), quota.map_or(i64::MAX, i64::from), sold_out()),
        (taken_key(number), i64::from(item.total), sold_out()),
    ]
}

pub(crate) fn taken_key(item: usize) -> String {
    format!("taken/{item}")
}

pub(crate) fn sold_out() -> Problem {
    Problem::new(Kind::InsufficientStock, "flash.sold-out", "There is nothing left of it.").retryable()
}

pub(crate) fn lapsed() -> Problem {
    conflict("flash.reservation-lapsed", "The reservation is over.")
}
