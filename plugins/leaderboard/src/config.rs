//! What an organiser sets.

use fairground_sdk::prelude::*;

/// Events and notices of one call are a hundred, some of them other ones.
const MESSAGES_MAX: usize = 80;

fairground_sdk::config! {
    /// Leaderboard 排行榜.
    pub(crate) struct Config {
        /// # Metrics 計分項目
        /// What scores. 哪些行為得分。
        #[schemars(length(min = 1, max = 20))]
        pub metrics: Vec<Metric>,
        /// # Season 賽季
        /// When one begins and ends. 賽季起訖。
        pub season: Calendar,
        /// # Subject 對象
        /// Who is ranked. 以成員或群排名。
        #[serde(default)]
        pub subject: Subject,
        /// # Tie 同分
        /// Which ranks equal scores have, and what they win. 同分者的名次與獎勵。
        #[serde(default)]
        pub tie: Tie,
        /// # Least score 最低分數
        /// Who has less wins nothing. 低於此分數無獎。
        #[serde(default)]
        #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "points"))]
        pub min_score: i64,
        /// # Prizes 名次獎勵
        /// An offer for some ranks. 各名次的獎勵。
        #[serde(default)]
        #[schemars(length(max = 50))]
        pub prizes: Vec<Prize>,
        /// # Pool 獎金池
        /// Money that the best share; null has none. 由前幾名分配的獎金；null 為無。
        pub pool: Option<Pool>,
        /// # Most winners 得獎上限
        /// Of one season, where ties may win more; 0 sets no limit. 同分可能增加得獎人數時，每季最多幾人；0 為不限。
        #[serde(default)]
        #[schemars(range(max = 1_000_000), extend("x-unit" = "winners"))]
        pub max_winners: u32,
        /// # Late news 遲到寬限
        /// How long after its end a season still takes what happened in it. 季末後多久仍計入季內事件。
        #[serde(default = "ten_minutes")]
        #[schemars(range(max = 604_800_000), extend("x-unit" = "ms"))]
        pub grace_ms: u64,
        /// # Time to dispute 異議期
        /// Between the final ranks and the prizes. 名次確定到發獎之間。
        #[serde(default = "a_day")]
        #[schemars(range(max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
        pub dispute_ms: u64,
        #[serde(default)]
        pub visibility: Visibility,
        /// # Duels 對決
        /// Two against each other; null has none. 兩方對決；null 為無。
        pub pk: Option<Pk>,
        /// # Left out 排除標籤
        /// Members with one of these tags do not score, such as staff. 具這些標籤者不計分，例如員工。
        #[serde(default)]
        #[schemars(length(max = 20))]
        pub exclude_tags: Vec<String>,
    }
}

/// # Metric 計分項目
/// What scores, and how much. 何種行為得多少分。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    /// # Topic 事件
    /// Of the platform; its subject scores. 平台事件名稱，由事件主體得分。
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[a-z0-9-]+(\\.[a-z0-9-]+)*$"))]
    pub topic: String,
    /// # Field 欄位
    /// A whole number of the event; null counts 1. 事件中的整數欄位；null 為計 1。
    #[schemars(length(min = 1, max = 64))]
    pub field: Option<String>,
    /// # Weight 權重
    /// Points for each; less than 0 takes points. 每單位得分；負數為扣分。
    #[schemars(range(min = -1_000_000, max = 1_000_000), extend("x-unit" = "points"))]
    pub weight: i32,
    /// # Most a day 每日上限
    /// Points of one subject by it; 0 sets no limit. 每日最多得分；0 為不限。
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "points"))]
    pub cap_per_day: i64,
    /// # Once for each 去重欄位
    /// A field whose value scores once in a season, such as an order; null counts each event. 同一值每季只計一次的欄位，例如訂單；null 為每次計分。
    #[schemars(length(min = 1, max = 64))]
    pub dedupe_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Calendar {
    /// From day to day of the activity's zone.
    Day,
    /// From Monday to Monday.
    Week,
    Month,
    /// The whole activity.
    Whole,
    /// As listed.
    Custom {
        /// # Seasons 賽季
        /// In order; none reaches into another. 依序且不重疊。
        #[schemars(length(min = 1, max = 100))]
        seasons: Vec<Window>,
    },
}

/// # Season 賽季
/// A time that is one season; the end is not part of it. 一段賽季，不含結束時刻。
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    /// # Starts at 開始
    /// UTC milliseconds. UTC 毫秒。
    #[schemars(range(min = 0, max = 253_402_300_799_000_i64), extend("x-unit" = "utc-ms"))]
    pub starts_at: i64,
    /// # Ends at 結束
    /// UTC milliseconds. UTC 毫秒。
    #[schemars(range(min = 1, max = 253_402_300_799_000_i64), extend("x-unit" = "utc-ms"))]
    pub ends_at: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    #[default]
    Member,
    /// Each group that the member is in.
    Group,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tie {
    /// 1, 1, 3: each wins the prize of the shared rank.
    Competition,
    /// 1, 1, 2: each wins the prize of the shared rank.
    Dense,
    /// Whoever reached the score first is before the other.
    #[default]
    UniqueEarliest,
    /// 1, 1, 3: the shares of the pool that they cover are added up and divided.
    SplitPool,
}

/// # Prize 獎勵
/// An offer for some ranks. 幾個名次的獎勵。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prize {
    /// # From 自
    /// The best of these ranks; 1 is the first. 最佳名次，1 為第一。
    #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "rank"))]
    pub from: u32,
    /// # To 至
    /// The last of these ranks. 最後名次。
    #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "rank"))]
    pub to: u32,
    /// # Offer 獎勵
    /// The name of an offer. 獎勵名稱。
    #[schemars(length(min = 1, max = 128))]
    pub offer: String,
}

/// # Pool 獎金池
/// Money that the best share. 由前幾名分配的獎金。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pool {
    /// # Offer 獎勵
    /// A random packet that holds the whole pool at most. 隨機紅包獎勵名稱，上限不低於獎金池。
    #[schemars(length(min = 1, max = 128))]
    pub offer: String,
    /// # Total 總額
    /// Of one season. 每季總額。
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
    pub total: i64,
    /// # Shares 分配
    /// Basis points by rank, the first one first; 10 000 at most together. 依名次的萬分比，合計不超過 10000。
    #[schemars(length(min = 1, max = 100), inner(range(min = 1, max = 10_000)))]
    pub shares_bps: Vec<u32>,
}

/// # Visibility 公開範圍
/// What members see of each other. 成員可看到什麼。
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Visibility {
    /// # Listed 公開名次
    /// How many ranks anybody sees. 公開前幾名。
    #[schemars(range(max = 1_000_000), extend("x-unit" = "ranks"))]
    pub top: u32,
    /// # Neighbours 前後名次
    /// How many before and after one's own. 自己前後各幾名。
    #[schemars(range(max = 50), extend("x-unit" = "ranks"))]
    pub around_me: u32,
    /// # May hide 可隱藏
    /// Members may take themselves off the lists; they keep what they win. 成員可不列名，仍可得獎。
    pub opt_out: bool,
    /// # Mask names 遮名
    /// Others' ids are shown in part. 部分遮蔽他人編號。
    pub mask_names: bool,
}

impl Default for Visibility {
    fn default() -> Self {
        Self { top: 100, around_me: 5, opt_out: true, mask_names: false }
    }
}

/// # Duels 對決
/// Two against each other for a while. 兩方在一段時間內比分。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pk {
    /// # Lasts 時長
    /// From the acceptance on. 自接受起計。
    #[schemars(range(min = 60_000, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
    pub duration_ms: u64,
    /// # Time to accept 應戰時限
    /// Then the challenge is gone. 逾時則挑戰作廢。
    #[schemars(range(min = 60_000, max = 2_592_000_000_u64), extend("x-unit" = "ms"))]
    pub accept_window_ms: u64,
    /// # Stake 賭注
    /// Points that both put in and the better takes; null plays for nothing. Never money. 雙方投入、勝者得之的積分；null 為無，不得為現金。
    pub stake: Option<Stake>,
}

/// # Stake 賭注
/// Points that both put in. 雙方投入的積分。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stake {
    /// # Account 積分帳戶
    /// Where they are taken from. 扣除積分的帳戶。
    #[schemars(length(min = 1, max = 128))]
    pub account: String,
    /// # Points 積分
    /// Of each. 每方投入。
    #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "points"))]
    pub points: u64,
}

fn ten_minutes() -> u64 {
    600_000
}
fn a_day() -> u64 {
    86_400_000
}

impl Config {
    /// The last rank that wins anything.
    pub(crate) fn last_prize(&self) -> u64 {
        let pool = self.pool.as_ref().map_or(0, |pool| pool.shares_bps.len() as u64);
        self.prizes.iter().map(|prize| u64::from(prize.to)).max().unwrap_or(0).max(pool)
    }

    pub(crate) fn prize_of(&self, rank: u64) -> Option<&Prize> {
        self.prizes.iter().find(|prize| (u64::from(prize.from)..=u64::from(prize.to)).contains(&rank))
    }

    /// What ranks of the pool come to, in minor units.
    pub(crate) fn pool_share(&self, from: u64, to: u64) -> i64 {
        let Some(pool) = &self.pool else { return 0 };
        let amounts = fairground_sdk::split(pool.total, &self.pool_weights());
        let last = usize::try_from(to).unwrap_or(usize::MAX).min(pool.shares_bps.len());
        let first = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX).min(last);
        amounts[first..last].iter().sum()
    }

    /// The shares, and last what nobody gets.
    fn pool_weights(&self) -> Vec<u64> {
        let shares = self.pool.as_ref().map(|pool| pool.shares_bps.as_slice()).unwrap_or_default();
        let rest = 10_000u64.saturating_sub(shares.iter().map(|share| u64::from(*share)).sum());
        shares.iter().map(|share| u64::from(*share)).chain([rest]).collect()
    }

    pub(crate) fn check(&self, offers: &Offers) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        issues.expect_zone(&self.zone);
        let mut expect = |fine: bool, pointer: &str, message: &str| {
            issues.expect(fine, pointer, "invalid-config", message);
        };
        for (at, metric) in self.metrics.iter().enumerate() {
            let is_platforms = !metric.topic.starts_with("order.");
            let detail = "Orders are the shop's to speak of: listen to member.bought.";
            expect(is_platforms, &format!("/metrics/{at}/topic"), detail);
        }
        let of_topic = |topic: &str| self.metrics.iter().filter(|metric| metric.topic == topic).count();
        let subjects = if self.subject == Subject::Group { crate::scoring::GROUPS_MAX } else { 1 };
        let rules = self.notices.iter().filter(|rule| rule.event == "leaderboard.overtaken").count();
        let is_bounded =
            self.metrics.iter().all(|metric| of_topic(&metric.topic) * subjects * (2 + rules) <= MESSAGES_MAX);
        expect(is_bounded, "/metrics", "One event scores by too many: fewer metrics of a topic, or fewer notices.");
        if let Calendar::Custom { seasons } = &self.season {
            let lasts = seasons.iter().all(|season| season.starts_at < season.ends_at);
            let apart = seasons.windows(2).all(|pair| pair[0].ends_at <= pair[1].starts_at);
            expect(lasts && apart, "/season/custom/seasons", "Seasons begin before they end, in order.");
        }
        let unknown = "There is no offer of this name.";
        for (at, prize) in self.prizes.iter().enumerate() {
            expect(offers.contains_key(&prize.offer), &format!("/prizes/{at}/offer"), unknown);
            let after = self.prizes[..at].last().map_or(0, |before| before.to);
            let follows = prize.from > after && prize.from <= prize.to;
            expect(follows, &format!("/prizes/{at}/from"), "Ranks rise, and no rank has two prizes.");
        }
        let costs = self.prizes.iter().any(|prize| offers.get(&prize.offer).is_some_and(|cost| *cost > 0));
        let is_shared = matches!(self.tie, Tie::Competition | Tie::Dense);
        let tied = "Any number may share a rank, and its prize costs: a limit of winners, or another rule for ties.";
        expect(!(is_shared && costs && self.max_winners == 0), "/max_winners", tied);
        if let Some(pool) = &self.pool {
            let holds = offers.get(&pool.offer).is_some_and(|most| *most >= pool.total);
            expect(holds, "/pool/offer", "An offer of a random packet that holds the pool.");
            let sum: u64 = pool.shares_bps.iter().map(|share| u64::from(*share)).sum();
            expect(sum <= 10_000, "/pool/shares_bps", "No more than 10 000 together.");
            expect(!is_shared, "/tie", "A pool is split, or goes to whoever was first.");
            expect(self.subject == Subject::Member, "/pool", "A pool is for members.");
            expect(self.reward_hold_ms == 0, "/reward_hold_ms", "A pool is paid at once: dispute_ms keeps it back.");
        }
        let splits = self.tie == Tie::SplitPool;
        expect(!splits || (self.pool.is_some() && self.prizes.is_empty()), "/tie", "Only a pool can be split.");
        let stake = self.pk.as_ref().and_then(|pk| pk.stake.as_ref());
        expect(stake.is_none() || self.subject == Subject::Member, "/pk/stake", "Groups have no points to put in.");
        let max_liability = self.max_liability(offers);
        issues.or(Report { max_liability, disclosures: self.disclosures(), warnings: Vec::new() })
    }

    fn disclosures(&self) -> Vec<String> {
        let tie = match self.tie {
            Tie::Competition => "Equal scores share a rank, and the next ranks are passed over.",
            Tie::Dense => "Equal scores share a rank.",
            Tie::UniqueEarliest => "Of equal scores, the one that was reached first is the better.",
            Tie::SplitPool => "Equal scores share what their ranks win.",
        };
        vec![tie.into(), format!("The first {} win.", self.last_prize())]
    }

    /// None where there may be any number of seasons, or of members in a group.
    fn max_liability(&self, offers: &Offers) -> Option<i64> {
        let cost = |offer: &str| offers.get(offer).copied().unwrap_or(0);
        let prizes: i64 = match self.tie {
            Tie::Competition | Tie::Dense => {
                let dearest = self.prizes.iter().map(|prize| cost(&prize.offer)).max().unwrap_or(0);
                dearest.checked_mul(self.max_winners.into())?
            }
            _ => self.prizes.iter().try_fold(0i64, |sum, prize| {
                sum.checked_add(cost(&prize.offer).checked_mul(i64::from(prize.to.checked_sub(prize.from)?) + 1)?)
            })?,
        };
        let season = prizes.checked_add(self.pool.as_ref().map_or(0, |pool| pool.total))?;
        // What a packet may hold is set aside before it is known what is in it.
        let aside = self.pool.as_ref().map_or(0, |pool| cost(&pool.offer));
        match (&self.season, season) {
            (_, 0) => Some(0),
            _ if self.subject == Subject::Group => None,
            (Calendar::Whole, season) => season.checked_add(aside),
            (Calendar::Custom { seasons }, season) => {
                season.checked_mul(i64::try_from(seasons.len()).ok()?)?.checked_add(aside)
            }
            _ => None,
        }
    }
}
