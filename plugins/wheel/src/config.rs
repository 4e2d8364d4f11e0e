//! What an organiser sets.

use fairground_sdk::prelude::*;

fairground_sdk::config! {
    /// A wheel of fortune 抽獎轉盤. Each prize has a weight; its odds are that over the sum of all.
    pub(crate) struct Config {
        /// # Prizes 獎項
        /// What the wheel may stop at. 轉盤上的獎項。
        #[schemars(length(min = 1, max = 50))]
        pub prizes: Vec<Prize>,
        /// # Fallback 保底獎
        /// What is won where a prize is used up. 獎項發完時改得此獎。
        pub fallback: Fallback,
        /// # Price of a spin 每次積分
        /// Points that a spin costs; 0 is free. 每轉一次花費的積分；0 為免費。
        #[serde(default)]
        #[schemars(range(max = 1_000_000_000), extend("x-unit" = "points"))]
        pub cost_points: u64,
        /// # Account 積分帳戶
        /// The points account that pays for it. 扣除積分的帳戶。
        #[serde(default = "points")]
        #[schemars(length(min = 1, max = 128))]
        pub account: String,
    }
}

/// # Prize 獎項
/// One part of the wheel. 轉盤的一格。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prize {
    /// # Name 名稱
    /// What members see. 成員看到的名稱。
    #[schemars(length(min = 1, max = 60))]
    pub name: String,
    /// # Weight 權重
    /// Its odds are this over the sum of all weights. 中獎機率為此值除以總權重。
    #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "weight"))]
    pub weight: u32,
    /// # Offer 獎勵
    /// The name of an offer; null wins nothing. 獎勵名稱；null 為沒有獎品。
    #[schemars(length(min = 1, max = 128))]
    pub offer: Option<String>,
    /// # How many 數量
    /// Null sets no limit but the budget's. null 為僅受預算限制。
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "prizes"))]
    pub stock: Option<u32>,
}

/// # Fallback 保底獎
/// What is won where a prize is used up. 獎項發完時改得此獎。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fallback {
    /// # Name 名稱
    /// What members see. 成員看到的名稱。
    #[schemars(length(min = 1, max = 60))]
    pub name: String,
    /// # Offer 獎勵
    /// The name of an offer; null wins nothing. 獎勵名稱；null 為沒有獎品。
    #[schemars(length(min = 1, max = 128))]
    pub offer: Option<String>,
}

fn points() -> String {
    "points".into()
}

impl Config {
    /// The sum of all weights.
    pub(crate) fn whole(&self) -> u64 {
        self.prizes.iter().map(|prize| u64::from(prize.weight)).sum()
    }

    /// The prize that a number below the whole stands for.
    pub(crate) fn prize_at(&self, drawn: u64) -> usize {
        let mut below = 0;
        let ends = self.prizes.iter().map(|prize| {
            below += u64::from(prize.weight);
            below
        });
        ends.take_while(|end| *end <= drawn).count()
    }

    pub(crate) fn check(&self, offers: &Offers) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect_zone(&self.zone);
        let named = self.prizes.iter().enumerate().map(|(at, prize)| (format!("/prizes/{at}/offer"), &prize.offer));
        for (pointer, offer) in named.chain([("/fallback/offer".to_owned(), &self.fallback.offer)]) {
            let known = offer.as_ref().is_none_or(|offer| offers.contains_key(offer));
            issues.expect(known, pointer, "invalid-config", "There is no offer of this name.");
        }
        let whole = self.whole();
        let odds = |prize: &Prize| format!("{}: {} of {whole}", prize.name, prize.weight);
        let disclosure = format!("Odds: {}.", self.prizes.iter().map(odds).collect::<Vec<_>>().join("; "));
        let fallback = format!("Where a prize is used up, {} is won instead.", self.fallback.name);
        issues.or(Report {
            max_liability: self.max_liability(offers),
            disclosures: vec![disclosure, fallback],
            warnings: Vec::new(),
        })
    }

    /// Each spin wins the dearest at most.
    fn max_liability(&self, offers: &Offers) -> Option<i64> {
        let cost = |offer: &Option<String>| offer.as_ref().and_then(|offer| offers.get(offer)).copied().unwrap_or(0);
        let costs = self.prizes.iter().map(|prize| cost(&prize.offer)).chain([cost(&self.fallback.offer)]);
        match (costs.max().unwrap_or(0), self.limits.total) {
            (0, _) => Some(0),
            (_, 0) => None,
            (dearest, total) => dearest.checked_mul(total.into()),
        }
    }
}
