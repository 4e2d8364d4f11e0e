//! Buying: what an order costs, and what comes with it.

use std::collections::BTreeMap;

use fairground_sdk::{Cuts, Line, NotTraded, bps_of, conflict, invalid, limit_reached, not_found, prelude::*};

use crate::{
    config::{Config, Mode, Recipient, Sku, Split},
    gift::{Gift, Share, ShareState, State, UNPAID},
    views::{self, GiftView},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendInput {
    /// # Goods 商品
    /// What is bought; nothing where a gift has its own good. 購買的商品；送禮連結模式免填。
    #[serde(default)]
    #[schemars(length(max = 10))]
    lines: Vec<Wanted>,
    /// # For a friend 送給朋友
    /// Where the buyer may say. 可自選時，贈品是否送給朋友。
    #[serde(default)]
    to_friend: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// # Good 商品
    /// The shop's id of it. 商店中的商品編號。
    #[schemars(length(min = 1, max = 128))]
    sku: String,
    /// # Units 件數
    /// How many. 件數。
    #[schemars(range(min = 1, max = 200))]
    quantity: u32,
}

/// An order on its way.
struct Purchase {
    lines: Vec<Line>,
    repeats: u32,
    /// Units that the buyer gets for less.
    own: u32,
    /// Units that friends get.
    shares: Vec<u32>,
    unit_value: i64,
}

pub(crate) fn send(call: &mut Call<Config>, input: &SendInput) -> Answer<GiftView> {
    call.take_part(None, "gift.send")?.at_once()?;
    let purchase = match call.config.mode.clone() {
        Mode::BuyXGetY { .. } => bundle(call, input)?,
        Mode::GiftLink { sku, price, units_per_gift, split, .. } => {
            if !input.lines.is_empty() {
                return Err(invalid("gift.quantity-rule", "A gift has its own good: name none."));
            }
            let unit_price = price.map_or_else(|| price_of(call, &sku), Ok)?;
            let shares = split_units(call, units_per_gift, split);
            let lines = vec![Line { sku, quantity: units_per_gift, unit_price }];
            Purchase { lines, repeats: 0, own: 0, shares, unit_value: unit_price }
        }
        Mode::InviteGift { .. } | Mode::RedPacket { .. } => {
            return Err(conflict("common.wrong-state", "Nothing is bought here."));
        }
    };
    let number = call.count("gifts", 1, 0, i64::MAX).expect("nobody gives that often");
    let mut first = 0;
    let shares = purchase.shares.iter().map(|units| {
        let share = Share {
            first,
            units: *units,
            state: ShareState::Waiting,
            claimer: None,
            expires_at: None,
            link: None,
            tries: 0,
        };
        first += units;
        share
    });
    let mut gift = Gift {
        id: format!("g{number}"),
        giver: call.actor.clone(),
        state: State::Ordered,
        total: 0,
        unit_value: purchase.unit_value,
        repeats: purchase.repeats,
        pooled: if call.config.stock_pool.is_some() { purchase.own } else { 0 },
        pooled_tries: 0,
        shares: shares.collect(),
    };
    if !count(call, &gift) {
        return Err(limit_reached("gift.round-limit", "You have had all the gifts that you may."));
    }
    gift.set_aside(call)?;
    let window = call.config.pay_window_ms;
    let giver = gift.giver.clone();
    let order = call.open_order(&gift.order(), &giver, &purchase.lines, window).map_err(|why| match why {
        NotTraded::BadAmount => invalid("gift.quantity-rule", "The shop takes no such order."),
        _ => not_found("common.not-found", "The shop does not have this good."),
    })?;
    gift.total = order.total;
    let due = call.now().saturating_add_unsigned(window);
    call.save(&format!("of/{giver}/{:010}", 9_999_999_999 - number), &gift.id);
    if gift.total == 0 {
        gift.paid(call, None);
    } else {
        UNPAID.put(call, due, &gift.id);
        gift.save(call);
    }
    Ok(views::gift(&gift))
}

/// Counts what a member has got in all. False where it would be more than they may.
pub(crate) fn count(call: &mut Call<Config>, gift: &Gift) -> bool {
    match call.config.mode {
        Mode::BuyXGetY { max_per_member, .. } if max_per_member > 0 => {
            call.count(&had_key(&gift.giver), gift.repeats.into(), 0, max_per_member.into()).is_ok()
        }
        _ => true,
    }
}

pub(crate) fn uncount(call: &mut Call<Config>, gift: &Gift) {
    if matches!(call.config.mode, Mode::BuyXGetY { max_per_member: 1.., .. }) {
        call.count(&had_key(&gift.giver), -i64::from(gift.repeats), 0, i64::MAX).expect("it was counted before");
    }
}

pub(crate) fn had_key(giver: &str) -> String {
    format!("had/{giver}")
}

fn price_of(call: &Call<Config>, sku: &str) -> Answer<i64> {
    let unknown = || not_found("common.not-found", "The shop does not have this good.");
    call.sku(sku).map(|(price, _)| price).ok_or_else(unknown)
}

/// Units of each link.
fn split_units(call: &mut Call<Config>, units: u32, split: Split) -> Vec<u32> {
    let Split::Random { shares } = split else { return vec![1; units as usize] };
    let mut cuts = Cuts { left: units.into(), count: shares.into(), min: 1, max: units.into() };
    let mut split = Vec::new();
    while cuts.count > 0 {
        let bounds = cuts.bounds();
        let drawn = call.draw("split", bounds.low.unsigned_abs(), bounds.high.unsigned_abs());
        split.push(u32::try_from(drawn).expect("few units"));
        cuts = Cuts { left: cuts.left - i64::try_from(drawn).expect("few units"), count: cuts.count - 1, ..cuts };
    }
    split
}

/// So many bought, so many for less.
fn bundle(call: &Call<Config>, input: &SendInput) -> Answer<Purchase> {
    let Mode::BuyXGetY { buy, buy_qty, get, get_qty, get_discount_bps, recipient, max_repeats_per_order, .. } =
        call.config.mode.clone()
    else {
        unreachable!("the caller has looked")
    };
    let mut wanted = BTreeMap::<String, u32>::new();
    for Wanted { sku, quantity } in &input.lines {
        if !buy.iter().any(|Sku(known)| known == sku) {
            return Err(not_found("common.not-found", "This good is not part of it.").with("sku", sku));
        }
        *wanted.entry(sku.clone()).or_default() += quantity;
    }
    let bought: u32 = wanted.values().sum();
    // Where the gift is one of those bought, it is bought with them.
    let of_one = if get.is_some() { buy_qty } else { buy_qty + get_qty };
    let repeats = (bought / of_one).min(max_repeats_per_order);
    if repeats == 0 {
        return Err(invalid("gift.quantity-rule", "So many are not enough for a gift.").with("needed", of_one));
    }
    let to_friend = match recipient {
        Recipient::Own => false,
        Recipient::Friend => true,
        Recipient::Either => input.to_friend,
    };
    let units = repeats * get_qty;
    let mut priced = Vec::new();
    for (sku, quantity) in wanted {
        priced.push((price_of(call, &sku)?, sku, quantity));
    }
    let lines = match get {
        Some(Sku(sku)) if !to_friend => {
            let price = price_of(call, &sku)?;
            let mut lines = full(&priced);
            lines.push(Line { unit_price: price - bps_of(price, get_discount_bps), sku, quantity: units });
            lines
        }
        Some(_) => full(&priced),
        None => cheapest(priced, units, get_discount_bps, to_friend),
    };
    let shares = if to_friend { vec![1; units as usize] } else { Vec::new() };
    Ok(Purchase { lines, repeats, own: if to_friend { 0 } else { units }, shares, unit_value: 0 })
}

fn full(priced: &[(i64, String, u32)]) -> Vec<Line> {
    let line = |(price, sku, quantity): &(i64, String, u32)| Line {
        sku: sku.clone(),
        quantity: *quantity,
        unit_price: *price,
    };
    priced.iter().map(line).collect()
}

/// The cheapest units for less; where a friend gets them, they are not in the order.
fn cheapest(mut priced: Vec<(i64, String, u32)>, units: u32, discount_bps: u32, to_friend: bool) -> Vec<Line> {
    priced.sort();
    let mut left = units;
    let mut lines = Vec::new();
    for (price, sku, quantity) in priced {
        let less = quantity.min(left);
        left -= less;
        let unit_price = price - bps_of(price, discount_bps);
        if less > 0 && !to_friend {
            lines.push(Line { sku: sku.clone(), quantity: less, unit_price });
        }
        if quantity > less {
            lines.push(Line { sku, quantity: quantity - less, unit_price: price });
        }
    }
    lines
}
