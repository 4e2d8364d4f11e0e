//! What plugins share, played in a town by an activity that does nothing else.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Gift, Nothing, Queue, StopReason, lottery::Lottery, prelude::*, town::Town, unless_exhausted};

fairground_sdk::config! {
    /// What every activity has, and nothing more.
    struct Config {}
}

#[derive(Deserialize, JsonSchema)]
struct Ticket {
    name: String,
    weight: u32,
}

#[derive(Deserialize, JsonSchema)]
struct DrawInput {
    winners: u64,
    tries: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Due {
    name: String,
    after_ms: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Pair {
    key: String,
    offers: [String; 2],
}

struct Fair;

const QUEUE: Queue<'static> = Queue("fair");

const LOTTERY: Lottery<'static> = Lottery("fair");

impl Activity for Fair {
    type Config = Config;
    const NAME: &'static str = "fair";
    const VERSION: &'static str = "1.0.0";
    const TITLE: &'static str = "A fair";
    const DESCRIPTION: &'static str = "What plugins share.";
    const REWARDS: bool = true;

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("visit", "Visit", |call, _: Nothing| {
                let standing = call.take_part(None, "fair.visit")?;
                let member = call.actor.clone();
                let key = format!("visit:{member}:{}", call.now());
                let given = unless_exhausted(call.reward(&key, "prize", &member, standing))?;
                call.tell("fair.visited", &member, &[]);
                Ok(given.is_some())
            })
            .action("enter", "Enter", |call, ticket: Ticket| {
                LOTTERY.enter(call, &ticket.name, ticket.weight);
                Ok(Nothing {})
            })
            .action("draw", "Draw", |call, input: DrawInput| {
                let (drawn, names) = LOTTERY.draw_some(call, input.winners, input.tries);
                Ok((drawn.is_over, names))
            })
            .action("put", "Put", |call, Due { name, after_ms }: Due| {
                let due = call.now() + after_ms;
                QUEUE.put(call, due, &name);
                Ok(Nothing {})
            })
            .action("both", "Both", |call, Pair { key, offers }: Pair| {
                let standing = call.admit(None, "fair.both")?;
                let member = call.actor.clone();
                let gifts = offers.map(|offer| Gift {
                    key: format!("{key}/{offer}"),
                    offer,
                    member: member.clone(),
                    source: None,
                });
                Ok(unless_exhausted(call.reward_together(&gifts, standing))?.is_some())
            })
            .operator_action("close", "Close", |call, _: Nothing| Ok(call.count("closed", 1, 0, i64::MAX).ok()))
            .emits(&["fair.due"])
            .tells(&["fair.visited"])
    }

    fn stop(call: &mut Call<Config>, reason: StopReason) -> Answer<()> {
        let _ = call.count("stopped", reason as i64 + 1, 0, i64::MAX);
        Ok(())
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(crate::Page::of(call, "visit").done())
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if QUEUE.rings(key) {
            for name in QUEUE.take(call, 3, due) {
                call.emit("fair.due", &name, &());
            }
        }
        Ok(())
    }
}

/// What stood in the queue, in the order in which it came out.
fn came_due(town: &Town<Fair>) -> Vec<String> {
    town.events().into_iter().map(|(_, subject)| subject).collect()
}

fn config(changes: Value) -> Value {
    let mut config = json!({"title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai"});
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn town(changes: Value) -> Town<Fair> {
    Town::new(config(changes)).offer("prize", 10).budget(1_000).started()
}

fn visit(town: &mut Town<Fair>, member: &str) -> Result<Value, &'static str> {
    town.act(member, "visit", json!({})).map_err(|problem| problem.code)
}

const DAY: i64 = 86_400_000;

#[test]
fn eligibility_comes_before_limits() {
    let mut town = town(json!({
        "eligibility": {"segments_any": ["fans"], "segments_none": ["staff"], "tiers_any": ["ordinary"], "min_account_age_ms": DAY},
        "limits": {"total": 1},
    }));
    for member in ["ann", "bob", "cat"] {
        town.world().join(member);
    }
    let tag = |town: &mut Town<Fair>, member: &str, tags: &[&str]| {
        let (member, _) = town.world().members.get_mut(member).expect("a member");
        member.tags = tags.iter().map(|tag| (*tag).into()).collect();
    };
    tag(&mut town, "ann", &["fans"]);
    tag(&mut town, "bob", &["fans", "staff"]);
    assert_eq!(visit(&mut town, "ann"), Err("common.not-eligible"), "her account is too young");
    town.pass(DAY);
    assert_eq!(visit(&mut town, "bob"), Err("common.not-eligible"), "he is of the staff");
    assert_eq!(visit(&mut town, "cat"), Err("common.not-eligible"), "she is no fan");
    assert_eq!(visit(&mut town, "ann"), Ok(json!(true)));
    assert_eq!(visit(&mut town, "ann"), Err("common.limit-total"));
    assert_eq!(visit(&mut town, "bob"), Err("common.not-eligible"), "and is told so first");
    town.world().members.get_mut("ann").expect("ann").0.tier = "gold".into();
    assert_eq!(visit(&mut town, "ann"), Err("common.not-eligible"), "her tier is another by now");
}

#[test]
fn the_rules_of_all_groups_are_accepted_first() {
    let mut town = town(json!({"eligibility": {"rules_accepted": true}}));
    town.world().join("ann");
    town.world().groups.entry("club".into()).or_default().insert("ann".into());
    town.world().rules.insert("club".into(), 2);
    town.world().accepted.insert(("club".into(), "ann".into()), 1);
    assert_eq!(visit(&mut town, "ann"), Err("common.rules-not-accepted"));
    town.world().accepted.insert(("club".into(), "ann".into()), 2);
    assert_eq!(visit(&mut town, "ann"), Ok(json!(true)));
}

#[test]
fn members_take_part_so_often_a_day_and_in_all_and_rest_in_between() {
    let mut town = town(json!({"limits": {"per_member_total": 3, "per_member_per_day": 2, "cool_down_ms": 1_000}}));
    assert_eq!(visit(&mut town, "ann"), Ok(json!(true)));
    assert_eq!(visit(&mut town, "ann"), Err("common.fatigue"));
    town.pass(1_000);
    assert_eq!(visit(&mut town, "ann"), Ok(json!(true)));
    town.pass(1_000);
    assert_eq!(visit(&mut town, "ann"), Err("common.limit-member-day"));
    town.pass(DAY);
    assert_eq!(visit(&mut town, "ann"), Ok(json!(true)));
    town.pass(DAY);
    assert_eq!(visit(&mut town, "ann"), Err("common.limit-member-total"));
    assert_eq!(visit(&mut town, "bob"), Ok(json!(true)), "others have their own");
}

#[test]
fn of_one_identity_so_many_take_part() {
    let mut town = town(json!({"risk": {"cluster_limit": 1}}));
    for twin in ["ann", "bob"] {
        town.world().join(twin);
        town.world().members.get_mut(twin).expect("a member").1.push("phone-1".into());
    }
    assert_eq!(visit(&mut town, "ann"), Ok(json!(true)));
    assert_eq!(visit(&mut town, "bob"), Err("common.risk-denied"));
    town.pass(1);
    assert_eq!(visit(&mut town, "ann"), Ok(json!(true)), "the same one again is no other");
}

#[test]
fn what_is_under_review_waits_or_is_refused_or_passes() {
    let reviewed = |policy: Value| {
        let mut town = town(json!({"risk": policy}));
        town.world().reviewed.insert("ann".into());
        town
    };
    assert_eq!(visit(&mut reviewed(json!({"on_review": "deny"})), "ann"), Err("common.risk-review"));
    let mut allowed = reviewed(json!({"on_review": "allow"}));
    assert_eq!(visit(&mut allowed, "ann"), Ok(json!(true)));
    assert_eq!(allowed.rewards_of("ann"), ["prize"]);
    let mut held = reviewed(json!({"on_review": "hold"}));
    assert_eq!(visit(&mut held, "ann"), Ok(json!(true)));
    assert_eq!((held.rewards_of("ann").len(), held.held_for("ann").len()), (0, 1));
    held.pass(7 * DAY);
    assert_eq!(held.rewards_of("ann"), ["prize"], "nobody objected within a week");
    let mut unasked = reviewed(Value::Null);
    assert_eq!(visit(&mut unasked, "ann"), Ok(json!(true)), "no rules are asked");
}

#[test]
fn the_control_group_is_the_same_each_time_and_about_as_large_as_it_should_be() {
    let mut town = town(json!({"holdout_bps": 2_000}));
    let members: Vec<String> = (0..500).map(|number| format!("m{number}")).collect();
    let held_out = |town: &mut Town<Fair>| -> Vec<&String> {
        members.iter().filter(|member| visit(town, member) == Err("common.holdout")).collect()
    };
    let first = held_out(&mut town);
    assert!((60..=140).contains(&first.len()), "{} of 500", first.len());
    town.pass(1);
    assert_eq!(first, held_out(&mut town));
}

#[test]
fn rewards_that_wait_are_given_in_their_time_however_many() {
    let mut town = town(json!({"reward_hold_ms": DAY}));
    for number in 0..90 {
        assert_eq!(visit(&mut town, &format!("m{number}")), Ok(json!(true)));
    }
    assert_eq!(town.world().budget.as_ref().expect("a budget").held, 900);
    town.pass(DAY - 1);
    assert_eq!(town.rewards_of("m0").len(), 0);
    town.pass(1);
    let given = (0..90).filter(|number| town.rewards_of(&format!("m{number}")).len() == 1).count();
    assert_eq!(given, 90);
    // What still waits when the activity is settled is given then.
    town.pass(1);
    visit(&mut town, "m0").expect("another visit");
    town.stop();
    assert_eq!(town.rewards_of("m0").len(), 2);
}

#[test]
fn a_budget_that_is_used_up_stops_rewards_and_nothing_else() {
    let mut town = Town::<Fair>::new(config(json!({}))).offer("prize", 10).budget(15).started();
    assert_eq!(visit(&mut town, "ann"), Ok(json!(true)));
    assert_eq!(visit(&mut town, "bob"), Ok(json!(false)));
}

#[test]
fn members_are_told_what_the_config_says_and_once_within_its_window() {
    let mut town = town(json!({"notices": [{"event": "fair.visited", "template": "hello", "dedupe_window_ms": DAY}]}));
    for _ in 0..2 {
        visit(&mut town, "ann").expect("a visit");
        town.pass(1);
    }
    assert_eq!(town.world().notices.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// However it is cut into calls: distinct winners, as many as wanted or as there are, and nobody else.
    #[test]
    fn a_lottery_draws_distinct_winners_in_any_number_of_calls(
        weights in prop::collection::vec(1..=100u32, 1..30), winners in 0..40u64, more in 0..5u64, tries in 1..60u32,
    ) {
        let mut town = town(json!({}));
        for (number, weight) in weights.iter().enumerate() {
            town.act("ann", "enter", json!({"name": format!("m{number}"), "weight": weight})).expect("in");
        }
        let mut drawn: Vec<String> = Vec::new();
        for wanted in [winners, winners + more] {
            loop {
                let answer = town.act("ann", "draw", json!({"winners": wanted, "tries": tries})).expect("a draw");
                let names: Vec<String> = serde_json::from_value(answer[1].clone()).expect("names");
                drawn.extend(names);
                if answer[0] == true {
                    break;
                }
            }
            prop_assert_eq!(drawn.len() as u64, wanted.min(weights.len() as u64));
        }
        let distinct: std::collections::BTreeSet<&String> = drawn.iter().collect();
        prop_assert_eq!(distinct.len(), drawn.len());
    }
}

#[test]
fn a_ticket_of_twice_the_weight_wins_twice_as_often() {
    const ROUNDS: usize = 1_500;
    let mut wins = [0usize; 3];
    let mut town = town(json!({}));
    for (number, weight) in [1, 1, 2].into_iter().enumerate() {
        town.act("ann", "enter", json!({"name": format!("m{number}"), "weight": weight})).expect("in");
    }
    let fresh = town.world().entries.clone();
    for _ in 0..ROUNDS {
        let answer = town.act("ann", "draw", json!({"winners": 1, "tries": 200})).expect("a draw");
        let place: usize = answer[1][0].as_str().and_then(|name| name[1..].parse().ok()).expect("a winner");
        wins[place] += 1;
        town.world().entries.clone_from(&fresh);
    }
    let share = wins[2] * 100 / ROUNDS;
    assert!((45..=55).contains(&share), "{wins:?}");
}

proptest! {
    #[test]
    fn what_stands_in_a_queue_comes_out_in_the_order_of_time(delays in prop::collection::vec(0..900 * DAY, 1..20), until in 0..900 * DAY) {
        let mut town = town(json!({}));
        for (number, after_ms) in delays.iter().enumerate() {
            town.act("ann", "put", json!({"name": format!("n{number:02}"), "after_ms": after_ms})).expect("put");
        }
        town.pass(until);
        let mut due: Vec<(i64, usize)> = delays.iter().copied().zip(0..).filter(|(after_ms, _)| *after_ms <= until).collect();
        due.sort_unstable();
        let due: Vec<String> = due.into_iter().map(|(_, number)| format!("n{number:02}")).collect();
        prop_assert_eq!(came_due(&town), due);
    }
}

#[test]
fn rewards_that_go_together_are_all_given_or_none() {
    let mut town = Town::<Fair>::new(config(json!({}))).offer("prize", 10).offer("big", 95).budget(100).started();
    let both = |town: &mut Town<Fair>, key: &str, offers: [&str; 2]| {
        town.act("ann", "both", json!({"key": key, "offers": offers})).expect("an answer")
    };
    assert_eq!(both(&mut town, "1", ["prize", "big"]), json!(false), "105 of 100");
    let budget = town.world().budget.clone().expect("a budget");
    assert_eq!((budget.held, budget.captured, budget.grants), (0, 0, 0), "nothing stays set aside");
    town.world().budget.as_mut().expect("a budget").limit = 105;
    assert_eq!(both(&mut town, "2", ["prize", "big"]), json!(true));
    assert_eq!(town.rewards_of("ann"), ["big", "prize"]);
}

#[test]
fn a_town_takes_actions_of_whoever_may_act_while_it_runs() {
    use fairground_sdk::{MemberStatus, StopReason};
    let mut town =
        Town::new(config(json!({}))).offer("prize", 10).budget(1_000).ending_at(crate::town::BEGINNING + DAY).started();
    assert_eq!(visit(&mut town, "ann"), Ok(json!(true)));
    for status in [MemberStatus::Muted, MemberStatus::Suspended, MemberStatus::Closed] {
        town.world().members.get_mut("ann").expect("ann").0.status = status;
        assert_eq!(visit(&mut town, "ann"), Err("common.member-not-active"));
    }
    assert_eq!(town.operate("close", json!({})).expect("an answer"), json!(1));
    assert!(town.page(None).expect("a page").iter().any(|block| block.kind == "call-to-action"));
    town.end();
    assert_eq!(town.now(), crate::town::BEGINNING + DAY);
    assert_eq!(town.world().counter("stopped"), StopReason::Ended as i64 + 1);
    assert_eq!(visit(&mut town, "bob"), Err("common.ended"));
    assert_eq!(town.operate("close", json!({})).expect_err("it is over").code, "common.ended");
}

#[test]
fn state_of_another_version_is_refused_unless_there_is_a_way() {
    assert_eq!(town(json!({})).migrate(2).expect_err("no way").code, "common.no-migration");
}

#[test]
#[should_panic(expected = "no counter")]
fn what_was_saved_is_no_counter() {
    let mut town = town(json!({}));
    town.has_stored("closed", &"yes");
    let _ = town.operate("close", json!({}));
}

#[test]
fn a_key_of_what_somebody_else_said_is_one() {
    use fairground_sdk::bounded;
    for fine in ["order/7", "£5 · 砍"] {
        assert_eq!(bounded(fine.into()), fine);
    }
    for bad in ["a\nb", "\0", "a\u{85}b", &"x".repeat(257), &("x".repeat(256) + "\n")] {
        let key = bounded(bad.into());
        assert!((1..=256).contains(&key.len()) && !key.chars().any(char::is_control), "{key:?}");
        let plain = bad.replace(|c: char| c.is_control(), "");
        assert!(plain == bad || bounded(plain) != key, "{bad:?} is another key");
    }
}
