//! Members who help each other: how often, and whom.

use serde::{Deserialize, Serialize};

use crate::{Call, Day, Terms, bounded};

/// How often members help; 0 sets no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HelpLimits {
    pub per_day: u32,
    pub total: u32,
    /// One helper and one whom they help.
    pub per_pair: u32,
    /// Whoever was helped does not help back for so many milliseconds.
    pub reciprocal_window_ms: u64,
}

/// Which of the limits is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelpLimit {
    Day,
    Total,
    Pair,
    Reciprocal,
}

/// A help that may be, for [`Call::count_help`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Helps {
    tally: Tally,
    /// With its key; none where no limit looks at pairs.
    pair: Option<(String, Pair)>,
}

/// How often a member has helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    day: Day,
    today: u32,
    total: u32,
}

/// How often one member has helped another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Pair {
    times: u32,
    at: i64,
}

impl HelpLimits {
    fn looks_at_pairs(self) -> bool {
        self.per_pair > 0 || self.reciprocal_window_ms > 0
    }
}

impl<C: Terms> Call<C> {
    /// Whether the actor may help a member once more; [`Call::count_help`] then counts it.
    pub fn may_help(&self, limits: HelpLimits, whom: &str) -> Result<Helps, HelpLimit> {
        let now = self.now();
        let mut pair = None;
        if limits.looks_at_pairs() {
            let key = pair_key(&self.actor, whom);
            let times = self.load::<Pair>(&key).unwrap_or_default().times;
            if limits.per_pair > 0 && times >= limits.per_pair {
                return Err(HelpLimit::Pair);
            }
            let is_recent = |back: Pair| now < back.at.saturating_add_unsigned(limits.reciprocal_window_ms);
            if limits.reciprocal_window_ms > 0 && self.load(&pair_key(whom, &self.actor)).is_some_and(is_recent) {
                return Err(HelpLimit::Reciprocal);
            }
            pair = Some((key, Pair { times: times + 1, at: now }));
        }
        let day = self.today();
        let before = match self.load::<Tally>(&helper_key(&self.actor)) {
            Some(before) if before.day == day => before,
            Some(before) => Tally { day, today: 0, ..before },
            None => Tally { day, today: 0, total: 0 },
        };
        if limits.total > 0 && before.total >= limits.total {
            return Err(HelpLimit::Total);
        }
        if limits.per_day > 0 && before.today >= limits.per_day {
            return Err(HelpLimit::Day);
        }
        Ok(Helps { tally: Tally { day, today: before.today + 1, total: before.total + 1 }, pair })
    }

    /// Counts a help that [`Call::may_help`] has allowed in this call.
    pub fn count_help(&mut self, helps: Helps) {
        self.save(&helper_key(&self.actor), &helps.tally);
        if let Some((key, pair)) = helps.pair {
            self.save(&key, &pair);
        }
    }
}

fn helper_key(helper: &str) -> String {
    format!("fg/helper/{helper}")
}

fn pair_key(helper: &str, whom: &str) -> String {
    bounded(format!("fg/pair/{helper}/{whom}"))
}
