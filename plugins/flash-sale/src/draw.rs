//! The draw: members enter, winners are drawn who may buy for a while, and who does not is followed by another.

use fairground_sdk::{conflict, expired, limit_reached, lottery::Lottery, prelude::*};

use crate::config::{Config, Mode};

const LOTTERY: Lottery<'static> = Lottery("sale");

/// Tries, and windows that are looked at, in one call.
const AT_ONCE: u32 = 50;

pub(crate) const TIMER: &str = "draw";

#[derive(Serialize, JsonSchema)]
pub(crate) struct DrawView {
    entrants: u64,
    has_entered: bool,
    has_won: bool,
    /// Until when the viewer may reserve; none where they have not won. UTC milliseconds.
    buy_until: Option<i64>,
}

#[derive(Serialize)]
struct Won<'a> {
    winner: &'a str,
    buy_until: i64,
}

pub(crate) fn enter(call: &mut Call<Config>) -> Answer<DrawView> {
    let Mode::Draw { enter_until, .. } = call.config.mode else {
        return Err(conflict("common.wrong-state", "Here is no draw: who comes first buys."));
    };
    if call.now() >= enter_until {
        return Err(expired("flash.not-in-slot", "The draw is over."));
    }
    call.take_part(None, "flash-sale.enter")?.at_once()?;
    let member = call.actor.clone();
    if LOTTERY.has(call, &member) {
        return Err(conflict("flash.already-entered", "You have entered."));
    }
    LOTTERY.enter(call, &member, 1);
    if !call.set_timer(TIMER, enter_until) {
        return Err(limit_reached("flash.too-fast", "Too much is going on; try again.").retryable());
    }
    Ok(view(call))
}

/// Whether a member may reserve, as far as the draw goes.
pub(crate) fn may_buy(call: &Call<Config>, member: &str) -> Answer<()> {
    match call.config.mode {
        Mode::FirstCome => Ok(()),
        Mode::Draw { .. } => match call.load::<i64>(&won_key(member)) {
            Some(until) if call.now() < until => Ok(()),
            _ => Err(conflict("flash.not-winner", "You are not among those who may buy now.")),
        },
    }
}

/// Draws those who are due: the winners, and one more for each who let their time pass.
pub(crate) fn run(call: &mut Call<Config>) -> Answer<()> {
    let Mode::Draw { enter_until, winners, buy_window_ms } = call.config.mode else { return Ok(()) };
    let now = call.now();
    if now < enter_until {
        return Ok(());
    }
    let mut passed = 0;
    for (key, member) in call.scan::<String>("window/", None, AT_ONCE) {
        let is_due = key["window/".len()..]
            .split('/')
            .next()
            .and_then(|until| until.parse().ok())
            .is_some_and(|until: i64| until <= now);
        if !is_due {
            break;
        }
        call.delete(&key);
        passed += i64::from(call.counter(&format!("has-reserved/{member}")) == 0);
    }
    let passed = call.count("passed", passed, 0, i64::MAX).expect("fewer than entrants");
    let wanted = u64::from(winners) + passed.unsigned_abs();
    let (drawn, names) = LOTTERY.draw_some(call, wanted, AT_ONCE);
    let until = now.saturating_add_unsigned(buy_window_ms);
    for name in &names {
        call.save(&won_key(name), &until);
        call.save(&format!("window/{until:015}/{name}"), name);
        call.emit("flash-sale.drawn", name, &Won { winner: name, buy_until: until });
        call.tell("flash-sale.drawn", name, &[]);
    }
    let next = if drawn.is_over {
        call.scan::<String>("window/", None, 1).first().map(|(key, _)| time_of(key))
    } else {
        Some(now)
    };
    if let Some(next) = next {
        // Where no timer can be set, the next one who enters or reserves sets it.
        let _ = call.set_timer(TIMER, next);
    }
    Ok(())
}

fn time_of(key: &str) -> i64 {
    key["window/".len()..].split('/').next().and_then(|until| until.parse().ok()).unwrap_or_default()
}

pub(crate) fn view(call: &Call<Config>) -> DrawView {
    let member = &call.actor;
    DrawView {
        entrants: LOTTERY.entrants(call),
        has_entered: LOTTERY.has(call, member),
        has_won: LOTTERY.has_won(call, member),
        buy_until: call.load(&won_key(member)),
    }
}

fn won_key(member: &str) -> String {
    format!("won/{member}")
}
