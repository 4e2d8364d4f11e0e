//! What may be asked, and what must hold.

use std::collections::BTreeSet;

use fairground_sdk::{Block, Page, invalid, prelude::*};

use crate::{
    config::Config,
    listing::{self, Grade, LIVE, Listing, of_member, shelf},
    reputation::Reputation,
    trade::{self, Leg, LegState, State, Trade},
};

const PAGE: u32 = 50;

/// What one audit recomputes.
const TRADES_MAX: u32 = 100;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BrowseInput {
    /// # Category 類別
    /// One of the activity's; null looks through all. 活動的類別之一；null 為全部。
    #[schemars(length(min = 1, max = 40))]
    category: Option<String>,
    /// # Grade 成色
    /// At least. 不低於此成色。
    grade: Option<Grade>,
    /// # Value from 估值下限
    /// Minor units. 最小貨幣單位。
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
    value_from: Option<i64>,
    /// # Value to 估值上限
    /// Minor units. 最小貨幣單位。
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
    value_to: Option<i64>,
    /// # Title 標題
    /// A part of it. 標題中的文字。
    #[schemars(length(min = 1, max = 100))]
    title: Option<String>,
    /// # Owner 物主
    /// Whose it is. 誰的物品。
    #[schemars(length(min = 1, max = 128))]
    owner: Option<String>,
    /// # After 之後
    /// The last listing of the page before; null begins. 前一頁最後一筆；null 為從頭。
    #[schemars(length(min = 1, max = 20))]
    after: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberInput {
    /// # Member 成員
    /// Null is the viewer. null 為自己。
    #[schemars(length(min = 1, max = 128))]
    member: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ListingView {
    listing: String,
    owner: String,
    category: String,
    grade: Grade,
    title: String,
    /// Minor units.
    value: i64,
    wants: Vec<String>,
    state: listing::State,
    /// UTC milliseconds.
    expires_at: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Listings {
    listings: Vec<ListingView>,
    /// For the next page, of which some may not fit either; none on the last.
    after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct LegView {
    from: String,
    to: String,
    listings: Vec<String>,
    state: LegState,
    /// UTC milliseconds; 0 before it is locked.
    deadline: i64,
    tracking: Option<String>,
    is_confirmed: bool,
    /// For the receiver alone.
    code: Option<String>,
    codes_left: u32,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct TradeView {
    trade: String,
    state: State,
    legs: Vec<LegView>,
    /// Points that the first side adds; less than 0 where the second does.
    top_up: i64,
    /// UTC milliseconds.
    deadline: i64,
    /// Of a dispute.
    reason: Option<String>,
    evidence: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Mine {
    listings: Vec<ListingView>,
    /// The newest first.
    trades: Vec<TradeView>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ReputationView {
    settled: i64,
    faults: i64,
    score: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Stats {
    listings: i64,
    trades: i64,
}

pub(crate) fn view(listing: &Listing) -> ListingView {
    ListingView {
        listing: listing.id(),
        owner: listing.owner.clone(),
        category: listing.category.clone(),
        grade: listing.grade,
        title: listing.title.clone(),
        value: listing.value,
        wants: listing.wants.clone(),
        state: listing.state,
        expires_at: listing.expires_at,
    }
}

pub(crate) fn trade_view(call: &Call<Config>, trade: &Trade) -> TradeView {
    let leg = |leg: &Leg| LegView {
        from: leg.from.clone(),
        to: leg.to.clone(),
        listings: leg.listings.iter().map(|number| format!("l{number}")).collect(),
        state: leg.state,
        deadline: leg.deadline,
        tracking: leg.tracking.clone(),
        is_confirmed: leg.is_confirmed,
        code: leg.code.clone().filter(|_| leg.to == call.actor),
        codes_left: crate::steps::CODES_MAX.saturating_sub(leg.wrong_codes),
    };
    TradeView {
        trade: trade.id.clone(),
        state: trade.state,
        legs: trade.legs.iter().map(leg).collect(),
        top_up: trade.top_up,
        deadline: trade.deadline,
        reason: trade.reason.clone(),
        evidence: trade.evidence.clone(),
    }
}

pub(crate) fn browse(call: &Call<Config>, input: &BrowseInput) -> Answer<Listings> {
    if input.category.as_ref().is_some_and(|category| !call.config.categories.contains(category)) {
        return Err(invalid("common.invalid-input", "There is no such category."));
    }
    let prefix = input.category.as_deref().map_or_else(|| LIVE.to_owned(), shelf);
    let after = match &input.after {
        Some(id) => Some(format!("{prefix}{:010}", Listing::find(call, id)?.number)),
        None => None,
    };
    let numbers = call.scan::<u32>(&prefix, after.as_deref(), PAGE);
    let next =
        (numbers.len() == PAGE as usize).then(|| numbers.last().map(|(_, number)| format!("l{number}"))).flatten();
    let now = call.now();
    let found = numbers.into_iter().filter_map(|(_, number)| Listing::load(call, number));
    let fits = |found: &Listing| found.is_listed(now) && input.fits(found);
    Ok(Listings { listings: found.filter(fits).map(|found| view(&found)).collect(), after: next })
}

impl BrowseInput {
    fn fits(&self, listing: &Listing) -> bool {
        let title = || listing.title.to_ascii_lowercase();
        self.grade.is_none_or(|least| listing.grade <= least)
            && self.value_from.is_none_or(|from| listing.value >= from)
            && self.value_to.is_none_or(|to| listing.value <= to)
            && self.owner.as_ref().is_none_or(|owner| listing.owner == *owner)
            && self.title.as_ref().is_none_or(|part| title().contains(&part.to_ascii_lowercase()))
    }
}

/// Listings of others that would take the viewer's, and that it would take: the first of each category that it wants.
pub(crate) fn matches(call: &Call<Config>, id: &str) -> Answer<Listings> {
    let own = Listing::own(call, id)?;
    let now = call.now();
    let mut found = Vec::new();
    for want in own.wants.iter().take(10) {
        let numbers: Vec<u32> = match Listing::find(call, want) {
            Ok(listing) => vec![listing.number],
            Err(_) => call.scan::<u32>(&shelf(want), None, PAGE).into_iter().map(|(_, number)| number).collect(),
        };
        let others = numbers.into_iter().filter_map(|number| Listing::load(call, number));
        let wants_own = |other: &Listing| other.wants.iter().any(|want| *want == own.category || *want == own.id());
        let fits = |other: &Listing| {
            let suits = own.suits(other, &call.config) && other.suits(&own, &call.config);
            other.is_listed(now) && wants_own(other) && suits
        };
        found.extend(others.filter(fits));
    }
    Ok(Listings { listings: found.iter().take(PAGE as usize).map(view).collect(), after: None })
}

pub(crate) fn mine(call: &Call<Config>) -> Mine {
    let numbers = call.scan::<u32>(&of_member(&call.actor), None, 100);
    let listings = numbers.into_iter().filter_map(|(_, number)| Listing::load(call, number));
    let ids = call.scan::<String>(&trade::of_member(&call.actor), None, PAGE / 2);
    let trades = ids.into_iter().filter_map(|(_, id)| Trade::load(call, &id));
    Mine {
        listings: listings.map(|listing| view(&listing)).collect(),
        trades: trades.map(|trade| trade_view(call, &trade)).collect(),
    }
}

pub(crate) fn reputation(call: &Call<Config>, input: &MemberInput) -> ReputationView {
    let found = Reputation::load(call, input.member.as_ref().unwrap_or(&call.actor));
    ReputationView { settled: found.settled, faults: found.faults, score: found.score() }
}

pub(crate) fn stats(call: &Call<Config>) -> Stats {
    Stats { listings: call.counter("listings"), trades: call.counter("trades") }
}

pub(crate) fn page(call: &mut Call<Config>) -> Vec<Block> {
    let now = stats(call);
    Page::of(call, "list")
        .live("Listed so far 累計刊登", ("stats", "/listings"), "listings", now.listings)
        .live("Trades so far 累計交易", ("stats", "/trades"), "trades", now.trades)
        .done()
}

/// S1 to S3, S5 and S9, of the first trades.
pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut locked = BTreeSet::new();
    for (_, trade) in call.scan::<Trade>("trade/", None, TRADES_MAX) {
        broken.extend(broken_rules(call, &trade, &mut locked).into_iter().map(|rule| format!("{rule} {}", trade.id)));
    }
    broken
}

fn broken_rules(call: &Call<Config>, trade: &Trade, locked: &mut BTreeSet<u32>) -> Vec<&'static str> {
    let is_locked = matches!(trade.state, State::InTransit | State::Disputed | State::Unwinding);
    let numbers = || trade.legs.iter().flat_map(|leg| leg.listings.iter().copied());
    let state = |number: u32| Listing::load(call, number).map(|listing| (listing.state, listing.trade));
    let is_its_own = |number: u32| state(number) == Some((listing::State::Locked, Some(trade.id.clone())));
    let is_gone = |number: u32| state(number).is_some_and(|(state, _)| state == listing::State::Exchanged);
    let givers: BTreeSet<&String> = trade.legs.iter().map(|leg| &leg.from).collect();
    let takers: BTreeSet<&String> = trade.legs.iter().map(|leg| &leg.to).collect();
    let is_settled = trade.state == State::Settled;
    let all_accepted = trade.legs.iter().all(|leg| leg.state == LegState::Accepted);
    let is_deposited = trade.legs.iter().any(|leg| leg.is_deposited);
    let rules = [
        ("S1", !is_locked || numbers().all(|number| is_its_own(number) && locked.insert(number))),
        ("S2", givers == takers && givers.len() == trade.legs.len()),
        ("S3", !is_settled || all_accepted),
        ("S4", trade.is_open() || !is_deposited),
        ("S5", trade.is_open() || !trade.is_topped_up),
        ("S9", !is_settled || numbers().all(is_gone)),
    ];
    rules.into_iter().filter_map(|(rule, holds)| (!holds).then_some(rule)).collect()
}
