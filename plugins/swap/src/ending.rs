//! How trades end: unwound, disputed, decided, or by themselves when their time is over.

use fairground_sdk::prelude::*;

use crate::{
    config::Config,
    listing,
    trade::{DEADLINES, Leg, LegState, State, Trade},
};

impl Trade {
    /// Some did not ship: they lose their deposits to those who did, and what was shipped goes back.
    pub(crate) fn unwind(&mut self, call: &mut Call<Config>, late: &[usize]) {
        let shipped: Vec<usize> = (0..self.legs.len()).filter(|side| !late.contains(side)).collect();
        // Whoever holds what others had shipped sends it back.
        let senders: Vec<usize> =
            self.legs.iter().filter(|leg| leg.is_out()).filter_map(|leg| self.side_of(&leg.to)).collect();
        let forfeits = self.forfeit(call, late, &shipped, &senders);
        for side in late {
            self.judge(call, *side, true);
        }
        self.pay_top_up(call, true);
        if shipped.is_empty() {
            self.free_listings(call, |_| listing::State::Withdrawn);
            return self.close_with(call, State::Cancelled, ("swap.unwound", &forfeits));
        }
        // Who has nothing that must go back has their deposit at once.
        for side in &shipped {
            if self.legs[self.to_side(*side)].state == LegState::Awaiting {
                self.return_deposit(call, *side);
            }
        }
        self.state = State::Unwinding;
        let until = call.now().saturating_add_unsigned(call.config.ship_window_ms);
        self.replan(call, until);
        self.told(call, "swap.unwound", &forfeits);
        self.save(call);
    }

    fn replan(&mut self, call: &mut Call<Config>, until: i64) {
        DEADLINES.remove(call, self.deadline, &self.id);
        self.deadline = until;
        DEADLINES.put(call, until, &self.id);
    }

    /// A side has what it had shipped again; where all have, the trade is over.
    pub(crate) fn came_back(&mut self, call: &mut Call<Config>, side: usize) {
        self.legs[side].state = LegState::Returned;
        let holder = self.legs[side].to.clone();
        if let Some(holder) = self.side_of(&holder) {
            self.return_deposit(call, holder);
        }
        if self.legs.iter().any(Leg::is_out) {
            self.save(call);
        } else {
            self.cancel(call);
        }
    }

    /// Nothing is exchanged. Those who had shipped may swap again; the others have lost that chance.
    fn cancel(&mut self, call: &mut Call<Config>) {
        for side in 0..self.legs.len() {
            self.return_deposit(call, side);
        }
        self.pay_top_up(call, true);
        let has_shipped: Vec<bool> = self.legs.iter().map(|leg| leg.state == LegState::Returned).collect();
        let state = |side: usize| if has_shipped[side] { listing::State::Listed } else { listing::State::Withdrawn };
        self.free_listings(call, state);
        self.close(call, State::Cancelled, "swap.cancelled");
    }

    /// Somebody says that it is not right: it waits for an operator, and not for ever.
    pub(crate) fn dispute(&mut self, call: &mut Call<Config>, reason: &str, evidence: Option<&str>) {
        self.state = State::Disputed;
        self.reason = Some(reason.into());
        self.evidence = evidence.map(Into::into);
        let until = call.now().saturating_add_unsigned(call.config.dispute_window_ms);
        self.replan(call, until);
        self.told(call, "swap.disputed", &[]);
        self.save(call);
    }

    /// An operator decides: it counts as settled, or it is unwound, and some lose their deposits to the others.
    pub(crate) fn resolve(&mut self, call: &mut Call<Config>, is_settled: bool, faults: &[usize]) {
        let others: Vec<usize> = (0..self.legs.len()).filter(|side| !faults.contains(side)).collect();
        let forfeits = self.forfeit(call, faults, &others, &[]);
        for side in faults {
            self.judge(call, *side, true);
        }
        self.told(call, "swap.resolved", &forfeits);
        if is_settled { self.settle(call) } else { self.undo(call) }
    }

    /// Nothing is exchanged, and each has their own back.
    fn undo(&mut self, call: &mut Call<Config>) {
        for side in 0..self.legs.len() {
            self.return_deposit(call, side);
        }
        self.pay_top_up(call, true);
        self.free_listings(call, |_| listing::State::Withdrawn);
        self.close(call, State::Cancelled, "swap.cancelled");
    }

    /// Sides that have not shipped in time.
    fn late(&self, now: i64) -> Vec<usize> {
        let is_late = |leg: &Leg| leg.state == LegState::Awaiting && now >= leg.deadline;
        (0..self.legs.len()).filter(|side| is_late(&self.legs[*side])).collect()
    }

    /// Something is due, or the activity is over and nothing is waited for.
    pub(crate) fn ring(&mut self, call: &mut Call<Config>, is_over: bool) {
        let now = call.now();
        let is_due = is_over || now >= self.deadline;
        match self.state {
            State::Proposed if is_due => {
                let silent: Vec<usize> = (0..self.legs.len()).filter(|side| !self.legs[*side].is_confirmed).collect();
                self.drop_proposal(call, State::Expired, &silent);
            }
            State::InTransit => {
                let late = self.late(now);
                // What was received and not disputed in time, and what was shipped and not missed, is accepted.
                for leg in &mut self.legs {
                    let is_silent = matches!(leg.state, LegState::Shipped | LegState::Delivered);
                    if is_silent && now >= leg.deadline {
                        leg.state = LegState::Accepted;
                    }
                }
                if late.is_empty() {
                    self.look(call)
                } else {
                    self.unwind(call, &late)
                }
                if is_over && self.state == State::InTransit {
                    // There is no time left in which anybody could be late.
                    self.undo(call);
                }
            }
            State::Disputed if is_due => {
                // Who did not ship in time gains nothing by a dispute.
                let late = self.late(now);
                if late.is_empty() { self.undo(call) } else { self.unwind(call, &late) }
            }
            State::Unwinding if is_due => {
                for leg in &mut self.legs {
                    if leg.state != LegState::Awaiting {
                        leg.state = LegState::Returned;
                    }
                }
                self.cancel(call);
            }
            _ => {}
        }
    }
}
