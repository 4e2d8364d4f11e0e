//! Helps: counted, and final after a while.

use fairground_sdk::{
    HelpLimit, Helps, Queue, bounded, conflict, limit_reached, not_allowed, prelude::*, unless_exhausted, unless_never,
};

use crate::{
    config::{Config, Mode},
    session::Session,
    views::{self, SessionView},
};

/// Members whose helps up to an instant are being reversed.
pub(crate) const UNDONE: Queue<'static> = Queue("undone");

/// Helps that become final, by the time of it.
pub(crate) const FINAL: Queue<'static> = Queue("final");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// It counts, and may still be reversed.
    Pending,
    Confirmed,
    Reversed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Help {
    pub session: String,
    pub helper: String,
    pub units: u32,
    pub at: i64,
    pub stage: Stage,
    /// Within an activity, in the order of helping.
    pub number: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Helped {
    units: u32,
    /// Whether the helper's reward is given or set aside. False where there is none, or the budget is used up.
    is_rewarded: bool,
    session: SessionView,
}

/// What `boost.helped` and `boost.reversed` tell.
#[derive(Serialize)]
struct Told<'a> {
    helper: &'a str,
    units: u32,
    progress: u32,
    /// Of a wait, when it is over now.
    deadline: Option<i64>,
}

pub(crate) fn help(call: &mut Call<Config>, id: &str) -> Answer<Helped> {
    let mut session = Session::find(call, id)?;
    let helper = call.actor.clone();
    let owner = session.owner.clone();
    if owner == helper {
        return Err(not_allowed("boost.self-help", "Nobody helps themselves."));
    }
    let is_new = looks_at_newness(&call.config) && call.is_new_member(&helper);
    let standing = call.take_part(Some(&owner), "boost.help")?;
    let helps = may_help(call, &session, is_new)?;
    let is_final = call.config.confirm_after_ms == 0;
    if is_final {
        standing.at_once()?;
    }
    call.delete(&closed_key(&helper));
    call.count_help(helps);
    let units = if is_new { call.config.unit_new } else { call.config.unit_existing };
    let number = call.count("helps", 1, 0, i64::MAX).expect("nobody helps that often");
    let stage = if is_final { Stage::Confirmed } else { Stage::Pending };
    let help = Help { session: id.into(), helper: helper.clone(), units, at: call.now(), stage, number };
    call.save(&key(call, &session, &helper), &number);
    help.save(call);
    if !is_final {
        // Under review it waits as long as any reward would.
        let review = if standing.is_under_review { call.reward_wait(standing) } else { 0 };
        let due = call.now().saturating_add_unsigned(call.config.confirm_after_ms.max(review));
        FINAL.put(call, due, &number.to_string());
        call.save(&pending_key(&helper, number), &number);
    }
    session.add(call, units, is_final, is_new);
    let deadline = unless_never(session.deadline);
    call.emit("boost.helped", id, &Told { helper: &helper, units, progress: session.counted, deadline });
    call.tell("boost.helped", &owner, &[("helper", helper.clone())]);
    let is_rewarded = match call.config.helper_offer.clone() {
        Some(offer) => {
            let wait = call.config.confirm_after_ms.max(call.reward_wait(standing));
            unless_exhausted(call.reward_after(&reward_key(number), &offer, &helper, wait))?.is_some()
        }
        None => false,
    };
    Ok(Helped { units, is_rewarded, session: views::session(call, &session) })
}

fn looks_at_newness(config: &Config) -> bool {
    let cuts = matches!(config.mode, Mode::Accelerate { new_cut_ms: Some(_), .. });
    cuts || config.new_helper_only || config.unit_new != config.unit_existing
}

/// Why the actor cannot help, as far as can be told without the risk rules.
pub(crate) fn obstacle(call: &Call<Config>, session: &Session) -> Option<Problem> {
    let is_new = looks_at_newness(&call.config) && call.is_new_member(&call.actor);
    let may = if session.owner == call.actor {
        Err(not_allowed("boost.self-help", "Nobody helps themselves."))
    } else {
        call.may_take_part().and_then(|()| may_help(call, session, is_new).map(drop))
    };
    may.err()
}

fn may_help(call: &Call<Config>, session: &Session, is_new: bool) -> Answer<Helps> {
    session.must_take_help(call)?;
    if call.load::<i64>(&key(call, session, &call.actor)).is_some() {
        return Err(conflict("boost.already-helped", "You have helped here."));
    }
    if call.config.new_helper_only && !is_new {
        return Err(not_allowed("boost.new-helper-only", "This is for new members."));
    }
    call.may_help(call.config.help_limits(), &session.owner).map_err(|limit| match limit {
        HelpLimit::Total => limit_reached("boost.help-limit-total", "You have helped as often as you may."),
        HelpLimit::Day => limit_reached("boost.help-limit-day", "You have helped enough for today."),
        HelpLimit::Pair => limit_reached("boost.already-helped", "You have helped this member enough."),
        HelpLimit::Reciprocal => conflict("boost.reciprocal", "This member has just helped you."),
    })
}

impl Help {
    pub(crate) fn load(call: &Call<Config>, number: i64) -> Option<Self> {
        call.load(&format!("no/{number:012}"))
    }

    fn save(&self, call: &mut Call<Config>) {
        call.save(&format!("no/{:012}", self.number), self);
        // For the page of a session's helps.
        call.save(&format!("{}{:012}", of_session(&self.session), self.number), &self.number);
    }

    /// It is final: what it helped to reach is given.
    pub(crate) fn confirm(mut self, call: &mut Call<Config>) {
        if self.stage != Stage::Pending {
            return;
        }
        if call.load::<bool>(&closed_key(&self.helper)).is_some() {
            return self.reverse(call);
        }
        self.become_stage(call, Stage::Confirmed);
        if let Some(mut session) = Session::load(call, &self.session) {
            session.confirmed += self.units;
            session.look(call);
        }
    }

    /// It counts no longer.
    fn reverse(mut self, call: &mut Call<Config>) {
        if self.stage != Stage::Pending {
            return;
        }
        self.become_stage(call, Stage::Reversed);
        call.take_back(&reward_key(self.number), "the help was reversed");
        if let Some(mut session) = Session::load(call, &self.session) {
            session.helps -= 1;
            session.counted -= self.units;
            let deadline = unless_never(session.deadline);
            let told = Told { helper: &self.helper, units: self.units, progress: session.counted, deadline };
            call.emit("boost.reversed", &session.id, &told);
            session.look(call);
        }
    }

    fn become_stage(&mut self, call: &mut Call<Config>, stage: Stage) {
        self.stage = stage;
        call.delete(&pending_key(&self.helper, self.number));
        self.save(call);
    }
}

/// A helper's account is closed: their helps that are not final count no longer.
pub(crate) fn closed(call: &mut Call<Config>, helper: &str, most: u32) {
    call.save(&closed_key(helper), &true);
    undo(call, helper, i64::MAX, most);
}

/// Reverses helps up to an instant that are not final, so many in one call.
pub(crate) fn undo(call: &mut Call<Config>, helper: &str, until: i64, most: u32) {
    let numbers = call.scan::<i64>(&format!("pending/{helper}/"), None, most);
    let helps: Vec<Help> = numbers.iter().filter_map(|(_, number)| Help::load(call, *number)).collect();
    let is_rest = numbers.len() == most as usize && helps.last().is_some_and(|help| help.at <= until);
    if is_rest {
        let now = call.now();
        UNDONE.put(call, now, &format!("{until}:{helper}"));
    }
    for help in helps.into_iter().filter(|help| help.at <= until) {
        help.reverse(call);
    }
}

/// Goes on where one call was not enough.
pub(crate) fn undo_more(call: &mut Call<Config>, due: i64, most: u32) {
    for name in UNDONE.take(call, 1, due) {
        if let Some((until, helper)) = name.split_once(':') {
            undo(call, helper, until.parse().unwrap_or(i64::MAX), most);
        }
    }
}

/// Whoever is back helps as before.
fn closed_key(helper: &str) -> String {
    format!("closed/{helper}")
}

/// Once in a session, or once a day.
fn key(call: &Call<Config>, session: &Session, helper: &str) -> String {
    if call.config.is_daily() {
        let day = call.today();
        return bounded(format!("help/{}/{helper}/{day}", session.id));
    }
    bounded(format!("help/{}/{helper}", session.id))
}

pub(crate) fn of_session(session: &str) -> String {
    format!("of/{session}/")
}

fn pending_key(helper: &str, number: i64) -> String {
    format!("pending/{helper}/{number:012}")
}

fn reward_key(number: i64) -> String {
    format!("help:{number}")
}
