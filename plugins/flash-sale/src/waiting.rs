//! The waiting list: who comes when all is taken is served in order when something is given back, while the slot lasts.

use fairground_sdk::prelude::*;

use crate::{
    config::{Config, Item, Release},
    draw,
    reservation::Reservation,
};

/// Those who are looked at when something is given back: who wants more than there is, is passed over.
const LOOKED_AT: u32 = 50;

/// Those who are served in one call: each is an order, an event and notices.
const SERVED_AT_ONCE: usize = 5;

#[derive(Serialize, Deserialize)]
struct Waiting {
    member: String,
    quantity: u32,
}

/// Whether somebody waits for a good in a slot.
pub(crate) fn is_waited_for(call: &Call<Config>, slot: usize, item: usize) -> bool {
    !call.scan::<Waiting>(&queue(slot, item), None, 1).is_empty()
}

/// Whether a member does.
pub(crate) fn waits(call: &Call<Config>, slot: usize, item: usize, member: &str) -> bool {
    call.counter(&place_key(slot, item, member)) > 0
}

/// Puts a member at the end; their place, counted from 1. Once in a slot for each good.
pub(crate) fn join(call: &mut Call<Config>, slot: usize, item: usize, member: &str, quantity: u32) -> u64 {
    let known = place_key(slot, item, member);
    let number = match call.counter(&known) {
        0 => {
            let number =
                call.count(&format!("waiting/{slot}/{item}"), 1, 0, i64::MAX).expect("nobody waits that often");
            call.count(&known, number, 0, i64::MAX).expect("it was 0");
            call.save(&format!("{}{number:08}", queue(slot, item)), &Waiting { member: member.into(), quantity });
            number
        }
        number => number,
    };
    call_next(call, item);
    (number - call.counter(&served_key(slot, item))).max(1).unsigned_abs()
}

/// Has whoever waits served as soon as this call is done: what becomes of them must not undo it.
pub(crate) fn call_next(call: &mut Call<Config>, item: usize) {
    if call.config.release == Release::WaitingList {
        let now = call.now();
        // Where no timer can be set, the next who comes or gives back calls them.
        let _ = call.set_timer(&format!("serve:{item}"), now);
    }
}

/// Something of a good is there: those who wait get it, in order.
pub(crate) fn serve(call: &mut Call<Config>, number: usize) -> Answer<()> {
    let now = call.now();
    let is_over = call.load::<bool>(crate::OVER).is_some() || call.ends_at.is_some_and(|end| end <= now);
    let Some((slot, _)) = call.config.slot_at(now).filter(|_| !is_over) else { return Ok(()) };
    let Some(item) = call.config.items.get(number).cloned() else { return Ok(()) };
    let mut served = 0;
    for (key, Waiting { member, quantity }) in call.scan::<Waiting>(&queue(slot, number), None, LOOKED_AT) {
        let of = (number, &item);
        let has_share = Reservation::must_be_within_share(call, of, slot, &member, quantity).is_ok();
        if !has_share || draw::may_buy(call, &member).is_err() {
            leave(call, (slot, number), &key, &member);
            continue;
        }
        let is_there = Reservation::fits(call, of, slot, &member, quantity) && is_sold(call, &item, quantity);
        if !is_there {
            continue;
        }
        if served == SERVED_AT_ONCE {
            call_next(call, number);
            break;
        }
        leave(call, (slot, number), &key, &member);
        let made = Reservation::make(call, of, slot, &member, quantity)?;
        call.tell("flash-sale.reserved", &member, &[("reservation", made.id)]);
        served += 1;
    }
    Ok(())
}

fn is_sold(call: &mut Call<Config>, item: &Item, quantity: u32) -> bool {
    call.sku(&item.sku).is_some() && call.has_units(&item.pool, quantity.into())
}

/// Waits no longer.
fn leave(call: &mut Call<Config>, (slot, item): (usize, usize), key: &str, member: &str) {
    call.delete(key);
    call.delete(&place_key(slot, item, member));
    call.count(&served_key(slot, item), 1, 0, i64::MAX).expect("as often as somebody waits");
}

fn queue(slot: usize, item: usize) -> String {
    format!("queue/{slot}/{item}/")
}

fn place_key(slot: usize, item: usize, member: &str) -> String {
    format!("waits/{slot}/{item}/{member}")
}

fn served_key(slot: usize, item: usize) -> String {
    format!("served/{slot}/{item}")
}
