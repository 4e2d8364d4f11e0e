//! `wit/proposals.wit`.

use serde_json::json;

use crate::{domain::json::Json, effects::OutgoingKind};

use super::{
    RunningCall,
    wit::proposals::{Host, ProposalError},
};

const TEXT_BYTES_MAX: usize = 500;

fn is_text(text: &str) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&text.len())
}

impl RunningCall {
    fn propose(
        &mut self,
        topic: &str,
        member: &str,
        group: &str,
        texts: [&str; 2],
        payload: serde_json::Value,
    ) -> wasmtime::Result<Result<String, ProposalError>> {
        self.writing()?;
        if !texts.into_iter().all(is_text) {
            return Ok(Err(ProposalError::BadText));
        }
        let known = self.member(member)?.is_some() && self.group(group)?.is_some();
        self.reading_again()?.note("proposals.known", (member, group), known);
        if !known {
            return Ok(Err(ProposalError::Unknown));
        }
        self.send(OutgoingKind::Proposal, topic, member, Json::of(&payload))?;
        let call = self.reading_again()?;
        Ok(Ok(format!("{}.{}.{}", call.activity.id.activity, call.seq, call.effects.outbox.len())))
    }
}

impl Host for RunningCall {
    fn propose_promotion(
        &mut self,
        member: String,
        to_group: String,
        reason: String,
    ) -> wasmtime::Result<Result<String, ProposalError>> {
        let payload = json!({"to_group": to_group, "reason": reason});
        self.propose("promotion", &member, &to_group, [&reason, &reason], payload)
    }

    fn report_violation(
        &mut self,
        group: String,
        member: String,
        rule: String,
        evidence: String,
    ) -> wasmtime::Result<Result<String, ProposalError>> {
        let payload = json!({"group": group, "rule": rule, "evidence": evidence});
        self.propose("violation", &member, &group, [&rule, &evidence], payload)
    }
}
