//! What a community has decided for all its activities: who is new, who belongs to a segment, what is risky, when and how often
//! members are written to, what follows on a violation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::member::Member;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MINUTES_OF_DAY: u32 = 1_440;

/// Entries of each list; every one of them may be looked at in every call.
const LIST_MAX: usize = 100;

/// Velocity rules: each is looked up for each act.
const VELOCITY_RULES_MAX: usize = 10;

/// Acts that the host remembers for one velocity rule, and so the most that one can count.
pub(crate) const VELOCITY_MAX: u32 = 1_000;

/// Each part that is left out is as its own text says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rules {
    /// BCP 47, such as `zh-Hant`: of notices to groups, and to members whose own language is not known. `en`.
    pub language: String,
    /// What makes a member new, where an activity asks for the community's definition. `never_ordered`.
    pub newness: Newness,
    /// Segments by name. A segment that is not among them is the tag of that name. None.
    pub segments: BTreeMap<String, Segment>,
    pub risk: RiskRules,
    pub notices: NoticeRules,
    /// What follows on the first, the second, … violation; the last step stays. Warn, mute for a day, mute for a week, remove.
    pub ladder: Vec<Sanction>,
    /// Violations that are older no longer count, in milliseconds. 90 days.
    pub ladder_window_ms: i64,
    /// Plugins that owners of groups may make activities of, by name. An owner writes the config: what is granted to such a plugin is
    /// in an owner's hands. None.
    pub owner_plugins: Vec<String>,
    /// What all budgets that one owner of groups has set may come to, in minor units. 0: owners set none.
    pub owner_budget_minor_max: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            language: "en".into(),
            newness: Newness::NeverOrdered,
            segments: BTreeMap::new(),
            risk: RiskRules::default(),
            notices: NoticeRules::default(),
            ladder: vec![Sanction::Warn, Sanction::MuteMs(DAY_MS), Sanction::MuteMs(7 * DAY_MS), Sanction::Remove],
            ladder_window_ms: 90 * DAY_MS,
            owner_plugins: Vec::new(),
            owner_budget_minor_max: 0,
        }
    }
}

/// What makes a member new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Newness {
    /// Had not ordered before the instant in question.
    NeverOrdered,
    /// Registered at that instant or later.
    RegisteredAfter,
    /// Registered at most so many milliseconds before that instant, or after it.
    RegisteredWithinMs(i64),
}

impl Newness {
    /// Whether a member was new at `since`.
    pub(crate) fn holds(self, member: &Member, since: i64) -> bool {
        match self {
            Self::NeverOrdered => member.first_order_at.is_none_or(|first| first >= since),
            Self::RegisteredAfter => member.registered_at >= since,
            Self::RegisteredWithinMs(within) => since.saturating_sub(member.registered_at) <= within,
        }
    }
}

/// Members to whom everything that is said here applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Segment {
    /// One of these tiers, where there are any.
    pub tiers: Vec<String>,
    /// All of these tags.
    pub tags: Vec<String>,
    /// One of these channels, where there are any.
    pub channels: Vec<String>,
    /// So many paid orders at least …
    pub orders_min: u32,
    /// … that came to so much on average, in minor units, refunds taken off …
    pub average_order_minor_min: i64,
    /// … within the last so many milliseconds; ever, where it is 0.
    pub orders_within_ms: i64,
}

/// What a member has ordered and paid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ordered {
    pub orders: i64,
    /// Paid and not paid back, in minor units.
    pub minor: i64,
}

impl Segment {
    /// Whether a member's orders matter.
    pub(crate) fn asks_orders(&self) -> bool {
        self.orders_min > 0 || self.average_order_minor_min > 0
    }

    pub(crate) fn holds(&self, member: &Member, ordered: Ordered) -> bool {
        let is_one_of =
            |names: &[String], name: Option<&String>| names.is_empty() || name.is_some_and(|name| names.contains(name));
        let average = ordered.minor.checked_div(ordered.orders).unwrap_or_default();
        is_one_of(&self.tiers, Some(&member.tier))
            && is_one_of(&self.channels, member.channel.as_ref())
            && self.tags.iter().all(|tag| member.tags.contains(tag))
            && ordered.orders >= i64::from(self.orders_min)
            && average >= self.average_order_minor_min
    }
}

/// How strict a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Allow,
    Review,
    Deny,
}

/// What speaks against an act. A member who may not act at all is always denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RiskRules {
    /// The member and the counterparty are in one identity cluster. `deny`.
    pub same_cluster: Verdict,
    /// The member is muted. `review`.
    pub muted: Verdict,
    /// The member registered less than so many milliseconds ago. 0: no such rule.
    pub young_ms: i64,
    /// What it comes to then. `review`.
    pub young: Verdict,
    /// Too many acts in too short a time. None.
    pub velocity: Vec<Velocity>,
}

impl Default for RiskRules {
    fn default() -> Self {
        Self {
            same_cluster: Verdict::Deny,
            muted: Verdict::Review,
            young_ms: 0,
            young: Verdict::Review,
            velocity: Vec::new(),
        }
    }
}

/// At most `max` acts of one name in an activity within `window_ms`; the next one comes to `verdict`. Acts that the plugin refused
/// do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Velocity {
    /// The name of the act, as the plugin has it assessed; every act, where it is left out.
    pub action: Option<String>,
    /// Whose acts are counted together.
    pub of: VelocityOf,
    /// 1 to 1000.
    pub max: u32,
    /// Milliseconds.
    pub window_ms: i64,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VelocityOf {
    Member,
    /// Those of everybody in one identity cluster.
    Cluster,
}

/// When and how often members and groups are written to. Transactional notices pass all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NoticeRules {
    /// Minutes since midnight in the member's zone, in the community's for groups. 1320: 22:00.
    pub quiet_from_minute: u32,
    /// The same as `quiet_from_minute`: never quiet. 480: 08:00.
    pub quiet_until_minute: u32,
    /// To one member on one day of theirs, over all activities and channels. 5.
    pub activity_per_day: u32,
    /// 2.
    pub marketing_per_day: u32,
    /// Posts of activities to one group on one day. 3.
    pub group_posts_per_day: u32,
    /// How many of a hundred posts to a group in 7 days may be marketing. 30.
    pub group_marketing_percent: u32,
}

impl Default for NoticeRules {
    fn default() -> Self {
        Self {
            quiet_from_minute: 22 * 60,
            quiet_until_minute: 8 * 60,
            activity_per_day: 5,
            marketing_per_day: 2,
            group_posts_per_day: 3,
            group_marketing_percent: 30,
        }
    }
}

/// What follows on a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sanction {
    Warn,
    /// The member takes no part in what is for the group alone, for so many milliseconds.
    MuteMs(i64),
    /// The member is no longer in the group.
    Remove,
}

impl Rules {
    /// What of it makes no sense, if anything does not.
    pub(crate) fn check(&self) -> Result<(), String> {
        let minute = |minute: u32| minute < MINUTES_OF_DAY;
        let lists = [self.segments.len(), self.risk.velocity.len(), self.ladder.len(), self.owner_plugins.len()];
        let labels = self.segments.values().flat_map(|segment| [&segment.tiers, &segment.tags, &segment.channels]);
        let durations = self.ladder.iter().map(|step| if let Sanction::MuteMs(ms) = step { *ms } else { 1 });
        let segments_fit =
            self.segments.values().all(|segment| segment.average_order_minor_min >= 0 && segment.orders_within_ms >= 0);
        let velocity_fits =
            self.risk.velocity.iter().all(|rule| (1..=VELOCITY_MAX).contains(&rule.max) && rule.window_ms > 0);
        let newness_fits = !matches!(self.newness, Newness::RegisteredWithinMs(..0));
        let checks = [
            (is_language(&self.language), "a language is a tag as in BCP 47: `en`, `zh-Hant`"),
            (
                minute(self.notices.quiet_from_minute) && minute(self.notices.quiet_until_minute),
                "quiet hours are minutes since midnight: 0 to 1439",
            ),
            (self.notices.group_marketing_percent <= 100, "a part of a hundred is 0 to 100"),
            (!self.ladder.is_empty(), "the ladder has a step"),
            (
                lists.into_iter().chain(labels.map(Vec::len)).all(|len| len <= LIST_MAX),
                "a list has at most 100 entries",
            ),
            (
                durations.chain([self.ladder_window_ms]).all(|ms| ms > 0),
                "a mute and the ladder's window take some time",
            ),
            (self.risk.velocity.len() <= VELOCITY_RULES_MAX, "there are at most 10 velocity rules"),
            (velocity_fits, "a velocity rule counts 1 to 1000 acts within some time"),
            (newness_fits, "a member is new for some time, or for none"),
            (segments_fit && self.risk.young_ms >= 0 && self.owner_budget_minor_max >= 0, "an amount is not negative"),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(why.into()),
            None => Ok(()),
        }
    }

    /// What follows on a violation after so many others.
    pub(crate) fn sanction(&self, before: usize) -> Sanction {
        let step = before.min(self.ladder.len().saturating_sub(1));
        self.ladder.get(step).copied().unwrap_or(Sanction::Warn)
    }
}

/// Whether a text has the form of a language tag: `en`, `zh-Hant`, `pt-BR`.
pub(crate) fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_lowercase())
        && text.len() <= 35
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::Id, member::MemberStatus};

    fn member() -> Member {
        Member {
            id: Id::new("ann").expect("an id"),
            status: MemberStatus::Active,
            tier: "vip".into(),
            tags: vec!["mother".into()],
            clusters: vec![],
            time_zone: "UTC".into(),
            channel: None,
            registered_at: 1_000,
            first_order_at: Some(2_000),
            inviter: None,
            language: None,
        }
    }

    #[test]
    fn new_is_what_the_definition_says() {
        let member = member();
        let cases = [
            (Newness::NeverOrdered, 2_000, 2_001),
            (Newness::RegisteredAfter, 1_000, 1_001),
            (Newness::RegisteredWithinMs(500), 1_500, 1_501),
        ];
        for (definition, yes, no) in cases {
            assert!(definition.holds(&member, yes) && !definition.holds(&member, no), "{definition:?}");
        }
    }

    #[test]
    fn a_segment_is_everything_that_it_says() {
        let frequent = Segment { orders_min: 3, average_order_minor_min: 500, ..Segment::default() };
        let ordered = |orders, minor| Ordered { orders, minor };
        assert!(frequent.holds(&member(), ordered(3, 1_500)));
        assert!(!frequent.holds(&member(), ordered(3, 1_499)) && !frequent.holds(&member(), ordered(2, 5_000)));
        let vip = Segment { tiers: vec!["vip".into()], tags: vec!["mother".into()], ..Segment::default() };
        assert!(vip.holds(&member(), Ordered::default()));
        assert!(!vip.holds(&Member { tags: vec![], ..member() }, Ordered::default()));
        assert!(!vip.holds(&Member { tier: "ordinary".into(), ..member() }, Ordered::default()));
        let from_afar = Segment { channels: vec!["sms".into()], ..Segment::default() };
        assert!(!from_afar.holds(&member(), Ordered::default()));
    }

    #[test]
    fn rules_that_make_no_sense_are_told() {
        assert_eq!(Rules::default().check(), Ok(()));
        let rules = |text: &str| serde_json::from_str::<Rules>(text).expect("rules");
        for bad in [
            r#"{"language": "Deutsch"}"#,
            r#"{"notices": {"quiet_from_minute": 1440}}"#,
            r#"{"notices": {"group_marketing_percent": 101}}"#,
            r#"{"ladder": []}"#,
            r#"{"newness": {"registered_within_ms": -1}}"#,
            r#"{"ladder": [{"mute_ms": 0}]}"#,
            r#"{"risk": {"velocity": [{"of": "member", "max": 0, "window_ms": 1, "verdict": "deny"}]}}"#,
            r#"{"owner_budget_minor_max": -1}"#,
        ] {
            assert!(rules(bad).check().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_ladder_ends_with_its_last_step() {
        let rules = Rules::default();
        let steps = [Sanction::Warn, Sanction::MuteMs(DAY_MS), Sanction::MuteMs(7 * DAY_MS), Sanction::Remove];
        for (before, step) in steps.into_iter().enumerate() {
            assert_eq!(rules.sanction(before), step);
        }
        assert_eq!(rules.sanction(10), Sanction::Remove);
    }
}
