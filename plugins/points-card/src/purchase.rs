//! Purchases: each counts once, and what is paid back takes its points along.

use fairground_sdk::{HostEvent, bounded, platform, prelude::*};

use crate::{card::Card, config::Config};

/// Goods of one order that count: one call takes all of them back, each off several lots.
const LINES_MAX: usize = 20;

/// An order that was heard of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    lines: Vec<Line>,
    /// All of it was paid back.
    is_returned: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    sku: String,
    points: u64,
    /// When its points expire.
    due: i64,
    /// It may be paid back before it is heard of.
    is_returned: bool,
}

/// The platform tells of a purchase. It may tell twice, late, and of the return first.
pub(crate) fn hear(call: &mut Call<Config>, event: &HostEvent) -> Answer<()> {
    let Some(purchase) = event.purchase() else { return Ok(()) };
    let Some(mut card) = Card::load(call, &event.subject) else { return Ok(()) };
    if purchase.order.is_empty() {
        return Ok(());
    }
    let key = bounded(format!("order/{}/{}", event.subject, purchase.order));
    let mut order = call.load::<Order>(&key).unwrap_or_default();
    let before = order.clone();
    card.expire(call, call.now());
    if event.topic == platform::BOUGHT {
        // What was bought before there was a card fills none.
        let points = if event.at < card.opened_at || !call.config.counts(&purchase.sku) {
            0
        } else {
            call.config.points_for(purchase.total_minor)
        };
        if points > 0 && order.takes(&purchase.sku) {
            // A platform's clock may be ahead.
            let due = card.earn(call, &purchase.order, points, event.at.min(call.now()));
            order.lines.push(Line { sku: purchase.sku, points, due, is_returned: false });
            // What is heard very late has expired.
            card.expire(call, call.now());
        }
    } else {
        order.give_back(call, &mut card, (&purchase.order, &purchase.sku));
    }
    if order != before {
        call.save(&key, &order);
    }
    card.weigh(call);
    card.save(call);
    Ok(())
}

impl Order {
    /// Whether this is the first that is heard of these goods.
    fn takes(&self, sku: &str) -> bool {
        !self.is_returned && self.lines.len() < LINES_MAX && self.lines.iter().all(|line| line.sku != sku)
    }

    /// These goods are paid back, or all of them where they are not named.
    fn give_back(&mut self, call: &mut Call<Config>, card: &mut Card, (order, sku): (&str, &str)) {
        let mut taken = None;
        for line in self.lines.iter_mut().filter(|line| !line.is_returned && (sku.is_empty() || line.sku == sku)) {
            *taken.get_or_insert(0) += card.reverse(call, line.points, line.due);
            line.is_returned = true;
        }
        if let Some(points) = taken {
            card.tell_reversed(call, order, points);
        }
        if sku.is_empty() {
            self.is_returned = true;
        } else if self.takes(sku) {
            self.lines.push(Line { sku: sku.into(), points: 0, due: 0, is_returned: true });
        }
    }
}
