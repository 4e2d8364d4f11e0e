//! The host, as a component reaches it: the imports of `wit/`.

use std::sync::OnceLock;

use crate::{
    Budget, Day, Hold, HoldState, Limit, Line, NotTraded, Order, OrderState, OutOfBounds, Placed, Ranked, Refused,
    Reservation, ReservationState,
    component::fairground::activity::{
        clock, commerce, events, log as wit_log, points as wit_points, random, ranking, rewards, scheduler, storage,
        types,
    },
};

#[path = "host_wasm/people.rs"]
mod people;

pub(crate) use people::*;

/// A guest lives for one call, in which time stands still: it is asked once.
pub(crate) fn now() -> i64 {
    static NOW: OnceLock<i64> = OnceLock::new();
    *NOW.get_or_init(clock::now)
}

fn civil(day: Day) -> types::CivilDate {
    types::CivilDate { year: day.year, month: day.month, day: day.day }
}

fn day(date: types::CivilDate) -> Day {
    Day { year: date.year, month: date.month, day: date.day }
}

pub(crate) fn business_day(at: i64, zone: &str, minute: u32) -> Option<Day> {
    clock::business_day(at, zone, minute).ok().map(day)
}

pub(crate) fn day_start(day: Day, zone: &str, minute: u32) -> Option<i64> {
    clock::day_start(civil(day), zone, minute).ok()
}

pub(crate) fn minute_of_day(at: i64, zone: &str) -> Option<u32> {
    clock::minute_of_day(at, zone).ok()
}

pub(crate) fn add_days(from: Day, days: i32) -> Option<Day> {
    clock::add_days(civil(from), days).ok().map(day)
}

pub(crate) fn days_between(a: Day, b: Day) -> Option<i32> {
    clock::days_between(civil(a), civil(b)).ok()
}

pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
    storage::get(key).map(|entry| entry.value)
}

pub(crate) fn put(key: &str, value: Vec<u8>) {
    storage::put(key, &value, None).expect("no version is expected");
}

pub(crate) fn delete(key: &str) -> bool {
    storage::delete(key, None).expect("no version is expected")
}

pub(crate) fn scan(prefix: &str, start_after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)> {
    storage::scan(prefix, start_after, limit).into_iter().map(|entry| (entry.key, entry.value)).collect()
}

pub(crate) fn add(key: &str, delta: i64, low: i64, high: i64) -> Result<i64, OutOfBounds> {
    match storage::add(key, delta, low, high) {
        Ok(sum) => Ok(sum),
        Err(storage::AddError::OutOfBounds(value)) => Err(OutOfBounds(value)),
        Err(storage::AddError::NotACounter) => panic!("{key} is no counter"),
    }
}

pub(crate) fn counter(key: &str) -> i64 {
    let value = storage::get(key).map(|entry| entry.value);
    value.and_then(|bytes| std::str::from_utf8(bytes.strip_prefix(b"counter:")?).ok()?.parse().ok()).unwrap_or_default()
}

pub(crate) fn rank_put(board: &str, key: &str, score: i64, at: i64) {
    ranking::put(board, &ranking::Scored { key: key.into(), score, at });
}

pub(crate) fn rank_remove(board: &str, key: &str) -> bool {
    ranking::remove(board, key)
}

fn ranked(ranked: ranking::Ranked) -> Ranked {
    Ranked { rank: ranked.rank, key: ranked.entry.key, score: ranked.entry.score, at: ranked.entry.at }
}

pub(crate) fn rank(board: &str, key: &str) -> Option<Ranked> {
    ranking::rank(board, key).map(ranked)
}

pub(crate) fn ranks(board: &str, start: u64, limit: u32) -> Vec<Ranked> {
    ranking::range(board, start, limit).into_iter().map(ranked).collect()
}

pub(crate) fn rank_len(board: &str) -> u64 {
    ranking::len(board)
}

pub(crate) fn uniform(purpose: &str, low: u64, high: u64) -> u64 {
    random::uniform(purpose, low, high).expect("a purpose, and a range that is not empty")
}

pub(crate) fn sample(purpose: &str, n: u64, k: u32) -> Vec<u64> {
    random::sample(purpose, n, k).expect("a purpose, and no more than there are")
}

pub(crate) fn schedule(key: &str, when: i64, payload: &str) -> bool {
    match scheduler::at(key, when, payload) {
        Ok(()) => true,
        Err(scheduler::ScheduleError::TooMany) => false,
        Err(error) => panic!("{key} cannot be set: {error:?}"),
    }
}

pub(crate) fn schedule_every(key: &str, weekdays: &[u8], minute: u32, zone: &str) -> Option<i64> {
    let calendar = scheduler::Calendar { weekdays: weekdays.to_vec(), minute, zone: zone.into() };
    match scheduler::every(key, &calendar, "null") {
        Ok(first) => Some(first),
        Err(scheduler::ScheduleError::TooMany) => None,
        Err(error) => panic!("{key} cannot be set: {error:?}"),
    }
}

pub(crate) fn cancel_timer(key: &str) -> bool {
    scheduler::cancel(key)
}

pub(crate) fn emit(topic: &str, subject: &str, payload: &str) {
    if let Err(error) = events::emit(topic, subject, payload) {
        panic!("{topic} cannot be told: {error:?}");
    }
}

/// Tests see to it that it is declared.
pub(crate) fn expect_told(_event: &str) {}

pub(crate) fn log(line: &str) {
    wit_log::write(wit_log::Level::Info, line);
}

/// A trap does not say why: a panic's words are the last of the call's log.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let why = panic.payload_as_str().unwrap_or_default();
        wit_log::write(wit_log::Level::Error, &format!("it panicked at {place}: {why}"));
    }));
}

pub(crate) fn budget() -> Option<Budget> {
    rewards::remaining().map(|left| Budget { money: left.money.minor, grants: left.grants })
}

fn hold(hold: rewards::Hold) -> Hold {
    Hold {
        key: hold.key,
        offer: hold.offer,
        beneficiary: hold.beneficiary,
        cost: hold.cost.minor,
        state: match hold.state {
            rewards::HoldState::Held => HoldState::Held,
            rewards::HoldState::Captured => HoldState::Captured,
            rewards::HoldState::Released => HoldState::Released,
            rewards::HoldState::Expired => HoldState::Expired,
            rewards::HoldState::Revoked => HoldState::Revoked,
        },
    }
}

fn refused(error: rewards::HoldError) -> Refused {
    match error {
        rewards::HoldError::UnknownOffer => Refused::UnknownOffer,
        rewards::HoldError::UnknownMember => Refused::UnknownMember,
        rewards::HoldError::NoBudget => Refused::NoBudget,
        rewards::HoldError::Exhausted(rewards::Limit::Money) => Refused::Exhausted(Limit::Money),
        rewards::HoldError::Exhausted(rewards::Limit::Grants) => Refused::Exhausted(Limit::Grants),
        rewards::HoldError::Exhausted(rewards::Limit::MemberGrants) => Refused::Exhausted(Limit::MemberGrants),
        rewards::HoldError::Exhausted(rewards::Limit::Stock) => Refused::Exhausted(Limit::Stock),
        rewards::HoldError::Mismatch => Refused::Mismatch,
        rewards::HoldError::NeedsSource => Refused::NeedsSource,
        rewards::HoldError::TooDeep => Refused::TooDeep,
    }
}

pub(crate) fn place_hold(key: &str, offer: &str, member: &str, ttl: u64) -> Placed {
    rewards::place_hold(key, offer, member, ttl).map(hold).map_err(refused)
}

pub(crate) fn place_commission(key: &str, offer: &str, source: &str, member: &str, ttl: u64) -> Placed {
    rewards::place_commission(key, offer, source, member, ttl).map(hold).map_err(refused)
}

pub(crate) fn capture_part(key: &str, minor: i64, currency: &str) -> bool {
    rewards::capture_part(key, &money(minor, currency)).is_ok()
}

fn money(minor: i64, currency: &str) -> types::Money {
    types::Money { minor, currency: currency.into() }
}

pub(crate) fn capture(key: &str) -> bool {
    rewards::capture(key).is_ok()
}

pub(crate) fn release(key: &str, reason: &str) -> bool {
    rewards::release(key, reason).is_ok()
}

pub(crate) fn revoke(key: &str, reason: &str) -> bool {
    rewards::revoke(key, reason).is_ok()
}

pub(crate) fn find_hold(key: &str) -> Option<Hold> {
    rewards::get(key).map(hold)
}

pub(crate) fn points(member: &str, account: &str) -> u64 {
    wit_points::balance(member, account)
}

pub(crate) fn give_points(key: &str, member: &str, account: &str, points: u64, reason: &str) -> bool {
    wit_points::give_back(key, member, account, points, reason).is_ok()
}

pub(crate) fn spend_points(key: &str, member: &str, account: &str, points: u64, reason: &str) -> bool {
    wit_points::spend(key, member, account, points, reason).is_ok()
}

fn not_traded(error: commerce::CommerceError) -> NotTraded {
    match error {
        commerce::CommerceError::Unknown => NotTraded::Unknown,
        commerce::CommerceError::SoldOut(left) => NotTraded::SoldOut(left),
        commerce::CommerceError::WrongState => NotTraded::WrongState,
        commerce::CommerceError::OverRefund => NotTraded::OverRefund,
        commerce::CommerceError::Mismatch => NotTraded::Mismatch,
        commerce::CommerceError::BadAmount => NotTraded::BadAmount,
    }
}

fn reservation(made: commerce::Reservation) -> Reservation {
    Reservation {
        key: made.key,
        pool: made.pool,
        quantity: made.quantity,
        state: match made.state {
            commerce::ReservationState::Active => ReservationState::Active,
            commerce::ReservationState::Committed => ReservationState::Committed,
            commerce::ReservationState::Released => ReservationState::Released,
            commerce::ReservationState::Expired => ReservationState::Expired,
        },
        expires_at: made.expires_at,
    }
}

fn intent(intent: commerce::Intent) -> Order {
    let line =
        |line: commerce::Line| Line { sku: line.sku, quantity: line.quantity, unit_price: line.unit_price.minor };
    Order {
        key: intent.key,
        member: intent.member,
        lines: intent.lines.into_iter().map(line).collect(),
        total: intent.total.minor,
        state: match intent.state {
            commerce::IntentState::Open => OrderState::Open,
            commerce::IntentState::Paid => OrderState::Paid,
            commerce::IntentState::Cancelled => OrderState::Cancelled,
            commerce::IntentState::Refunding => OrderState::Refunding,
            commerce::IntentState::Refunded => OrderState::Refunded,
        },
        pay_by: intent.pay_by,
        paid: intent.paid,
        refunded: intent.refunded,
    }
}

pub(crate) fn reserve(key: &str, pool: &str, quantity: u64, ttl: u64) -> Result<Reservation, NotTraded> {
    commerce::reserve(key, pool, quantity, ttl).map(reservation).map_err(not_traded)
}

pub(crate) fn commit_reservation(key: &str) -> Result<Reservation, NotTraded> {
    commerce::commit_reservation(key).map(reservation).map_err(not_traded)
}

pub(crate) fn release_reservation(key: &str) -> Result<Reservation, NotTraded> {
    commerce::release_reservation(key).map(reservation).map_err(not_traded)
}

pub(crate) fn sku(sku: &str) -> Option<(i64, u64)> {
    commerce::sku(sku).map(|sku| (sku.price.minor, sku.sellable))
}

pub(crate) fn open_order(
    key: &str,
    member: &str,
    lines: &[Line],
    pay_within: u64,
    currency: &str,
) -> Result<Order, NotTraded> {
    let line = |line: &Line| commerce::Line {
        sku: line.sku.clone(),
        quantity: line.quantity,
        unit_price: money(line.unit_price, currency),
    };
    let lines: Vec<_> = lines.iter().map(line).collect();
    commerce::open_intent(key, member, &lines, pay_within).map(intent).map_err(not_traded)
}

pub(crate) fn order(key: &str) -> Option<Order> {
    commerce::get_intent(key).map(intent)
}

pub(crate) fn cancel_order(key: &str, reason: &str) -> Result<Order, NotTraded> {
    commerce::cancel_intent(key, reason).map(intent).map_err(not_traded)
}

pub(crate) fn refund(key: &str, order: &str, minor: i64, reason: &str, currency: &str) -> Result<Order, NotTraded> {
    commerce::refund(key, order, &money(minor, currency), reason).map(intent).map_err(not_traded)
}

pub(crate) fn hold_fulfilment(order: &str, held: bool) -> Result<(), NotTraded> {
    commerce::set_fulfilment_hold(order, held).map_err(not_traded)
}
