//! A double of the host, for tests of an activity's rules: natively, in milliseconds, with the host's own semantics. A refused
//! call leaves nothing behind, budgets and limits count, and time is turned by hand.

mod people;
mod quota;
mod rewards;
mod selling;
pub mod storm;
mod trade;
pub(crate) mod world;

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Activity, Answer, Audience, Block, Blueprint, Call, HoldState, HostEvent, Issue, MemberStatus, Offers, Report,
    ReservationState, StopReason,
    activity::{ring, settle},
    blueprint::{Function, run},
    call::stored,
    conflict, expired, not_allowed,
};

pub use rewards::BudgetState;
use rewards::Offer;
pub use trade::{Refund, StockPool};
pub use world::World;
use world::{BrokenOff, playing};

/// What a call is refused with that was told to break off.
const BROKEN_OFF: &str = "common.plugin-fault";

/// More than any test needs.
const SETTLE_BATCHES_MAX: u32 = 10_000;

/// A Monday at noon, UTC.
pub const BEGINNING: i64 = 1_767_614_400_000;

/// One activity in a small community.
pub struct Town<A: Activity> {
    config: Value,
    world: World,
    started_at: i64,
    ends_at: Option<i64>,
    has_stopped: bool,
    /// Timers that have run.
    rung: Vec<(String, i64, String)>,
    /// What actions of members answered.
    answers: Vec<(String, Value)>,
    activity: std::marker::PhantomData<A>,
}

impl<A: Activity> Town<A> {
    /// A town whose activity has this config. Set its offers and budget, then start it.
    pub fn new(config: Value) -> Self {
        let Blueprint { actions, queries, .. } = A::blueprint();
        for Function { name, title, .. } in actions.iter().chain(&queries) {
            assert!(!title.is_empty(), "{name} has no title");
        }
        let mut world = World::default();
        world.now = BEGINNING;
        Self {
            config,
            world,
            started_at: 0,
            ends_at: None,
            has_stopped: false,
            rung: Vec::new(),
            answers: Vec::new(),
            activity: std::marker::PhantomData,
        }
    }

    /// What the activity says of the config, as the host asks it.
    pub fn check(&self) -> Result<Report, Vec<Issue>> {
        let offers: Offers = self.world.offers.iter().map(|(name, offer)| (name.clone(), offer.cost)).collect();
        A::check(&serde_json::from_value(self.config.clone()).expect("a config that fits the schema"), &offers)
    }

    /// An offer that costs so many minor units.
    #[must_use]
    pub fn offer(self, name: &str, cost: i64) -> Self {
        self.with_offer(name, Offer { cost, ..Offer::default() })
    }

    /// An offer of so many points, which cost nothing.
    #[must_use]
    pub fn points_offer(self, name: &str, account: &str, points: u64) -> Self {
        self.with_offer(name, Offer { points: Some((account.into(), points)), ..Offer::default() })
    }

    /// An offer of a unit of a stock pool.
    #[must_use]
    pub fn goods_offer(self, name: &str, pool: &str, cost: i64) -> Self {
        self.with_offer(name, Offer { cost, pool: Some(pool.into()), ..Offer::default() })
    }

    /// An offer of cash whose amount the activity draws.
    #[must_use]
    pub fn packet_offer(self, name: &str, most: i64) -> Self {
        self.with_offer(name, Offer { cost: most, is_packet: true, ..Offer::default() })
    }

    /// An offer of cash for having brought somebody.
    #[must_use]
    pub fn commission_offer(self, name: &str, cost: i64) -> Self {
        self.with_offer(name, Offer { cost, is_commission: true, ..Offer::default() })
    }

    fn with_offer(mut self, name: &str, offer: Offer) -> Self {
        self.world.offers.insert(name.into(), offer);
        self
    }

    /// A stock pool of so many units.
    #[must_use]
    pub fn stock(mut self, pool: &str, total: u64) -> Self {
        self.world.pools.insert(pool.into(), StockPool { total, ..StockPool::default() });
        self
    }

    /// A good of the shop, at the shop's own price.
    #[must_use]
    pub fn sku(mut self, sku: &str, price: i64) -> Self {
        self.world.skus.insert(sku.into(), (price, u64::from(u32::MAX)));
        self
    }

    /// A budget of so many minor units.
    #[must_use]
    pub fn budget(mut self, limit: i64) -> Self {
        self.world.budget = Some(BudgetState { limit, ..BudgetState::default() });
        self
    }

    /// At most so many grants in all.
    #[must_use]
    pub fn grants(mut self, most: u64) -> Self {
        let budget = self.world.budget.get_or_insert_with(BudgetState::default);
        budget.max_grants = Some(most);
        self
    }

    /// At most so many grants to one member.
    #[must_use]
    pub fn grants_per_member(mut self, most: u64) -> Self {
        let budget = self.world.budget.get_or_insert_with(BudgetState::default);
        budget.per_member = Some(most);
        self
    }

    /// When the town's activity ends.
    #[must_use]
    pub fn ending_at(mut self, ends_at: i64) -> Self {
        self.ends_at = Some(ends_at);
        self
    }

    /// Checks the config and starts the activity.
    #[must_use]
    pub fn started(mut self) -> Self {
        self.check().expect("a config without issues");
        self.started_at = self.world.now;
        self.play(|call| A::start(call)).expect("it starts");
        self
    }

    /// A member acts; who is not known yet joins as an ordinary member. What has ended takes no actions.
    pub fn act(&mut self, member: &str, action: &str, input: impl Serialize) -> Answer<Value> {
        self.world.join(member);
        if self.world.members[member].0.status != MemberStatus::Active {
            return Err(not_allowed("common.member-not-active", "This member may not act now."));
        }
        self.must_be_open()?;
        let text = serde_json::to_string(&input).expect("an input is JSON");
        let actions = A::blueprint().actions;
        assert!(!find(&actions, action).operator_only, "{action} is for operators");
        let answer = json(self.play(|call| {
            call.actor = member.into();
            run(actions, action, call, &text)
        })?);
        self.answers.push((action.into(), answer.clone()));
        Ok(answer)
    }

    fn must_be_open(&self) -> Answer<()> {
        if self.has_stopped || self.ends_at.is_some_and(|end| self.world.now >= end) {
            return Err(expired("common.ended", "The activity has ended."));
        }
        Ok(())
    }

    /// What an action answered, whoever asked for it, in order.
    pub fn answers(&self, action: &str) -> impl Iterator<Item = &Value> {
        self.answers.iter().filter(move |(name, _)| name == action).map(|(_, answer)| answer)
    }

    /// An operator acts, also only while it runs.
    pub fn operate(&mut self, action: &str, input: impl Serialize) -> Answer<Value> {
        self.must_be_open()?;
        let text = serde_json::to_string(&input).expect("an input is JSON");
        let actions = A::blueprint().actions;
        assert!(find(&actions, action).operator_only, "{action} is for members");
        self.play(|call| {
            call.actor = "operator".into();
            call.by_operator = true;
            run(actions, action, call, &text)
        })
        .map(json)
    }

    /// A member asks; nothing changes.
    pub fn ask<T: DeserializeOwned>(&mut self, member: &str, query: &str, input: impl Serialize) -> Answer<T> {
        let text = serde_json::to_string(&input).expect("an input is JSON");
        let answer = self.look(|call| {
            call.actor = member.into();
            run(A::blueprint().queries, query, call, &text)
        });
        answer.map(|text| serde_json::from_str(&text).expect("the query answers what is expected"))
    }

    /// Its page, as a member sees it, or somebody who is none; nothing changes.
    pub fn page(&mut self, viewer: Option<&str>) -> Answer<Vec<Block>> {
        self.look(|call| A::page(call, viewer))
    }

    /// One call that may not write.
    fn look<T>(&mut self, run: impl FnOnce(&mut Call<A::Config>) -> Answer<T>) -> Answer<T> {
        let before = self.world.clone();
        self.world.read_only = true;
        let answer = self.play(run);
        self.world = before;
        answer
    }

    /// The platform tells the activity something.
    pub fn hear(&mut self, event: &HostEvent) -> Answer<()> {
        assert!(A::blueprint().hears(&event.topic), "it does not listen to {}", event.topic);
        self.play_again(|call| A::on_event(call, event))
    }

    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The organiser widens the config of a running activity.
    pub fn change_config(&mut self, config: &Value) {
        self.config = config.clone();
    }

    /// Turns the clock, and runs what becomes due on the way, the oldest first.
    pub fn pass(&mut self, milliseconds: i64) {
        let until = self.world.now + milliseconds;
        while let Some((key, due, payload)) = self.world.next_timer(until) {
            self.world.now = self.world.now.max(due);
            self.run_timer(&key, due, &payload);
        }
        self.world.now = until;
    }

    /// Runs a timer as the host would, also one that has run before.
    pub fn run_timer(&mut self, key: &str, due: i64, payload: &str) {
        if let Some(hold) = key.strip_prefix(rewards::HOLD_TIMER) {
            self.world.expire_hold(hold);
        } else if let Some(made) = key.strip_prefix(trade::RESERVATION_TIMER) {
            let _ = self.world.end_reservation(made, ReservationState::Expired);
        } else if let Some(order) = key.strip_prefix(trade::ORDER_TIMER) {
            self.world.expire_order(order);
        } else {
            self.rung.push((key.into(), due, payload.into()));
            let _ = self.play_again(|call| ring::<A>(call, key, due, payload));
        }
    }

    /// The next call breaks off after so many host calls, as by a trap; nothing is kept of it. Timers and events are tried again.
    pub fn break_after(&mut self, host_calls: usize) {
        self.world.breaks_after = Some(host_calls);
    }

    /// An operator stops the activity; it is settled.
    pub fn stop(&mut self) {
        self.over(StopReason::Stopped);
    }

    /// The organiser has it end later.
    pub fn extend(&mut self, ends_at: i64) {
        let before = self.ends_at.replace(ends_at);
        assert!(
            before.is_some_and(|before| self.world.now < before && before < ends_at),
            "an end that has not come moves on"
        );
    }

    /// Its time is over, and nothing is waited for any more: turns the clock to its end, where that is still to come, and settles it.
    pub fn end(&mut self) {
        let end = self.ends_at.expect("it has an end");
        self.pass((end - self.world.now).max(0));
        self.over(StopReason::Ended);
    }

    fn over(&mut self, reason: StopReason) {
        self.has_stopped = true;
        self.play_again(|call| A::stop(call, reason)).expect("it stops");
        for batch in 0..SETTLE_BATCHES_MAX {
            if self.play_again(|call| settle::<A>(call, batch)).expect("it settles") {
                self.world.end_promises();
                return;
            }
        }
        panic!("it settles for ever");
    }

    /// Broken invariants, as the activity itself finds them.
    pub fn audit(&mut self) -> Vec<String> {
        self.play(|call| A::audit(call)).expect("an audit")
    }

    /// Has the activity find what an older version of it stored under a key, in the shape of that version.
    pub fn has_stored(&mut self, key: &str, value: &impl Serialize) {
        self.world.entries.insert(key.into(), postcard::to_allocvec(value).expect("it can be stored"));
    }

    /// Moves the state to this version's shape.
    pub fn migrate(&mut self, from: u32) -> Answer<()> {
        self.play(|call| A::migrate(call, from))
    }

    pub fn now(&self) -> i64 {
        self.world.now
    }

    /// The offers that a member was given, in the order of their keys.
    pub fn rewards_of(&self, member: &str) -> Vec<String> {
        self.world.given(member, HoldState::Captured)
    }

    /// The offers that are set aside for a member.
    pub fn held_for(&self, member: &str) -> Vec<String> {
        self.world.given(member, HoldState::Held)
    }

    /// Topics and subjects of what was emitted, in order.
    pub fn events(&self) -> Vec<(String, String)> {
        self.world.events.iter().map(|(topic, subject, _)| (topic.clone(), subject.clone())).collect()
    }

    /// What was emitted under a topic, in order.
    pub fn payloads(&self, topic: &str) -> Vec<Value> {
        let told = self.world.events.iter().filter(|(emitted, _, _)| emitted == topic);
        told.map(|(_, _, payload)| serde_json::from_str(payload).expect("a payload is JSON")).collect()
    }

    /// Members whom a notice was queued for.
    pub fn notified(&self) -> BTreeSet<String> {
        let audiences = self.world.notices.iter().map(|(_, notice)| &notice.audience);
        audiences
            .filter_map(|audience| if let Audience::Member(member) = audience { Some(member.clone()) } else { None })
            .collect()
    }

    /// What the activity has stored under keys that start so, in the order of the keys.
    pub fn entries<T: DeserializeOwned>(&self, prefix: &str) -> Vec<T> {
        let rows = self.world.entries.iter().filter(|(key, _)| key.starts_with(prefix));
        rows.map(|(_, bytes)| stored(bytes)).collect()
    }

    /// Everything else there is to see or to set up: members, points, the budget.
    pub fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// A call that the host makes by itself: where it breaks off, it is made again.
    fn play_again<T>(&mut self, run: impl Fn(&mut Call<A::Config>) -> Answer<T>) -> Answer<T> {
        match self.play(&run) {
            Err(problem) if problem.code == BROKEN_OFF => self.play(&run),
            answer => answer,
        }
    }

    /// One call: what it did is kept when it answers, and gone when it refuses or panics.
    fn play<T>(&mut self, run: impl FnOnce(&mut Call<A::Config>) -> Answer<T>) -> Answer<T> {
        let mut call = Call {
            activity: "activity".into(),
            config: serde_json::from_value(self.config.clone()).expect("a config that fits the schema"),
            actor: String::new(),
            by_operator: false,
            currency: "CNY".into(),
            started_at: self.started_at,
            ends_at: self.ends_at,
        };
        let mut before = self.world.clone();
        before.breaks_after = None;
        let mut world = std::mem::take(&mut self.world);
        let Blueprint { emits, tells, .. } = A::blueprint();
        world.begin(emits, tells);
        let (world, answer) = playing(world, || catch_unwind(AssertUnwindSafe(|| run(&mut call))));
        match answer {
            Ok(Ok(answer)) => {
                self.world = world;
                self.world.breaks_after = None;
                Ok(answer)
            }
            Ok(Err(problem)) => {
                self.world = before;
                let codes = A::blueprint().codes;
                let known = codes.contains(&problem.code) || problem.code.starts_with("common.");
                assert!(known, "{} is not among the blueprint's codes", problem.code);
                Err(problem)
            }
            Err(panic) => {
                self.world = before;
                if panic.is::<BrokenOff>() {
                    return Err(conflict(BROKEN_OFF, "It broke off."));
                }
                std::panic::resume_unwind(panic)
            }
        }
    }
}

fn find<'a, C>(functions: &'a [Function<C>], name: &str) -> &'a Function<C> {
    functions.iter().find(|function| function.name == name).unwrap_or_else(|| panic!("there is no {name}"))
}

fn json(text: String) -> Value {
    assert!(text.len() <= quota::OUTPUT_BYTES_MAX, "an output is at most 256 KiB");
    serde_json::from_str(&text).expect("an output is JSON")
}
