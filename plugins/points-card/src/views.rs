//! What may be asked, and what must hold.

use fairground_sdk::{Block, Nothing, Page, prelude::*};

use crate::{
    Taken,
    card::{Card, given_key, stock_left},
    config::{Config, Giving},
    taken_of,
};

/// Gifts of one member that are shown: the newest.
const SHOWN: u32 = 50;

/// Cards that one audit recomputes, each with the gifts that it was spent on.
const AUDITED: u32 = 50;
const AUDITED_GIFTS: u32 = 30;

#[derive(Serialize, JsonSchema)]
pub(crate) struct CardView {
    /// Points that there are to spend.
    balance: u64,
    earned: u64,
    spent: u64,
    expired: u64,
    /// Taken back with purchases that were paid back.
    reversed: u64,
    /// What was spent before it was to be taken back: it comes off what is earned next.
    owed: u64,
    /// The first to expire first; what lasts until the end is not among them.
    expires: Vec<Lot>,
    gifts: Vec<GiftView>,
}

#[derive(Serialize, JsonSchema)]
struct Lot {
    points: u64,
    /// UTC milliseconds.
    at: i64,
}

#[derive(Serialize, JsonSchema)]
struct GiftView {
    offer: String,
    points: u32,
    /// How many there are yet; none where there is no count.
    left: Option<i64>,
    /// How many points are missing; 0 where there are enough.
    missing: u64,
    /// Whether the viewer has it already; for gifts that are reached.
    is_given: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Mine {
    gifts: Vec<Taken>,
}

/// All cards together, in points and in gifts.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Stats {
    cards: i64,
    earned: i64,
    spent: i64,
    expired: i64,
    reversed: i64,
    given: i64,
}

pub(crate) fn view(call: &Call<Config>, card: &Card) -> CardView {
    let now = call.now();
    let lots = card.lots(call);
    // What is due is as good as gone, should the clock be late.
    let gone: u64 = lots.iter().filter(|(due, _)| *due <= now).map(|(_, points)| points).sum();
    let balance = card.balance() - gone;
    let lasts = call.config.expire_ms == 0;
    let expires = lots.into_iter().filter(|(due, _)| !lasts && *due > now);
    let gifts = call.config.gifts.iter().enumerate().map(|(at, gift)| GiftView {
        offer: gift.offer.clone(),
        points: gift.points,
        left: stock_left(call, at),
        missing: u64::from(gift.points).saturating_sub(balance),
        is_given: card.reached.get(at).is_some_and(|reached| reached.is_given),
    });
    CardView {
        balance,
        earned: card.earned,
        spent: card.spent,
        expired: card.expired + gone,
        reversed: card.reversed,
        owed: card.owed,
        expires: expires.map(|(at, points)| Lot { points, at }).collect(),
        gifts: gifts.collect(),
    }
}

/// The viewer's own; none before it is opened.
pub(crate) fn card(call: &Call<Config>, _: Nothing) -> Answer<Option<CardView>> {
    Ok(Card::load(call, &call.actor).map(|card| view(call, &card)))
}

pub(crate) fn mine(call: &Call<Config>) -> Mine {
    let gifts = call.scan(&taken_of(&call.actor), None, SHOWN);
    Mine { gifts: gifts.into_iter().map(|(_, gift)| gift).collect() }
}

pub(crate) fn stats(call: &Call<Config>) -> Stats {
    let of = |what: &str| call.counter(&format!("n/{what}"));
    let given = (0..call.config.gifts.len()).map(|at| call.counter(&given_key(at)));
    Stats {
        cards: of("cards"),
        earned: of("earned"),
        spent: of("spent"),
        expired: of("expired"),
        reversed: of("reversed"),
        given: given.sum(),
    }
}

pub(crate) fn page(call: &Call<Config>) -> Vec<Block> {
    let now = stats(call);
    let mut page = Page::of(call, if call.config.giving == Giving::Redeem { "redeem" } else { "open" })
        .live("Cards 持卡人數", ("stats", "/cards"), "cards", now.cards)
        .live("Gifts given 已送出禮品", ("stats", "/given"), "gifts", now.given);
    for gift in &call.config.gifts {
        page = page.text(&format!("{}: {} points", gift.offer, gift.points));
    }
    page.done()
}

/// P1 to P4, of the first cards.
pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let mut broken = Vec::new();
    let cards: Vec<Card> = call.scan("card/", None, AUDITED).into_iter().map(|(_, card)| card).collect();
    for card in &cards {
        let gone = card.spent + card.expired + card.reversed;
        let lots: u64 = card.lots(call).into_iter().map(|(_, points)| points).sum();
        if card.earned.checked_sub(gone) != Some(lots) {
            broken.push(format!("P1 {}", card.member));
        }
        let taken: Vec<Taken> =
            call.scan(&taken_of(&card.member), None, AUDITED_GIFTS).into_iter().map(|(_, gift)| gift).collect();
        let is_whole = taken.len() < AUDITED_GIFTS as usize;
        if is_whole && taken.iter().map(|gift| u64::from(gift.points)).sum::<u64>() != card.spent {
            broken.push(format!("P2 {}", card.member));
        }
        if card.owed > 0 && lots > 0 {
            broken.push(format!("P4 {}", card.member));
        }
    }
    for (at, gift) in call.config.gifts.iter().enumerate() {
        if gift.stock.is_some_and(|stock| call.counter(&given_key(at)) > stock.into()) {
            broken.push(format!("P3 {}", gift.offer));
        }
    }
    let sums = stats(call);
    let is_whole = cards.len() < AUDITED as usize;
    let sum = |of: fn(&Card) -> u64| i64::try_from(cards.iter().map(of).sum::<u64>()).unwrap_or(i64::MAX);
    let counted = [sums.earned, sums.spent, sums.expired, sums.reversed];
    let found = [sum(|card| card.earned), sum(|card| card.spent), sum(|card| card.expired), sum(|card| card.reversed)];
    if is_whole && counted != found {
        broken.push(format!("G9 {counted:?} {found:?}"));
    }
    broken
}
