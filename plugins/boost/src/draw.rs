//! The draw in the end, in which each help adds to the odds.

use fairground_sdk::{lottery::Lottery, prelude::*};

use crate::{
    config::{Config, Mode},
    prizes::{self, Stage},
    session::{Session, State},
};

pub(crate) const LOTTERY: Lottery<'static> = Lottery("boost");

/// Sessions that were drawn, in their order.
pub(crate) const WINNERS: &str = "winner/";

/// What `boost.drawn` tells.
#[derive(Serialize)]
struct Drawn<'a> {
    place: i64,
    winner: &'a str,
    is_given: bool,
}

/// Tries of one call: each reads an entrant and draws twice.
const TRIES: u32 = 40;

/// A session weighs one, and one more for each unit.
pub(crate) fn weigh(call: &mut Call<Config>, session: &Session) {
    LOTTERY.enter(call, &session.id, session.counted.saturating_add(1));
}

/// Draws some of the winners; true where all are drawn.
pub(crate) fn run(call: &mut Call<Config>) -> bool {
    let Mode::WeightedDraw { winners, offer } = call.config.mode.clone() else { return true };
    // Each winner is told of by three topics.
    let most = call.batch_of(3, &["boost.drawn", "boost.finished", "boost.milestone"]) / 3;
    let tries = TRIES.min(most).max(1);
    let (drawn, names) = LOTTERY.draw_some(call, winners.into(), tries);
    for id in &names {
        let Some(mut session) = Session::load(call, id) else { continue };
        prizes::finish(call, &mut session, offer.clone());
        let place = call.count("drawn", 1, 0, i64::from(winners)).expect("no more are drawn than may win");
        call.save(&format!("{WINNERS}{place:09}"), id);
        let owner = session.owner.clone();
        let is_given = session.prizes.iter().all(|prize| prize.stage == Stage::Given);
        call.emit("boost.drawn", id, &Drawn { place, winner: &owner, is_given });
        if is_given {
            call.tell("boost.drawn", &owner, &[("session", id.clone())]);
        }
        session.close(call, State::Granted);
    }
    // The rewards that wait are given by the next step.
    drawn.is_over && names.is_empty()
}
