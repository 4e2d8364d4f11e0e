//! Notices: news for a member or a group, and what may keep them from going out.

use jiff::{
    Timestamp, ToSpan,
    civil::Time,
    tz::{self, TimeZone},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{id::Id, rules::NoticeRules};

/// The way that a notice takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NoticeChannel)]
pub(crate) enum Channel {
    InApp,
    GroupChat,
    Sms,
    Push,
    Subscription,
    Email,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Urgency {
    Transactional,
    Activity,
    Marketing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Audience {
    Member,
    Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NoticeState {
    /// It is looked at once it is due.
    Waiting,
    /// It was let through, and is on its way.
    Sending,
    Delivered,
    /// It never goes out; the reason says why.
    Suppressed,
}

/// Why a notice never goes out. Each is looked for in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Suppressed {
    /// `not_after` has passed, or will have by the time that it could go out.
    Stale,
    /// The community has no template of this name in any language that would do.
    NoTemplate,
    /// The template asks for something that the notice does not say, or takes too much.
    TemplateFault,
    /// One with the same key went to the same audience within its window.
    Duplicate,
    /// The member, or the group, is no longer there.
    NoAudience,
    /// The member wants none of this kind.
    OptOut,
    /// The audience has had its share today.
    Cap,
    /// Too many of the group's posts were marketing already.
    MarketingShare,
    /// The member has allowed no message of this template, or no more.
    NoSubscription,
    /// There is no way to reach the audience over this channel: no address, no mail server, no webhook.
    NoChannel,
    /// Whoever takes it to the audience refused it, or failed for too long.
    Failed,
}

/// A notice as a call sent it.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub id: Id,
    pub audience: Audience,
    /// A member or a group.
    pub recipient: Id,
    pub template: String,
    pub params: Vec<(String, String)>,
    pub channel: Channel,
    pub urgency: Urgency,
    /// Not earlier.
    pub due: i64,
    pub not_after: Option<i64>,
    /// Known from the beginning where the same was sent before.
    pub suppressed: Option<Suppressed>,
}

/// When the quiet hours that an instant lies in end; none where it lies in none.
pub(crate) fn quiet_until(rules: &NoticeRules, zone: &str, at: i64) -> Option<i64> {
    let (from, until) = (rules.quiet_from_minute, rules.quiet_until_minute);
    let zone = time_zone(zone);
    let now = Timestamp::from_millisecond(at).ok()?.to_zoned(zone.clone());
    let minute = u32::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).ok()?;
    let is_quiet = if from <= until { (from..until).contains(&minute) } else { minute >= from || minute < until };
    if !is_quiet {
        return None;
    }
    let end = Time::new(i8::try_from(until / 60).ok()?, i8::try_from(until % 60).ok()?, 0, 0).ok()?;
    // A wall clock that is set back may show this minute once more; the end is ahead all the same.
    (0..=2i64).find_map(|days| {
        let day = now.date().checked_add(days.days()).ok()?;
        let end = zone.to_ambiguous_zoned(day.to_datetime(end)).compatible().ok()?.timestamp().as_millisecond();
        (end > at).then_some(end)
    })
}

/// When the day of an instant began on a zone's wall clock.
pub(crate) fn day_begin(zone: &str, at: i64) -> i64 {
    let begin = Timestamp::from_millisecond(at).ok().and_then(|now| now.to_zoned(time_zone(zone)).start_of_day().ok());
    begin.map_or(at, |begin| begin.timestamp().as_millisecond())
}

/// Zones were checked when they were set.
fn time_zone(name: &str) -> TimeZone {
    tz::db().get(name).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("an instant").as_millisecond()
    }

    #[test]
    fn nights_are_quiet_in_the_members_own_zone() {
        let rules = NoticeRules::default();
        let until = |zone, text| quiet_until(&rules, zone, at(text));
        // Worked example 15: 23:10 in Shanghai waits for 08:00.
        assert_eq!(until("Asia/Shanghai", "2026-01-05T15:10:00Z"), Some(at("2026-01-06T00:00:00Z")));
        assert_eq!(until("Asia/Shanghai", "2026-01-05T13:59:59Z"), None);
        assert_eq!(until("Asia/Shanghai", "2026-01-05T14:00:00Z"), Some(at("2026-01-06T00:00:00Z")));
        assert_eq!(until("Asia/Shanghai", "2026-01-05T23:59:59Z"), Some(at("2026-01-06T00:00:00Z")));
        assert_eq!(until("Asia/Shanghai", "2026-01-06T00:00:00Z"), None);
        assert_eq!(until("Europe/Berlin", "2026-01-05T15:10:00Z"), None);
        // The night in which the clock is set forward is an hour shorter.
        assert_eq!(until("Europe/Berlin", "2026-03-28T22:00:00Z"), Some(at("2026-03-29T06:00:00Z")));
    }

    #[test]
    fn hours_may_lie_within_a_day_or_not_be_quiet_at_all() {
        let siesta = NoticeRules { quiet_from_minute: 780, quiet_until_minute: 900, ..NoticeRules::default() };
        assert_eq!(quiet_until(&siesta, "UTC", at("2026-01-05T13:30:00Z")), Some(at("2026-01-05T15:00:00Z")));
        assert_eq!(quiet_until(&siesta, "UTC", at("2026-01-05T15:00:00Z")), None);
        let never = NoticeRules { quiet_from_minute: 0, quiet_until_minute: 0, ..NoticeRules::default() };
        assert_eq!(quiet_until(&never, "UTC", at("2026-01-05T00:00:00Z")), None);
    }

    #[test]
    fn a_day_begins_where_the_member_is() {
        assert_eq!(day_begin("Asia/Shanghai", at("2026-01-05T15:10:00Z")), at("2026-01-04T16:00:00Z"));
        assert_eq!(day_begin("UTC", at("2026-01-05T15:10:00Z")), at("2026-01-05T00:00:00Z"));
    }
}
