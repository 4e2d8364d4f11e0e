//! What members do in trades.

use std::collections::BTreeSet;

use fairground_sdk::{conflict, expired, invalid, limit_reached, not_allowed, prelude::*};

use crate::{
    config::Config,
    listing::Listing,
    reputation::Reputation,
    trade::{LegState, State, Trade, offers_key},
    views::{TradeView, trade_view},
};

/// Codes that may be tried for one leg.
pub(crate) const CODES_MAX: u32 = 5;

/// Offers that a member has open at a time.
const OFFERS_MAX: i64 = 50;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfferInput {
    /// # Yours 我方物品
    /// Ids of your own listings. 自己的刊登編號。
    #[schemars(length(min = 1, max = 5), inner(length(min = 1, max = 20)))]
    mine: Vec<String>,
    /// # Theirs 對方物品
    /// Ids of listings of one other member. 同一位對方的刊登編號。
    #[schemars(length(min = 1, max = 5), inner(length(min = 1, max = 20)))]
    theirs: Vec<String>,
    /// # Top-up 補差
    /// Points that you add; less than 0 asks for them. 我方補給的積分；負數為要求對方補給。
    #[serde(default)]
    #[schemars(range(min = -1_000_000_000, max = 1_000_000_000))]
    top_up: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TradeInput {
    /// # Trade 交易
    /// Its id. 交易編號。
    #[schemars(length(min = 1, max = 20))]
    pub trade: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CounterInput {
    /// # Trade 交易
    /// The offer that this answers. 所回覆的出價編號。
    #[schemars(length(min = 1, max = 20))]
    trade: String,
    /// # Instead 還價
    /// What you would do. 你的條件。
    instead: OfferInput,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShipInput {
    /// # Trade 交易
    /// Its id. 交易編號。
    #[schemars(length(min = 1, max = 20))]
    trade: String,
    /// # Tracking 物流單號
    /// Where to look for it. 可查詢的物流單號。
    #[schemars(length(max = 100), regex(pattern = "^[^\\x00-\\x1f]*$"))]
    tracking: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiveInput {
    /// # Trade 交易
    /// Its id. 交易編號。
    #[schemars(length(min = 1, max = 20))]
    trade: String,
    /// # Keep 接受
    /// It is as it should be: nothing more is to be looked at. 無誤，不再驗收。
    #[serde(default)]
    keep: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeInput {
    /// # Trade 交易
    /// Its id. 交易編號。
    #[schemars(length(min = 1, max = 20))]
    trade: String,
    /// # Code 面交碼
    /// What the receiver tells you. 收貨人告知的代碼。
    #[schemars(length(min = 1, max = 20))]
    code: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisputeInput {
    /// # Trade 交易
    /// Its id. 交易編號。
    #[schemars(length(min = 1, max = 20))]
    trade: String,
    /// # Reason 理由
    /// What is not right. 有何不妥。
    #[schemars(length(min = 1, max = 500), regex(pattern = "^[^\\x00-\\x1f]*$"))]
    reason: String,
    /// # Evidence 佐證
    /// Where it is on the platform: a photo, a chat. 平台上的照片或對話編號。
    #[schemars(length(min = 1, max = 200), regex(pattern = "^[^\\x00-\\x1f]*$"))]
    evidence: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResolveInput {
    /// # Trade 交易
    /// Its id. 交易編號。
    #[schemars(length(min = 1, max = 20))]
    trade: String,
    /// # Settled 視為完成
    /// Otherwise it is unwound. 否則視為取消。
    settled: bool,
    /// # At fault 有過失者
    /// Members who lose their deposits to the others. 保證金歸其他人的成員。
    #[serde(default)]
    #[schemars(length(max = 5), inner(length(min = 1, max = 128)))]
    at_fault: Vec<String>,
}

/// The listings of one owner.
fn listings(call: &Call<Config>, ids: &[String]) -> Answer<Vec<Listing>> {
    let distinct: BTreeSet<&String> = ids.iter().collect();
    if distinct.len() < ids.len() {
        return Err(invalid("common.invalid-input", "Each listing once."));
    }
    let found = ids.iter().map(|id| Listing::find(call, id)).collect::<Answer<Vec<_>>>()?;
    for listing in &found {
        listing.must_be_listed(call.now())?;
        if listing.trade.is_some() {
            return Err(conflict("swap.already-locked", "It is proposed in a circle.").retryable());
        }
    }
    Ok(found)
}

pub(crate) fn offer(call: &mut Call<Config>, input: &OfferInput) -> Answer<TradeView> {
    let (mine, theirs) = (listings(call, &input.mine)?, listings(call, &input.theirs)?);
    let actor = call.actor.clone();
    let other = theirs[0].owner.clone();
    let is_one = |listings: &[Listing], owner: &str| listings.iter().all(|listing| listing.owner == owner);
    if !is_one(&mine, &actor) {
        return Err(not_allowed("common.not-owner", "Offer what is yours."));
    }
    if !is_one(&theirs, &other) || other == actor {
        return Err(invalid("swap.same-party", "Ask for what one other member has."));
    }
    if call.config.risk.is_some() && call.are_one(&actor, &other, "swap.offer") {
        return Err(not_allowed("swap.same-party", "The two of you are one."));
    }
    call.take_part(Some(&other), "swap.offer")?.at_once()?;
    let sum = |listings: &[Listing]| listings.iter().map(|listing| listing.value).sum();
    if !call.config.is_near(sum(&mine), sum(&theirs)) {
        let gap = conflict("swap.value-gap", "One is worth too much more than the other.");
        return Err(gap.with("most_bps", call.config.value_gap_bps));
    }
    Reputation::must_do(call, &actor)?;
    let most = call.config.top_up.as_ref().map_or(0, |top_up| top_up.points);
    if input.top_up.unsigned_abs() > most {
        return Err(limit_reached("swap.top-up-limit", "So much is not added.").with("most", most));
    }
    if call.count(&offers_key(&actor), 1, 0, OFFERS_MAX).is_err() {
        return Err(limit_reached("swap.listing-limit", "Too many of your offers are open.").with("most", OFFERS_MAX));
    }
    let sides = vec![(actor, mine.iter().collect()), (other, theirs.iter().collect())];
    let mut trade = Trade::propose(call, sides, (true, input.top_up));
    trade.confirm(call, 0)?;
    Ok(trade_view(call, &trade))
}

/// A proposal that the actor has not confirmed.
fn proposed(call: &Call<Config>, id: &str) -> Answer<(Trade, usize)> {
    let (trade, side) = Trade::of_actor(call, id)?;
    if trade.state != State::Proposed || call.now() >= trade.deadline {
        return Err(expired("swap.window-passed", "It is not proposed any more."));
    }
    Ok((trade, side))
}

/// Agrees to an offer, or to a circle.
pub(crate) fn confirm(call: &mut Call<Config>, id: &str) -> Answer<TradeView> {
    let (mut trade, side) = proposed(call, id)?;
    call.admit(None, "swap.confirm")?.at_once()?;
    Reputation::must_do(call, &trade.legs[side].from)?;
    trade.confirm(call, side)?;
    Ok(trade_view(call, &trade))
}

pub(crate) fn decline(call: &mut Call<Config>, id: &str) -> Answer<TradeView> {
    let (mut trade, side) = proposed(call, id)?;
    trade.drop_proposal(call, State::Declined, &[side]);
    Ok(trade_view(call, &trade))
}

/// Declines an offer, and makes another one.
pub(crate) fn counter(call: &mut Call<Config>, input: &CounterInput) -> Answer<TradeView> {
    let (mut trade, side) = proposed(call, &input.trade)?;
    if trade.legs.len() > 2 {
        return Err(conflict("common.wrong-state", "A circle is as it is: confirm it, or decline."));
    }
    trade.drop_proposal(call, State::Declined, &[side]);
    offer(call, &input.instead)
}

fn in_transit(call: &Call<Config>, id: &str) -> Answer<(Trade, usize)> {
    let (trade, side) = Trade::of_actor(call, id)?;
    if trade.state != State::InTransit {
        return Err(conflict("common.wrong-state", "Nothing is on its way in this trade."));
    }
    Ok((trade, side))
}

pub(crate) fn ship(call: &mut Call<Config>, input: &ShipInput) -> Answer<TradeView> {
    let (mut trade, side) = Trade::of_actor(call, &input.trade)?;
    // A dispute of others is no reason not to.
    if !matches!(trade.state, State::InTransit | State::Disputed) {
        return Err(conflict("common.wrong-state", "Nothing is to be shipped in this trade."));
    }
    let now = call.now();
    let until = now.saturating_add_unsigned(call.config.dispute_window_ms);
    let leg = &mut trade.legs[side];
    if leg.state != LegState::Awaiting {
        return Err(conflict("common.wrong-state", "You have shipped it."));
    }
    if now >= leg.deadline {
        return Err(expired("swap.window-passed", "The time to ship is over."));
    }
    leg.state = LegState::Shipped;
    leg.deadline = until;
    leg.tracking.clone_from(&input.tracking);
    call.emit("swap.shipped", &trade.id, &trade.legs[side].from);
    let to = trade.legs[side].to.clone();
    call.tell("swap.shipped", &to, &[("trade", trade.id.clone())]);
    trade.look(call);
    Ok(trade_view(call, &trade))
}

/// What a side receives has come; or what it had shipped has come back.
pub(crate) fn receive(call: &mut Call<Config>, input: &ReceiveInput) -> Answer<TradeView> {
    let (mut trade, side) = Trade::of_actor(call, &input.trade)?;
    if trade.state == State::Unwinding {
        if !matches!(trade.legs[side].state, LegState::Shipped | LegState::Delivered | LegState::Accepted) {
            return Err(conflict("common.wrong-state", "Nothing of yours is on its way back."));
        }
        trade.came_back(call, side);
        return Ok(trade_view(call, &trade));
    }
    let (mut trade, side) = in_transit(call, &input.trade)?;
    let until = call.now().saturating_add_unsigned(call.config.inspect_window_ms);
    let place = trade.to_side(side);
    let leg = &mut trade.legs[place];
    match leg.state {
        LegState::Shipped => {
            leg.state = if input.keep { LegState::Accepted } else { LegState::Delivered };
            leg.deadline = until;
        }
        LegState::Delivered if input.keep => leg.state = LegState::Accepted,
        _ => return Err(conflict("common.wrong-state", "Nothing is on its way to you.")),
    }
    call.emit("swap.received", &trade.id, &trade.legs[place].to);
    trade.look(call);
    Ok(trade_view(call, &trade))
}

/// At a meeting whoever gives enters what whoever receives tells them: it was looked at there.
pub(crate) fn enter_code(call: &mut Call<Config>, input: &CodeInput) -> Answer<TradeView> {
    let (mut trade, side) = in_transit(call, &input.trade)?;
    let leg = &mut trade.legs[side];
    if !matches!(leg.state, LegState::Awaiting | LegState::Shipped) || leg.code.is_none() {
        return Err(conflict("common.wrong-state", "There is no code to enter."));
    }
    if call.now() >= leg.deadline {
        return Err(expired("swap.window-passed", "The time is over."));
    }
    if leg.wrong_codes >= CODES_MAX {
        return Err(limit_reached("swap.code-wrong", "Too many codes were wrong: ship it, or let an operator decide."));
    }
    let is_right = leg.code.as_deref() == Some(input.code.as_str());
    if is_right {
        leg.state = LegState::Accepted;
        call.emit("swap.received", &trade.id, &trade.legs[side].to);
    } else {
        // A refused call would leave nothing, and codes could be tried for ever.
        leg.wrong_codes += 1;
    }
    trade.look(call);
    Ok(trade_view(call, &trade))
}

/// What came is not right, or did not come; or something did not come back.
pub(crate) fn dispute(call: &mut Call<Config>, input: &DisputeInput) -> Answer<TradeView> {
    let (mut trade, side) = Trade::of_actor(call, &input.trade)?;
    let received = &trade.legs[trade.to_side(side)];
    let is_open = match trade.state {
        State::InTransit => {
            matches!(received.state, LegState::Shipped | LegState::Delivered) && call.now() < received.deadline
        }
        State::Unwinding => {
            matches!(trade.legs[side].state, LegState::Shipped | LegState::Delivered | LegState::Accepted)
        }
        _ => false,
    };
    if !is_open {
        return Err(conflict("swap.dispute-closed", "There is nothing to dispute now."));
    }
    trade.dispute(call, &input.reason, input.evidence.as_deref());
    Ok(trade_view(call, &trade))
}

pub(crate) fn resolve(call: &mut Call<Config>, input: &ResolveInput) -> Answer<TradeView> {
    let mut trade = Trade::find(call, &input.trade)?;
    if trade.state != State::Disputed {
        return Err(conflict("swap.dispute-closed", "It is not disputed."));
    }
    let mut faults = Vec::new();
    for member in &input.at_fault {
        let stranger = || not_allowed("swap.not-party", "Somebody at fault is no side of it.").with("member", member);
        faults.push(trade.side_of(member).ok_or_else(stranger)?);
    }
    faults.sort_unstable();
    faults.dedup();
    trade.resolve(call, input.settled, &faults);
    Ok(trade_view(call, &trade))
}
