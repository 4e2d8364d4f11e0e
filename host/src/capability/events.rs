//! `wit/events.wit`.

use crate::{domain::json::Json, effects::OutgoingKind};

use super::{
    RunningCall,
    wit::events::{EmitError, Host},
};

const PAYLOAD_BYTES_MAX: usize = 16 << 10;

impl Host for RunningCall {
    fn emit(&mut self, topic: String, subject: String, payload: String) -> wasmtime::Result<Result<(), EmitError>> {
        let call = self.writing()?;
        if !call.manifest.emits.contains(&topic) {
            return Ok(Err(EmitError::UndeclaredTopic));
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Ok(Err(EmitError::BadPayload));
        }
        let Some(payload) = Json::parse(payload) else { return Ok(Err(EmitError::BadPayload)) };
        self.key(&subject)?;
        self.send(OutgoingKind::Event, &topic, &subject, payload)?;
        Ok(Ok(()))
    }
}
