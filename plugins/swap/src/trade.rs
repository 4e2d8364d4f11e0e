//! Trades: proposed, confirmed by all, shipped, and settled or unwound; each state has a time at which it ends by itself.

use fairground_sdk::{Queue, conflict, expired, not_allowed, not_found, prelude::*};

use crate::{
    config::{Config, Delivery},
    escrow::Forfeit,
    listing::{self, Listing},
    reputation::Reputation,
};

/// Trades with something due, by the time of it.
pub(crate) const DEADLINES: Queue<'static> = Queue("trade");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Proposed,
    /// All have confirmed, and ship.
    InTransit,
    Disputed,
    /// What was shipped goes back.
    Unwinding,
    Settled,
    Cancelled,
    Declined,
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LegState {
    Awaiting,
    Shipped,
    Delivered,
    Accepted,
    /// It came back to whoever had shipped it.
    Returned,
}

/// What one side gives to the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leg {
    pub from: String,
    pub to: String,
    pub listings: Vec<u32>,
    /// Of each listing, as it was when it was proposed.
    pub versions: Vec<u32>,
    pub state: LegState,
    /// When its state ends by itself.
    pub deadline: i64,
    /// What the receiver tells at a meeting; none by mail.
    pub code: Option<String>,
    pub wrong_codes: u32,
    pub tracking: Option<String>,
    /// The side that gives has confirmed.
    pub is_confirmed: bool,
    /// Its deposit was taken, and not paid out.
    pub is_deposited: bool,
    /// It is known how the trade ended for the side that gives.
    pub is_judged: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trade {
    pub id: String,
    pub state: State,
    /// In a circle: each side gives one leg, and receives one.
    pub legs: Vec<Leg>,
    /// Points that the first side adds for the second; less than 0 where the second does.
    pub top_up: i64,
    pub is_topped_up: bool,
    /// The first side has offered it, and it is no circle that was found.
    pub is_offer: bool,
    pub deadline: i64,
    /// Of a dispute, and where the evidence is.
    pub reason: Option<String>,
    pub evidence: Option<String>,
}

impl Leg {
    /// It has left whoever gives it, and has not come back.
    pub(crate) fn is_out(&self) -> bool {
        matches!(self.state, LegState::Shipped | LegState::Delivered | LegState::Accepted)
    }
}

/// What events of a trade tell.
#[derive(Serialize)]
struct Told<'a> {
    state: State,
    sides: Vec<&'a str>,
    reason: Option<&'a str>,
    /// What became of deposits that were lost.
    forfeits: &'a [Forfeit],
}

impl Trade {
    pub(crate) fn load(call: &Call<Config>, id: &str) -> Option<Self> {
        call.find(&format!("trade/{id}"))
    }

    pub(crate) fn find(call: &Call<Config>, id: &str) -> Answer<Self> {
        Self::load(call, id).ok_or_else(|| not_found("common.not-found", "There is no such trade."))
    }

    /// A trade of the actor's, and their side of it.
    pub(crate) fn of_actor(call: &Call<Config>, id: &str) -> Answer<(Self, usize)> {
        let trade = Self::find(call, id)?;
        match trade.side_of(&call.actor) {
            Some(side) => Ok((trade, side)),
            None => Err(not_allowed("swap.not-party", "You are no side of this trade.")),
        }
    }

    pub(crate) fn side_of(&self, member: &str) -> Option<usize> {
        self.legs.iter().position(|leg| leg.from == member)
    }

    /// The leg that a side receives.
    pub(crate) fn to_side(&self, side: usize) -> usize {
        let member = &self.legs[side].from;
        self.legs.iter().position(|leg| leg.to == *member).expect("each side receives one leg")
    }

    pub(crate) fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("trade/{}", self.id), self);
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Proposed | State::InTransit | State::Disputed | State::Unwinding)
    }

    /// A new one, between these sides: each gives these listings to the next.
    pub(crate) fn propose(
        call: &mut Call<Config>,
        sides: Vec<(String, Vec<&Listing>)>,
        (is_offer, top_up): (bool, i64),
    ) -> Self {
        let number = call.count("trades", 1, 0, i64::MAX).expect("nobody trades that often");
        let next: Vec<String> =
            sides.iter().cycle().skip(1).take(sides.len()).map(|(member, _)| member.clone()).collect();
        let legs = sides.into_iter().zip(next).map(|((from, listings), to)| Leg {
            from,
            to,
            versions: listings.iter().map(|listing| listing.version).collect(),
            listings: listings.into_iter().map(|listing| listing.number).collect(),
            state: LegState::Awaiting,
            deadline: 0,
            code: None,
            wrong_codes: 0,
            tracking: None,
            is_confirmed: false,
            is_deposited: false,
            is_judged: false,
        });
        let trade = Self {
            id: format!("t{number}"),
            state: State::Proposed,
            legs: legs.collect(),
            top_up,
            is_topped_up: false,
            is_offer,
            deadline: call.now().saturating_add_unsigned(call.config.confirm_window_ms),
            reason: None,
            evidence: None,
        };
        call.save(&format!("open/{}", trade.id), &trade.id);
        for leg in &trade.legs {
            call.save(&of_key(&leg.from, number), &trade.id);
        }
        DEADLINES.put(call, trade.deadline, &trade.id);
        trade.told(call, if is_offer { "swap.offered" } else { "swap.proposed" }, &[]);
        trade.save(call);
        trade
    }

    pub(crate) fn told(&self, call: &mut Call<Config>, topic: &str, forfeits: &[Forfeit]) {
        let sides: Vec<&str> = self.legs.iter().map(|leg| leg.from.as_str()).collect();
        call.emit(topic, &self.id, &Told { state: self.state, sides, reason: self.reason.as_deref(), forfeits });
        for leg in &self.legs {
            call.tell(topic, &leg.from, &[("trade", self.id.clone())]);
        }
    }

    /// Puts the next deadline where it belongs.
    pub(crate) fn plan(&mut self, call: &mut Call<Config>) {
        let next = match self.state {
            State::InTransit => {
                let waiting = self.legs.iter().filter(|leg| leg.state != LegState::Accepted);
                waiting.map(|leg| leg.deadline).min().unwrap_or(self.deadline)
            }
            _ => self.deadline,
        };
        DEADLINES.remove(call, self.deadline, &self.id);
        self.deadline = next;
        DEADLINES.put(call, next, &self.id);
    }

    /// A side agrees, and puts in its deposit; where all have, the trade is locked.
    pub(crate) fn confirm(&mut self, call: &mut Call<Config>, side: usize) -> Answer<()> {
        if !self.legs[side].is_confirmed {
            self.take_deposit(call, side)?;
            self.legs[side].is_confirmed = true;
        }
        if self.legs.iter().all(|leg| leg.is_confirmed) {
            self.lock(call)?;
        }
        self.save(call);
        Ok(())
    }

    /// From now on its listings are nobody else's, and addresses may be told.
    fn lock(&mut self, call: &mut Call<Config>) -> Answer<()> {
        let now = call.now();
        let ship_by = now.saturating_add_unsigned(call.config.ship_window_ms);
        if call.ends_at.is_some_and(|end| ship_by > end) {
            return Err(expired("common.ended", "There is no time left to ship."));
        }
        for leg in &self.legs {
            for (number, version) in leg.listings.iter().zip(&leg.versions) {
                let mut listing = Listing::load(call, *number).expect("what a trade names is not forgotten");
                if listing.version != *version {
                    let changed = conflict("swap.not-listed", "It was changed since: look at it, and offer again.");
                    return Err(changed.with("listing", listing.id()));
                }
                let is_proposed = listing.trade.as_ref() == Some(&self.id);
                if !is_proposed {
                    listing.must_be_listed(now)?;
                    if listing.trade.is_some() {
                        return Err(conflict("swap.already-locked", "It is proposed in a circle.").retryable());
                    }
                }
                listing.trade = Some(self.id.clone());
                listing.leave(call, listing::State::Locked);
            }
        }
        self.take_top_up(call)?;
        self.uncount_offer(call);
        self.state = State::InTransit;
        let is_meeting = call.config.delivery == Delivery::MeetUp;
        for leg in &mut self.legs {
            leg.deadline = ship_by;
            if is_meeting {
                leg.code = Some(format!("{:06}", call.draw("code", 0, 999_999)));
            }
        }
        self.plan(call);
        // The platform may now tell each sender where to.
        self.told(call, "swap.locked", &[]);
        Ok(())
    }

    /// An offer of a member's is open no longer.
    fn uncount_offer(&self, call: &mut Call<Config>) {
        if self.is_offer {
            call.count(&offers_key(&self.legs[0].from), -1, 0, i64::MAX).expect("it was counted when it was made");
        }
    }

    /// Ends a trade that was never locked.
    pub(crate) fn drop_proposal(&mut self, call: &mut Call<Config>, state: State, by: &[usize]) {
        self.uncount_offer(call);
        for side in 0..self.legs.len() {
            self.return_deposit(call, side);
        }
        for (side, leg) in self.legs.clone().into_iter().enumerate() {
            for number in leg.listings {
                let Some(mut listing) = Listing::load(call, number) else { continue };
                if listing.trade.as_ref() != Some(&self.id) {
                    continue;
                }
                listing.trade = None;
                if by.contains(&side) {
                    // Whoever turned a circle down, or was silent, does not want what they would have had.
                    let unwanted = self.legs[self.to_side(side)].listings.clone();
                    unwanted.iter().for_each(|other| listing.refuse(*other));
                } else {
                    listing.is_first = true;
                }
                listing.save(call);
                listing::expire(call, &number.to_string());
            }
        }
        self.close(call, state, if state == State::Expired { "swap.expired" } else { "swap.declined" });
    }

    pub(crate) fn close(&mut self, call: &mut Call<Config>, state: State, topic: &str) {
        self.close_with(call, state, (topic, &[]));
    }

    pub(crate) fn close_with(&mut self, call: &mut Call<Config>, state: State, told: (&str, &[Forfeit])) {
        DEADLINES.remove(call, self.deadline, &self.id);
        self.state = state;
        call.delete(&format!("open/{}", self.id));
        // What came to nothing is in nobody's way.
        if matches!(state, State::Declined | State::Expired) {
            for leg in &self.legs {
                call.delete(&of_key(&leg.from, self.number()));
            }
        }
        self.told(call, told.0, told.1);
        self.save(call);
    }

    fn number(&self) -> i64 {
        self.id.strip_prefix('t').and_then(|number| number.parse().ok()).expect("ids are made so")
    }

    /// How it ended for a side, once.
    pub(crate) fn judge(&mut self, call: &mut Call<Config>, side: usize, is_fault: bool) {
        if !std::mem::replace(&mut self.legs[side].is_judged, true) {
            Reputation::count(call, &self.legs[side].from, is_fault);
        }
    }

    /// Whether all that there was to give is accepted; then it is settled.
    pub(crate) fn look(&mut self, call: &mut Call<Config>) {
        if self.state != State::InTransit {
            return self.save(call);
        }
        if self.legs.iter().all(|leg| leg.state == LegState::Accepted) {
            return self.settle(call);
        }
        self.plan(call);
        self.save(call);
    }

    pub(crate) fn settle(&mut self, call: &mut Call<Config>) {
        for side in 0..self.legs.len() {
            self.legs[side].state = LegState::Accepted;
            self.return_deposit(call, side);
            self.judge(call, side, false);
        }
        self.pay_top_up(call, false);
        self.free_listings(call, |_| listing::State::Exchanged);
        self.close(call, State::Settled, "swap.settled");
    }

    pub(crate) fn free_listings(&self, call: &mut Call<Config>, state: impl Fn(usize) -> listing::State) {
        for (side, leg) in self.legs.iter().enumerate() {
            for number in &leg.listings {
                if let Some(mut listing) = Listing::load(call, *number) {
                    listing.unlock(call, state(side));
                }
            }
        }
    }
}

/// Those that are not over.
pub(crate) fn open_ones(call: &Call<Config>, most: u32) -> Vec<Trade> {
    let ids = call.scan::<String>("open/", None, most);
    ids.into_iter().filter_map(|(_, id)| Trade::load(call, &id)).collect()
}

/// How many offers of a member are open.
pub(crate) fn offers_key(member: &str) -> String {
    format!("offers/{member}")
}

pub(crate) fn of_member(member: &str) -> String {
    format!("trades/{member}/")
}

/// The newest first.
fn of_key(member: &str, number: i64) -> String {
    format!("{}{:010}", of_member(member), 9_999_999_999 - number)
}
