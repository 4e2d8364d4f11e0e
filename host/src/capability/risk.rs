//! `wit/risk.wit`. The rules of 0.1: standing and identity clusters, as the platform gives them.

use crate::domain::member::{Member, MemberStatus};

use super::{
    RunningCall,
    wit::risk::{Host, Report, Verdict},
};

fn assess(member: Option<&Member>, counterparty: Option<&Member>) -> Report {
    let Some(member) = member else {
        return Report { verdict: Verdict::Deny, reasons: vec!["unknown-member".into()], clusters: vec![] };
    };
    let mut clusters = member.clusters.clone();
    clusters.sort();
    let shares_cluster = counterparty
        .is_some_and(|other| other.id != member.id && other.clusters.iter().any(|cluster| clusters.contains(cluster)));
    let (verdict, reasons) = match member.status {
        MemberStatus::Suspended | MemberStatus::Closed => (Verdict::Deny, vec!["not-active".into()]),
        _ if shares_cluster => (Verdict::Deny, vec!["same-cluster".into()]),
        MemberStatus::Muted => (Verdict::Review, vec!["muted".into()]),
        MemberStatus::Active => (Verdict::Allow, vec![]),
    };
    Report { verdict, reasons, clusters }
}

impl Host for RunningCall {
    fn assess(&mut self, member: String, counterparty: Option<String>, action: String) -> wasmtime::Result<Report> {
        self.reading()?;
        let who = self.member(&member)?;
        let other = match &counterparty {
            Some(other) => self.member(other)?,
            None => None,
        };
        let report = assess(who.as_ref(), other.as_ref());
        self.reading_again()?.note("risk.assess", (member, counterparty, action), &report);
        Ok(report)
    }
}
