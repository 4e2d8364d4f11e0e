//! Helping: who may, and what it takes off the price.

use fairground_sdk::{
    HelpLimit, Helps, Queue, bounded, bps_of, conflict, limit_reached, not_allowed, prelude::*, unless_exhausted,
};

use crate::{
    config::Config,
    session::{Session, State},
    views::{self, SessionView},
};

/// Helpers whose accounts are closed, and who have more rewards than one call takes back.
pub(crate) const CLOSED: Queue<'static> = Queue("closed");

const TAKEN_BACK_AT_ONCE: u32 = 50;

/// What the price was cut by.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Help {
    /// Minor units.
    pub amount: i64,
    /// UTC milliseconds.
    pub at: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Cut {
    /// Minor units.
    amount: i64,
    /// Whether the helper's reward is given or set aside. False where there is none, or the budget is used up.
    is_rewarded: bool,
    session: SessionView,
}

/// What `bargain.cut` tells.
#[derive(Serialize)]
struct CutEvent<'a> {
    helper: &'a str,
    amount: i64,
    current: i64,
}

pub(crate) fn help(call: &mut Call<Config>, id: &str) -> Answer<Cut> {
    let mut session = Session::find(call, id)?;
    let helper = call.actor.clone();
    let owner = session.owner.clone();
    if owner == helper {
        return Err(not_allowed("bargain.self-help", "Nobody helps themselves."));
    }
    let is_new = needs_newness(&call.config) && call.is_new_member(&helper);
    let standing = call.take_part(Some(&owner), "bargain.help")?;
    let so_far = may_help(call, &session, &helper, is_new)?;
    // A cut cannot be taken back without raising the price, so there are no provisional ones.
    standing.at_once()?;
    call.count_help(so_far);
    let amount = cut(call, &mut session, &helper, is_new);
    let is_rewarded = match call.config.helper_offer.clone() {
        Some(offer) => {
            let key = bounded(format!("help:{id}:{helper}"));
            let given = unless_exhausted(call.reward(&key, &offer, &helper, standing))?;
            if given.is_some() {
                call.save(&bounded(format!("{}{id}", rewards_of(&helper))), &key);
            }
            given.is_some()
        }
        None => false,
    };
    Ok(Cut { amount, is_rewarded, session: views::session(call, &session) })
}

/// A helper's account is closed: their cuts stay, since a price does not rise again; their rewards are taken back.
pub(crate) fn closed(call: &mut Call<Config>, helper: &str) {
    let rewards = call.scan::<String>(&rewards_of(helper), None, TAKEN_BACK_AT_ONCE);
    if rewards.len() == TAKEN_BACK_AT_ONCE as usize {
        let now = call.now();
        CLOSED.put(call, now, helper);
    }
    for (place, key) in rewards {
        call.take_back(&key, "the account was closed");
        call.delete(&place);
    }
}

fn rewards_of(helper: &str) -> String {
    format!("rewarded/{helper}/")
}

/// Why a member cannot help, as far as can be told without the risk rules.
pub(crate) fn obstacle(call: &Call<Config>, session: &Session, helper: &str) -> Option<Problem> {
    let is_new = needs_newness(&call.config) && call.is_new_member(helper);
    let may = if session.owner == helper {
        Err(not_allowed("bargain.self-help", "Nobody helps themselves."))
    } else {
        call.may_take_part().and_then(|()| may_help(call, session, helper, is_new).map(drop))
    };
    may.err()
}

fn needs_newness(config: &Config) -> bool {
    config.new_helper_only || config.new_helper_weight_bps > 10_000
}

/// How often a member who may help now will have helped.
fn may_help(call: &Call<Config>, session: &Session, helper: &str, is_new: bool) -> Answer<Helps> {
    session.must_be_cut(call.now())?;
    if call.load::<Help>(&key(session, helper)).is_some() {
        return Err(conflict("bargain.already-helped", "You have helped here."));
    }
    let config = &call.config;
    if config.new_helper_only && !is_new {
        return Err(not_allowed("bargain.new-helper-only", "This is for new members."));
    }
    call.may_help(config.help_limits(), &session.owner).map_err(|limit| match limit {
        HelpLimit::Total => limit_reached("bargain.help-limit-total", "You have helped as often as you may."),
        HelpLimit::Day => limit_reached("bargain.help-limit-day", "You have helped enough for today."),
        HelpLimit::Pair | HelpLimit::Reciprocal => {
            limit_reached("bargain.pair-limit", "You have helped this member enough.")
        }
    })
}

/// Cuts the price; at the floor the session has succeeded.
pub(crate) fn cut(call: &mut Call<Config>, session: &mut Session, helper: &str, is_new: bool) -> i64 {
    let weight = if is_new { call.config.new_helper_weight_bps } else { 10_000 };
    let left = session.current - session.floor;
    let amount = match call.config.cuts(left, session.cuts) {
        Some(cuts) => {
            let bounds = cuts.bounds();
            bounds.weighted(draw(call, session, bounds.low, bounds.high), weight)
        }
        None => {
            let drawn = draw(call, session, call.config.cut_min, call.config.cut_max);
            bps_of(drawn, weight).min(call.config.cut_max).min(left)
        }
    };
    session.current -= amount;
    session.cuts += 1;
    call.save(&key(session, helper), &Help { amount, at: call.now() });
    call.emit("bargain.cut", &session.id, &CutEvent { helper, amount, current: session.current });
    if helper != session.owner {
        call.tell("bargain.cut", &session.owner, &[("helper", helper.into()), ("amount", amount.to_string())]);
    }
    if session.current == session.floor {
        session.settle_price(call, State::Success);
        crate::order::succeeded(call, session);
    } else {
        session.save(call);
    }
    amount
}

fn draw(call: &mut Call<Config>, session: &Session, low: i64, high: i64) -> i64 {
    let drawn = call.draw(&format!("cut:{}", session.id), low.unsigned_abs(), high.unsigned_abs());
    i64::try_from(drawn).expect("a cut is an amount of money")
}

pub(crate) fn key(session: &Session, helper: &str) -> String {
    bounded(format!("help/{}/{helper}", session.id))
}
