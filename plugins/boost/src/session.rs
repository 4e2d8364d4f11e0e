//! Sessions: what a member asks help for, and how far it has come.

use fairground_sdk::{Queue, Standing, conflict, limit_reached, not_allowed, not_found, prelude::*, unless_never};

use crate::{
    config::{Config, Mode},
    draw,
    prizes::{self, Prize, Stage},
};

/// Sessions that may come no further, by the time at which that is so.
pub(crate) const DEADLINES: Queue<'static> = Queue("session");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Open,
    /// All units are there; what they earn waits for helps to be final, or to be claimed.
    Reached,
    /// All that there was to reach is given.
    Granted,
    /// The time was over first; what was reached by then is given.
    Expired,
    Cancelled,
}

/// What `boost.finished`, `boost.expired` and `boost.cancelled` tell.
#[derive(Serialize)]
struct Ended {
    progress: u32,
    finish_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub id: String,
    pub owner: String,
    pub state: State,
    /// The risk rules want a closer look at the owner, so rewards wait.
    pub is_under_review: bool,
    pub started_at: i64,
    /// Until when it can be helped; of a wait, when that is over.
    pub deadline: i64,
    /// Helps that count.
    pub helps: u32,
    /// Their units.
    pub counted: u32,
    /// Units of those that are final.
    pub confirmed: u32,
    /// Milliseconds by which a wait was cut.
    pub cut_ms: u64,
    pub prizes: Vec<Prize>,
}

impl Session {
    pub(crate) fn begin(call: &mut Call<Config>, owner: &str, standing: Standing) -> Answer<Self> {
        let most = i64::from(call.config.sessions_per_member);
        let Ok(number) = call.count(&format!("sessions/{owner}"), 1, 0, most) else {
            return Err(limit_reached("boost.session-limit", "You have had all your sessions."));
        };
        let now = call.now();
        let ends_at = call.ends_at.unwrap_or(i64::MAX);
        let deadline = match call.config.mode {
            Mode::Accelerate { base_wait_ms, .. } => now.saturating_add_unsigned(base_wait_ms),
            Mode::WeightedDraw { .. } => ends_at,
            _ => now.saturating_add_unsigned(call.config.ttl_ms).min(ends_at),
        };
        let session = Self {
            // The number stands first, so that no two owners' ids meet.
            id: format!("{number}-{owner}"),
            owner: owner.into(),
            state: State::Open,
            is_under_review: standing.is_under_review,
            started_at: now,
            deadline,
            helps: 0,
            counted: 0,
            confirmed: 0,
            cut_ms: 0,
            prizes: call.config.milestones().into_iter().map(Prize::new).collect(),
        };
        // The newest first.
        call.save(&format!("mine/{owner}/{:06}", 999_999 - number), &session.id);
        if matches!(call.config.mode, Mode::WeightedDraw { .. }) {
            draw::weigh(call, &session);
        } else {
            DEADLINES.put(call, deadline, &session.id);
        }
        call.emit("boost.started", &session.id, &unless_never(session.deadline));
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
        if session.owner == call.actor {
            return Ok(session);
        }
        Err(not_allowed("common.not-owner", "This session is somebody else's."))
    }

    /// Those that are not over, or have something set aside.
    pub(crate) fn open_ones(call: &Call<Config>, most: u32) -> Vec<Self> {
        let ids = call.scan::<String>("open/", None, most);
        ids.into_iter().filter_map(|(_, id)| Self::load(call, &id)).collect()
    }

    pub(crate) fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("session/{}", self.id), self);
        let is_held = self.prizes.iter().any(|prize| prize.stage == Stage::Held);
        let is_open = is_held || matches!(self.state, State::Open | State::Reached);
        let key = format!("open/{}", self.id);
        match (is_open, call.load::<String>(&key).is_some()) {
            (true, false) => call.save(&key, &self.id),
            (false, true) => drop(call.delete(&key)),
            _ => {}
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing { is_under_review: self.is_under_review }
    }

    /// The deadline counts, whether or not its timer has run.
    pub(crate) fn must_take_help(&self, call: &Call<Config>) -> Answer<()> {
        let is_late = call.now() >= self.deadline;
        match self.state {
            State::Open if !is_late => {}
            State::Open if matches!(call.config.mode, Mode::Accelerate { .. }) => {
                return Err(conflict("boost.finished", "The wait is over."));
            }
            State::Open | State::Expired | State::Cancelled => {
                return Err(conflict("boost.expired", "The time for this is over."));
            }
            State::Reached | State::Granted => return Err(conflict("boost.finished", "All of it is reached.")),
        }
        let most = call.config.max_helpers;
        if most > 0 && self.helps >= most {
            return Err(limit_reached("boost.max-helpers", "So many have helped as may."));
        }
        Ok(())
    }

    /// Another help counts, and is final where nothing is to be waited for.
    pub(crate) fn add(&mut self, call: &mut Call<Config>, units: u32, is_final: bool, is_new: bool) {
        self.helps += 1;
        self.counted += units;
        if is_final {
            self.confirmed += units;
        }
        match call.config.mode.clone() {
            Mode::Accelerate { base_wait_ms, cut_ms, new_cut_ms, min_wait_ms, .. } => {
                let cut = if is_new { new_cut_ms.unwrap_or(cut_ms) } else { cut_ms };
                self.cut_ms = self.cut_ms.saturating_add(cut);
                let wait = base_wait_ms.saturating_sub(self.cut_ms).max(min_wait_ms);
                DEADLINES.remove(call, self.deadline, &self.id);
                self.deadline = self.started_at.saturating_add_unsigned(wait);
                DEADLINES.put(call, self.deadline, &self.id);
            }
            Mode::WeightedDraw { .. } => draw::weigh(call, self),
            _ => {}
        }
        self.look(call);
    }

    /// Gives what is reached, sets aside what is nearly, puts back what is not any more; and says so.
    pub(crate) fn look(&mut self, call: &mut Call<Config>) {
        if self.state == State::Cancelled {
            return self.save(call);
        }
        prizes::look(call, self);
        let has_all = !self.prizes.is_empty() && self.prizes.iter().all(|prize| prize.units <= self.counted);
        let is_over = !self.prizes.is_empty() && self.prizes.iter().all(|prize| prize.is_over(self.confirmed));
        let is_given = self.prizes.iter().any(|prize| prize.stage == Stage::Given || prize.stage == Stage::Missed);
        let is_late = call.now() >= self.deadline;
        match self.state {
            State::Open | State::Reached if is_over => {
                self.close(call, if is_given { State::Granted } else { State::Expired });
            }
            State::Open if has_all => self.state = State::Reached,
            State::Reached if !has_all && is_late => self.close(call, State::Expired),
            State::Reached if !has_all => self.state = State::Open,
            _ => {}
        }
        self.save(call);
    }

    /// The time is over.
    pub(crate) fn end(&mut self, call: &mut Call<Config>) {
        if self.state == State::Open && call.now() >= self.deadline {
            let is_in_time = call.ends_at.is_none_or(|end| self.deadline <= end);
            if let Mode::Accelerate { offer, .. } = call.config.mode.clone()
                && is_in_time
            {
                prizes::finish(call, self, offer);
                self.close(call, State::Granted);
            } else {
                self.close(call, State::Expired);
            }
        }
    }

    /// Ends with its activity: what was not claimed is not given.
    pub(crate) fn end_with_activity(&mut self, call: &mut Call<Config>) {
        self.end(call);
        prizes::lapse(call, self);
        if matches!(self.state, State::Open | State::Reached) {
            self.close(call, State::Expired);
        }
        self.save(call);
    }

    pub(crate) fn close(&mut self, call: &mut Call<Config>, state: State) {
        self.state = state;
        let topic = match state {
            State::Granted => "boost.finished",
            State::Cancelled => "boost.cancelled",
            _ => "boost.expired",
        };
        call.emit(topic, &self.id, &Ended { progress: self.counted, finish_at: call.now() });
        let owner = self.owner.clone();
        call.tell(topic, &owner, &[("session", self.id.clone())]);
        self.save(call);
    }
}
