//! Members, groups, and news for them.

use crate::{
    Audience, Channel, Funnel, InviteStats, Member, MemberStatus, Newness, NotBound, Notice, Risk, Urgency, Verdict,
    component::fairground::activity::{groups, invitations, members, metrics, notifications, proposals, risk, types},
};

fn page(cursor: Option<&str>) -> types::Page {
    types::Page { limit: 256, cursor: cursor.map(Into::into) }
}

pub(crate) fn members_of(group: &str, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
    let (memberships, next) = groups::members_of(group, &page(cursor));
    (memberships.into_iter().map(|membership| membership.member).collect(), next)
}

pub(crate) fn groups_of(member: &str) -> Vec<String> {
    groups::groups_of(member).into_iter().map(|membership| membership.group).collect()
}

pub(crate) fn member(id: &str) -> Option<Member> {
    members::get(id).map(|member| Member {
        id: member.id,
        status: match member.status {
            members::MemberStatus::Active => MemberStatus::Active,
            members::MemberStatus::Muted => MemberStatus::Muted,
            members::MemberStatus::Suspended => MemberStatus::Suspended,
            members::MemberStatus::Closed => MemberStatus::Closed,
        },
        tier: member.tier,
        tags: member.tags,
        registered_at: member.registered_at,
        first_order_at: member.first_order_at,
        time_zone: member.time_zone,
        inviter: member.inviter,
    })
}

pub(crate) fn bind_inviter(invitee: &str, inviter: &str, source: &str) -> Result<(), NotBound> {
    invitations::bind(invitee, inviter, source).map_err(|error| match error {
        invitations::BindError::UnknownMember => NotBound::UnknownMember,
        invitations::BindError::SelfInvitation => NotBound::SelfInvitation,
        invitations::BindError::AlreadyBound => NotBound::AlreadyBound,
        invitations::BindError::Cycle => NotBound::Cycle,
    })
}

pub(crate) fn is_new(member: &str, definition: Newness, since: i64) -> bool {
    let definition = match definition {
        Newness::Configured => members::Newness::Configured,
        Newness::NeverOrdered => members::Newness::NeverOrdered,
        Newness::RegisteredAfter => members::Newness::RegisteredAfter,
        Newness::RegisteredWithin(duration) => members::Newness::RegisteredWithin(duration),
    };
    members::is_new(member, definition, since)
}

pub(crate) fn assess_risk(member: &str, counterparty: Option<&str>, action: &str) -> Risk {
    let report = risk::assess(member, counterparty, action);
    Risk {
        verdict: match report.verdict {
            risk::Verdict::Allow => Verdict::Allow,
            risk::Verdict::Review => Verdict::Review,
            risk::Verdict::Deny => Verdict::Deny,
        },
        reasons: report.reasons,
        clusters: report.clusters,
    }
}

pub(crate) fn is_in_segment(member: &str, segment: &str) -> bool {
    members::in_segment(member, segment)
}

pub(crate) fn search(segment: &str, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
    members::search(segment, &page(cursor))
}

pub(crate) fn rules_accepted(group: &str, member: &str) -> Option<(u32, u32)> {
    let membership = groups::membership_of(group, member)?;
    let rules = groups::get(group).map_or(0, |group| group.rules_version);
    Some((rules, membership.rules_accepted_version))
}

fn stats(stats: invitations::InviteStats) -> InviteStats {
    let invitations::InviteStats { invited, joined, qualified, reversed } = stats;
    InviteStats { invited, joined, qualified, reversed }
}

pub(crate) fn invite_stats(inviter: &str) -> InviteStats {
    stats(invitations::stats(inviter, None))
}

pub(crate) fn group_invite_stats(group: &str, inviter: Option<&str>) -> InviteStats {
    stats(invitations::group_stats(group, inviter, None))
}

pub(crate) fn notify(notice: &Notice) -> bool {
    let sent = notifications::send(&notifications::Notice {
        template: notice.template.clone(),
        params: notice.params.clone(),
        audience: match &notice.audience {
            Audience::Member(id) => notifications::Audience::Member(id.clone()),
            Audience::Group(id) => notifications::Audience::Group(id.clone()),
        },
        channel: match notice.channel {
            Channel::InApp => notifications::Channel::InApp,
            Channel::GroupChat => notifications::Channel::GroupChat,
            Channel::Sms => notifications::Channel::Sms,
            Channel::Push => notifications::Channel::Push,
            Channel::Subscription => notifications::Channel::Subscription,
            Channel::Email => notifications::Channel::Email,
        },
        urgency: match notice.urgency {
            Urgency::Transactional => notifications::Urgency::Transactional,
            Urgency::Activity => notifications::Urgency::Activity,
            Urgency::Marketing => notifications::Urgency::Marketing,
        },
        dedupe_key: notice.dedupe_key.clone(),
        dedupe_window: notice.dedupe_window,
        not_before: notice.not_before,
        not_after: notice.not_after,
    });
    sent.is_ok_and(|receipt| receipt.disposition == notifications::Disposition::Queued)
}

pub(crate) fn propose_promotion(member: &str, to_group: &str, reason: &str) -> bool {
    proposals::propose_promotion(member, to_group, reason).is_ok()
}

pub(crate) fn report_violation(group: &str, member: &str, rule: &str, evidence: &str) -> bool {
    proposals::report_violation(group, member, rule, evidence).is_ok()
}

pub(crate) fn funnel(stage: Funnel, member: &str, channel: Option<&str>) {
    let stage = match stage {
        Funnel::Acquisition => metrics::FunnelStage::Acquisition,
        Funnel::Activation => metrics::FunnelStage::Activation,
        Funnel::Retention => metrics::FunnelStage::Retention,
        Funnel::Revenue => metrics::FunnelStage::Revenue,
        Funnel::Refer => metrics::FunnelStage::Refer,
    };
    metrics::funnel(stage, member, channel, None).expect("without an amount there is none to refuse");
}

pub(crate) fn book_cost(channel: &str, minor: i64, units: u64, currency: &str) {
    let amount = types::Money { minor, currency: currency.into() };
    metrics::cost(channel, &amount, units).expect("an amount is not negative");
}
