//! What an organiser sets.

use fairground_sdk::{NewMemberBy, codes, platform::Qualify, prelude::*};

/// Codes that there are at least: nobody guesses one of so many.
const CODES_MIN: u64 = 100_000_000;

fairground_sdk::config! {
    /// Coupons 券: for whoever brings somebody, for whom they bring, and for whoever claims one.
    pub(crate) struct Config {
        /// # For the inviter 邀請人獎勵
        /// An offer for each one brought; null gives none. 每邀一人的獎勵名稱；null 為無。
        #[schemars(length(min = 1, max = 128))]
        pub inviter_offer: Option<String>,
        /// # For the invitee 被邀人獎勵
        /// An offer for whoever was brought; null gives none. 被邀人的獎勵名稱；null 為無。
        #[schemars(length(min = 1, max = 128))]
        pub invitee_offer: Option<String>,
        /// # For whoever brought the inviter 上級獎勵
        /// An offer, such as a commission; null gives none. No further up. 邀請人之邀請人的獎勵，例如佣金；僅此一層，null 為無。
        #[schemars(length(min = 1, max = 128))]
        pub second_level_offer: Option<String>,
        /// # Tiers 階梯獎勵
        /// More for the inviter at so many. 邀滿人數另得的獎勵。
        #[serde(default)]
        #[schemars(length(max = 20))]
        pub tiers: Vec<Tier>,
        /// # It counts once they 達成條件
        /// What the one brought must do. 被邀人須完成的行為。
        #[serde(default = "register")]
        pub qualify: Qualify,
        /// # Attribution 歸屬
        /// Whose code counts where there are several: the first, or the last before it counts. 多個邀請碼時以最先或最後者為準。
        #[serde(default)]
        pub attribution: Attribution,
        /// # Attribution window 歸屬時限
        /// How long after the code it may count. 使用邀請碼後多久內須達成。
        #[serde(default = "thirty_days")]
        #[schemars(range(min = 60_000, max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
        pub attribution_window_ms: u64,
        /// # New members only 限新人
        /// Who is new is set by `new_member`. 新人的定義見 new_member。
        #[serde(default = "yes")]
        pub invitee_must_be_new: bool,
        /// # Rewarded, each inviter 每人上限
        /// How many referrals of one inviter are rewarded; 0 sets no limit. 一人最多幾次有獎；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 1_000_000), extend("x-unit" = "referrals"))]
        pub max_rewarded_per_inviter: u32,
        /// # Rewarded a day, each inviter 每人每日上限
        /// What is beyond waits for the next day; 0 sets no limit. 超過者隔日再發；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 1_000_000), extend("x-unit" = "referrals"))]
        pub max_rewarded_per_day: u32,
        /// # Claw back 退款追回
        /// Take rewards back, also those that were given, once the order is paid back. 訂單退款後追回已發獎勵。
        #[serde(default = "yes")]
        pub clawback_on_refund: bool,
        #[serde(default)]
        pub code: CodeRule,
        /// # Claim 領券
        /// An offer that anybody may claim; null gives none. 任何人可領取的獎勵；null 為無。
        pub giveaway: Option<Giveaway>,
    }
}

/// # Tier 階梯
/// More for the inviter at so many. 邀滿人數另得的獎勵。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tier {
    /// # At 人數
    /// Rewarded referrals. 有獎的邀請數。
    #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "referrals"))]
    pub at_least: u32,
    /// # Offer 獎勵
    /// The name of an offer. 獎勵名稱。
    #[schemars(length(min = 1, max = 128))]
    pub offer: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Attribution {
    #[default]
    FirstTouch,
    LastTouch,
}

/// # Code 邀請碼
/// What codes look like, and how often one is used. 邀請碼的長度與可用次數。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CodeRule {
    /// # Length 長度
    /// How many letters and digits. 幾個字母與數字。
    #[schemars(range(min = 6, max = 12), extend("x-unit" = "characters"))]
    pub length: u32,
    /// # Alphabet 字元
    /// What codes are made of: none that is mistaken for another, each once. 組成邀請碼的字元，不含易混淆者且不重複。
    #[schemars(length(min = 10, max = 32), regex(pattern = "^[2-9A-HJ-NP-Z]+$"))]
    pub alphabet: String,
    /// # Uses 可用次數
    /// How many members may use one code; 0 sets no limit. 一個邀請碼可供幾人使用；0 為不限。
    #[schemars(range(max = 1_000_000), extend("x-unit" = "members"))]
    pub uses: u32,
    /// # Personal codes 專屬碼數
    /// How many codes for one particular member each inviter may have. 每位邀請人可發幾個指定對象的邀請碼。
    #[schemars(range(max = 100), extend("x-unit" = "codes"))]
    pub personal: u32,
}

impl Default for CodeRule {
    fn default() -> Self {
        Self { length: 8, alphabet: codes::ALPHABET.into(), uses: 0, personal: 0 }
    }
}

/// # Claim 領券
/// An offer that anybody may claim. 任何人可領取的獎勵。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Giveaway {
    /// # Offer 獎勵
    /// The name of an offer. 獎勵名稱。
    #[schemars(length(min = 1, max = 128))]
    pub offer: String,
    /// # How many 總數
    /// In all. 總共幾張。
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-unit" = "pieces"))]
    pub total: u32,
    /// # Each member 每人張數
    /// How many one member may claim. 一人可領幾張。
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100), extend("x-unit" = "pieces"))]
    pub per_member: u32,
}

fn register() -> Qualify {
    Qualify::Register
}
fn thirty_days() -> u64 {
    2_592_000_000
}
fn yes() -> bool {
    true
}
fn one() -> u32 {
    1
}

impl Config {
    /// Whether bringing somebody earns anything.
    pub(crate) fn has_referrals(&self) -> bool {
        self.inviter_offer.is_some() || self.invitee_offer.is_some() || !self.tiers.is_empty()
    }

    pub(crate) fn check(&self, offers: &Offers) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect_zone(&self.zone);
        self.qualify.check(&mut issues, "/qualify");
        let some = self.has_referrals() || self.giveaway.is_some();
        let neither = "There is nothing to get: set an offer for the inviter, the invitee, or to claim.";
        issues.expect(some, "/inviter_offer", "invalid-config", neither);
        let is_above = self.second_level_offer.is_none() || self.has_referrals();
        let above = "It goes with an offer for the inviter or the invitee.";
        issues.expect(is_above, "/second_level_offer", "invalid-config", above);
        let is_helping = self.new_member.definition == NewMemberBy::NeverHelped;
        let is_changing = self.invitee_must_be_new && self.attribution == Attribution::LastTouch && is_helping;
        let helping = "Whoever has used a code has taken part, and could use no later one: another definition of new.";
        issues.expect(!is_changing, "/new_member/definition", "invalid-config", helping);
        let single = [
            ("/inviter_offer", self.inviter_offer.as_ref()),
            ("/invitee_offer", self.invitee_offer.as_ref()),
            ("/second_level_offer", self.second_level_offer.as_ref()),
            ("/giveaway/offer", self.giveaway.as_ref().map(|giveaway| &giveaway.offer)),
        ];
        let single = single.into_iter().filter_map(|(pointer, offer)| Some((pointer.to_owned(), offer?)));
        let tiers = self.tiers.iter().enumerate().map(|(at, tier)| (format!("/tiers/{at}/offer"), &tier.offer));
        for (pointer, offer) in single.chain(tiers) {
            issues.expect(offers.contains_key(offer), pointer, "invalid-config", "There is no offer of this name.");
        }
        let rising = self.tiers.windows(2).all(|pair| pair[0].at_least < pair[1].at_least);
        issues.expect(rising, "/tiers", "invalid-config", "Each tier asks for more than the one before.");
        let letters = self.code.alphabet.as_bytes();
        let is_once = (1..letters.len()).all(|at| !letters[..at].contains(&letters[at]));
        issues.expect(is_once, "/code/alphabet", "invalid-config", "Each letter once.");
        let codes = (letters.len() as u64).checked_pow(self.code.length);
        let is_enough = codes.is_none_or(|codes| codes >= CODES_MIN);
        issues.expect(
            is_enough,
            "/code/length",
            "invalid-config",
            "So few codes are guessed: longer ones, or more letters.",
        );
        issues.or(Report {
            max_liability: self.max_liability(offers),
            disclosures: self.disclosures(),
            warnings: self.warnings(),
        })
    }

    fn disclosures(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.has_referrals() {
            let hours = self.attribution_window_ms / 3_600_000;
            said.push(format!("It counts once those you bring {}, within {hours} hours.", self.qualify.words()));
        }
        if self.second_level_offer.is_some() {
            said.push("Rewards reach two levels, and no further.".into());
        }
        if let Some(Giveaway { total, per_member, .. }) = &self.giveaway {
            said.push(format!("There are {total} to claim, {per_member} for each member."));
        }
        said
    }

    fn warnings(&self) -> Vec<String> {
        let is_order = matches!(self.qualify, Qualify::FirstOrder { .. });
        let mut warned = Vec::new();
        if is_order && self.reward_hold_ms == 0 {
            warned
                .push("Orders come back, and points may be spent by then: a reward_hold_ms of 7 days is usual.".into());
        }
        if self.reward_hold_ms > 0 {
            warned.push("What still waits when the activity ends is given then.".into());
        }
        if self.has_referrals() && self.invitee_offer.is_none() {
            warned.push("Whoever is brought gets nothing: few will use a code for another's sake.".into());
        }
        warned
    }

    /// None where nothing bounds the referrals.
    fn max_liability(&self, offers: &Offers) -> Option<i64> {
        let cost = |offer: &str| offers.get(offer).copied().unwrap_or(0);
        let each = [&self.inviter_offer, &self.invitee_offer, &self.second_level_offer];
        let each: i64 = each.into_iter().flatten().map(|offer| cost(offer)).sum();
        // Nobody reaches a tier with fewer referrals than it asks for, so a referral is worth a share of each, rounded up. Where one can be
        // clawed back, the next reaches the tier again.
        let share = |tier: &Tier| if self.clawback_on_refund { 1 } else { u64::from(tier.at_least) };
        let tiers = self.tiers.iter().map(|tier| cost(&tier.offer).unsigned_abs().div_ceil(share(tier)));
        let each = each.checked_add_unsigned(tiers.sum())?;
        let claims = self
            .giveaway
            .as_ref()
            .map_or(Some(0), |giveaway| cost(&giveaway.offer).checked_mul(giveaway.total.into()))?;
        match (each, self.limits.total) {
            (0, _) => Some(claims),
            (_, 0) => None,
            (each, total) => each.checked_mul(total.into())?.checked_add(claims),
        }
    }
}
