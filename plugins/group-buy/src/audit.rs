//! What must hold of groups and seats, from scratch: GB1 to GB3, GB5, GB7 and GB8.

use fairground_sdk::prelude::*;

use crate::{
    config::Config,
    group::{self, Group},
    seat::{Seat, State},
};

/// Groups and seats that one audit recomputes; it is one bounded call.
const GROUPS_MAX: u32 = 50;
const SEATS_MAX: usize = 600;

pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut room = SEATS_MAX;
    for (_, group) in call.scan::<Group>("group/", None, GROUPS_MAX) {
        let seats: Vec<Seat> =
            call.scan(&format!("seat/{}/", group.id), None, 256).into_iter().map(|(_, seat)| seat).collect();
        let Some(left) = room.checked_sub(seats.len()) else { return broken };
        room = left;
        broken.extend(broken_rules(call, &group, &seats).into_iter().map(|rule| format!("{rule} {}", group.id)));
    }
    broken
}

fn broken_rules(call: &Call<Config>, group: &Group, seats: &[Seat]) -> Vec<&'static str> {
    let count =
        |state: State| u32::try_from(seats.iter().filter(|seat| seat.state == state).count()).expect("few seats");
    let is_forming = group.state == group::State::Forming;
    let live: Vec<&Seat> = seats.iter().filter(|seat| matches!(seat.state, State::Held | State::Paid)).collect();
    let paid_back = |seat: &&Seat| call.order(&seat.order).is_none_or(|order| order.refunded == order.paid);
    let given_up = |seat: &&Seat| matches!(seat.state, State::Lapsed | State::Refunded);
    let moved = |seat: &Seat| call.load::<String>(&format!("moved/{}", seat.order)).is_some_and(|to| to != seat.id());
    // One that has more than a hundred seats is ended in several calls.
    let is_ended = live.is_empty() && !is_forming;
    let is_complete = group.state.is_completed();
    let has_leader = live.iter().any(|seat| seat.member == group.leader);
    let prices = |seat: &Seat| {
        let known = [group.price, group.leader_price];
        known.contains(&seat.unit_price) || call.config.skus.iter().any(|sku| sku.group_price == seat.unit_price)
    };
    let kept = |seat: &Seat| {
        let order = call.order(&seat.order);
        order.is_none_or(|order| Some(order.paid - order.refunded) <= seat.kept)
    };
    let rules = [
        ("GB1", group.held + group.paid <= group.size),
        ("GB1", !is_forming || (count(State::Held), count(State::Paid)) == (group.held, group.paid)),
        ("GB2", !is_complete || (group.paid >= group.least && group.paid > 0)),
        ("GB3", seats.iter().filter(given_up).filter(|seat| !moved(seat)).all(|seat| paid_back(&seat))),
        ("GB3", !is_ended || is_complete || count(State::Confirmed) == 0),
        ("GB5", !is_forming || live.is_empty() || has_leader),
        ("GB7", seats.iter().all(prices)),
        ("GB8", seats.iter().filter(|seat| seat.state == State::Confirmed).all(kept)),
    ];
    rules.into_iter().filter_map(|(rule, holds)| (!holds).then_some(rule)).collect()
}
