//! Referrals: who was brought by whom, and what became of it.

use fairground_sdk::{HoldState, Queue, Rewarded, Standing, prelude::*};

use crate::{config::Config, inviter::Inviter};

/// Those that may no longer qualify, by the time at which that is so.
pub(crate) const EXPIRY: Queue<'static> = Queue("expiry");

/// Those that qualified and could not be rewarded yet.
pub(crate) const UNPAID: Queue<'static> = Queue("unpaid");

/// Whom a referral rewards.
const PARTS: [&str; 3] = ["inviter", "invitee", "above"];

/// How long after a budget that was used up it is tried again: an hour.
const RETRY_MS: i64 = 3_600_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// A code was used; the condition is not met yet.
    Bound,
    /// The condition is met, and the rewards wait for the budget, or for tomorrow.
    Qualified,
    /// All rewards are set aside, and given in time. Stored as `Rewarded`.
    Held,
    Rewarded,
    Expired,
    Rejected,
    ClawedBack,
}

impl State {
    pub(crate) const ALL: [Self; 6] =
        [Self::Bound, Self::Qualified, Self::Rewarded, Self::Expired, Self::Rejected, Self::ClawedBack];

    /// How many are in this state.
    pub(crate) fn counter(self) -> &'static str {
        match self {
            Self::Bound => "n/bound",
            Self::Qualified => "n/qualified",
            Self::Held | Self::Rewarded => "n/rewarded",
            Self::Expired => "n/expired",
            Self::Rejected => "n/rejected",
            Self::ClawedBack => "n/clawed-back",
        }
    }

    fn topic(self) -> &'static str {
        match self {
            Self::Bound => "coupon.bound",
            Self::Qualified => "coupon.qualified",
            Self::Held | Self::Rewarded => "coupon.rewarded",
            Self::Expired => "coupon.expired",
            Self::Rejected => "coupon.rejected",
            Self::ClawedBack => "coupon.clawed-back",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Referral {
    pub invitee: String,
    pub inviter: String,
    pub state: State,
    /// The risk rules want a closer look, so the rewards wait.
    pub is_under_review: bool,
    pub bound_at: i64,
    pub expires_at: i64,
    /// The order or the group that met the condition.
    pub met_with: Option<String>,
    /// When it was met.
    pub met_at: i64,
    /// Why it was rejected, or what the rewards wait for.
    pub reason: Option<String>,
    /// How often rewarding it was tried.
    pub tries: u32,
    /// Keys of its rewards, but for tiers.
    pub rewards: Vec<String>,
    /// When those that wait are given.
    pub given_at: Option<i64>,
}

/// What events of a referral tell.
#[derive(Serialize)]
struct Told<'a> {
    inviter: &'a str,
    state: State,
    reason: Option<&'a str>,
    given_at: Option<i64>,
    /// The keys of the rewards that there are; of a referral that was clawed back, those that could not be taken.
    holds: &'a [String],
    /// How many rewards were taken back.
    recovered: usize,
}

impl Referral {
    /// Binds the actor to an inviter; an earlier one that did not count is replaced.
    pub(crate) fn bind(call: &mut Call<Config>, inviter: &str, standing: Standing) -> Self {
        let invitee = call.actor.clone();
        if let Some(before) = Self::load(call, &invitee) {
            EXPIRY.remove(call, before.expires_at, &invitee);
            call.delete(&of_key(&before.inviter, &invitee));
            call.count(before.state.counter(), -1, 0, i64::MAX).expect("it was counted as it became that");
        }
        let now = call.now();
        let referral = Self {
            inviter: inviter.into(),
            state: State::Bound,
            is_under_review: standing.is_under_review,
            bound_at: now,
            expires_at: now.saturating_add_unsigned(call.config.attribution_window_ms),
            met_with: None,
            met_at: 0,
            reason: None,
            tries: 0,
            rewards: Vec::new(),
            given_at: None,
            invitee,
        };
        call.count(State::Bound.counter(), 1, 0, i64::MAX).expect("fewer than members");
        call.save(&of_key(inviter, &referral.invitee), &referral.invitee);
        EXPIRY.put(call, referral.expires_at, &referral.invitee);
        referral.told(call, 0);
        referral.save(call);
        referral
    }

    pub(crate) fn load(call: &Call<Config>, invitee: &str) -> Option<Self> {
        call.load(&format!("referral/{invitee}"))
    }

    fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("referral/{}", self.invitee), self);
    }

    /// Whether the condition can be met by what happened at an instant; it may be heard later.
    pub(crate) fn is_open_at(&self, at: i64) -> bool {
        matches!(self.state, State::Bound | State::Expired) && (self.bound_at..self.expires_at).contains(&at)
    }

    /// Whether nothing had been given at an instant.
    pub(crate) fn is_waiting_at(&self, at: i64) -> bool {
        self.state == State::Qualified
            || (self.state == State::Rewarded && self.given_at.is_some_and(|given| at < given))
    }

    /// Whether its rewards are set aside now.
    pub(crate) fn is_held(&self, call: &Call<Config>) -> bool {
        let first = self.rewards.first().and_then(|key| call.find_hold(key));
        self.state == State::Rewarded && first.is_some_and(|hold| hold.state == HoldState::Held)
    }

    /// The condition is met.
    pub(crate) fn qualify(&mut self, call: &mut Call<Config>, met_with: Option<String>, met_at: i64) {
        (self.met_with, self.met_at) = (met_with, met_at);
        EXPIRY.remove(call, self.expires_at, &self.invitee);
        if let Err(reason) = crate::bind_in_community(call, &self.invitee, &self.inviter) {
            return self.reject(call, reason.code);
        }
        self.become_state(call, State::Qualified);
        self.pay(call);
    }

    /// Rewards everybody, or nobody: then it waits, or is rejected.
    pub(crate) fn pay(&mut self, call: &mut Call<Config>) {
        let inviter = Inviter::load(call, &self.inviter);
        if !call.is_active(&self.inviter) || !call.is_active(&self.invitee) {
            return self.reject(call, "referral.code-expired");
        }
        if inviter.is_at_limit(&call.config) {
            return self.reject(call, "referral.inviter-limit");
        }
        if let Some(tomorrow) = inviter.rests_until(call) {
            return self.wait(call, tomorrow, "common.limit-member-day");
        }
        self.tries += 1;
        let (own, tiers) = (self.gifts(call), inviter.tier_gifts(&call.config, &self.invitee));
        let gifts: Vec<_> = own.iter().chain(tiers.iter().map(|(_, gift)| gift)).cloned().collect();
        let standing = Standing { is_under_review: self.is_under_review };
        match call.reward_together(&gifts, standing) {
            Ok(rewarded) => {
                inviter.rewarded(call, tiers);
                self.rewards = own.into_iter().map(|gift| gift.key).collect();
                self.given_at = if let Rewarded::Waits(due) = rewarded { Some(due) } else { None };
                self.reason = None;
                self.become_state(call, State::Rewarded);
            }
            Err(problem) => {
                inviter.tried(call);
                let later = call.now().saturating_add(RETRY_MS);
                self.wait(call, later, problem.code);
            }
        }
    }

    /// What it earns, but for tiers. A key that was refused cannot be used again, so each try has its own.
    fn gifts(&self, call: &Call<Config>) -> Vec<fairground_sdk::Gift> {
        let config = &call.config;
        let above = config.second_level_offer.as_ref().and_then(|_| call.member(&self.inviter)?.inviter);
        let above = above.filter(|above| call.is_active(above));
        let whom = [
            (&config.inviter_offer, Some(&self.inviter)),
            (&config.invitee_offer, Some(&self.invitee)),
            (&config.second_level_offer, above.as_ref()),
        ];
        let gift = |(part, (offer, member)): (&str, (&Option<String>, Option<&String>))| {
            Some(fairground_sdk::Gift {
                key: self.key(part, self.tries),
                offer: offer.clone()?,
                member: member?.clone(),
                source: Some(self.invitee.clone()),
            })
        };
        PARTS.into_iter().zip(whom).filter_map(gift).collect()
    }

    fn wait(&mut self, call: &mut Call<Config>, until: i64, reason: &str) {
        self.reason = Some(reason.into());
        UNPAID.put(call, until, &self.invitee);
        self.save(call);
    }

    /// It comes to nothing.
    pub(crate) fn reject(&mut self, call: &mut Call<Config>, reason: &str) {
        self.reason = Some(reason.into());
        self.become_state(call, State::Rejected);
    }

    pub(crate) fn expire(&mut self, call: &mut Call<Config>) {
        self.reason = Some("referral.window-passed".into());
        self.become_state(call, State::Expired);
    }

    /// What met the condition is undone: nobody keeps a reward for it.
    pub(crate) fn undo(&mut self, call: &mut Call<Config>, reason: &str) {
        match self.state {
            State::Qualified => self.reject(call, reason),
            State::Rewarded => {
                // What cannot be taken back, because it was shipped or used, stays with whoever has it.
                let given = self.rewards.len();
                self.rewards.retain(|key| !call.take_back(key, reason));
                Inviter::load(call, &self.inviter).lost(call, reason);
                self.reason = Some(reason.into());
                self.recount(call, State::ClawedBack);
                self.told(call, given - self.rewards.len());
                self.save(call);
            }
            _ => {}
        }
    }

    fn become_state(&mut self, call: &mut Call<Config>, state: State) {
        self.recount(call, state);
        self.told(call, 0);
        self.save(call);
    }

    fn recount(&mut self, call: &mut Call<Config>, state: State) {
        call.count(self.state.counter(), -1, 0, i64::MAX).expect("it was counted as it became that");
        call.count(state.counter(), 1, 0, i64::MAX).expect("fewer than members");
        self.state = state;
    }

    fn told(&self, call: &mut Call<Config>, recovered: usize) {
        let topic = self.state.topic();
        let told = Told {
            inviter: &self.inviter,
            state: self.state,
            reason: self.reason.as_deref(),
            given_at: self.given_at,
            holds: &self.rewards,
            recovered,
        };
        call.emit(topic, &self.invitee, &told);
        call.tell(topic, &self.inviter, &[("invitee", self.invitee.clone())]);
        if self.state == State::Rewarded && call.config.invitee_offer.is_some() {
            call.tell("coupon.welcomed", &self.invitee, &[("inviter", self.inviter.clone())]);
        }
    }

    /// R1 and R8: all that it earned is there where it is rewarded, and none of it where it is not.
    pub(crate) fn is_sound(&self, call: &Call<Config>) -> bool {
        let state = |key: &str| call.find_hold(key).map(|hold| hold.state);
        let is_there = |key: &str| matches!(state(key), Some(HoldState::Held | HoldState::Captured));
        if self.state == State::Rewarded {
            let is_gone = |key: &str| matches!(state(key), None | Some(HoldState::Released | HoldState::Revoked));
            return !self.rewards.iter().any(|key| is_gone(key));
        }
        let tried = self.tries.saturating_sub(1)..=self.tries;
        let keys = tried.into_iter().flat_map(|number| PARTS.map(|part| self.key(part, number)));
        keys.filter(|key| !self.rewards.contains(key)).all(|key| !is_there(&key))
    }

    fn key(&self, part: &str, number: u32) -> String {
        format!("{part}:{number}:{}", self.invitee)
    }
}

pub(crate) fn of_inviter(inviter: &str) -> String {
    format!("of/{inviter}/")
}

pub(crate) fn of_key(inviter: &str, invitee: &str) -> String {
    fairground_sdk::bounded(format!("{}{invitee}", of_inviter(inviter)))
}
