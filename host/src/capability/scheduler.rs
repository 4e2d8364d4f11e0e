//! `wit/scheduler.wit`.

use std::sync::Arc;

use crate::{domain::json::Json, effects::Timer};

use super::{
    RunningCall,
    quota::{HORIZON_MS, TIMERS_PENDING_MAX},
    wit::scheduler::{Host, ScheduleError},
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
        self.set_timer(&key, Some(Timer { due: when, payload: payload.as_str().into() }))?;
        Ok(Ok(()))
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
