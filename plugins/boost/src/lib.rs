//! Boost (幫): friends help a member to a goal, to milestones, to a shorter wait, or to better odds; each help counts once.

mod config;
mod draw;
mod help;
mod prizes;
mod session;
#[cfg(test)]
mod tests;
mod views;

use fairground_sdk::{Block, HostEvent, Nothing, Queue, conflict, platform, prelude::*};

use config::{Config, Mode};
use help::{FINAL, Help, UNDONE};
use prizes::CLAIMS;
use session::{DEADLINES, Session, State};
use views::{ClaimInput, HelpersInput, SessionInput, SessionView, WinnersInput};

/// Sessions that end in one call: each may set a timer, of sixteen that a call has.
const ENDED_AT_ONCE: u32 = 12;

/// Helps that become final in one call: each may give ten milestones, of a hundred grants that a call has.
const FINAL_AT_ONCE: u32 = 8;

struct Boost;

impl Activity for Boost {
    type Config = Config;
    const NAME: &'static str = "boost";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Boost 助力";
    const DESCRIPTION: &'static str =
        "Friends help a member to a goal, to milestones, to a shorter wait or to better odds.";
    const REWARDS: bool = true;

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("start", "Ask for help 發起助力", |call, _: Nothing| start(call))
            .action("help", "Help 助力", |call, input: SessionInput| help::help(call, &input.session))
            .action("claim", "Claim what is reached 領取", |call, input: ClaimInput| {
                let session = prizes::claim(call, &input.session, input.units)?;
                Ok(views::session(call, &session))
            })
            .action("cancel", "Cancel your session 取消", |call, input: SessionInput| cancel(call, &input.session))
            .query("session", "A session 助力單", |call, input: SessionInput| {
                Ok(views::session(call, &Session::find(call, &input.session)?))
            })
            .query("helpers", "Who helped 助力名單", |call, input: HelpersInput| views::helpers(call, &input))
            .query("milestones", "What there is to reach 目標", |call, _: Nothing| Ok(views::milestones(call)))
            .query("can-help", "Whether you can help 能否助力", |call, input: SessionInput| {
                views::can_help(call, &input)
            })
            .query("winners", "Who was drawn 中獎名單", |call, input: WinnersInput| {
                Ok(views::winners(call, &input))
            })
            .query("mine", "Your sessions 我的助力", |call, _: Nothing| Ok(views::mine(call)))
            .emits(&[
                "boost.started",
                "boost.helped",
                "boost.milestone",
                "boost.finished",
                "boost.expired",
                "boost.reversed",
                "boost.cancelled",
                "boost.drawn",
            ])
            .tells(&[
                "boost.helped",
                "boost.milestone",
                "boost.finished",
                "boost.expired",
                "boost.cancelled",
                "boost.drawn",
            ])
            .listens(&[platform::CLOSED, platform::RETURNED])
            .codes(&[
                "boost.finished",
                "boost.expired",
                "boost.already-helped",
                "boost.reciprocal",
                "boost.help-limit-day",
                "boost.help-limit-total",
                "boost.max-helpers",
                "boost.milestone-not-reached",
                "boost.already-claimed",
                "boost.self-help",
                "boost.claim-window-passed",
                "boost.new-helper-only",
                "boost.session-limit",
            ])
    }

    fn check(config: &Config, offers: &Offers) -> Result<Report, Vec<Issue>> {
        config.check(offers)
    }

    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if DEADLINES.rings(key) {
            let (sessions, _) = batches(call);
            for id in DEADLINES.take(call, sessions, due) {
                if let Some(mut session) = Session::load(call, &id) {
                    session.end(call);
                }
            }
        }
        if CLAIMS.rings(key) {
            let (sessions, _) = batches(call);
            for id in CLAIMS.take(call, sessions, due) {
                if let Some(mut session) = Session::load(call, &id) {
                    session.look(call);
                }
            }
        }
        if FINAL.rings(key) {
            let (_, helps) = batches(call);
            confirm(call, helps, due);
        }
        if UNDONE.rings(key) {
            let (_, helps) = batches(call);
            help::undo_more(call, due, helps);
        }
        Ok(())
    }

    /// Whose account is closed has helped nobody, as far as that is not final; nor has, where the config says so, who returns something.
    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        let (_, helps) = batches(call);
        if event.topic != platform::RETURNED {
            help::closed(call, &event.subject, helps);
        } else if call.config.reverse_on_return {
            help::undo(call, &event.subject, event.at, helps);
        }
        Ok(())
    }

    /// What nobody has reversed by now counts; then it is drawn, and what is open is over.
    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        let (sessions, helps) = batches(call);
        if confirm(call, helps, Queue::ALL) > 0 || !draw::run(call) {
            return Ok(false);
        }
        let open = Session::open_ones(call, sessions);
        for mut session in open.clone() {
            session.end_with_activity(call);
        }
        Ok(open.is_empty())
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(views::page(call))
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(views::audit(call))
    }
}

fairground_sdk::activity!(Boost);

/// Sessions that one call ends, and helps that it makes final or reverses: by what it may tell of them.
fn batches(call: &Call<Config>) -> (u32, u32) {
    let sessions = call.batch_of(2, &["boost.finished", "boost.expired", "boost.milestone"]) / 2;
    let prizes = u32::try_from(call.config.milestones().len()).expect("ten at most") + 1;
    (sessions.clamp(1, ENDED_AT_ONCE), (sessions / prizes).clamp(1, FINAL_AT_ONCE))
}

/// Makes helps final whose time has come by an instant.
fn confirm(call: &mut Call<Config>, most: u32, by: i64) -> usize {
    let helps = FINAL.take(call, most, by);
    for number in &helps {
        if let Some(help) = number.parse().ok().and_then(|number| Help::load(call, number)) {
            help.confirm(call);
        }
    }
    helps.len()
}

fn start(call: &mut Call<Config>) -> Answer<SessionView> {
    let standing = call.take_part(None, "boost.start")?;
    let owner = call.actor.clone();
    let session = Session::begin(call, &owner, standing)?;
    Ok(views::session(call, &session))
}

fn cancel(call: &mut Call<Config>, id: &str) -> Answer<SessionView> {
    let mut session = Session::own(call, id)?;
    if session.state != State::Open {
        return Err(conflict("boost.finished", "The session is over, or all of it is reached."));
    }
    if matches!(call.config.mode, Mode::WeightedDraw { .. }) {
        return Err(conflict("common.wrong-state", "Whoever is in the draw stays in it."));
    }
    prizes::put_back(call, &mut session);
    session.close(call, State::Cancelled);
    Ok(views::session(call, &session))
}
