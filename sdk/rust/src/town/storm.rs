//! A storm: random configs and random calls in random order, with payments that come early, late, twice or never, clocks that jump,
//! timers that run twice, and calls that break off at any host call. After every step the town must add up (`spec`: G1 to G16 as far
//! as a town can see them), and the activity's own `audit` find nothing.
//!
//! `PROPTEST_CASES` says how many sequences; what fails is shrunk, and told with the seed that makes it again.

use std::fmt;

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner},
};
use serde_json::Value;

use crate::{Activity, Answer, HoldState, HostEvent, OrderState, ReservationState};

use super::{BROKEN_OFF, Town};

/// Sequences in the normal run.
const CASES: u32 = 256;

const STEPS_MAX: usize = 60;
const MEMBERS: u8 = 7;

/// Minutes and hours around which deadlines lie, and whole days.
const LEAPS_MS: [i64; 8] = [1, 999, 60_000, 600_000, 1_800_000, 3_600_000, 86_400_000, 3 * 86_400_000];

/// Something that a storm does.
#[derive(Debug, Clone)]
pub enum Step {
    /// A member does something that the dice choose.
    Act {
        member: u8,
        dice: u64,
    },
    /// The same, and it breaks off after so many host calls, if it makes as many.
    Break {
        member: u8,
        dice: u64,
        after: u8,
    },
    /// An operator does something.
    Operate(u64),
    /// One of the orders is paid: on time, late, or again.
    Pay(u16),
    /// A third of what it costs is paid, or a third more.
    PayPart(u16),
    FailPayment(u16),
    /// The shop does what it was asked to.
    CatchUp,
    Pass(usize),
    /// The clock jumps, and the first call on the way breaks off.
    PassBroken(usize, u8),
    /// A timer that has run runs again.
    Again(u16),
    /// The platform tells something.
    News(u64),
}

/// Random numbers of one step.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// 0 to `sides` - 1.
    pub fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) % sides.max(1) as u64).expect("fewer than usize can count")
    }

    /// One of these.
    pub fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// One of these, or something that is not among them.
    pub fn id(&mut self, list: &[String]) -> String {
        if list.is_empty() || self.below(10) == 0 { "nothing".into() } else { self.of(list).clone() }
    }

    pub fn member(&mut self) -> String {
        name(u8::try_from(self.below(MEMBERS.into())).expect("few members"))
    }
}

/// What an activity shows to a storm.
pub trait Storm: Activity {
    /// Configs that fit, of every mode.
    fn configs() -> BoxedStrategy<Value>;

    /// A town for a config, not started: its offers, budget, stock and goods.
    fn town(config: &Value) -> Town<Self>;

    /// An action of a member, and its input.
    fn deed(town: &Town<Self>, member: &str, dice: &mut Dice) -> (&'static str, Value);

    /// An action of an operator.
    fn operation(_town: &Town<Self>, _dice: &mut Dice) -> Option<(&'static str, Value)> {
        None
    }

    /// Something that the platform tells.
    fn news(_town: &Town<Self>, _dice: &mut Dice) -> Option<HostEvent> {
        None
    }

    /// What else must hold after a step.
    fn holds(_town: &mut Town<Self>) {}

    /// What must hold once it is settled, and all money that was to come has come.
    fn settled(_town: &mut Town<Self>) {}
}

/// Plays random sequences.
///
/// # Panics
/// Where something does not hold: with the shortest sequence that shows it, and its seed.
pub fn storm<A: Storm>() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let seed = match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => rand_seed(),
    };
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let steps = prop::collection::vec(step(), 1..STEPS_MAX);
    let result = TestRunner::new(config).run(&(A::configs(), steps), |(config, steps)| {
        play::<A>(&config, &steps);
        Ok::<(), TestCaseError>(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, (config, steps))) => {
            panic!("{why}\nPROPTEST_RNG_SEED={seed}\nconfig: {config}\nsteps: {}", Listed(&steps))
        }
        Err(error) => panic!("{error}\nPROPTEST_RNG_SEED={seed}"),
    }
}

/// From the system's own randomness, by way of the hasher that has some.
fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one("storm")
}

struct Listed<'a>(&'a [Step]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "\n  {step:?}"))
    }
}

fn step() -> impl Strategy<Value = Step> {
    let leap = 0..LEAPS_MS.len();
    prop_oneof![
        30 => (0..MEMBERS, any::<u64>()).prop_map(|(member, dice)| Step::Act { member, dice }),
        6 => (0..MEMBERS, any::<u64>(), 0..40u8).prop_map(|(member, dice, after)| Step::Break { member, dice, after }),
        3 => any::<u64>().prop_map(Step::Operate),
        10 => any::<u16>().prop_map(Step::Pay),
        2 => any::<u16>().prop_map(Step::PayPart),
        2 => any::<u16>().prop_map(Step::FailPayment),
        4 => Just(Step::CatchUp),
        8 => leap.clone().prop_map(Step::Pass),
        2 => (leap, 0..20u8).prop_map(|(leap, after)| Step::PassBroken(leap, after)),
        2 => any::<u16>().prop_map(Step::Again),
        6 => any::<u64>().prop_map(Step::News),
    ]
}

fn name(member: u8) -> String {
    format!("m{member}")
}

/// Plays one sequence, and then to the end.
pub fn play<A: Storm>(config: &Value, steps: &[Step]) {
    let mut town = A::town(config);
    for member in 0..MEMBERS {
        town.world.join(&name(member));
    }
    // Two of them are one and the same, and one has ordered before.
    for twin in ["m5", "m6"] {
        town.world.members.get_mut(twin).expect("a member").1.push("twins".into());
    }
    town.world.members.get_mut("m4").expect("a member").0.first_order_at = Some(0);
    let mut town = town.started();
    for step in steps {
        take(&mut town, step);
        town.assert_sound();
        A::holds(&mut town);
    }
    town.stop();
    town.shop_catches_up();
    // What is paid when all is over.
    for order in town.world.orders.keys().cloned().collect::<Vec<_>>() {
        if town.world.orders[&order].state == OrderState::Open {
            let _ = town.pay(&order);
        }
    }
    town.pass(30 * 86_400_000);
    town.shop_catches_up();
    town.assert_sound();
    let held = town.world.holds.values().any(|(hold, _)| hold.state == HoldState::Held);
    assert!(!held, "G3: something is still held when all is settled");
    let reserved = town.world.reservations.values().any(|made| made.state == ReservationState::Active);
    assert!(!reserved, "G11: something is still reserved when all is settled");
    A::settled(&mut town);
}

fn take<A: Storm>(town: &mut Town<A>, step: &Step) {
    match *step {
        Step::Act { member, dice } => drop(act(town, member, dice)),
        Step::Break { member, dice, after } => {
            let before = town.world.entries.clone();
            town.break_after(after.into());
            match act(town, member, dice) {
                Err(problem) if problem.code == BROKEN_OFF => {
                    assert_eq!(before, town.world.entries, "G8: a call that broke off left something");
                }
                _ => town.world.breaks_after = None,
            }
        }
        Step::Operate(dice) => {
            if let Some((action, input)) = A::operation(town, &mut Dice(dice)) {
                let _ = town.operate(action, input);
            }
        }
        Step::Pay(which) => {
            if let Some(order) = nth(town.world.orders.keys(), which) {
                let _ = town.pay(&order);
            }
        }
        Step::PayPart(which) => {
            if let Some(order) = nth(town.world.orders.keys(), which) {
                let part = town.world.orders[&order].total / 3;
                if part > 0 {
                    let _ = town.pay_part(&order, part);
                }
            }
        }
        Step::FailPayment(which) => {
            if let Some(order) = nth(town.world.orders.keys(), which) {
                let _ = town.fail_payment(&order);
            }
        }
        Step::CatchUp => town.shop_catches_up(),
        Step::Pass(leap) => town.pass(LEAPS_MS[leap]),
        Step::PassBroken(leap, after) => {
            town.break_after(after.into());
            town.pass(LEAPS_MS[leap]);
            town.world.breaks_after = None;
        }
        Step::Again(which) => {
            if !town.rung.is_empty() {
                let (key, due, payload) = town.rung[usize::from(which) % town.rung.len()].clone();
                town.run_timer(&key, due, &payload);
            }
        }
        Step::News(dice) => {
            if let Some(event) = A::news(town, &mut Dice(dice)) {
                let _ = town.hear(&event);
                let _ = town.hear(&event);
            }
        }
    }
}

fn act<A: Storm>(town: &mut Town<A>, member: u8, dice: u64) -> Answer<Value> {
    let member = name(member);
    let (action, input) = A::deed(town, &member, &mut Dice(dice));
    let before = town.world.entries.clone();
    let answer = town.act(&member, action, input);
    if answer.is_err() {
        assert_eq!(before, town.world.entries, "G8: a call that was refused left something");
    }
    answer
}

fn nth<'a>(keys: impl ExactSizeIterator<Item = &'a String>, which: u16) -> Option<String> {
    let mut keys = keys;
    let place = usize::from(which).checked_rem(keys.len())?;
    keys.nth(place).cloned()
}

impl<A: Activity> Town<A> {
    /// What must hold in any town: budgets, stock and refunds add up, and the activity's own audit finds nothing.
    ///
    /// # Panics
    /// Where it does not.
    pub fn assert_sound(&mut self) {
        let world = &self.world;
        let sum = |state: HoldState| -> i64 {
            world.holds.values().filter(|(hold, _)| hold.state == state).map(|(hold, _)| hold.cost).sum()
        };
        if let Some(budget) = &world.budget {
            let (held, captured) = (budget.held, budget.captured);
            assert!(held >= 0 && captured >= 0 && held + captured <= budget.limit, "G1: {budget:?}");
            assert!(budget.max_grants.is_none_or(|most| budget.grants <= most), "G1: {budget:?}");
            assert_eq!(held, sum(HoldState::Held), "G9: what is held");
        }
        for (name, pool) in &world.pools {
            assert!(pool.reserved + pool.sold <= pool.total, "G2: {name}: {pool:?}");
        }
        for (key, order) in &world.orders {
            assert!((0..=order.paid).contains(&order.refunded), "G4: {key}: {order:?}");
        }
        let broken = self.audit();
        assert!(broken.is_empty(), "G16: the audit finds {broken:?}");
    }

    /// Keys of what the activity stored under a prefix, without it.
    pub fn stored(&self, prefix: &str) -> Vec<String> {
        let keys = self.world.entries.keys();
        keys.filter_map(|key| key.strip_prefix(prefix).map(Into::into)).collect()
    }
}
