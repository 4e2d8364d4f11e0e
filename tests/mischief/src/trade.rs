//! Everything that a purse and a shop can be asked for, one action each, as members like it.

use fairground_sdk::{Kind, Line, NotTraded, ORDER_TOPICS, Order, Reservation, prelude::*, refused};

use super::{Config, Mischief, count};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    key: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hold {
    key: String,
    offer: String,
    to: String,
    #[serde(default = "day")]
    ttl: u64,
    /// Of a commission.
    source: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Part {
    key: String,
    minor: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Spend {
    key: String,
    account: String,
    points: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reserve {
    key: String,
    pool: String,
    #[serde(default = "one")]
    quantity: u64,
    #[serde(default = "day")]
    ttl: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Buy {
    key: String,
    sku: String,
    #[serde(default = "one_unit")]
    quantity: u32,
    price: i64,
    #[serde(default = "day")]
    pay_within: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Back {
    key: String,
    order: String,
    minor: i64,
}

fn day() -> u64 {
    86_400_000
}

fn one() -> u64 {
    1
}

fn one_unit() -> u32 {
    1
}

fn traded<T>(done: Result<T, NotTraded>) -> Answer<T> {
    done.map_err(|why| match why {
        NotTraded::Unknown => Problem::new(Kind::NotFound, "common.not-found", "There is no such thing."),
        NotTraded::SoldOut(left) => {
            Problem::new(Kind::InsufficientStock, "common.stock-exhausted", "Too few are left.").with("left", left)
        }
        NotTraded::WrongState => Problem::new(Kind::Conflict, "common.wrong-state", "Not in this state."),
        NotTraded::OverRefund => Problem::new(Kind::Conflict, "mischief.over-refund", "So much was not paid."),
        NotTraded::Mismatch => Problem::new(Kind::Conflict, "common.idempotency-mismatch", "Not as before."),
        NotTraded::BadAmount => Problem::new(Kind::InvalidArgument, "common.invalid-input", "That is no amount."),
    })
}

fn reserved(done: Result<Reservation, NotTraded>) -> Answer<u64> {
    traded(done).map(|made| made.quantity)
}

fn ordered(done: Result<Order, NotTraded>) -> Answer<String> {
    traded(done).map(|order| format!("{:?} {} {}", order.state, order.paid, order.refunded))
}

fn done(done: bool) -> Answer<bool> {
    if done { Ok(true) } else { Err(Problem::new(Kind::Conflict, "common.wrong-state", "It cannot be done now.")) }
}

pub(super) fn trades(blueprint: Blueprint<Mischief>) -> Blueprint<Mischief> {
    rewards(blueprint)
        .action("reserve", "Reserve units", |call, input: Reserve| {
            reserved(call.reserve(&input.key, &input.pool, input.quantity, input.ttl))
        })
        .action("commit", "Sell reserved units", |call, input: Key| reserved(call.commit_reservation(&input.key)))
        .action("unreserve", "Put reserved units back", |call, input: Key| {
            reserved(call.release_reservation(&input.key))
        })
        .action("buy", "Open an order", |call, input: Buy| {
            let line = Line { sku: input.sku, quantity: input.quantity, unit_price: input.price };
            let member = call.actor.clone();
            ordered(call.open_order(&input.key, &member, &[line], input.pay_within))
        })
        .action("cancel", "Close an order", |call, input: Key| ordered(call.cancel_order(&input.key, "mischief")))
        .action("refund", "Pay an order back", |call, input: Back| {
            ordered(call.refund(&input.key, &input.order, input.minor, "mischief"))
        })
        .action("hold-shipping", "Keep an order from being shipped", |call, input: Key| {
            traded(call.hold_fulfilment(&input.key, true))
        })
        .action("deaf", "Break off at every event from now on", |call, _: fairground_sdk::Nothing| {
            call.save("deaf", &true);
            Ok(())
        })
        .action("hear", "Hear again", |call, _: fairground_sdk::Nothing| {
            call.delete("deaf");
            Ok(())
        })
        .action(
            "weekly",
            "Count every Monday and Friday at eight in the evening",
            |call, _: fairground_sdk::Nothing| Ok(call.set_timer_every("weekly", &[1, 5], 20 * 60, "Asia/Shanghai")),
        )
        .action("weekly-no-more", "Stop that", |call, _: fairground_sdk::Nothing| Ok(call.cancel_timer("weekly")))
        .action("draw", "Draw a number and two of five", |call, _: fairground_sdk::Nothing| {
            Ok((call.draw("cut", 1, 6), call.draw_distinct("who", 5, 2)))
        })
        .action("say", "Emit an event", |call, input: Key| {
            call.emit("mischief.done", &input.key, &input.key);
            Ok(())
        })
        .query("heard", "What was heard", |call, _: fairground_sdk::Nothing| {
            Ok(call.load::<Vec<String>>("heard").unwrap_or_default())
        })
        .query("order", "An order", |call, input: Key| {
            Ok(call.order(&input.key).map(|order| format!("{:?} {} {}", order.state, order.paid, order.refunded)))
        })
        .listens(&[ORDER_TOPICS[0], ORDER_TOPICS[1], ORDER_TOPICS[2], ORDER_TOPICS[3], "member.registered"])
}

fn rewards(blueprint: Blueprint<Mischief>) -> Blueprint<Mischief> {
    blueprint
        .action("hold", "Set an offer aside", |call, input: Hold| {
            let Hold { key, offer, to, ttl, source } = input;
            let placed = match source {
                Some(source) => call.hold_commission(&key, &offer, &source, &to, ttl),
                None => call.hold(&key, &offer, &to, ttl),
            };
            placed.map(|hold| hold.cost).map_err(refused)
        })
        .action("capture", "Give what is held", |call, input: Key| done(call.capture(&input.key)))
        .action("capture-part", "Give a part of what is held", |call, input: Part| {
            done(call.capture_part(&input.key, input.minor))
        })
        .action("release", "Put back what is held", |call, input: Key| done(call.release(&input.key, "mischief")))
        .action("revoke", "Take back what was given", |call, input: Key| done(call.revoke(&input.key, "mischief")))
        .action("two", "Give an offer to two at once, or to nobody", |call, input: Hold| {
            let member = call.actor.clone();
            for (place, to) in [(1, &input.to), (2, &member)] {
                call.hold(&format!("{}:{place}", input.key), &input.offer, to, input.ttl).map_err(refused)?;
            }
            Ok(())
        })
        .action("spend", "Spend points", |call, input: Spend| {
            let member = call.actor.clone();
            done(call.spend_points(&input.key, &member, &input.account, input.points, "mischief"))
        })
}

/// Remembers what it heard; breaks off while it is deaf.
pub(super) fn hear(call: &mut Call<Config>, event: &fairground_sdk::HostEvent) -> Answer<()> {
    assert!(call.load::<bool>("deaf").is_none(), "it is deaf");
    count(call);
    let mut heard: Vec<String> = call.load("heard").unwrap_or_default();
    let what = event.order_news().map_or_else(
        || format!("{} {}", event.topic, event.subject),
        |news| format!("{} {} {}", event.topic, news.intent, news.amount_minor),
    );
    heard.push(what);
    // What it heard last: a value has 64 KiB.
    let first = heard.len().saturating_sub(500);
    call.save("heard", &&heard[first..]);
    Ok(())
}
