//! What it cost to bring somebody over a channel (CAC), from what an activity has booked, counted and given.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::money::{Currency, Money};

/// What an activity has told of its growth, as the outbox keeps it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Booked {
    pub amount: Money,
    pub units: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Counted {
    pub stage: String,
    pub channel: Option<String>,
}

/// A channel, and what came over it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Channel {
    /// What was booked for it, in minor units.
    pub cost_minor: i64,
    /// What was given to those who came over it, in minor units of the budget.
    pub rewards_minor: i64,
    /// Messages, posts, leaflets: whatever was booked.
    pub units: i64,
    /// Members who came over it; each counts for the channel that was told first.
    pub acquired: i64,
    /// What one of them cost: `(cost_minor + rewards_minor) / acquired` as it is, and rounded to the currency's own decimals. Null
    /// where nobody came.
    pub cac: Option<Cac>,
}

/// A fraction, so that nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Cac {
    pub minor: i64,
    pub acquired: i64,
    /// In major units, halves up: `2.13`.
    pub shown: String,
}

impl Channel {
    /// What was booked for it, and given to those who came over it.
    pub(crate) fn spent_minor(&self) -> i64 {
        self.cost_minor.saturating_add(self.rewards_minor)
    }
}

impl Cac {
    /// None where nobody came.
    pub(crate) fn of(minor: i64, acquired: i64, currency: Currency) -> Option<Self> {
        (acquired > 0).then(|| Self { minor, acquired, shown: shown(minor, acquired, currency.decimals()) })
    }
}

/// Adds up what was told, in order.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    channels: BTreeMap<String, Channel>,
    /// Member → the channel that brought them.
    came_over: HashMap<String, String>,
    seen: HashSet<String>,
}

impl Growth {
    pub(crate) fn book(&mut self, channel: &str, booked: &Booked) {
        let channel = self.channels.entry(channel.into()).or_default();
        channel.cost_minor = channel.cost_minor.saturating_add(booked.amount.minor);
        channel.units = channel.units.saturating_add(booked.units);
    }

    pub(crate) fn count(&mut self, member: &str, counted: &Counted) {
        if counted.stage != "acquisition" || !self.seen.insert(member.into()) {
            return;
        }
        if let Some(channel) = &counted.channel {
            self.channels.entry(channel.clone()).or_default().acquired += 1;
            self.came_over.insert(member.into(), channel.clone());
        }
    }

    /// With what each member was given.
    pub(crate) fn finish(mut self, given: &[(String, i64)], currency: Currency) -> BTreeMap<String, Channel> {
        for (member, minor) in given {
            if let Some(channel) = self.came_over.get(member).and_then(|channel| self.channels.get_mut(channel)) {
                channel.rewards_minor = channel.rewards_minor.saturating_add(*minor);
            }
        }
        for channel in self.channels.values_mut() {
            channel.cac = Cac::of(channel.spent_minor(), channel.acquired, currency);
        }
        self.channels
    }
}

/// A fraction of minor units in major ones, rounded to their decimals, halves up.
fn shown(minor: i64, of: i64, decimals: u32) -> String {
    let rounded = (2 * i128::from(minor) + i128::from(of)).div_euclid(2 * i128::from(of));
    // From 212.5 minor units: 213, which is 2.13.
    let unit = 10_i128.pow(decimals);
    match decimals {
        0 => rounded.to_string(),
        _ => format!("{}.{:0width$}", rounded / unit, rounded % unit, width = decimals as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cny(minor: i64) -> Money {
        Money { minor, currency: Currency::new("CNY").expect("a currency") }
    }

    /// Worked example 16: 100 messages of 5 fen, 8 who came, 150 fen given to each.
    #[test]
    fn what_a_newcomer_cost_is_a_fraction() {
        let mut growth = Growth::default();
        growth.book("sms", &Booked { amount: cny(500), units: 100 });
        for member in 0..8 {
            let counted = Counted { stage: "acquisition".into(), channel: Some("sms".into()) };
            growth.count(&member.to_string(), &counted);
            growth.count(&member.to_string(), &counted);
        }
        let mut given: Vec<(String, i64)> = (0..8).map(|member| (member.to_string(), 150)).collect();
        given.push(("old".into(), 9_000));
        let channels = growth.finish(&given, cny(0).currency);
        let sms = &channels["sms"];
        assert_eq!((sms.cost_minor, sms.rewards_minor, sms.units, sms.acquired), (500, 1_200, 100, 8));
        assert_eq!(sms.cac, Some(Cac { minor: 1_700, acquired: 8, shown: "2.13".into() }));
    }

    #[test]
    fn nobody_came_costs_nothing_each() {
        let mut growth = Growth::default();
        growth.book("poster", &Booked { amount: cny(5), units: 1 });
        growth.count("ann", &Counted { stage: "revenue".into(), channel: Some("poster".into()) });
        assert_eq!(growth.finish(&[], cny(0).currency)["poster"].cac, None);
    }

    #[test]
    fn an_amount_is_shown_in_its_currencys_decimals() {
        assert_eq!(shown(1_700, 8, 2), "2.13");
        assert_eq!(shown(10, 4, 0), "3");
        assert_eq!(shown(7, 2, 3), "0.004");
        assert_eq!(shown(0, 3, 2), "0.00");
    }
}
