//! `wit/risk.wit`. The rules are the community's (`domain/rules.rs`); identity clusters are given by the platform.

use crate::domain::{
    json::Json,
    member::{Member, MemberStatus},
    rules::{RiskRules, VelocityOf, Verdict},
};

use super::{
    RunningCall,
    wit::risk::{self as wit, Host, Report},
};

const ACTION_BYTES_MAX: usize = 128;

/// Clusters of a member whose acts are counted together; each is an entry for each rule.
const CLUSTERS_MAX: usize = 10;

/// What speaks against an act, but for velocity: reasons, and what each comes to.
fn standing(
    rules: &RiskRules,
    member: &Member,
    counterparty: Option<&Member>,
    now: i64,
) -> Vec<(&'static str, Verdict)> {
    let shares_cluster = counterparty.is_some_and(|other| {
        other.id != member.id && other.clusters.iter().any(|cluster| member.clusters.contains(cluster))
    });
    let is_young = now.saturating_sub(member.registered_at) < rules.young_ms;
    let gone = matches!(member.status, MemberStatus::Suspended | MemberStatus::Closed);
    let muted = member.status == MemberStatus::Muted;
    let all = [
        (gone, "not-active", Verdict::Deny),
        (shares_cluster, "same-cluster", rules.same_cluster),
        (muted, "muted", rules.muted),
        (is_young, "young", rules.young),
    ];
    all.into_iter().filter(|(holds, ..)| *holds).map(|(_, reason, verdict)| (reason, verdict)).collect()
}

/// Times of acts that still count, and this one where it does; none where there are too many already.
fn counted(times: &[i64], max: u32, since: i64, now: i64) -> Option<Vec<i64>> {
    let mut times: Vec<i64> = times.iter().copied().filter(|time| *time > since).collect();
    if times.len() >= max as usize {
        return None;
    }
    times.push(now);
    Some(times)
}

impl RunningCall {
    /// What the rules of velocity come to. The times of acts are kept among the activity's entries, out of the plugin's sight.
    fn velocity(&mut self, rules: &RiskRules, member: &Member, action: &str) -> wasmtime::Result<Option<Verdict>> {
        let mut worst = None;
        for rule in &rules.velocity {
            // Another rule counts anew.
            let name = Json::of(rule);
            if rule.action.as_deref().is_some_and(|only| only != action) {
                continue;
            }
            let whose = match rule.of {
                VelocityOf::Member => vec![member.id.to_string()],
                VelocityOf::Cluster => {
                    let mut clusters = member.clusters.clone();
                    clusters.sort();
                    clusters.truncate(CLUSTERS_MAX);
                    clusters
                }
            };
            for who in whose {
                let key = format!("\0velocity\0{}\0{who}", name.as_str());
                let known = self.own(&key)?;
                let times: Vec<i64> = known.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
                let call = self.reading_again()?;
                let (now, counts) = (call.now, call.mode == super::Mode::Write);
                match counted(&times, rule.max, now.saturating_sub(rule.window_ms), now) {
                    None => worst = worst.max(Some(rule.verdict)),
                    Some(times) if counts => {
                        let bytes = serde_json::to_vec(&times).map_err(wasmtime::Error::new)?;
                        self.set_own(&key, bytes)?;
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(worst)
    }

    fn report(&mut self, member: &str, counterparty: Option<&str>, action: &str) -> wasmtime::Result<Report> {
        let Some(who) = self.member(member)? else {
            return Ok(Report {
                verdict: wit::Verdict::Deny,
                reasons: vec!["unknown-member".into()],
                clusters: vec![],
            });
        };
        let other = match counterparty {
            Some(other) => self.member(other)?,
            None => None,
        };
        let rules = self.rules()?;
        let now = self.reading_again()?.now;
        let mut against = standing(&rules.risk, &who, other.as_deref(), now);
        against.extend(self.velocity(&rules.risk, &who, action)?.map(|verdict| ("velocity", verdict)));
        against.retain(|(_, verdict)| *verdict != Verdict::Allow);
        let verdict = against.iter().map(|(_, verdict)| *verdict).max().unwrap_or(Verdict::Allow);
        let mut reasons: Vec<String> = against.into_iter().map(|(reason, _)| reason.into()).collect();
        let mut clusters = who.clusters.clone();
        reasons.sort();
        clusters.sort();
        let verdict = match verdict {
            Verdict::Allow => wit::Verdict::Allow,
            Verdict::Review => wit::Verdict::Review,
            Verdict::Deny => wit::Verdict::Deny,
        };
        Ok(Report { verdict, reasons, clusters })
    }
}

impl Host for RunningCall {
    fn assess(&mut self, member: String, counterparty: Option<String>, action: String) -> wasmtime::Result<Report> {
        self.reading()?;
        if !(1..=ACTION_BYTES_MAX).contains(&action.len()) {
            return self.misuse("the name of an act is 1 to 128 bytes");
        }
        let report = self.report(&member, counterparty.as_deref(), &action)?;
        self.reading_again()?.note("risk.assess", (member, counterparty, action), &report);
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_count_for_as_long_as_the_window() {
        assert_eq!(counted(&[], 2, 0, 10), Some(vec![10]));
        assert_eq!(counted(&[10], 2, 0, 11), Some(vec![10, 11]));
        assert_eq!(counted(&[10, 11], 2, 9, 12), None);
        assert_eq!(counted(&[10, 11], 2, 10, 20), Some(vec![11, 20]), "the first is too long ago");
    }
}
