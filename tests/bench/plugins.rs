//! `plugins`: each plugin's commonest action, with a hundred members in its state and with ten thousand.

use std::time::Instant;

use anyhow::Context;
use fairground::bench::Step;
use fairground_tests::component;
use serde_json::{Value, json};

use crate::{Measured, median, stage::Stage};

const FEW: u32 = 100;
const MANY: u32 = 10_000;

/// Members come in companies: the first begins something, and the others join.
const COMPANY: u32 = 20;

/// How often the action is timed, in each of so many rounds. Other work on the machine takes time and never gives any: the quietest counts.
const CALLS: usize = 500;
const ROUNDS: usize = 15;

const SIZE_MAX_KIB: f64 = 400.0;
const P50_MAX_US: f64 = 60.0;

const DAY: i64 = 86_400_000;

/// A plugin, and what the n-th member does with it. Steps are told what the company's first member was answered.
struct Scenario {
    plugin: &'static str,
    config: Value,
    offers: Value,
    grows: fn(u32, &Value) -> Step,
    commonest: fn(u32, &Value) -> Step,
    /// How much later the commonest action comes, in milliseconds.
    later: i64,
    /// Whether members who are measured have acted before. Otherwise they do what is done once.
    again: bool,
}

fn action(name: &str, member: u32, input: &Value) -> Step {
    Step::Action { name: name.into(), actor: format!("m{member}"), input: input.to_string() }
}

/// The first of a company starts a session, and the others help.
fn help(member: u32, started: &Value) -> Step {
    if member.is_multiple_of(COMPANY) {
        return action("start", member, &json!({}));
    }
    action("help", member, &json!({"session": started["session"]}))
}

fn scenario(plugin: &'static str, config: Value, offers: Value, does: fn(u32, &Value) -> Step) -> Scenario {
    Scenario { plugin, config, offers, grows: does, commonest: does, later: 0, again: false }
}

fn one() -> Value {
    json!({"one": {"title": "A point", "kind": "points", "account": "points", "points": 1, "unit_cost_micro": 1}})
}

/// Members help one another.
fn helping() -> Vec<Scenario> {
    vec![
        scenario(
            "bargain",
            json!({
                "sku": "mug", "original_price": 10_000, "floor_price": 1_000, "mode": {"fixed": {"cuts": 25}}, "cut_min": 100, "cut_max": 900,
                "session_ttl_ms": DAY, "helper_offer": "one",
            }),
            one(),
            help,
        ),
        scenario(
            "boost",
            json!({"mode": {"count": {"goal": 50}}, "ttl_ms": DAY, "helper_offer": "one", "owner_offer": "one"}),
            one(),
            help,
        ),
        scenario(
            "coupon",
            json!({"inviter_offer": "one", "invitee_offer": "one", "max_rewarded_per_inviter": 20}),
            one(),
            |member, given| {
                if member.is_multiple_of(COMPANY) {
                    return action("get-code", member, &json!({}));
                }
                action("bind", member, &json!({"code": given["code"]}))
            },
        ),
    ]
}

/// Members buy and swap.
fn selling() -> Vec<Scenario> {
    vec![
        scenario(
            "flash-sale",
            json!({
                "items": [{"sku": "mug", "sale_price": 5_000, "pool": "mugs", "total": 20_000}],
                "slots": [{"starts_at": 0, "ends_at": 253_402_300_799_000_i64}],
            }),
            json!({}),
            |member, _| action("reserve", member, &json!({"item": "mug"})),
        ),
        scenario(
            "group-buy",
            json!({
                "skus": [{"sku": "mug", "solo_price": 10_000, "group_price": 8_000}], "size": 20, "pay_window_ms": 3_600_000,
                "group_ttl_ms": DAY, "stock_pool": "mugs",
            }),
            json!({}),
            |member, opened| {
                if member.is_multiple_of(COMPANY) {
                    return action("open", member, &json!({"sku": "mug"}));
                }
                action("join", member, &json!({"sku": "mug", "group": opened["group"]["group"]}))
            },
        ),
        Scenario {
            plugin: "swap",
            config: json!({"categories": ["books", "toys"], "matching": {"cycles": {"max_len": 4, "run_every_ms": DAY}}}),
            offers: json!({}),
            grows: |member, _| {
                let (category, wants) = if member.is_multiple_of(2) { ("books", "toys") } else { ("toys", "books") };
                let new = json!({"title": "A thing", "category": category, "grade": "good", "value": 1_000, "wants": [wants]});
                action("list", member, &new)
            },
            commonest: |member, _| {
                let (mine, theirs) = (format!("l{}", member + 1), format!("l{member}"));
                action("offer", member, &json!({"mine": [mine], "theirs": [theirs]}))
            },
            later: 0,
            again: true,
        },
    ]
}

/// Members come, choose and win.
fn playing() -> Vec<Scenario> {
    let day_by_day = json!({"daily": [{"day": 1, "offer": "one"}], "streak": [{"days": 7, "offer": "one"}]});
    let check_in = scenario("check-in", day_by_day, one(), |member, _| action("check-in", member, &json!({})));
    vec![
        Scenario { later: DAY, again: true, ..check_in },
        scenario(
            "gift",
            json!({"mode": {"red-packet": {"offer": "packet", "total": 1_000_000, "packets": 20_000, "min": 1, "max": 500}}}),
            json!({"packet": {"title": "x", "kind": "random_packet", "max_minor": 500}}),
            |member, _| action("open", member, &json!({})),
        ),
        scenario(
            "leaderboard",
            json!({"metrics": [{"topic": "tea.drunk", "field": "cups", "weight": 10}], "season": "week", "prizes": [{"from": 1, "to": 3, "offer": "one"}]}),
            one(),
            |member, _| Step::Event {
                topic: "tea.drunk".into(),
                subject: format!("m{member}"),
                payload: json!({"cups": 1 + member % 7}).to_string(),
            },
        ),
        scenario(
            "vote",
            json!({"options": [{"id": "a", "title": "A"}, {"id": "b", "title": "B"}, {"id": "c", "title": "C"}], "method": {"approval": {"max": 2}}, "voter_offer": "one"}),
            one(),
            |member, _| action("vote", member, &json!({"choices": [(["a", "b", "c"][member as usize % 3])]})),
        ),
        Scenario {
            plugin: "points-card",
            config: json!({"gifts": [{"points": 20, "offer": "one"}], "expire_ms": 7_776_000_000_u64}),
            offers: one(),
            grows: |member, _| action("open", member, &json!({})),
            commonest: |member, _| Step::Event {
                topic: "member.bought".into(),
                subject: format!("m{member}"),
                payload: json!({"order": format!("o{member}"), "sku": "tea", "total_minor": 1_000}).to_string(),
            },
            later: 0,
            again: true,
        },
        scenario(
            "wheel",
            json!({
                "prizes": [{"name": "Some", "weight": 1, "offer": "one", "stock": 20_000}, {"name": "None", "weight": 9}], "fallback": {"name": "Some", "offer": "one"},
                "limits": {"per_member_per_day": 1},
            }),
            one(),
            |member, _| action("spin", member, &json!({})),
        ),
    ]
}

/// One action: the median of its time, and its fuel.
struct Cost {
    us: f64,
    fuel: f64,
}

impl Scenario {
    /// What the commonest action costs with so many members in the state.
    fn cost(&self, members: u32) -> anyhow::Result<Cost> {
        let mut stage = Stage::new(self.plugin, &self.config, &self.offers, members)?;
        let mut first = Value::Null;
        // All but the followers of the last company, whose actions are measured.
        let acting = if self.again { members } else { members - COMPANY + 1 };
        for member in 0..acting {
            let ran = stage.sandbox.act(&(self.grows)(member, &first)).with_context(|| format!("m{member}"))?;
            if member.is_multiple_of(COMPANY) {
                first = serde_json::from_str(&ran.answer)?;
            }
        }
        stage.sandbox.now += self.later;
        let steps: Vec<Step> =
            (members - COMPANY + 1..members).map(|member| (self.commonest)(member, &first)).collect();
        let (first, others) = steps.split_first().context("a company has more than one")?;
        let fuel = stage.sandbox.act(first)?.fuel as f64;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let mut times = Vec::new();
            for step in others.iter().cycle().take(CALLS) {
                let begun = Instant::now();
                stage.sandbox.ask(step)?;
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
            rounds.push(median(times));
        }
        Ok(Cost { us: rounds.into_iter().fold(f64::INFINITY, f64::min), fuel })
    }
}

/// All plugins, or those that have this in their name.
pub(crate) fn measure(part: Option<&str>, mut print: impl FnMut(Measured)) -> anyhow::Result<()> {
    let mut worst: Option<(f64, f64)> = None;
    for scenario in [helping(), selling(), playing()].into_iter().flatten() {
        let name = format!("plugins/{}", scenario.plugin);
        if part.is_some_and(|part| !name.contains(part)) {
            continue;
        }
        let few = scenario.cost(FEW).with_context(|| name.clone())?;
        let many = scenario.cost(MANY).with_context(|| name.clone())?;
        let size = component(scenario.plugin).len() as f64 / 1024.0;
        let line = |what, ours, peer, unit, goal| Measured { bench: format!("{name}/{what}"), ours, peer, unit, goal };
        print(line("size", size, SIZE_MAX_KIB, "KiB", "≤ 1"));
        print(line("p50", many.us, P50_MAX_US, "µs", "≤ 1"));
        print(line("fuel", many.fuel, few.fuel, "fuel", "≤ 1.3"));
        if worst.is_none_or(|(many_fuel, few_fuel)| many.fuel / few.fuel > many_fuel / few_fuel) {
            worst = Some((many.fuel, few.fuel));
        }
    }
    if let Some((ours, peer)) = worst {
        print(Measured { bench: "plugins/growth".into(), ours, peer, unit: "fuel", goal: "≤ 1.3" });
    }
    Ok(())
}
