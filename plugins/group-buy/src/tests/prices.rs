//! Prices that were shown, lists of one's own, and what members are told.

use fairground_sdk::{
    Audience,
    town::{BEGINNING, Town},
};
use serde_json::{Value, json};

use super::{MINUTE, code, config, group, join, kept, open, opened, pay, town};
use crate::GroupBuy;

#[test]
fn nobody_pays_another_price_than_they_saw() {
    let mut town = opened(json!({}));
    let join = |town: &mut Town<GroupBuy>, price: i64| {
        town.act("bob", "join", json!({"sku": "mug", "group": "g1", "unit_price": price}))
    };
    assert_eq!(code(join(&mut town, 899)), "group-buy.price-changed");
    join(&mut town, 900).expect("a seat");
    let leads = town.act("cat", "open", json!({"sku": "mug", "unit_price": 900}));
    assert_eq!(code(leads), "group-buy.price-changed", "the leader pays 800");
    assert_eq!(code(town.act("cat", "buy-alone", json!({"sku": "mug", "unit_price": 800}))), "group-buy.price-changed");
    town.act("cat", "buy-alone", json!({"sku": "mug", "unit_price": 1_000})).expect("an order");
}

#[test]
fn a_price_can_be_asked_for_beforehand() {
    let tiers = json!([{"size": 2, "price": 900}, {"size": 4, "price": 700}]);
    let mut town = town(json!({"tiers": tiers, "quantity_per_order": 3}));
    let mut preview = |members: u32| -> Value {
        town.ask("ann", "price-preview", json!({"sku": "mug", "quantity": 2, "members": members})).expect("a preview")
    };
    assert_eq!(
        preview(3),
        json!({"completes": true, "solo": 2_000, "pays": 1_800, "back": 0, "leader_pays": 1_600, "leader_back": 0})
    );
    let full = preview(4);
    assert_eq!([&full["back"], &full["leader_back"]], [&json!(400), &json!(400)], "700, and 600 for the leader");
    assert_eq!(code(town.ask::<Value>("ann", "price-preview", json!({"sku": "cup"}))), "group-buy.sku-not-in-activity");
}

/// G14.
#[test]
fn all_of_ones_seats_are_listed_page_by_page() {
    let config = config(json!({"concurrent_per_member": 100}));
    let mut town = Town::<GroupBuy>::new(config).stock("mugs", 100).sku("mug", 1_000).started();
    for number in 1..=60 {
        open(&mut town, "ann").expect("a group");
        pay(&mut town, &format!("g{number}.1"));
    }
    let mut page = |after: Option<&str>| -> (Vec<String>, Option<String>) {
        let page: Value = town.ask("ann", "my-groups", json!({"after": after})).expect("a page");
        let seats = page["seats"].as_array().expect("a list").iter().map(|seat| seat["seat"].as_str().unwrap().into());
        (seats.collect(), page["next"].as_str().map(Into::into))
    };
    let (first, next) = page(None);
    let (rest, end) = page(next.as_deref());
    let mut all: Vec<String> = first.iter().chain(&rest).cloned().collect();
    all.sort();
    all.dedup();
    assert_eq!((first.len(), all.len(), end), (50, 60, None));
}

#[test]
fn of_two_groups_alike_the_older_is_joined() {
    let config = config(json!({"size": 2, "max_groups": 0}));
    let mut town = Town::<GroupBuy>::new(config).stock("mugs", 100).sku("mug", 1_000).started();
    for number in 1..=10 {
        open(&mut town, &format!("m{number}")).expect("a group");
    }
    // All but the second and the tenth are full.
    for number in [1, 3, 4, 5, 6, 7, 8, 9] {
        let seat = json!({"sku": "mug", "group": format!("g{number}")});
        town.act(&format!("f{number}"), "join", seat).expect("a seat");
    }
    let joined = town.act("zoe", "join", json!({"sku": "mug"})).expect("a seat");
    assert_eq!(joined["group"]["group"], "g2");
}

/// G6: what becomes of a late payment does not hang on whether the seat's timer has run.
#[test]
fn a_late_payment_is_the_same_before_and_after_the_timer() {
    let after = |rings: bool| {
        let mut town = opened(json!({}));
        pay(&mut town, "g1.1");
        join(&mut town, "bob").expect("a seat");
        if rings {
            town.pass(15 * MINUTE);
        } else {
            town.world().now += 15 * MINUTE;
        }
        pay(&mut town, "g1.2");
        (group(&mut town, "g1")["paid"].clone(), kept(&mut town, "g1.2"))
    };
    assert_eq!(after(false), (json!(2), 900));
    assert_eq!(after(true), after(false));
}

#[test]
fn whoever_paid_is_told_of_the_end_and_others_of_what_they_lost() {
    let rules: Vec<Value> = ["group-buy.failed", "group-buy.seat-lapsed", "group-buy.leader-changed"]
        .map(|event| json!({"event": event, "template": event}))
        .into();
    let mut town = opened(json!({"notices": rules}));
    join(&mut town, "bob").expect("a seat");
    pay(&mut town, "g1.2");
    town.pass(15 * MINUTE);
    town.pass(60 * MINUTE);
    let told: Vec<(i64, String, Audience)> = town
        .world()
        .notices
        .iter()
        .map(|(at, notice)| ((at - BEGINNING) / MINUTE, notice.template.clone(), notice.audience.clone()))
        .collect();
    let expected = [(15, "seat-lapsed", "ann"), (15, "leader-changed", "bob"), (60, "failed", "bob")]
        .map(|(at, what, whom)| (at, format!("group-buy.{what}"), Audience::Member(whom.into())));
    assert_eq!(told, expected);
}
