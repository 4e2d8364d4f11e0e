//! Red packets: so many of chance, and their sum exact.

use fairground_sdk::{Cuts, conflict, limit_reached, prelude::*, refused};

use crate::config::{Config, Mode};

/// What is left, in minor units, and how many packets.
const TAKEN: &str = "taken";
const OPENED: &str = "opened";

#[derive(Serialize, JsonSchema)]
pub(crate) struct Packet {
    /// Minor units.
    amount: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Packets {
    /// Packets that nobody has opened.
    pub left: i64,
    /// Minor units in them together.
    pub left_minor: i64,
    /// What the viewer got, in minor units; none where they opened none.
    mine: Option<i64>,
}

fn cuts(call: &Call<Config>) -> Answer<(Cuts, String)> {
    let Mode::RedPacket { offer, total, packets, min, max } = call.config.mode.clone() else {
        return Err(conflict("common.wrong-state", "There are no packets here."));
    };
    let left = total - call.counter(TAKEN);
    Ok((Cuts { left, count: i64::from(packets) - call.counter(OPENED), min, max }, offer))
}

pub(crate) fn open(call: &mut Call<Config>) -> Answer<Packet> {
    let (cuts, offer) = cuts(call)?;
    call.take_part(None, "gift.open")?.at_once()?;
    let member = call.actor.clone();
    let key = format!("packet:{member}");
    if call.load::<i64>(&packet_key(&member)).is_some() {
        return Err(limit_reached("gift.claim-limit", "You have opened yours."));
    }
    if cuts.count <= 0 {
        return Err(conflict("gift.link-used", "All packets are opened."));
    }
    let bounds = cuts.bounds();
    let drawn = call.draw("packet", bounds.low.unsigned_abs(), bounds.high.unsigned_abs());
    let amount = i64::try_from(drawn).expect("an amount of money");
    call.hold(&key, &offer, &member, 0).map_err(refused)?;
    if !call.capture_part(&key, amount) {
        return Err(conflict("common.wrong-state", "The offer is no random packet."));
    }
    call.count(TAKEN, amount, 0, i64::MAX).expect("the cuts sum to the total");
    call.count(OPENED, 1, 0, i64::MAX).expect("one was left");
    call.save(&packet_key(&member), &amount);
    call.emit("gift.opened", &member, &Packet { amount });
    call.tell("gift.opened", &member, &[("amount", amount.to_string())]);
    Ok(Packet { amount })
}

pub(crate) fn view(call: &Call<Config>) -> Answer<Packets> {
    let (cuts, _) = cuts(call)?;
    Ok(Packets { left: cuts.count, left_minor: cuts.left, mine: call.load(&packet_key(&call.actor)) })
}

/// The packets that were opened are within their bounds, and what is left can still be cut exactly.
pub(crate) fn is_sound(call: &Call<Config>) -> bool {
    let Ok((cuts, _)) = cuts(call) else { return true };
    let opened: Vec<i64> = call.scan::<i64>("packet/", None, 256).into_iter().map(|(_, amount)| amount).collect();
    let is_whole = opened.len() < 256;
    let sum = !is_whole || opened.iter().sum::<i64>() == call.counter(TAKEN);
    let within = opened.iter().all(|amount| (cuts.min..=cuts.max).contains(amount));
    sum && within && (if cuts.count == 0 { cuts.left == 0 } else { cuts.is_feasible() })
}

fn packet_key(member: &str) -> String {
    format!("packet/{member}")
}
