//! Members, groups, and news for them, as a call has them.

use crate::{Call, Funnel, InviteStats, Member, MemberStatus, Newness, NotBound, Notice, Risk, host};

impl<C> Call<C> {
    pub fn member(&self, id: &str) -> Option<Member> {
        host::member(id)
    }

    /// Whether there is such a member, whom nobody has muted, suspended or closed.
    pub fn is_active(&self, id: &str) -> bool {
        self.member(id).is_some_and(|member| member.status == MemberStatus::Active)
    }

    /// A group's members by id, 256 at most, and the cursor of the next page.
    pub fn members_of(&self, group: &str, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
        host::members_of(group, cursor)
    }

    /// The groups that a member is in, by id; the first 256.
    pub fn groups_of(&self, member: &str) -> Vec<String> {
        host::groups_of(member)
    }

    /// Binds `invitee` to `inviter` once and for ever; `source` says where, in at most 128 bytes.
    pub fn bind_inviter(&mut self, invitee: &str, inviter: &str, source: &str) -> Result<(), NotBound> {
        host::bind_inviter(invitee, inviter, source)
    }

    /// The same, where having been bound to this inviter before is as good.
    pub fn bind_to_inviter(&mut self, invitee: &str, inviter: &str, source: &str) -> Result<(), NotBound> {
        match self.bind_inviter(invitee, inviter, source) {
            Err(NotBound::AlreadyBound)
                if self.member(invitee).and_then(|member| member.inviter).as_deref() == Some(inviter) =>
            {
                Ok(())
            }
            bound => bound,
        }
    }

    pub fn is_new(&self, member: &str, definition: Newness, since: i64) -> bool {
        host::is_new(member, definition, since)
    }

    /// Whether the risk rules speak against `member` doing `action` with or for `counterparty`.
    pub fn assess_risk(&self, member: &str, counterparty: Option<&str>, action: &str) -> Risk {
        host::assess_risk(member, counterparty, action)
    }

    /// Whether a member belongs to a segment of the community, or carries the tag of that name.
    pub fn is_in_segment(&self, member: &str, segment: &str) -> bool {
        host::is_in_segment(member, segment)
    }

    /// Members of a segment by id, and the cursor of the next page. A page may have few members, or none, before the last one.
    pub fn search(&self, segment: &str, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
        host::search(segment, cursor)
    }

    /// The version of a group's rules, and the one that a member of it has accepted; none where the member is not in the group.
    pub fn rules_accepted(&self, group: &str, member: &str) -> Option<(u32, u32)> {
        host::rules_accepted(group, member)
    }

    /// What became of those whom a member has brought into the community.
    pub fn invite_stats(&self, inviter: &str) -> InviteStats {
        host::invite_stats(inviter)
    }

    /// What became of those whom a member, or anybody, has brought into a group.
    pub fn group_invite_stats(&self, group: &str, inviter: Option<&str>) -> InviteStats {
        host::group_invite_stats(group, inviter)
    }

    /// Sends news on its way; false where the same went to the same audience within its window.
    pub fn notify(&mut self, notice: &Notice) -> bool {
        host::notify(notice)
    }

    /// Proposes a member for a group. False where there is no such member or group.
    pub fn propose_promotion(&mut self, member: &str, to_group: &str, reason: &str) -> bool {
        host::propose_promotion(member, to_group, reason)
    }

    /// Reports that a member broke a rule of a group. False where there is no such member or group.
    pub fn report_violation(&mut self, group: &str, member: &str, rule: &str, evidence: &str) -> bool {
        host::report_violation(group, member, rule, evidence)
    }

    /// Counts a member at a stage of the funnel, who came over a channel.
    pub fn funnel(&mut self, stage: Funnel, member: &str, channel: Option<&str>) {
        host::funnel(stage, member, channel);
    }

    /// Books what so many units over a channel cost together, in minor units.
    pub fn book_cost(&mut self, channel: &str, minor: i64, units: u64) {
        host::book_cost(channel, minor, units, &self.currency);
    }
}
