//! What an organiser sets.

use std::collections::BTreeMap;

use fairground_sdk::prelude::*;

/// Options of a vote, configured and submitted together.
pub(crate) const OPTIONS_MAX: usize = 500;

/// Options that one ballot names: each is a tally to change.
pub(crate) const CHOICES_MAX: usize = 100;

const DAY_MS: u64 = 86_400_000;

fairground_sdk::config! {
    /// A vote 投票.
    pub(crate) struct Config {
        /// # Options 選項
        /// What there is to choose from. 可選的項目。
        #[serde(default)]
        #[schemars(length(max = 500))]
        pub options: Vec<Choice>,
        /// # Submissions 徵集
        /// Members put options in first; null takes none. 先由成員提交選項；null 為不徵集。
        pub submissions: Option<Submissions>,
        /// # Method 計票方式
        /// How choices become a result. 如何由選擇得出結果。
        #[serde(default)]
        pub method: Method,
        /// # Least choices 最少選擇
        /// Options that a ballot names at least. 一票至少選幾項。
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 100), extend("x-unit" = "options"))]
        pub min_choices: u32,
        /// # Period 投票週期
        /// Once, or so often a day. 一次，或每日數次。
        #[serde(default)]
        pub period: Period,
        /// # Change of mind 可改票
        /// A ballot may be replaced or withdrawn until the close. 截止前可改票或撤票。
        #[serde(default)]
        pub revote: bool,
        /// # Weights 權重
        /// Basis points of a vote by the member's tier; a tier that is not named has 10 000. 各等級每票權重（萬分比），未列者為 10000。
        #[serde(default)]
        pub weights: BTreeMap<String, Weight>,
        /// # Electorate 選民
        /// Whoever was registered when it opened, or whoever is when they vote. 以開票時或投票時的會員為準。
        #[serde(default)]
        pub electorate: Electorate,
        /// # Secrecy 保密
        /// When results are shown, and whether anybody sees who chose what. 何時公布、是否記名。
        #[serde(default)]
        pub secrecy: Secrecy,
        /// # Quorum 法定人數
        /// With fewer voters there is no winner; 0 asks for none. 不足此人數則無結果；0 為不要求。
        #[serde(default)]
        #[schemars(range(max = 1_000_000_000), extend("x-unit" = "members"))]
        pub quorum: u32,
        /// # Tie 同票
        /// What happens where several have the most. 最高票相同時如何處理。
        #[serde(default)]
        pub tie: Tie,
        /// # Verdict 評判
        /// Whether a thing is found good; null only names winners. 判定好壞；null 為僅列出優勝者。
        pub verdict: Option<Verdict>,
        /// # For voters 投票獎勵
        /// An offer for whoever votes, once in an edition; null gives none. 每期投票者的獎勵名稱；null 為無。
        #[schemars(length(min = 1, max = 128))]
        pub voter_offer: Option<String>,
        /// # For the winner 優勝獎勵
        /// An offer for whoever submitted the winning option; null gives none. 優勝選項提交者的獎勵名稱；null 為無。
        #[schemars(length(min = 1, max = 128))]
        pub winner_offer: Option<String>,
        /// # Open for 開放時間
        /// How long an edition is open; null is to the activity's end. 每期開放多久；null 為至活動結束。
        #[schemars(range(min = 60_000, max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
        pub duration_ms: Option<u64>,
        /// # Comes again 定期舉行
        /// When a new edition opens; null is once, at the start. 每期開始時間；null 為僅一期。
        pub recurrence: Option<Recurrence>,
    }
}

/// # Option 選項
/// One that may be chosen. 一個可選項目。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    /// # Id 編號
    /// What a ballot names. 選票中使用的編號。
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
    pub id: String,
    /// # Title 標題
    /// What members see. 成員看到的名稱。
    #[schemars(length(min = 1, max = 100))]
    pub title: String,
    /// # Text 說明
    /// More about it. 補充說明。
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    pub body: String,
}

/// # Submissions 徵集
/// Members put options in first. 先由成員提交選項。
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submissions {
    /// # Until 截止
    /// UTC milliseconds; then the vote opens. UTC 毫秒；屆時開始投票。
    #[schemars(range(min = 1, max = 253_402_300_799_000_i64), extend("x-unit" = "utc-ms"))]
    pub open_until: i64,
    /// # Moderated 需審核
    /// Only what an operator has approved can be chosen. 經審核的選項才可投票。
    #[serde(default)]
    pub moderated: bool,
    /// # Each member 每人數量
    /// How many one member may submit. 一人可提交幾個選項。
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 20), extend("x-unit" = "options"))]
    pub per_member: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Method {
    /// One option.
    #[default]
    Plurality,
    /// Several options, each the same.
    Approval {
        /// # Most choices 最多選擇
        /// Options of a ballot. 一票最多選幾項。
        #[schemars(range(min = 1, max = 100), extend("x-unit" = "options"))]
        max: u32,
    },
    /// Points for options.
    Score {
        /// # Most points 最高分
        /// Of one option on one ballot. 一票對一項最多幾分。
        #[schemars(range(min = 1, max = 100), extend("x-unit" = "points"))]
        max: u32,
        /// # Most options 選項上限
        /// That get points on one ballot. 一票最多評幾項。
        #[serde(default = "many")]
        #[schemars(range(min = 1, max = CHOICES_MAX), extend("x-unit" = "options"))]
        choices: u32,
    },
    /// Options in order: the first has as many points as there are ranks, the next one less.
    Borda {
        /// # Ranks 名次
        /// Options of a ballot, at most. 一票最多排幾名。
        #[schemars(range(min = 1, max = 50), extend("x-unit" = "ranks"))]
        ranks: u32,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Period {
    /// One ballot in an edition.
    #[default]
    Once,
    Daily {
        /// # Ballots a day 每日票數
        /// Of one member. 一人一日可投幾票。
        #[schemars(range(min = 1, max = 20), extend("x-unit" = "ballots"))]
        votes: u32,
    },
}

/// # Weight 權重
/// Basis points of a vote. 每票權重（萬分比）。
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Weight(#[schemars(range(max = 1_000_000), extend("x-unit" = "bps"))] pub u32);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Electorate {
    /// Registered before it opened.
    AtOpen,
    #[default]
    AtVote,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Secrecy {
    /// Results at any time, and events say who chose what.
    Open,
    #[default]
    HiddenUntilClose,
    /// As hidden, and nothing ever joins a member and a choice, not even for themselves.
    Anonymous,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Tie {
    #[default]
    CoWinners,
    /// One of them, drawn from the activity's seed.
    DrawLots,
    /// Whoever reached the score first.
    Earliest,
    /// Another round between them; where that is a tie too, lots are drawn.
    RunOff {
        /// # Open for 決選時間
        /// How long the second round is open. 第二輪開放多久。
        #[schemars(range(min = 60_000, max = 604_800_000), extend("x-unit" = "ms"))]
        ms: u64,
    },
}

/// # Verdict 評判
/// Whether a thing is found good. 判定好壞。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verdict {
    /// # Accepted from 通過門檻
    /// Basis points of good among good and bad. 好評占好壞總票的萬分比。
    #[schemars(range(min = 1, max = 10_000), extend("x-unit" = "bps"))]
    pub accept_bps: u32,
    /// # Good 好
    /// The option that says so. 代表好的選項。
    #[schemars(length(min = 1, max = 40))]
    pub good: String,
    /// # Bad 壞
    /// The option that says so. 代表壞的選項。
    #[schemars(length(min = 1, max = 40))]
    pub bad: String,
}

/// # Comes again 定期舉行
/// When a new edition opens. 每期開始時間。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recurrence {
    /// # Weekdays 星期
    /// Monday is 1, Sunday 7. 週一為 1，週日為 7。
    #[schemars(length(min = 1, max = 7), inner(range(min = 1, max = 7)))]
    pub weekdays: Vec<u8>,
    /// # At 時刻
    /// Minutes after midnight in the activity's zone. 活動時區午夜後的分鐘數。
    #[schemars(range(max = 1_439), extend("x-unit" = "minutes"))]
    pub at_minute: u32,
}

fn many() -> u32 {
    100
}
fn one() -> u32 {
    1
}

impl Config {
    /// Options of a ballot, at most.
    pub(crate) fn max_choices(&self) -> usize {
        match self.method {
            Method::Plurality => 1,
            Method::Approval { max } => max as usize,
            Method::Score { choices, .. } => choices as usize,
            Method::Borda { ranks } => ranks as usize,
        }
    }

    pub(crate) fn check(&self, offers: &Offers) -> Result<Report, Vec<Issue>> {
        let mut issues = Issues::default();
        let mut expect = |fine: bool, pointer: &str, message: &str| {
            issues.expect(fine, pointer, "invalid-config", message);
        };
        let is_enough = self.options.len() >= 2 || self.submissions.is_some();
        expect(is_enough, "/options", "At least two options, or members submit them.");
        for (at, option) in self.options.iter().enumerate() {
            let is_first = self.options.iter().position(|known| known.id == option.id) == Some(at);
            expect(is_first, &format!("/options/{at}/id"), "Each id once.");
            let is_free = self.submissions.is_none() || !option.id.starts_with("s-");
            expect(is_free, &format!("/options/{at}/id"), "Ids that begin with s- are those of submissions.");
        }
        expect(self.min_choices as usize <= self.max_choices(), "/min_choices", "No more than the method allows.");
        let is_there = !is_enough || self.submissions.is_some() || self.min_choices as usize <= self.options.len();
        expect(is_there, "/min_choices", "No more than there are options.");
        let is_first = !(self.tie == Tie::Earliest && self.revote);
        expect(is_first, "/tie", "Who was first could be turned round by changing ballots: no revote.");
        let offers_named = [("/voter_offer", &self.voter_offer), ("/winner_offer", &self.winner_offer)];
        for (pointer, offer) in offers_named {
            let is_known = offer.as_ref().is_none_or(|offer| offers.contains_key(offer));
            expect(is_known, pointer, "There is no offer of this name.");
        }
        let is_won = self.winner_offer.is_none() || self.submissions.is_some();
        expect(is_won, "/winner_offer", "It is for whoever submitted the winning option: let members submit.");
        let is_once = self.period == Period::Once || !self.revote;
        expect(is_once, "/revote", "Ballots of a daily vote are not changed: there is another tomorrow.");
        if let Some(Verdict { good, bad, .. }) = &self.verdict {
            for (pointer, id) in [("/verdict/good", good), ("/verdict/bad", bad)] {
                expect(self.options.iter().any(|option| option.id == *id), pointer, "One of the options.");
            }
            expect(good != bad, "/verdict/bad", "Another one than the good.");
        }
        self.check_recurrence(&mut expect);
        issues.expect_zone(&self.zone);
        issues.or(Report {
            max_liability: self.max_liability(offers),
            disclosures: self.disclosures(),
            warnings: Vec::new(),
        })
    }

    fn check_recurrence(&self, expect: &mut dyn FnMut(bool, &str, &str)) {
        let Some(Recurrence { weekdays, .. }) = &self.recurrence else { return };
        expect(self.submissions.is_none(), "/recurrence", "A vote that comes again has the same options each time.");
        expect(self.duration_ms.is_some(), "/duration_ms", "An edition of many ends: say after how long.");
        let days: std::collections::BTreeSet<u8> = weekdays.iter().copied().collect();
        let later = days.iter().skip(1).copied().chain(days.first().map(|first| first + 7));
        let gap = days.iter().zip(later).map(|(day, next)| u64::from(next - day)).min().unwrap_or(7);
        let run_off = if let Tie::RunOff { ms } = self.tie { ms } else { 0 };
        // An hour to spare, for the day on which clocks go forward.
        let fits = self.duration_ms.unwrap_or(0) + run_off <= gap * DAY_MS - DAY_MS / 24;
        expect(fits, "/duration_ms", "An edition, with its run-off, ends an hour before the next one opens.");
    }

    fn disclosures(&self) -> Vec<String> {
        let secrecy = match self.secrecy {
            Secrecy::Open => "Results are shown at any time, and who chose what.",
            Secrecy::HiddenUntilClose => "Results are shown after the close.",
            Secrecy::Anonymous => "Results are shown after the close, and never who chose what.",
        };
        let mut said = vec![secrecy.to_owned()];
        if !self.weights.is_empty() {
            let weight = |(tier, weight): (&String, &Weight)| format!("{tier} {}", weight.0);
            let weights: Vec<String> = self.weights.iter().map(weight).collect();
            said.push(format!("Votes weigh by tier, in basis points: {}.", weights.join(", ")));
        }
        if self.quorum > 0 {
            said.push(format!("It takes {} voters.", self.quorum));
        }
        said
    }

    /// None where nothing bounds the voters.
    fn max_liability(&self, offers: &Offers) -> Option<i64> {
        let cost = |offer: &Option<String>| offer.as_ref().and_then(|offer| offers.get(offer)).copied().unwrap_or(0);
        // All may have the most votes.
        let most = match self.tie {
            Tie::CoWinners => i64::try_from(OPTIONS_MAX).ok()?,
            _ => 1,
        };
        let winners = cost(&self.winner_offer).checked_mul(most)?;
        match (cost(&self.voter_offer), self.limits.total) {
            (0, _) => Some(winners),
            (_, 0) => None,
            (each, total) => each.checked_mul(total.into())?.checked_add(winners),
        }
    }
}
