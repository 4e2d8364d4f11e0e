//! Buying alone, at the solo price.

use fairground_sdk::{Kind, Line, OrderNews, Queue, conflict, not_found, prelude::*};

use crate::{
    config::Config,
    joining::{self, OpenInput},
    payments::OVER,
};

/// Orders by when they are to be paid.
pub(crate) const UNPAID: Queue<'_> = Queue("alone");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Open,
    Bought,
    Closed,
    /// Bought, and paid back by the shop.
    Refunded,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Purchase {
    /// The order's key.
    pub order: String,
    pub member: String,
    pub sku: String,
    pub quantity: u32,
    /// Minor units, of one unit.
    pub unit_price: i64,
    pub state: State,
    /// UTC milliseconds.
    pub pay_by: i64,
    /// How often units were set aside.
    units: u32,
}

/// An order at the price that somebody pays who joins no group.
pub(crate) fn buy(call: &mut Call<Config>, input: &OpenInput) -> Answer<Purchase> {
    call.take_part(None, "group-buy.buy-alone")?.at_once()?;
    input.check(call)?;
    let unpaid = unpaid_key(&call.actor);
    if call.counter(&unpaid) > 0 {
        return Err(conflict("group-buy.unpaid-order-exists", "Pay the order that you have first, or let it go."));
    }
    call.count(&unpaid, 1, 0, 1).expect("it was 0 above");
    let sku = call.config.sku(&input.sku).ok_or_else(crate::not_sold)?.clone();
    joining::must_be_shown(input.unit_price, sku.solo_price)?;
    let member = call.actor.clone();
    let number = call.count("solo", 1, 0, i64::MAX).expect("nobody buys that often");
    let window = call.config.pay_window_ms;
    let mut bought = Purchase {
        order: format!("solo:{number}"),
        member: member.clone(),
        sku: sku.sku.clone(),
        quantity: input.quantity,
        unit_price: sku.solo_price,
        state: State::Open,
        pay_by: call.now().saturating_add_unsigned(window),
        units: 0,
    };
    bought.reserve(call)?;
    let line = Line { sku: sku.sku, quantity: bought.quantity, unit_price: bought.unit_price };
    let not_sold = |_| not_found("common.not-found", "The shop does not have this good.");
    call.open_order(&bought.order, &member, &[line], window).map_err(not_sold)?;
    UNPAID.put(call, bought.pay_by, &bought.order);
    bought.save(call);
    Ok(bought)
}

/// Closes what nobody paid in time, at most so many.
pub(crate) fn close_due(call: &mut Call<Config>, most: u32, due: i64) {
    for order in UNPAID.take(call, most, due) {
        if let Some(mut bought) = call.load::<Purchase>(&key(&order)).filter(|bought| bought.state == State::Open) {
            bought.close(call);
        }
    }
}

/// True where the order is one of these.
pub(crate) fn hear(call: &mut Call<Config>, topic: &str, news: &OrderNews) -> bool {
    let Some(mut bought) = call.load::<Purchase>(&key(&news.intent)) else { return false };
    match topic {
        "order.paid" => bought.paid(call, news),
        "order.closed" if bought.state == State::Open => bought.close(call),
        "order.refunded" => bought.refunded(call, news),
        "order.refund-refused" => call.refund_again(news),
        _ => {}
    }
    true
}

impl Purchase {
    fn reserve(&mut self, call: &mut Call<Config>) -> Answer<()> {
        self.units += 1;
        let pool = call.config.stock_pool.clone();
        // Some longer than it can be paid on time.
        let ttl = call.config.pay_window_ms + 86_400_000;
        let sold_out = |_| {
            let why = "There is not enough left.";
            Problem::new(Kind::InsufficientStock, "common.stock-exhausted", why).retryable()
        };
        call.reserve(&self.unit_key(), &pool, self.quantity.into(), ttl).map(drop).map_err(sold_out)?;
        call.count("units", self.quantity.into(), 0, i64::MAX).expect("the limit was checked");
        Ok(())
    }

    fn paid(&mut self, call: &mut Call<Config>, news: &OrderNews) {
        let is_whole = news.is_covered();
        if self.state == State::Open && !is_whole {
            return;
        }
        let is_over = call.load::<bool>(OVER).is_some();
        // Late, it still counts while the activity runs and there are units.
        let may_return = self.state == State::Closed && is_whole && !is_over;
        if may_return && joining::is_within_total(call, self.quantity) && self.reserve(call).is_ok() {
            call.commit_reservation(&self.unit_key()).expect("it was set aside a moment ago");
            self.state = State::Bought;
        }
        if self.state == State::Open {
            self.leave_open(call);
            // Units that nobody came to for days may be somebody else's.
            let is_sold = call.commit_reservation(&self.unit_key()).is_ok();
            self.state = if is_sold { State::Bought } else { State::Closed };
            if !is_sold {
                self.uncount(call);
            }
        }
        let keep = if self.state == State::Bought { news.total_minor } else { 0 };
        call.refund_beyond(&self.order, keep, "too late, or paid twice");
        self.save(call);
    }

    /// All of it went back.
    fn refunded(&mut self, call: &mut Call<Config>, news: &OrderNews) {
        if self.state == State::Bought && news.is_all_back() {
            self.state = State::Refunded;
            self.save(call);
        }
    }

    /// It is paid, or closed.
    fn leave_open(&self, call: &mut Call<Config>) {
        UNPAID.remove(call, self.pay_by, &self.order);
        call.count(&unpaid_key(&self.member), -1, 0, i64::MAX).expect("it was counted when it was opened");
    }

    fn uncount(&self, call: &mut Call<Config>) {
        call.count("units", -i64::from(self.quantity), 0, i64::MAX).expect("they were counted when it was opened");
    }

    pub(crate) fn close(&mut self, call: &mut Call<Config>) {
        self.state = State::Closed;
        let _ = call.release_reservation(&self.unit_key());
        self.leave_open(call);
        self.uncount(call);
        call.refund_beyond(&self.order, 0, "closed before all of it was paid");
        self.save(call);
    }

    fn save(&self, call: &mut Call<Config>) {
        if self.state == State::Open {
            call.save(&open_key(&self.order), &self.order);
        } else {
            call.delete(&open_key(&self.order));
        }
        call.save(&key(&self.order), self);
    }

    fn unit_key(&self) -> String {
        format!("unit:{}:{}", self.order, self.units)
    }
}

/// Those that are not paid yet.
pub(crate) fn open_ones(call: &Call<Config>, limit: u32) -> Vec<Purchase> {
    let orders = call.scan::<String>("open-solo/", None, limit);
    orders.into_iter().filter_map(|(_, order)| call.load(&key(&order))).collect()
}

fn unpaid_key(member: &str) -> String {
    format!("unpaid-alone/{member}")
}

fn key(order: &str) -> String {
    format!("alone/{order}")
}

fn open_key(order: &str) -> String {
    format!("open-solo/{order}")
}
