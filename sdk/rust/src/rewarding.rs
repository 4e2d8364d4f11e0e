//! Rewards that are given at once, or wait first: because the organiser says so, or because the risk rules want a closer look.
//!
//! What waits stands in a queue by time, with one timer for its head, however many wait. Keys begin with `fg/`.

use crate::{Answer, Call, HoldState, Placed, Problem, Queue, Refused, Standing, Terms, refused};

/// How long what is earned under review waits, where the organiser asks for less: 7 days.
const REVIEW_MS: u64 = 7 * 86_400_000;

/// A hold outlives its time in the queue by so much, should the queue be late: 30 days.
const SPARE_MS: u64 = 30 * 86_400_000;

/// Rewards that one call gives out of the queue; a call may grant 100.
const GIVEN_AT_ONCE: u32 = 50;

/// What waits, by key.
pub(crate) const QUEUE: Queue<'static> = Queue("rewards");

/// What became of a reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewarded {
    Given,
    /// It is set aside, and given at this instant.
    Waits(i64),
}

/// One of several rewards that are given together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gift {
    pub key: String,
    pub offer: String,
    pub member: String,
    /// Whom the member has brought: where the offer is a commission, it is for that.
    pub source: Option<String>,
}

impl<C: Terms> Call<C> {
    /// Gives an offer, now or after the wait that the config and the standing ask for. The same key gives once.
    pub fn reward(&mut self, key: &str, offer: &str, member: &str, standing: Standing) -> Answer<Rewarded> {
        let wait = self.reward_wait(standing);
        self.reward_after(key, offer, member, wait)
    }

    /// Sets an offer aside for a review of so many milliseconds; [`Call::approve`] gives it.
    pub fn reward_on_approval(&mut self, key: &str, offer: &str, member: &str, review_ms: u64) -> Answer<()> {
        let ttl = review_ms.saturating_add(self.config.reward_hold_ms()).saturating_add(SPARE_MS);
        self.hold(key, offer, member, ttl).map(drop).map_err(refused)
    }

    /// Gives what was set aside for a review, now or after the wait that the config asks for.
    pub fn approve(&mut self, key: &str) {
        match self.config.reward_hold_ms() {
            0 => drop(self.capture(key)),
            wait => {
                let due = self.now().saturating_add_unsigned(wait);
                QUEUE.put(self, due, key);
            }
        }
    }

    /// Gives all of these, or none of them. A key that was refused cannot be used again.
    pub fn reward_together(&mut self, gifts: &[Gift], standing: Standing) -> Answer<Rewarded> {
        let wait = self.reward_wait(standing);
        let ttl = wait.saturating_add(SPARE_MS);
        let mut placed = Vec::new();
        for gift in gifts {
            let is_fresh = self.find_hold(&gift.key).is_none();
            if let Err(why) = self.set_aside(gift, ttl) {
                for key in placed {
                    self.release(key, "not all of it could be given");
                }
                return Err(refused(why));
            }
            if is_fresh {
                placed.push(&gift.key);
            }
        }
        if wait == 0 {
            for gift in gifts {
                self.capture(&gift.key);
            }
            return Ok(Rewarded::Given);
        }
        let due = self.now().saturating_add_unsigned(wait);
        for gift in gifts {
            QUEUE.put(self, due, &gift.key);
        }
        Ok(Rewarded::Waits(due))
    }

    /// How long what is earned waits, in milliseconds.
    pub fn reward_wait(&self, standing: Standing) -> u64 {
        let asked = self.config.reward_hold_ms();
        if standing.is_under_review { asked.max(REVIEW_MS) } else { asked }
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
        QUEUE.put(self, due, key);
        Ok(Rewarded::Waits(due))
    }

    fn set_aside(&mut self, gift: &Gift, ttl: u64) -> Placed {
        let Gift { key, offer, member, source } = gift;
        let placed = match (self.hold(key, offer, member, ttl), source) {
            (Err(Refused::NeedsSource), Some(source)) => self.hold_commission(key, offer, source, member, ttl),
            (placed, _) => placed,
        };
        // One that was put back or taken back is not there any more.
        placed.and_then(|hold| match hold.state {
            HoldState::Held | HoldState::Captured => Ok(hold),
            HoldState::Released | HoldState::Expired | HoldState::Revoked => Err(Refused::Mismatch),
        })
    }

    /// Takes a reward back, wherever it is in its life. False where there is none to take back.
    pub fn take_back(&mut self, key: &str, reason: &str) -> bool {
        self.release(key, reason) || self.revoke(key, reason)
    }

    /// Gives what is due by an instant; true where nothing is left of it.
    pub(crate) fn give_due(&mut self, by: i64) -> bool {
        let due = QUEUE.take(self, GIVEN_AT_ONCE, by);
        for key in &due {
            // What was taken back meanwhile is not given.
            self.capture(key);
        }
        due.len() < GIVEN_AT_ONCE as usize
    }
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
