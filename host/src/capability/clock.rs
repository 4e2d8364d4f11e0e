//! `wit/clock.wit`. Days, zones and daylight saving are jiff's.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time},
    tz::{self, TimeZone},
};

use crate::domain::calendar::zone_data;

use super::{
    RunningCall,
    wit::{
        clock::{ClockError, Host},
        types::CivilDate,
    },
};

const MINUTES_OF_DAY: u32 = 1_440;

/// The zone data is compiled in, so every host of this version answers the same.
fn zone(name: &str) -> Result<TimeZone, ClockError> {
    tz::db().get(name).map_err(|_| ClockError::UnknownZone)
}

fn instant(at: i64) -> Result<Timestamp, ClockError> {
    Timestamp::from_millisecond(at).map_err(|_| ClockError::OutOfRange)
}

fn date(day: CivilDate) -> Result<Date, ClockError> {
    let month = i8::try_from(day.month).map_err(|_| ClockError::OutOfRange)?;
    let of_month = i8::try_from(day.day).map_err(|_| ClockError::OutOfRange)?;
    Date::new(day.year, month, of_month).map_err(|_| ClockError::OutOfRange)
}

fn civil(date: Date) -> CivilDate {
    CivilDate { year: date.year(), month: date.month().unsigned_abs(), day: date.day().unsigned_abs() }
}

/// The wall-clock time at which a business day starts.
fn start_time(day_starts_minute: u32) -> Result<Time, ClockError> {
    if day_starts_minute >= MINUTES_OF_DAY {
        return Err(ClockError::OutOfRange);
    }
    let (hour, minute) = (day_starts_minute / 60, day_starts_minute % 60);
    let part = |number: u32| i8::try_from(number).map_err(|_| ClockError::OutOfRange);
    Time::new(part(hour)?, part(minute)?, 0, 0).map_err(|_| ClockError::OutOfRange)
}

fn day_start(day: Date, zone: &TimeZone, day_starts_minute: u32) -> Result<i64, ClockError> {
    let start = day.to_datetime(start_time(day_starts_minute)?);
    // A start that the clock skips is the first instant after the gap; one that comes twice is its first coming.
    let zoned = zone.to_ambiguous_zoned(start).compatible().map_err(|_| ClockError::OutOfRange)?;
    Ok(zoned.timestamp().as_millisecond())
}

fn business_day(at: i64, zone: &TimeZone, day_starts_minute: u32) -> Result<CivilDate, ClockError> {
    let today = instant(at)?.to_zoned(zone.clone()).date();
    let day = if at < day_start(today, zone, day_starts_minute)? { plus(today, -1)? } else { today };
    Ok(civil(day))
}

fn plus(day: Date, days: i32) -> Result<Date, ClockError> {
    day.checked_add(i64::from(days).days()).map_err(|_| ClockError::OutOfRange)
}

impl RunningCall {
    /// A zone was asked for: the version of the zone data is noted, once a call.
    fn zone_asked(&mut self) -> wasmtime::Result<()> {
        self.counting()?;
        // While it describes itself and its config, there is no journal.
        if let Some(call) = &mut self.call
            && !call.has_asked_zone
        {
            call.has_asked_zone = true;
            call.note("clock.zone-data", (), zone_data());
        }
        Ok(())
    }
}

impl Host for RunningCall {
    fn now(&mut self) -> wasmtime::Result<i64> {
        Ok(self.reading()?.now)
    }

    fn business_day(&mut self, at: i64, name: String, minute: u32) -> wasmtime::Result<Result<CivilDate, ClockError>> {
        self.zone_asked()?;
        Ok(zone(&name).and_then(|zone| business_day(at, &zone, minute)))
    }

    fn day_start(&mut self, day: CivilDate, name: String, minute: u32) -> wasmtime::Result<Result<i64, ClockError>> {
        self.zone_asked()?;
        Ok(zone(&name).and_then(|zone| day_start(date(day)?, &zone, minute)))
    }

    fn minute_of_day(&mut self, at: i64, name: String) -> wasmtime::Result<Result<u32, ClockError>> {
        self.zone_asked()?;
        Ok(zone(&name).and_then(|zone| {
            let time = instant(at)?.to_zoned(zone);
            Ok(u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs()))
        }))
    }

    fn add_days(&mut self, day: CivilDate, days: i32) -> wasmtime::Result<Result<CivilDate, ClockError>> {
        self.counting()?;
        Ok(date(day).and_then(|day| plus(day, days)).map(civil))
    }

    fn days_between(&mut self, a: CivilDate, b: CivilDate) -> wasmtime::Result<Result<i32, ClockError>> {
        self.counting()?;
        Ok(date(a).and_then(|a| {
            let span = a.until(date(b)?).map_err(|_| ClockError::OutOfRange)?;
            Ok(span.get_days())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("an instant").as_millisecond()
    }

    /// Worked example 9: Berlin, the day starts at 04:00, on the day that has 23 hours.
    #[test]
    fn the_day_before_the_clock_change_lasts_until_four_in_the_morning() {
        let berlin = zone("Europe/Berlin").expect("a zone");
        let day = |text| business_day(at(text), &berlin, 240).map(|day| (day.month, day.day));
        assert_eq!(day("2026-03-29T01:59:00Z"), Ok((3, 28)), "03:59 local");
        assert_eq!(day("2026-03-29T02:00:00Z"), Ok((3, 29)), "04:00 local");
        assert_eq!(day("2026-03-30T01:59:00Z"), Ok((3, 29)));
        assert_eq!(day("2026-03-30T02:00:00Z"), Ok((3, 30)));
    }

    #[test]
    fn a_day_that_starts_in_a_gap_starts_after_it() {
        let berlin = zone("Europe/Berlin").expect("a zone");
        let start = day_start(Date::constant(2026, 3, 29), &berlin, 150).expect("a start");
        assert_eq!(start, at("2026-03-29T01:30:00Z"), "02:30 does not exist that day");
    }

    #[test]
    fn what_is_no_zone_no_day_and_no_minute_is_refused() {
        assert_eq!(zone("Mars/Olympus").err(), Some(ClockError::UnknownZone));
        assert_eq!(date(CivilDate { year: 2026, month: 2, day: 30 }), Err(ClockError::OutOfRange));
        let utc = zone("UTC").expect("a zone");
        assert_eq!(business_day(0, &utc, 1_440), Err(ClockError::OutOfRange));
        assert_eq!(business_day(i64::MAX, &utc, 0), Err(ClockError::OutOfRange));
    }
}
