//! What the platform tells of members, and what of it can be asked of one who was brought.
//!
//! The subject of each event is the member. Topics that are none of these are the platform's own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{HostEvent, Issues, from_json, json::Raw};

/// The member has registered.
pub const REGISTERED: &str = "member.registered";
/// The member has come into a group: `{"group"}`.
pub const JOINED: &str = "member.joined";
/// The member has left a group: `{"group"}`.
pub const LEFT: &str = "member.left";
/// The member's account is closed, or banned.
pub const CLOSED: &str = "member.closed";
/// The member has read something for so long: `{"content", "ms"}`.
pub const READ: &str = "member.read";
/// The member has bought something, in this activity or not: `{"order", "sku", "total_minor"}`.
pub const BOUGHT: &str = "member.bought";
/// The same was paid back: `{"order", "sku", "total_minor"}`.
pub const RETURNED: &str = "member.returned";

/// To listen to whatever the platform tells, of the shop's orders nothing.
pub const EVERYTHING: &str = "*";

/// What [`BOUGHT`] and [`RETURNED`] tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Purchase {
    pub order: String,
    pub sku: String,
    /// Minor units.
    pub total_minor: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reading {
    content: String,
    ms: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Membership {
    group: String,
}

/// What somebody who was brought must do for it to count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Qualify {
    /// Be there: it counts at once.
    Register,
    /// Come into a group that they were not in.
    JoinGroup {
        /// # Group 群
        /// The group's id; null takes any. 群編號；null 為任一群。
        #[schemars(length(min = 1, max = 128))]
        group: Option<String>,
    },
    /// Read something.
    ContentRead {
        /// # Content 內容
        /// Its id on the platform. 平台上的內容編號。
        #[schemars(length(min = 1, max = 128))]
        content: String,
        /// # Reading time 閱讀時間
        /// Least milliseconds at a time. 一次至少閱讀的毫秒數。
        #[serde(default)]
        #[schemars(range(max = 86_400_000), extend("x-unit" = "ms"))]
        min_ms: u64,
    },
    /// Buy for the first time.
    FirstOrder {
        /// # Least total 最低金額
        /// Of that order. 首單最低金額。
        #[serde(default)]
        #[schemars(range(min = 0, max = 1_000_000_000_000_i64), extend("x-unit" = "minor"))]
        min_total: i64,
    },
    /// Something that the platform tells.
    Event {
        /// # Topic 事件
        /// As the platform names it. 平台的事件名稱。
        #[schemars(length(min = 1, max = 128), regex(pattern = "^[a-z0-9-]+(\\.[a-z0-9-]+)*$"))]
        topic: String,
        /// # Where 條件
        /// A field of the event and what it must be; null takes any. 事件欄位須等於此值；null 為不限。
        #[serde(rename = "where")]
        filter: Option<Filter>,
    },
}

/// # Where 條件
/// A field of the event and what it must be. 事件欄位須等於此值。
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// # Field 欄位
    /// Its name, at the event's top. 事件最外層的欄位名稱。
    #[schemars(length(min = 1, max = 64))]
    pub field: String,
    /// # Value 值
    /// As a text: `true`, `7`, `gold`. 以文字表示的值。
    #[schemars(length(max = 128))]
    pub equals: String,
}

impl Qualify {
    /// Whether an event meets it, of whomever it is about. Whether an order is the first is the activity's to know.
    pub fn is_met_by(&self, event: &HostEvent) -> bool {
        match self {
            Self::Register => event.topic == REGISTERED,
            Self::JoinGroup { group } => {
                let joined = from_json::<Membership>(&event.payload).unwrap_or_default();
                event.topic == JOINED && group.as_ref().is_none_or(|group| *group == joined.group)
            }
            Self::ContentRead { content, min_ms } => {
                let read = from_json::<Reading>(&event.payload).unwrap_or_default();
                event.topic == READ && read.content == *content && read.ms >= *min_ms
            }
            Self::FirstOrder { min_total } => {
                event.topic == BOUGHT && event.purchase().is_some_and(|bought| bought.total_minor >= *min_total)
            }
            Self::Event { topic, filter } => {
                event.topic == *topic && filter.as_ref().is_none_or(|filter| filter.fits(&event.payload))
            }
        }
    }

    /// Adds an issue where it is a topic of the shop's own orders.
    pub fn check(&self, issues: &mut Issues, pointer: &str) {
        if let Self::Event { topic, .. } = self {
            let detail = "Orders are the shop's to speak of: listen to member.bought.";
            issues.expect(!topic.starts_with("order."), format!("{pointer}/event/topic"), "invalid-config", detail);
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Register => "are new".into(),
            Self::JoinGroup { group: Some(group) } => format!("come into the group {group}"),
            Self::JoinGroup { group: None } => "come into a group".into(),
            Self::ContentRead { content, .. } => format!("read {content}"),
            Self::FirstOrder { .. } => "buy for the first time".into(),
            Self::Event { topic, .. } => format!("do what {topic} tells"),
        }
    }
}

impl Filter {
    /// Whether a payload has it so. A text is compared as it is, anything else as JSON writes it.
    pub fn fits(&self, payload: &str) -> bool {
        payload_field(payload, &self.field).is_some_and(|value| value == self.equals)
    }
}

/// A field at the top of a payload: a text as it is, anything else as JSON writes it.
pub fn payload_field(payload: &str, field: &str) -> Option<String> {
    let Raw(value) = from_json::<BTreeMap<String, Raw>>(payload)?.remove(field)?;
    if value.starts_with('"') { from_json(&value) } else { Some(value) }
}

impl HostEvent {
    /// The group that was joined or left, where it is that.
    pub fn group(&self) -> Option<String> {
        let membership =
            [JOINED, LEFT].contains(&self.topic.as_str()).then(|| from_json::<Membership>(&self.payload))?;
        Some(membership?.group).filter(|group| !group.is_empty())
    }

    /// What was bought or returned, where it is that.
    pub fn purchase(&self) -> Option<Purchase> {
        [BOUGHT, RETURNED].contains(&self.topic.as_str()).then(|| from_json(&self.payload))?
    }
}
