//! Sessions: one price on its way down.

use fairground_sdk::{limit_reached, prelude::*};

use crate::{Help, config::Config, config::Mode, unknown_session};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Cutting,
    /// At the floor.
    Success,
    Expired,
    Cancelled,
}

/// Prices are those of the config when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub id: String,
    pub owner: String,
    pub original: i64,
    pub floor: i64,
    pub current: i64,
    pub cuts: u32,
    pub deadline: i64,
    pub state: State,
}

/// The number stands first, so that no two owners' ids meet.
pub(crate) fn id(owner: &str, number: i64) -> String {
    format!("{number}-{owner}")
}

impl Session {
    pub(crate) fn begin(call: &mut Call<Config>, owner: &str, number: i64) -> Answer<Self> {
        let session = Self {
            id: id(owner, number),
            owner: owner.into(),
            original: call.config.original_price,
            floor: call.config.floor_price,
            current: call.config.original_price,
            cuts: 0,
            deadline: call.now().saturating_add_unsigned(call.config.session_ttl_ms),
            state: State::Cutting,
        };
        let deadline = session.deadline.min(call.ends_at.unwrap_or(i64::MAX));
        let session = Self { deadline, ..session };
        if !call.set_timer(&session.timer(), session.deadline) {
            return Err(
                limit_reached("bargain.too-many-sessions", "Too many sessions are open; try later.").retryable()
            );
        }
        for counter in ["sessions", "cutting"] {
            call.count(&format!("{counter}/{owner}"), 1, 0, i64::MAX).expect("the limit was checked");
        }
        call.save(&session.open_key(), &session.id);
        call.emit("bargain.started", &session.id, &session);
        session.save(call);
        Ok(session)
    }

    pub(crate) fn load(call: &Call<Config>, id: &str) -> Option<Self> {
        call.load(&format!("session/{id}"))
    }

    pub(crate) fn find(call: &Call<Config>, id: &str) -> Answer<Self> {
        // What is no key names no session.
        if id.chars().any(char::is_control) {
            return Err(unknown_session());
        }
        Self::load(call, id).ok_or_else(unknown_session)
    }

    /// Sessions that are still being cut.
    pub(crate) fn open_ones(call: &Call<Config>, limit: u32) -> Vec<Self> {
        let ids = call.scan::<String>("open/", None, limit);
        ids.into_iter().filter_map(|(_, id)| Self::load(call, &id)).collect()
    }

    pub(crate) fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("session/{}", self.id), self);
    }

    /// The deadline counts, whether or not its timer has run.
    pub(crate) fn is_open(&self, now: i64) -> bool {
        self.state == State::Cutting && now < self.deadline
    }

    /// Ends the session in this state.
    pub(crate) fn close(&mut self, call: &mut Call<Config>, state: State) {
        self.state = state;
        call.cancel_timer(&self.timer());
        call.delete(&self.open_key());
        call.count(&format!("cutting/{}", self.owner), -1, 0, i64::MAX).expect("it was counted when it began");
        let topic = match state {
            State::Success => "bargain.success",
            State::Cancelled => "bargain.cancelled",
            _ => "bargain.expired",
        };
        call.emit(topic, &self.id, &*self);
        self.save(call);
    }

    fn timer(&self) -> String {
        format!("session:{}", self.id)
    }

    fn open_key(&self) -> String {
        format!("open/{}", self.id)
    }
}

/// Sessions that one audit recomputes, and helps of each; it is one bounded call.
const AUDITED_SESSIONS: u32 = 100;
const AUDITED_HELPS: usize = 1_000;

/// Recomputes what must hold of the sessions: B1 to B4.
pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut helps_left = AUDITED_HELPS;
    for (_, session) in call.scan::<Session>("session/", None, AUDITED_SESSIONS) {
        let Some(helps) = helps_of(call, &session, &mut helps_left) else { return broken };
        broken.extend(broken_rules(call, &session, &helps).into_iter().map(|rule| format!("{rule} {}", session.id)));
    }
    broken
}

/// None where there are more than the audit still has room for.
fn helps_of(call: &Call<Config>, session: &Session, room: &mut usize) -> Option<Vec<Help>> {
    let prefix = format!("help/{}/", session.id);
    let mut helps = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let rows = call.scan::<Help>(&prefix, after.as_deref(), 256);
        *room = room.checked_sub(rows.len())?;
        let last = rows.last().map(|(key, _)| key.clone());
        let full = rows.len() == 256;
        helps.extend(rows.into_iter().map(|(_, help)| help));
        if !full {
            return Some(helps);
        }
        after = last;
    }
}

fn broken_rules(call: &Call<Config>, session: &Session, helps: &[Help]) -> Vec<&'static str> {
    let config = &call.config;
    let sum: i64 = helps.iter().map(|help| help.amount).sum();
    let at_floor = session.current == session.floor;
    let all_cut = match config.mode {
        Mode::Fixed { cuts } => session.cuts == cuts,
        Mode::UntilFloor {} => at_floor,
    };
    let least = |help: &Help| match config.mode {
        Mode::Fixed { .. } => help.amount >= config.cut_min,
        Mode::UntilFloor {} => help.amount >= 1,
    };
    let rules = [
        ("B1", sum + session.current == session.original && helps.len() == session.cuts as usize),
        ("B2", (session.floor..=session.original).contains(&session.current)),
        ("B3", (session.state == State::Success) == at_floor && at_floor == all_cut),
        ("B4", helps.iter().all(|help| least(help) && help.amount <= config.cut_max)),
    ];
    rules.into_iter().filter_map(|(rule, holds)| (!holds).then_some(rule)).collect()
}
