//! What members do with each other: coupons, votes, boosts, gifts, boards and swaps.

use fairground_tests::{client::HOME, component, eventually};
use serde_json::{Value, json};

use super::{MINUTE, Story};

const DAY: i64 = 1_440 * MINUTE;

/// An activity that gives points out of a budget.
fn activity(id: &str, plugin: &str, changes: Value) -> Value {
    let mut config = json!({
        "title": "x", "one_line_benefit": "y", "zone": "Asia/Shanghai", "risk": {"cluster_limit": 0},
    });
    let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    fields.extend(changes);
    let points = |points: u32| json!({"title": "x", "kind": "points", "account": "points", "points": points, "unit_cost_micro": 1_000_000});
    json!({
        "id": id, "plugin": plugin, "config": config, "budget": "treats", "capped_by_budget": true,
        "offers": {"ten": points(10), "five": points(5)},
    })
}

async fn code_of(story: &Story<'_>, member: &str, id: &str) -> String {
    story.act(member, id, "get-code", json!({})).await.ok()["output"]["code"].as_str().expect("a code").into()
}

both! {
    async fn friends_are_brought_by_a_code_and_a_return_takes_it_back(database) {
        let story = Story::begin(database, &["ann", "bob", "cat"], 1, "coupon").await;
        story.budget(1_000).await;
        let coupon = json!({"inviter_offer": "ten", "invitee_offer": "five", "qualify": {"first-order": {"min_total": 100}}, "reward_hold_ms": DAY});
        story.host.begin(activity("c", "coupon", coupon)).await;
        let code = code_of(&story, "ann", "c").await;
        for friend in ["bob", "cat"] {
            story.act(friend, "c", "bind", json!({"code": code})).await.ok();
        }
        assert_eq!(story.act("ann", "c", "bind", json!({"code": code})).await.problem(), (403, "referral.self"));
        let story = story.restarted().await;
        for (friend, order) in [("bob", "o1"), ("cat", "o2")] {
            story.tell("member.bought", friend, json!({"order": order, "total_minor": 500})).await;
        }
        eventually(async || story.ask("c", "stats").await["rewarded"] == 2).await;
        assert_eq!(story.host.budget("treats").await["held"]["minor"], 30, "set aside, and not given");
        story.tell("member.returned", "cat", json!({"order": "o2"})).await;
        eventually(async || story.ask("c", "stats").await["clawed_back"] == 1).await;
        story.host.pass(DAY).await;
        eventually(async || story.points("bob").await == 5).await;
        assert_eq!((story.points("ann").await, story.points("cat").await), (10, 0));
        story.settled("c").await;
    }
}

both! {
    async fn a_card_is_filled_by_purchases_and_pays_in_gifts(database) {
        let story = Story::begin(database, &["ann", "bob"], 1, "points-card").await;
        story.budget(1_000).await;
        let card = json!({
            "earn": {"per-amount": {"minor": 1_000}}, "expire_ms": 12 * DAY,
            "gifts": [{"points": 5, "offer": "five"}, {"points": 9, "offer": "ten", "stock": 1}],
        });
        story.host.begin(activity("card", "points-card", card)).await;
        for member in ["ann", "bob"] {
            story.act(member, "card", "open", json!({})).await.ok();
        }
        for (member, order) in [("ann", "o1"), ("ann", "o2"), ("bob", "o3")] {
            story.tell("member.bought", member, json!({"order": order, "sku": "tea", "total_minor": 9_999})).await;
        }
        eventually(async || story.ask("card", "stats").await["earned"] == 27).await;
        story.act("ann", "card", "redeem", json!({"offer": "ten"})).await.ok();
        assert_eq!(story.act("bob", "card", "redeem", json!({"offer": "ten"})).await.problem(), (409, "common.stock-exhausted"));
        let story = story.restarted().await;
        // What was spent is owed, and comes off what is bought next.
        story.tell("member.returned", "ann", json!({"order": "o1", "sku": "tea"})).await;
        story.tell("member.returned", "ann", json!({"order": "o2", "sku": "tea"})).await;
        eventually(async || story.ask("card", "stats").await["reversed"] == 9).await;
        story.tell("member.bought", "ann", json!({"order": "o4", "sku": "tea", "total_minor": 14_000})).await;
        eventually(async || story.ask("card", "stats").await["earned"] == 41).await;
        story.act("ann", "card", "redeem", json!({"offer": "five"})).await.ok();
        let more = story.host.act("ann", "card", "redeem", "more", json!({"offer": "five"})).await;
        assert_eq!(more.problem(), (409, "points-card.not-enough-points"));
        story.host.pass(13 * DAY).await;
        eventually(async || story.ask("card", "stats").await["expired"] == 9).await;
        assert_eq!((story.points("ann").await, story.points("bob").await), (15, 0));
        story.settled("card").await;
    }
}

both! {
    /// Regression 43, with two hundred: one code is left.
    async fn the_last_code_goes_to_one_of_two_hundred(database) {
        let names: Vec<String> = (0..200).map(|number| format!("m{number}")).collect();
        let racers: Vec<&str> = names.iter().map(String::as_str).collect();
        let story = Story::begin(database, &racers, 1, "coupon").await;
        story.budget(1_000).await;
        story.host.post(&format!("{HOME}/stock-pools/codes/codes"), json!({"codes": ["ONLY-ONE"]})).await.ok();
        let giveaway = json!({"giveaway": {"offer": "code", "total": 10}});
        let mut coupon = activity("c", "coupon", giveaway);
        coupon["offers"]["code"] = json!({"title": "x", "kind": "virtual_good", "sku": "codes", "unit_cost_minor": 1});
        story.host.begin(coupon).await;
        let claim = async |member: &str| {
            let reply = story.act(member, "c", "claim", json!({})).await;
            (reply.status.is_success(), reply.code().to_owned())
        };
        let answers = futures_util::future::join_all(racers.iter().map(|member| claim(member))).await;
        assert_eq!(answers.iter().filter(|(is_in, _)| *is_in).count(), 1);
        let refused = answers.iter().filter(|(is_in, _)| !*is_in).all(|(_, code)| code == "common.stock-exhausted");
        assert!(refused, "{answers:?}");
        assert_eq!(story.ask("c", "stats").await["claimed"], 1, "what was refused is not counted");
        story.settled("c").await;
    }
}

both! {
    async fn a_vote_is_hidden_until_its_close_and_goes_to_a_run_off(database) {
        let members = ["ann", "bob", "cat", "dan"];
        let story = Story::begin(database, &members, 1, "vote").await;
        story.budget(1_000).await;
        let vote = json!({
            "options": [{"id": "a", "title": "A"}, {"id": "b", "title": "B"}, {"id": "c", "title": "C"}], "duration_ms": 60 * MINUTE,
            "tie": {"run-off": {"ms": 60 * MINUTE}}, "voter_offer": "five",
        });
        story.host.begin(activity("v", "vote", vote)).await;
        for (member, option) in members.into_iter().zip(["a", "a", "b", "b"]) {
            story.act(member, "v", "vote", json!({"choices": [option]})).await.ok();
        }
        assert_eq!(story.ask("v", "results").await["tallies"], Value::Null);
        let story = story.restarted().await;
        story.host.pass(60 * MINUTE).await;
        eventually(async || story.ask("v", "results").await["state"] == "run-off").await;
        story.act("ann", "v", "vote", json!({"choices": ["b"], "nonce": "for a receipt of it"})).await.ok();
        story.host.pass(60 * MINUTE).await;
        eventually(async || story.ask("v", "results").await["winners"] == json!(["b"])).await;
        assert_eq!(story.points("ann").await, 5, "once in an edition");
        story.settled("v").await;
    }
}

both! {
    /// Regression 13, with two hundred: one help is left.
    async fn the_last_help_is_one_of_two_hundred(database) {
        let names: Vec<String> = (0..200).map(|number| format!("m{number}")).collect();
        let racers: Vec<&str> = names.iter().map(String::as_str).collect();
        let story = Story::begin(database, &racers, 1, "boost").await;
        story.host.settle(&["ann", "bob"]).await;
        story.budget(1_000).await;
        let boost = json!({"mode": {"count": {"goal": 2}}, "owner_offer": "ten", "helper_offer": "five"});
        story.host.begin(activity("b", "boost", boost)).await;
        story.act("ann", "b", "start", json!({})).await.ok();
        story.act("bob", "b", "help", json!({"session": "1-ann"})).await.ok();
        let story = story.restarted().await;
        let help = async |member: &str| {
            let reply = story.act(member, "b", "help", json!({"session": "1-ann"})).await;
            (reply.status.is_success(), reply.code().to_owned())
        };
        let answers = futures_util::future::join_all(racers.iter().map(|member| help(member))).await;
        assert_eq!(answers.iter().filter(|(is_in, _)| *is_in).count(), 1);
        assert!(answers.iter().filter(|(is_in, _)| !*is_in).all(|(_, code)| code == "boost.finished"), "{answers:?}");
        assert_eq!((story.points("ann").await, story.points("bob").await), (10, 5));
        story.settled("b").await;
    }
}

both! {
    /// Regressions 13 and 16: what one member does twenty times at once, each with a key of its own, is done once.
    async fn what_one_member_does_at_once_counts_once(database) {
        let story = Story::begin(database, &["ann", "bob"], 1, "boost").await;
        story.host.load(component("check-in")).await;
        story.budget(1_000).await;
        let boost = json!({"mode": {"count": {"goal": 50}}, "owner_offer": "ten", "helper_offer": "five", "helps_per_pair": 0});
        story.host.begin(activity("b", "boost", boost)).await;
        story.host.begin(activity("d", "check-in", json!({"daily": [{"day": 1, "offer": "five"}]}))).await;
        story.act("ann", "b", "start", json!({})).await.ok();
        let token = story.host.token("bob").await;
        let twenty = async |activity: &str, action: &str, input: Value| {
            let calls = (0..20).map(|number| {
                let (story, token, input, key) = (&story, &token, input.clone(), format!("{action}-{number}"));
                async move { story.host.act_with(token, activity, action, &key, &input).await }
            });
            futures_util::future::join_all(calls).await
        };
        let helps = twenty("b", "help", json!({"session": "1-ann"})).await;
        assert_eq!(helps.iter().filter(|reply| reply.status.is_success()).count(), 1);
        let days = twenty("d", "check-in", json!({})).await;
        let fresh = days.into_iter().filter(|reply| reply.status.is_success() && reply.body["output"]["already"] == false);
        assert_eq!(fresh.count(), 1);
        let me = story.ask_as("bob", "d", "me").await;
        assert_eq!((&me["total"], story.points("bob").await), (&json!(1), 10));
        story.settled("b").await;
        story.settled("d").await;
    }
}

both! {
    async fn a_gift_is_bought_claimed_by_a_link_and_the_rest_is_paid_back(database) {
        let story = Story::begin(database, &["ann", "bob", "cat"], 5, "gift").await;
        story.budget(1_000).await;
        let mut gift = activity("g", "gift", json!({
            "mode": {"gift-link": {"sku": "mug", "price": 8_000, "offer": "unit", "units_per_gift": 2}}, "claim_ttl_ms": 60 * MINUTE,
        }));
        gift["offers"]["unit"] = json!({"title": "A mug", "kind": "physical", "sku": "mugs", "unit_cost_minor": 0});
        story.host.begin(gift).await;
        story.act("ann", "g", "send", json!({})).await.ok();
        assert_eq!(story.pool().await, (json!(2), json!(0)), "set aside with the order");
        story.counter("g", "gift:g1", "pay").await;
        eventually(async || story.ask_as("ann", "g", "gift?gift=g1").await["state"] == "paid").await;
        let story = story.restarted().await;
        let link = story.act("ann", "g", "link", json!({"gift": "g1", "share": 0})).await.ok();
        let token = link["output"]["token"].clone();
        assert_eq!(story.act("ann", "g", "claim", json!({"token": token})).await.problem(), (403, "gift.self-claim"));
        story.act("bob", "g", "claim", json!({"token": token})).await.ok();
        assert_eq!(story.act("cat", "g", "claim", json!({"token": token})).await.problem(), (409, "gift.link-used"));
        story.host.pass(60 * MINUTE).await;
        eventually(async || story.order("ann", "g", "gift:g1").await.2 == 8_000).await;
        assert_eq!(story.pool().await, (json!(0), json!(1)));
        story.settled("g").await;
    }
}

both! {
    /// Worked example 17, on a real host: what a packet may hold is set aside, and what was not drawn is put back.
    async fn packets_sum_to_their_total(database) {
        let names: Vec<String> = (0..10).map(|number| format!("m{number}")).collect();
        let members: Vec<&str> = names.iter().map(String::as_str).collect();
        let story = Story::begin(database, &members, 1, "gift").await;
        story.budget(2_000).await;
        let mode = json!({"red-packet": {"offer": "packet", "total": 1_500, "packets": 10, "min": 1, "max": 500}});
        let mut gift = activity("g", "gift", json!({"mode": mode}));
        gift["offers"]["packet"] = json!({"title": "x", "kind": "random_packet", "max_minor": 500});
        story.host.begin(gift).await;
        let mut sum = 0;
        for member in members {
            sum += story.act(member, "g", "open", json!({})).await.ok()["output"]["amount"].as_i64().expect("an amount");
        }
        let story = story.restarted().await;
        assert_eq!((sum, story.host.budget("treats").await["captured"]["minor"].clone()), (1_500, json!(1_500)));
        story.settled("g").await;
    }
}

both! {
    async fn a_season_is_scored_frozen_and_paid(database) {
        let members = ["ann", "bob", "cat"];
        let story = Story::begin(database, &members, 1, "leaderboard").await;
        story.budget(1_000).await;
        let board = json!({
            "metrics": [{"topic": "tea.drunk", "field": "cups", "weight": 1}], "season": "day", "dispute_ms": 60 * MINUTE,
            "prizes": [{"from": 1, "to": 1, "offer": "ten"}, {"from": 2, "to": 2, "offer": "five"}],
            "pk": {"duration_ms": 10 * MINUTE, "accept_window_ms": 10 * MINUTE},
        });
        story.host.begin(activity("l", "leaderboard", board)).await;
        story.act("ann", "l", "challenge", json!({"to": "bob"})).await.ok();
        story.act("bob", "l", "accept", json!({"duel": "d1"})).await.ok();
        for (member, cups) in [("cat", 1), ("ann", 3), ("bob", 5)] {
            story.tell("tea.drunk", member, json!({"cups": cups})).await;
        }
        eventually(async || story.ask("l", "top").await["subjects"] == 3).await;
        let top = story.ask("l", "top").await;
        assert_eq!((&top["places"][0]["subject"], &top["places"][0]["score"]), (&json!("bob"), &json!(5)));
        let story = story.restarted().await;
        story.host.pass(10 * MINUTE).await;
        eventually(async || story.ask("l", "duel?duel=d1").await["state"] == "won").await;
        story.host.pass(DAY).await;
        eventually(async || story.ask("l", "season-result?edition=1").await["state"] == "settled").await;
        assert_eq!((story.points("bob").await, story.points("ann").await, story.points("cat").await), (10, 5, 0));
        story.settled("l").await;
    }
}

both! {
    /// Worked example 14: what one puts in and loses goes to the others, and no point is lost or made.
    async fn one_of_three_who_does_not_ship_pays_the_others(database) {
        let members = ["ann", "bob", "cat"];
        let story = Story::begin(database, &members, 1, "swap").await;
        story.budget(1_000).await;
        // Points come from somewhere: everybody claims some.
        story.host.load(component("coupon")).await;
        let mut welcome = activity("welcome", "coupon", json!({"giveaway": {"offer": "points", "total": 3}}));
        welcome["offers"]["points"] = json!({"title": "x", "kind": "points", "account": "points", "points": 300, "unit_cost_micro": 1_000_000});
        story.host.begin(welcome).await;
        let swap = json!({
            "categories": ["a", "b", "c"], "deposit": {"account": "points", "points": 300},
            "matching": {"cycles": {"max_len": 3, "run_every_ms": 60 * MINUTE}},
        });
        let mut swap = activity("s", "swap", swap);
        swap["offers"] = json!({});
        story.host.begin(swap).await;
        for (member, category, wants) in [("ann", "a", "c"), ("bob", "b", "a"), ("cat", "c", "b")] {
            story.act(member, "welcome", "claim", json!({})).await.ok();
            let thing = json!({"title": "x", "category": category, "grade": "good", "value": 100, "wants": [wants]});
            story.act(member, "s", "list", thing).await.ok();
        }
        story.host.pass(60 * MINUTE).await;
        eventually(async || story.ask_as("ann", "s", "trade?trade=t1").await["state"] == "proposed").await;
        for member in members {
            story.act(member, "s", "confirm", json!({"trade": "t1"})).await.ok();
        }
        assert_eq!(story.points("ann").await, 0, "her deposit");
        let story = story.restarted().await;
        for member in ["ann", "bob"] {
            story.act(member, "s", "ship", json!({"trade": "t1"})).await.ok();
        }
        story.host.pass(3 * DAY).await;
        eventually(async || story.ask_as("ann", "s", "trade?trade=t1").await["state"] == "unwinding").await;
        for member in ["ann", "bob"] {
            story.act(member, "s", "receive", json!({"trade": "t1"})).await.ok();
        }
        assert_eq!((story.points("ann").await, story.points("bob").await, story.points("cat").await), (450, 450, 0));
        assert_eq!(story.ask_as("cat", "s", "trade?trade=t1").await["state"], "cancelled");
        story.settled("s").await;
        story.settled("welcome").await;
    }
}
