//! The waiting list: who comes when all is taken is served in order when something is given back, while the slot lasts.

use fairground_sdk::prelude::*;

use crate::{
    config::{Config, Release},
    reservation::Reservation,
};

/// Those who are looked at when something is given back: who cannot have it is passed over.
const LOOKED_AT: u32 = 10;

#[derive(Serialize, Deserialize)]
struct Waiting {
    member: String,
    quantity: u32,
}

/// Puts a member at the end; their place, counted from 1. Once in a slot for each good.
pub(crate) fn join(call: &mut Call<Config>, slot: usize, sku: &str, member: &str, quantity: u32) -> u64 {
    let known = format!("waits/{slot}/{sku}/{member}");
    let number = match call.counter(&known) {
        0 => {
            let number = call.count(&format!("waiting/{slot}/{sku}"), 1, 0, i64::MAX).expect("nobody waits that often");
            call.count(&known, number, 0, i64::MAX).expect("it was 0");
            call.save(&format!("{}{number:08}", queue(slot, sku)), &Waiting { member: member.into(), quantity });
            number
        }
        number => number,
    };
    (number - call.counter(&format!("served/{slot}/{sku}"))).max(1).unsigned_abs()
}

/// Something of a good was given back: whoever is next and can have it gets it.
pub(crate) fn serve(call: &mut Call<Config>, sku: &str) -> Answer<()> {
    let Some((slot, _)) = call.config.slot_at(call.now()) else { return Ok(()) };
    let Some(item) = call.config.item(sku).cloned() else { return Ok(()) };
    if call.config.release != Release::WaitingList || call.sku(sku).is_none() {
        return Ok(());
    }
    for (key, Waiting { member, quantity }) in call.scan::<Waiting>(&queue(slot, sku), None, LOOKED_AT) {
        let has_units = call.has_units(&item.pool, quantity.into());
        if !has_units || !Reservation::fits(call, &item, slot, &member, quantity) {
            continue;
        }
        call.delete(&key);
        call.count(&format!("served/{slot}/{sku}"), 1, 0, i64::MAX).expect("as often as somebody waits");
        let made = Reservation::make(call, &item, slot, &member, quantity)?;
        call.tell("flash-sale.reserved", &member, &[("reservation", made.id)]);
        break;
    }
    Ok(())
}

fn queue(slot: usize, sku: &str) -> String {
    format!("queue/{slot}/{sku}/")
}
