//! The draw in the end, in which each help adds to the odds.

use fairground_sdk::{lottery::Lottery, prelude::*};

use crate::{
    config::{Config, Mode},
    session::{Session, State},
};

pub(crate) const LOTTERY: Lottery<'static> = Lottery("boost");

/// Tries of one call: each reads an entrant and draws twice.
const TRIES: u32 = 40;

/// A session weighs one, and one more for each unit.
pub(crate) fn weigh(call: &mut Call<Config>, session: &Session) {
    LOTTERY.enter(call, &session.id, session.counted.saturating_add(1));
}

/// Draws some of the winners; true where all are drawn.
pub(crate) fn run(call: &mut Call<Config>) -> bool {
    let Mode::WeightedDraw { winners, offer } = call.config.mode.clone() else { return true };
    let tries = TRIES.min(call.batch_of(3, "boost.drawn").min(call.batch_of(3, "boost.finished")) / 2).max(1);
    let (drawn, names) = LOTTERY.draw_some(call, winners.into(), tries);
    for id in &names {
        let Some(mut session) = Session::load(call, id) else { continue };
        let key = format!("drawn:{id}");
        if let Err(problem) = call.reward(&key, &offer, &session.owner, session.standing()) {
            call.log(&format!("{offer} of {id} is not given: {}", problem.code));
        }
        call.emit("boost.drawn", id, &session.owner);
        let owner = session.owner.clone();
        call.tell("boost.drawn", &owner, &[("session", id.clone())]);
        session.close(call, State::Granted);
    }
    // The rewards that wait are given by the next step.
    drawn.is_over && names.is_empty()
}
