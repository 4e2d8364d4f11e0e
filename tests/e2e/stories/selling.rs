//! What is sold: group-buy, bargain, flash-sale; and the wheel.

use fairground_tests::{client::HOME, eventually, host::BEGINNING};
use reqwest::Method;
use serde_json::{Value, json};

use super::{MINUTE, Story};

fn group_buy(changes: Value) -> Value {
    let mut config = json!({
        "title": "Mugs together", "one_line_benefit": "Less for all", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "skus": [{"sku": "mug", "solo_price": 10_000, "group_price": 9_000}], "stock_pool": "mugs",
        "group_ttl_ms": 60 * MINUTE, "pay_window_ms": 15 * MINUTE,
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    json!({"id": "g", "plugin": "group-buy", "config": config})
}

both! {
    /// Worked example 1: four pay 9 000, the price of four is 8 000, and each gets 1 000 back.
    async fn a_group_of_three_tiers_pays_back_the_difference(database) {
        let members = ["ann", "bob", "cat", "dan", "eve"];
        let story = Story::begin(database, &members, 9, "group-buy").await;
        let tiers = json!({"tiers": [{"size": 2, "price": 9_000}, {"size": 3, "price": 8_000}, {"size": 5, "price": 7_000}]});
        story.host.begin(group_buy(tiers)).await;
        story.act("ann", "g", "open", json!({"sku": "mug"})).await.ok();
        for member in &members[1..] {
            story.act(member, "g", "join", json!({"sku": "mug", "group": "g1"})).await.ok();
        }
        assert_eq!(story.pool().await, (json!(5), json!(0)), "a unit is set aside with each seat");
        for number in 1..=2 {
            story.counter("g", &format!("seat:g1.{number}"), "pay").await;
        }
        let story = story.restarted().await;
        for number in 3..=4 {
            story.counter("g", &format!("seat:g1.{number}"), "pay").await;
        }
        eventually(async || story.ask("g", "group?group=g1").await["group"]["paid"] == 4).await;
        // Eve never pays: her seat lapses, and the group is completed at its deadline by those who did.
        story.host.pass(60 * MINUTE).await;
        let group = story.ask("g", "group?group=g1").await["group"].clone();
        assert_eq!((&group["state"], &group["price"]), (&json!("tier"), &json!(8_000)));
        for (number, member) in members[..4].iter().enumerate() {
            let key = format!("seat:g1.{}", number + 1);
            eventually(async || story.order(member, "g", &key).await == ("paid".into(), 9_000, 1_000)).await;
        }
        assert_eq!(story.pool().await, (json!(0), json!(4)));
        story.settled("g").await;
    }
}

both! {
    async fn a_seat_that_was_taken_in_time_is_paid_for_in_the_grace(database) {
        let story = Story::begin(database, &["ann", "bob", "cat"], 9, "group-buy").await;
        let mut wish = group_buy(json!({"size": 2, "grace_ms": 20 * MINUTE}));
        wish["ends_at"] = json!(BEGINNING + 30 * MINUTE);
        wish["drain_ms"] = json!(20 * MINUTE);
        story.host.begin(wish).await;
        story.host.pass(25 * MINUTE).await;
        story.act("ann", "g", "open", json!({"sku": "mug"})).await.ok();
        story.act("bob", "g", "join", json!({"sku": "mug", "group": "g1"})).await.ok();
        story.act("cat", "g", "open", json!({"sku": "mug"})).await.ok();
        story.host.pass(10 * MINUTE).await;
        let story = story.restarted().await;
        assert_eq!(story.act("bob", "g", "join", json!({"sku": "mug", "group": "g2"})).await.problem(), (409, "common.ended"));
        for seat in ["g1.1", "g1.2", "g2.1"] {
            story.counter("g", &format!("seat:{seat}"), "pay").await;
        }
        eventually(async || story.ask("g", "group?group=g1").await["group"]["state"] == "full").await;
        story.host.pass(15 * MINUTE).await;
        eventually(async || story.host.get(&format!("{HOME}/activities/g")).await.ok()["state"] == "settled").await;
        eventually(async || story.order("cat", "g", "seat:g2.1").await.2 == 9_000).await;
        assert_eq!((story.order("ann", "g", "seat:g1.1").await.2, story.pool().await), (0, (json!(0), json!(2))));
    }
}

both! {
    async fn a_group_that_fails_pays_everybody_back(database) {
        let story = Story::begin(database, &["ann", "bob", "cat"], 9, "group-buy").await;
        story.host.begin(group_buy(json!({"size": 3}))).await;
        story.act("ann", "g", "open", json!({"sku": "mug"})).await.ok();
        story.act("bob", "g", "join", json!({"sku": "mug"})).await.ok();
        for number in 1..=2 {
            story.counter("g", &format!("seat:g1.{number}"), "pay").await;
        }
        eventually(async || story.ask("g", "group?group=g1").await["group"]["paid"] == 2).await;
        let story = story.restarted().await;
        story.host.pass(60 * MINUTE).await;
        assert_eq!(story.ask("g", "group?group=g1").await["group"]["state"], "expired");
        for (number, member) in [(1, "ann"), (2, "bob")] {
            let key = format!("seat:g1.{number}");
            eventually(async || story.order(member, "g", &key).await == ("refunded".into(), 9_000, 9_000)).await;
        }
        assert_eq!(story.pool().await, (json!(0), json!(0)));
        story.settled("g").await;
    }
}

both! {
    /// Regressions 1, 23, 36 and 39. Worked example 11, with two hundred: one seat is left.
    async fn the_last_seat_goes_to_one_of_two_hundred(database) {
        let names: Vec<String> = (0..200).map(|number| format!("m{number}")).collect();
        let racers: Vec<&str> = names.iter().map(String::as_str).collect();
        let story = Story::begin(database, &racers, 9, "group-buy").await;
        story.host.settle(&["ann", "bob"]).await;
        story.host.begin(group_buy(json!({"size": 3}))).await;
        story.act("ann", "g", "open", json!({"sku": "mug"})).await.ok();
        story.act("bob", "g", "join", json!({"sku": "mug"})).await.ok();
        let join = async |member: &str| {
            let reply = story.act(member, "g", "join", json!({"sku": "mug", "group": "g1"})).await;
            (reply.status.is_success(), reply.code().to_owned())
        };
        let answers = futures_util::future::join_all(racers.iter().map(|member| join(member))).await;
        assert_eq!(answers.iter().filter(|(is_in, _)| *is_in).count(), 1);
        let refused = answers.iter().filter(|(is_in, _)| !*is_in).all(|(_, code)| code == "group-buy.group-full");
        assert!(refused, "{answers:?}");
        assert_eq!(story.ask("g", "group?group=g1").await["group"]["held"], 3);
        story.settled("g").await;
    }
}

both! {
    /// Regression 3: a group of another activity is no group of this one.
    async fn a_group_is_joined_in_its_own_activity(database) {
        let story = Story::begin(database, &["ann", "bob"], 9, "group-buy").await;
        story.host.begin(group_buy(json!({}))).await;
        let mut other = group_buy(json!({}));
        other["id"] = json!("h");
        story.host.begin(other).await;
        story.act("ann", "g", "open", json!({"sku": "mug"})).await.ok();
        let lost = story.act("bob", "h", "join", json!({"sku": "mug", "group": "g1"})).await;
        assert_eq!(lost.problem(), (404, "common.not-found"));
        assert_eq!(story.ask("g", "group?group=g1").await["group"]["held"], 1);
        story.settled("g").await;
        story.settled("h").await;
    }
}

both! {
    async fn a_bargain_ends_in_an_order_that_is_paid(database) {
        let story = Story::begin(database, &["ann", "bob", "cat"], 1, "bargain").await;
        let config = json!({
            "title": "A mug for less", "one_line_benefit": "100 becomes 10", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
            "sku": "mug", "original_price": 10_000, "floor_price": 1_000, "mode": {"fixed": {"cuts": 3}}, "cut_min": 1_000,
            "cut_max": 5_000, "stock_pool": "mugs", "stock_hold": "at-start",
        });
        story.host.begin(json!({"id": "b", "plugin": "bargain", "config": config})).await;
        story.act("ann", "b", "start", json!({})).await.ok();
        let empty = story.act("bob", "b", "start", json!({})).await;
        assert_eq!(empty.problem(), (409, "common.stock-exhausted"));
        story.act("bob", "b", "help", json!({"session": "1-ann"})).await.ok();
        let story = story.restarted().await;
        let cut = story.act("cat", "b", "help", json!({"session": "1-ann"})).await.ok();
        assert_eq!((&cut["output"]["session"]["state"], &cut["output"]["session"]["current"]), (&json!("success"), &json!(1_000)));
        story.act("ann", "b", "order", json!({"session": "1-ann"})).await.ok();
        story.counter("b", "order:1:1-ann", "fail").await;
        eventually(async || story.ask("b", "session?session=1-ann").await["state"] == "success").await;
        story.host.act("ann", "b", "order", "again", json!({"session": "1-ann"})).await.ok();
        story.counter("b", "order:2:1-ann", "pay").await;
        eventually(async || story.ask("b", "session?session=1-ann").await["state"] == "bought").await;
        assert_eq!(story.pool().await, (json!(0), json!(1)));
        story.counter("b", "order:2:1-ann", "pay").await;
        eventually(async || story.order("ann", "b", "order:2:1-ann").await == ("paid".into(), 2_000, 1_000)).await;
        story.settled("b").await;
    }
}

fn flash_sale(changes: Value) -> Value {
    let mut config = json!({
        "title": "Mugs at noon", "one_line_benefit": "Half price", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
        "items": [{"sku": "mug", "sale_price": 5_000, "pool": "mugs", "total": 3}],
        "slots": [{"starts_at": BEGINNING, "ends_at": BEGINNING + 60 * MINUTE}], "pay_window_ms": 5 * MINUTE,
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    json!({"id": "f", "plugin": "flash-sale", "config": config})
}

both! {
    /// Worked example 12, with two hundred: three units, and one lapses.
    async fn three_units_go_to_three_of_two_hundred(database) {
        let names: Vec<String> = (0..200).map(|number| format!("m{number}")).collect();
        let racers: Vec<&str> = names.iter().map(String::as_str).collect();
        let story = Story::begin(database, &racers, 5, "flash-sale").await;
        story.host.begin(flash_sale(json!({}))).await;
        let reserve = async |member: &str| {
            let reply = story.act(member, "f", "reserve", json!({"item": "mug"})).await;
            (reply.status.is_success(), reply.code().to_owned())
        };
        let answers = futures_util::future::join_all(racers.iter().map(|member| reserve(member))).await;
        assert_eq!(answers.iter().filter(|(is_in, _)| *is_in).count(), 3);
        let refused = answers.iter().filter(|(is_in, _)| !*is_in).all(|(_, code)| code == "flash.sold-out");
        assert!(refused, "{answers:?}");
        assert_eq!(story.pool().await, (json!(3), json!(0)));
        let story = story.restarted().await;
        for number in 1..=2 {
            story.counter("f", &format!("order:r{number}"), "pay").await;
        }
        eventually(async || story.pool().await == (json!(1), json!(2))).await;
        story.host.pass(5 * MINUTE).await;
        assert_eq!(story.ask("f", "sale").await["items"][0]["left"], 1, "one lapsed, and is for sale again");
        assert_eq!(story.pool().await, (json!(0), json!(2)));
        story.settled("f").await;
    }
}

both! {
    async fn winners_of_a_draw_buy_and_who_does_not_is_followed_by_another(database) {
        let members = ["ann", "bob", "cat", "dan", "eve"];
        let story = Story::begin(database, &members, 5, "flash-sale").await;
        let draw = json!({"draw": {"enter_until": BEGINNING + 10 * MINUTE, "winners": 2, "buy_window_ms": 5 * MINUTE}});
        story.host.begin(flash_sale(json!({"mode": draw}))).await;
        for member in members {
            story.act(member, "f", "enter", json!({})).await.ok();
        }
        assert_eq!(story.act("ann", "f", "reserve", json!({"item": "mug"})).await.problem(), (409, "flash.not-winner"));
        let story = story.restarted().await;
        story.host.pass(10 * MINUTE).await;
        let winners = async || {
            let mut winners = Vec::new();
            for member in members {
                let token = story.host.token(member).await;
                let path = format!("{HOME}/activities/f/queries/draw");
                let view = story.host.send(Method::GET, &path, &token, None::<&Value>, None).await.ok();
                if view["has_won"] == true {
                    winners.push(member);
                }
            }
            winners
        };
        let first = winners().await;
        assert_eq!(first.len(), 2);
        story.host.act(first[0], "f", "reserve", "mine", json!({"item": "mug"})).await.ok();
        story.counter("f", "order:r1", "pay").await;
        eventually(async || story.pool().await == (json!(0), json!(1))).await;
        // The other lets the time pass.
        story.host.pass(5 * MINUTE).await;
        eventually(async || winners().await.len() == 3).await;
        story.settled("f").await;
    }
}

both! {
    async fn a_page_shows_what_the_queries_say(database) {
        let story = Story::begin(database, &["ann"], 5, "flash-sale").await;
        let own = json!([{"section": "middle", "kind": "testimonial", "text": "A mug for life."}]);
        story.host.begin(flash_sale(json!({"page": own}))).await;
        let page = async || -> Vec<Value> {
            let page = story.host.get(&format!("{HOME}/activities/f/page")).await.ok();
            serde_json::from_value(page).expect("blocks")
        };
        let before = page().await;
        let kinds: Vec<(&str, &str)> =
            before.iter().map(|block| (block["section"].as_str().unwrap_or_default(), block["kind"].as_str().unwrap_or_default())).collect();
        assert_eq!(kinds[..3], [("top", "theme"), ("top", "bait"), ("top", "call-to-action")]);
        assert!(kinds.contains(&("middle", "testimonial")));
        assert_eq!(kinds.last(), Some(&("bottom", "call-to-action")));
        story.act("ann", "f", "reserve", json!({"item": "mug"})).await.ok();
        // Each value is what its query answers at its pointer.
        for block in page().await.iter().filter(|block| block["kind"] == "value") {
            let content = &block["content"];
            let answer = story.ask("f", content["query"].as_str().expect("a query")).await;
            let pointer = content["pointer"].as_str().expect("a pointer");
            assert_eq!(answer.pointer(pointer), Some(&content["value"]), "{content}");
        }
        story.settled("f").await;
    }
}

both! {
    /// What a wheel has drawn, anybody draws again once the seed is told.
    async fn a_wheel_wins_by_odds_that_can_be_checked(database) {
        let members = ["ann", "bob", "cat", "dan"];
        let story = Story::begin(database, &members, 1, "wheel").await;
        let limit = json!({"limit": {"minor": 1_000, "currency": "CNY"}});
        story.host.put(&format!("{HOME}/budgets/treats"), limit).await.ok();
        let wheel = json!({
            "id": "w", "plugin": "wheel", "budget": "treats", "capped_by_budget": true,
            "offers": {"packet": {"title": "x", "kind": "red_packet", "amount_minor": 100}},
            "config": {
                "title": "A wheel", "one_line_benefit": "Spin", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
                "prizes": [{"name": "A packet", "weight": 3, "offer": "packet", "stock": 2}, {"name": "Nothing", "weight": 1}],
                "fallback": {"name": "Nothing"},
            },
        });
        story.host.begin(wheel).await;
        for member in members {
            story.act(member, "w", "spin", json!({})).await.ok();
        }
        let story = story.restarted().await;
        let odds = story.ask("w", "odds").await;
        let won = 2 - odds["prizes"][0]["left"].as_i64().expect("a number");
        assert_eq!(story.host.budget("treats").await["captured"]["minor"], won * 100);
        story.settled("w").await;
        let wish = fairground::Fairness { activity: "town/w".into(), database: database.url.clone() };
        let drawn = fairground::fairness(&wish).await.expect("it is settled");
        assert_eq!((drawn.draws, drawn.unfair.len()), (4, 0));
    }
}
