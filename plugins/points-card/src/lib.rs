//! Points card (積分卡): purchases fill a member's card, and what is on it buys gifts or reaches them.

mod card;
mod config;
mod purchase;
#[cfg(test)]
mod tests;
mod views;

use fairground_sdk::{Block, HostEvent, Nothing, Problem, conflict, invalid, not_found, platform, prelude::*};

use card::{COUNT_MAX, Card, EXPIRING, has_stock, tell_gift, use_stock};
use config::{Config, Giving};
use views::CardView;

/// What a card tells of when it expires.
const MESSAGES: u32 = 1;

/// Cards of one call: each is up to 16 lots, of two writes each, and a call may write 500 times.
const CARDS_AT_ONCE: u32 = 12;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RedeemInput {
    /// # Offer 獎勵
    /// The name of the gift's offer. 禮品的獎勵名稱。
    #[schemars(length(min = 1, max = 128))]
    offer: String,
}

/// A gift that was bought.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Taken {
    offer: String,
    /// What it cost.
    points: u32,
    /// UTC milliseconds.
    at: i64,
}

/// What it tells, of all of which members are told as well.
const TOPICS: [&str; 5] =
    ["points-card.opened", "points-card.earned", "points-card.reversed", "points-card.expired", "points-card.given"];

struct PointsCard;

impl Activity for PointsCard {
    type Config = Config;
    const NAME: &'static str = "points-card";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Points card 積分卡";
    const DESCRIPTION: &'static str = "Purchases fill a card, and what is on it buys gifts.";
    const REWARDS: bool = true;

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("open", "Get a card 領卡", |call, _: Nothing| open(call))
            .action("redeem", "Get a gift 兌換禮品", |call, input: RedeemInput| redeem(call, &input.offer))
            .query("card", "Your card 我的積分卡", |call, input: Nothing| views::card(call, input))
            .query("mine", "Gifts you got 已兌換", |call, _: Nothing| Ok(views::mine(call)))
            .query("stats", "How it goes 統計", |call, _: Nothing| Ok(views::stats(call)))
            .emits(&TOPICS)
            .tells(&TOPICS)
            .listens(&[platform::BOUGHT, platform::RETURNED])
            .codes(&["points-card.no-card", "points-card.not-enough-points"])
    }

    fn check(config: &Config, offers: &Offers) -> Result<Report, Vec<Issue>> {
        config.check(offers)
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        purchase::hear(call, event)
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if EXPIRING.rings(key) {
            for member in EXPIRING.take(call, batch(call), due) {
                expire(call, &member, due);
            }
        }
        Ok(())
    }

    /// What is left on the cards ends with the activity.
    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        const CURSOR: &str = "settled-to";
        let last = call.load::<String>(CURSOR);
        let cards = call.scan::<Card>("card/", last.as_deref(), batch(call));
        for (_, card) in &cards {
            expire(call, &card.member, i64::MAX);
        }
        if let Some((key, _)) = cards.last() {
            call.save(CURSOR, key);
        }
        Ok(cards.is_empty())
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(views::page(call))
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(views::audit(call))
    }
}

fairground_sdk::activity!(PointsCard);

/// The actor gets a card; whoever has one keeps it.
fn open(call: &mut Call<Config>) -> Answer<CardView> {
    if let Some(card) = Card::load(call, &call.actor) {
        return Ok(views::view(call, &card));
    }
    // Where gifts are reached, a card is what a member takes part with; where they are bought, each gift is.
    let standing = match call.config.giving {
        Giving::Reach => call.take_part(None, "points-card.open")?,
        Giving::Redeem => call.admit(None, "points-card.open")?,
    };
    let card = Card::open(call, standing);
    card.save(call);
    call.emit("points-card.opened", &card.member, &());
    call.tell("points-card.opened", &card.member, &[]);
    Ok(views::view(call, &card))
}

/// The actor buys a gift with points.
fn redeem(call: &mut Call<Config>, offer: &str) -> Answer<CardView> {
    if call.config.giving != Giving::Redeem {
        return Err(conflict("common.wrong-state", "Gifts are given here when they are reached."));
    }
    let Some(at) = call.config.gifts.iter().position(|gift| gift.offer == offer) else {
        return Err(invalid("common.invalid-input", "There is no gift of this name."));
    };
    let Some(mut card) = Card::load(call, &call.actor) else {
        return Err(not_found("points-card.no-card", "Get a card first."));
    };
    let standing = call.take_part(None, "points-card.redeem")?;
    if !has_stock(call, at) {
        let kind = fairground_sdk::Kind::InsufficientStock;
        return Err(Problem::new(kind, "common.stock-exhausted", "There is nothing left of it."));
    }
    card.expire(call, call.now());
    let points = call.config.gifts[at].points;
    card.spend(call, points.into())?;
    use_stock(call, at, 1);
    let number = call.count("taken", 1, 0, COUNT_MAX).expect("fewer than can be counted");
    call.reward(&format!("taken:{number}"), offer, &card.member, standing)?;
    let taken = Taken { offer: offer.into(), points, at: call.now() };
    // The newest first.
    call.save(&format!("{}{:016}", taken_of(&card.member), COUNT_MAX - number), &taken);
    tell_gift(call, &card.member, offer, points.into());
    card.save(call);
    Ok(views::view(call, &card))
}

fn expire(call: &mut Call<Config>, member: &str, by: i64) {
    if let Some(mut card) = Card::load(call, member) {
        card.expire(call, by);
        card.save(call);
    }
}

/// Cards that one call can see to.
fn batch(call: &Call<Config>) -> u32 {
    call.batch_of(MESSAGES, &["points-card.expired"]).min(CARDS_AT_ONCE)
}

/// The gifts that a member has bought.
fn taken_of(member: &str) -> String {
    format!("taken/{member}/")
}
