//! What is known of a member: the days covered, as runs. A streak is the last run, so nothing is ever counted again from the
//! beginning.

use std::collections::BTreeMap;

use fairground_sdk::prelude::*;

use crate::config::{Config, Cycle};

/// Older runs no longer matter: no make-up reaches back that far.
const RUNS_MAX: usize = 64;

/// Months whose freezes are counted: 31 days reach into three of them.
const MONTHS_MAX: usize = 3;

/// Days without a gap, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub from: Day,
    pub to: Day,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// In order, never touching each other.
    pub runs: Vec<Run>,
    pub first_day: Day,
    pub best: u32,
    /// Days checked in or made up; frozen ones do not count.
    pub total: u32,
    /// Of the cycle named.
    pub makeups: (u32, u32),
    /// By month, `2026-03`, as far back as days can be frozen.
    pub freezes: BTreeMap<String, u32>,
    /// Where the policy pins one: the zone, and since when.
    pub zone: Option<(String, i64)>,
    pub last_at: i64,
}

impl Record {
    pub(crate) fn new(first_day: Day) -> Self {
        Self {
            runs: Vec::new(),
            first_day,
            best: 0,
            total: 0,
            makeups: (0, 0),
            freezes: BTreeMap::new(),
            zone: None,
            last_at: i64::MIN,
        }
    }

    pub(crate) fn load(call: &Call<Config>, member: &str) -> Option<Self> {
        call.load(&key(member))
    }

    pub(crate) fn save(&self, call: &mut Call<Config>, member: &str) {
        call.save(&key(member), self);
    }

    pub(crate) fn last_day(&self) -> Option<Day> {
        self.runs.last().map(|run| run.to)
    }

    pub(crate) fn covers(&self, day: Day) -> bool {
        self.runs.iter().any(|run| run.from <= day && day <= run.to)
    }

    /// Covers a day, joining it with its neighbours. One that is covered, by a freeze perhaps, stays so.
    pub(crate) fn cover(&mut self, call: &Call<Config>, day: Day) {
        if self.covers(day) {
            return;
        }
        let (before, after) = (call.add_days(day, -1), call.add_days(day, 1));
        let mut new = Run { from: day, to: day };
        self.runs.retain(|run| {
            if run.to == before {
                new.from = run.from;
            } else if run.from == after {
                new.to = run.to;
            }
            run.to != before && run.from != after
        });
        let place = self.runs.partition_point(|run| run.to < new.from);
        self.runs.insert(place, new);
        if self.runs.len() > RUNS_MAX {
            self.runs.remove(0);
        }
        self.best = self.best.max(self.streak(call));
    }

    /// Takes a day away, splitting its run.
    pub(crate) fn uncover(&mut self, call: &Call<Config>, day: Day) {
        let Some(place) = self.runs.iter().position(|run| run.from <= day && day <= run.to) else { return };
        let run = self.runs.remove(place);
        let rest =
            [Run { from: run.from, to: call.add_days(day, -1) }, Run { from: call.add_days(day, 1), to: run.to }];
        for part in rest.into_iter().rev().filter(|part| part.from <= part.to) {
            self.runs.insert(place, part);
        }
    }

    /// Days of the last run.
    pub(crate) fn streak(&self, call: &Call<Config>) -> u32 {
        self.runs.last().map_or(0, |run| length(call, *run))
    }

    /// The streak as it stands today: none once a day was missed.
    pub(crate) fn current_streak(&self, call: &Call<Config>, today: Day) -> u32 {
        let alive = self.last_day().is_some_and(|last| last >= call.add_days(today, -1));
        if alive { self.streak(call) } else { 0 }
    }

    /// The cycle that a day lies in, and the day's number in it, from 1.
    pub(crate) fn cycle(&self, call: &Call<Config>, day: Day) -> (u32, u32) {
        match call.config.cycle {
            Cycle::Endless => (0, self.streak(call)),
            Cycle::Days { days, .. } => {
                let since = call.days_between(self.first_day, day).unwrap_or_default().max(0).unsigned_abs();
                (since / days, since % days + 1)
            }
        }
    }

    pub(crate) fn makeups_in(&self, cycle: u32) -> u32 {
        if self.makeups.0 == cycle { self.makeups.1 } else { 0 }
    }

    pub(crate) fn freezes_in(&self, month: &str) -> u32 {
        self.freezes.get(month).copied().unwrap_or_default()
    }

    pub(crate) fn count_freeze(&mut self, month: String) {
        *self.freezes.entry(month).or_default() += 1;
        while self.freezes.len() > MONTHS_MAX {
            self.freezes.pop_first();
        }
    }

    /// The length of the run that a day lies in, as far as it is of the day's cycle; 0 where the day is not covered.
    pub(crate) fn run_in_cycle(&self, call: &Call<Config>, day: Day) -> u32 {
        let Some(run) = self.runs.iter().find(|run| run.from <= day && day <= run.to) else { return 0 };
        let Cycle::Days { days, .. } = call.config.cycle else { return length(call, *run) };
        let (_, number) = self.cycle(call, day);
        let ahead = |days: u32| i32::try_from(days).expect("a cycle has few days");
        let from = call.add_days(day, 1 - ahead(number));
        let to = call.add_days(from, ahead(days) - 1);
        length(call, Run { from: run.from.max(from), to: run.to.min(to) })
    }
}

pub(crate) fn length(call: &Call<Config>, run: Run) -> u32 {
    call.days_between(run.from, run.to).unwrap_or_default().unsigned_abs() + 1
}

/// `2026-03`.
pub(crate) fn month(day: Day) -> String {
    format!("{:04}-{:02}", day.year, day.month)
}

fn key(member: &str) -> String {
    format!("member/{member}")
}
