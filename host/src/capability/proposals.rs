//! `wit/proposals.wit`.

use serde_json::json;

use crate::{
    domain::{
        id::Id,
        json::Json,
        order::public_id,
        proposal::{Proposal, ProposalKind, ProposalState},
    },
    effects::OutgoingKind,
};

use super::{
    RunningCall,
    wit::proposals::{Host, ProposalError},
};

const TEXT_BYTES_MAX: usize = 500;

fn is_text(text: &str) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.contains('\0')
}

impl RunningCall {
    fn propose(
        &mut self,
        kind: ProposalKind,
        (member, group): (&str, &str),
        (reason, evidence): (String, String),
    ) -> wasmtime::Result<Result<String, ProposalError>> {
        let (member, group) = (self.member(member)?, self.group(group)?);
        let known = member.is_some() && group.is_some();
        let asked = (member.as_ref().map(|member| member.id.as_str()), group.as_ref().map(|group| group.id.as_str()));
        self.reading_again()?.note("proposals.known", asked, known);
        let (Some(member), Some(group)) = (member, group) else { return Ok(Err(ProposalError::Unknown)) };
        let (topic, told) = match kind {
            ProposalKind::Promotion => ("promotion", json!({"to_group": group.id, "reason": reason})),
            ProposalKind::Violation => ("violation", json!({"group": group.id, "rule": reason, "evidence": evidence})),
        };
        self.send(OutgoingKind::Proposal, topic, member.id.as_str(), Json::of(&told))?;
        let call = self.reading_again()?;
        let id = public_id("prp", &call.activity.id, &format!("{}\n{}", call.seq, call.effects.proposals.len()));
        let proposal = Proposal {
            id: id.clone(),
            kind,
            group: group.id,
            member: member.id.clone(),
            reason,
            evidence,
            activity: Some(call.activity.id.activity.clone()),
            reporter: None,
            state: ProposalState::Open,
            outcome: None,
            decided_by: None,
            decided_at: None,
            at: call.now,
        };
        call.effects.proposals.push((call.seq, proposal));
        Ok(Ok(Id::into(id)))
    }
}

impl Host for RunningCall {
    fn propose_promotion(
        &mut self,
        member: String,
        to_group: String,
        reason: String,
    ) -> wasmtime::Result<Result<String, ProposalError>> {
        self.writing()?;
        if !is_text(&reason) {
            return Ok(Err(ProposalError::BadText));
        }
        self.propose(ProposalKind::Promotion, (&member, &to_group), (reason, String::new()))
    }

    fn report_violation(
        &mut self,
        group: String,
        member: String,
        rule: String,
        evidence: String,
    ) -> wasmtime::Result<Result<String, ProposalError>> {
        self.writing()?;
        if !is_text(&rule) || !is_text(&evidence) {
            return Ok(Err(ProposalError::BadText));
        }
        self.propose(ProposalKind::Violation, (&member, &group), (rule, evidence))
    }
}
