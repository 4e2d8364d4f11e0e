//! What an organiser sets.

use fairground_sdk::{bps_of, prelude::*};

/// Steps of a price by the size of a group.
const TIERS_MAX: u32 = 10;

fairground_sdk::config! {
    /// A group-buy 拼團. Prices in minor units of the community's currency.
    pub(crate) struct Config {
        /// # Goods 商品
        /// What is sold, and for how much. 出售的商品與價格。
        #[schemars(length(min = 1, max = 50))]
        pub skus: Vec<Sku>,
        /// # Size 成團人數
        /// Members of a group; with tiers the largest tier's size is taken instead. 成團人數；設有階梯時取最大一階。
        #[serde(default = "two")]
        #[schemars(range(min = 2, max = 200), extend("x-unit" = "members"))]
        pub size: u32,
        /// # Tiers 階梯價
        /// The more members, the lower the price: sizes rise, prices fall. Everybody pays the first price, and gets the difference back. 人越多越便宜；先按第一階付款，成團後退差價。
        #[serde(default)]
        #[schemars(length(max = TIERS_MAX))]
        pub tiers: Vec<Tier>,
        /// # Group lasts 成團時限
        /// 15 minutes to 7 days, and never beyond the activity's end and its grace. 十五分鐘至七天，不超過活動結束與寬限。
        #[serde(default = "one_day")]
        #[schemars(range(min = 900_000, max = 604_800_000), extend("x-unit" = "ms"))]
        pub group_ttl_ms: u64,
        /// # Grace 寬限
        /// How long after the activity's end groups may still be paid for; set the activity's `drain_ms` as long. 活動結束後仍可付款成團的時間；活動的 drain_ms 應不短於此。
        #[serde(default)]
        #[schemars(range(max = 604_800_000), extend("x-unit" = "ms"))]
        pub grace_ms: u64,
        /// # Time to pay 付款時限
        /// How long a seat is kept unpaid. 座位保留多久待付款。
        #[serde(default = "quarter")]
        #[schemars(range(min = 60_000, max = 86_400_000), extend("x-unit" = "ms"))]
        pub pay_window_ms: u64,
        /// # Groups 團數上限
        /// How many may be opened; 0 sets no limit. 可開幾團；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 1_000_000), extend("x-unit" = "groups"))]
        pub max_groups: u32,
        /// # Opened by a member 每人開團
        /// 0 sets no limit. 0 為不限。
        #[serde(default)]
        #[schemars(range(max = 100_000), extend("x-unit" = "groups"))]
        pub open_limit: u32,
        /// # Joined by a member 每人參團
        /// 0 sets no limit. 0 為不限。
        #[serde(default)]
        #[schemars(range(max = 100_000), extend("x-unit" = "groups"))]
        pub join_limit: u32,
        /// # At once 同時參團
        /// Forming groups that a member may sit in. 一人可同時在幾個未成的團。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 100), extend("x-unit" = "groups"))]
        pub concurrent_per_member: u32,
        /// # Units of an order 每單件數
        /// The most that one order takes. 一單最多幾件。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "units"))]
        pub quantity_per_order: u32,
        /// # Units in all 總件數
        /// Of all goods together; 0 sets no limit but the stock. 全部商品合計；0 為僅受庫存限制。
        #[serde(default)]
        #[schemars(range(max = 1_000_000_000), extend("x-unit" = "units"))]
        pub quantity_total: u32,
        /// # New joiners only 老帶新
        /// Only new members join; anybody opens. 只有新人可參團，開團不限。
        #[serde(default)]
        pub new_joiner_only: bool,
        /// # Open list 公開參團
        /// Members join without naming a group, and see the open ones. 可不指定團加入，並列出未滿的團。
        #[serde(default = "yes")]
        pub auto_match: bool,
        /// # Completion 成團條件
        /// Only when full, or also when enough real members have paid. 滿員才成團，或足夠的真實成員付款即成團。
        #[serde(default)]
        pub completion: Completion,
        /// # Late payment 逾時付款
        /// What becomes of money that comes after the seat was given up. 座位釋出後才付款如何處理。
        #[serde(default)]
        pub late_payment: LatePayment,
        /// # Leader leaves 團長離開
        /// The next one leads, or the group fails. 由下一位接任，或解散。
        #[serde(default)]
        pub leader_leaves: LeaderLeaves,
        /// # Leader's price on hand-over 接任者的團長價
        /// Whether the next leader gets the difference back. 接任團長是否退還差價。
        #[serde(default)]
        pub leader_price_on_handover: Handover,
        /// # Withdrawing 退團
        /// Whether a member who has paid may withdraw before the group is full. 付款後滿員前可否退團。
        #[serde(default)]
        pub withdraw_paid: Withdraw,
        /// # Stock pool 庫存池
        /// Where the units come from; they are set aside with the seat. 商品庫存池；占座時即保留。
        #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
        pub stock_pool: String,
    }
}

/// # Good 商品
/// One good and its prices. 一種商品與其價格。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sku {
    /// # Good 商品編號
    /// The shop's id of it. 商店中的商品編號。
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
    pub sku: String,
    /// # Price alone 單買價
    /// What one unit costs without a group. 不拼團的單價。
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
    pub solo_price: i64,
    /// # Price in a group 拼團價
    /// With tiers the first tier's. 設有階梯時須等於第一階。
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
    pub group_price: i64,
    /// # Leader's price 團長價
    /// What whoever opens the group pays; null is the group's price. 開團者的單價；null 同拼團價。
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
    pub leader_price: Option<i64>,
}

/// # Tier 階梯
/// From so many members on, this price. 達到人數後的單價。
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tier {
    /// # Size 人數
    /// Members who have paid. 已付款人數。
    #[schemars(range(min = 2, max = 200), extend("x-unit" = "members"))]
    pub size: u32,
    /// # Price 單價
    /// Of one unit. 每件價格。
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
    pub price: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Completion {
    /// Only when full, or a tier is reached.
    #[default]
    Strict,
    /// At its deadline a group is completed by the merchant where enough real members have paid. No members are made up, and the page
    /// says so.
    MerchantFill {
        /// # Real members at least 真實成員下限
        /// Of the size, in basis points. 占成團人數的萬分比。
        #[schemars(range(min = 5_000, max = 10_000), extend("x-unit" = "bps"))]
        min_real_bps: u32,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LatePayment {
    Refund,
    /// A seat in the same group, in another one or in a new one; else the money goes back.
    #[default]
    ReseatElseRefund,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LeaderLeaves {
    #[default]
    PromoteNext,
    FailGroup,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Handover {
    #[default]
    None,
    /// At completion, down to the leader's price.
    RefundDifference,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Withdraw {
    #[default]
    UntilFull,
    Never,
}

fn yes() -> bool {
    true
}
fn one() -> u32 {
    1
}
fn two() -> u32 {
    2
}
fn one_day() -> u64 {
    86_400_000
}
fn quarter() -> u64 {
    900_000
}

impl Config {
    pub(crate) fn sku(&self, sku: &str) -> Option<&Sku> {
        self.skus.iter().find(|known| known.sku == sku)
    }

    /// How many members make a group full.
    pub(crate) fn full_size(&self) -> u32 {
        self.tiers.last().map_or(self.size, |tier| tier.size)
    }

    /// How many members must have paid at the deadline, at least.
    pub(crate) fn least_size(&self) -> u32 {
        match (self.tiers.first(), self.completion) {
            (Some(tier), _) => tier.size,
            (None, Completion::Strict) => self.size,
            (None, Completion::MerchantFill { min_real_bps }) => {
                let exact = i64::from(self.size) * i64::from(min_real_bps);
                let floor = bps_of(i64::from(self.size), min_real_bps);
                u32::try_from(floor + i64::from(floor * 10_000 < exact)).expect("at most the size")
            }
        }
    }

    pub(crate) fn check(&self) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect_zone(&self.zone);
        for (at, sku) in self.skus.iter().enumerate() {
            let falls =
                sku.group_price < sku.solo_price && sku.leader_price.is_none_or(|leader| leader <= sku.group_price);
            let why = "The leader pays at most what the group does, and the group less than who buys alone.";
            issues.expect(falls, format!("/skus/{at}"), "invalid-config", why);
            let is_first = self.skus.iter().position(|known| known.sku == sku.sku) == Some(at);
            issues.expect(is_first, format!("/skus/{at}/sku"), "invalid-config", "Each good once.");
        }
        let steps = self.tiers.windows(2).all(|pair| pair[0].size < pair[1].size && pair[0].price > pair[1].price);
        issues.expect(steps, "/tiers", "invalid-config", "Sizes rise strictly, and prices fall strictly.");
        if let Some(first) = self.tiers.first() {
            let fits = self.skus.len() == 1 && self.skus[0].group_price == first.price;
            issues.expect(
                fits,
                "/tiers",
                "invalid-config",
                "Tiers are of one good, whose group price is the first tier's.",
            );
            let strict = self.completion == Completion::Strict;
            issues.expect(strict, "/completion", "invalid-config", "With tiers a group is completed by them.");
        }
        let pays = self.pay_window_ms <= self.group_ttl_ms;
        issues.expect(pays, "/pay_window_ms", "invalid-config", "Nobody can pay longer than the group lasts.");
        // It gives nothing from a budget: what it pays back was paid for its orders.
        let drains = "Groups last beyond the activity's end: set its drain_ms to grace_ms at least.".to_owned();
        let warnings = if self.grace_ms > 0 { vec![drains] } else { Vec::new() };
        issues.or(Report { max_liability: Some(0), disclosures: self.disclosures(), warnings })
    }

    fn disclosures(&self) -> Vec<String> {
        let mut disclosures = vec![format!("A group needs {} members who have paid.", self.least_size())];
        if let Completion::MerchantFill { .. } = self.completion {
            let size = self.size;
            disclosures.push(format!(
                "A group of {size} may be completed by the merchant when {} have paid.",
                self.least_size()
            ));
        }
        disclosures.push("Who pays for a group that fails gets all of it back.".into());
        disclosures
    }
}
