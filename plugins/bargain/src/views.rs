//! What may be asked: exact amounts in minor units, so that nothing is left for a client to compute.

use fairground_sdk::{Block, Page, prelude::*};

use crate::{
    config::Config,
    help::{self, Help},
    session::{self, Session, State},
};

/// Rows of a page of helpers.
const PAGE: u32 = 50;

/// Sessions of one member that are shown: the newest.
const SHOWN: usize = 50;

/// A session as anybody may see it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SessionView {
    session: String,
    owner: String,
    state: State,
    /// Minor units, as the other prices.
    original: i64,
    floor: i64,
    current: i64,
    cut_total: i64,
    cuts: u32,
    /// How many more cuts it takes: at least and at most. The same number twice where cuts are counted.
    cuts_left_min: u64,
    cuts_left_max: u64,
    /// UTC milliseconds: when the cutting ends or, once the price is settled, the time to order and pay.
    deadline: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionInput {
    /// # Session 砍價單
    /// The session's id. 砍價單編號。
    #[schemars(length(min = 1, max = 140))]
    pub session: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HelpersInput {
    /// # Session 砍價單
    /// The session's id. 砍價單編號。
    #[schemars(length(min = 1, max = 140))]
    pub session: String,
    /// # After 上頁末位
    /// The `next` of the page before. 上一頁的 next。
    #[schemars(length(min = 1, max = 140))]
    pub after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct HelperView {
    helper: String,
    /// Whether it is the owner's own first cut.
    is_owner: bool,
    /// Minor units.
    amount: i64,
    /// UTC milliseconds.
    at: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct HelpersView {
    helpers: Vec<HelperView>,
    /// Where the next page starts.
    next: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct CanHelp {
    can: bool,
    /// Why not.
    code: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Mine {
    sessions: Vec<SessionView>,
}

pub(crate) fn session(call: &Call<Config>, session: &Session) -> SessionView {
    let (least, most) = match session.state {
        State::Cutting => call.config.cuts_needed(session.current - session.floor, session.cuts),
        _ => (0, 0),
    };
    let is_late = call.now() >= session.deadline;
    SessionView {
        session: session.id.clone(),
        owner: session.owner.clone(),
        state: match session.state {
            State::Cutting if is_late => State::Expired,
            State::Success | State::Agreed | State::Ordering if is_late => State::Lapsed,
            state => state,
        },
        original: session.original,
        floor: session.floor,
        current: session.current,
        cut_total: session.original - session.current,
        cuts: session.cuts,
        cuts_left_min: least,
        cuts_left_max: most,
        deadline: session.deadline,
    }
}

pub(crate) fn can_help(call: &mut Call<Config>, id: &str) -> Answer<CanHelp> {
    let session = Session::find(call, id)?;
    let code = help::obstacle(call, &session, &call.actor).map(|problem| problem.code.to_owned());
    Ok(CanHelp { can: code.is_none(), code })
}

pub(crate) fn helpers(call: &mut Call<Config>, input: &HelpersInput) -> Answer<HelpersView> {
    let session = Session::find(call, &input.session)?;
    let prefix = help::key(&session, "");
    let after = input.after.as_ref().map(|after| format!("{prefix}{after}"));
    let rows = call.scan::<Help>(&prefix, after.as_deref(), PAGE);
    let is_full = rows.len() == PAGE as usize;
    let helpers: Vec<_> = rows
        .into_iter()
        .map(|(key, help)| {
            let helper = &key[prefix.len()..];
            HelperView { helper: helper.into(), is_owner: helper == session.owner, amount: help.amount, at: help.at }
        })
        .collect();
    let next = if is_full { helpers.last().map(|last| last.helper.clone()) } else { None };
    Ok(HelpersView { helpers, next })
}

pub(crate) fn mine(call: &mut Call<Config>) -> Answer<Mine> {
    let owner = call.actor.clone();
    let begun = call.counter(&format!("sessions/{owner}"));
    let ids = (1..=begun).rev().take(SHOWN).map(|number| session::id(&owner, number));
    let sessions = ids.filter_map(|id| Session::load(call, &id)).map(|found| session(call, &found)).collect();
    Ok(Mine { sessions })
}

pub(crate) fn page(call: &mut Call<Config>) -> Vec<Block> {
    let (least, most) = call.config.helps_needed();
    Page::of(call, "start")
        .live("Original price 原價", ("offer", "/original"), "minor", call.config.original_price)
        .live("Floor price 底價", ("offer", "/floor"), "minor", call.config.floor_price)
        .live("Cuts at least 至少刀數", ("offer", "/cuts_min"), "cuts", least)
        .live("Cuts at most 至多刀數", ("offer", "/cuts_max"), "cuts", most)
        .done()
}

/// What there is to get.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OfferView {
    /// Minor units.
    original: i64,
    /// Minor units.
    floor: i64,
    cuts_min: u64,
    cuts_max: u64,
}

pub(crate) fn offer(call: &Call<Config>) -> OfferView {
    let (cuts_min, cuts_max) = call.config.helps_needed();
    OfferView { original: call.config.original_price, floor: call.config.floor_price, cuts_min, cuts_max }
}
