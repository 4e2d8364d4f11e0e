//! What the shop says of orders: of seats, and of those who bought alone.

use fairground_sdk::{HostEvent, OrderNews, prelude::*};

use crate::{
    alone,
    config::{Config, LatePayment},
    group::{self, Group},
    joining,
    seat::{self, Seat, State},
};

/// Set when the activity takes no more actions.
pub(crate) const OVER: &str = "over";

#[derive(Serialize)]
struct Reseated<'a> {
    from: &'a str,
    to: &'a str,
}

pub(crate) fn hear(call: &mut Call<Config>, event: &HostEvent) {
    let Some(news) = event.order_news() else { return };
    if alone::hear(call, &event.topic, &news) {
        return;
    }
    let Some(seat) = Seat::of_order(call, &news.intent) else { return };
    let Some(group) = Group::load(call, &seat.group) else { return };
    match event.topic.as_str() {
        "order.paid" => paid(call, seat, group, &news, event.at),
        "order.closed" => closed(call, seat, group),
        "order.refunded" => refunded(call, seat, group, &news),
        _ => call.refund_again(&news),
    }
}

/// `at` is when the money came, which may be before the deadline though it is heard after it.
fn paid(call: &mut Call<Config>, mut seat: Seat, mut group: Group, news: &OrderNews, at: i64) {
    let is_whole = news.is_covered();
    match seat.state {
        // The rest may come while there is time.
        State::Held if !is_whole => return,
        // At the deadline itself it is too late.
        State::Held if at < seat.pay_by && group.must_be_forming(at).is_ok() => seat.pay(call, &mut group),
        State::Held => {
            seat.lapse_with_order(call, &mut group);
            come_back(call, &mut seat, &mut group);
            if seat.state == State::Lapsed {
                seat.tell_lapsed(call);
            }
        }
        State::Lapsed if is_whole => come_back(call, &mut seat, &mut group),
        _ => {}
    }
    let keep = match seat.state {
        State::Paid | State::Confirmed => seat.kept.unwrap_or(news.total_minor),
        State::Held | State::Lapsed | State::Refunded => 0,
    };
    call.refund_beyond(&news.intent, keep, "too late, or paid twice");
}

/// Paid after the seat was given up: the same group, another one, or a new one, where there is room and time for it.
fn come_back(call: &mut Call<Config>, seat: &mut Seat, group: &mut Group) {
    let is_over = call.load::<bool>(OVER).is_some();
    let may = call.config.late_payment == LatePayment::ReseatElseRefund && group.state != group::State::Cancelled;
    let is_free = seat::must_be_free(call, &seat.member).is_ok();
    if !may || is_over || !is_free || !joining::is_within_total(call, seat.quantity) {
        return;
    }
    let from = seat.id();
    // The leader's price is for who leads.
    let (price, member) = (seat.unit_price, seat.member.clone());
    let is_at_price = |target: &Group| price >= target.price || target.leader == member;
    let is_back = group.must_be_forming(call.now()).is_ok()
        && group.free() > 0
        && is_at_price(group)
        && !seat::sits_in(call, &group.id, &seat.member)
        && seat.return_to(call, group);
    let may_join = call.config.auto_match && (!call.config.new_joiner_only || call.is_new_member(&seat.member));
    let other = joining::best_for(call, &group.sku, &seat.member).filter(|other| may_join && is_at_price(other));
    let mut place = match (is_back, other) {
        (true, _) => group.clone(),
        (false, Some(mut other)) => {
            if !seat.move_to(call, &mut other) {
                return;
            }
            other
        }
        (false, None) => match lead(call, seat, group) {
            Some(new) => new,
            None => return,
        },
    };
    seat.pay(call, &mut place);
    *group = place;
    call.emit("group-buy.reseated", &seat.member, &Reseated { from: &from, to: &seat.id() });
    call.tell("group-buy.reseated", &seat.member, &[("group", seat.group.clone())]);
}

/// A new group around a late payment, while there is the whole time to pay for others.
fn lead(call: &mut Call<Config>, seat: &mut Seat, group: &Group) -> Option<Group> {
    let ends = call.ends_at.unwrap_or(i64::MAX);
    if call.now().saturating_add_unsigned(call.config.pay_window_ms) > ends {
        return None;
    }
    // Units first: a group that nobody sits in would stay open.
    let pool = call.config.stock_pool.clone();
    if !call.has_units(&pool, seat.quantity.into()) {
        return None;
    }
    let mut new = Group::open(call, &group.sku, &seat.member).ok()?;
    seat.move_to(call, &mut new).then_some(new)
}

fn closed(call: &mut Call<Config>, mut seat: Seat, mut group: Group) {
    if seat.state == State::Held {
        seat.lapse(call, &mut group);
    }
}

/// A completed group stays completed; its member is shown as paid back. In a forming one the seat is free again.
fn refunded(call: &mut Call<Config>, mut seat: Seat, mut group: Group, news: &OrderNews) {
    let is_all = news.paid_minor > 0 && news.is_all_back();
    match seat.state {
        State::Paid if is_all && group.state == group::State::Forming => seat.withdraw(call, &mut group),
        State::Confirmed if is_all && seat.kept != Some(0) => {
            seat.state = State::Refunded;
            seat.save(call);
        }
        _ => {}
    }
}
