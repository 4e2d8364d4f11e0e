//! What an organiser sets.

use fairground_sdk::prelude::*;

/// Milestones and daily prizes: a year of them.
const PRIZES_MAX: usize = 366;

fairground_sdk::config! {
    /// Check-in 簽到: days in a row earn what was promised for them.
    pub(crate) struct Config {
        /// # Whose zone counts 時區規則
        /// The activity's, or each member's own. 以活動時區或成員自己的時區計日。
        #[serde(default)]
        pub zone_policy: ZonePolicy,
        /// # Hours 時段
        /// When members can check in; null is all day. 可簽到的時段；null 為全天。
        pub window: Option<Window>,
        /// # Cycle 週期
        /// How days are counted: without end, or so many days and then again or no more. 無限，或若干天一輪。
        #[serde(default)]
        pub cycle: Cycle,
        /// # Daily prizes 每日獎勵
        /// Day of the cycle → offer; without cycles the day of the streak counts. 第幾天得什麼；無週期則按連續天數。
        #[serde(default)]
        #[schemars(length(max = PRIZES_MAX))]
        pub daily: Vec<DayPrize>,
        /// # Streak prizes 連續獎勵
        /// Days in a row → offer; once a cycle. 連續多少天得什麼，每輪一次。
        #[serde(default)]
        #[schemars(length(max = PRIZES_MAX))]
        pub streak: Vec<Milestone>,
        /// # Total prizes 累計獎勵
        /// Days in all → offer; once. 累計多少天得什麼，各一次。
        #[serde(default)]
        #[schemars(length(max = PRIZES_MAX))]
        pub total: Vec<Milestone>,
        /// # Make-up 補簽
        /// Missed days that a member may still fill; null allows none. 可補簽的漏簽日；null 為不可。
        pub makeup: Option<MakeUp>,
        /// # Freeze 免斷卡
        /// Missed days that do not break a streak; null allows none. 不中斷連續的漏簽日；null 為無。
        pub freeze: Option<Freeze>,
        /// # Proof 憑證
        /// What a check-in must show. 簽到須附的憑證。
        #[serde(default)]
        pub proof: ProofRule,
        /// # Review 審核
        /// Who looks at it. 由誰審核。
        #[serde(default)]
        pub review: Review,
        /// # Buyers only 限買家
        /// The good that a member must have bought; null is for everybody. 須買過此商品；null 為不限。
        #[schemars(length(min = 1, max = 128))]
        pub buyers_of: Option<String>,
        /// # Least gap 最短間隔
        /// Between two check-ins where members have zones of their own: it stops hopping between them. 成員自選時區時，兩次簽到的最短間隔。
        #[serde(default = "four_hours")]
        #[schemars(range(max = 604_800_000), extend("x-unit" = "ms"))]
        pub min_gap_ms: u64,
        /// # Reminder at 提醒時間
        /// When members who wish it are reminded, in minutes after midnight. 提醒的時刻，午夜後的分鐘數。
        #[serde(default = "eight_in_the_evening")]
        #[schemars(range(max = 1_439), extend("x-unit" = "minutes"))]
        pub remind_minute: u32,
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ZonePolicy {
    /// The activity's.
    #[default]
    Activity,
    /// The member's own, as it was at the first check-in.
    MemberPinned {
        /// # Zone is kept 時區冷卻
        /// How long a member keeps a zone. 更換時區的間隔。
        #[serde(default = "thirty_days")]
        #[schemars(range(max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
        change_cool_down_ms: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    /// # From 從
    /// Minutes after midnight. 午夜後的分鐘數。
    #[schemars(range(max = 1_439), extend("x-unit" = "minutes"))]
    pub from_minute: u32,
    /// # Until 至
    /// Minutes after midnight; not part of it. 午夜後的分鐘數，不含。
    #[schemars(range(min = 1, max = 1_440), extend("x-unit" = "minutes"))]
    pub to_minute: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Cycle {
    #[default]
    Endless,
    /// So many days from a member's first check-in.
    Days {
        /// # Days 天數
        /// How long a cycle is. 一輪的天數。
        #[schemars(range(min = 1, max = 366), extend("x-unit" = "days"))]
        days: u32,
        /// # Then 之後
        /// Whether another cycle follows. 一輪結束後重新開始或停止。
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
    /// # Day 第幾天
    /// The first is 1. 從 1 起。
    #[schemars(range(min = 1, max = 366), extend("x-unit" = "days"))]
    pub day: u32,
    /// # Offer 獎勵
    /// The name of an offer. 獎勵名稱。
    #[schemars(length(min = 1, max = 128))]
    pub offer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Milestone {
    /// # Days 天數
    /// How many it takes. 需要多少天。
    #[schemars(range(min = 1, max = 10_000), extend("x-unit" = "days"))]
    pub days: u32,
    /// # Offer 獎勵
    /// The name of an offer. 獎勵名稱。
    #[schemars(length(min = 1, max = 128))]
    pub offer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeUp {
    /// # Days back 可補天數
    /// A day less than so many days ago can be filled. 多少天以內可補。
    #[schemars(range(min = 2, max = 60), extend("x-unit" = "days"))]
    pub max_back_days: u32,
    /// # A cycle 每輪次數
    /// How many days may be filled in one cycle. 每輪可補幾天。
    #[schemars(range(min = 1, max = 366), extend("x-unit" = "days"))]
    pub per_cycle: u32,
    /// # Price 補簽價格
    /// What one costs, in points of the account. 每次補簽花費的積分。
    #[serde(default)]
    #[schemars(range(max = 1_000_000_000), extend("x-unit" = "points"))]
    pub cost_points: u64,
    /// # Account 積分帳戶
    /// The points account that pays for it. 扣除積分的帳戶。
    #[serde(default = "points")]
    #[schemars(length(min = 1, max = 128))]
    pub account: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Freeze {
    /// # A month 每月次數
    /// Days of a month that may be frozen. 每月可用幾天。
    #[schemars(range(min = 1, max = 31), extend("x-unit" = "days"))]
    pub per_month: u32,
    /// # By itself 自動使用
    /// Missed days are frozen by themselves, the oldest first. 漏簽時自動使用，從最早的一天起。
    pub auto: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ProofRule {
    #[default]
    None,
    Text {
        /// # Least length 最少字數
        /// Characters. 字元數。
        #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "characters"))]
        min_len: u32,
    },
    /// The reference of a photo on the platform.
    Photo,
    /// The reference of an order.
    Order,
    /// The code of a place.
    Code {
        /// # Places 地點
        /// Place → its code. 地點與其口令。
        #[schemars(length(min = 1, max = 100))]
        places: std::collections::BTreeMap<String, String>,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Review {
    #[default]
    Auto,
    /// Counts at once, its prizes wait. Who is not looked at in time is approved.
    Moderator {
        /// # Within 審核時限
        /// Who is not looked at in time is approved: a minute to 30 days. 逾時視為通過；一分鐘至三十天。
        #[schemars(range(min = 60_000, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
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
        issues.expect_zone(&self.zone);
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
            warnings.push(
                "Nobody can check in until the platform has told who bought it: events member.bought {\"sku\": …}."
                    .into(),
            );
        }
        issues.or(Report { max_liability: (!costs).then_some(0), disclosures: Vec::new(), warnings })
    }

    fn check_prizes(&self, issues: &mut Issues, offers: &Offers) {
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
