//! What may be asked, and what must hold.

use std::collections::{BTreeMap, BTreeSet};

use fairground_sdk::{Block, HoldState, Page, prelude::*, unless_never};

use crate::{
    config::{Config, Mode},
    draw,
    help::{self, Help},
    prizes::Stage,
    session::{Session, State},
};

/// Helps, or sessions, of a page.
const PAGE: u32 = 50;

/// What one audit recomputes.
const SESSIONS_MAX: u32 = 100;
const ROWS_MAX: usize = 1_700;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionInput {
    /// # Session 助力單
    /// The session's id. 助力單編號。
    #[schemars(length(min = 1, max = 150))]
    pub session: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HelpersInput {
    /// # Session 助力單
    /// The session's id. 助力單編號。
    #[schemars(length(min = 1, max = 150))]
    session: String,
    /// # After 之後
    /// The number of the last help of the page before. 前一頁最後一次助力的編號。
    #[serde(default)]
    #[schemars(range(max = 999_999_999_999_u64))]
    after: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimInput {
    /// # Session 助力單
    /// The session's id. 助力單編號。
    #[schemars(length(min = 1, max = 150))]
    pub session: String,
    /// # Units 數量
    /// Those of the milestone; 0 is what was waited for. 里程碑的數量；0 為等待完成的獎勵。
    #[schemars(range(max = 1_000_000))]
    pub units: u32,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct PrizeView {
    units: u32,
    offer: String,
    stage: Stage,
    /// UTC milliseconds; none where there is nothing to claim.
    claim_by: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct SessionView {
    session: String,
    owner: String,
    state: State,
    /// Units of all helps that count.
    progress: u32,
    /// Units of those that are final.
    confirmed: u32,
    helps: u32,
    /// Until when it can be helped; of a wait, when that is over. UTC milliseconds; none where nothing ends it.
    deadline: Option<i64>,
    prizes: Vec<PrizeView>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct HelpView {
    number: i64,
    helper: String,
    units: u32,
    stage: help::Stage,
    /// UTC milliseconds.
    at: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Helpers {
    helps: Vec<HelpView>,
    /// For the next page; none on the last.
    after: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct MilestoneView {
    units: u32,
    offer: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Milestones {
    /// None in a wait or a draw.
    milestones: Vec<MilestoneView>,
    /// Sessions in a draw; none elsewhere.
    entrants: Option<u64>,
    /// How often anybody has helped.
    helps: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct CanHelp {
    can: bool,
    /// The code of what is in the way.
    code: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WinnersInput {
    /// # After 上頁末位
    /// The place of the last one of the page before. 上一頁最後的名次。
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    after: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct WinnerView {
    /// In the order of drawing, from 1.
    place: i64,
    session: String,
    owner: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Winners {
    winners: Vec<WinnerView>,
    /// For the next page; none on the last.
    after: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Mine {
    sessions: Vec<SessionView>,
}

pub(crate) fn session(call: &Call<Config>, session: &Session) -> SessionView {
    let is_lapsed = |by: Option<i64>| by.is_some_and(|by| call.now() >= by);
    let prizes = session.prizes.iter().map(|prize| PrizeView {
        units: prize.units,
        offer: prize.offer.clone(),
        stage: if prize.stage == Stage::Held && is_lapsed(prize.claim_by) { Stage::Lapsed } else { prize.stage },
        claim_by: prize.claim_by,
    });
    SessionView {
        session: session.id.clone(),
        owner: session.owner.clone(),
        state: session.state,
        progress: session.counted,
        confirmed: session.confirmed,
        helps: session.helps,
        deadline: unless_never(session.deadline),
        prizes: prizes.collect(),
    }
}

pub(crate) fn helpers(call: &Call<Config>, input: &HelpersInput) -> Answer<Helpers> {
    let session = Session::find(call, &input.session)?;
    let prefix = help::of_session(&session.id);
    let after = format!("{prefix}{:012}", input.after);
    let numbers = call.scan::<i64>(&prefix, Some(&after), PAGE);
    let next = (numbers.len() == PAGE as usize).then(|| numbers.last().map(|(_, number)| *number)).flatten();
    let view = |help: Help| HelpView {
        number: help.number,
        helper: help.helper,
        units: help.units,
        stage: help.stage,
        at: help.at,
    };
    let helps = numbers.into_iter().filter_map(|(_, number)| Help::load(call, number)).map(view).collect();
    Ok(Helpers { helps, after: next })
}

pub(crate) fn milestones(call: &Call<Config>) -> Milestones {
    let milestones = call.config.milestones().into_iter();
    let is_draw = matches!(call.config.mode, Mode::WeightedDraw { .. });
    Milestones {
        milestones: milestones.map(|one| MilestoneView { units: one.units, offer: one.offer }).collect(),
        entrants: is_draw.then(|| draw::LOTTERY.entrants(call)),
        helps: call.counter("helps"),
    }
}

pub(crate) fn can_help(call: &Call<Config>, input: &SessionInput) -> Answer<CanHelp> {
    let session = Session::find(call, &input.session)?;
    let code = help::obstacle(call, &session).map(|problem| problem.code.to_owned());
    Ok(CanHelp { can: code.is_none(), code })
}

/// Anybody can draw them again, from the activity's seed and the entrants.
pub(crate) fn winners(call: &Call<Config>, input: &WinnersInput) -> Winners {
    let after = format!("{}{:09}", draw::WINNERS, input.after);
    let drawn = call.scan::<String>(draw::WINNERS, Some(&after), PAGE);
    let is_full = drawn.len() == PAGE as usize;
    let winners: Vec<WinnerView> = (input.after + 1..)
        .zip(drawn)
        .filter_map(|(place, (_, id))| Some(WinnerView { place, owner: Session::load(call, &id)?.owner, session: id }))
        .collect();
    let after = winners.last().filter(|_| is_full).map(|last| last.place);
    Winners { winners, after }
}

pub(crate) fn mine(call: &Call<Config>) -> Mine {
    let ids = call.scan::<String>(&format!("mine/{}/", call.actor), None, PAGE);
    let found = ids.into_iter().filter_map(|(_, id)| Session::load(call, &id));
    Mine { sessions: found.map(|found| session(call, &found)).collect() }
}

pub(crate) fn page(call: &mut Call<Config>) -> Vec<Block> {
    let now = milestones(call);
    let mut page = Page::of(call, "start").live("Helps 助力次數", ("milestones", "/helps"), "helps", now.helps);
    for milestone in &now.milestones {
        page = page.text(&format!("{}: {}", milestone.units, milestone.offer));
    }
    if let Some(entrants) = now.entrants {
        page = page.live("In the draw 參加抽獎", ("milestones", "/entrants"), "sessions", entrants);
    }
    page.done()
}

/// H1 to H4 of the first sessions and their helps.
pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut room = ROWS_MAX;
    for (_, session) in call.scan::<Session>("session/", None, SESSIONS_MAX) {
        let numbers = call.scan::<i64>(&help::of_session(&session.id), None, 250);
        // A help is read by its number, and its day is asked for; a prize is looked up.
        let Some(left) = room.checked_sub(3 * numbers.len() + session.prizes.len()) else { return broken };
        room = left;
        if numbers.len() == 250 {
            continue;
        }
        let helps: Vec<Help> = numbers.into_iter().filter_map(|(_, number)| Help::load(call, number)).collect();
        broken.extend(broken_rules(call, &session, &helps).into_iter().map(|rule| format!("{rule} {}", session.id)));
    }
    broken
}

fn broken_rules(call: &Call<Config>, session: &Session, helps: &[Help]) -> Vec<&'static str> {
    let sum = |stages: &[help::Stage]| -> u32 {
        helps.iter().filter(|help| stages.contains(&help.stage)).map(|help| help.units).sum()
    };
    let both = [help::Stage::Pending, help::Stage::Confirmed];
    let counts = helps.iter().filter(|help| both.contains(&help.stage));
    let mut times = BTreeMap::<(&str, Option<Day>), u32>::new();
    let mut helpers = BTreeSet::new();
    for help in counts.clone() {
        let (zone, minute) = (&call.config.zone, call.config.day_starts_minute);
        let day = call.config.is_daily().then(|| call.day(help.at, zone, minute));
        *times.entry((&help.helper, day)).or_default() += 1;
        helpers.insert(help.helper.as_str());
    }
    let hold = |prize: &crate::prizes::Prize| call.find_hold(&prize.key(session)).map(|hold| hold.state);
    let prizes = session.prizes.iter().all(|prize| match prize.stage {
        Stage::Given => prize.units <= session.confirmed && !matches!(hold(prize), None | Some(HoldState::Released)),
        // One that was not claimed in time was put back by the host.
        Stage::Held => prize.units <= session.counted && hold(prize) != Some(HoldState::Captured),
        Stage::Ahead | Stage::Missed | Stage::Lapsed => hold(prize).is_none(),
    });
    let waits = match call.config.mode {
        Mode::Accelerate { base_wait_ms, min_wait_ms, .. } => {
            let wait = (session.deadline - session.started_at).unsigned_abs();
            (min_wait_ms..=base_wait_ms).contains(&wait)
        }
        _ => true,
    };
    let rules = [
        ("H1", sum(&both) == session.counted && sum(&[help::Stage::Confirmed]) == session.confirmed),
        ("H1", counts.count() == session.helps as usize),
        ("H2", prizes),
        ("H3", !helpers.contains(session.owner.as_str()) && times.values().all(|times| *times == 1)),
        ("H4", waits),
    ];
    rules.into_iter().filter_map(|(rule, holds)| (!holds).then_some(rule)).collect()
}
