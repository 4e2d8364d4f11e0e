//! What an organiser sets.

use fairground_sdk::prelude::*;

/// Shortest life of points: a day, so that a lot's share of it is hours.
const DAY_MS: u64 = 86_400_000;

fairground_sdk::config! {
    /// A points card 積分卡. Purchases fill it; what is on it buys gifts, or reaches them.
    pub(crate) struct Config {
        /// # Earning 集點方式
        /// What a purchase puts on the card. 每筆消費可得的點數。
        #[serde(default)]
        pub earn: Earn,
        /// # Goods 商品
        /// Only these count; none counts all. 僅這些商品計點；空白為全部。
        #[serde(default)]
        #[schemars(length(max = 100), inner(length(min = 1, max = 128)))]
        pub skus: Vec<String>,
        /// # Least total 最低金額
        /// Purchases below it do not count. 低於此金額的消費不計點。
        #[serde(default)]
        #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
        pub min_total: i64,
        /// # Gifts 禮品
        /// What there is to get, each dearer than the one before. 可得的禮品，點數由少到多。
        #[schemars(length(min = 1, max = 20))]
        pub gifts: Vec<GiftRule>,
        /// # Giving 給法
        /// Whether points buy gifts, or reach them. 以點數兌換，或集滿即得。
        #[serde(default)]
        pub giving: Giving,
        /// # Points expire 點數效期
        /// How long points last; 0 is until the activity ends. 點數有效多久；0 為至活動結束。
        #[serde(default)]
        #[schemars(range(max = 63_072_000_000_u64), extend("x-unit" = "ms"))]
        pub expire_ms: u64,
    }
}

/// # Earning 集點方式
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Earn {
    /// So many for each purchase: a stamp card.
    PerOrder {
        /// # Points 點數
        /// For each purchase. 每筆消費。
        #[schemars(range(min = 1, max = 10_000), extend("x-unit" = "points"))]
        points: u32,
    },
    /// One for each so much money.
    PerAmount {
        /// # For each 每消費
        /// Minor units that a point asks for; what is left over of a purchase is lost. 每多少金額得一點；餘額不計。
        #[schemars(range(min = 1, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
        minor: i64,
    },
}

impl Default for Earn {
    fn default() -> Self {
        Self::PerOrder { points: 1 }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Giving {
    /// A member buys gifts with points, again and again.
    #[default]
    Redeem,
    /// Each gift is given once, when that many points are on the card; none are spent.
    Reach,
}

/// # Gift 禮品
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GiftRule {
    /// # Points 點數
    /// What it takes. 所需點數。
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "points"))]
    pub points: u32,
    /// # Offer 獎勵
    /// The name of an offer. 獎勵名稱。
    #[schemars(length(min = 1, max = 128))]
    pub offer: String,
    /// # How many 數量
    /// Null sets no limit but the budget's. null 為僅受預算限制。
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "pieces"))]
    pub stock: Option<u32>,
}

impl Config {
    /// What a purchase of so much is worth.
    pub(crate) fn points_for(&self, total: i64) -> u64 {
        match self.earn {
            _ if total < self.min_total => 0,
            Earn::PerOrder { points } => points.into(),
            Earn::PerAmount { minor } => u64::try_from(total / minor).unwrap_or_default(),
        }
    }

    pub(crate) fn counts(&self, sku: &str) -> bool {
        self.skus.is_empty() || self.skus.iter().any(|counted| counted == sku)
    }

    pub(crate) fn check(&self, offers: &Offers) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect_zone(&self.zone);
        for (at, gift) in self.gifts.iter().enumerate() {
            let is_known = offers.contains_key(&gift.offer);
            issues.expect(is_known, format!("/gifts/{at}/offer"), "invalid-config", "There is no offer of this name.");
            let is_first = self.gifts[..at].iter().all(|before| before.offer != gift.offer);
            issues.expect(
                is_first,
                format!("/gifts/{at}/offer"),
                "invalid-config",
                "Each gift is an offer of its own.",
            );
        }
        let rising = self.gifts.windows(2).all(|pair| pair[0].points < pair[1].points);
        issues.expect(rising, "/gifts", "invalid-config", "Each gift takes more points than the one before.");
        let lasts = self.expire_ms == 0 || self.expire_ms >= DAY_MS;
        issues.expect(lasts, "/expire_ms", "invalid-config", "Points last a day at least, or to the end (0).");
        issues.or(Report {
            max_liability: self.max_liability(offers),
            disclosures: self.disclosures(),
            warnings: self.warnings(),
        })
    }

    fn disclosures(&self) -> Vec<String> {
        let earn = match self.earn {
            Earn::PerOrder { points } => format!("Each purchase is worth {points} points."),
            Earn::PerAmount { minor } => format!("A purchase is worth a point for each {minor} minor units of it."),
        };
        let way = if self.giving == Giving::Redeem { "costs" } else { "is given once, at" };
        let gifts = self.gifts.iter().map(|gift| format!("{} {way} {} points.", gift.offer, gift.points));
        let lasts = match self.expire_ms {
            0 => "Points last until this ends.".into(),
            lasts => format!("Points last {} hours at least, the oldest are spent first.", lasts / 3_600_000),
        };
        let returns = "What is paid back takes its points along.".to_owned();
        [earn].into_iter().chain(gifts).chain([lasts, returns]).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warned = Vec::new();
        if self.reward_hold_ms == 0 {
            warned
                .push("Orders come back, and a gift that was given stays: a reward_hold_ms of 7 days is usual.".into());
        }
        if self.limits.total == 0 {
            warned.push("Nothing bounds how many gifts there are but the budget: limits.total does.".into());
        }
        warned
    }

    /// None where nothing bounds the gifts.
    fn max_liability(&self, offers: &Offers) -> Option<i64> {
        let cost = |gift: &GiftRule| offers.get(&gift.offer).copied().unwrap_or(0);
        let by_stock = || {
            let each = self.gifts.iter().map(|gift| match (cost(gift), gift.stock) {
                (0, _) => Some(0),
                (_, None) => None,
                (cost, Some(stock)) => cost.checked_mul(stock.into()),
            });
            each.sum::<Option<i64>>()
        };
        // A card counts against the limit where gifts are reached, and a gift where they are bought.
        let of_one: i64 = match self.giving {
            Giving::Redeem => self.gifts.iter().map(cost).max().unwrap_or(0),
            Giving::Reach => self.gifts.iter().map(cost).sum(),
        };
        let by_limit = (self.limits.total > 0).then(|| of_one.checked_mul(self.limits.total.into())).flatten();
        match (by_stock(), by_limit) {
            (Some(stock), Some(limit)) => Some(stock.min(limit)),
            (stock, limit) => stock.or(limit),
        }
    }
}
