//! The draw: members enter, winners are drawn who may buy for a while, and who does not is followed by another.

use fairground_sdk::{conflict, expired, limit_reached, lottery::Lottery, prelude::*};
use sha2::{Digest, Sha256};

use crate::{
    HORIZON_MS, OVER,
    config::{Config, Mode, Slot},
};

const LOTTERY: Lottery<'static> = Lottery("sale");

pub(crate) const TIMER: &str = "draw";

/// Winners of one call: each is seven writes, of five hundred.
const DRAWN_AT_ONCE: u32 = 40;

/// Of all who were drawn.
const HASH: &str = "draw-hash";

#[derive(Serialize, JsonSchema)]
pub(crate) struct DrawView {
    entrants: u64,
    has_entered: bool,
    has_won: bool,
    /// Of all who were drawn so far, in their order; none before.
    hash: Option<String>,
    /// Until when the viewer may reserve; none where they have not won. UTC milliseconds.
    buy_until: Option<i64>,
}

/// What `flash-sale.drawn` tells.
#[derive(Serialize)]
struct Won<'a> {
    /// In the order of drawing, from 1.
    place: i64,
    winner: &'a str,
    buy_until: i64,
    /// SHA-256 of the hash before and of the winner, a line each: the last one stands for the whole list.
    hash: &'a str,
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
    let at = enter_until.min(call.now().saturating_add(HORIZON_MS));
    if !call.set_timer(TIMER, at) {
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
    if call.load::<bool>(OVER).is_some() {
        return Ok(());
    }
    // Before its time, or while nobody can buy, nobody is drawn and nobody's time passes.
    let open = call.config.slot_at(now).filter(|_| now >= enter_until);
    let Some((_, slot)) = open else {
        if let Some(next) = if now < enter_until { Some(enter_until) } else { call.config.next_start(now) } {
            let _ = call.set_timer(TIMER, next.min(now.saturating_add(HORIZON_MS)));
        }
        return Ok(());
    };
    let most = call.batch_of(1, &["flash-sale.drawn"]).min(DRAWN_AT_ONCE);
    let mut passed = 0;
    for (key, member) in call.scan::<String>("window/", None, most) {
        if time_of(&key) > now {
            break;
        }
        call.delete(&key);
        passed += i64::from(call.counter(&format!("has-reserved/{member}")) == 0);
    }
    let passed = call.count("passed", passed, 0, i64::MAX).expect("fewer than entrants");
    let wanted = u64::from(winners) + passed.unsigned_abs();
    let (drawn, names) = LOTTERY.draw_some(call, wanted, most);
    let until = buy_until(call, slot, now.saturating_add_unsigned(buy_window_ms));
    for name in &names {
        call.save(&won_key(name), &until);
        call.save(&format!("window/{until:015}/{name}"), name);
        let place = call.count("drawn", 1, 0, i64::MAX).expect("fewer than entrants");
        let before = call.load::<String>(HASH).unwrap_or_default();
        let hash = fairground_sdk::hex(&Sha256::digest(format!("{before}\n{name}")));
        call.save(HASH, &hash);
        call.emit("flash-sale.drawn", name, &Won { place, winner: name, buy_until: until, hash: &hash });
        call.tell("flash-sale.drawn", name, &[]);
    }
    let next = if drawn.is_over {
        call.scan::<String>("window/", None, 1).first().map(|(key, _)| time_of(key))
    } else {
        Some(now)
    };
    if let Some(next) = next {
        // A timer of this name was set when somebody entered, so there is room for it.
        let _ = call.set_timer(TIMER, next.min(now.saturating_add(HORIZON_MS)));
    }
    Ok(())
}

/// A window that reaches beyond its slot goes on in the next one.
fn buy_until(call: &Call<Config>, slot: Slot, until: i64) -> i64 {
    if until <= slot.ends_at {
        return until;
    }
    let next = call.config.next_start(slot.ends_at.saturating_sub(1));
    next.map_or(slot.ends_at, |starts| starts + (until - slot.ends_at))
}

fn time_of(key: &str) -> i64 {
    key["window/".len()..].split('/').next().and_then(|until| until.parse().ok()).unwrap_or_default()
}

pub(crate) fn view(call: &Call<Config>) -> DrawView {
    let member = &call.actor;
    DrawView {
        entrants: LOTTERY.entrants(call),
        has_entered: LOTTERY.has(call, member),
        hash: call.load(HASH),
        has_won: LOTTERY.has_won(call, member),
        buy_until: call.load(&won_key(member)),
    }
}

fn won_key(member: &str) -> String {
    format!("won/{member}")
}
