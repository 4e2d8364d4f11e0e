//! Who may take part: eligibility, then risk, then limits, in this order, so that answers are stable and tell little.

use serde::{Deserialize, Serialize};

use crate::{
    Answer, Audience, Call, Day, Notice, OnReview, Terms, Verdict, call::KEY_BYTES_MAX, conflict, host, limit_reached,
    not_allowed, risk_rejected,
};

/// How a member who may take part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The risk rules ask for a closer look: what is earned had better wait. What cannot wait is refused with [`Standing::at_once`].
    pub is_under_review: bool,
}

impl Standing {
    /// Nobody asked for a closer look.
    pub const CLEAR: Self = Self { is_under_review: false };

    /// For what cannot be provisional.
    pub fn at_once(self) -> Answer<()> {
        if self.is_under_review {
            return Err(risk_rejected("common.risk-review", "This needs a closer look first.").retryable());
        }
        Ok(())
    }
}

/// How often a member has taken part. Its key, like all of the SDK's own, begins with `fg/`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Tally {
    day: Day,
    today: u32,
    total: u32,
    at: i64,
}

/// Messages of one call, but for some to spare.
const OUTGOING: u32 = 90;

/// As the host takes them.
const DEDUPE_KEY_BYTES_MAX: usize = 128;

const TOTAL: &str = "fg/total";

fn tally_key(member: &str) -> String {
    format!("fg/tally/{member}")
}

impl<C: Terms> Call<C> {
    /// The business day of the call.
    pub fn today(&self) -> Day {
        self.day(self.now(), self.config.zone(), self.config.day_starts_minute())
    }

    /// Whether a member is new, by the config's definition.
    pub fn is_new_member(&self, member: &str) -> bool {
        match self.config.new_member().newness() {
            Some(newness) => self.is_new(member, newness, self.started_at),
            None => self.load::<Tally>(&tally_key(member)).is_none(),
        }
    }

    /// The actor takes part, and is counted; or why they may not. `counterparty` is whom they do it with or for.
    pub fn take_part(&mut self, counterparty: Option<&str>, action: &str) -> Answer<Standing> {
        let standing = self.admit(counterparty, action)?;
        self.count_part()?;
        Ok(standing)
    }

    /// Eligibility and risk alone: for what counts as no part of its own.
    pub fn admit(&mut self, counterparty: Option<&str>, action: &str) -> Answer<Standing> {
        self.check_eligible()?;
        self.check_risk(counterparty, action)
    }

    /// Counts the actor once more against the limits, or says which of them is reached.
    pub fn count_part(&mut self) -> Answer<()> {
        let tally = self.check_limits()?;
        self.write_part(tally)
    }

    /// Whether the risk rules take two members for one.
    pub fn are_one(&self, one: &str, other: &str, action: &str) -> bool {
        let clusters = |member: &str| self.assess_risk(member, None, action).clusters;
        let theirs = clusters(other);
        !theirs.is_empty() && clusters(one).iter().any(|cluster| theirs.contains(cluster))
    }

    /// Whether the actor may take part, as far as it can be told without asking the risk rules: for queries.
    pub fn may_take_part(&self) -> Answer<()> {
        self.check_eligible()?;
        self.check_limits().map(drop)
    }

    fn check_eligible(&self) -> Answer<()> {
        let (actor, rules) = (self.actor.as_str(), self.config.eligibility());
        if self.is_held_out() {
            return Err(not_allowed("common.holdout", "This is not for you, so that its effect can be measured."));
        }
        let needs_member = !rules.tiers_any.is_empty() || rules.min_account_age_ms > 0;
        let fits = !needs_member
            || self.member(actor).is_some_and(|member| {
                let age = self.now().saturating_sub(member.registered_at);
                let is_of_age = age >= i64::try_from(rules.min_account_age_ms).unwrap_or(i64::MAX);
                is_of_age && (rules.tiers_any.is_empty() || rules.tiers_any.contains(&member.tier))
            });
        let is_in = |segment: &String| self.is_in_segment(actor, segment);
        let fits = fits
            && (rules.segments_any.is_empty() || rules.segments_any.iter().any(is_in))
            && !rules.segments_none.iter().any(is_in);
        if !fits {
            return Err(not_allowed("common.not-eligible", "This is not for you."));
        }
        if rules.rules_accepted && !self.has_accepted_rules(actor) {
            return Err(not_allowed("common.rules-not-accepted", "Accept the rules of your groups first."));
        }
        Ok(())
    }

    fn has_accepted_rules(&self, member: &str) -> bool {
        self.groups_of(member)
            .iter()
            .all(|group| self.rules_accepted(group, member).is_none_or(|(version, accepted)| accepted >= version))
    }

    /// The control group: the same members each time, and others in each activity.
    fn is_held_out(&self) -> bool {
        let share = u64::from(self.config.holdout_bps());
        share > 0 && fnv1a(&[self.activity.as_bytes(), b"\n", self.actor.as_bytes()]) % 10_000 < share
    }

    fn check_risk(&mut self, counterparty: Option<&str>, action: &str) -> Answer<Standing> {
        let (standing, clusters) = self.ask_risk(counterparty, action)?;
        let most = self.config.risk().map_or(0, |policy| policy.cluster_limit);
        if most > 0 {
            for cluster in &clusters {
                self.enter_cluster(cluster, most)?;
            }
        }
        Ok(standing)
    }

    /// What the risk rules say of the actor, and the identity clusters that they are of. Nothing is counted.
    pub fn ask_risk(&self, counterparty: Option<&str>, action: &str) -> Answer<(Standing, Vec<String>)> {
        let Some(policy) = self.config.risk() else { return Ok((Standing::CLEAR, Vec::new())) };
        let risk = self.assess_risk(&self.actor, counterparty, action);
        let is_under_review = match (risk.verdict, policy.on_review) {
            (Verdict::Allow, _) | (Verdict::Review, OnReview::Allow) => false,
            (Verdict::Review, OnReview::Hold) => true,
            (Verdict::Review, OnReview::Deny) => Standing { is_under_review: true }.at_once().map(|()| false)?,
            (Verdict::Deny, _) => return Err(risk_rejected("common.risk-denied", "This is not possible.")),
        };
        Ok((Standing { is_under_review }, risk.clusters))
    }

    fn enter_cluster(&mut self, cluster: &str, most: u32) -> Answer<()> {
        // A cluster's name may be as long as a key.
        let cluster = fnv1a(&[cluster.as_bytes()]);
        let entered = format!("fg/cluster/{cluster:016x}/{}", self.actor);
        if self.counter(&entered) > 0 {
            return Ok(());
        }
        if self.count(&format!("fg/clusters/{cluster:016x}"), 1, 0, i64::from(most)).is_err() {
            return Err(risk_rejected("common.risk-denied", "This is not possible."));
        }
        self.count(&entered, 1, 0, 1).expect("it was 0 above");
        Ok(())
    }

    /// The actor's tally with this time; none where nothing is counted.
    fn check_limits(&self) -> Answer<Option<Tally>> {
        let limits = self.config.limits();
        if limits.total > 0 && self.counter(TOTAL) >= i64::from(limits.total) {
            return Err(limit_reached("common.limit-total", "Everybody together has had their share."));
        }
        let counts_helps = self.config.new_member().newness().is_none();
        if limits.per_member_total == 0 && limits.per_member_per_day == 0 && limits.cool_down_ms == 0 && !counts_helps {
            return Ok(None);
        }
        let (now, day) = (self.now(), self.today());
        let Some(before) = self.load::<Tally>(&tally_key(&self.actor)) else {
            return Ok(Some(Tally { day, today: 1, total: 1, at: now }));
        };
        let today = if before.day == day { before.today } else { 0 };
        if limits.per_member_total > 0 && before.total >= limits.per_member_total {
            return Err(limit_reached("common.limit-member-total", "You have taken part as often as you may."));
        }
        if limits.per_member_per_day > 0 && today >= limits.per_member_per_day {
            return Err(limit_reached("common.limit-member-day", "You have taken part enough for today."));
        }
        if now < before.at.saturating_add_unsigned(limits.cool_down_ms) {
            return Err(conflict("common.fatigue", "Rest a little first.").retryable());
        }
        Ok(Some(Tally { day, today: today + 1, total: before.total + 1, at: now }))
    }

    fn write_part(&mut self, tally: Option<Tally>) -> Answer<()> {
        if let Some(tally) = tally {
            let key = tally_key(&self.actor);
            self.save(&key, &tally);
        }
        let most = self.config.limits().total;
        if most > 0 && self.count(TOTAL, 1, 0, i64::from(most)).is_err() {
            return Err(limit_reached("common.limit-total", "Everybody together has had their share."));
        }
        Ok(())
    }

    /// How many times a call can do something that sends `each` messages (orders, refunds, events) and tells a member of one of
    /// `events`, after it has told one member of everything: a call has a hundred.
    pub fn batch_of(&self, each: u32, events: &[&str]) -> u32 {
        let rules = self.config.notices();
        let told = |event: &&str| rules.iter().filter(|rule| rule.event == **event).count();
        let most = events.iter().map(told).max().unwrap_or_default();
        let [all, most] = [rules.len(), most].map(|count| u32::try_from(count).expect("few rules"));
        (OUTGOING.saturating_sub(all) / (each + most)).max(1)
    }

    /// Tells a member what the organiser wants told of an event; nothing where the config says nothing of it.
    /// The event is one of [`crate::Blueprint::tells`].
    pub fn tell(&mut self, event: &str, member: &str, params: &[(&str, String)]) {
        host::expect_told(event);
        let rules = self.config.notices().iter().filter(|rule| rule.event == event);
        let notices: Vec<Notice> = rules
            .map(|rule| Notice {
                params: params.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
                channel: rule.channel,
                urgency: rule.urgency,
                dedupe_key: bounded_to(DEDUPE_KEY_BYTES_MAX, format!("{}/{event}", self.activity)),
                dedupe_window: rule.dedupe_window_ms,
                ..Notice::new(rule.template.as_str(), Audience::Member(member.into()))
            })
            .collect();
        for notice in notices {
            self.notify(&notice);
        }
    }
}

/// A key as it is, or, where two long ids make it longer than the 256 bytes that the host takes, or what the platform told has control
/// characters, its beginning and a hash.
pub fn bounded(key: String) -> String {
    bounded_to(KEY_BYTES_MAX, key)
}

fn bounded_to(bytes_max: usize, key: String) -> String {
    if key.len() <= bytes_max && !key.chars().any(char::is_control) {
        return key;
    }
    let hash = fnv1a(&[key.as_bytes()]);
    let key: String = key.chars().filter(|c| !c.is_control()).collect();
    if key.len() <= bytes_max - 17 {
        return format!("{key}~{hash:016x}");
    }
    // Ids are ASCII; what is not is cut at a character.
    let end = (0..=bytes_max - 17).rev().find(|end| key.is_char_boundary(*end)).unwrap_or_default();
    format!("{}~{hash:016x}", &key[..end])
}

/// FNV-1a: any even spread of names will do.
fn fnv1a(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
