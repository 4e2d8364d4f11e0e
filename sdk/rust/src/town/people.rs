//! Members, groups, and news for them, in a town.

use crate::{Audience, InviteStats, Member, MemberStatus, Newness, NotBound, Notice};

use super::World;

/// As in the host.
const CHAIN_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 500;

impl World {
    /// Binds an invitee to an inviter as the host does: once, never to themselves, never in a circle.
    pub(crate) fn bind_inviter(&mut self, invitee: &str, inviter: &str) -> Result<(), NotBound> {
        assert!(!self.read_only, "a query may not write");
        if !self.members.contains_key(invitee) || !self.members.contains_key(inviter) {
            return Err(NotBound::UnknownMember);
        }
        if invitee == inviter {
            return Err(NotBound::SelfInvitation);
        }
        let inviter_of = |id: &str| self.members.get(id).and_then(|(member, _)| member.inviter.clone());
        if inviter_of(invitee).is_some() {
            return Err(NotBound::AlreadyBound);
        }
        let chain: Vec<String> =
            std::iter::successors(Some(inviter.to_owned()), |above| inviter_of(above)).take(CHAIN_MAX + 1).collect();
        if chain.len() > CHAIN_MAX || chain.iter().any(|above| above == invitee) {
            return Err(NotBound::Cycle);
        }
        if let Some((member, _)) = self.members.get_mut(invitee) {
            member.inviter = Some(inviter.into());
        }
        Ok(())
    }

    /// False where the same went to the same audience within its window. What else may hold it back comes after the call.
    pub(crate) fn notify(&mut self, notice: &Notice) -> bool {
        self.count_outgoing();
        let is_known = match &notice.audience {
            Audience::Member(id) => self.members.contains_key(id),
            Audience::Group(id) => self.groups.contains_key(id),
        };
        let within = |at: i64, before: &Notice| self.now < at.saturating_add_unsigned(before.dedupe_window);
        let is_same = |before: &Notice| before.audience == notice.audience && before.dedupe_key == notice.dedupe_key;
        let is_duplicate = self.notices.iter().any(|(at, before)| is_same(before) && within(*at, before));
        let is_queued = is_known && !is_duplicate;
        if is_queued {
            self.notices.push((self.now, notice.clone()));
        }
        is_queued
    }

    pub(crate) fn count_outgoing(&mut self) {
        self.writing();
        self.quota.outgoing();
    }

    pub(crate) fn propose(&mut self, kind: &str, (member, group): (&str, &str), texts: &[&str]) -> bool {
        self.writing();
        let is_known = self.members.contains_key(member)
            && self.groups.contains_key(group)
            && texts.iter().all(|text| (1..=TEXT_BYTES_MAX).contains(&text.len()));
        if is_known {
            self.count_outgoing();
            self.proposals.push((kind.into(), member.into(), group.into()));
        }
        is_known
    }

    pub(crate) fn is_in_segment(&self, member: &str, segment: &str) -> bool {
        let Some((known, _)) = self.members.get(member) else { return false };
        match self.segments.get(segment) {
            Some(defined) => defined.contains(member),
            None => known.tags.iter().any(|tag| tag == segment),
        }
    }

    pub(crate) fn is_new(&self, member: &str, definition: Newness, since: i64) -> bool {
        let definition = match definition {
            Newness::Configured => self.newness.unwrap_or(Newness::NeverOrdered),
            named => named,
        };
        self.members.get(member).is_some_and(|(member, _)| match definition {
            Newness::NeverOrdered | Newness::Configured => member.first_order_at.is_none_or(|first| first >= since),
            Newness::RegisteredAfter => member.registered_at >= since,
            Newness::RegisteredWithin(duration) => {
                since.saturating_sub(member.registered_at) <= i64::try_from(duration).unwrap_or(i64::MAX)
            }
        })
    }

    pub(crate) fn rules_accepted(&self, group: &str, member: &str) -> Option<(u32, u32)> {
        self.groups.get(group)?.get(member)?;
        let accepted = self.accepted.get(&(group.into(), member.into())).copied().unwrap_or_default();
        Some((self.rules.get(group).copied().unwrap_or_default(), accepted))
    }

    pub(crate) fn invite_stats(&self, inviter: &str) -> InviteStats {
        let brought = self.members.values().map(|(member, _)| member);
        let brought = brought.filter(|member| member.inviter.as_deref() == Some(inviter));
        count(brought, |member| self.groups.values().any(|group| group.contains(&member.id)), |_| false)
    }

    pub(crate) fn group_invite_stats(&self, group: &str, inviter: Option<&str>) -> InviteStats {
        let brought = self
            .brought
            .iter()
            .filter(|((of, _), by)| of == group && inviter.is_none_or(|inviter| by.as_str() == inviter));
        let brought = brought.filter_map(|((_, member), _)| self.members.get(member).map(|(member, _)| member));
        let is_in = |member: &Member| self.groups.get(group).is_some_and(|group| group.contains(&member.id));
        count(brought, |_| true, |member| !is_in(member))
    }
}

fn count<'a>(
    brought: impl Iterator<Item = &'a Member>,
    has_joined: impl Fn(&Member) -> bool,
    has_left: impl Fn(&Member) -> bool,
) -> InviteStats {
    let mut stats = InviteStats::default();
    for member in brought {
        stats.invited += 1;
        stats.joined += u32::from(has_joined(member));
        stats.qualified += u32::from(member.first_order_at.is_some());
        stats.reversed += u32::from(has_left(member) || member.status == MemberStatus::Closed);
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brought_whom_is_a_forest() {
        let mut world = World::default();
        for number in 0..70 {
            world.join(&format!("m{number}"));
        }
        assert_eq!(world.bind_inviter("m1", "m0"), Ok(()));
        assert_eq!(world.bind_inviter("m1", "m2"), Err(NotBound::AlreadyBound));
        assert_eq!(world.bind_inviter("m0", "m0"), Err(NotBound::SelfInvitation));
        assert_eq!(world.bind_inviter("m0", "nobody"), Err(NotBound::UnknownMember));
        assert_eq!(world.bind_inviter("m2", "m1"), Ok(()));
        assert_eq!(world.bind_inviter("m0", "m2"), Err(NotBound::Cycle));
        let bound = (3..70).map(|number| world.bind_inviter(&format!("m{number}"), &format!("m{}", number - 1)));
        let bound: Vec<_> = bound.collect();
        assert_eq!(bound.iter().position(Result::is_err), Some(CHAIN_MAX - 2), "a chain has an end");
    }
}
