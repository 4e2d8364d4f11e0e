//! Sessions: one price on its way down, and the order at its end.

use fairground_sdk::{Queue, conflict, expired, not_allowed, not_found, prelude::*};

use crate::{
    config::{Config, StockHold},
    order,
};

/// Sessions by their deadlines.
pub(crate) const DEADLINES: Queue<'static> = Queue("deadlines");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Cutting,
    /// At the floor: the owner may order.
    Success,
    /// The owner took a price above the floor, and that order came to nothing: the price stands, and they may order again.
    Agreed,
    /// An order is open.
    Ordering,
    Bought,
    /// Bought, and paid back.
    Refunded,
    /// Nobody ordered and paid in time.
    Lapsed,
    Expired,
    Cancelled,
}

/// Prices and windows are those of the config when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub id: String,
    pub owner: String,
    pub original: i64,
    pub floor: i64,
    pub current: i64,
    pub cuts: u32,
    /// While it is cut: when it expires. After that: when the window to order and pay ends.
    pub deadline: i64,
    pub state: State,
    /// How many orders were opened from it.
    pub orders: u32,
    /// The key of the unit that is set aside for it.
    pub unit: Option<String>,
    /// The number of the order that was paid.
    pub bought_with: Option<u32>,
}

/// The number stands first, so that no two owners' ids meet.
pub(crate) fn id(owner: &str, number: i64) -> String {
    format!("{number}-{owner}")
}

/// Until when a session that begins now is cut: so that there is the whole window to order in before the activity ends.
fn cut_until(call: &Call<Config>) -> Answer<i64> {
    let now = call.now();
    let until = now.saturating_add_unsigned(call.config.session_ttl_ms);
    let last = call.ends_at.map_or(i64::MAX, |end| end.saturating_sub_unsigned(call.config.order_window_ms));
    if last <= now {
        return Err(expired("common.ended", "It is too late to start: there would be no time to order."));
    }
    Ok(until.min(last))
}

impl Session {
    pub(crate) fn begin(call: &mut Call<Config>, owner: &str, number: i64) -> Answer<Self> {
        let mut session = Self {
            id: id(owner, number),
            owner: owner.into(),
            original: call.config.original_price,
            floor: call.config.floor_price,
            current: call.config.original_price,
            cuts: 0,
            deadline: cut_until(call)?,
            state: State::Cutting,
            orders: 0,
            unit: None,
            bought_with: None,
        };
        if call.config.stock_hold == StockHold::Start {
            order::reserve(call, &mut session)?;
        }
        DEADLINES.put(call, session.deadline, &session.id);
        for counter in ["sessions", "open"] {
            call.count(&format!("{counter}/{owner}"), 1, 0, i64::MAX).expect("the limit was checked");
        }
        call.save(&session.open_key(), &session.id);
        call.emit("bargain.started", &session.id, &session);
        session.save(call);
        Ok(session)
    }

    pub(crate) fn load(call: &Call<Config>, id: &str) -> Option<Self> {
        call.find(&format!("session/{id}"))
    }

    pub(crate) fn find(call: &Call<Config>, id: &str) -> Answer<Self> {
        Self::load(call, id).ok_or_else(|| not_found("common.not-found", "There is no such session."))
    }

    /// One of the actor's own.
    pub(crate) fn own(call: &Call<Config>, id: &str) -> Answer<Self> {
        let session = Self::find(call, id)?;
        if session.owner != call.actor {
            return Err(not_allowed("common.not-owner", "This session is somebody else's."));
        }
        Ok(session)
    }

    /// Sessions that are not over.
    pub(crate) fn open_ones(call: &Call<Config>, limit: u32) -> Vec<Self> {
        let ids = call.scan::<String>("open-session/", None, limit);
        ids.into_iter().filter_map(|(_, id)| Self::load(call, &id)).collect()
    }

    pub(crate) fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("session/{}", self.id), self);
    }

    /// The deadline counts, whether or not its timer has run.
    pub(crate) fn is_cut(&self, now: i64) -> bool {
        self.state == State::Cutting && now < self.deadline
    }

    /// Whether the price is settled, and the owner can order at it.
    pub(crate) fn can_order(&self, now: i64) -> bool {
        matches!(self.state, State::Success | State::Agreed) && now < self.deadline
    }

    pub(crate) fn must_be_cut(&self, now: i64) -> Answer<()> {
        if self.is_cut(now) { Ok(()) } else { Err(conflict("bargain.session-over", "The session is over.")) }
    }

    /// The price is settled: from now on there is a window to order in.
    pub(crate) fn settle_price(&mut self, call: &mut Call<Config>, state: State) {
        self.state = state;
        let until = call.now().saturating_add_unsigned(call.config.order_window_ms);
        DEADLINES.remove(call, self.deadline, &self.id);
        self.deadline = until.min(call.ends_at.unwrap_or(i64::MAX));
        DEADLINES.put(call, self.deadline, &self.id);
        self.save(call);
    }

    /// Ends the session in this state. What was set aside for it is put back, unless it is bought.
    pub(crate) fn close(&mut self, call: &mut Call<Config>, state: State) {
        self.state = state;
        DEADLINES.remove(call, self.deadline, &self.id);
        if call.delete(&self.open_key()) {
            call.count(&format!("open/{}", self.owner), -1, 0, i64::MAX).expect("it was counted when it began");
        }
        match state {
            State::Bought => order::commit(call, self),
            _ => order::put_back(call, self),
        }
        let topic = match state {
            State::Bought => "bargain.bought",
            State::Cancelled => "bargain.cancelled",
            State::Lapsed => "bargain.lapsed",
            _ => "bargain.expired",
        };
        call.emit(topic, &self.id, &*self);
        let owner = self.owner.clone();
        call.tell(topic, &owner, &[("session", self.id.clone())]);
        self.save(call);
    }

    fn open_key(&self) -> String {
        format!("open-session/{}", self.id)
    }
}
