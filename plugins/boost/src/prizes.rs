//! What a session earns: each once, when its units are there for good.

use fairground_sdk::{Queue, conflict, expired, not_found, prelude::*, refused};

use crate::{
    config::{Config, Milestone},
    session::{Session, State},
};

/// Helps that are looked at more closely become final after 7 days.
const REVIEW_MS: u64 = 7 * 86_400_000;

/// As long as anything may be set aside: 400 days.
const HORIZON_MS: u64 = 400 * 86_400_000;

/// A prize is set aside a day longer than it can be needed.
const SPARE_MS: u64 = 86_400_000;

/// Sessions with something to claim, by the time at which that is over.
pub(crate) const CLAIMS: Queue<'static> = Queue("claims");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// The units are not there.
    Ahead,
    /// Set aside, until helps are final or it is claimed.
    Held,
    Given,
    /// The budget did not allow it; it can be claimed once it does.
    Missed,
    /// Not claimed in time.
    Lapsed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prize {
    pub units: u32,
    pub offer: String,
    pub stage: Stage,
    /// Until when it can be claimed; none where that has not begun, or nothing is to be claimed.
    pub claim_by: Option<i64>,
    /// How often it was set aside or given: a key that was put back cannot be used again.
    tries: u32,
}

/// What `boost.milestone` tells.
#[derive(Serialize)]
struct Told<'a> {
    units: u32,
    stage: Stage,
    offer: &'a str,
    /// The reward's key.
    hold: String,
}

impl Prize {
    pub(crate) fn new(milestone: Milestone) -> Self {
        let Milestone { units, offer } = milestone;
        Self { units, offer, stage: Stage::Ahead, claim_by: None, tries: 0 }
    }

    /// Nothing more comes of it by itself, with so many final units.
    pub(crate) fn is_over(&self, confirmed: u32) -> bool {
        matches!(self.stage, Stage::Given | Stage::Missed | Stage::Lapsed) && self.units <= confirmed
    }

    pub(crate) fn key(&self, session: &Session) -> String {
        format!("milestone:{}:{}:{}", self.units, self.tries, session.id)
    }

    /// Gives it; what was set aside for it makes room.
    fn give(&mut self, call: &mut Call<Config>, session: &Session) -> Answer<()> {
        self.put_back(call, session);
        let key = self.key(session);
        call.reward(&key, &self.offer, &session.owner, session.standing())?;
        self.stage = Stage::Given;
        self.told(call, session);
        Ok(())
    }

    fn set_aside(&mut self, call: &mut Call<Config>, session: &Session) -> Answer<()> {
        // Another help may take the place of one that is reversed, and has its own time to become final.
        let waits = call.config.confirm_after_ms.saturating_mul(2).max(REVIEW_MS);
        let ttl = waits.saturating_add(call.config.claim_within_ms.unwrap_or(0)).saturating_add(SPARE_MS);
        let key = self.key(session);
        call.hold(&key, &self.offer, &session.owner, ttl.min(HORIZON_MS)).map_err(refused)?;
        self.stage = Stage::Held;
        self.told(call, session);
        Ok(())
    }

    pub(crate) fn put_back(&mut self, call: &mut Call<Config>, session: &Session) {
        if self.stage == Stage::Held {
            call.release(&self.key(session), "its units are gone, or it is given");
            self.tries += 1;
            self.stage = Stage::Ahead;
            self.claim_by = None;
        }
    }

    fn told(&self, call: &mut Call<Config>, session: &Session) {
        let told = Told { units: self.units, stage: self.stage, offer: &self.offer, hold: self.key(session) };
        call.emit("boost.milestone", &session.id, &told);
        if self.stage == Stage::Given {
            call.tell("boost.milestone", &session.owner, &[("units", self.units.to_string())]);
        }
    }

    /// What follows from the units that there are.
    fn look(&mut self, call: &mut Call<Config>, session: &Session) {
        let (is_there, is_final) = (self.units <= session.counted, self.units <= session.confirmed);
        let claims = call.config.claim_within_ms;
        match self.stage {
            Stage::Ahead if is_final && claims.is_none() => {
                let given = self.give(call, session);
                self.or_missed(call, session, given);
            }
            Stage::Ahead if is_there => {
                let held = self.set_aside(call, session);
                // Until the units are final there may be room again.
                if is_final {
                    self.or_missed(call, session, held);
                }
            }
            Stage::Held if !is_there => self.put_back(call, session),
            Stage::Held if is_final && claims.is_none() => {
                let given = self.give(call, session);
                self.or_missed(call, session, given);
            }
            Stage::Held if self.claim_by.is_some_and(|by| call.now() >= by) => {
                self.put_back(call, session);
                self.stage = Stage::Lapsed;
                self.told(call, session);
            }
            _ => {}
        }
        if self.stage == Stage::Held && is_final && self.claim_by.is_none() {
            self.claim_by = claims.map(|within| call.now().saturating_add_unsigned(within));
            if let Some(by) = self.claim_by {
                CLAIMS.put(call, by, &session.id);
            }
        }
    }

    /// What cannot be given keeps nobody from helping, and no other from what is theirs.
    fn or_missed(&mut self, call: &mut Call<Config>, session: &Session, answer: Answer<()>) {
        if let Err(problem) = answer {
            call.log(&format!("{} of {} is not given: {}", self.offer, session.id, problem.code));
            self.stage = Stage::Missed;
            self.tries += 1;
            self.told(call, session);
        }
    }
}

/// Looks at each prize of a session.
pub(crate) fn look(call: &mut Call<Config>, session: &mut Session) {
    let mut prizes = std::mem::take(&mut session.prizes);
    for prize in &mut prizes {
        prize.look(call, session);
    }
    session.prizes = prizes;
}

/// Puts back what is set aside, where nobody will get it.
pub(crate) fn put_back(call: &mut Call<Config>, session: &mut Session) {
    let mut prizes = std::mem::take(&mut session.prizes);
    for prize in &mut prizes {
        prize.put_back(call, session);
    }
    session.prizes = prizes;
}

/// A wait is over, or a draw is won.
pub(crate) fn finish(call: &mut Call<Config>, session: &mut Session, offer: String) {
    let mut prize = Prize::new(Milestone { units: 0, offer });
    let given = prize.give(call, session);
    prize.or_missed(call, session, given);
    session.prizes = vec![prize];
}

/// The owner takes what they have reached.
pub(crate) fn claim(call: &mut Call<Config>, id: &str, units: u32) -> Answer<Session> {
    let mut session = Session::own(call, id)?;
    if session.state == State::Cancelled {
        return Err(conflict("boost.expired", "The session was cancelled."));
    }
    let unknown = || not_found("common.not-found", "There is no such milestone.");
    let place = session.prizes.iter().position(|prize| prize.units == units).ok_or_else(unknown)?;
    let mut prize = session.prizes[place].clone();
    let is_late = prize.claim_by.is_some_and(|by| call.now() >= by);
    match prize.stage {
        Stage::Given => return Err(conflict("boost.already-claimed", "You have it.")),
        Stage::Lapsed => return Err(expired("boost.claim-window-passed", "The time to claim it is over.")),
        Stage::Held if is_late => return Err(expired("boost.claim-window-passed", "The time to claim it is over.")),
        _ if prize.units > session.confirmed => {
            let missing = prize.units - session.confirmed;
            return Err(conflict("boost.milestone-not-reached", "It is not reached for good.").with("missing", missing));
        }
        Stage::Ahead | Stage::Held | Stage::Missed => prize.give(call, &session)?,
    }
    session.prizes[place] = prize;
    session.look(call);
    Ok(session)
}

/// The activity is over: what was not claimed is not given.
pub(crate) fn lapse(call: &mut Call<Config>, session: &mut Session) {
    let mut prizes = std::mem::take(&mut session.prizes);
    for prize in prizes.iter_mut().filter(|prize| prize.stage == Stage::Held) {
        prize.put_back(call, session);
        prize.stage = Stage::Lapsed;
    }
    session.prizes = prizes;
}
