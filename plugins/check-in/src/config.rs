//! What an organiser sets.

use fairground_sdk::{is_time_zone, prelude::*};

/// Milestones and daily prizes: a year of them.
const PRIZES_MAX: usize = 366;

/// Check-in 簽到: days in a row earn what was promised for them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Shown to members 標題.
    #[schemars(length(min = 1, max = 60))]
    pub title: String,
    /// Where a day begins and ends 時區: an IANA zone.
    #[schemars(length(min = 1, max = 64))]
    pub zone: String,
    /// Whose zone counts 時區規則.
    #[serde(default)]
    pub zone_policy: ZonePolicy,
    /// When a day starts 每日開始 (minutes after midnight).
    #[serde(default)]
    #[schemars(range(max = 1_439))]
    pub day_starts_minute: u32,
    /// When members can check in 時段 (minutes after midnight; the end is not part of it).
    pub window: Option<Window>,
    /// How days are counted 週期.
    #[serde(default)]
    pub cycle: Cycle,
    /// Day of the cycle → offer 每日獎勵. Without cycles the day of the streak counts.
    #[serde(default)]
    pub daily: Vec<DayPrize>,
    /// Days in a row → offer 連續獎勵; once a cycle.
    #[serde(default)]
    pub streak: Vec<Milestone>,
    /// Days in all → offer 累計獎勵; once.
    #[serde(default)]
    pub total: Vec<Milestone>,
    /// Missed days that a member may still fill 補簽.
    pub makeup: Option<MakeUp>,
    /// Missed days that do not break a streak 免斷卡.
    pub freeze: Option<Freeze>,
    /// What a check-in must show 憑證.
    #[serde(default)]
    pub proof: ProofRule,
    /// Who looks at it 審核.
    #[serde(default)]
    pub review: Review,
    /// Only for buyers of this good 限買家.
    #[schemars(length(min = 1, max = 128))]
    pub buyers_of: Option<String>,
    /// Between two check-ins 最短間隔 (milliseconds; 4 hours): it stops hopping between zones.
    #[serde(default = "four_hours")]
    pub min_gap_ms: u64,
    /// When members who wish it are reminded 提醒 (minutes after midnight).
    #[serde(default = "eight_in_the_evening")]
    #[schemars(range(max = 1_439))]
    pub remind_minute: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ZonePolicy {
    /// The activity's.
    #[default]
    Activity,
    /// The member's own, as it was at the first check-in.
    MemberPinned {
        /// How long a member keeps a zone (milliseconds; 30 days).
        #[serde(default = "thirty_days")]
        change_cool_down_ms: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    #[schemars(range(max = 1_439))]
    pub from_minute: u32,
    #[schemars(range(min = 1, max = 1_440))]
    pub to_minute: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Cycle {
    #[default]
    Endless,
    /// So many days from a member's first check-in.
    Days {
        #[schemars(range(min = 1, max = 366))]
        days: u32,
        then: Then,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    Repeat,
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DayPrize {
    #[schemars(range(min = 1, max = 366))]
    pub day: u32,
    /// The name of an offer.
    pub offer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Milestone {
    #[schemars(range(min = 1, max = 10_000))]
    pub days: u32,
    /// The name of an offer.
    pub offer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeUp {
    /// A day less than so many days ago can be filled.
    #[schemars(range(min = 2, max = 60))]
    pub max_back_days: u32,
    /// How many a cycle.
    #[schemars(range(min = 1, max = 366))]
    pub per_cycle: u32,
    /// What one costs, in points of `account`.
    #[serde(default)]
    pub cost_points: u64,
    #[serde(default = "points")]
    #[schemars(length(min = 1, max = 128))]
    pub account: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Freeze {
    /// Days of a month that may be frozen.
    #[schemars(range(min = 1, max = 31))]
    pub per_month: u32,
    /// Missed days are frozen by themselves, the oldest first.
    pub auto: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ProofRule {
    #[default]
    None,
    Text {
        /// Characters.
        #[schemars(range(min = 1, max = 1_000))]
        min_len: u32,
    },
    /// The reference of a photo on the platform.
    Photo,
    /// The reference of an order.
    Order,
    /// The code of a place.
    Code {
        /// Place → its code.
        #[schemars(length(min = 1, max = 100))]
        places: std::collections::BTreeMap<String, String>,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Review {
    #[default]
    Auto,
    /// Counts at once, its prizes wait. Who is not looked at in time is approved.
    Moderator {
        /// Milliseconds: a minute to 30 days.
        #[schemars(range(min = 60_000, max = 2_592_000_000u64))]
        within_ms: u64,
    },
}

fn four_hours() -> u64 {
    4 * 3_600_000
}
fn eight_in_the_evening() -> u32 {
    20 * 60
}
fn thirty_days() -> u64 {
    30 * 86_400_000
}
fn points() -> String {
    "points".into()
}

impl Config {
    pub(crate) fn check(&self, offers: &Offers) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect(is_time_zone(&self.zone), "/zone", "invalid-config", "An IANA time zone, such as Asia/Shanghai.");
        let ordered = self.window.is_none_or(|window| window.from_minute < window.to_minute);
        issues.expect(ordered, "/window", "invalid-config", "The window begins before it ends.");
        if let Cycle::Days { days, .. } = self.cycle {
            let within = |list: &[u32]| list.iter().all(|day| *day <= days);
            let daily: Vec<u32> = self.daily.iter().map(|prize| prize.day).collect();
            let streak: Vec<u32> = self.streak.iter().map(|prize| prize.days).collect();
            issues.expect(within(&daily), "/daily", "invalid-config", "A day beyond the cycle is never reached.");
            issues.expect(within(&streak), "/streak", "invalid-config", "A streak beyond the cycle is never reached.");
        }
        self.check_prizes(&mut issues, offers);
        let costs = self.prizes().any(|(_, offer)| offers.get(offer).is_some_and(|cost| *cost > 0));
        // What it costs grows with the number of members, which has no bound.
        let mut warnings = Vec::new();
        if self.buyers_of.is_some() {
            warnings.push("Nobody can check in until the platform has told the activity who paid (order.paid).".into());
        }
        issues.or(Report { max_liability: (!costs).then_some(0), disclosures: Vec::new(), warnings })
    }

    fn check_prizes(&self, issues: &mut Issues, offers: &Offers) {
        let lists = [("/daily", self.daily.len()), ("/streak", self.streak.len()), ("/total", self.total.len())];
        for (pointer, length) in lists {
            issues.expect(length <= PRIZES_MAX, pointer, "invalid-config", format!("At most {PRIZES_MAX}."));
        }
        for (pointer, offer) in self.prizes() {
            issues.expect(
                offers.contains_key(offer),
                pointer,
                "invalid-config",
                format!("There is no offer {offer:?}."),
            );
        }
        for (pointer, mut days) in [
            ("/daily", self.daily.iter().map(|prize| prize.day).collect::<Vec<_>>()),
            ("/streak", self.streak.iter().map(|prize| prize.days).collect()),
            ("/total", self.total.iter().map(|prize| prize.days).collect()),
        ] {
            let count = days.len();
            days.sort_unstable();
            days.dedup();
            issues.expect(days.len() == count, pointer, "invalid-config", "Each number of days once.");
        }
    }

    /// Every prize, with the pointer to it.
    fn prizes(&self) -> impl Iterator<Item = (String, &String)> {
        let daily = self.daily.iter().enumerate().map(|(at, prize)| (format!("/daily/{at}/offer"), &prize.offer));
        let streak = self.streak.iter().enumerate().map(|(at, prize)| (format!("/streak/{at}/offer"), &prize.offer));
        let total = self.total.iter().enumerate().map(|(at, prize)| (format!("/total/{at}/offer"), &prize.offer));
        daily.chain(streak).chain(total)
    }
}
