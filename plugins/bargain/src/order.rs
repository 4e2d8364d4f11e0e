//! Ordering at the price that was reached, and what the shop says of it.

use fairground_sdk::{Line, NotTraded, OrderNews, conflict, expired, not_found, prelude::*};

use crate::{
    config::{BuyPolicy, Config, StockHold},
    session::{Session, State},
    views::{self, SessionView},
};

/// A unit is kept a day longer than it can be needed.
const SPARE_MS: u64 = 86_400_000;

#[derive(Serialize, JsonSchema)]
pub(crate) struct Ordered {
    /// The order's key.
    order: String,
    /// What it costs, in minor units: the price reached, or the shop's own where that is lower by now.
    price: i64,
    session: SessionView,
}

/// What `bargain.ordered` tells.
#[derive(Serialize)]
struct OrderedEvent<'a> {
    order: &'a str,
    price: i64,
}

/// The owner orders at the price as it stands; from then on it is not cut any more.
pub(crate) fn order(call: &mut Call<Config>, id: &str) -> Answer<Ordered> {
    let mut session = Session::own(call, id)?;
    may_order(call, &session)?;
    if session.state == State::Cutting {
        session.settle_price(call, State::Agreed);
    }
    reserve(call, &mut session)?;
    let shop = call.sku(&call.config.sku).ok_or_else(no_such_good)?;
    let price = session.current.min(shop.0);
    session.orders += 1;
    session.state = State::Ordering;
    let key = key(&session, session.orders);
    let line = Line { sku: call.config.sku.clone(), quantity: 1, unit_price: price };
    let window = session.deadline - call.now();
    let owner = session.owner.clone();
    call.open_order(&key, &owner, &[line], window.unsigned_abs()).map_err(|_| no_such_good())?;
    call.emit("bargain.ordered", &session.id, &OrderedEvent { order: &key, price });
    session.save(call);
    if price == 0 {
        let number = session.orders;
        buy(call, &mut session, number);
    }
    Ok(Ordered { order: key, price, session: views::session(call, &session) })
}

fn may_order(call: &Call<Config>, session: &Session) -> Answer<()> {
    let now = call.now();
    match session.state {
        State::Cutting if session.is_cut(now) => match call.config.buy_policy {
            BuyPolicy::AnyPrice => Ok(()),
            BuyPolicy::FloorOnly => Err(conflict("bargain.not-success", "The price is not at its floor yet.")),
        },
        State::Cutting | State::Expired | State::Cancelled => {
            Err(conflict("bargain.session-over", "The session is over."))
        }
        State::Ordering | State::Bought | State::Refunded => {
            Err(conflict("bargain.already-ordered", "It is ordered already."))
        }
        _ if session.can_order(now) => Ok(()),
        _ => Err(expired("bargain.order-window-passed", "The time to order has passed.")),
    }
}

fn no_such_good() -> Problem {
    not_found("common.not-found", "The shop does not have this good.")
}

fn key(session: &Session, number: u32) -> String {
    format!("order:{number}:{}", session.id)
}

/// The session and the number of an order's key.
pub(crate) fn of_key(call: &Call<Config>, key: &str) -> Option<(Session, u32)> {
    let (number, id) = key.strip_prefix("order:")?.split_once(':')?;
    Some((Session::load(call, id)?, number.parse().ok()?))
}

/// Sets a unit aside, unless one is.
pub(crate) fn reserve(call: &mut Call<Config>, session: &mut Session) -> Answer<()> {
    let Some(pool) = call.config.stock_pool.clone() else { return Ok(()) };
    if session.unit.is_some() {
        return Ok(());
    }
    let key = format!("unit:{}:{}", session.orders, session.id);
    let ttl = call.config.session_ttl_ms + call.config.order_window_ms + SPARE_MS;
    match call.reserve(&key, &pool, 1, ttl) {
        Ok(_) => {
            session.unit = Some(key);
            Ok(())
        }
        Err(NotTraded::Unknown) => Err(not_found("common.not-found", "There is no such stock pool.")),
        Err(_) => {
            let why = "There is nothing left of it.";
            Err(Problem::new(fairground_sdk::Kind::InsufficientStock, "common.stock-exhausted", why).retryable())
        }
    }
}

/// The price is at its floor: a unit is set aside where that is the time for it. Where none is left, the owner may find one when
/// ordering: others give theirs back.
pub(crate) fn succeeded(call: &mut Call<Config>, session: &mut Session) {
    if call.config.stock_hold == StockHold::Success {
        let _ = reserve(call, session);
    }
    session.save(call);
    let owner = session.owner.clone();
    call.emit("bargain.success", &session.id, &*session);
    call.tell("bargain.success", &owner, &[("session", session.id.clone())]);
}

/// The unit is sold.
pub(crate) fn commit(call: &mut Call<Config>, session: &mut Session) {
    if let Some(unit) = &session.unit {
        // Set aside for longer than anybody can pay; where nobody came to it for days, the shop's own stock decides.
        if call.commit_reservation(unit).is_err() {
            call.log("a unit was given back before its payment was heard");
        }
    }
}

/// The unit and the order are given up.
pub(crate) fn put_back(call: &mut Call<Config>, session: &mut Session) {
    if let Some(unit) = session.unit.take() {
        let _ = call.release_reservation(&unit);
    }
    if session.orders > 0 {
        let order = key(session, session.orders);
        let _ = call.cancel_order(&order, "the session is over");
        call.refund_beyond(&order, 0, "the session is over");
    }
}

fn buy(call: &mut Call<Config>, session: &mut Session, number: u32) {
    session.bought_with = Some(number);
    session.close(call, State::Bought);
}

/// Money has come in at an instant. Too late, or a second time, it goes back.
pub(crate) fn paid(call: &mut Call<Config>, news: &OrderNews, at: i64) {
    let Some((mut session, number)) = of_key(call, &news.intent) else { return };
    if news.paid_minor < news.total_minor && session.state == State::Ordering && number == session.orders {
        // The rest may come while there is time.
        return;
    }
    let is_whole = news.is_covered();
    let is_open = matches!(session.state, State::Ordering | State::Success | State::Agreed);
    if is_whole && is_open && at < session.deadline && reserve(call, &mut session).is_ok() {
        if number != session.orders {
            let newer = key(&session, session.orders);
            let _ = call.cancel_order(&newer, "an earlier order was paid");
            call.refund_beyond(&newer, 0, "an earlier order was paid");
        }
        buy(call, &mut session, number);
    }
    let is_bought = session.state == State::Bought && session.bought_with == Some(number);
    let keep = if is_bought { news.total_minor } else { 0 };
    call.refund_beyond(&news.intent, keep, "too late, or paid twice");
}

/// The order will not be paid: the owner may order again while there is time.
pub(crate) fn closed(call: &mut Call<Config>, news: &OrderNews) {
    let Some((mut session, number)) = of_key(call, &news.intent) else { return };
    if session.bought_with != Some(number) {
        call.refund_beyond(&news.intent, 0, "closed before all of it was paid");
    }
    if session.state != State::Ordering || number != session.orders {
        return;
    }
    if call.now() >= session.deadline {
        session.close(call, State::Lapsed);
        return;
    }
    session.state = if session.current == session.floor { State::Success } else { State::Agreed };
    if call.config.stock_hold == StockHold::Order
        && let Some(unit) = session.unit.take()
    {
        let _ = call.release_reservation(&unit);
    }
    session.save(call);
}

/// Money has gone back. What was bought stays bought until all of it has.
pub(crate) fn refunded(call: &mut Call<Config>, news: &OrderNews) {
    let Some((mut session, number)) = of_key(call, &news.intent) else { return };
    let is_all = news.is_all_back() && news.total_minor > 0;
    if session.state == State::Bought && session.bought_with == Some(number) && is_all {
        session.state = State::Refunded;
        call.emit("bargain.refunded", &session.id, &session);
        session.save(call);
    }
}
