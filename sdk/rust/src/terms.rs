//! What every activity's config has: what it is called, when a day begins, who may take part and how often, and what is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Channel, Newness, Section, Urgency};

/// Longest list of names in a config.
const NAMES_MAX: u32 = 50;

/// What [`crate::config!`] puts into every config.
pub trait Terms {
    fn title(&self) -> &str;
    fn one_line_benefit(&self) -> &str;
    /// A zone that is known to exist: `check` has seen to it.
    fn zone(&self) -> &str;
    fn day_starts_minute(&self) -> u32;
    fn eligibility(&self) -> &Eligibility;
    fn new_member(&self) -> NewMember;
    /// None where the risk rules are not asked.
    fn risk(&self) -> Option<RiskPolicy>;
    fn limits(&self) -> Limits;
    /// Basis points of the members who see no activity, so that its effect can be measured.
    fn holdout_bps(&self) -> u32;
    /// How long a reward waits before it is given, in milliseconds.
    fn reward_hold_ms(&self) -> u64;
    fn notices(&self) -> &[NoticeRule];
    fn share(&self) -> &Share;
    fn page(&self) -> &[OwnBlock];
}

/// # Eligibility 參加資格
/// Who may take part; everybody where nothing is set. 誰可以參加；不設即不限。
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Eligibility {
    /// # In one of these segments 屬於任一人群
    /// Segments that the community has defined, or tags. 社群定義的人群或標籤。
    #[schemars(length(max = NAMES_MAX))]
    pub segments_any: Vec<String>,
    /// # In none of these segments 不屬於這些人群
    /// Staff, for instance. 例如員工。
    #[schemars(length(max = NAMES_MAX))]
    pub segments_none: Vec<String>,
    /// # Of one of these tiers 會員等級
    /// As the community names its tiers. 社群的等級名稱。
    #[schemars(length(max = NAMES_MAX))]
    pub tiers_any: Vec<String>,
    /// # Least age of the account 帳號最短年齡
    /// Milliseconds since registration; 0 asks for none. 註冊至今的毫秒數；0 為不限。
    #[schemars(range(max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
    pub min_account_age_ms: u64,
    /// # Rules accepted 已同意群規
    /// The member has accepted the rules, as they stand, of each group they are in. 已同意所在各群的最新群規。
    pub rules_accepted: bool,
}

/// # New member 新人
/// What makes a member new. 新人的定義。
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewMember {
    /// # Definition 定義
    /// By orders, by registration, by helps, or as the community says. 依訂單、註冊、助力或社群設定。
    pub definition: NewMemberBy,
    /// # Window 時限
    /// Milliseconds before the start, for `registered-within`. 用於 registered-within：開始前的毫秒數。
    #[schemars(range(max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
    pub window_ms: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NewMemberBy {
    /// Had not ordered when the activity started.
    #[default]
    NeverOrdered,
    /// Registered after it started.
    RegisteredAfterStart,
    /// Registered within the window before it started, or after it.
    RegisteredWithin,
    /// Has not taken part in this activity before.
    NeverHelped,
    /// As the community defines it for all its activities.
    AsConfigured,
}

impl NewMember {
    /// As the host understands it; none where only the activity can tell.
    pub(crate) fn newness(self) -> Option<Newness> {
        match self.definition {
            NewMemberBy::NeverOrdered => Some(Newness::NeverOrdered),
            NewMemberBy::RegisteredAfterStart => Some(Newness::RegisteredAfter),
            NewMemberBy::RegisteredWithin => Some(Newness::RegisteredWithin(self.window_ms)),
            NewMemberBy::AsConfigured => Some(Newness::Configured),
            NewMemberBy::NeverHelped => None,
        }
    }
}

/// # Risk 風控
/// What follows from the community's risk rules; null asks them nothing. 社群風控規則的結果如何處理；null 為不查。
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RiskPolicy {
    /// # On review 需審核時
    /// Where the rules ask for a closer look: let it pass, keep the reward back, or refuse. 放行、暫扣獎勵或拒絕。
    pub on_review: OnReview,
    /// # Members of one identity 同一身分上限
    /// How many members of one identity cluster may take part; 0 sets no limit. 同一身分群可參加的人數；0 為不限。
    #[schemars(range(max = 1_000), extend("x-unit" = "members"))]
    pub cluster_limit: u32,
}

impl Default for RiskPolicy {
    fn default() -> Self {
        Self { on_review: OnReview::Hold, cluster_limit: 1 }
    }
}

/// The default of `risk`: the rules are asked.
#[doc(hidden)]
pub fn default_risk() -> Option<RiskPolicy> {
    Some(RiskPolicy::default())
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnReview {
    Allow,
    /// The reward waits. What cannot wait is refused.
    #[default]
    Hold,
    Deny,
}

/// # Limits 次數上限
/// How often members take part; 0 sets no limit. 參加次數；0 為不限。
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// # In all, each member 每人總次數
    /// How often one member takes part. 一人總共可參加幾次。
    #[schemars(range(max = 1_000_000), extend("x-unit" = "times"))]
    pub per_member_total: u32,
    /// # A day, each member 每人每日次數
    /// How often one member takes part on one day. 一人一日可參加幾次。
    #[schemars(range(max = 1_000_000), extend("x-unit" = "times"))]
    pub per_member_per_day: u32,
    /// # In all 總次數
    /// How often anybody takes part. 全部成員合計。
    #[schemars(range(max = 1_000_000_000), extend("x-unit" = "times"))]
    pub total: u32,
    /// # Rest in between 冷卻時間
    /// Milliseconds before a member takes part again. 同一人兩次之間的毫秒數。
    #[schemars(range(max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
    pub cool_down_ms: u64,
}

/// # Notice 通知
/// What members are told when something happens. 發生什麼時告訴成員。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeRule {
    /// # Event 事件
    /// One of the activity's own topics. 本活動的事件名稱。
    #[schemars(length(min = 1, max = 64))]
    pub event: String,
    /// # Template 範本
    /// The name of a template that the community keeps. 社群的通知範本名稱。
    #[schemars(length(min = 1, max = 128))]
    pub template: String,
    /// # Channel 管道
    /// The way that it takes. 發送方式。
    #[serde(default)]
    pub channel: Channel,
    /// # Urgency 性質
    /// What it is about; it decides what may hold it back. 決定是否受免打擾與頻次限制。
    #[serde(default)]
    pub urgency: Urgency,
    /// # Once within 去重時間
    /// Milliseconds in which the same news go to the same member once; 0 sets none. 同一通知在此毫秒數內只發一次。
    #[serde(default)]
    #[schemars(range(max = 31_622_400_000_u64), extend("x-unit" = "ms"))]
    pub dedupe_window_ms: u64,
}

/// # Share 分享
/// Where members may share it. Sharing itself is never rewarded: platforms forbid it. 可分享的地方；不因分享行為給獎勵。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Share {
    /// # Allowed 允許分享
    /// Whether pages offer to share it. 頁面是否顯示分享。
    pub allowed: bool,
    /// # Surfaces 分享到
    /// Where to. 分享目的地。
    #[schemars(length(max = 2))]
    pub surfaces: Vec<Surface>,
}

impl Default for Share {
    fn default() -> Self {
        Self { allowed: true, surfaces: vec![Surface::InApp, Surface::Group] }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    InApp,
    Group,
}

/// # Block 區塊
/// A piece of the page in the organiser's own words: a certificate, what a buyer says. 頁面上的自訂內容：認證、買家評語等。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnBlock {
    /// # Section 位置
    /// The part of the page. 上、中或下段。
    pub section: Section,
    /// # Kind 類型
    /// What it is. 內容類型。
    pub kind: OwnKind,
    /// # Text 文字
    /// What it says. 內容。
    #[schemars(length(min = 1, max = 2_000))]
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OwnKind {
    Text,
    Image,
    Certificate,
    Qualification,
    Expert,
    Testimonial,
    /// Follow an account, leave a phone number: the platform asks for consent.
    Follow,
}

impl OwnKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Certificate => "certificate",
            Self::Qualification => "qualification",
            Self::Expert => "expert",
            Self::Testimonial => "testimonial",
            Self::Follow => "follow",
        }
    }
}

/// A config: what every activity has, and the fields that are this one's own.
///
/// ```text
/// fairground_sdk::config! {
///     /// A raffle.
///     pub(crate) struct Config {
///         /// # Tickets 票數
///         /// How many there are. 總票數。
///         #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "tickets"))]
///         pub tickets: u32,
///     }
/// }
/// ```
#[macro_export]
macro_rules! config {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($fields:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, $crate::prelude::Deserialize, $crate::prelude::JsonSchema)]
        #[serde(deny_unknown_fields)]
        $vis struct $name {
            /// # Title 標題
            /// What members see it called. 成員看到的名稱。
            #[schemars(length(min = 1, max = 60))]
            pub title: String,
            /// # Benefit in one line 一句話好處
            /// What is in it for whoever takes part. 參加有什麼好處，一句話說清。
            #[schemars(length(min = 1, max = 40))]
            pub one_line_benefit: String,
            /// # Time zone 時區
            /// Where a day begins and ends: an IANA zone. 以此 IANA 時區計日。
            #[schemars(length(min = 1, max = 64))]
            pub zone: String,
            /// # Day starts at 每日開始
            /// Minutes after midnight. 午夜後的分鐘數。
            #[serde(default)]
            #[schemars(range(max = 1_439), extend("x-unit" = "minutes"))]
            pub day_starts_minute: u32,
            #[serde(default)]
            pub eligibility: $crate::Eligibility,
            #[serde(default)]
            pub new_member: $crate::NewMember,
            /// # Risk 風控
            /// What follows from the community's risk rules; null asks them nothing. 社群風控規則的結果如何處理；null 為不查。
            #[serde(default = "fairground_sdk::default_risk")]
            pub risk: Option<$crate::RiskPolicy>,
            #[serde(default)]
            pub limits: $crate::Limits,
            /// # Rewards wait 獎勵凍結期
            /// Milliseconds between earning a reward and getting it. 獲得獎勵後多少毫秒才到帳。
            #[serde(default)]
            #[schemars(range(max = 7_776_000_000_u64), extend("x-unit" = "ms"))]
            pub reward_hold_ms: u64,
            /// # Control group 對照組
            /// Basis points of the members who cannot take part, so that the effect can be measured. 不參加的對照組比例（萬分比）。
            #[serde(default)]
            #[schemars(range(max = 5_000), extend("x-unit" = "bps"))]
            pub holdout_bps: u32,
            /// # Notices 通知
            /// What members are told when something happens. 發生什麼時告訴成員。
            #[serde(default)]
            #[schemars(length(max = 20))]
            pub notices: Vec<$crate::NoticeRule>,
            #[serde(default)]
            pub share: $crate::Share,
            /// # Page 頁面
            /// Blocks in the organiser's own words, beside those that show what is so. 自訂內容，與即時數據並列。
            #[serde(default)]
            #[schemars(length(max = 30))]
            pub page: Vec<$crate::OwnBlock>,
            $($fields)*
        }

        impl $crate::Terms for $name {
            fn title(&self) -> &str {
                &self.title
            }
            fn one_line_benefit(&self) -> &str {
                &self.one_line_benefit
            }
            fn zone(&self) -> &str {
                &self.zone
            }
            fn day_starts_minute(&self) -> u32 {
                self.day_starts_minute
            }
            fn eligibility(&self) -> &$crate::Eligibility {
                &self.eligibility
            }
            fn new_member(&self) -> $crate::NewMember {
                self.new_member
            }
            fn risk(&self) -> Option<$crate::RiskPolicy> {
                self.risk
            }
            fn limits(&self) -> $crate::Limits {
                self.limits
            }
            fn holdout_bps(&self) -> u32 {
                self.holdout_bps
            }
            fn reward_hold_ms(&self) -> u64 {
                self.reward_hold_ms
            }
            fn notices(&self) -> &[$crate::NoticeRule] {
                &self.notices
            }
            fn share(&self) -> &$crate::Share {
                &self.share
            }
            fn page(&self) -> &[$crate::OwnBlock] {
                &self.page
            }
        }
    };
}
