//! `wit/metrics.wit`.

use serde_json::json;

use crate::{domain::json::Json, effects::OutgoingKind};

use super::{
    RunningCall,
    wit::{
        metrics::{FunnelStage, Host, MetricError},
        types::Money,
    },
};

/// As the outbox keeps it.
fn word(stage: FunnelStage) -> &'static str {
    match stage {
        FunnelStage::Acquisition => "acquisition",
        FunnelStage::Activation => "activation",
        FunnelStage::Retention => "retention",
        FunnelStage::Revenue => "revenue",
        FunnelStage::Refer => "refer",
    }
}

impl RunningCall {
    fn is_amount(&mut self, amount: &Money) -> wasmtime::Result<bool> {
        Ok(amount.minor >= 0 && amount.currency == self.reading_again()?.activity.currency.as_str())
    }
}

impl Host for RunningCall {
    fn funnel(
        &mut self,
        stage: FunnelStage,
        member: String,
        channel: Option<String>,
        value: Option<Money>,
    ) -> wasmtime::Result<Result<(), MetricError>> {
        self.writing()?;
        self.key(&member)?;
        if let Some(value) = &value
            && !self.is_amount(value)?
        {
            return Ok(Err(MetricError::BadAmount));
        }
        let payload = Json::of(&json!({"stage": word(stage), "channel": channel, "value": value}));
        self.send(OutgoingKind::Metric, "funnel", &member, payload)?;
        Ok(Ok(()))
    }

    fn cost(&mut self, channel: String, amount: Money, units: u64) -> wasmtime::Result<Result<(), MetricError>> {
        self.writing()?;
        self.key(&channel)?;
        if !self.is_amount(&amount)? {
            return Ok(Err(MetricError::BadAmount));
        }
        self.send(OutgoingKind::Metric, "cost", &channel, Json::of(&json!({"amount": amount, "units": units})))?;
        Ok(Ok(()))
    }
}
