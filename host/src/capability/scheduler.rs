//! `wit/scheduler.wit`.

use std::sync::Arc;

use crate::{
    domain::{
        calendar::{Calendar, zone_data},
        json::Json,
    },
    effects::Timer,
};

use super::{
    RunningCall,
    quota::{HORIZON_MS, TIMERS_PENDING_MAX},
    wit::scheduler::{Calendar as WitCalendar, Host, ScheduleError},
};

const PAYLOAD_BYTES_MAX: usize = 4 << 10;

impl RunningCall {
    /// Sets a timer, the host's own ones included.
    pub(super) fn set_timer(&mut self, key: &str, timer: Option<Timer>) -> wasmtime::Result<()> {
        let call = self.reading_again()?;
        let key: Arc<str> = key.into();
        call.state.set_timer(key.clone(), timer.clone());
        call.effects.timers.insert(key, timer);
        Ok(())
    }
}

impl Host for RunningCall {
    fn at(&mut self, key: String, when: i64, payload: String) -> wasmtime::Result<Result<(), ScheduleError>> {
        self.writing()?;
        self.key(&key)?;
        let counted = self.quota.timer();
        self.within(counted)?;
        let call = self.reading_again()?;
        if when > call.now.saturating_add(HORIZON_MS) {
            return Ok(Err(ScheduleError::TooFar));
        }
        if call.state.plugin_timers() >= TIMERS_PENDING_MAX && !call.state.has_timer(&key) {
            return Ok(Err(ScheduleError::TooMany));
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Ok(Err(ScheduleError::BadPayload));
        }
        let Some(payload) = Json::parse(payload) else { return Ok(Err(ScheduleError::BadPayload)) };
        self.set_timer(&key, Some(Timer::once(when, payload.as_str())))?;
        Ok(Ok(()))
    }

    fn every(
        &mut self,
        key: String,
        wanted: WitCalendar,
        payload: String,
    ) -> wasmtime::Result<Result<i64, ScheduleError>> {
        self.writing()?;
        self.key(&key)?;
        let counted = self.quota.timer();
        self.within(counted)?;
        let asked = (key.clone(), wanted.clone());
        let call = self.reading_again()?;
        let calendar = Calendar::new(wanted.weekdays, wanted.minute, wanted.zone);
        let next = calendar.as_ref().and_then(|calendar| calendar.next_after(call.now));
        let Some((calendar, due)) = calendar.zip(next) else { return Ok(Err(ScheduleError::BadCalendar)) };
        if call.state.plugin_timers() >= TIMERS_PENDING_MAX && !call.state.has_timer(&key) {
            return Ok(Err(ScheduleError::TooMany));
        }
        let Some(payload) = Json::parse(payload).filter(|payload| payload.as_str().len() <= PAYLOAD_BYTES_MAX) else {
            return Ok(Err(ScheduleError::BadPayload));
        };
        call.note("scheduler.every", asked, (due, zone_data()));
        let timer = Timer { due, payload: payload.as_str().into(), calendar: Some(calendar) };
        self.set_timer(&key, Some(timer))?;
        Ok(Ok(due))
    }

    fn cancel(&mut self, key: String) -> wasmtime::Result<bool> {
        self.writing()?;
        self.key(&key)?;
        let there = self.reading_again()?.state.has_timer(&key);
        if there {
            self.set_timer(&key, None)?;
        }
        Ok(there)
    }
}
