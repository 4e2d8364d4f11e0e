//! What an organiser sets.

use fairground_sdk::prelude::*;

use crate::listing::Grade;

/// Of one event: five members are told at once, of a decision and of what follows, and a call tells a hundred.
const NOTICES_MAX: usize = 8;

fairground_sdk::config! {
    /// Swapping 交換.
    pub(crate) struct Config {
        /// # Categories 類別
        /// What may be listed. 可刊登的類別。
        #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 40), regex(pattern = "^[A-Za-z0-9._~-]+$")))]
        pub categories: Vec<String>,
        /// # Banned 禁止類別
        /// Of these nothing is listed, also where it is among the categories. 禁止刊登的類別。
        #[serde(default)]
        #[schemars(length(max = 50), inner(length(min = 1, max = 40)))]
        pub banned_categories: Vec<String>,
        /// # Listed for 刊登期限
        /// Then a listing that is not locked is gone. 未成交則下架。
        #[serde(default = "thirty_days")]
        #[schemars(range(min = 60_000, max = 31_536_000_000_u64), extend("x-unit" = "ms"))]
        pub listing_ttl_ms: u64,
        /// # Listings, each member 每人刊登數
        /// At a time. 同時刊登的件數。
        #[serde(default = "twenty")]
        #[schemars(range(min = 1, max = 100), extend("x-unit" = "listings"))]
        pub listings_per_member: u32,
        /// # Matching 配對方式
        /// By offers alone, or also in circles. 僅由成員出價，或另行循環配對。
        #[serde(default)]
        pub matching: Matching,
        /// # Value gap 價值差
        /// Basis points of the greater value by which two sides may differ. 雙方估值差占較大者的萬分比上限。
        #[serde(default = "value_gap")]
        #[schemars(range(max = 10_000), extend("x-unit" = "bps"))]
        pub value_gap_bps: u32,
        /// # Top-up 補差
        /// Points that one side adds; null takes none. 一方補給另一方的積分；null 為不可補差。
        pub top_up: Option<Points>,
        /// # Deposit 保證金
        /// Points that each puts in until it is over; null asks for none. 每方投入、交易結束退還的積分；null 為免。
        pub deposit: Option<Points>,
        /// # Time to confirm 確認時限
        /// Of an offer, or a circle. 出價或循環配對的確認時限。
        #[serde(default = "a_day")]
        #[schemars(range(min = 60_000, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        pub confirm_window_ms: u64,
        /// # Time to ship 寄出時限
        /// Once all have confirmed. 全部確認後多久內寄出。
        #[serde(default = "three_days")]
        #[schemars(range(min = 3_600_000, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        pub ship_window_ms: u64,
        /// # Time to inspect 驗收時限
        /// What was received and not disputed is accepted then. 收到後未提異議即視為接受。
        #[serde(default = "two_days")]
        #[schemars(range(min = 3_600_000, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        pub inspect_window_ms: u64,
        /// # Time to dispute 異議時限
        /// What was shipped and not received is accepted then; and a dispute that nobody decides ends. 寄出後逾此未提異議視為接受；爭議逾此未裁定則結束。
        #[serde(default = "three_days")]
        #[schemars(range(min = 3_600_000, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        pub dispute_window_ms: u64,
        /// # Delivery 交付方式
        /// By mail, or where they meet. 郵寄或面交。
        #[serde(default)]
        pub delivery: Delivery,
        /// # Sending back 退回費用
        /// Points, out of deposits that are lost, for each who sends back what others had shipped; what is left is divided. 從沒收的保證金中補給每位退回物品者的積分，餘額再均分。
        #[serde(default)]
        #[schemars(range(max = 1_000_000_000), extend("x-unit" = "points"))]
        pub return_cost: u64,
        /// # Grades 成色
        /// What may be listed; none allows all. 可刊登的成色；空為不限。
        #[serde(default)]
        #[schemars(length(max = 4))]
        pub grades: Vec<Grade>,
        /// # Least reputation 最低信譽
        /// Trades that went well, less three for each that did not; everybody begins with 0. 成功次數減去失信次數的三倍；人人由 0 起。
        #[serde(default = "ruined")]
        #[schemars(range(min = -1_000, max = 1_000), extend("x-unit" = "trades"))]
        pub min_reputation: i64,
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Matching {
    /// Members offer, and others accept.
    #[default]
    Direct,
    /// And circles are found among what is wanted.
    Cycles {
        /// # Most sides 最多方數
        /// Of a circle. 一個循環最多幾方。
        #[schemars(range(min = 2, max = 5), extend("x-unit" = "members"))]
        max_len: u32,
        /// # Every 間隔
        /// How often circles are looked for. 多久配對一次。
        #[schemars(range(min = 60_000, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        run_every_ms: u64,
        /// # Most steps 搜尋上限
        /// Of one search: it goes on with other listings the next time. 一次搜尋的步數上限。
        #[serde(default = "steps")]
        #[schemars(range(min = 100, max = 100_000), extend("x-unit" = "edges"))]
        max_edges: u32,
    },
}

/// # Points 積分
/// So many of an account. 某帳戶的積分數。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Points {
    /// # Account 積分帳戶
    /// Where they are taken from, and go back to. 扣除與退還的帳戶。
    #[schemars(length(min = 1, max = 128))]
    pub account: String,
    /// # Points 積分
    /// Of a deposit, so many; of a top-up, at most. 保證金的數額；補差的上限。
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "points"))]
    pub points: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Delivery {
    #[default]
    Mail,
    /// Whoever receives tells a code, and whoever gives enters it.
    MeetUp,
}

fn ruined() -> i64 {
    -1_000
}
fn twenty() -> u32 {
    20
}
fn steps() -> u32 {
    10_000
}
fn value_gap() -> u32 {
    3_000
}
fn a_day() -> u64 {
    86_400_000
}
fn two_days() -> u64 {
    172_800_000
}
fn three_days() -> u64 {
    259_200_000
}
fn thirty_days() -> u64 {
    2_592_000_000
}

impl Config {
    pub(crate) fn allows(&self, category: &str) -> bool {
        self.categories.iter().any(|known| known == category)
            && !self.banned_categories.iter().any(|known| known == category)
    }

    /// Whether two values are near enough.
    pub(crate) fn is_near(&self, one: i64, other: i64) -> bool {
        let gap = i128::from(one.abs_diff(other));
        gap * 10_000 <= i128::from(one.max(other)) * i128::from(self.value_gap_bps)
    }

    pub(crate) fn check(&self) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect_zone(&self.zone);
        let some = self.categories.iter().any(|category| self.allows(category));
        issues.expect(some, "/categories", "invalid-config", "All of them are banned.");
        let is_id = |name: &String| name.strip_prefix('l').is_some_and(|rest| rest.parse::<u32>().is_ok());
        let no_ids = !self.categories.iter().any(is_id);
        issues.expect(no_ids, "/categories", "invalid-config", "Names such as l5 are those of listings.");
        let has_deposit = self.return_cost == 0 || self.deposit.is_some();
        issues.expect(has_deposit, "/return_cost", "invalid-config", "It is paid out of a deposit: set one.");
        let rules = |event: &str| self.notices.iter().filter(|rule| rule.event == event).count();
        let is_bounded = self.notices.iter().all(|rule| rules(&rule.event) <= NOTICES_MAX);
        issues.expect(is_bounded, "/notices", "invalid-config", "Five members are told at once: fewer notices of it.");
        let mut disclosures = vec![format!(
            "Whoever does not ship within {} hours loses what they put in to those who did.",
            self.ship_window_ms / 3_600_000
        )];
        if let Some(deposit) = &self.deposit {
            disclosures.push(format!("Each puts in {} points of {}.", deposit.points, deposit.account));
        }
        let mut warnings = Vec::new();
        if self.deposit.is_none() {
            warnings.push("Without a deposit nobody loses anything by not shipping.".into());
        }
        if self.min_reputation > 0 {
            warnings.push("Nobody begins with a reputation, so nobody can begin.".into());
        }
        issues.or(Report { max_liability: Some(0), disclosures, warnings })
    }
}
