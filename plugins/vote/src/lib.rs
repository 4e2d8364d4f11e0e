//! Vote (投票): members choose among what is there, or what they have put in; each ballot counts as often as it may, and a recount says the same.

mod ballot;
mod config;
mod edition;
mod options;
#[cfg(test)]
mod tests;
mod views;

use fairground_sdk::{Block, HostEvent, Nothing, expired, platform, prelude::*};

use config::Config;
use edition::{Edition, NEXT, REWARD};

struct Vote;

impl Activity for Vote {
    type Config = Config;
    const NAME: &'static str = "vote";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Vote 投票";
    const DESCRIPTION: &'static str = "Members vote, once or every day, in the open or in secret.";
    const REWARDS: bool = true;

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("submit", "Submit an option 提交選項", options::submit)
            .action("vote", "Vote 投票", ballot::vote)
            .action("withdraw-vote", "Withdraw your vote 撤票", |call, _: Nothing| ballot::withdraw(call))
            .operator_action("ops-void", "Void ballots 作廢選票", |call, input: ballot::VoidInput| {
                ballot::void(call, &input)
            })
            .operator_action("ops-review", "Approve an option 審核選項", |call, input: options::ReviewInput| {
                options::review(call, &input)
            })
            .query("options", "What there is to choose 選項", |call, input: options::OptionsInput| {
                Ok(options::page(call, &input))
            })
            .query("my-ballot", "Your ballots 我的選票", |call, input: views::MineInput| {
                views::my_ballot(call, &input)
            })
            .query("results", "The results 結果", |call, input: views::ResultsInput| views::results(call, &input))
            .query("proof", "Your receipts 投票收據", |call, input: views::MineInput| views::proof(call, &input))
            .emits(&[
                "vote.opened",
                "vote.submitted",
                "vote.voted",
                "vote.voided",
                "vote.closed",
                "vote.run-off",
                "vote.declared",
            ])
            .tells(&["vote.voted", "vote.voided", "vote.rewarded"])
            .listens(&[platform::CLOSED])
            .codes(&[
                "vote.not-open",
                "vote.closed",
                "vote.already-voted",
                "vote.choice-count",
                "vote.unknown-option",
                "vote.no-revote",
                "vote.not-in-electorate",
                "vote.daily-limit",
                "vote.submission-closed",
            ])
    }

    fn check(config: &Config, offers: &Offers) -> Result<Report, Vec<Issue>> {
        config.check(offers)
    }

    fn start(call: &mut Call<Config>) -> Answer<()> {
        match call.config.recurrence.clone() {
            // There are three timers at most, so there is room for this one.
            Some(rule) => drop(call.set_timer_every(NEXT, &rule.weekdays, rule.at_minute, &call.config.zone.clone())),
            None => {
                let now = call.now();
                let collects_until = call.config.submissions.map_or(now, |submissions| submissions.open_until);
                if call.ends_at.is_some_and(|end| collects_until >= end) {
                    return Err(expired("common.ended", "It would end before it opens: see submissions.open_until."));
                }
                Edition::begin(call, now);
            }
        }
        Ok(())
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        match key {
            NEXT => edition::on_next(call, due),
            REWARD => drop(edition::reward(call)),
            _ if ballot::VOIDS.rings(key) => ballot::void_more(call, due),
            _ => edition::on_deadline(call, key),
        }
        Ok(())
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        ballot::left(call, &event.subject);
        Ok(())
    }

    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        edition::end(call);
        Ok(edition::reward(call))
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(views::page(call))
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(views::audit(call))
    }
}

fairground_sdk::activity!(Vote);
