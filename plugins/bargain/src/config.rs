//! What an organiser sets.

use fairground_sdk::{Cuts, HelpLimits, prelude::*};

const DAY_MS: u64 = 86_400_000;

fairground_sdk::config! {
    /// A bargain 砍價. Prices in minor units of the community's currency.
    pub(crate) struct Config {
        /// # Good 商品
        /// The shop's id of what is bargained for. 商店中的商品編號。
        #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
        pub sku: String,
        /// # Original price 原價
        /// The price before any cut. 砍價前的價格。
        #[schemars(range(min = 1, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
        pub original_price: i64,
        /// # Floor price 底價
        /// The price that is never cut below. 最低砍到的價格。
        #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
        pub floor_price: i64,
        /// # Mode 模式
        /// A fixed number of cuts, or as many as it takes. 固定刀數，或砍到底價為止。
        pub mode: Mode,
        /// # Least cut 每刀最少
        /// No cut takes less, but for the last one until the floor. 每刀至少砍多少；砍到底價模式的最後一刀除外。
        #[schemars(range(min = 1, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
        pub cut_min: i64,
        /// # Greatest cut 每刀最多
        /// No cut takes more. 每刀最多砍多少。
        #[schemars(range(min = 1, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
        pub cut_max: i64,
        /// # Owner cuts first 發起人先砍
        /// The owner makes the first cut, which counts. 發起人先砍一刀，計入刀數。
        #[serde(default = "yes")]
        pub owner_first_cut: bool,
        /// # Weight of new members 新人加權
        /// How much more a new member's cut takes; 10 000 is the same. 新人每刀的權重，萬分比。
        #[serde(default = "same_weight")]
        #[schemars(range(min = 10_000, max = 50_000), extend("x-unit" = "bps"))]
        pub new_helper_weight_bps: u32,
        /// # Session lasts 有效時間
        /// 10 minutes to 7 days. 十分鐘至七天。
        #[serde(default = "one_day")]
        #[schemars(range(min = 600_000, max = 604_800_000), extend("x-unit" = "ms"))]
        pub session_ttl_ms: u64,
        /// # Helps a day 每人每日幫砍
        /// Of one member; 0 sets no limit. 一人一日可幫幾次；0 為不限。
        #[serde(default = "three")]
        #[schemars(range(max = 100_000), extend("x-unit" = "times"))]
        pub helps_per_member_day: u32,
        /// # Helps in all 每人總幫砍
        /// Of one member; 0 sets no limit. 一人總共可幫幾次；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 100_000), extend("x-unit" = "times"))]
        pub helps_per_member_total: u32,
        /// # Helps for one owner 同一對次數
        /// Of one member for the same owner. 同一人最多幫同一發起人幾次。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "times"))]
        pub helps_per_pair: u32,
        /// # Sessions of a member 每人發起次數
        /// How often one member may start. 一人可發起幾次。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "sessions"))]
        pub sessions_per_member: u32,
        /// # Sessions at once 同時進行
        /// Of one member: those that are cut, or can still be ordered from. 一人同時進行的上限。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "sessions"))]
        pub concurrent_sessions: u32,
        /// # Buying 購買條件
        /// Only at the floor, or at any price on the way. 砍到底價才能買，或隨時可買。
        #[serde(default)]
        pub buy_policy: BuyPolicy,
        /// # Time to order 下單時限
        /// How long the owner may order and pay once the price is settled. 價格確定後多久內須下單付款。
        #[serde(default = "one_day")]
        #[schemars(range(min = 60_000, max = 604_800_000), extend("x-unit" = "ms"))]
        pub order_window_ms: u64,
        /// # Stock pool 庫存池
        /// Where the units come from; null sells without a count. 商品的庫存池；null 為不計庫存。
        #[serde(default)]
        #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
        pub stock_pool: Option<String>,
        /// # Stock is held 庫存鎖定時機
        /// When a unit of the pool is set aside for the owner. 何時為發起人保留庫存。
        #[serde(default)]
        pub stock_hold: StockHold,
        /// # Helper's reward 幫砍獎勵
        /// The name of an offer; null gives none. 獎勵名稱；null 為無。
        #[serde(default)]
        #[schemars(length(min = 1, max = 128))]
        pub helper_offer: Option<String>,
        /// # New helpers only 僅限新人幫砍
        /// Only new members help. 只有新人可以幫砍。
        #[serde(default)]
        pub new_helper_only: bool,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Mode {
    /// So many cuts, the last of which meets the floor exactly 固定刀數.
    Fixed {
        /// # Cuts 刀數
        /// The owner's first cut is one of them. 含發起人的第一刀。
        #[schemars(range(min = 1, max = 500), extend("x-unit" = "cuts"))]
        cuts: u32,
    },
    /// Cuts until the floor is met 砍到底價.
    UntilFloor,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BuyPolicy {
    #[default]
    FloorOnly,
    AnyPrice,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum StockHold {
    /// When the session starts: who succeeds never finds the stock empty.
    #[serde(rename = "at-start")]
    Start,
    /// When the price is settled.
    #[default]
    #[serde(rename = "at-success")]
    Success,
    /// When the owner orders.
    #[serde(rename = "at-order")]
    Order,
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

    /// How many cuts `left` takes, at least and at most, `done` of them behind.
    pub(crate) fn cuts_needed(&self, left: i64, done: u32) -> (u64, u64) {
        match self.mode {
            Mode::Fixed { cuts } => (u64::from(cuts - done), u64::from(cuts - done)),
            Mode::UntilFloor => {
                let [left, least, most] = [left, self.cut_min, self.cut_max].map(i64::unsigned_abs);
                (left.div_ceil(most), left.div_ceil(least))
            }
        }
    }

    /// The same from the beginning. Members must be told, and the page tells them.
    pub(crate) fn helps_needed(&self) -> (u64, u64) {
        self.cuts_needed(self.range(), 0)
    }

    /// What is left to cut, in how many cuts, where these are counted.
    pub(crate) fn cuts(&self, left: i64, done: u32) -> Option<Cuts> {
        let Mode::Fixed { cuts } = self.mode else { return None };
        Some(Cuts { left, count: i64::from(cuts) - i64::from(done), min: self.cut_min, max: self.cut_max })
    }

    pub(crate) fn help_limits(&self) -> HelpLimits {
        HelpLimits {
            per_day: self.helps_per_member_day,
            total: self.helps_per_member_total,
            // With as many sessions as helps per pair, one help per session is limit enough.
            per_pair: if self.sessions_per_member > self.helps_per_pair { self.helps_per_pair } else { 0 },
            reciprocal_window_ms: 0,
        }
    }

    pub(crate) fn check(&self, offers: &Offers) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        let is_down = self.floor_price < self.original_price;
        issues.expect(is_down, "/floor_price", "invalid-config", "The floor is below the price.");
        issues.expect(self.cut_min <= self.cut_max, "/cut_min", "invalid-config", "The least cut is at most the most.");
        if let Some(cuts) = self.cuts(self.range(), 0) {
            let Cuts { left, count, min, max } = cuts;
            let why = format!("{count} cuts of {min} to {max} cannot make exactly {left}.");
            issues.expect(cuts.is_feasible(), "/mode/fixed/cuts", "bargain.infeasible-range", why);
        }
        issues.expect_zone(&self.zone);
        let known = self.helper_offer.as_ref().is_none_or(|offer| offers.contains_key(offer));
        issues.expect(known, "/helper_offer", "invalid-config", "There is no offer of this name.");
        // What helpers get has no bound but the number of helps.
        let costs = self.helper_offer.as_ref().and_then(|offer| offers.get(offer)).is_some_and(|cost| *cost > 0);
        let max_liability = match (costs, self.limits.total) {
            (false, _) => Some(0),
            (true, 0) => None,
            (true, total) => self.helper_offer.as_ref().and_then(|offer| offers[offer].checked_mul(total.into())),
        };
        issues.or(Report { max_liability, disclosures: self.disclosures(), warnings: self.warnings() })
    }

    fn disclosures(&self) -> Vec<String> {
        let (least, most) = self.helps_needed();
        let helps =
            if least == most { format!("It takes {most} cuts.") } else { format!("It takes {least} to {most} cuts.") };
        let own = "The first cut is the owner's own.".to_owned();
        [helps].into_iter().chain(self.owner_first_cut.then_some(own)).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.helper_offer.is_none() {
            warnings.push("Helpers get nothing: few will help.".into());
        }
        if self.stock_pool.is_none() {
            warnings.push("Without a stock pool any number of members may succeed.".into());
        } else if self.stock_hold != StockHold::Start {
            warnings
                .push("Who reaches the floor may find the stock empty; hold it at the start to rule that out.".into());
        }
        warnings
    }
}
