//! Ballots: cast, replaced, withdrawn or voided.

use fairground_sdk::{Queue, conflict, invalid, limit_reached, not_allowed, not_found, prelude::*, unless_exhausted};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::{Config, Electorate, Method, Period, Secrecy},
    edition::{Edition, must_be_open},
    options,
};

/// The only period of a vote that is not daily.
const ONCE: &str = "once";

/// Writes of one call that takes ballots out: it may write 500 times.
const WRITES_AT_ONCE: u32 = 400;

/// Members of whom more ballots are to be voided.
pub(crate) const VOIDS: Queue<'static> = Queue("void");

/// Weight of a vote whose tier has none of its own, in basis points.
const WHOLE_BPS: u32 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Cast,
    Withdrawn,
    Voided,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ballot {
    pub member: String,
    /// Option → points.
    pub points: BTreeMap<String, u32>,
    pub weight_bps: u32,
    pub at: i64,
    /// None where the voter gave no nonce.
    pub receipt: Option<String>,
    pub state: State,
}

/// How a member has voted in a round.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Voter {
    day: Day,
    today: u32,
    /// Ballots that count.
    live: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VoteInput {
    /// # Choices 選擇
    /// Ids of options; with ranks, the best first. 選項編號；排名投票時最佳者在前。
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 1, max = 40)))]
    choices: Vec<String>,
    /// # Scores 評分
    /// Option and points, where options get points. 評分投票時各選項的分數。
    #[serde(default)]
    scores: BTreeMap<String, u32>,
    /// # Nonce 隨機碼
    /// Anything that nobody can guess, to make a receipt of; null makes none. 他人猜不到的字串，用以產生收據；null 為不要收據。
    #[schemars(length(min = 16, max = 64))]
    nonce: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VoidInput {
    /// # Member 成員
    /// Whose ballots of this round do not count. 此成員本輪選票作廢。
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
    pub member: String,
    /// # Reason 原因
    /// For people. 供人閱讀。
    #[schemars(length(min = 1, max = 200))]
    pub reason: String,
    /// # One ballot 單張選票
    /// Only this one of a daily vote, the second of a day being `2026-01-05.01`; null voids all of the round. 僅作廢每日投票中的此張；null 為本輪全部。
    #[schemars(length(min = 1, max = 16), regex(pattern = "^[0-9.-]+$"))]
    pub ballot: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Receipt {
    edition: u32,
    round: u32,
    /// The hash under which `vote.voted` told of this ballot: SHA-256 of the nonce and of the points, a line for each option.
    receipt: Option<String>,
    /// Whether the voter's reward is given or set aside.
    is_rewarded: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Voided {
    voided: u32,
    /// False where there are more: they follow.
    is_all: bool,
}

/// What `vote.voided` tells.
#[derive(Serialize)]
struct VoidedTold<'a> {
    voided: u32,
    /// The operator's; empty where the account was closed, or where more follow of what was too much for one call.
    reason: &'a str,
}

/// What `vote.voted` tells; who and what only where that is open.
#[derive(Serialize)]
struct Told<'a> {
    weight_bps: u32,
    member: Option<&'a str>,
    points: Option<&'a BTreeMap<String, u32>>,
}

pub(crate) fn vote(call: &mut Call<Config>, mut input: VoteInput) -> Answer<Receipt> {
    let edition = must_be_open(call)?;
    let member = call.actor.clone();
    let standing = call.admit(None, "vote.vote")?;
    must_be_elector(call, &edition, &member)?;
    let nonce = input.nonce.take();
    let points = points_of(call, &edition, input)?;
    let slot = take_slot(call, &edition, &member)?;
    let key = ballot_key(&edition, &member, &slot);
    let before = call.load::<Ballot>(&key);
    // What an operator has voided is not cast again.
    if before.as_ref().is_some_and(|before| before.state == State::Voided || !call.config.revote) {
        return Err(conflict("vote.already-voted", "You have voted."));
    }
    if before.is_none() {
        call.count_part()?;
    }
    let receipt = nonce.map(|nonce| receipt(&nonce, &points));
    let weight_bps = weight(call, &member);
    let at = call.now();
    let ballot = Ballot { member, points, weight_bps, at, receipt: receipt.clone(), state: State::Cast };
    recount(call, &edition, before.as_ref(), Some(&ballot));
    call.save(&key, &ballot);
    call.save(&live_key(&edition, &ballot.member, &slot), &slot);
    let is_open = call.config.secrecy == Secrecy::Open;
    let told = Told {
        weight_bps,
        member: is_open.then_some(ballot.member.as_str()),
        points: is_open.then_some(&ballot.points),
    };
    let subject = receipt.clone().unwrap_or_else(|| edition.number.to_string());
    call.emit("vote.voted", &subject, &told);
    // Of an anonymous vote nothing outside of it names both.
    let shown = receipt.clone().filter(|_| call.config.secrecy != Secrecy::Anonymous);
    call.tell("vote.voted", &ballot.member, &[("receipt", shown.unwrap_or_default())]);
    let is_rewarded = match call.config.voter_offer.clone() {
        Some(offer) => {
            let key = reward_key(call, &edition, &ballot.member);
            unless_exhausted(call.reward(&key, &offer, &ballot.member, standing))?.is_some()
        }
        None => false,
    };
    Ok(Receipt { edition: edition.number, round: edition.round, receipt, is_rewarded })
}

/// Points by option, as the method says; or what is wrong with the choices.
fn points_of(call: &Call<Config>, edition: &Edition, input: VoteInput) -> Answer<BTreeMap<String, u32>> {
    let VoteInput { choices, scores, .. } = input;
    let config = &call.config;
    let count = |many: usize| {
        let most = config.max_choices();
        let there_are = u32::try_from(options::count(call, edition)).unwrap_or(u32::MAX);
        let least = config.min_choices.min(if edition.run_off.is_empty() { there_are } else { 1 });
        if (least as usize..=most).contains(&many) {
            return Ok(());
        }
        Err(invalid("vote.choice-count", "So many choices make no ballot.").with("least", least).with("most", most))
    };
    let points = match config.method {
        Method::Score { max, .. } => {
            if !choices.is_empty() || scores.values().any(|score| *score > max) {
                return Err(invalid("vote.choice-count", "Give points to options.").with("most_points", max));
            }
            count(scores.len())?;
            scores
        }
        _ if !scores.is_empty() => return Err(invalid("vote.choice-count", "Name options; they get no points here.")),
        method => {
            count(choices.len())?;
            let distinct: BTreeSet<&String> = choices.iter().collect();
            if distinct.len() < choices.len() {
                return Err(invalid("vote.choice-count", "Each option once."));
            }
            let ranks = if let Method::Borda { ranks } = method { ranks } else { 1 };
            let is_ranked = matches!(method, Method::Borda { .. });
            let points = |place: u32| if is_ranked { ranks - place } else { 1 };
            choices.into_iter().zip(0..).map(|(option, place)| (option, points(place))).collect()
        }
    };
    match points.keys().find(|option| !options::is_choice(call, edition, option)) {
        Some(unknown) => Err(not_found("vote.unknown-option", "There is no such option.").with("option", unknown)),
        None => Ok(points),
    }
}

fn must_be_elector(call: &Call<Config>, edition: &Edition, member: &str) -> Answer<()> {
    if call.config.electorate == Electorate::AtVote {
        return Ok(());
    }
    let was_there = call.member(member).is_some_and(|member| member.registered_at < edition.opened_at);
    if was_there { Ok(()) } else { Err(not_allowed("vote.not-in-electorate", "You came after the vote had opened.")) }
}

fn weight(call: &Call<Config>, member: &str) -> u32 {
    if call.config.weights.is_empty() {
        return WHOLE_BPS;
    }
    let tier = call.member(member).map(|member| member.tier).unwrap_or_default();
    call.config.weights.get(&tier).map_or(WHOLE_BPS, |weight| weight.0)
}

/// Where the ballot lies: the only one of its period, or one of today's.
fn take_slot(call: &mut Call<Config>, edition: &Edition, member: &str) -> Answer<String> {
    let Period::Daily { votes } = call.config.period else { return Ok(ONCE.into()) };
    let day = call.today();
    let key = voter_key(edition, member);
    let voter = call.load::<Voter>(&key).unwrap_or(Voter { day, today: 0, live: 0 });
    let today = if voter.day == day { voter.today } else { 0 };
    if today >= votes {
        return Err(limit_reached("vote.daily-limit", "You have voted enough for today."));
    }
    call.save(&key, &Voter { day, today: today + 1, live: voter.live });
    Ok(format!("{day}.{today:02}"))
}

impl Ballot {
    /// Points in basis points.
    pub(crate) fn contribution(&self, points: u32) -> i64 {
        i64::from(points) * i64::from(self.weight_bps)
    }
}

/// Moves the tallies from one ballot of a member to another. An option whose score stays keeps the time at which it reached it.
fn recount(call: &mut Call<Config>, edition: &Edition, from: Option<&Ballot>, to: Option<&Ballot>) {
    let from = from.filter(|ballot| ballot.state == State::Cast);
    let mut changes = BTreeMap::<&str, i64>::new();
    for (ballot, sign) in [(from, -1), (to, 1)] {
        for (ballot, (option, points)) in
            ballot.into_iter().flat_map(|ballot| ballot.points.iter().map(move |it| (ballot, it)))
        {
            *changes.entry(option).or_default() += sign * ballot.contribution(*points);
        }
    }
    let (board, now) = (edition.board(), call.now());
    for (option, change) in changes {
        let ranked = call.rank(&board, option);
        if change != 0 || ranked.is_none() {
            call.rank_put(&board, option, ranked.map_or(0, |ranked| ranked.score) + change, now);
        }
    }
    match (from, to) {
        (None, Some(to)) => count_live(call, edition, &to.member, 1),
        (Some(from), None) => count_live(call, edition, &from.member, -1),
        _ => {}
    }
}

/// Whoever has a ballot that counts is a voter.
fn count_live(call: &mut Call<Config>, edition: &Edition, member: &str, change: i32) {
    let (key, day) = (voter_key(edition, member), call.today());
    let voter = call.load::<Voter>(&key).unwrap_or(Voter { day, today: 0, live: 0 });
    let live = voter.live.saturating_add_signed(change);
    let voters = i64::from(live > 0) - i64::from(voter.live > 0);
    call.count(&edition.voters_key(), voters, 0, i64::MAX).expect("each voter is counted once");
    call.save(&key, &Voter { live, ..voter });
}

/// Ballots of a member in an edition's round, by period, after one of them.
pub(crate) fn of_member(
    call: &Call<Config>,
    edition: &Edition,
    member: &str,
    (after, most): (Option<&str>, u32),
) -> Vec<(String, Ballot)> {
    let prefix = ballots_of(edition, member);
    let after = after.map(|slot| format!("{prefix}{slot}"));
    let rows = call.scan::<Ballot>(&prefix, after.as_deref(), most).into_iter();
    rows.map(|(key, ballot)| (key.strip_prefix(&prefix).unwrap_or_default().to_owned(), ballot)).collect()
}

pub(crate) fn withdraw(call: &mut Call<Config>) -> Answer<Voided> {
    let edition = must_be_open(call)?;
    if !call.config.revote {
        return Err(conflict("vote.no-revote", "What is cast stays cast."));
    }
    let member = call.actor.clone();
    let voided = take_out(call, &edition, &member, State::Withdrawn);
    if voided.voided == 0 {
        return Err(not_found("common.not-found", "You have not voted."));
    }
    Ok(voided)
}

/// An operator takes out what a member has cast in this round.
pub(crate) fn void(call: &mut Call<Config>, input: &VoidInput) -> Answer<Voided> {
    let edition = must_be_open(call)?;
    match &input.ballot {
        Some(slot) => void_one(call, &edition, &input.member, (slot, &input.reason)),
        None => Ok(void_all(call, &edition, &input.member, &input.reason)),
    }
}

/// Whoever has left the community votes no longer.
pub(crate) fn left(call: &mut Call<Config>, member: &str) {
    if let Ok(edition) = must_be_open(call) {
        void_all(call, &edition, member, "");
    }
}

/// Goes on where one call was not enough.
pub(crate) fn void_more(call: &mut Call<Config>, due: i64) {
    for member in VOIDS.take(call, 1, due) {
        left(call, &member);
    }
}

fn void_one(call: &mut Call<Config>, edition: &Edition, member: &str, (slot, reason): (&str, &str)) -> Answer<Voided> {
    if !call.delete(&live_key(edition, member, slot)) {
        return Err(not_found("common.not-found", "No such ballot of theirs counts."));
    }
    take_out_one(call, edition, &ballot_key(edition, member, slot), State::Voided);
    take_back(call, edition, member);
    tell_voided(call, edition, member, (1, reason));
    Ok(Voided { voided: 1, is_all: true })
}

fn tell_voided(call: &mut Call<Config>, edition: &Edition, member: &str, (voided, reason): (u32, &str)) {
    call.emit("vote.voided", &edition.number.to_string(), &VoidedTold { voided, reason });
    call.tell("vote.voided", member, &[("reason", reason.into())]);
}

fn void_all(call: &mut Call<Config>, edition: &Edition, member: &str, reason: &str) -> Voided {
    let voided = take_out(call, edition, member, State::Voided);
    if voided.voided > 0 {
        tell_voided(call, edition, member, (voided.voided, reason));
    }
    if !voided.is_all {
        let now = call.now();
        VOIDS.put(call, now, member);
    }
    // Who had withdrawn it does not cast it again either.
    let key = ballot_key(edition, member, ONCE);
    if let Some(ballot) = call.find::<Ballot>(&key) {
        call.save(&key, &Ballot { state: State::Voided, ..ballot });
    }
    take_back(call, edition, member);
    voided
}

/// The reward of somebody none of whose ballots counts any more, in either round. Another ballot may earn it again.
fn take_back(call: &mut Call<Config>, edition: &Edition, member: &str) {
    let counts = |round: u32| {
        let key = voter_key(&Edition { round, ..edition.clone() }, member);
        call.load::<Voter>(&key).is_some_and(|voter| voter.live > 0)
    };
    if !(1..=edition.round).any(counts) && call.take_back(&reward_key(call, edition, member), "the ballot is void") {
        call.count(&taken_key(edition, member), 1, 0, i64::MAX).expect("few ballots are voided");
    }
}

fn take_out(call: &mut Call<Config>, edition: &Edition, member: &str, state: State) -> Voided {
    // Each ballot changes as many tallies as it names, and some records of its own.
    let each = u32::try_from(call.config.max_choices()).expect("few options") + 5;
    let most = (WRITES_AT_ONCE / each).min(100);
    let slots = call.scan::<String>(&live_of(edition, member), None, most + 1);
    let is_all = slots.len() <= most as usize;
    let mut voided = 0;
    for (live, slot) in slots.into_iter().take(most as usize) {
        call.delete(&live);
        take_out_one(call, edition, &ballot_key(edition, member, &slot), state);
        voided += 1;
    }
    Voided { voided, is_all }
}

/// A ballot that counted counts no more.
fn take_out_one(call: &mut Call<Config>, edition: &Edition, key: &str, state: State) {
    let ballot: Ballot = call.load(key).expect("what counts is there");
    recount(call, edition, Some(&ballot), None);
    call.save(key, &Ballot { state, ..ballot });
}

fn receipt(nonce: &str, points: &BTreeMap<String, u32>) -> String {
    let mut hash = Sha256::new();
    hash.update(nonce);
    for (option, points) in points {
        hash.update(format!("\n{option} {points}"));
    }
    fairground_sdk::hex(&hash.finalize())
}

fn ballots_of(edition: &Edition, member: &str) -> String {
    format!("ballot/{:06}/{}/{member}/", edition.number, edition.round)
}

fn ballot_key(edition: &Edition, member: &str, slot: &str) -> String {
    format!("{}{slot}", ballots_of(edition, member))
}

fn voter_key(edition: &Edition, member: &str) -> String {
    format!("voter/{}/{}/{member}", edition.number, edition.round)
}

fn live_of(edition: &Edition, member: &str) -> String {
    format!("live/{}/{}/{member}/", edition.number, edition.round)
}

/// There is one for each ballot that counts.
fn live_key(edition: &Edition, member: &str, slot: &str) -> String {
    format!("{}{slot}", live_of(edition, member))
}

/// A key that was taken back cannot be used again.
fn reward_key(call: &Call<Config>, edition: &Edition, member: &str) -> String {
    format!("voter:{}:{member}:{}", edition.number, call.counter(&taken_key(edition, member)))
}

/// How often the reward was taken back.
fn taken_key(edition: &Edition, member: &str) -> String {
    format!("taken/{}/{member}", edition.number)
}
