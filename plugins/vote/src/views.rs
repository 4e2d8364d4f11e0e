//! What may be asked, and what must hold.

use std::collections::BTreeMap;

use fairground_sdk::{Block, Page, not_found, prelude::*, unless_never};

use crate::{
    ballot::{self, Ballot},
    config::{Config, Secrecy},
    edition::{Edition, State},
};

/// Ballots of a page.
const SHOWN: u32 = 50;

/// What one audit recomputes.
const AUDITED: u32 = 256;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResultsInput {
    /// # Edition 期數
    /// Its number; null is the newest. 期數；null 為最新一期。
    #[schemars(range(min = 1, max = 999_999))]
    edition: Option<u32>,
    /// # Round 輪次
    /// Null is the last. null 為最後一輪。
    #[schemars(range(min = 1, max = 2))]
    round: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MineInput {
    /// # Edition 期數
    /// Its number; null is the newest. 期數；null 為最新一期。
    #[schemars(range(min = 1, max = 999_999))]
    edition: Option<u32>,
    /// # Round 輪次
    /// Null is the last. null 為最後一輪。
    #[schemars(range(min = 1, max = 2))]
    round: Option<u32>,
    /// # After 之後
    /// The last period of the page before; null begins. 前一頁最後一期；null 為從頭。
    #[schemars(length(max = 20), regex(pattern = "^[a-z0-9.-]*$"))]
    after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Tally {
    option: String,
    /// Basis points: 10 000 is a vote of full weight.
    score: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Results {
    edition: u32,
    state: State,
    /// 1, or 2 in a run-off.
    round: u32,
    /// What may be chosen in a run-off.
    run_off: Vec<String>,
    /// UTC milliseconds; none where nothing ends it.
    closes_at: Option<i64>,
    /// The best first; none while it is hidden.
    tallies: Option<Vec<Tally>>,
    /// How many have voted; none while it is hidden.
    voters: Option<i64>,
    winners: Vec<String>,
    has_quorum: bool,
    /// What a verdict came to.
    is_accepted: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct BallotView {
    /// Option and points; none where it is anonymous.
    points: Option<BTreeMap<String, u32>>,
    weight_bps: u32,
    receipt: Option<String>,
    state: ballot::State,
    /// UTC milliseconds.
    at: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Mine {
    ballots: Vec<BallotView>,
    /// For the next page; none on the last.
    after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Proof {
    /// Those of the viewer that count.
    receipts: Vec<String>,
    /// For the next page; none on the last.
    after: Option<String>,
}

/// An edition as of one of its rounds.
fn edition(call: &Call<Config>, number: Option<u32>, round: Option<u32>) -> Answer<Edition> {
    let edition = match number {
        Some(number) => Edition::load(call, number),
        None => Edition::current(call),
    };
    let edition = edition.ok_or_else(|| not_found("common.not-found", "There is no such edition yet."))?;
    let round = round.unwrap_or(edition.round).min(edition.round);
    Ok(Edition { round, ..edition })
}

pub(crate) fn results(call: &Call<Config>, input: &ResultsInput) -> Answer<Results> {
    let edition = edition(call, input.edition, input.round)?;
    let is_shown = call.config.secrecy == Secrecy::Open || edition.state == State::Declared;
    let tallies = || {
        let board = edition.board();
        let first = call.ranks(&board, 1, 250);
        let rest = call.ranks(&board, 251, 250);
        let tally = |ranked: fairground_sdk::Ranked| Tally { option: ranked.key, score: ranked.score };
        first.into_iter().chain(rest).map(tally).collect()
    };
    Ok(Results {
        edition: edition.number,
        state: edition.state,
        round: edition.round,
        run_off: edition.run_off.clone(),
        closes_at: unless_never(edition.closes_at),
        tallies: is_shown.then(tallies),
        voters: is_shown.then(|| call.counter(&edition.voters_key())),
        winners: edition.winners.clone(),
        has_quorum: edition.has_quorum,
        is_accepted: edition.is_accepted,
    })
}

/// Periods and their ballots, and where the next page begins.
type Ballots = (Vec<(String, Ballot)>, Option<String>);

/// A page of the viewer's ballots.
fn ballots(call: &Call<Config>, input: &MineInput) -> Answer<Ballots> {
    let edition = edition(call, input.edition, input.round)?;
    let ballots = ballot::of_member(call, &edition, &call.actor, (input.after.as_deref(), SHOWN));
    let after = (ballots.len() == SHOWN as usize).then(|| ballots.last().map(|(slot, _)| slot.clone())).flatten();
    Ok((ballots, after))
}

pub(crate) fn my_ballot(call: &Call<Config>, input: &MineInput) -> Answer<Mine> {
    let (ballots, after) = ballots(call, input)?;
    let is_told = call.config.secrecy != Secrecy::Anonymous;
    let view = |(_, ballot): (String, Ballot)| BallotView {
        points: is_told.then_some(ballot.points),
        weight_bps: ballot.weight_bps,
        receipt: ballot.receipt,
        state: ballot.state,
        at: ballot.at,
    };
    Ok(Mine { ballots: ballots.into_iter().map(view).collect(), after })
}

pub(crate) fn proof(call: &Call<Config>, input: &MineInput) -> Answer<Proof> {
    let (ballots, after) = ballots(call, input)?;
    let counts = ballots.into_iter().filter(|(_, ballot)| ballot.state == ballot::State::Cast);
    Ok(Proof { receipts: counts.filter_map(|(_, ballot)| ballot.receipt).collect(), after })
}

pub(crate) fn page(call: &mut Call<Config>) -> Vec<Block> {
    let action = match Edition::current(call) {
        Some(edition) if edition.state == State::Collecting => "submit",
        _ => "vote",
    };
    let mut page = Page::of(call, action);
    if let Ok(now) = results(call, &ResultsInput { edition: None, round: None }) {
        page = page.live("State 狀態", ("results", "/state"), "", now.state).live(
            "Until 截止",
            ("results", "/closes_at"),
            "utc-ms",
            now.closes_at,
        );
        if let Some(voters) = now.voters {
            page = page.live("Voters 投票人數", ("results", "/voters"), "members", voters);
        }
        page = page.live("Winners 優勝", ("results", "/winners"), "", now.winners);
    }
    page.done()
}

/// V1, V5 and V6 of the newest edition, of its first ballots.
pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let Some(edition) = Edition::current(call) else { return Vec::new() };
    let mut broken = Vec::new();
    let prefix = format!("ballot/{:06}/{}/", edition.number, edition.round);
    let ballots: Vec<Ballot> = call.scan(&prefix, None, AUDITED).into_iter().map(|(_, ballot)| ballot).collect();
    let mut recount = BTreeMap::<&str, i64>::new();
    let mut voters = std::collections::BTreeSet::new();
    for ballot in ballots.iter().filter(|ballot| ballot.state == ballot::State::Cast) {
        voters.insert(&ballot.member);
        for (option, points) in &ballot.points {
            *recount.entry(option).or_default() += ballot.contribution(*points);
        }
        if ballot.points.len() > call.config.max_choices() {
            broken.push(format!("V5 {}", ballot.member));
        }
    }
    if ballots.len() < AUDITED as usize {
        let tallies = call.ranks(&edition.board(), 1, 250);
        let counted = tallies.iter().all(|tally| recount.get(tally.key.as_str()).copied().unwrap_or(0) == tally.score);
        let is_known = |option: &str| tallies.iter().any(|tally| tally.key == option);
        if !counted || (tallies.len() < 250 && !recount.keys().all(|option| is_known(option))) {
            broken.push("V1".into());
        }
        if i64::try_from(voters.len()) != Ok(call.counter(&edition.voters_key())) {
            broken.push("G9".into());
        }
    }
    if !edition.is_sound(call) {
        broken.push("V6".into());
    }
    broken
}
