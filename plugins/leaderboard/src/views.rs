//! What may be asked, and what must hold.

use fairground_sdk::{Block, Page, Ranked, not_found, prelude::*, unless_never};

use crate::{
    config::{Config, Tie},
    payout::rank_as,
    scoring::{Record, records_of},
    season::{Season, State},
};

/// As long as ids are.
const ID_BYTES_MAX: usize = 128;

/// Ranks of one page.
const PAGE: u32 = 50;

/// What one audit recomputes.
const AUDITED: u32 = 250;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopInput {
    /// # From 起始
    /// The first position; 1 is the best. 起始名次，1 為第一。
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100_000_000))]
    from: u64,
    /// # Season 賽季
    /// Its number; null is the newest. 賽季編號；null 為最新。
    #[schemars(range(min = 1, max = 999_999))]
    edition: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RankInput {
    /// # Subject 對象
    /// A member or a group; null is the viewer. 成員或群編號；null 為自己。
    #[schemars(length(min = 1, max = 128))]
    subject: Option<String>,
    /// # Season 賽季
    /// Its number; null is the newest. 賽季編號；null 為最新。
    #[schemars(range(min = 1, max = 999_999))]
    edition: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AroundInput {
    /// # Season 賽季
    /// Its number; null is the newest. 賽季編號；null 為最新。
    #[schemars(range(min = 1, max = 999_999))]
    edition: Option<u32>,
}

fn one() -> u64 {
    1
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Place {
    /// As prizes go by it: equal scores may share one.
    rank: u64,
    /// In the whole order.
    position: u64,
    /// In part, where names are masked.
    subject: String,
    score: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Board {
    edition: u32,
    state: State,
    /// UTC milliseconds.
    starts_at: i64,
    /// UTC milliseconds; none where nothing ends it.
    ends_at: Option<i64>,
    /// How many have scored.
    subjects: u64,
    /// Those who do not want to be listed are left out.
    places: Vec<Place>,
    /// Where the next page begins; none on the last.
    next: Option<u64>,
    /// The hash of all final ranks; none before they are.
    hash: Option<String>,
    /// That keep its prizes back until an operator decides.
    disputes: u32,
}

fn season(call: &Call<Config>, edition: Option<u32>) -> Answer<Season> {
    let season = match edition {
        Some(edition) => Season::load(call, edition),
        None => Season::current(call),
    };
    season.ok_or_else(|| not_found("common.not-found", "There is no such season yet."))
}

fn board(call: &Call<Config>, season: &Season, places: Vec<Place>, next: Option<u64>) -> Board {
    let is_final = !matches!(season.state, State::Open | State::Grace | State::Freezing);
    Board {
        edition: season.edition,
        state: season.state,
        starts_at: season.starts_at,
        ends_at: unless_never(season.ends_at),
        subjects: call.rank_len(&season.board()),
        places,
        next,
        hash: is_final.then(|| season.hash.clone()),
        disputes: season.disputes,
    }
}

/// The first position of a score: found by halves, however many share it.
fn first_of_tie(call: &Call<Config>, board: &str, ranked: &Ranked) -> u64 {
    let has_score = |position: u64| call.ranks(board, position, 1).first().is_some_and(|at| at.score == ranked.score);
    let (mut before, mut first) = (0, ranked.rank);
    while first - before > 1 {
        let middle = before + (first - before) / 2;
        if has_score(middle) { first = middle } else { before = middle }
    }
    first
}

/// Places as the viewer may see them.
fn places(call: &Call<Config>, board: &str, ranks: Vec<Ranked>) -> Vec<Place> {
    let mut tie: Option<(i64, u64)> = None;
    let mut places = Vec::new();
    for ranked in ranks {
        let first = match tie {
            Some((score, first)) if score == ranked.score => first,
            // The tie of the first one may have begun before.
            None => first_of_tie(call, board, &ranked),
            Some(_) => ranked.rank,
        };
        tie = Some((ranked.score, first));
        if ranked.key != call.actor && is_hidden(call, &ranked.key) {
            continue;
        }
        // Dense ranks take a count from the top: there the position is shown.
        let shown = if call.config.tie == Tie::Dense { Tie::UniqueEarliest } else { call.config.tie };
        let rank = rank_as(shown, ranked.rank, first, ranked.rank);
        let is_masked = call.config.visibility.mask_names && ranked.key != call.actor;
        let subject = if is_masked { masked(&ranked.key) } else { ranked.key };
        places.push(Place { rank, position: ranked.rank, subject, score: ranked.score });
    }
    places
}

pub(crate) fn hidden_key(member: &str) -> String {
    format!("hidden/{member}")
}

fn masked(subject: &str) -> String {
    subject.chars().take(2).chain("***".chars()).collect()
}

/// A subject as others may see it; none where it is not listed.
pub(crate) fn shown(call: &Call<Config>, subject: &str) -> Option<String> {
    let is_masked = call.config.visibility.mask_names;
    (!is_hidden(call, subject)).then(|| if is_masked { masked(subject) } else { subject.to_owned() })
}

fn is_hidden(call: &Call<Config>, subject: &str) -> bool {
    call.config.visibility.opt_out && call.load::<bool>(&hidden_key(subject)).is_some()
}

pub(crate) fn top(call: &Call<Config>, input: &TopInput) -> Answer<Board> {
    let season = season(call, input.edition)?;
    let listed = u64::from(call.config.visibility.top);
    let many = (listed + 1).saturating_sub(input.from).min(PAGE.into());
    let ranks = match u32::try_from(many).unwrap_or(PAGE) {
        0 => Vec::new(),
        many => call.ranks(&season.board(), input.from, many),
    };
    let after = input.from + ranks.len() as u64;
    let next = (ranks.len() == PAGE as usize && after <= listed).then_some(after);
    let places = places(call, &season.board(), ranks);
    Ok(board(call, &season, places, next))
}

pub(crate) fn around(call: &Call<Config>, input: &AroundInput) -> Answer<Board> {
    let season = season(call, input.edition)?;
    // A viewer who is nobody in particular has no place.
    let own = Some(&call.actor).filter(|actor| !actor.is_empty());
    let Some(own) = own.and_then(|actor| call.rank(&season.board(), actor)) else {
        return Ok(board(call, &season, Vec::new(), None));
    };
    let each = u64::from(call.config.visibility.around_me);
    let from = own.rank.saturating_sub(each).max(1);
    let many = u32::try_from(own.rank + each + 1 - from).unwrap_or(PAGE);
    let ranks = call.ranks(&season.board(), from, many);
    let places = places(call, &season.board(), ranks);
    Ok(board(call, &season, places, None))
}

pub(crate) fn rank(call: &Call<Config>, input: &RankInput) -> Answer<Option<Place>> {
    let season = season(call, input.edition)?;
    let subject = input.subject.as_ref().unwrap_or(&call.actor);
    let is_id = !subject.is_empty() && subject.len() <= ID_BYTES_MAX && !subject.chars().any(char::is_control);
    let ranked = if is_id { call.rank(&season.board(), subject) } else { None };
    let is_listed = |ranked: &Ranked| *subject == call.actor || ranked.rank <= call.config.visibility.top.into();
    Ok(ranked.filter(is_listed).and_then(|ranked| places(call, &season.board(), vec![ranked]).pop()))
}

pub(crate) fn page(call: &mut Call<Config>) -> Vec<Block> {
    let mut page = Page::of(call, "challenge");
    if let Ok(now) = top(call, &TopInput { from: 1, edition: None }) {
        page = page.live("Until 截止", ("top", "/ends_at"), "utc-ms", now.ends_at).live(
            "On the board 上榜人數",
            ("top", "/subjects"),
            "subjects",
            now.subjects,
        );
        if let Some(first) = now.places.first() {
            page = page.live("First 第一名", ("top", "/places/0/subject"), "", &first.subject);
            page = page.live("With 分數", ("top", "/places/0/score"), "points", first.score);
        }
    }
    page.done()
}

/// L1, L2 and L4 of the newest season.
pub(crate) fn audit(call: &Call<Config>) -> Vec<String> {
    let Some(season) = Season::current(call) else { return Vec::new() };
    let mut broken = Vec::new();
    let board = season.board();
    let records = call.scan::<Record>(&records_of(&season), None, AUDITED);
    for (key, record) in &records {
        let subject = key.rsplit('/').next().unwrap_or_default();
        if call.rank(&board, subject).map(|ranked| ranked.score) != Some(record.parts.iter().sum()) {
            broken.push(format!("L1 {subject}"));
        }
    }
    if records.len() < AUDITED as usize && call.rank_len(&board) != records.len() as u64 {
        broken.push("L1".into());
    }
    let ranks = call.ranks(&board, 1, AUDITED);
    let is_dense = ranks.iter().zip(1..).all(|(ranked, rank): (_, u64)| ranked.rank == rank);
    let is_sorted = ranks
        .windows(2)
        .all(|pair| (-pair[0].score, pair[0].at, &pair[0].key) < (-pair[1].score, pair[1].at, &pair[1].key));
    if !is_dense || !is_sorted {
        broken.push("L2".into());
    }
    if call.config.pool.as_ref().is_some_and(|pool| season.paid.pool > pool.total) {
        broken.push("L4".into());
    }
    broken
}
