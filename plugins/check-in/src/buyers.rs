//! Purchases, where they matter: who may take part, and what an order proves. A return may be told before its purchase is.

use fairground_sdk::{
    HostEvent, bounded, conflict, invalid, not_allowed,
    platform::{BOUGHT, Purchase},
    prelude::*,
};

use crate::config::{Config, ProofRule};

/// What is known of an order.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Proof {
    /// Purchases in it, less those that were returned.
    left: i64,
    /// The day that it has proved.
    day: Option<Day>,
}

/// The platform tells of something bought or returned.
pub(crate) fn hear(call: &mut Call<Config>, event: &HostEvent) {
    let Some(Purchase { order, sku, .. }) = event.purchase() else { return };
    let change = if event.topic == BOUGHT { 1 } else { -1 };
    if call.config.buyers_of == Some(sku) {
        count_purchase(call, &event.subject, &order, change);
    }
    if call.config.proof == ProofRule::Order {
        let key = proof_key(&event.subject, &order);
        let proof = call.load::<Proof>(&key).unwrap_or_default();
        call.save(&key, &Proof { left: proof.left + change, ..proof });
    }
}

/// Orders with something left of them are counted. A return of what was bought before anybody listened takes no other order away.
fn count_purchase(call: &mut Call<Config>, member: &str, order: &str, change: i64) {
    let key = bounded(format!("bought/{member}/{order}"));
    let left = call.count(&key, change, i64::MIN, i64::MAX).expect("nobody buys that much");
    let orders = i64::from(left > 0) - i64::from(left - change > 0);
    call.count(&bought_by(member), orders, 0, i64::MAX).expect("an order is counted once");
}

/// The actor has bought what they must, and has not returned all of it.
pub(crate) fn must_have_bought(call: &Call<Config>) -> Answer<()> {
    if call.config.buyers_of.is_some() && call.counter(&bought_by(&call.actor)) <= 0 {
        return Err(not_allowed("common.not-eligible", "This is for buyers."));
    }
    Ok(())
}

/// An order of the actor's own proves one day; the same day again where it was rejected.
pub(crate) fn prove(call: &mut Call<Config>, order: &str, day: Day) -> Answer<()> {
    let key = proof_key(&call.actor, order);
    let proof = call.load::<Proof>(&key).unwrap_or_default();
    if proof.left <= 0 {
        return Err(invalid("checkin.proof-required", "The platform has told of no such order of yours."));
    }
    if proof.day.is_some_and(|proved| proved != day) {
        return Err(conflict("checkin.proof-required", "This order has proved another day."));
    }
    call.save(&key, &Proof { day: Some(day), ..proof });
    Ok(())
}

fn bought_by(member: &str) -> String {
    format!("buyer/{member}")
}

fn proof_key(member: &str, order: &str) -> String {
    bounded(format!("order/{member}/{order}"))
}
