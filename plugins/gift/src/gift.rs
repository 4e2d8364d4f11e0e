//! Gifts: an order, and the shares of it that friends claim.

use fairground_sdk::{
    Gift as Reward, HoldState, OrderNews, Queue, Standing, not_allowed, not_found, prelude::*, refused,
};

use crate::config::{Config, Unclaimed};

/// Orders that are to be paid, and shares that are to be claimed, by the time at which that is too late.
pub(crate) const UNPAID: Queue<'static> = Queue("unpaid");
pub(crate) const UNCLAIMED: Queue<'static> = Queue("unclaimed");

/// Set when the activity is over.
pub(crate) const OVER: &str = "over";

/// Units are set aside 30 days longer than they can be needed, should news or timers be late.
const SPARE_MS: u64 = 30 * 86_400_000;

/// As long as units may be set aside at all: 400 days.
const HORIZON_MS: u64 = 400 * 86_400_000;

/// What is kept open is so for a year, in an activity that has no end.
const OPEN_MS: u64 = 365 * 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// To be paid.
    Ordered,
    Paid,
    /// Not paid in time, or given up before.
    Lapsed,
    /// All of it was paid back.
    Refunded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ShareState {
    /// The order is not paid.
    Waiting,
    Offered,
    /// Set aside for whoever claimed it: an operator may still revoke it.
    Claimed,
    Fulfilled,
    /// The giver got it.
    Returned,
    /// The giver had their money back, or does not pay it.
    Refunded,
    /// Taken back from whoever claimed it.
    Revoked,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Share {
    /// The first of its units.
    pub first: u32,
    pub units: u32,
    pub state: ShareState,
    pub claimer: Option<String>,
    pub expires_at: Option<i64>,
    /// The hash of its link; none where none was made.
    pub link: Option<String>,
    /// How often its units were set aside: a key that was put back cannot be used again.
    pub tries: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gift {
    pub id: String,
    pub giver: String,
    pub state: State,
    /// Of the order, in minor units.
    pub total: i64,
    /// What the giver has back for a unit that nobody claims.
    pub unit_value: i64,
    /// How many gifts of an order it is, where they are counted.
    pub repeats: u32,
    /// How many units of the stock pool are set aside for the buyer.
    pub pooled: u32,
    pub pooled_tries: u32,
    pub shares: Vec<Share>,
}

/// What events of a gift tell.
#[derive(Serialize)]
pub(crate) struct Told<'a> {
    share: Option<usize>,
    units: u32,
    by: Option<&'a str>,
}

impl Gift {
    pub(crate) fn load(call: &Call<Config>, id: &str) -> Option<Self> {
        call.find(&format!("gift/{id}"))
    }

    pub(crate) fn own(call: &Call<Config>, id: &str) -> Answer<Self> {
        let gift = Self::load(call, id).ok_or_else(|| not_found("common.not-found", "There is no such gift."))?;
        if gift.giver == call.actor {
            Ok(gift)
        } else {
            Err(not_allowed("common.not-owner", "Somebody else gives this."))
        }
    }

    pub(crate) fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("gift/{}", self.id), self);
        let is_live = self.state == State::Ordered
            || self.shares.iter().any(|share| matches!(share.state, ShareState::Offered | ShareState::Claimed));
        let live = format!("live/{}", self.id);
        match (is_live, call.load::<String>(&live).is_some()) {
            (true, false) => call.save(&live, &self.id),
            (false, true) => drop(call.delete(&live)),
            _ => {}
        }
    }

    /// Those with something still open.
    pub(crate) fn live_ones(call: &Call<Config>, most: u32) -> Vec<Self> {
        let ids = call.scan::<String>("live/", None, most);
        ids.into_iter().filter_map(|(_, id)| Self::load(call, &id)).collect()
    }

    pub(crate) fn order(&self) -> String {
        format!("gift:{}", self.id)
    }

    fn pooled_key(&self) -> String {
        format!("pooled:{}:{}", self.id, self.pooled_tries)
    }

    fn unit_key(&self, share: &Share, unit: u32) -> String {
        format!("unit:{}:{unit}:{}", self.id, share.tries)
    }

    pub(crate) fn unit_keys(&self, share: &Share) -> Vec<String> {
        (share.first..share.first + share.units).map(|unit| self.unit_key(share, unit)).collect()
    }

    /// Sets everything aside that the order will need, or nothing.
    pub(crate) fn set_aside(&mut self, call: &mut Call<Config>) -> Answer<()> {
        let waits = call.config.pay_window_ms.saturating_add(call.config.claim_ttl_ms).saturating_add(SPARE_MS);
        let ttl = if call.config.unclaimed == Unclaimed::KeepOpen { HORIZON_MS } else { waits.min(HORIZON_MS) };
        if let Some(pool) = call.config.stock_pool.clone().filter(|_| self.pooled > 0) {
            let window = call.config.pay_window_ms + SPARE_MS;
            if call.reserve(&self.pooled_key(), &pool, self.pooled.into(), window).is_err() {
                return Err(refused(fairground_sdk::Refused::Exhausted(fairground_sdk::Limit::Stock)));
            }
        }
        let Some(offer) = call.config.claim_offer().cloned() else { return Ok(()) };
        for share in &self.shares {
            for key in self.unit_keys(share) {
                call.hold(&key, &offer, &self.giver, ttl).map_err(refused)?;
            }
        }
        Ok(())
    }

    /// Puts back what a share had set aside.
    pub(crate) fn put_back(&mut self, call: &mut Call<Config>, place: usize) {
        for key in self.unit_keys(&self.shares[place]) {
            call.release(&key, "it is not for the giver, or not at all");
        }
        self.shares[place].tries += 1;
    }

    /// It is not paid in time.
    pub(crate) fn lapse(&mut self, call: &mut Call<Config>) {
        if self.state != State::Ordered {
            return;
        }
        self.state = State::Lapsed;
        let _ = call.cancel_order(&self.order(), "not paid in time");
        self.give_up_units(call);
        call.refund_beyond(&self.order(), 0, "the order is given up");
        self.save(call);
    }

    fn give_up_units(&mut self, call: &mut Call<Config>) {
        if self.pooled > 0 {
            let _ = call.release_reservation(&self.pooled_key());
            self.pooled_tries += 1;
        }
        for place in 0..self.shares.len() {
            if matches!(self.shares[place].state, ShareState::Waiting | ShareState::Offered) {
                self.put_back(call, place);
            }
        }
        crate::buying::uncount(call, self);
    }

    /// The shop says that it has money for the order.
    pub(crate) fn paid(&mut self, call: &mut Call<Config>, news: Option<&OrderNews>) {
        let is_over = call.load::<bool>(OVER).is_some();
        if news.is_some_and(|news| !news.is_covered()) {
            // The rest may still come.
            if self.state != State::Ordered || is_over {
                call.refund_beyond(&self.order(), self.kept(), "it is not all, or not wanted");
            }
            return;
        }
        let came = match self.state {
            State::Ordered => !is_over,
            // Late: it is given, where there is still something to give.
            State::Lapsed => !is_over && self.revive(call),
            State::Paid | State::Refunded => {
                call.refund_beyond(&self.order(), self.kept(), "paid twice");
                return;
            }
        };
        if !came {
            call.refund_beyond(&self.order(), 0, "it came too late");
            return;
        }
        if !self.commit_pooled(call) {
            self.state = State::Refunded;
            self.give_up_units(call);
            call.refund_beyond(&self.order(), 0, "there is nothing left of it");
            return self.save(call);
        }
        self.state = State::Paid;
        call.refund_beyond(&self.order(), self.total, "paid more than it costs");
        let lasts = if call.config.unclaimed == Unclaimed::KeepOpen { OPEN_MS } else { call.config.claim_ttl_ms };
        let expires_at = call.now().saturating_add_unsigned(lasts);
        for place in 0..self.shares.len() {
            self.shares[place].state = ShareState::Offered;
            self.shares[place].expires_at = Some(expires_at);
            UNCLAIMED.put(call, expires_at, &self.share_name(place));
        }
        let units = self.shares.iter().map(|share| share.units).sum();
        call.emit("gift.offered", &self.id, &Told { share: None, units, by: None });
        let giver = self.giver.clone();
        call.tell("gift.offered", &giver, &[("gift", self.id.clone())]);
        self.save(call);
    }

    /// The buyer's own units are sold. Where they were put back because nobody came to it for long, others will do.
    fn commit_pooled(&mut self, call: &mut Call<Config>) -> bool {
        let Some(pool) = call.config.stock_pool.clone().filter(|_| self.pooled > 0) else { return true };
        if call.commit_reservation(&self.pooled_key()).is_ok() {
            return true;
        }
        self.pooled_tries += 1;
        let again = call.reserve(&self.pooled_key(), &pool, self.pooled.into(), SPARE_MS).is_ok();
        again && call.commit_reservation(&self.pooled_key()).is_ok()
    }

    /// Sets everything aside once more. False, and nothing is, where that cannot be.
    fn revive(&mut self, call: &mut Call<Config>) -> bool {
        if !crate::buying::count(call, self) {
            return false;
        }
        if self.set_aside(call).is_ok() {
            return true;
        }
        self.give_up_units(call);
        self.save(call);
        false
    }

    pub(crate) fn share_name(&self, place: usize) -> String {
        format!("{}.{place}", self.id)
    }

    /// What the giver pays in the end, as things stand: units that nobody gets are paid back.
    pub(crate) fn kept(&self) -> i64 {
        if matches!(self.state, State::Lapsed | State::Refunded) {
            return 0;
        }
        let is_back = |share: &&Share| matches!(share.state, ShareState::Refunded);
        let back: i64 = self.shares.iter().filter(is_back).map(|share| i64::from(share.units) * self.unit_value).sum();
        self.total - back
    }

    /// The giver has their money back for shares that nobody gets: one refund for all of them.
    pub(crate) fn refund_shares(&mut self, call: &mut Call<Config>, places: &[usize], reason: &str) {
        for place in places {
            self.put_back(call, *place);
            self.shares[*place].state = ShareState::Refunded;
            self.forget_link(call, *place);
        }
        call.refund_beyond(&self.order(), self.kept(), reason);
        if !places.is_empty() {
            self.told_of(call, "gift.returned", places);
        }
        self.save(call);
    }

    /// The giver gets a share that nobody claimed; or their money, where its units are there no more.
    fn return_share(&mut self, call: &mut Call<Config>, place: usize) {
        let keys = self.unit_keys(&self.shares[place]);
        let is_held = |key: &String| call.find_hold(key).is_some_and(|hold| hold.state == HoldState::Held);
        if keys.iter().all(is_held) {
            // What was set aside is in the giver's name.
            for key in &keys {
                call.capture(key);
            }
        } else {
            self.put_back(call, place);
            let offer = call.config.claim_offer().cloned().unwrap_or_default();
            let gift = |key: String| Reward { key, offer: offer.clone(), member: self.giver.clone(), source: None };
            let gifts: Vec<Reward> = self.unit_keys(&self.shares[place]).into_iter().map(gift).collect();
            if call.reward_together(&gifts, Standing::CLEAR).is_err() {
                return self.refund_shares(call, &[place], "its units are gone");
            }
        }
        self.shares[place].state = ShareState::Returned;
        self.forget_link(call, place);
        self.told_of(call, "gift.returned", &[place]);
        self.save(call);
    }

    pub(crate) fn forget_link(&mut self, call: &mut Call<Config>, place: usize) {
        if let Some(at) = self.shares[place].expires_at {
            UNCLAIMED.remove(call, at, &self.share_name(place));
        }
    }

    /// Tells once of some shares.
    pub(crate) fn told_of(&self, call: &mut Call<Config>, topic: &str, places: &[usize]) {
        let share = places.first().filter(|_| places.len() == 1).copied();
        let units = places.iter().map(|place| self.shares[*place].units).sum();
        let by = share.and_then(|place| self.shares[place].claimer.as_deref());
        call.emit(topic, &self.id, &Told { share, units, by });
        let giver = self.giver.clone();
        call.tell(topic, &giver, &[("gift", self.id.clone())]);
    }

    /// Nobody has claimed a share in time, or the activity is over.
    pub(crate) fn expire(&mut self, call: &mut Call<Config>, place: usize) {
        if self.shares[place].state != ShareState::Offered {
            return;
        }
        match call.config.unclaimed {
            Unclaimed::Refund => self.refund_shares(call, &[place], "nobody claimed it"),
            Unclaimed::ReturnToBuyer | Unclaimed::KeepOpen => self.return_share(call, place),
        }
    }

    /// The shop has paid back by itself, so that it has so much: what nobody has claimed is not given for it.
    pub(crate) fn refunded(&mut self, call: &mut Call<Config>, has: i64) {
        if self.state != State::Paid {
            return;
        }
        let mut ended = Vec::new();
        for place in self.places(ShareState::Offered) {
            // What came free goes with any of it.
            let is_short = if self.unit_value == 0 { has < self.total } else { has < self.kept() };
            if is_short || has <= 0 {
                self.put_back(call, place);
                self.shares[place].state = ShareState::Refunded;
                self.forget_link(call, place);
                ended.push(place);
            }
        }
        if has <= 0 {
            self.state = State::Refunded;
        }
        if !ended.is_empty() {
            self.told_of(call, "gift.returned", &ended);
        }
        self.save(call);
    }

    /// A claim that waited is given once its units are.
    pub(crate) fn settle_claim(&mut self, call: &Call<Config>, place: usize) {
        let is_held = |key: &String| call.find_hold(key).is_some_and(|hold| hold.state == HoldState::Held);
        if self.shares[place].state == ShareState::Claimed && !self.unit_keys(&self.shares[place]).iter().any(is_held) {
            self.shares[place].state = ShareState::Fulfilled;
        }
    }

    /// Ends with its activity: some of its shares at a time.
    pub(crate) fn end(&mut self, call: &mut Call<Config>) {
        self.lapse(call);
        let most = call.batch_of(2, &["gift.returned"]) as usize;
        let offered = self.places(ShareState::Offered);
        match call.config.unclaimed {
            Unclaimed::Refund => self.refund_shares(call, &offered, "nobody claimed it"),
            Unclaimed::ReturnToBuyer | Unclaimed::KeepOpen => {
                offered.into_iter().take(most).for_each(|place| self.return_share(call, place));
            }
        }
        for place in self.places(ShareState::Claimed) {
            self.settle_claim(call, place);
        }
        self.save(call);
    }

    pub(crate) fn places(&self, state: ShareState) -> Vec<usize> {
        (0..self.shares.len()).filter(|place| self.shares[*place].state == state).collect()
    }
}
