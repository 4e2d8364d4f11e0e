//! What an organiser sets.

use fairground_sdk::{HelpLimits, lottery, prelude::*};

/// Events and notices of one call are a hundred, some of them other ones.
const MESSAGES_MAX: usize = 90;

fairground_sdk::config! {
    /// Help for a friend 助力.
    pub(crate) struct Config {
        /// # Mode 模式
        /// What helps add up to. 助力累積成什麼。
        pub mode: Mode,
        /// # Units of a help 每次助力
        /// Of a member who is not new. 舊會員每次助力的數量。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 100), extend("x-unit" = "units"))]
        pub unit_existing: u32,
        /// # Units of a new member's help 新人助力
        /// Who is new is set by `new_member`. 新人每次助力的數量，新人定義見 new_member。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 100), extend("x-unit" = "units"))]
        pub unit_new: u32,
        /// # New helpers only 限新人助力
        /// Who is new is set by `new_member`. 新人定義見 new_member。
        #[serde(default)]
        pub new_helper_only: bool,
        /// # Lasts 期限
        /// How long a goal or milestones can be reached. 多久內須達成。
        #[serde(default = "a_day")]
        #[schemars(range(min = 60_000, max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
        pub ttl_ms: u64,
        /// # Most helps 助力上限
        /// For one session; 0 sets no limit. 每次活動最多幾次助力；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 100_000), extend("x-unit" = "helps"))]
        pub max_helpers: u32,
        /// # Helps a day 每日助力
        /// Of one member; 0 sets no limit. 一人一日可助力幾次；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 10_000), extend("x-unit" = "helps"))]
        pub helps_per_member_day: u32,
        /// # Helps in all 助力總次數
        /// Of one member; 0 sets no limit. 一人共可助力幾次；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 1_000_000), extend("x-unit" = "helps"))]
        pub helps_per_member_total: u32,
        /// # Helps of a pair 同對次數
        /// How often one member helps another; 0 sets no limit but once a session, or once a day where that counts. 同一人對同一人可助力幾次；0 為僅限每次（每日）一回。
        #[serde(default = "one")]
        #[schemars(range(max = 10_000), extend("x-unit" = "helps"))]
        pub helps_per_pair: u32,
        /// # No help in return 互助間隔
        /// How long whoever was helped does not help back; 0 lets them. 被助力者多久內不得回助；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
        pub reciprocal_window_ms: u64,
        /// # For helpers 助力者獎勵
        /// An offer for each help; null gives none. 每次助力的獎勵名稱；null 為無。
        #[schemars(length(min = 1, max = 128))]
        pub helper_offer: Option<String>,
        /// # For the goal 達標獎勵
        /// The offer of the mode `count`. 模式 count 的獎勵名稱。
        #[schemars(length(min = 1, max = 128))]
        pub owner_offer: Option<String>,
        /// # Helps are final after 確認期
        /// Until then a help is reversed if the helper's account is closed. 期滿前助力者銷號則該次助力取消。
        #[serde(default)]
        #[schemars(range(max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        pub confirm_after_ms: u64,
        /// # Returns reverse helps 退貨取消助力
        /// Helps that are not final yet are reversed when the helper returns a purchase. 助力確認前，助力者退貨則該次助力取消。
        #[serde(default)]
        pub reverse_on_return: bool,
        /// # Claim within 領取時限
        /// The owner claims what was reached within this; null gives it at once. 達成後須在此時限內領取；null 為自動發放。
        #[schemars(range(min = 60_000, max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
        pub claim_within_ms: Option<u64>,
        /// # Sessions, each member 每人次數
        /// How many a member may start. 一人可發起幾次。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "sessions"))]
        pub sessions_per_member: u32,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Mode {
    /// So many units.
    Count {
        /// # Goal 目標
        /// Units. 需要的助力數。
        #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "units"))]
        goal: u32,
    },
    /// A bar with milestones.
    Accumulate {
        /// # Milestones 里程碑
        /// Each asks for more than the one before. 依序遞增。
        #[schemars(length(min = 1, max = 10))]
        milestones: Vec<Milestone>,
        /// # Every day 每日可助力
        /// A helper may help the same session once a day, and not once. 同一人每日可再助力一次。
        #[serde(default)]
        daily: bool,
    },
    /// A wait that each help shortens.
    Accelerate {
        /// # Wait 等待時間
        /// Without any help. 無人助力時的等待。
        #[schemars(range(min = 60_000, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        base_wait_ms: u64,
        /// # Cut 縮短
        /// By a help. 每次助力縮短的時間。
        #[schemars(range(min = 1, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        cut_ms: u64,
        /// # Cut by new members 新人縮短
        /// Null is as of anybody. 新人助力縮短的時間；null 為相同。
        #[schemars(range(min = 1, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        new_cut_ms: Option<u64>,
        /// # Least wait 最短等待
        /// However many help. 無論多少助力都至少等待。
        #[schemars(range(max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        min_wait_ms: u64,
        /// # Offer 獎勵
        /// What is waited for. 等待完成的獎勵名稱。
        #[schemars(length(min = 1, max = 128))]
        offer: String,
    },
    /// A draw in the end, in which each help adds to the odds.
    WeightedDraw {
        /// # Winners 中獎人數
        /// How many are drawn. 抽出幾人。
        #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "members"))]
        winners: u32,
        /// # Offer 獎勵
        /// For each of them. 每位中獎者的獎勵名稱。
        #[schemars(length(min = 1, max = 128))]
        offer: String,
    },
}

/// # Milestone 里程碑
/// So many units, and what is reached by them. 達到此數量的獎勵。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Milestone {
    /// # Units 數量
    /// Of helps that count. 累計助力數。
    #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "units"))]
    pub units: u32,
    /// # Offer 獎勵
    /// The name of an offer. 獎勵名稱。
    #[schemars(length(min = 1, max = 128))]
    pub offer: String,
}

fn one() -> u32 {
    1
}
fn a_day() -> u64 {
    86_400_000
}

impl Config {
    /// What is reached by units: none where it is waited or drawn.
    pub(crate) fn milestones(&self) -> Vec<Milestone> {
        match &self.mode {
            Mode::Count { goal } => {
                self.owner_offer.iter().map(|offer| Milestone { units: *goal, offer: offer.clone() }).collect()
            }
            Mode::Accumulate { milestones, .. } => milestones.clone(),
            Mode::Accelerate { .. } | Mode::WeightedDraw { .. } => Vec::new(),
        }
    }

    pub(crate) fn is_daily(&self) -> bool {
        matches!(self.mode, Mode::Accumulate { daily: true, .. })
    }

    pub(crate) fn help_limits(&self) -> HelpLimits {
        HelpLimits {
            per_day: self.helps_per_member_day,
            total: self.helps_per_member_total,
            per_pair: self.helps_per_pair,
            reciprocal_window_ms: self.reciprocal_window_ms,
        }
    }

    pub(crate) fn check(&self, offers: &Offers) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect_zone(&self.zone);
        let mut expect = |fine: bool, pointer: &str, message: &str| {
            issues.expect(fine, pointer, "invalid-config", message);
        };
        let is_counted = matches!(self.mode, Mode::Count { .. });
        let goal = "A goal needs its offer, and only a goal has one.";
        expect(self.owner_offer.is_some() == is_counted, "/owner_offer", goal);
        let is_reached = matches!(self.mode, Mode::Count { .. } | Mode::Accumulate { .. });
        let reached = "What is waited or drawn is given at once, and its helps are final.";
        expect(is_reached || self.confirm_after_ms == 0, "/confirm_after_ms", reached);
        expect(is_reached || self.claim_within_ms.is_none(), "/claim_within_ms", reached);
        let milestones = self.milestones();
        let is_rising = milestones.windows(2).all(|pair| pair[0].units < pair[1].units);
        expect(is_rising, "/mode/accumulate/milestones", "Each milestone asks for more than the one before.");
        if let Mode::Accelerate { base_wait_ms, min_wait_ms, .. } = self.mode {
            expect(min_wait_ms < base_wait_ms, "/mode/accelerate/min_wait_ms", "Less than the wait without help.");
        }
        let is_enough = self.helps_per_pair == 0 || !self.is_daily() || self.helps_per_pair > 1;
        expect(is_enough, "/helps_per_pair", "Helps of every day need more than one of a pair: 0 sets no limit.");
        let most = self.max_helpers.saturating_mul(self.unit_new.max(self.unit_existing));
        let needed = milestones.last().map_or(0, |milestone| milestone.units);
        let in_reach = self.max_helpers == 0 || most >= needed;
        expect(in_reach, "/max_helpers", "So many helps never reach what there is to reach.");
        let rules = |event: &str| 1 + self.notices.iter().filter(|rule| rule.event == event).count();
        let told = rules("boost.helped") + milestones.len() * rules("boost.milestone") + rules("boost.finished");
        expect(told <= MESSAGES_MAX, "/notices", "One help may reach all milestones: fewer notices of each.");
        for (pointer, offer) in self.offers() {
            expect(offers.contains_key(&offer), &pointer, "There is no offer of this name.");
        }
        issues.or(Report {
            max_liability: self.max_liability(offers),
            disclosures: self.disclosures(),
            warnings: self.warnings(),
        })
    }

    fn offers(&self) -> Vec<(String, String)> {
        let own = match &self.mode {
            Mode::Count { .. } => Vec::new(),
            Mode::Accumulate { milestones, .. } => (0..)
                .zip(milestones)
                .map(|(at, milestone): (u32, _)| {
                    (format!("/mode/accumulate/milestones/{at}/offer"), milestone.offer.clone())
                })
                .collect(),
            Mode::Accelerate { offer, .. } => vec![("/mode/accelerate/offer".into(), offer.clone())],
            Mode::WeightedDraw { offer, .. } => vec![("/mode/weighted-draw/offer".into(), offer.clone())],
        };
        let named = [("/helper_offer", &self.helper_offer), ("/owner_offer", &self.owner_offer)];
        let named = named.into_iter().filter_map(|(pointer, offer)| Some((pointer.to_owned(), offer.clone()?)));
        named.chain(own).collect()
    }

    fn disclosures(&self) -> Vec<String> {
        let mut said = vec![match &self.mode {
            Mode::Count { goal } => format!("It takes {goal}."),
            Mode::Accumulate { milestones, .. } => {
                let units: Vec<String> = milestones.iter().map(|milestone| milestone.units.to_string()).collect();
                format!("There is something at {}.", units.join(", "))
            }
            Mode::Accelerate { base_wait_ms, min_wait_ms, .. } => {
                let minutes = |ms: &u64| ms / 60_000;
                format!("It takes {} minutes, and never less than {}.", minutes(base_wait_ms), minutes(min_wait_ms))
            }
            Mode::WeightedDraw { winners, .. } => {
                let most = lottery::WEIGHT_MAX;
                format!("{winners} are drawn in the end; each help adds one to odds of one, up to {most}.")
            }
        }];
        if self.unit_new != self.unit_existing {
            said.push(format!("A new member's help counts {}, anybody else's {}.", self.unit_new, self.unit_existing));
        }
        said
    }

    fn warnings(&self) -> Vec<String> {
        if self.helper_offer.is_some() {
            return Vec::new();
        }
        vec!["Whoever helps gets nothing: few will.".into()]
    }

    /// Each part that is taken is a session or a help. None where nothing bounds them.
    fn max_liability(&self, offers: &Offers) -> Option<i64> {
        let cost = |offer: &String| offers.get(offer).copied().unwrap_or(0);
        let help = self.helper_offer.as_ref().map_or(0, cost);
        let (session, drawn) = match &self.mode {
            Mode::Accelerate { offer, .. } => (cost(offer), 0),
            Mode::WeightedDraw { winners, offer } => (0, cost(offer).checked_mul(i64::from(*winners))?),
            _ => (self.milestones().iter().map(|milestone| cost(&milestone.offer)).sum(), 0),
        };
        match (session.max(help), self.limits.total) {
            (0, _) => Some(drawn),
            (_, 0) => None,
            (each, total) => each.checked_mul(total.into())?.checked_add(drawn),
        }
    }
}
