//! Scores: what the platform tells, weighed, capped and counted once.

use fairground_sdk::{HostEvent, bounded, conflict, limit_reached, not_allowed, not_found, platform, prelude::*};

use crate::{
    config::{Config, Metric, Subject},
    duel,
    season::{Season, State},
    views,
};

/// Groups of one member that score.
pub(crate) const GROUPS_MAX: usize = 10;

/// Points of one event, and of a subject.
const POINTS_MAX: i64 = 1_000_000_000_000;

/// What a subject has scored in a season: the parts of its place on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// By metric, and last what operators added.
    pub parts: Vec<i64>,
    /// What each metric gave on a day, as far as it is capped.
    day: Day,
    today: Vec<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScoreInput {
    /// # Member 成員
    /// Who scores. 得分者。
    #[schemars(length(min = 1, max = 128))]
    member: String,
    /// # Topic 事件
    /// One of the metrics'. 計分項目之一的事件。
    #[schemars(length(min = 1, max = 128))]
    topic: String,
    /// # Event 內容
    /// Its fields, as JSON. 事件欄位（JSON）。
    #[serde(default = "empty")]
    #[schemars(length(max = 4_000))]
    payload: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdjustInput {
    /// # Subject 對象
    /// The member or the group. 成員或群編號。
    #[schemars(length(min = 1, max = 128))]
    subject: String,
    /// # Points 分數
    /// Added; less than 0 takes. 增加的分數，負數為扣除。
    #[schemars(range(min = -1_000_000_000_000_i64, max = 1_000_000_000_000_i64))]
    delta: i64,
    /// # Reason 原因
    /// For people. 供人閱讀。
    #[schemars(length(min = 1, max = 200))]
    reason: String,
    /// # Season 賽季
    /// Its number; null is the newest. 賽季編號；null 為最新。
    #[schemars(range(min = 1, max = 999_999))]
    edition: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Scored {
    subject: String,
    delta: i64,
    score: i64,
    rank: u64,
}

/// What `leaderboard.scored` and `leaderboard.adjusted` tell.
#[derive(Serialize)]
struct Told<'a> {
    edition: u32,
    delta: i64,
    score: i64,
    rank: u64,
    reason: Option<&'a str>,
}

fn empty() -> String {
    "{}".into()
}

/// The platform tells something. What does not score is nothing to complain about.
pub(crate) fn hear(call: &mut Call<Config>, event: &HostEvent) {
    if !call.config.metrics.iter().any(|metric| metric.topic == event.topic) {
        return;
    }
    call.actor.clone_from(&event.subject);
    for (subject, metric) in matches(call, &event.subject, &event.topic) {
        let _ = score(call, &event.subject, (&subject, metric), &event.payload, event.at);
    }
}

/// An operator tells what the platform would, and hears why it does not score.
pub(crate) fn ops_score(call: &mut Call<Config>, input: &ScoreInput) -> Answer<Vec<Scored>> {
    call.actor.clone_from(&input.member);
    let found = matches(call, &input.member, &input.topic);
    if found.is_empty() {
        return Err(not_found("common.not-found", "Nothing scores by this topic, or there is no such member."));
    }
    let now = call.now();
    let scored =
        found.into_iter().map(|(subject, metric)| score(call, &input.member, (&subject, metric), &input.payload, now));
    scored.collect()
}

/// Who scores by what.
fn matches(call: &Call<Config>, member: &str, topic: &str) -> Vec<(String, usize)> {
    if call.member(member).is_none() {
        return Vec::new();
    }
    let subjects = match call.config.subject {
        Subject::Member => vec![member.to_owned()],
        Subject::Group => call.groups_of(member).into_iter().take(GROUPS_MAX).collect(),
    };
    let metrics = call.config.metrics.iter().enumerate().filter(|(_, metric)| metric.topic == topic);
    metrics.flat_map(|(at, _)| subjects.iter().map(move |subject| (subject.clone(), at))).collect()
}

/// Whether a member scores at all.
pub(crate) fn must_score(call: &Call<Config>, member: &str) -> Answer<()> {
    let tags = call.member(member).map(|member| member.tags).unwrap_or_default();
    if call.config.exclude_tags.iter().any(|tag| tags.contains(tag)) || call.may_take_part().is_err() {
        return Err(not_allowed("board.excluded", "This member does not score."));
    }
    Ok(())
}

/// Why nothing more scores in the season of an instant.
fn closed(call: &Call<Config>) -> Problem {
    match Season::current(call) {
        Some(season) if !matches!(season.state, State::Open | State::Grace) => {
            conflict("board.frozen", "The season is final.")
        }
        _ => conflict("board.season-closed", "No season takes it."),
    }
}

/// Each is counted whole, or not at all.
fn score(
    call: &mut Call<Config>,
    member: &str,
    (subject, index): (&str, usize),
    payload: &str,
    at: i64,
) -> Answer<Scored> {
    must_score(call, member)?;
    let season = Season::taking(call, at).ok_or_else(|| closed(call))?;
    let metric = call.config.metrics[index].clone();
    let seen = seen_key(&season, index, subject, &metric, payload);
    if seen.as_ref().is_some_and(|seen| call.load::<bool>(seen).is_some()) {
        return Err(conflict("board.duplicate-event", "This has scored already."));
    }
    let points = points(&metric, payload);
    if points == 0 {
        return Err(not_found("common.not-found", "There is no number that scores."));
    }
    let day = call.day(at, &call.config.zone, call.config.day_starts_minute);
    let mut record = Record::load(call, &season, subject, day);
    let delta = record.capped(index, day, points, metric.cap_per_day);
    if delta == 0 {
        return Err(limit_reached("board.cap-reached", "Enough of this for today."));
    }
    if let Some(seen) = seen {
        call.save(&seen, &true);
    }
    record.parts[index] += delta;
    let scored = record.place(call, &season, subject, delta);
    let told = Told { edition: season.edition, delta, score: scored.score, rank: scored.rank, reason: None };
    call.emit("leaderboard.scored", subject, &told);
    duel::scored(call, subject, delta);
    Ok(scored)
}

/// A field whose value scores once; nothing where each event does, or this one has no such field.
fn seen_key(season: &Season, index: usize, subject: &str, metric: &Metric, payload: &str) -> Option<String> {
    let value = platform::payload_field(payload, metric.dedupe_key.as_ref()?)?;
    let hash = fairground_sdk::hex(&<sha2::Sha256 as sha2::Digest>::digest(value));
    // Groups of one member score the same thing each for itself.
    Some(bounded(format!("seen/{}/{index}/{}/{subject}", season.edition, &hash[..32])))
}

fn points(metric: &Metric, payload: &str) -> i64 {
    let value: i64 = match &metric.field {
        None => 1,
        Some(field) => platform::payload_field(payload, field).and_then(|value| value.parse().ok()).unwrap_or(0),
    };
    value.saturating_mul(i64::from(metric.weight)).clamp(-POINTS_MAX, POINTS_MAX)
}

/// What `leaderboard.overtaken` tells.
#[derive(Serialize)]
struct Overtaken<'a> {
    /// As the board shows them: masked, or none where they are not listed.
    by: Option<&'a str>,
    /// Where they are now.
    rank: u64,
}

impl Record {
    pub(crate) fn load(call: &Call<Config>, season: &Season, subject: &str, day: Day) -> Self {
        let metrics = call.config.metrics.len();
        let fresh = || Self { parts: vec![0; metrics + 1], day, today: vec![0; metrics] };
        call.find(&key(season, subject)).unwrap_or_else(fresh)
    }

    /// What of some points a day still takes. An earlier day than the newest counts as the newest: nothing is capped twice.
    fn capped(&mut self, index: usize, day: Day, points: i64, cap: i64) -> i64 {
        if day > self.day {
            self.day = day;
            self.today.fill(0);
        }
        if cap == 0 || points <= 0 {
            return points;
        }
        let taken = points.min((cap - self.today[index]).max(0));
        self.today[index] += taken;
        taken
    }

    /// Puts the sum on the board, at the time of the call where it has changed.
    fn place(&self, call: &mut Call<Config>, season: &Season, subject: &str, delta: i64) -> Scored {
        let (board, now) = (season.board(), call.now());
        let score = self.parts.iter().sum();
        let before = call.rank(&board, subject);
        if before.is_none() || delta != 0 {
            call.rank_put(&board, subject, score, now);
        }
        call.save(&key(season, subject), self);
        let rank = call.rank(&board, subject).map_or(0, |ranked| ranked.rank);
        if before.is_some_and(|before| rank < before.rank) {
            overtaken(call, &board, (subject, rank + 1));
        }
        Scored { subject: subject.into(), delta, score, rank }
    }
}

/// Tells whoever is behind now, among those that are listed.
fn overtaken(call: &mut Call<Config>, board: &str, (by, rank): (&str, u64)) {
    if rank > u64::from(call.config.visibility.top) {
        return;
    }
    if let Some(behind) = call.ranks(board, rank, 1).into_iter().next() {
        let by = views::shown(call, by);
        call.emit("leaderboard.overtaken", &behind.key, &Overtaken { by: by.as_deref(), rank });
        if call.config.subject == Subject::Member {
            call.tell("leaderboard.overtaken", &behind.key, &[("rank", rank.to_string())]);
        }
    }
}

/// An operator adds or takes points, as long as the ranks are not final.
pub(crate) fn ops_adjust(call: &mut Call<Config>, input: &AdjustInput) -> Answer<Scored> {
    let season = match input.edition {
        Some(edition) => Season::load(call, edition),
        None => Season::current(call),
    };
    let season = season.ok_or_else(|| not_found("common.not-found", "There is no such season."))?;
    if !matches!(season.state, State::Open | State::Grace) {
        return Err(conflict("board.adjust-after-freeze", "The season is final."));
    }
    let is_known = match call.config.subject {
        Subject::Member => call.member(&input.subject).is_some(),
        Subject::Group => !call.members_of(&input.subject, None).0.is_empty(),
    };
    if !is_known {
        return Err(not_found("common.not-found", "There is no such subject."));
    }
    let mut record = Record::load(call, &season, &input.subject, call.today());
    let last = record.parts.len() - 1;
    record.parts[last] = record.parts[last].saturating_add(input.delta);
    let scored = record.place(call, &season, &input.subject, input.delta);
    let told = Told {
        edition: season.edition,
        delta: input.delta,
        score: scored.score,
        rank: scored.rank,
        reason: Some(&input.reason),
    };
    call.emit("leaderboard.adjusted", &input.subject, &told);
    Ok(scored)
}

fn key(season: &Season, subject: &str) -> String {
    format!("record/{:06}/{subject}", season.edition)
}

pub(crate) fn records_of(season: &Season) -> String {
    format!("record/{:06}/", season.edition)
}
