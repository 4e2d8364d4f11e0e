//! Bargain (砍): helpers cut a price, each by a fair random amount, until it reaches its floor; then its owner buys at it.

mod audit;
mod config;
mod help;
mod order;
mod session;
#[cfg(test)]
mod tests;
mod views;

use fairground_sdk::{Block, HostEvent, Nothing, ORDER_TOPICS, conflict, limit_reached, platform, prelude::*};

use config::Config;
use session::{DEADLINES, Session, State};
use views::{HelpersInput, SessionInput, SessionView};

/// Its orders, and accounts that are closed.
const HEARD: [&str; 5] = [ORDER_TOPICS[0], ORDER_TOPICS[1], ORDER_TOPICS[2], ORDER_TOPICS[3], platform::CLOSED];

struct Bargain;

impl Activity for Bargain {
    type Config = Config;
    const NAME: &'static str = "bargain";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Bargain 砍價";
    const DESCRIPTION: &'static str = "Members help each other to cut a price down to its floor, and buy at it.";
    const REWARDS: bool = true;

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("start", "Start a session 發起", |call, _: Nothing| start(call))
            .action("help", "Help to cut 幫砍", |call, input: SessionInput| help::help(call, &input.session))
            .action("order", "Order at this price 下單", |call, input: SessionInput| {
                order::order(call, &input.session)
            })
            .action("cancel", "Cancel your session 取消", |call, input: SessionInput| cancel(call, &input.session))
            .query("offer", "What there is to get 活動內容", |call, _: Nothing| Ok(views::offer(call)))
            .query("session", "A session 砍價單", |call, input: SessionInput| {
                Ok(views::session(call, &Session::find(call, &input.session)?))
            })
            .query("helpers", "Who helped 幫砍名單", |call, input: HelpersInput| views::helpers(call, &input))
            .query("can-help", "Whether you can help 能否幫砍", |call, input: SessionInput| {
                views::can_help(call, &input.session)
            })
            .query("mine", "Your sessions 我的砍價", |call, _: Nothing| views::mine(call))
            .emits(&[
                "bargain.started",
                "bargain.cut",
                "bargain.success",
                "bargain.ordered",
                "bargain.bought",
                "bargain.refunded",
                "bargain.lapsed",
                "bargain.expired",
                "bargain.cancelled",
            ])
            .tells(&[
                "bargain.cut",
                "bargain.success",
                "bargain.bought",
                "bargain.lapsed",
                "bargain.expired",
                "bargain.cancelled",
            ])
            .listens(&HEARD)
            .codes(&[
                "bargain.session-exists",
                "bargain.session-limit",
                "bargain.session-over",
                "bargain.already-helped",
                "bargain.help-limit-day",
                "bargain.help-limit-total",
                "bargain.pair-limit",
                "bargain.self-help",
                "bargain.not-success",
                "bargain.already-ordered",
                "bargain.order-window-passed",
                "bargain.new-helper-only",
                "bargain.infeasible-range",
            ])
    }

    fn check(config: &Config, offers: &Offers) -> Result<Report, Vec<Issue>> {
        config.check(offers)
    }

    /// A deadline has passed: of the cutting, or of the time to order.
    fn on_timer(call: &mut Call<Config>, key: &str, due: i64, _: &str) -> Answer<()> {
        if DEADLINES.rings(key) {
            for id in DEADLINES.take(call, ended_at_once(call), due) {
                if let Some(session) = Session::load(call, &id).filter(|session| call.now() >= session.deadline) {
                    end(call, session);
                }
            }
        }
        if help::CLOSED.rings(key) {
            for helper in help::CLOSED.take(call, 1, due) {
                help::closed(call, &helper);
            }
        }
        Ok(())
    }

    fn on_event(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
        if event.topic == platform::CLOSED {
            help::closed(call, &event.subject);
        }
        if let Some(news) = event.order_news() {
            match event.topic.as_str() {
                "order.paid" => order::paid(call, &news, event.at),
                "order.closed" => order::closed(call, &news),
                "order.refunded" => order::refunded(call, &news),
                _ => call.refund_again(&news),
            }
        }
        Ok(())
    }

    /// Closes what is still open, a few sessions at a time.
    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        let most = ended_at_once(call);
        let open = Session::open_ones(call, most);
        let is_last = open.len() < most as usize;
        for session in open {
            end(call, session);
        }
        Ok(is_last)
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        Ok(views::page(call))
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(audit::audit(call))
    }
}

fairground_sdk::activity!(Bargain);

/// Sessions that one call can end: each closes its order, pays it back, and is told of.
fn ended_at_once(call: &Call<Config>) -> u32 {
    call.batch_of(3, &["bargain.lapsed", "bargain.expired"])
}

fn start(call: &mut Call<Config>) -> Answer<SessionView> {
    let standing = call.take_part(None, "bargain.start")?;
    let owner = call.actor.clone();
    let begun = call.counter(&format!("sessions/{owner}"));
    if begun >= i64::from(call.config.sessions_per_member) {
        return Err(limit_reached("bargain.session-limit", "You have had all your sessions."));
    }
    if call.counter(&format!("open/{owner}")) >= i64::from(call.config.concurrent_sessions) {
        return Err(conflict("bargain.session-exists", "You have a session that is not over."));
    }
    standing.at_once()?;
    let mut session = Session::begin(call, &owner, begun + 1)?;
    if call.config.owner_first_cut {
        help::cut(call, &mut session, &owner, false);
    }
    Ok(views::session(call, &session))
}

fn cancel(call: &mut Call<Config>, id: &str) -> Answer<SessionView> {
    let mut session = Session::own(call, id)?;
    match session.state {
        State::Cutting | State::Success | State::Agreed => session.close(call, State::Cancelled),
        State::Ordering => return Err(conflict("bargain.already-ordered", "Let the order go first.")),
        _ => return Err(conflict("bargain.session-over", "The session is over.")),
    }
    Ok(views::session(call, &session))
}

/// Ends a session whose time has passed, or whose activity has.
fn end(call: &mut Call<Config>, mut session: Session) {
    match session.state {
        State::Cutting => session.close(call, State::Expired),
        State::Success | State::Agreed | State::Ordering => session.close(call, State::Lapsed),
        _ => {}
    }
}
