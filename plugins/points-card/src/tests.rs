//! The rules played.

mod storms;

use fairground_sdk::{HostEvent, town::Town};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{PointsCard, config::Config};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn config(changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "earn": {"per-amount": {"minor": 1_000}},
        "gifts": [{"points": 10, "offer": "cup"}, {"points": 25, "offer": "pot", "stock": 1}],
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    config
}

fn unstarted(changes: Value) -> Town<PointsCard> {
    Town::new(config(changes)).offer("cup", 100).offer("pot", 300).budget(1_000)
}

/// Ann has a card.
fn town(changes: Value) -> Town<PointsCard> {
    let mut town = unstarted(changes).started();
    open(&mut town, "ann");
    town
}

fn open(town: &mut Town<PointsCard>, member: &str) {
    town.act(member, "open", json!({})).expect("a card");
}

fn card(town: &mut Town<PointsCard>, member: &str) -> Value {
    town.ask(member, "card", json!({})).expect("a card")
}

fn balance(town: &mut Town<PointsCard>, member: &str) -> u64 {
    card(town, member)["balance"].as_u64().expect("a number")
}

fn hear_at(town: &mut Town<PointsCard>, at: i64, topic: &str, member: &str, payload: Value) {
    let id = format!("{topic}-{member}-{at}");
    let event = HostEvent { id, topic: topic.into(), subject: member.into(), payload: payload.to_string(), at };
    town.hear(&event).expect("heard");
}

fn bought(town: &mut Town<PointsCard>, member: &str, order: &str, total: i64) {
    let at = town.now();
    hear_at(town, at, "member.bought", member, json!({"order": order, "sku": "tea", "total_minor": total}));
}

fn returned(town: &mut Town<PointsCard>, member: &str, order: &str) {
    let at = town.now();
    hear_at(town, at, "member.returned", member, json!({"order": order, "sku": "tea"}));
}

fn redeem(town: &mut Town<PointsCard>, member: &str, offer: &str) -> Result<Value, &'static str> {
    town.act(member, "redeem", json!({"offer": offer})).map_err(|problem| problem.code)
}

#[test]
fn purchases_fill_a_card_and_points_buy_gifts() {
    let mut town = town(json!({}));
    bought(&mut town, "ann", "o1", 12_999);
    assert_eq!(balance(&mut town, "ann"), 12, "what is left over of a purchase is lost");
    assert_eq!(redeem(&mut town, "ann", "pot"), Err("points-card.not-enough-points"));
    let view = redeem(&mut town, "ann", "cup").expect("a gift");
    assert_eq!((&view["balance"], &view["spent"], &view["gifts"][0]["missing"]), (&json!(2), &json!(10), &json!(8)));
    assert_eq!(town.rewards_of("ann"), ["cup"]);
    let mine: Value = town.ask("ann", "mine", json!({})).expect("gifts");
    assert_eq!(mine["gifts"], json!([{"offer": "cup", "points": 10, "at": town.now()}]));
    assert_eq!(redeem(&mut town, "bob", "cup"), Err("points-card.no-card"));
    assert_eq!(redeem(&mut town, "ann", "moon"), Err("common.invalid-input"));
}

#[test]
fn a_stamp_card_counts_purchases_that_are_large_enough_and_of_its_goods() {
    let mut town = town(json!({"earn": {"per-order": {"points": 1}}, "skus": ["tea"], "min_total": 500}));
    bought(&mut town, "ann", "o1", 499);
    bought(&mut town, "ann", "o2", 500);
    bought(&mut town, "ann", "o3", 50_000);
    let at = town.now();
    hear_at(&mut town, at, "member.bought", "ann", json!({"order": "o4", "sku": "milk", "total_minor": 900}));
    hear_at(&mut town, at, "member.bought", "ann", json!({"total_minor": 900}));
    assert_eq!(balance(&mut town, "ann"), 2);
}

#[test]
fn a_purchase_counts_once_and_only_with_a_card() {
    let mut town = town(json!({}));
    bought(&mut town, "bob", "o0", 50_000);
    assert_eq!(card(&mut town, "bob"), Value::Null);
    let before = town.now();
    town.pass(HOUR);
    open(&mut town, "bob");
    hear_at(&mut town, before, "member.bought", "bob", json!({"order": "o0", "sku": "tea", "total_minor": 50_000}));
    assert_eq!(balance(&mut town, "bob"), 0, "bought before there was a card");
    for _ in 0..2 {
        bought(&mut town, "ann", "o1", 10_000);
    }
    assert_eq!(balance(&mut town, "ann"), 10);
    open(&mut town, "ann");
    assert_eq!(balance(&mut town, "ann"), 10, "a card is kept");
    // Other goods of the same order count beside them.
    let at = town.now();
    hear_at(&mut town, at, "member.bought", "ann", json!({"order": "o1", "sku": "cake", "total_minor": 3_000}));
    assert_eq!(balance(&mut town, "ann"), 13);
}

#[test]
fn an_order_may_be_called_anything() {
    let mut town = town(json!({}));
    open(&mut town, "ann");
    let before = balance(&mut town, "ann");
    bought(&mut town, "ann", "a\nb", 10_000);
    let earned = balance(&mut town, "ann");
    assert!(earned > before);
    bought(&mut town, "ann", "a\nb", 10_000);
    assert_eq!(balance(&mut town, "ann"), earned, "it is one order");
    returned(&mut town, "ann", "a\nb");
    assert_eq!(balance(&mut town, "ann"), before);
}

#[test]
fn what_is_paid_back_takes_its_points_along() {
    let mut town = town(json!({}));
    bought(&mut town, "ann", "o1", 10_000);
    bought(&mut town, "ann", "o2", 4_000);
    for _ in 0..2 {
        returned(&mut town, "ann", "o1");
    }
    let view = card(&mut town, "ann");
    assert_eq!((&view["balance"], &view["reversed"], &view["owed"]), (&json!(4), &json!(10), &json!(0)));
    // The return may be heard first.
    returned(&mut town, "ann", "o3");
    bought(&mut town, "ann", "o3", 9_000);
    assert_eq!(balance(&mut town, "ann"), 4);
    // One that names no goods is of all of them.
    let at = town.now();
    hear_at(&mut town, at, "member.returned", "ann", json!({"order": "o2"}));
    assert_eq!(balance(&mut town, "ann"), 0);
}

/// §4.11: never below what gifts were given for.
#[test]
fn a_gift_that_was_bought_stays_and_its_points_are_owed() {
    let mut town = town(json!({}));
    bought(&mut town, "ann", "o1", 12_000);
    redeem(&mut town, "ann", "cup").expect("a gift");
    returned(&mut town, "ann", "o1");
    let view = card(&mut town, "ann");
    assert_eq!((&view["balance"], &view["reversed"], &view["owed"]), (&json!(0), &json!(2), &json!(10)));
    assert_eq!(town.rewards_of("ann"), ["cup"]);
    bought(&mut town, "ann", "o2", 15_000);
    let view = card(&mut town, "ann");
    assert_eq!((&view["balance"], &view["reversed"], &view["owed"]), (&json!(5), &json!(12), &json!(0)));
}

#[test]
fn points_expire_the_oldest_first_and_are_spent_in_that_order() {
    let mut town = town(json!({"expire_ms": 12 * DAY}));
    bought(&mut town, "ann", "o1", 6_000);
    town.pass(5 * DAY);
    bought(&mut town, "ann", "o2", 8_000);
    let expires = card(&mut town, "ann")["expires"].clone();
    assert_eq!(
        expires.as_array().expect("lots").iter().map(|lot| lot["points"].as_u64()).collect::<Vec<_>>(),
        [Some(6), Some(8)]
    );
    redeem(&mut town, "ann", "cup").expect("six of the first, four of the second");
    assert_eq!(card(&mut town, "ann")["expires"][0]["points"], 4);
    town.pass(8 * DAY);
    assert_eq!(balance(&mut town, "ann"), 4, "the second are a week old");
    town.pass(5 * DAY);
    let view = card(&mut town, "ann");
    assert_eq!((&view["balance"], &view["expired"]), (&json!(0), &json!(4)));
    returned(&mut town, "ann", "o2");
    assert_eq!(card(&mut town, "ann")["owed"], 4, "four were spent; what has expired is gone, and nobody asks for it");
}

#[test]
fn what_was_spent_is_owed_also_when_its_time_is_over() {
    let mut town = town(json!({"expire_ms": 12 * DAY}));
    bought(&mut town, "ann", "o1", 10_000);
    redeem(&mut town, "ann", "cup").expect("a gift");
    town.pass(20 * DAY);
    returned(&mut town, "ann", "o1");
    assert_eq!(card(&mut town, "ann")["owed"], 10);
    // A return takes its own points first, so that those of another purchase expire as they were to.
    let mut town = unstarted(json!({"expire_ms": 12 * DAY})).started();
    open(&mut town, "bob");
    bought(&mut town, "bob", "o1", 10_000);
    town.pass(5 * DAY);
    bought(&mut town, "bob", "o2", 10_000);
    returned(&mut town, "bob", "o2");
    town.pass(9 * DAY);
    assert_eq!(card(&mut town, "bob")["expired"], 10);
    returned(&mut town, "bob", "o1");
    let view = card(&mut town, "bob");
    assert_eq!((&view["balance"], &view["owed"], &view["reversed"]), (&json!(0), &json!(0), &json!(10)));
}

#[test]
fn what_is_heard_late_expires_and_is_forgiven_each_time() {
    let mut town = town(json!({"expire_ms": DAY}));
    let at = town.now();
    town.pass(3 * DAY);
    for order in ["o1", "o2"] {
        hear_at(&mut town, at, "member.bought", "ann", json!({"order": order, "sku": "tea", "total_minor": 10_000}));
    }
    assert_eq!(card(&mut town, "ann")["expired"], 20);
    for order in ["o1", "o2"] {
        returned(&mut town, "ann", order);
    }
    assert_eq!(card(&mut town, "ann")["owed"], 0);
}

#[test]
fn many_cards_full_of_lots_settle() {
    let mut town = town(json!({"expire_ms": 12 * DAY}));
    for member in 0..30 {
        open(&mut town, &format!("m{member}"));
    }
    for day in 0..12 {
        for member in 0..30 {
            bought(&mut town, &format!("m{member}"), &format!("o{day}"), 1_000);
        }
        town.pass(DAY);
    }
    town.stop();
    assert_eq!(balance(&mut town, "m29"), 0);
}

#[test]
fn a_large_order_is_paid_back_in_one_call() {
    let mut town = town(json!({"notices": [{"event": "points-card.reversed", "template": "x"}]}));
    let at = town.now();
    for number in 0..25 {
        let line = json!({"order": "o1", "sku": format!("s{number}"), "total_minor": 2_000});
        hear_at(&mut town, at + number, "member.bought", "ann", line);
    }
    assert_eq!(balance(&mut town, "ann"), 40, "twenty goods count");
    hear_at(&mut town, at, "member.returned", "ann", json!({"order": "o1"}));
    assert_eq!((balance(&mut town, "ann"), town.world().notices.len()), (0, 1), "told once");
}

#[test]
fn points_last_as_long_as_was_said_and_a_twelfth_longer_at_most() {
    let mut town = town(json!({"expire_ms": 12 * DAY}));
    for hours in 0..300 {
        bought(&mut town, "ann", &format!("o{hours}"), 1_000);
        let expires = card(&mut town, "ann")["expires"].clone();
        let lots = expires.as_array().expect("lots");
        let last = lots.last().expect("a lot")["at"].as_i64().expect("an instant") - town.now();
        assert!((12 * DAY..=13 * DAY).contains(&last), "{last}");
        assert!(lots.len() <= 14, "a handful of entries, however often somebody buys");
        town.pass(HOUR);
    }
}

#[test]
fn gifts_that_are_reached_are_given_once_and_nothing_is_spent() {
    let mut town = town(json!({"giving": "reach"}));
    assert_eq!(redeem(&mut town, "ann", "cup"), Err("common.wrong-state"));
    bought(&mut town, "ann", "o1", 9_000);
    assert!(town.rewards_of("ann").is_empty());
    bought(&mut town, "ann", "o2", 16_000);
    assert_eq!(town.rewards_of("ann"), ["cup", "pot"]);
    bought(&mut town, "ann", "o3", 16_000);
    assert_eq!((town.rewards_of("ann").len(), balance(&mut town, "ann")), (2, 41));
    returned(&mut town, "ann", "o2");
    returned(&mut town, "ann", "o3");
    assert_eq!(town.rewards_of("ann"), ["cup", "pot"], "what was given stays");
    // The only pot is gone, and the next who reaches it has it where one comes back.
    open(&mut town, "bob");
    bought(&mut town, "bob", "o4", 25_000);
    assert_eq!(town.rewards_of("bob"), ["cup"]);
}

#[test]
fn a_gift_that_waits_is_put_back_with_its_points_and_reached_again() {
    let mut town = town(json!({"giving": "reach", "reward_hold_ms": 7 * DAY}));
    bought(&mut town, "ann", "o1", 25_000);
    town.pass(DAY);
    returned(&mut town, "ann", "o1");
    town.pass(10 * DAY);
    assert!(town.rewards_of("ann").is_empty());
    open(&mut town, "bob");
    bought(&mut town, "bob", "o2", 25_000);
    town.pass(8 * DAY);
    assert_eq!(town.rewards_of("bob"), ["cup", "pot"], "it came back into stock");
    bought(&mut town, "ann", "o3", 24_000);
    town.pass(8 * DAY);
    assert_eq!(town.rewards_of("ann"), ["cup"], "reached again");
}

#[test]
fn a_gift_that_waits_stays_where_its_points_expire() {
    let mut town = town(json!({"giving": "reach", "reward_hold_ms": 7 * DAY, "expire_ms": 2 * DAY}));
    bought(&mut town, "ann", "o1", 10_000);
    town.pass(3 * DAY);
    bought(&mut town, "ann", "o2", 1_000);
    town.pass(5 * DAY);
    assert_eq!(town.rewards_of("ann"), ["cup"], "they were there when it was reached");
}

#[test]
fn what_is_left_ends_with_the_activity() {
    let mut town = town(json!({}));
    for member in 0..50 {
        let member = format!("m{member}");
        open(&mut town, &member);
        bought(&mut town, &member, "o1", 3_000);
    }
    town.stop();
    assert_eq!((balance(&mut town, "m7"), &card(&mut town, "m49")["expired"]), (0, &json!(3)));
}

#[test]
fn what_is_wrong_in_a_config_is_said() {
    let issues = |changes: Value| {
        let found = unstarted(changes).check().expect_err("issues");
        found.into_iter().map(|issue| issue.pointer).collect::<Vec<_>>()
    };
    assert_eq!(issues(json!({"gifts": [{"points": 5, "offer": "moon"}]})), ["/gifts/0/offer"]);
    let twice = json!([{"points": 5, "offer": "cup"}, {"points": 5, "offer": "cup"}]);
    assert_eq!(issues(json!({"gifts": twice})), ["/gifts/1/offer", "/gifts"]);
    assert_eq!(issues(json!({"expire_ms": 1})), ["/expire_ms"]);
    assert_eq!(issues(json!({"zone": "Nowhere"})), ["/zone"]);
}

#[test]
fn the_most_that_it_costs_is_bounded_by_stock_or_by_a_limit() {
    let most = |changes: Value| unstarted(changes).check().expect("a report").max_liability;
    assert_eq!(most(json!({})), None);
    assert_eq!(most(json!({"limits": {"total": 3}})), Some(900));
    assert_eq!(most(json!({"limits": {"total": 3}, "giving": "reach"})), Some(1_200));
    let counted = json!([{"points": 1, "offer": "cup", "stock": 2}, {"points": 2, "offer": "pot", "stock": 1}]);
    assert_eq!(most(json!({"gifts": counted})), Some(500));
    assert_eq!(most(json!({"gifts": counted, "limits": {"total": 1}})), Some(300));
    let report = unstarted(json!({})).check().expect("a report");
    assert_eq!(
        report.disclosures[..2],
        ["A purchase is worth a point for each 1000 minor units of it.", "cup costs 10 points."]
    );
    assert_eq!(report.warnings.len(), 2);
}

#[test]
fn limits_count_gifts_that_are_bought_and_cards_where_they_are_reached() {
    let mut bought_here = town(json!({"limits": {"per_member_total": 1}}));
    bought(&mut bought_here, "ann", "o1", 40_000);
    redeem(&mut bought_here, "ann", "cup").expect("the first");
    assert_eq!(redeem(&mut bought_here, "ann", "cup"), Err("common.limit-member-total"));
    let mut reached = town(json!({"giving": "reach", "limits": {"total": 1}}));
    let refused = reached.act("bob", "open", json!({})).expect_err("one card is all");
    assert_eq!(refused.code, "common.limit-total");
}

proptest! {
    /// Per amount the points of a purchase are its floor, whatever it is; what is below the least counts nothing.
    #[test]
    fn points_are_the_floor_of_the_total(total in 0..1_000_000_000_i64, minor in 1..100_000_i64, least in 0..10_000_i64) {
        let config: Config =
            serde_json::from_value(config(json!({"earn": {"per-amount": {"minor": minor}}, "min_total": least}))).expect("a config");
        let points = i64::try_from(config.points_for(total)).expect("few");
        let fits = if total < least { points == 0 } else { points * minor <= total && total < (points + 1) * minor };
        prop_assert!(fits, "{}", points);
    }
}
