//! A draw without replacement among any number of entrants, a bounded piece of work at a time, that anybody can recompute.
//!
//! Entrants are numbered as they come. A try draws a number, and then accepts it in proportion to its weight, unless it has won
//! before: which is a weighted draw without replacement, and reads one entrant for each try however many there are.

use serde::{Deserialize, Serialize};

use crate::Call;

/// Greatest weight of an entrant. The mean of tries for a winner is this over the mean weight, at worst.
pub const WEIGHT_MAX: u32 = 100;

/// One lottery of an activity, by name. Its keys begin with `fg/lot/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lottery<'a>(pub &'a str);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entrant {
    name: String,
    weight: u32,
    won: bool,
}

/// How far a draw has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// All winners are drawn.
    pub is_over: bool,
    /// So far.
    pub winners: u64,
}

impl Lottery<'_> {
    /// Puts somebody in with a weight of 1 to [`WEIGHT_MAX`]; whoever is in already has their weight changed.
    pub fn enter<C>(self, call: &mut Call<C>, name: &str, weight: u32) {
        let weight = weight.clamp(1, WEIGHT_MAX);
        let number = match call.counter(&self.number_key(name)) {
            0 => {
                let number = call.count(&self.key("len"), 1, 0, i64::MAX).expect("nobody enters that often");
                call.count(&self.number_key(name), number, 0, i64::MAX).expect("it was 0 above");
                number
            }
            number => number,
        };
        let entrant = Entrant { name: name.into(), weight, won: false };
        call.save(&self.entrant_key(number), &entrant);
        // Odds need no more than a bound; it grows and never shrinks.
        let heaviest = call.counter(&self.key("heaviest"));
        if i64::from(weight) > heaviest {
            call.count(&self.key("heaviest"), i64::from(weight) - heaviest, 0, i64::MAX).expect("a weight is small");
        }
    }

    pub fn has<C>(self, call: &Call<C>, name: &str) -> bool {
        call.counter(&self.number_key(name)) > 0
    }

    pub fn entrants<C>(self, call: &Call<C>) -> u64 {
        call.counter(&self.key("len")).unsigned_abs()
    }

    pub fn has_won<C>(self, call: &Call<C>, name: &str) -> bool {
        let number = call.counter(&self.number_key(name));
        number > 0 && call.load::<Entrant>(&self.entrant_key(number)).is_some_and(|entrant| entrant.won)
    }

    /// Goes on drawing up to `wanted` winners in all, for at most `tries` tries; answers who has won now, in the order drawn. Where there
    /// are no more entrants than winners wanted, all win in the order in which they came.
    pub fn draw_some<C>(self, call: &mut Call<C>, wanted: u64, tries: u32) -> (Drawn, Vec<String>) {
        let entrants = self.entrants(call);
        let wanted = wanted.min(entrants);
        let mut winners = call.counter(&self.key("won")).unsigned_abs();
        let mut names = Vec::new();
        for _ in 0..tries {
            if winners == wanted {
                break;
            }
            let key = self.entrant_key(if wanted == entrants { self.next(call) } else { self.pick(call, entrants) });
            let Some(mut entrant) = call.load::<Entrant>(&key) else { continue };
            if entrant.won || (wanted < entrants && !self.accepts(call, entrant.weight)) {
                continue;
            }
            entrant.won = true;
            call.save(&key, &entrant);
            winners = call.count(&self.key("won"), 1, 0, i64::MAX).expect("fewer than entrants").unsigned_abs();
            names.push(entrant.name);
        }
        (Drawn { is_over: winners == wanted, winners }, names)
    }

    /// Where all win, one after the other.
    fn next<C>(self, call: &mut Call<C>) -> i64 {
        call.count(&self.key("next"), 1, 0, i64::MAX).expect("fewer than i64 can count")
    }

    fn pick<C>(self, call: &mut Call<C>, entrants: u64) -> i64 {
        let number = call.draw(&format!("lot:{}", self.0), 1, entrants);
        i64::try_from(number).expect("fewer than i64 can count")
    }

    fn accepts<C>(self, call: &mut Call<C>, weight: u32) -> bool {
        let heaviest = call.counter(&self.key("heaviest")).unsigned_abs();
        heaviest <= 1 || call.draw(&format!("lot:{}", self.0), 1, heaviest) <= u64::from(weight)
    }

    fn key(self, what: &str) -> String {
        format!("fg/lot/{}/{what}", self.0)
    }

    fn number_key(self, name: &str) -> String {
        format!("fg/lot/{}/of/{name}", self.0)
    }

    fn entrant_key(self, number: i64) -> String {
        format!("fg/lot/{}/no/{number}", self.0)
    }
}
