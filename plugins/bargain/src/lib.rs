//! Bargain (砍): helpers cut a price, each by a fair random amount, until it reaches its floor.

mod config;
mod cuts;
mod session;
#[cfg(test)]
mod tests;

use fairground_sdk::{
    Block, Section, StopReason, Verdict, conflict, limit_reached, not_allowed, not_found, prelude::*, risk_rejected,
};

use config::{Config, Mode};
use session::{Session, State};

/// What the price was cut by.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Help {
    /// Minor units.
    amount: i64,
    /// UTC milliseconds.
    at: i64,
}

/// How often a member has helped.
#[derive(Serialize, Deserialize)]
struct Helper {
    day: Day,
    today: u32,
    total: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SessionInput {
    /// The session's id.
    #[schemars(length(min = 1, max = 140))]
    session: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HelpersInput {
    #[schemars(length(min = 1, max = 140))]
    session: String,
    /// The last helper of the page before.
    after: Option<String>,
}

/// A session as anybody may see it. Exact amounts in minor units: nothing is left for a client to compute.
#[derive(Serialize, JsonSchema)]
struct SessionView {
    session: String,
    owner: String,
    state: State,
    original: i64,
    floor: i64,
    current: i64,
    cut_total: i64,
    cuts: u32,
    /// How many more cuts it takes: at least and at most. The same number twice where cuts are counted.
    cuts_left_min: u64,
    cuts_left_max: u64,
    /// UTC milliseconds.
    deadline: i64,
}

#[derive(Serialize, JsonSchema)]
struct Cut {
    /// Minor units.
    amount: i64,
    session: SessionView,
}

/// What `bargain.cut` tells.
#[derive(Serialize)]
struct CutEvent {
    helper: String,
    amount: i64,
    current: i64,
}

#[derive(Serialize, JsonSchema)]
struct HelperView {
    helper: String,
    amount: i64,
    at: i64,
}

#[derive(Serialize, JsonSchema)]
struct HelpersView {
    helpers: Vec<HelperView>,
    /// Where the next page starts.
    next: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct CanHelp {
    can: bool,
    /// Why not.
    code: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Mine {
    sessions: Vec<SessionView>,
}

struct Bargain;

impl Activity for Bargain {
    type Config = Config;
    const NAME: &'static str = "bargain";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "Bargain 砍";
    const DESCRIPTION: &'static str = "Members help each other to cut a price down to its floor.";

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("start", "Start a session 發起", |call, _: fairground_sdk::Nothing| start(call))
            .action("help", "Help to cut 幫砍", |call, input: SessionInput| help(call, &input.session))
            .action("cancel", "Cancel your session 取消", |call, input: SessionInput| cancel(call, &input.session))
            .query("session", "A session", |call, input: SessionInput| {
                Ok(view(call, &Session::find(call, &input.session)?))
            })
            .query("helpers", "Who helped", |call, input: HelpersInput| helpers(call, &input))
            .query("can-help", "Whether you can help", |call, input: SessionInput| can_help(call, &input.session))
            .query("mine", "Your sessions", |call, _: fairground_sdk::Nothing| mine(call))
            .emits(&["bargain.started", "bargain.cut", "bargain.success", "bargain.expired", "bargain.cancelled"])
            .codes(&[
                "bargain.session-exists",
                "bargain.session-limit",
                "bargain.session-over",
                "bargain.already-helped",
                "bargain.help-limit-day",
                "bargain.help-limit-total",
                "bargain.pair-limit",
                "bargain.self-help",
                "bargain.new-helper-only",
                "bargain.infeasible-range",
                "bargain.too-many-sessions",
            ])
    }

    fn check(config: &Config, offers: &Offers) -> Result<Report, Vec<Issue>> {
        config.check(offers)
    }

    fn on_timer(call: &mut Call<Config>, key: &str, _: i64, _: &str) -> Answer<()> {
        let Some(mut session) = key.strip_prefix("session:").and_then(|id| Session::load(call, id)) else {
            return Ok(());
        };
        if session.state == State::Cutting && call.now() >= session.deadline {
            session.close(call, State::Expired);
        }
        Ok(())
    }

    fn stop(_: &mut Call<Config>, _: StopReason) -> Answer<()> {
        Ok(())
    }

    /// Closes what is still open, a page of sessions at a time.
    fn settle(call: &mut Call<Config>, _: u32) -> Answer<bool> {
        let open = Session::open_ones(call, 50);
        let finished = open.len() < 50;
        for mut session in open {
            session.close(call, State::Expired);
        }
        Ok(finished)
    }

    fn page(call: &mut Call<Config>, _: Option<&str>) -> Answer<Vec<Block>> {
        let (least, most) = call.config.helps_needed();
        Ok(vec![
            Block::new(
                Section::Top,
                "price",
                &numbers(&[("original", call.config.original_price), ("floor", call.config.floor_price)]),
            ),
            Block::new(
                Section::Middle,
                "helps-needed",
                &numbers(&[("at_least", least as i64), ("at_most", most as i64)]),
            ),
            Block::new(Section::Bottom, "call-to-action", &"start"),
        ])
    }

    fn audit(call: &mut Call<Config>) -> Answer<Vec<String>> {
        Ok(session::audit(call))
    }
}

fairground_sdk::activity!(Bargain);

/// A small object of numbers.
fn numbers(fields: &[(&str, i64)]) -> std::collections::BTreeMap<String, i64> {
    fields.iter().map(|(name, number)| ((*name).into(), *number)).collect()
}

fn start(call: &mut Call<Config>) -> Answer<SessionView> {
    check_risk(call, None, "bargain.start")?;
    let owner = call.actor.clone();
    let begun = call.counter(&format!("sessions/{owner}"));
    if begun >= i64::from(call.config.sessions_per_member) {
        return Err(limit_reached("bargain.session-limit", "You have had all your sessions."));
    }
    if call.counter(&format!("cutting/{owner}")) >= i64::from(call.config.concurrent_sessions) {
        return Err(conflict("bargain.session-exists", "You have a session that is still being cut."));
    }
    let mut session = Session::begin(call, &owner, begun + 1)?;
    if call.config.owner_first_cut {
        let owner = session.owner.clone();
        cut(call, &mut session, &owner);
    }
    session.save(call);
    Ok(view(call, &session))
}

fn help(call: &mut Call<Config>, id: &str) -> Answer<Cut> {
    let mut session = Session::find(call, id)?;
    let helper = call.actor.clone();
    let so_far = may_help(call, &session, &helper)?;
    check_risk(call, Some(&session.owner), "bargain.help")?;
    count_help(call, &session, &helper, so_far);
    let amount = cut(call, &mut session, &helper);
    session.save(call);
    if let Some(offer) = call.config.helper_offer.clone() {
        call.give(&format!("help:{id}:{helper}"), &offer, &helper)?;
    }
    Ok(Cut { amount, session: view(call, &session) })
}

fn cancel(call: &mut Call<Config>, id: &str) -> Answer<SessionView> {
    let mut session = Session::find(call, id)?;
    if session.owner != call.actor {
        return Err(not_allowed("common.not-owner", "Only its owner cancels a session."));
    }
    if session.state != State::Cutting {
        return Err(conflict("bargain.session-over", "The session is over."));
    }
    session.close(call, State::Cancelled);
    Ok(view(call, &session))
}

/// How often a member who may help now has helped today and in all. State first, then the member, then limits: so answers are
/// stable and tell little.
fn may_help(call: &Call<Config>, session: &Session, helper: &str) -> Answer<Helper> {
    if !session.is_open(call.now()) {
        return Err(conflict("bargain.session-over", "The session is over."));
    }
    if session.owner == helper {
        return Err(not_allowed("bargain.self-help", "Nobody helps themselves."));
    }
    if call.load::<Help>(&help_key(session, helper)).is_some() {
        return Err(conflict("bargain.already-helped", "You have helped here."));
    }
    if call.config.new_helper_only && !is_new(call, helper) {
        return Err(not_allowed("bargain.new-helper-only", "This is for new members."));
    }
    let config = &call.config;
    if config.counts_pairs() && call.counter(&pair_key(session, helper)) >= i64::from(config.helps_per_pair) {
        return Err(limit_reached("bargain.pair-limit", "You have helped this member enough."));
    }
    let day = business_day(call);
    let so_far = match call.load::<Helper>(&helper_key(helper)) {
        Some(so_far) if so_far.day == day => so_far,
        Some(so_far) => Helper { day, today: 0, ..so_far },
        None => Helper { day, today: 0, total: 0 },
    };
    if config.helps_per_member_total > 0 && so_far.total >= config.helps_per_member_total {
        return Err(limit_reached("bargain.help-limit-total", "You have helped as often as you may."));
    }
    if config.helps_per_member_day > 0 && so_far.today >= config.helps_per_member_day {
        return Err(limit_reached("bargain.help-limit-day", "You have helped enough for today."));
    }
    Ok(so_far)
}

fn business_day(call: &Call<Config>) -> Day {
    call.day(call.now(), &call.config.zone, call.config.day_starts_minute)
}

fn is_new(call: &Call<Config>, member: &str) -> bool {
    call.is_new(member, call.config.new_member.into(), call.started_at)
}

fn count_help(call: &mut Call<Config>, session: &Session, helper: &str, so_far: Helper) {
    let Helper { day, today, total } = so_far;
    call.save(&helper_key(helper), &Helper { day, today: today + 1, total: total + 1 });
    if call.config.counts_pairs() {
        call.count(&pair_key(session, helper), 1, 0, i64::MAX).expect("the limit was checked");
    }
}

/// Cuts the price; at the floor the session has succeeded.
fn cut(call: &mut Call<Config>, session: &mut Session, helper: &str) -> i64 {
    let weight = if helper != session.owner && call.config.new_helper_weight_bps > 10_000 && is_new(call, helper) {
        call.config.new_helper_weight_bps
    } else {
        10_000
    };
    let amount = match call.config.mode {
        Mode::Fixed { cuts } => {
            let bounds = cuts::Bounds::of(
                session.current - session.floor,
                i64::from(cuts) - i64::from(session.cuts),
                &call.config,
            );
            let drawn = draw(call, session, bounds.low, bounds.high);
            bounds.weighted(drawn, weight)
        }
        Mode::UntilFloor {} => {
            let drawn = draw(call, session, call.config.cut_min, call.config.cut_max);
            cuts::weigh(drawn, weight).min(call.config.cut_max).min(session.current - session.floor)
        }
    };
    session.current -= amount;
    session.cuts += 1;
    call.save(&help_key(session, helper), &Help { amount, at: call.now() });
    let told = CutEvent { helper: helper.into(), amount, current: session.current };
    call.emit("bargain.cut", &session.id, &told);
    if session.current == session.floor {
        session.close(call, State::Success);
    }
    amount
}

fn draw(call: &mut Call<Config>, session: &Session, low: i64, high: i64) -> i64 {
    let drawn = call.draw(&format!("cut:{}", session.id), low.unsigned_abs(), high.unsigned_abs());
    i64::try_from(drawn).expect("a cut is an amount of money")
}

fn check_risk(call: &Call<Config>, counterparty: Option<&str>, action: &str) -> Answer<()> {
    if !call.config.check_risk {
        return Ok(());
    }
    match call.assess_risk(&call.actor, counterparty, action).verdict {
        Verdict::Allow => Ok(()),
        // A cut cannot be taken back without raising the price, so there are no provisional ones.
        Verdict::Review => Err(risk_rejected("common.risk-review", "This needs a closer look first.").retryable()),
        Verdict::Deny => Err(risk_rejected("common.risk-denied", "This is not possible.")),
    }
}

fn can_help(call: &mut Call<Config>, id: &str) -> Answer<CanHelp> {
    let session = Session::find(call, id)?;
    let helper = call.actor.clone();
    let code = may_help(call, &session, &helper).err().map(|problem| problem.code.to_owned());
    Ok(CanHelp { can: code.is_none(), code })
}

fn helpers(call: &mut Call<Config>, input: &HelpersInput) -> Answer<HelpersView> {
    const PAGE: u32 = 50;
    let session = Session::find(call, &input.session)?;
    let prefix = help_key(&session, "");
    let after = input.after.as_ref().map(|after| format!("{prefix}{after}"));
    let rows = call.scan::<Help>(&prefix, after.as_deref(), PAGE);
    let full = rows.len() == PAGE as usize;
    let helpers: Vec<_> = rows
        .into_iter()
        .map(|(key, help)| HelperView { helper: key[prefix.len()..].into(), amount: help.amount, at: help.at })
        .collect();
    let next = if full { helpers.last().map(|last| last.helper.clone()) } else { None };
    Ok(HelpersView { helpers, next })
}

fn mine(call: &mut Call<Config>) -> Answer<Mine> {
    let owner = call.actor.clone();
    let begun = call.counter(&format!("sessions/{owner}"));
    let sessions = (1..=begun).rev().take(50).filter_map(|number| Session::load(call, &session::id(&owner, number)));
    Ok(Mine { sessions: sessions.map(|session| view(call, &session)).collect() })
}

fn view(call: &Call<Config>, session: &Session) -> SessionView {
    let (least, most) = match call.config.mode {
        _ if session.state != State::Cutting => (0, 0),
        Mode::Fixed { cuts } => (u64::from(cuts - session.cuts), u64::from(cuts - session.cuts)),
        Mode::UntilFloor {} => {
            cuts::helps_range(session.current - session.floor, call.config.cut_min, call.config.cut_max)
        }
    };
    let expired = session.state == State::Cutting && call.now() >= session.deadline;
    SessionView {
        session: session.id.clone(),
        owner: session.owner.clone(),
        state: if expired { State::Expired } else { session.state },
        original: session.original,
        floor: session.floor,
        current: session.current,
        cut_total: session.original - session.current,
        cuts: session.cuts,
        cuts_left_min: least,
        cuts_left_max: most,
        deadline: session.deadline,
    }
}

fn help_key(session: &Session, helper: &str) -> String {
    format!("help/{}/{helper}", session.id)
}

fn helper_key(helper: &str) -> String {
    format!("helper/{helper}")
}

fn pair_key(session: &Session, helper: &str) -> String {
    format!("pair/{}/{helper}", session.owner)
}

/// There is no such session.
fn unknown_session() -> Problem {
    not_found("common.not-found", "There is no such session.")
}
