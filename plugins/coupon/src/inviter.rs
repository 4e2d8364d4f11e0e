//! Inviters: how many of theirs were rewarded, and the tiers that they have reached.

use std::collections::BTreeMap;

use fairground_sdk::{Gift, HoldState, prelude::*};

use crate::config::Config;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inviter {
    pub member: String,
    /// Referrals that are rewarded, and were not clawed back.
    pub rewarded: u32,
    day: Day,
    today: u32,
    /// Tier → the key of its reward.
    pub tiers: BTreeMap<u32, String>,
    /// How often a tier was tried: a key that was refused, or taken back, cannot be used again.
    tries: u32,
}

impl Inviter {
    pub(crate) fn load(call: &Call<Config>, member: &str) -> Self {
        let day = call.today();
        match call.load::<Self>(&key(member)) {
            Some(known) if known.day == day => known,
            Some(known) => Self { day, today: 0, ..known },
            None => Self { member: member.into(), rewarded: 0, day, today: 0, tiers: BTreeMap::new(), tries: 0 },
        }
    }

    pub(crate) fn is_at_limit(&self, config: &Config) -> bool {
        let most = config.max_rewarded_per_inviter;
        most > 0 && self.rewarded >= most
    }

    /// When tomorrow begins, where today's share is reached.
    pub(crate) fn rests_until(&self, call: &Call<Config>) -> Option<i64> {
        let most = call.config.max_rewarded_per_day;
        let tomorrow = || call.add_days(self.day, 1);
        (most > 0 && self.today >= most)
            .then(|| call.day_start(tomorrow(), &call.config.zone, call.config.day_starts_minute))
    }

    /// The tiers that one more referral reaches.
    pub(crate) fn tier_gifts(&self, config: &Config, invitee: &str) -> Vec<(u32, Gift)> {
        let reached = |at_least: u32, index: u32| at_least <= self.rewarded + 1 && !self.tiers.contains_key(&index);
        let tiers = (0..).zip(&config.tiers).filter(|(index, tier)| reached(tier.at_least, *index));
        let gift = |index: u32, offer: &str| Gift {
            key: format!("tier:{index}:{}:{}", self.tries, self.member),
            offer: offer.into(),
            member: self.member.clone(),
            source: Some(invitee.into()),
        };
        tiers.map(|(index, tier)| (index, gift(index, &tier.offer))).collect()
    }

    pub(crate) fn tried(mut self, call: &mut Call<Config>) {
        self.tries += 1;
        self.save(call);
    }

    /// One more of theirs is rewarded.
    pub(crate) fn rewarded(mut self, call: &mut Call<Config>, tiers: Vec<(u32, Gift)>) {
        self.rewarded += 1;
        self.today += 1;
        self.tiers.extend(tiers.into_iter().map(|(index, gift)| (index, gift.key)));
        self.tried(call);
    }

    /// One of theirs was clawed back, and with it the tiers that they no longer reach.
    pub(crate) fn lost(mut self, call: &mut Call<Config>, reason: &str) {
        self.rewarded = self.rewarded.saturating_sub(1);
        for (index, tier) in (0u32..).zip(call.config.tiers.clone()) {
            // One that cannot be taken back is theirs, and not given again.
            if tier.at_least > self.rewarded && self.tiers.get(&index).is_some_and(|key| call.take_back(key, reason)) {
                self.tiers.remove(&index);
            }
        }
        self.save(call);
    }

    /// R4 and R5. A tier that is not reached any more is there only where it could not be taken back.
    pub(crate) fn is_sound(&self, call: &Call<Config>) -> bool {
        let most = call.config.max_rewarded_per_inviter;
        let state = |key: &String| call.find_hold(key).map(|hold| hold.state);
        let has = |index: u32, at_least: u32| match self.tiers.get(&index) {
            Some(key) => self.rewarded >= at_least || state(key) == Some(HoldState::Captured),
            None => self.rewarded < at_least,
        };
        let tiers = (0..).zip(&call.config.tiers);
        (most == 0 || self.rewarded <= most) && tiers.into_iter().all(|(index, tier)| has(index, tier.at_least))
    }

    fn save(&self, call: &mut Call<Config>) {
        call.save(&key(&self.member), self);
    }
}

fn key(member: &str) -> String {
    format!("inviter/{member}")
}
