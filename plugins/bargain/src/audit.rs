//! What must hold of the sessions, from scratch: B1 to B5, B7 and B10.

use fairground_sdk::{OrderState, prelude::*};

use crate::{
    config::{Config, Mode},
    help::Help,
    session::{Session, State},
};

/// Sessions that one audit recomputes, and helps of each; it is one bounded call.
const SESSIONS_MAX: u32 = 100;
const HELPS_MAX: usize = 1_000;

pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut room = HELPS_MAX;
    for (_, session) in call.scan::<Session>("session/", None, SESSIONS_MAX) {
        let Some(helps) = helps_of(call, &session, &mut room) else { return broken };
        broken.extend(broken_rules(call, &session, &helps).into_iter().map(|rule| format!("{rule} {}", session.id)));
    }
    broken
}

/// By helper. None where there are more than the audit still has room for.
fn helps_of(call: &Call<Config>, session: &Session, room: &mut usize) -> Option<Vec<(String, Help)>> {
    let prefix = format!("help/{}/", session.id);
    let mut helps: Vec<(String, Help)> = Vec::new();
    loop {
        let after = helps.last().map(|(key, _)| key.clone());
        let rows = call.scan::<Help>(&prefix, after.as_deref(), 256);
        *room = room.checked_sub(rows.len())?;
        let is_full = rows.len() == 256;
        helps.extend(rows);
        if !is_full {
            return Some(helps);
        }
    }
}

fn broken_rules(call: &Call<Config>, session: &Session, helps: &[(String, Help)]) -> Vec<&'static str> {
    let config = &call.config;
    let sum: i64 = helps.iter().map(|(_, help)| help.amount).sum();
    let at_floor = session.current == session.floor;
    let (all_cut, least) = match config.mode {
        Mode::Fixed { cuts } => (session.cuts == cuts, config.cut_min),
        Mode::UntilFloor => (at_floor, 1),
    };
    let has_succeeded = matches!(session.state, State::Success);
    let is_over = matches!(session.state, State::Expired | State::Cancelled);
    let own = helps.iter().any(|(key, _)| key.ends_with(&format!("/{}", session.owner)));
    let order = call.order(&format!("order:{}:{}", session.orders, session.id));
    let is_open = order.as_ref().is_some_and(|order| order.state == OrderState::Open);
    let rules = [
        ("B1", sum + session.current == session.original && helps.len() == session.cuts as usize),
        ("B2", (session.floor..=session.original).contains(&session.current)),
        ("B3", at_floor == all_cut && (!has_succeeded || at_floor) && (session.state != State::Cutting || !at_floor)),
        ("B4", helps.iter().all(|(_, help)| (least..=config.cut_max).contains(&help.amount))),
        ("B5", !own || config.owner_first_cut),
        ("B7", order.is_none_or(|order| order.total <= session.current)),
        ("B10", !(is_over && is_open)),
    ];
    rules.into_iter().filter_map(|(rule, holds)| (!holds).then_some(rule)).collect()
}
