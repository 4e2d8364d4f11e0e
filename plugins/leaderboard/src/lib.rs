//! Leaderboard (比): members or groups score in seasons, and the best win; two may play against each other.

mod config;
mod duel;
mod payout;
mod scoring;
mod season;
#[cfg(test)]
mod tests;
mod views;

use fairground_sdk::{
    Block, HostEvent, Nothing, Queue, StopReason, conflict, expired, not_found, platform, prelude::*,
};

use config::Config;
use duel::{DUELS, DuelInput};
use season::{OPEN, STEPS, Season, State};

/// Duels that one call ends: it may give two stakes for each.
const DUELS_AT_ONCE: u32 = 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DisputeInput {
    /// # Season 賽季
    /// Its number. 賽季編號。
    #[schemars(range(min = 1, max = 999_999))]
    edition: u32,
    /// # Reason 理由
    /// For whoever decides. 供審核者參考。
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResolveInput {
    /// # Season 賽季
    /// Its number. 賽季編號。
    #[schemars(range(min = 1, max = 999_999))]
    edition: u32,
    /// # Left out 取消資格
    /// Subjects that win nothing; the others keep their ranks. 不得獎者；其他人名次不變。
    #[serde(default)]
    #[schemars(length(max = 50))]
    exclude: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OptOutInput {
    /// # Hidden 隱藏
    /// Whether others do not see you on the lists. 是否不在榜上顯示。
    hidden: bool,
}

/// What `leaderboard.disputed` tells.
#[derive(Serialize)]
struct Disputed<'a> {
    member: &'a str,
    reason: &'a str,
}

struct Leaderboard;

impl Activity for Leaderboard {
    type Config = Config;
    const NAME: &'static str = "leaderboard";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Leaderboard 排行榜";
    const DESCRIPTION: &'static str =
        "Members or groups score in seasons, and the best win; two may play against each other.";
    const REWARDS: bool = true;

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("challenge", "Challenge 發起對決", |call, input: duel::ChallengeInput| {
                duel::challenge(call, &input)
            })
            .action("accept", "Accept a challenge 應戰", |call, input: DuelInput| duel::accept(call, &input.duel))
            .action("decline", "Decline a challenge 拒絕", |call, input: DuelInput| duel::decline(call, &input.duel))
            .action("opt-out", "Not be listed 隱藏名次", |call, input: OptOutInput| opt_out(call, &input))
            .action("dispute", "Dispute the ranks 提出異議", |call, input: DisputeInput| dispute(call, &input))
            .operator_action("ops-score", "Tell what scores 登錄得分", |call, input: scoring::ScoreInput| {
                scoring::ops_score(call, &input)
            })
            .operator_action("ops-adjust", "Add or take points 調整分數", |call, input: scoring::AdjustInput| {
                scoring::ops_adjust(call, &input)
            })
            .operator_action("ops-resolve", "Decide disputes 裁定異議", |call, input: ResolveInput| {
                resolve(call, &input)
            })
            .query("top", "The best 排行榜", |call, input: views::TopInput| views::top(call, &input))
            .query("season-result", "A season 賽季結果", |call, input: views::TopInput| views::top(call, &input))
            .query("around", "Around you 你的前後", |call, input: views::AroundInput| views::around(call, &input))
            .query("rank", "A rank 名次", |call, input: views::RankInput| views::rank(call, &input))
            .query("duel", "A duel 對決", |call, input: DuelInput| duel::view(call, &input.duel))
            .emits(&[
                "leaderboard.season-opened",
                "leaderboard.scored",
                "leaderboard.adjusted",
                "leaderboard.overtaken",
                "leaderboard.season-frozen",
                "leaderboard.disputed",
                "leaderboard.prize",
                "leaderboard.season-settled",
                "leaderboard.duel-proposed",
                "leaderboard.duel-accepted",
                "leaderboard.duel-ended",
            ])
            .tells(&[
                "leaderboard.overtaken",
                "leaderboard.prize",
                "leaderboard.duel-proposed",
                "leaderboard.duel-accepted",
                "leaderboard.duel-ended",
            ])
            .listens(&[platform::EVERYTHING])
            .codes(&[
                "board.season-closed",
                "board.frozen",
                "board.duplicate-event",
                "board.cap-reached",
                "board.duel-exists",
                "board.duel-expired",
                "board.stake-too-high",
                "board.excluded",
                "board.adjust-after-freeze",
            ])
    }

    fn check(config: &Config, offers: &Offers) -> Result<Report, Vec<Issue>> {
        config.check(offers)
    }

    fn start(call: &mut Call<Config>) -> Answer<()> {
        let now = call.now();
        Season::open(call, now);
        Ok(())
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if key == OPEN && Season::current(call).is_none_or(|season| season.state != State::Open) {
            let now = call.now();
            Season::open(call, now);
        }
        if STEPS.rings(key) {
            for edition in STEPS.take(call, 1, due) {
                if let Some(mut season) = edition.parse().ok().and_then(|edition| Season::load(call, edition)) {
                    season.step(call, false)?;
                }
            }
        }
        if DUELS.rings(key) {
            let most = DUELS_AT_ONCE.min(call.batch_of(1, &["leaderboard.duel-ended"]) / 2).max(1);
            for id in DUELS.take(call, most, due) {
                if let Some(mut duel) = duel::load(call, &id) {
                    duel.decide(call, false);
                }
            }
        }
        Ok(())
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        scoring::hear(call, event);
        Ok(())
    }

    fn stop(call: &mut Call<Config>, _: StopReason) -> Answer<()> {
        season::stop(call);
        Ok(())
    }

    /// Duels end as they stand; then each season is made final and paid, the oldest first.
    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        let most = DUELS_AT_ONCE.min(call.batch_of(1, &["leaderboard.duel-ended"]) / 2).max(1);
        let open = DUELS.take(call, most, Queue::ALL);
        for id in &open {
            if let Some(mut duel) = duel::load(call, id) {
                duel.decide(call, true);
            }
        }
        if !open.is_empty() {
            return Ok(false);
        }
        let mut live = season::live_ones(call, 1);
        if let Some(season) = live.first_mut() {
            season.step(call, true)?;
        }
        Ok(live.is_empty())
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(views::page(call))
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(views::audit(call))
    }
}

fairground_sdk::activity!(Leaderboard);

fn opt_out(call: &mut Call<Config>, input: &OptOutInput) -> Answer<Nothing> {
    if !call.config.visibility.opt_out {
        return Err(conflict("common.wrong-state", "Here everybody is listed."));
    }
    let key = views::hidden_key(&call.actor);
    if input.hidden {
        call.save(&key, &true);
    } else {
        call.delete(&key);
    }
    Ok(Nothing {})
}

/// Keeps a season's prizes back until an operator has decided. Who has scored in it may, once.
fn dispute(call: &mut Call<Config>, input: &DisputeInput) -> Answer<Nothing> {
    let unknown = || not_found("common.not-found", "There is no such season.");
    let mut season = Season::load(call, input.edition).ok_or_else(unknown)?;
    if season.state != State::Frozen {
        return Err(conflict("board.season-closed", "Only final ranks can be disputed, before their prizes."));
    }
    let member = call.actor.clone();
    let has_scored = call.rank(&season.board(), &member).is_some()
        || call.groups_of(&member).iter().any(|group| call.rank(&season.board(), group).is_some());
    if !has_scored {
        return Err(expired("common.not-eligible", "This is for those who have scored in it."));
    }
    if call.count(&format!("disputed/{}/{member}", input.edition), 1, 0, 1).is_err() {
        return Err(conflict("common.limit-member-total", "You have said so."));
    }
    season.disputes += 1;
    season.save(call);
    let told = Disputed { member: &member, reason: &input.reason };
    call.emit("leaderboard.disputed", &input.edition.to_string(), &told);
    Ok(Nothing {})
}

fn resolve(call: &mut Call<Config>, input: &ResolveInput) -> Answer<Nothing> {
    let unknown = || not_found("common.not-found", "There is no such season.");
    let mut season = Season::load(call, input.edition).ok_or_else(unknown)?;
    if season.state != State::Frozen {
        return Err(conflict("board.season-closed", "The season is not final, or its prizes are given."));
    }
    season.disputes = 0;
    for subject in &input.exclude {
        if !season.excluded.contains(subject) {
            season.excluded.push(subject.clone());
        }
    }
    season.save(call);
    let now = call.now();
    STEPS.put(call, now, &input.edition.to_string());
    Ok(Nothing {})
}
