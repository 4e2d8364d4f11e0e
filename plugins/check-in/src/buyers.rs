//! Purchases, where they matter: who may take part, and what an order proves.

use fairground_sdk::{
    HostEvent, bounded, conflict, invalid, not_allowed,
    platform::{BOUGHT, Purchase},
    prelude::*,
};

use crate::config::{Config, ProofRule};

/// The platform tells of something bought or returned.
pub(crate) fn hear(call: &mut Call<Config>, event: &HostEvent) {
    let Some(Purchase { order, sku, .. }) = event.purchase() else { return };
    let keys = [
        (call.config.buyers_of == Some(sku)).then(|| bounded(format!("{}{order}", bought_by(&event.subject)))),
        (call.config.proof == ProofRule::Order).then(|| proof_key(&event.subject, &order)),
    ];
    for key in keys.into_iter().flatten() {
        if event.topic != BOUGHT {
            call.delete(&key);
        } else if call.load::<bool>(&key).is_none() {
            call.save(&key, &false);
        }
    }
}

/// The actor has bought what they must, and has not returned all of it.
pub(crate) fn must_have_bought(call: &Call<Config>) -> Answer<()> {
    if call.config.buyers_of.is_some() && call.scan::<bool>(&bought_by(&call.actor), None, 1).is_empty() {
        return Err(not_allowed("common.not-eligible", "This is for buyers."));
    }
    Ok(())
}

/// An order of the actor's own proves one day.
pub(crate) fn prove(call: &mut Call<Config>, order: &str) -> Answer<()> {
    let key = proof_key(&call.actor, order);
    match call.load::<bool>(&key) {
        None => Err(invalid("checkin.proof-required", "The platform has told of no such order of yours.")),
        Some(true) => Err(conflict("checkin.proof-required", "This order has proved a day before.")),
        Some(false) => {
            call.save(&key, &true);
            Ok(())
        }
    }
}

fn bought_by(member: &str) -> String {
    format!("buyer/{member}/")
}

/// Whether it was used follows.
fn proof_key(member: &str, order: &str) -> String {
    bounded(format!("order/{member}/{order}"))
}
