//! Groups: forming until a deadline, and then completed or failed.

use fairground_sdk::{Queue, conflict, expired, limit_reached, not_found, prelude::*};

use crate::{
    config::{Config, Handover, LeaderLeaves, Tier},
    seat::{self, Seat},
};

/// Groups by their deadlines.
pub(crate) const FORMING: Queue<'_> = Queue("groups");

/// Groups that are over, with seats that are still to follow.
pub(crate) const ENDING: Queue<'_> = Queue("ending");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Forming,
    /// All seats are paid.
    Full,
    /// At the deadline, at the price of a tier.
    Tier,
    /// At the deadline, by the merchant.
    Merchant,
    Expired,
    Cancelled,
    /// Nobody was left in it.
    Empty,
    /// The activity was stopped.
    Stopped,
}

impl State {
    pub(crate) fn is_completed(self) -> bool {
        matches!(self, Self::Full | Self::Tier | Self::Merchant)
    }
}

/// Prices and rules are those of the config when it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub id: String,
    pub sku: String,
    pub leader: String,
    pub state: State,
    pub size: u32,
    pub least: u32,
    /// Minor units, of one unit.
    pub price: i64,
    pub leader_price: i64,
    pub tiers: Vec<Tier>,
    pub deadline: i64,
    pub held: u32,
    pub paid: u32,
    /// How many seats were ever taken in it.
    pub seats: u32,
}

/// What `group-buy.completed` and `group-buy.failed` tell.
#[derive(Serialize)]
struct Over<'a> {
    group: &'a str,
    paid: u32,
    /// Seats whose money goes back because the group has failed.
    refunds: u32,
    how: State,
}

#[derive(Serialize)]
struct LeaderChanged<'a> {
    group: &'a str,
    from: &'a str,
    to: &'a str,
}

impl Group {
    /// A new one, without seats.
    pub(crate) fn open(call: &mut Call<Config>, sku: &str, leader: &str) -> Answer<Self> {
        let config = &call.config;
        let sku = config.sku(sku).ok_or_else(crate::not_sold)?.clone();
        let opened = call.counter("groups");
        if config.max_groups > 0 && opened >= i64::from(config.max_groups) {
            return Err(limit_reached("group-buy.max-groups", "No more groups are opened."));
        }
        let deadline = call.now().saturating_add_unsigned(config.group_ttl_ms);
        let group = Self {
            id: format!("g{}", opened + 1),
            leader: leader.into(),
            state: State::Forming,
            size: config.full_size(),
            least: config.least_size(),
            price: sku.group_price,
            leader_price: sku.leader_price.unwrap_or(sku.group_price),
            sku: sku.sku,
            tiers: config.tiers.clone(),
            deadline: call.ends_at.map_or(deadline, |end| deadline.min(end.saturating_add_unsigned(config.grace_ms))),
            held: 0,
            paid: 0,
            seats: 0,
        };
        FORMING.put(call, group.deadline, &group.id);
        call.count("groups", 1, 0, i64::MAX).expect("nobody opens that many");
        call.save(&format!("open-group/{}", group.id), &group.id);
        call.emit("group-buy.opened", &group.id, &group);
        Ok(group)
    }

    pub(crate) fn load(call: &Call<Config>, id: &str) -> Option<Self> {
        call.find(&format!("group/{id}"))
    }

    pub(crate) fn find(call: &Call<Config>, id: &str) -> Answer<Self> {
        Self::load(call, id).ok_or_else(|| not_found("common.not-found", "There is no such group."))
    }

    /// Groups that are not over.
    pub(crate) fn open_ones(call: &Call<Config>, limit: u32) -> Vec<Self> {
        let ids = call.scan::<String>("open-group/", None, limit);
        ids.into_iter().filter_map(|(_, id)| Self::load(call, &id)).collect()
    }

    pub(crate) fn free(&self) -> u32 {
        self.size - self.held - self.paid
    }

    /// The deadline counts, whether or not its timer has run.
    pub(crate) fn must_be_forming(&self, now: i64) -> Answer<()> {
        if self.state != State::Forming {
            return Err(conflict("group-buy.group-not-forming", "The group is not forming any more."));
        }
        if now >= self.deadline {
            return Err(expired("group-buy.group-expired", "The group's time is over."));
        }
        Ok(())
    }

    /// Writes it, and its place among those that can be joined: the fewest free seats first, then the earliest deadline.
    pub(crate) fn save(&self, call: &mut Call<Config>) {
        if let Some(before) = Self::load(call, &self.id) {
            call.delete(&before.place());
        }
        if self.state == State::Forming && self.free() > 0 {
            call.save(&self.place(), &self.id);
        }
        call.save(&format!("group/{}", self.id), self);
    }

    fn place(&self) -> String {
        let number = self.id.trim_start_matches('g');
        format!("{}{:03}/{:015}/{number:0>9}", places_of(&self.sku), self.free(), self.deadline)
    }

    /// Its time has come: it is completed where enough have paid.
    pub(crate) fn expire(&mut self, call: &mut Call<Config>) {
        let state = match self.paid {
            paid if paid >= self.size => State::Full,
            paid if paid < self.least => State::Expired,
            _ if self.tiers.is_empty() => State::Merchant,
            _ => State::Tier,
        };
        self.end(call, state);
    }

    /// It is over, in whatever way; its seats follow.
    pub(crate) fn end(&mut self, call: &mut Call<Config>, state: State) {
        self.state = state;
        FORMING.remove(call, self.deadline, &self.id);
        let topic = if state.is_completed() { "group-buy.completed" } else { "group-buy.failed" };
        let refunds = if state.is_completed() { 0 } else { self.paid };
        call.emit(topic, &self.id, &Over { group: &self.id, paid: self.paid, refunds, how: state });
        self.save(call);
        self.end_seats(call);
    }

    /// Brings some of its seats to their end; the rest follows.
    pub(crate) fn end_seats(&mut self, call: &mut Call<Config>) {
        // A cancelled order or a refund, a hold that is lifted, and what is told.
        let most = call.batch_of(3, &["group-buy.completed", "group-buy.failed"]) as usize;
        let seats = Seat::live_of(call, &self.id, most);
        let is_rest = seats.len() == most;
        for mut seat in seats {
            seat.follow(call, self);
        }
        if is_rest {
            let now = call.now();
            ENDING.put(call, now, &self.id);
        } else {
            call.delete(&format!("open-group/{}", self.id));
        }
        self.save(call);
    }

    /// What a unit costs in the end, whatever was paid for it first.
    pub(crate) fn final_price(&self, seat: &Seat, handover: Handover) -> i64 {
        let is_heir = seat.member == self.leader && handover == Handover::RefundDifference;
        let has_discount = seat.unit_price == self.leader_price || is_heir;
        price_with(&self.tiers, (self.price, self.leader_price), has_discount, self.paid).min(seat.unit_price)
    }

    /// Somebody's seat is gone: where it was the leader's, somebody else leads, or the group fails.
    pub(crate) fn lost(&mut self, call: &mut Call<Config>, member: &str) {
        if self.state != State::Forming || self.leader != member {
            self.save(call);
            return;
        }
        let live = Seat::live_of(call, &self.id, seat::LIVE_MAX);
        let next = live.iter().min_by_key(|seat| (seat.paid_at.is_none(), seat.paid_at, seat.number));
        match (next, call.config.leader_leaves) {
            (None, _) => self.end(call, State::Empty),
            (Some(_), LeaderLeaves::FailGroup) => self.end(call, State::Cancelled),
            (Some(next), LeaderLeaves::PromoteNext) => {
                self.leader = next.member.clone();
                let told = LeaderChanged { group: &self.id, from: member, to: &self.leader };
                call.emit("group-buy.leader-changed", &self.id, &told);
                call.tell("group-buy.leader-changed", &next.member, &[("group", self.id.clone())]);
                self.save(call);
            }
        }
    }
}

/// What a unit costs with so many who have paid: the tier's price, and of a leader their own discount besides. `prices` are the
/// group's and the leader's.
pub(crate) fn price_with(tiers: &[Tier], prices: (i64, i64), has_discount: bool, paid: u32) -> i64 {
    let (group, leader) = prices;
    let reached = tiers.iter().rev().find(|tier| tier.size <= paid);
    let price = reached.map_or(group, |tier| tier.price);
    if has_discount { (price - (group - leader)).max(0) } else { price }
}

/// Completes or fails groups whose deadline has come, at most so many.
pub(crate) fn expire_due(call: &mut Call<Config>, most: u32, due: i64) {
    for id in FORMING.take(call, most, due) {
        if let Some(mut group) = Group::load(call, &id).filter(|group| group.state == State::Forming) {
            group.expire(call);
        }
    }
}

/// Brings seats of groups that are over to their end.
pub(crate) fn end_some(call: &mut Call<Config>, most: u32, due: i64) {
    for id in ENDING.take(call, most, due) {
        if let Some(mut group) = Group::load(call, &id) {
            group.end_seats(call);
        }
    }
}

/// Where the groups of a good that can be joined stand.
pub(crate) fn places_of(sku: &str) -> String {
    format!("place/{sku}/")
}
