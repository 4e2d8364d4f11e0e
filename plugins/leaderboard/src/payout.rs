//! Prizes: by final rank, in batches, each subject once.

use fairground_sdk::{Ranked, Standing, bounded, prelude::*, risk_rejected};
use sha2::{Digest, Sha256};

use crate::{
    config::{Config, Subject, Tie},
    season::Season,
};

/// Members of a group that one step rewards, and subjects that it looks at.
const AT_ONCE: u32 = 40;

/// How far a season is paid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Positions that are done.
    pub positions: u64,
    pub winners: u64,
    /// What was paid of a pool, in minor units.
    pub pool: i64,
    /// The tie that the next position may belong to.
    tie: Option<Tied>,
    /// Of the group that is being paid: the page of its members, and the last one who is done.
    page: Option<String>,
    last: Option<String>,
}

/// Positions of one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Tied {
    score: i64,
    /// The first position, and the last one.
    first: u64,
    last: u64,
    /// How many different scores there are up to this one.
    dense: u64,
}

/// What `leaderboard.prize` tells.
#[derive(Serialize)]
struct Told<'a> {
    edition: u32,
    rank: u64,
    offer: &'a str,
    /// The reward's key.
    hold: &'a str,
    /// Minor units, of a pool.
    amount: Option<i64>,
    is_given: bool,
}

/// Pays some of the winners; true where all are paid.
pub(crate) fn pay_some(call: &mut Call<Config>, season: &mut Season) -> Answer<bool> {
    // A position may win a prize and a part of the pool; identities are looked up, and counted.
    let looks_up = call.config.risk.is_some_and(|policy| policy.cluster_limit > 0);
    let most = if looks_up { AT_ONCE / 2 } else { AT_ONCE };
    let most = most.min((call.batch_of(1, &["leaderboard.prize"]) / 2).max(1));
    let ranks = call.ranks(&season.board(), season.paid.positions + 1, most);
    if ranks.is_empty() {
        return Ok(true);
    }
    for ranked in ranks {
        let limit = u64::from(call.config.max_winners);
        let is_enough = limit > 0 && season.paid.winners >= limit;
        let tied = tie_of(call, season, &ranked);
        let rank = rank_of(call.config.tie, &tied, &ranked);
        if is_enough || rank > call.config.last_prize() || ranked.score < call.config.min_score {
            return Ok(true);
        }
        season.paid.tie = Some(tied);
        if season.excluded.contains(&ranked.key) {
            season.paid.positions += 1;
            continue;
        }
        let amount = pool_amount(call, &tied, &ranked);
        if let Some(amount) = amount.filter(|amount| *amount > 0) {
            pay_pool(call, season, (&ranked.key, rank), amount);
        }
        if let Some(offer) = call.config.prize_of(rank).map(|prize| prize.offer.clone()) {
            match call.config.subject {
                Subject::Member => give(call, season, &ranked.key.clone(), (&ranked.key, rank), &offer),
                // A group's members are a batch of their own.
                Subject::Group => return Ok(pay_group(call, season, (&ranked.key, rank), &offer)),
            }
        }
        if amount.is_some_and(|amount| amount > 0) || call.config.prize_of(rank).is_some() {
            season.paid.winners += 1;
        }
        season.paid.positions += 1;
    }
    Ok(false)
}

/// The tie that a position belongs to: found by halves, however many there are in it.
fn tie_of(call: &Call<Config>, season: &Season, ranked: &Ranked) -> Tied {
    let before = season.paid.tie;
    if let Some(tied) = before.filter(|tied| tied.score == ranked.score) {
        return tied;
    }
    let dense = before.map_or(0, |tied| tied.dense) + 1;
    let board = season.board();
    let has_score = |position: u64| call.ranks(&board, position, 1).first().is_some_and(|at| at.score == ranked.score);
    let (mut last, mut after) = (ranked.rank, call.rank_len(&board) + 1);
    while after - last > 1 {
        let middle = last + (after - last) / 2;
        if has_score(middle) { last = middle } else { after = middle }
    }
    Tied { score: ranked.score, first: ranked.rank, last, dense }
}

/// The rank that a position is paid as.
pub(crate) fn rank_as(tie: Tie, position: u64, first: u64, dense: u64) -> u64 {
    match tie {
        Tie::UniqueEarliest => position,
        Tie::Competition | Tie::SplitPool => first,
        Tie::Dense => dense,
    }
}

fn rank_of(tie: Tie, tied: &Tied, ranked: &Ranked) -> u64 {
    rank_as(tie, ranked.rank, tied.first, tied.dense)
}

/// A position's part of the pool. Equal parts are rounded down; what is left goes to the first ones, a unit each.
fn pool_amount(call: &Call<Config>, tied: &Tied, ranked: &Ranked) -> Option<i64> {
    call.config.pool.as_ref()?;
    if call.config.tie != Tie::SplitPool {
        return Some(call.config.pool_share(ranked.rank, ranked.rank));
    }
    let together = call.config.pool_share(tied.first, tied.last);
    let many = i64::try_from(tied.last - tied.first + 1).ok()?;
    let place = i64::try_from(ranked.rank - tied.first).ok()?;
    Some(together / many + i64::from(place < together % many))
}

fn prize_key(season: &Season, subject: &str, member: &str) -> String {
    if subject == member {
        return format!("season:{}:{member}", season.edition);
    }
    // Two long ids: what waits is named by it, in a queue.
    format!("season:{}:{member}:{}", season.edition, &fairground_sdk::hex(&Sha256::digest(subject))[..32])
}

fn give(call: &mut Call<Config>, season: &Season, member: &str, (subject, rank): (&str, u64), offer: &str) {
    let hold = prize_key(season, subject, member);
    let is_given = match reward(call, season, member, (&hold, offer)) {
        Ok(()) => true,
        Err(problem) => {
            call.log(&format!("{offer} for rank {rank} is not given to {member}: {}", problem.code));
            false
        }
    };
    tell(call, member, &Told { edition: season.edition, rank, offer, hold: &hold, amount: None, is_given });
}

fn reward(call: &mut Call<Config>, season: &Season, member: &str, (hold, offer): (&str, &str)) -> Answer<()> {
    let (standing, places) = may_win(call, season, member)?;
    call.reward(hold, offer, member, standing)?;
    count_identities(call, &places);
    Ok(())
}

/// How the winner stands with the risk rules, and where their identities are counted: what the rules deny is not given, what they review
/// waits, and of one identity so many win in a season.
fn may_win(call: &mut Call<Config>, season: &Season, member: &str) -> Answer<(Standing, Vec<String>)> {
    call.actor = member.into();
    let (standing, clusters) = call.ask_risk(None, "leaderboard.prize")?;
    let most = i64::from(call.config.risk.map_or(0, |policy| policy.cluster_limit));
    // Whoever wins twice, a prize and a part of the pool, is counted once.
    let places = clusters.iter().map(|cluster| bounded(format!("won/{}/{cluster}", season.edition)));
    let own = bounded(format!("won-by/{}/{member}", season.edition));
    if most == 0 || call.counter(&own) > 0 {
        return Ok((standing, Vec::new()));
    }
    let places: Vec<String> = places.collect();
    if places.iter().any(|place| call.counter(place) >= most) {
        return Err(risk_rejected("common.risk-denied", "Another of this identity has won."));
    }
    Ok((standing, places.into_iter().chain([own]).collect()))
}

fn count_identities(call: &mut Call<Config>, places: &[String]) {
    for place in places {
        call.count(place, 1, 0, i64::MAX).expect("few win");
    }
}

fn pay_pool(call: &mut Call<Config>, season: &mut Season, (member, rank): (&str, u64), amount: i64) {
    let Some(offer) = call.config.pool.as_ref().map(|pool| pool.offer.clone()) else { return };
    let hold = format!("pool:{}:{member}", season.edition);
    let may = may_win(call, season, member).ok().filter(|(standing, _)| standing.at_once().is_ok());
    let is_given = may.is_some() && call.hold(&hold, &offer, member, 0).is_ok() && call.capture_part(&hold, amount);
    if is_given {
        season.paid.pool += amount;
        count_identities(call, &may.map(|(_, places)| places).unwrap_or_default());
    } else {
        call.log(&format!("{amount} for rank {rank} are not given to {member}"));
    }
    tell(
        call,
        member,
        &Told { edition: season.edition, rank, offer: &offer, hold: &hold, amount: Some(amount), is_given },
    );
}

fn tell(call: &mut Call<Config>, member: &str, told: &Told<'_>) {
    call.emit("leaderboard.prize", member, told);
    if told.is_given {
        call.tell("leaderboard.prize", member, &[("rank", told.rank.to_string())]);
    }
}

/// Rewards some members of a group; it is done once all are.
fn pay_group(call: &mut Call<Config>, season: &mut Season, (group, rank): (&str, u64), offer: &str) -> bool {
    let most = AT_ONCE.min(call.batch_of(1, &["leaderboard.prize"])) as usize;
    let (members, next) = call.members_of(group, season.paid.page.as_deref());
    // Members come by id: who is after the last one is still to be paid, whoever has come or gone meanwhile.
    let is_after = |member: &&String| season.paid.last.as_ref().is_none_or(|last| *member > last);
    let due: Vec<String> = members.iter().filter(is_after).cloned().collect();
    for member in due.iter().take(most) {
        if crate::scoring::must_score(call, member).is_ok() {
            give(call, season, member, (group, rank), offer);
        }
    }
    if due.len() > most {
        season.paid.last = due.get(most - 1).cloned();
        return false;
    }
    (season.paid.page, season.paid.last) = (next, None);
    if season.paid.page.is_none() {
        season.paid.winners += 1;
        season.paid.positions += 1;
    }
    false
}
