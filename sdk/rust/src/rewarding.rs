//! Rewards that are given at once, or wait first: because the organiser says so, or because the risk rules want a closer look.
//!
//! What waits stands in a queue by time, with one timer for its head, however many wait. Keys begin with `fg/`.

use crate::{Answer, Call, Problem, Standing, Terms, refused};

/// How long what is earned under review waits, where the organiser asks for less: 7 days.
const REVIEW_MS: u64 = 7 * 86_400_000;

/// A hold outlives its time in the queue by so much, should the queue be late: 30 days.
const SPARE_MS: u64 = 30 * 86_400_000;

/// Rewards that one call gives out of the queue; a call may grant 100.
const GIVEN_AT_ONCE: u32 = 50;

const QUEUE: &str = "fg/due/";

/// The timer of the queue's head.
pub(crate) const TIMER: &str = "fg/due";

/// What became of a reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewarded {
    Given,
    /// It is set aside, and given at this instant.
    Waits(i64),
}

impl<C: Terms> Call<C> {
    /// Gives an offer, now or after the wait that the config and the standing ask for. The same key gives once.
    pub fn reward(&mut self, key: &str, offer: &str, member: &str, standing: Standing) -> Answer<Rewarded> {
        let asked = self.config.reward_hold_ms();
        let wait = if standing.is_under_review { asked.max(REVIEW_MS) } else { asked };
        self.reward_after(key, offer, member, wait)
    }
}

impl<C> Call<C> {
    /// Gives an offer after so many milliseconds; at once where there are none.
    pub fn reward_after(&mut self, key: &str, offer: &str, member: &str, wait: u64) -> Answer<Rewarded> {
        if wait == 0 {
            self.give(key, offer, member)?;
            return Ok(Rewarded::Given);
        }
        self.hold(key, offer, member, wait.saturating_add(SPARE_MS)).map_err(refused)?;
        let due = self.now().saturating_add_unsigned(wait);
        // Instants of one length sort like numbers.
        self.save(&format!("{QUEUE}{due:015}/{key}"), &key);
        self.look_at_queue();
        Ok(Rewarded::Waits(due))
    }

    /// Takes a reward back, wherever it is in its life. False where there is none to take back.
    pub fn take_back(&mut self, key: &str, reason: &str) -> bool {
        self.release(key, reason) || self.revoke(key, reason)
    }

    /// Gives what is due, or all that waits where the activity is over; true where nothing is left of it.
    pub(crate) fn give_due(&mut self, is_over: bool) -> bool {
        let now = self.now();
        let waiting = self.scan::<String>(QUEUE, None, GIVEN_AT_ONCE);
        let is_page = waiting.len() == GIVEN_AT_ONCE as usize;
        let due = waiting.into_iter().filter(|(place, _)| is_over || is_due(place, now));
        for (place, key) in due.collect::<Vec<_>>() {
            // What was taken back meanwhile is not given.
            self.capture(&key);
            self.delete(&place);
        }
        self.look_at_queue();
        !is_page
    }

    fn look_at_queue(&mut self) {
        let head = self.scan::<String>(QUEUE, None, 1);
        if let Some(due) = head.first().and_then(|(place, _)| instant(place)) {
            // Where no timer can be set now, the next reward or the settlement sees to it.
            let _ = self.set_timer(TIMER, due);
        }
    }
}

fn instant(place: &str) -> Option<i64> {
    place.strip_prefix(QUEUE)?.split_once('/')?.0.parse().ok()
}

fn is_due(place: &str, now: i64) -> bool {
    instant(place).is_none_or(|due| due <= now)
}

/// A reward that could not be given keeps nothing else from happening, where the budget is only used up: it is what an organiser
/// agreed to who let the budget cap the rewards.
pub fn unless_exhausted<T>(answer: Answer<T>) -> Answer<Option<T>> {
    const USED_UP: [&str; 3] = ["common.budget-exhausted", "common.stock-exhausted", "common.limit-member-total"];
    match answer {
        Ok(done) => Ok(Some(done)),
        Err(Problem { code, .. }) if USED_UP.contains(&code) => Ok(None),
        Err(problem) => Err(problem),
    }
}
