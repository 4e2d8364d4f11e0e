//! A pilot: an activity runs in a few groups first, and in the rest of its scope once it has proved itself there.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    activity::Scope,
    channel::{Cac, Channel},
    coupon::WHOLE_BPS,
    id::Id,
    money::Currency,
};

/// The last two windows may differ by a fifth of the larger: data that moves more has not settled yet.
const UNSTEADY_BPS: i128 = 2_000;

/// How an activity is tried, and what it must show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pilot {
    /// The groups that it is tried in: 1 to 100, all of them in its scope.
    #[schema(value_type = Vec<String>)]
    pub pilot: Vec<Id>,
    /// How long it is tried at least: a minute to a year, in milliseconds.
    #[schema(minimum = 60_000, maximum = 31_622_400_000_i64)]
    pub min_run_ms: i64,
    /// Members who have taken part, at least.
    pub min_participants: u32,
    /// Of all its calls, those that its plugin may have failed at; in basis points.
    #[schema(maximum = 10_000)]
    pub max_error_bps: u32,
    /// Of what was booked for its channels (messages, posts, leaflets), those that brought somebody, at least; in basis points.
    #[serde(default)]
    #[schema(maximum = 10_000)]
    pub min_conversion_bps: u32,
    /// What bringing a member may cost, rewards included, in minor units; null asks nothing.
    pub max_cac_minor: Option<i64>,
    /// How long each of the two windows is that are compared: a minute to a year, in milliseconds. A day where it is left out. It is
    /// also how often the gate is looked at.
    #[serde(default = "one_day")]
    #[schema(minimum = 60_000, maximum = 31_622_400_000_i64)]
    pub window_ms: i64,
    /// True to expand as soon as the gate is passed; otherwise somebody does (`expand`).
    #[serde(default)]
    pub auto_expand: bool,
}

fn one_day() -> i64 {
    86_400_000
}

/// A pilot, and whom the activity is for after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Rollout {
    #[serde(flatten)]
    pub pilot: Pilot,
    pub to: Scope,
}

/// What a pilot has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Measured {
    /// Since the start, in milliseconds.
    pub run_ms: i64,
    /// Members who have taken part.
    pub participants: i64,
    /// Calls that were answered or refused.
    pub calls: i64,
    /// Calls that the plugin failed at.
    pub faults: i64,
    /// What was booked for all channels.
    pub units: i64,
    /// Members who came over a channel.
    pub acquired: i64,
    /// What was booked and given for them, in minor units.
    pub cost_minor: i64,
    /// Actions of members in the window before the last, and in the last.
    pub windows: (i64, i64),
    /// Broken invariants that the activity itself finds.
    pub findings: Vec<String>,
}

/// Why a pilot is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lacking {
    /// It has not run for `min_run_ms`, or for two windows.
    Time,
    Participants,
    Errors,
    Conversion,
    /// The cost of bringing a member; also where nobody was brought.
    Cac,
    /// The last two windows differ by more than a fifth, or nobody did anything in the last.
    Steadiness,
    /// The audit has found something.
    Audit,
}

/// The gate between the pilot and everybody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Gate {
    pub passed: bool,
    /// What is in the way.
    pub lacking: Vec<Lacking>,
    pub measured: Measured,
    /// Faults of all calls, in basis points, rounded up.
    pub error_bps: i64,
    /// Members brought of what was booked, in basis points, rounded down; null where nothing was booked.
    pub conversion_bps: Option<i64>,
    /// What it cost to bring a member, over all channels; null where nobody was brought.
    pub cac: Option<Cac>,
}

impl Measured {
    /// Adds what the channels have cost and brought.
    pub(crate) fn with_channels<'a>(mut self, channels: impl IntoIterator<Item = &'a Channel>) -> Self {
        for channel in channels {
            self.units = self.units.saturating_add(channel.units);
            self.acquired = self.acquired.saturating_add(channel.acquired);
            self.cost_minor = self.cost_minor.saturating_add(channel.spent_minor());
        }
        self
    }

    fn error_bps(&self) -> i64 {
        ratio_bps(self.faults, self.calls.saturating_add(self.faults), true).unwrap_or(0)
    }

    fn is_steady(&self) -> bool {
        let (before, last) = (i128::from(self.windows.0), i128::from(self.windows.1));
        last > 0 && (before - last).abs() * i128::from(WHOLE_BPS) <= UNSTEADY_BPS * before.max(last)
    }
}

/// None of nothing.
fn ratio_bps(part: i64, whole: i64, rounds_up: bool) -> Option<i64> {
    let (part, whole) = (i128::from(part) * i128::from(WHOLE_BPS), i128::from(whole));
    let rounding = if rounds_up { whole - 1 } else { 0 };
    (whole > 0).then(|| i64::try_from((part + rounding) / whole).unwrap_or(i64::MAX))
}

impl Pilot {
    /// Until there is anything to judge: what was asked, and two windows.
    pub(crate) fn least_run_ms(&self) -> i64 {
        self.min_run_ms.max(self.window_ms.saturating_mul(2))
    }

    /// Whether it may be expanded, by what it has shown.
    pub(crate) fn judge(&self, measured: Measured, currency: Currency) -> Gate {
        let error_bps = measured.error_bps();
        let conversion_bps = ratio_bps(measured.acquired, measured.units, false);
        let max_cac = |most: i64| {
            let budget = i128::from(most) * i128::from(measured.acquired);
            measured.acquired > 0 && i128::from(measured.cost_minor) <= budget
        };
        let holds = [
            (Lacking::Time, measured.run_ms >= self.least_run_ms()),
            (Lacking::Participants, measured.participants >= self.min_participants.into()),
            (Lacking::Errors, error_bps <= self.max_error_bps.into()),
            (
                Lacking::Conversion,
                self.min_conversion_bps == 0 || conversion_bps.is_some_and(|bps| bps >= self.min_conversion_bps.into()),
            ),
            (Lacking::Cac, self.max_cac_minor.is_none_or(max_cac)),
            (Lacking::Steadiness, measured.is_steady()),
            (Lacking::Audit, measured.findings.is_empty()),
        ];
        let lacking: Vec<Lacking> = holds.into_iter().filter(|(_, holds)| !holds).map(|(lacking, _)| lacking).collect();
        let cac = Cac::of(measured.cost_minor, measured.acquired, currency);
        Gate { passed: lacking.is_empty(), lacking, measured, error_bps, conversion_bps, cac }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cny() -> Currency {
        Currency::new("CNY").expect("a currency")
    }

    fn pilot() -> Pilot {
        serde_json::from_value(serde_json::json!({
            "pilot": ["g", "h"], "min_run_ms": 60_000, "min_participants": 50, "max_error_bps": 100, "max_cac_minor": 250,
        }))
        .expect("a pilot")
    }

    /// 0.4 % of 1 000 calls; 100 messages for 5 each and 8 rebates of 150 brought 8; the windows differ by 12 %.
    fn measured() -> Measured {
        let sms = Channel { cost_minor: 500, rewards_minor: 1_200, units: 100, acquired: 8, cac: None };
        let run_ms = 2 * 86_400_000;
        Measured { run_ms, participants: 60, calls: 996, faults: 4, windows: (250, 220), ..Measured::default() }
            .with_channels([&sms])
    }

    fn lacking(change: impl FnOnce(&mut Measured)) -> Vec<Lacking> {
        let mut measured = measured();
        change(&mut measured);
        pilot().judge(measured, cny()).lacking
    }

    /// Worked example 18.
    #[test]
    fn a_pilot_that_has_proved_itself_passes_and_a_dear_one_does_not() {
        let gate = pilot().judge(measured(), cny());
        assert!(gate.passed && gate.lacking.is_empty(), "{gate:?}");
        assert_eq!((gate.error_bps, gate.conversion_bps), (40, Some(800)));
        assert_eq!(gate.cac, Some(Cac { minor: 1_700, acquired: 8, shown: "2.13".into() }));
        // 260 each.
        assert_eq!(lacking(|measured| measured.cost_minor = 2_080), [Lacking::Cac]);
        assert_eq!(lacking(|measured| measured.cost_minor = 2_000), [], "250 each are as much as may be");
        assert_eq!(lacking(|measured| measured.cost_minor = 2_001), [Lacking::Cac], "and no fraction more");
    }

    #[test]
    fn each_thing_that_a_pilot_lacks_is_named() {
        assert_eq!(lacking(|measured| measured.run_ms -= 1), [Lacking::Time], "two windows are two days");
        assert_eq!(lacking(|measured| measured.participants = 49), [Lacking::Participants]);
        assert_eq!(lacking(|measured| measured.faults = 11), [Lacking::Errors]);
        assert_eq!(lacking(|measured| measured.windows = (250, 200)), [], "a fifth of the larger");
        assert_eq!(lacking(|measured| measured.windows = (250, 199)), [Lacking::Steadiness]);
        assert_eq!(
            lacking(|measured| measured.windows = (199, 250)),
            [Lacking::Steadiness],
            "growth has not settled either"
        );
        assert_eq!(lacking(|measured| measured.windows = (0, 0)), [Lacking::Steadiness], "silence is no proof");
        assert_eq!(lacking(|measured| measured.findings = vec!["K1".into()]), [Lacking::Audit]);
        assert_eq!(lacking(|measured| measured.acquired = 0), [Lacking::Cac], "nobody was brought");
        let demanding = Pilot { min_conversion_bps: 801, max_cac_minor: None, ..pilot() };
        assert_eq!(demanding.judge(measured(), cny()).lacking, [Lacking::Conversion]);
        let none = Measured { units: 0, acquired: 0, ..measured() };
        assert_eq!(demanding.judge(none, cny()).lacking, [Lacking::Conversion], "nothing was booked");
    }
}
