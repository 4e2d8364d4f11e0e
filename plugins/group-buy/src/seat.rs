//! Seats: taken with an order, paid, and then confirmed, given up or paid back.

use fairground_sdk::{Kind, Line, NotTraded, Queue, conflict, not_found, prelude::*};

use crate::{config::Config, group::Group};

/// Live seats of a group: as many as its size at most.
pub(crate) const LIVE_MAX: usize = 200;

/// Seats by when they are to be paid.
pub(crate) const UNPAID: Queue<'_> = Queue("seats");

/// A unit is kept a day longer than it can be needed.
const SPARE_MS: u64 = 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Taken, and to be paid.
    Held,
    Paid,
    /// The group is completed.
    Confirmed,
    /// Given up unpaid.
    Lapsed,
    /// All that was paid is on its way back, or back.
    Refunded,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seat {
    pub group: String,
    pub number: u32,
    pub member: String,
    pub quantity: u32,
    /// What one unit cost when the order was opened.
    pub unit_price: i64,
    pub state: State,
    pub pay_by: i64,
    pub paid_at: Option<i64>,
    /// The order's key: a seat that was taken for a late payment goes by the order of the first one.
    pub order: String,
    /// How often a unit was set aside for it.
    pub units: u32,
    /// What it costs in the end, in minor units; none before the group is completed.
    pub kept: Option<i64>,
}

impl Seat {
    /// `g1.2`.
    pub(crate) fn id(&self) -> String {
        format!("{}.{}", self.group, self.number)
    }

    /// Takes a seat in a group, with its units and an order to pay.
    pub(crate) fn take(call: &mut Call<Config>, group: &mut Group, member: &str, quantity: u32) -> Answer<Self> {
        let unit_price = if group.seats == 0 { group.leader_price } else { group.price };
        let pay_by = call.now().saturating_add_unsigned(call.config.pay_window_ms).min(group.deadline);
        group.seats += 1;
        let mut seat = Self {
            group: group.id.clone(),
            number: group.seats,
            member: member.into(),
            quantity,
            unit_price,
            state: State::Held,
            pay_by,
            paid_at: None,
            order: format!("seat:{}.{}", group.id, group.seats),
            units: 0,
            kept: None,
        };
        seat.reserve(call)?;
        let line = Line { sku: group.sku.clone(), quantity, unit_price };
        let window = (pay_by - call.now()).unsigned_abs();
        let not_sold = |_| not_found("common.not-found", "The shop does not have this good.");
        call.open_order(&seat.order, member, &[line], window).map_err(not_sold)?;
        call.hold_fulfilment(&seat.order, true).expect("an order that was opened above can be held");
        UNPAID.put(call, pay_by, &seat.id());
        seat.sit(call, group);
        group.held += 1;
        group.save(call);
        if unit_price == 0 {
            seat.pay(call, group);
        }
        Ok(seat)
    }

    /// A seat in another group for an order that was paid late. False where its units cannot be set aside again.
    pub(crate) fn move_to(&mut self, call: &mut Call<Config>, group: &mut Group) -> bool {
        let before = self.clone();
        group.seats += 1;
        *self = Self { group: group.id.clone(), number: group.seats, state: State::Held, units: 0, ..before.clone() };
        if self.reserve(call).is_err() {
            group.seats -= 1;
            *self = before;
            return false;
        }
        call.save(&format!("moved/{}", self.order), &self.id());
        self.sit(call, group);
        group.held += 1;
        group.save(call);
        true
    }

    /// Sits down again in the seat that had lapsed. False where its units cannot be set aside again.
    pub(crate) fn return_to(&mut self, call: &mut Call<Config>, group: &mut Group) -> bool {
        if self.reserve(call).is_err() {
            return false;
        }
        self.state = State::Held;
        self.sit(call, group);
        group.held += 1;
        group.save(call);
        true
    }

    fn sit(&self, call: &mut Call<Config>, group: &Group) {
        call.save(&self.live_key(), &self.number);
        call.save(&in_key(&group.id, &self.member), &self.number);
        call.save(&of_key(&self.member, &group.id), &self.id());
        call.count(&sitting_key(&self.member), 1, 0, i64::MAX).expect("few seats");
        call.count("units", self.quantity.into(), 0, i64::MAX).expect("fewer than any pool has");
        if self.paid_at.is_none() {
            call.count(&unpaid_key(&self.member), 1, 0, i64::MAX).expect("few seats");
        }
        self.save(call);
    }

    /// It is not sat in any more. What was sold stays counted.
    fn rise(&self, call: &mut Call<Config>, is_sold: bool) {
        call.delete(&self.live_key());
        call.delete(&in_key(&self.group, &self.member));
        call.count(&sitting_key(&self.member), -1, 0, i64::MAX).expect("it was counted when it was taken");
        if !is_sold {
            call.count("units", -i64::from(self.quantity), 0, i64::MAX).expect("they were counted when it was taken");
        }
        self.save(call);
    }

    fn reserve(&mut self, call: &mut Call<Config>) -> Answer<()> {
        self.units += 1;
        let ttl = call.config.group_ttl_ms + SPARE_MS;
        let pool = call.config.stock_pool.clone();
        match call.reserve(&self.unit_key(), &pool, self.quantity.into(), ttl) {
            Ok(_) => Ok(()),
            Err(NotTraded::SoldOut(left)) => {
                let sold_out =
                    Problem::new(Kind::InsufficientStock, "common.stock-exhausted", "There is not enough left.");
                Err(sold_out.retryable().with("left", left))
            }
            Err(_) => Err(not_found("common.not-found", "There is no such stock pool.")),
        }
    }

    pub(crate) fn load(call: &Call<Config>, id: &str) -> Option<Self> {
        let (group, number) = id.rsplit_once('.')?;
        call.find(&format!("seat/{group}/{:06}", number.parse::<u32>().ok()?))
    }

    pub(crate) fn find(call: &Call<Config>, id: &str) -> Answer<Self> {
        Self::load(call, id).ok_or_else(|| not_found("common.not-found", "There is no such seat."))
    }

    /// The seat that an order belongs to now.
    pub(crate) fn of_order(call: &Call<Config>, order: &str) -> Option<Self> {
        let moved = call.load::<String>(&format!("moved/{order}"));
        Self::load(call, moved.as_deref().or_else(|| order.strip_prefix("seat:"))?)
    }

    pub(crate) fn live_of(call: &Call<Config>, group: &str, limit: usize) -> Vec<Self> {
        let limit = u32::try_from(limit).expect("a small number");
        let numbers = call.scan::<u32>(&format!("live/{group}/"), None, limit);
        numbers.into_iter().filter_map(|(_, number)| Self::load(call, &format!("{group}.{number}"))).collect()
    }

    pub(crate) fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("seat/{}/{:06}", self.group, self.number), self);
    }

    fn unit_key(&self) -> String {
        format!("unit:{}:{}", self.id(), self.units)
    }

    fn live_key(&self) -> String {
        format!("live/{}/{:06}", self.group, self.number)
    }

    /// It is paid: the group may be full by it.
    pub(crate) fn pay(&mut self, call: &mut Call<Config>, group: &mut Group) {
        let was_unpaid = self.paid_at.is_none();
        self.state = State::Paid;
        self.paid_at = Some(call.now());
        UNPAID.remove(call, self.pay_by, &self.id());
        if was_unpaid {
            call.count(&unpaid_key(&self.member), -1, 0, i64::MAX).expect("it was counted when it was taken");
        }
        self.save(call);
        group.held -= 1;
        group.paid += 1;
        let told = Joined { group: &group.id, seat: self.number, paid: group.paid, size: group.size };
        call.emit("group-buy.joined", &group.id, &told);
        if group.tiers.iter().any(|tier| tier.size == group.paid) {
            call.emit("group-buy.tier-reached", &group.id, &told);
        }
        if group.paid == group.size {
            group.end(call, crate::group::State::Full);
        } else {
            group.save(call);
        }
    }

    /// It is given up unpaid.
    pub(crate) fn lapse(&mut self, call: &mut Call<Config>, group: &mut Group) {
        self.give_up_order(call);
        self.tell_lapsed(call);
        self.lapse_with_order(call, group);
    }

    pub(crate) fn tell_lapsed(&self, call: &mut Call<Config>) {
        call.tell("group-buy.seat-lapsed", &self.member, &[("group", self.group.clone())]);
    }

    /// It is given up, though its order was paid meanwhile: the money waits for what becomes of it.
    pub(crate) fn lapse_with_order(&mut self, call: &mut Call<Config>, group: &mut Group) {
        self.get_up(call, State::Lapsed);
        let told = Lapsed { group: &group.id, seat: self.number, member: &self.member };
        call.emit("group-buy.seat-lapsed", &group.id, &told);
        group.held -= 1;
        group.lost(call, &self.member);
    }

    /// It is given up, and all that was paid goes back.
    pub(crate) fn withdraw(&mut self, call: &mut Call<Config>, group: &mut Group) {
        self.give_up(call, State::Refunded);
        group.paid -= 1;
        group.lost(call, &self.member);
    }

    fn give_up(&mut self, call: &mut Call<Config>, state: State) {
        self.give_up_order(call);
        self.get_up(call, state);
    }

    fn give_up_order(&self, call: &mut Call<Config>) {
        let _ = call.cancel_order(&self.order, "the seat is given up");
        call.refund_beyond(&self.order, 0, "the seat is given up");
    }

    fn get_up(&mut self, call: &mut Call<Config>, state: State) {
        if self.state == State::Held && self.paid_at.is_none() {
            call.count(&unpaid_key(&self.member), -1, 0, i64::MAX).expect("it was counted when it was taken");
        }
        self.state = state;
        UNPAID.remove(call, self.pay_by, &self.id());
        let _ = call.release_reservation(&self.unit_key());
        self.rise(call, false);
    }

    /// Ends with its group: confirmed, or paid back.
    pub(crate) fn follow(&mut self, call: &mut Call<Config>, group: &mut Group) {
        match (self.state, group.state.is_completed()) {
            (State::Paid, true) if !self.is_paid_back(call) && self.commit(call) => self.confirm(call, group),
            // As the group ended they were counted, and stay so. In a completed one there are no units for it any more.
            (State::Paid, _) => {
                self.give_up(call, State::Refunded);
                call.tell("group-buy.failed", &self.member, &[("group", group.id.clone())]);
            }
            (State::Held, _) => {
                self.give_up(call, State::Lapsed);
                group.held -= 1;
            }
            _ => {}
        }
    }

    /// The shop has paid all of it back by itself.
    fn is_paid_back(&self, call: &Call<Config>) -> bool {
        call.order(&self.order).is_some_and(|order| order.paid > 0 && order.refunded >= order.paid)
    }

    /// Its units are sold. Where they were given back because nobody came to it for days, others will do, while there are some.
    fn commit(&mut self, call: &mut Call<Config>) -> bool {
        if call.commit_reservation(&self.unit_key()).is_ok() {
            return true;
        }
        self.reserve(call).is_ok() && call.commit_reservation(&self.unit_key()).is_ok()
    }

    fn confirm(&mut self, call: &mut Call<Config>, group: &Group) {
        self.state = State::Confirmed;
        let handover = call.config.leader_price_on_handover;
        let kept = group.final_price(self, handover) * i64::from(self.quantity);
        self.kept = Some(kept);
        call.refund_beyond(&self.order, kept, "the group's price is lower");
        let _ = call.hold_fulfilment(&self.order, false);
        self.rise(call, true);
        let member = self.member.clone();
        call.tell("group-buy.completed", &member, &[("group", group.id.clone())]);
    }
}

/// What `group-buy.joined` and `group-buy.tier-reached` tell.
#[derive(Serialize)]
struct Joined<'a> {
    group: &'a str,
    seat: u32,
    paid: u32,
    size: u32,
}

/// What `group-buy.seat-lapsed` tells.
#[derive(Serialize)]
struct Lapsed<'a> {
    group: &'a str,
    seat: u32,
    member: &'a str,
}

/// Gives up what nobody paid in time, at most so many.
pub(crate) fn lapse_due(call: &mut Call<Config>, most: u32, due: i64) {
    for id in UNPAID.take(call, most, due) {
        if let Some(mut seat) = Seat::load(call, &id).filter(|seat| seat.state == State::Held)
            && let Some(mut group) = Group::load(call, &seat.group)
        {
            seat.lapse(call, &mut group);
        }
    }
}

/// Whether a member sits in a group.
pub(crate) fn sits_in(call: &Call<Config>, group: &str, member: &str) -> bool {
    call.load::<u32>(&in_key(group, member)).is_some()
}

/// Why a member cannot take another seat now.
pub(crate) fn must_be_free(call: &Call<Config>, member: &str) -> Answer<()> {
    if call.counter(&unpaid_key(member)) > 0 {
        return Err(conflict("group-buy.unpaid-order-exists", "Pay or leave the seat that you have first."));
    }
    if call.counter(&sitting_key(member)) >= i64::from(call.config.concurrent_per_member) {
        return Err(conflict("group-buy.concurrent-limit", "You sit in enough groups that are forming."));
    }
    Ok(())
}

fn in_key(group: &str, member: &str) -> String {
    format!("in/{group}/{member}")
}

/// The last seat of a member in a group.
fn of_key(member: &str, group: &str) -> String {
    format!("{}{group}", of_member(member))
}

pub(crate) fn of_member(member: &str) -> String {
    format!("of/{member}/")
}

fn sitting_key(member: &str) -> String {
    format!("sitting/{member}")
}

fn unpaid_key(member: &str) -> String {
    format!("unpaid/{member}")
}
