//! The host, as tests reach it: the world of the [`crate::town::Town`] that is playing on this thread.

use crate::{
    Budget, Day, Funnel, Hold, HoldState, InviteStats, Line, Member, Newness, NotBound, NotTraded, Notice, Order,
    OutOfBounds, Placed, Ranked, Reservation, ReservationState, Risk,
    town::world::{self, with},
};

pub(crate) fn now() -> i64 {
    with(|world| world.now)
}

pub(crate) fn business_day(at: i64, zone: &str, minute: u32) -> Option<Day> {
    world::business_day(at, zone, minute)
}

pub(crate) fn day_start(day: Day, zone: &str, minute: u32) -> Option<i64> {
    world::day_start(day, zone, minute)
}

pub(crate) fn minute_of_day(at: i64, zone: &str) -> Option<u32> {
    world::minute_of_day(at, zone)
}

pub(crate) fn add_days(day: Day, days: i32) -> Option<Day> {
    world::add_days(day, days)
}

pub(crate) fn days_between(a: Day, b: Day) -> Option<i32> {
    world::days_between(a, b)
}

pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
    with(|world| world.get(key))
}

pub(crate) fn put(key: &str, value: Vec<u8>) {
    with(|world| world.put(key, Some(value)));
}

pub(crate) fn delete(key: &str) -> bool {
    with(|world| world.put(key, None))
}

pub(crate) fn scan(prefix: &str, start_after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)> {
    with(|world| world.scan(prefix, start_after, limit))
}

pub(crate) fn add(key: &str, delta: i64, low: i64, high: i64) -> Result<i64, OutOfBounds> {
    with(|world| world.add(key, delta, low, high))
}

pub(crate) fn counter(key: &str) -> i64 {
    with(|world| world.counter(key))
}

pub(crate) fn rank_put(board: &str, key: &str, score: i64, at: i64) {
    with(|world| world.rank_put(board, key, score, at));
}

pub(crate) fn rank_remove(board: &str, key: &str) -> bool {
    with(|world| world.rank_remove(board, key))
}

pub(crate) fn rank(board: &str, key: &str) -> Option<Ranked> {
    with(|world| world.standings(board).into_iter().find(|ranked| ranked.key == key))
}

pub(crate) fn ranks(board: &str, start: u64, limit: u32) -> Vec<Ranked> {
    let limit = limit.min(world::PAGE_ROWS_MAX) as usize;
    with(|world| world.standings(board).into_iter().filter(|ranked| ranked.rank >= start).take(limit).collect())
}

pub(crate) fn rank_len(board: &str) -> u64 {
    with(|world| world.standings(board).len() as u64)
}

pub(crate) fn uniform(_purpose: &str, low: u64, high: u64) -> u64 {
    with(|world| world.uniform(low, high))
}

pub(crate) fn sample(_purpose: &str, n: u64, k: u32) -> Vec<u64> {
    with(|world| world.sample(n, k))
}

pub(crate) fn schedule(key: &str, when: i64, payload: &str) -> bool {
    with(|world| world.schedule(key, when, payload))
}

pub(crate) fn schedule_every(key: &str, weekdays: &[u8], minute: u32, zone: &str) -> Option<i64> {
    with(|world| world.schedule_every(key, weekdays, minute, zone))
}

pub(crate) fn members_of(group: &str, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
    let page = world::PAGE_ROWS_MAX as usize;
    with(|world| {
        let members = world.groups.get(group).into_iter().flatten();
        let after = members.filter(|member| cursor.is_none_or(|cursor| member.as_str() > cursor));
        let members: Vec<String> = after.take(page).cloned().collect();
        let next = if members.len() == page { members.last().cloned() } else { None };
        (members, next)
    })
}

pub(crate) fn groups_of(member: &str) -> Vec<String> {
    with(|world| {
        let groups = world.groups.iter().filter(|(_, members)| members.contains(member));
        groups.map(|(group, _)| group.clone()).take(world::PAGE_ROWS_MAX as usize).collect()
    })
}

pub(crate) fn cancel_timer(key: &str) -> bool {
    with(|world| world.cancel_timer(key))
}

pub(crate) fn emit(topic: &str, subject: &str, payload: &str) {
    with(|world| world.emit(topic, subject, payload));
}

/// Fails where the blueprint does not say that members are told of it.
pub(crate) fn expect_told(event: &str) {
    with(|world| assert!(world.tells.contains(&event), "{event} is told, but not declared by Blueprint::tells"));
}

pub(crate) fn notify(notice: &Notice) -> bool {
    with(|world| world.notify(notice))
}

pub(crate) fn is_in_segment(member: &str, segment: &str) -> bool {
    with(|world| world.is_in_segment(member, segment))
}

pub(crate) fn search(segment: &str, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
    with(|world| {
        // As the host does for a defined segment: one page of members is looked at.
        let after = world.members.keys().filter(|member| cursor.is_none_or(|cursor| member.as_str() > cursor));
        let page: Vec<String> = after.take(world::PAGE_ROWS_MAX as usize).cloned().collect();
        let next = page.last().filter(|_| page.len() == world::PAGE_ROWS_MAX as usize).cloned();
        (page.into_iter().filter(|member| world.is_in_segment(member, segment)).collect(), next)
    })
}

pub(crate) fn rules_accepted(group: &str, member: &str) -> Option<(u32, u32)> {
    with(|world| world.rules_accepted(group, member))
}

pub(crate) fn invite_stats(inviter: &str) -> InviteStats {
    with(|world| world.invite_stats(inviter))
}

pub(crate) fn group_invite_stats(group: &str, inviter: Option<&str>) -> InviteStats {
    with(|world| world.group_invite_stats(group, inviter))
}

pub(crate) fn propose_promotion(member: &str, to_group: &str, reason: &str) -> bool {
    with(|world| world.propose("promotion", (member, to_group), &[reason]))
}

pub(crate) fn report_violation(group: &str, member: &str, rule: &str, evidence: &str) -> bool {
    with(|world| world.propose("violation", (member, group), &[rule, evidence]))
}

pub(crate) fn funnel(_stage: Funnel, _member: &str, _channel: Option<&str>) {
    with(|world| world.count_outgoing());
}

pub(crate) fn book_cost(_channel: &str, minor: i64, _units: u64, _currency: &str) {
    assert!(minor >= 0, "an amount is not negative");
    with(|world| world.count_outgoing());
}

pub(crate) fn log(line: &str) {
    with(|world| world.log(line));
}

pub(crate) fn budget() -> Option<Budget> {
    with(|world| world.budget_left())
}

pub(crate) fn place_hold(key: &str, offer: &str, member: &str, ttl: u64) -> Placed {
    with(|world| world.place_hold(key, offer, None, member, ttl))
}

pub(crate) fn place_commission(key: &str, offer: &str, source: &str, member: &str, ttl: u64) -> Placed {
    with(|world| world.place_hold(key, offer, Some(source), member, ttl))
}

pub(crate) fn capture_part(key: &str, minor: i64, _currency: &str) -> bool {
    with(|world| world.capture_part(key, minor))
}

pub(crate) fn capture(key: &str) -> bool {
    with(|world| world.change_hold(key, HoldState::Captured))
}

pub(crate) fn release(key: &str, _reason: &str) -> bool {
    with(|world| world.change_hold(key, HoldState::Released))
}

pub(crate) fn revoke(key: &str, _reason: &str) -> bool {
    with(|world| world.change_hold(key, HoldState::Revoked))
}

pub(crate) fn find_hold(key: &str) -> Option<Hold> {
    with(|world| world.holds.get(key).map(|(hold, _)| hold.clone()))
}

pub(crate) fn points(member: &str, account: &str) -> u64 {
    with(|world| world.points.get(&(member.into(), account.into())).copied().unwrap_or_default())
}

pub(crate) fn give_points(key: &str, member: &str, account: &str, points: u64, _reason: &str) -> bool {
    with(|world| world.give_points(key, member, account, points))
}

pub(crate) fn spend_points(key: &str, member: &str, account: &str, points: u64, _reason: &str) -> bool {
    with(|world| world.spend_points(key, member, account, points))
}

pub(crate) fn member(id: &str) -> Option<Member> {
    with(|world| world.members.get(id).map(|(member, _)| member.clone()))
}

pub(crate) fn bind_inviter(invitee: &str, inviter: &str, _source: &str) -> Result<(), NotBound> {
    with(|world| world.bind_inviter(invitee, inviter))
}

pub(crate) fn is_new(member: &str, definition: Newness, since: i64) -> bool {
    with(|world| world.is_new(member, definition, since))
}

pub(crate) fn assess_risk(member: &str, counterparty: Option<&str>, _action: &str) -> Risk {
    with(|world| world.assess(member, counterparty))
}

pub(crate) fn reserve(key: &str, pool: &str, quantity: u64, ttl: u64) -> Result<Reservation, NotTraded> {
    with(|world| world.reserve(key, pool, quantity, ttl))
}

pub(crate) fn commit_reservation(key: &str) -> Result<Reservation, NotTraded> {
    with(|world| world.end_reservation(key, ReservationState::Committed))
}

pub(crate) fn release_reservation(key: &str) -> Result<Reservation, NotTraded> {
    with(|world| world.end_reservation(key, ReservationState::Released))
}

pub(crate) fn sku(sku: &str) -> Option<(i64, u64)> {
    with(|world| world.skus.get(sku).copied())
}

pub(crate) fn open_order(
    key: &str,
    member: &str,
    lines: &[Line],
    pay_within: u64,
    _currency: &str,
) -> Result<Order, NotTraded> {
    with(|world| world.open_order(key, member, lines, pay_within))
}

pub(crate) fn order(key: &str) -> Option<Order> {
    with(|world| world.orders.get(key).cloned())
}

pub(crate) fn cancel_order(key: &str, _reason: &str) -> Result<Order, NotTraded> {
    with(|world| world.cancel_order(key))
}

pub(crate) fn refund(key: &str, order: &str, minor: i64, _reason: &str, _currency: &str) -> Result<Order, NotTraded> {
    with(|world| world.refund(key, order, minor))
}

pub(crate) fn hold_fulfilment(order: &str, held: bool) -> Result<(), NotTraded> {
    with(|world| world.hold_fulfilment(order, held))
}
