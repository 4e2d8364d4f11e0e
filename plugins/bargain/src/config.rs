//! What an organiser sets.

use fairground_sdk::{Newness, is_time_zone, prelude::*};

use crate::cuts;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// A bargain 砍價. Prices in minor units of the community's currency.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Shown to members 標題.
    #[schemars(length(min = 1, max = 60))]
    pub title: String,
    /// The good 商品.
    #[schemars(length(min = 1, max = 128))]
    pub sku: String,
    /// The price before any cut 原價 (minor units).
    #[schemars(range(min = 1, max = 1_000_000_000_000i64))]
    pub original_price: i64,
    /// The price that is never cut below 底價 (minor units).
    #[schemars(range(min = 0, max = 1_000_000_000_000i64))]
    pub floor_price: i64,
    /// How it ends 模式.
    pub mode: Mode,
    /// The least cut 每刀最少 (minor units).
    #[schemars(range(min = 1))]
    pub cut_min: i64,
    /// The most that one cut takes 每刀最多 (minor units).
    #[schemars(range(min = 1))]
    pub cut_max: i64,
    /// The owner makes the first cut, which counts 發起人先砍一刀.
    #[serde(default = "yes")]
    pub owner_first_cut: bool,
    /// How much more a new member's cut weighs 新人加權 (basis points; 10 000 is the same).
    #[serde(default = "same_weight")]
    #[schemars(range(min = 10_000, max = 50_000))]
    pub new_helper_weight_bps: u32,
    /// How long a session lasts 有效時間 (milliseconds; 10 minutes to 7 days).
    #[serde(default = "one_day")]
    #[schemars(range(min = 600_000, max = 604_800_000))]
    pub session_ttl_ms: u64,
    /// Helps of one member a day 每人每日次數 (0: no limit).
    #[serde(default = "three")]
    pub helps_per_member_day: u32,
    /// Helps of one member in all 每人總次數 (0: no limit).
    #[serde(default)]
    pub helps_per_member_total: u32,
    /// Helps of one member for the same owner 同一對次數.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000))]
    pub helps_per_pair: u32,
    /// Sessions of one member 每人發起次數.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000))]
    pub sessions_per_member: u32,
    /// Sessions of one member at once 每人同時進行.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000))]
    pub concurrent_sessions: u32,
    /// What a helper gets 幫砍獎勵: the name of an offer.
    pub helper_offer: Option<String>,
    /// Only new members help 僅限新人.
    #[serde(default)]
    pub new_helper_only: bool,
    /// What makes a member new 新人定義.
    #[serde(default)]
    pub new_member: NewMember,
    /// Asks the host's risk rules before each start and help 風控.
    #[serde(default = "yes")]
    pub check_risk: bool,
    /// Where a day begins and ends 時區: an IANA zone.
    #[schemars(length(min = 1, max = 64))]
    pub zone: String,
    /// When a day starts 每日開始 (minutes after midnight).
    #[serde(default)]
    #[schemars(range(max = 1_439))]
    pub day_starts_minute: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Mode {
    /// So many cuts, the last of which meets the floor exactly 固定刀數.
    Fixed {
        #[schemars(range(min = 1, max = 500))]
        cuts: u32,
    },
    /// Cuts until the floor is met 砍到底價.
    UntilFloor {},
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NewMember {
    /// Had not ordered when the activity started.
    #[default]
    NeverOrdered,
    /// Registered after it started.
    RegisteredAfterStart,
    /// As the community defines it for all its activities.
    AsConfigured,
}

impl From<NewMember> for Newness {
    fn from(definition: NewMember) -> Self {
        match definition {
            NewMember::NeverOrdered => Self::NeverOrdered,
            NewMember::RegisteredAfterStart => Self::RegisteredAfter,
            NewMember::AsConfigured => Self::Configured,
        }
    }
}

fn yes() -> bool {
    true
}
fn same_weight() -> u32 {
    10_000
}
fn one_day() -> u64 {
    DAY_MS
}
fn one() -> u32 {
    1
}
fn three() -> u32 {
    3
}

impl Config {
    /// What there is to cut.
    fn range(&self) -> i64 {
        self.original_price - self.floor_price
    }

    /// How many helps it takes, at least and at most. The organiser must say so, and the page does.
    pub(crate) fn helps_needed(&self) -> (u64, u64) {
        match self.mode {
            Mode::Fixed { cuts } => (u64::from(cuts), u64::from(cuts)),
            Mode::UntilFloor {} => cuts::helps_range(self.range(), self.cut_min, self.cut_max),
        }
    }

    /// With as many sessions as helps per pair, one help per session is limit enough.
    pub(crate) fn counts_pairs(&self) -> bool {
        self.sessions_per_member > self.helps_per_pair
    }

    pub(crate) fn check(&self, offers: &Offers) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect(
            self.floor_price < self.original_price,
            "/floor_price",
            "invalid-config",
            "The floor is below the price.",
        );
        issues.expect(self.cut_min <= self.cut_max, "/cut_min", "invalid-config", "The least cut is at most the most.");
        if let Mode::Fixed { cuts } = self.mode {
            let (cuts, range) = (i128::from(cuts), i128::from(self.range()));
            let feasible = cuts * i128::from(self.cut_min) <= range && range <= cuts * i128::from(self.cut_max);
            issues.expect(
                feasible,
                "/mode/cuts",
                "bargain.infeasible-range",
                format!("{cuts} cuts of {} to {} cannot make exactly {range}.", self.cut_min, self.cut_max),
            );
        }
        issues.expect(is_time_zone(&self.zone), "/zone", "invalid-config", "An IANA time zone, such as Asia/Shanghai.");
        let known = self.helper_offer.as_ref().is_none_or(|offer| offers.contains_key(offer));
        issues.expect(known, "/helper_offer", "invalid-config", "There is no offer of this name.");
        let (least, most) = self.helps_needed();
        let disclosure =
            if least == most { format!("It takes {most} cuts.") } else { format!("It takes {least} to {most} cuts.") };
        // What helpers get has no bound but the number of sessions.
        let costs = self.helper_offer.as_ref().is_some_and(|offer| offers.get(offer).is_some_and(|cost| *cost > 0));
        issues.or(Report { max_liability: (!costs).then_some(0), disclosures: vec![disclosure], warnings: Vec::new() })
    }
}
