//! `wit/invitations.wit`.

use crate::{
    domain::{id::Id, member::MemberStatus},
    effects::Inviter,
    store::members,
};

use super::{
    RunningCall,
    wit::invitations::{BindError, Host, InviteStats},
};

/// How far up the chain of inviters a cycle is looked for; a longer chain is refused, so that the look-up stays short.
const CHAIN_MAX: usize = 64;

const SOURCE_BYTES_MAX: usize = 128;

fn counted(found: Option<members::InviteStats>) -> InviteStats {
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let found = found.map(|found| [found.invited, found.joined, found.qualified, found.reversed].map(count));
    let [invited, joined, qualified, reversed] = found.unwrap_or_default();
    InviteStats { invited, joined, qualified, reversed }
}

impl RunningCall {
    /// The member's inviter, counting those bound in this batch.
    pub(super) fn inviter_of(&mut self, id: &Id) -> wasmtime::Result<Option<Id>> {
        if let Some(bound) = self.reading_again()?.shared.inviters.get(id) {
            return Ok(Some(bound.clone()));
        }
        Ok(self.member(id.as_str())?.and_then(|member| member.inviter.clone()))
    }

    /// Counts those who were bound in this batch, which the store does not know of yet.
    fn count_bound(&mut self, inviter: &Id, since: i64, stats: &mut InviteStats) -> wasmtime::Result<()> {
        let bound = &self.reading_again()?.shared.inviters;
        let bound: Vec<Id> =
            bound.iter().filter(|(_, by)| *by == inviter).map(|(invitee, _)| invitee.clone()).collect();
        let counted = self.quota.read(bound.len(), 0);
        self.within(counted)?;
        for invitee in bound {
            let Some(member) = self.member(invitee.as_str())?.filter(|member| member.registered_at >= since) else {
                continue;
            };
            let source = self.reading_again()?.source.clone();
            let found = source.wait(source.store.memberships(&source.id.community, &invitee, 1));
            stats.invited += 1;
            stats.joined += u32::from(!self.host(found)?.is_empty());
            stats.qualified += u32::from(member.first_order_at.is_some());
            stats.reversed += u32::from(member.status == MemberStatus::Closed);
        }
        Ok(())
    }

    fn check_bind(&mut self, invitee: &str, inviter: &str) -> wasmtime::Result<Result<(Id, Id), BindError>> {
        let (Some(child), Some(parent)) = (self.member(invitee)?, self.member(inviter)?) else {
            return Ok(Err(BindError::UnknownMember));
        };
        let (child, parent) = (child.id.clone(), parent.id.clone());
        if child == parent {
            return Ok(Err(BindError::SelfInvitation));
        }
        if self.inviter_of(&child)?.is_some() {
            return Ok(Err(BindError::AlreadyBound));
        }
        let mut above = parent.clone();
        for _ in 0..CHAIN_MAX {
            match self.inviter_of(&above)? {
                None => return Ok(Ok((child, parent))),
                Some(next) if next == child => return Ok(Err(BindError::Cycle)),
                Some(next) => above = next,
            }
        }
        Ok(Err(BindError::Cycle))
    }
}

impl Host for RunningCall {
    fn bind(&mut self, invitee: String, inviter: String, source: String) -> wasmtime::Result<Result<(), BindError>> {
        self.writing()?;
        if source.len() > SOURCE_BYTES_MAX || source.contains('\0') {
            return self.misuse("the source of an invitation is at most 128 bytes");
        }
        let checked = self.check_bind(&invitee, &inviter)?;
        let call = self.reading_again()?;
        let answer = match checked {
            Ok((invitee, inviter)) => {
                call.shared.inviters.insert(invitee.clone(), inviter.clone());
                call.effects.inviters.insert(invitee, Inviter { inviter, source });
                Ok(())
            }
            Err(error) => Err(error),
        };
        call.note("invitations.bind", (invitee, inviter), answer);
        Ok(answer)
    }

    fn stats(&mut self, inviter: String, since: Option<i64>) -> wasmtime::Result<InviteStats> {
        self.reading()?;
        let mut stats = counted(None);
        if let Ok(id) = Id::new(&inviter) {
            let source = self.reading_again()?.source.clone();
            let from = since.unwrap_or(i64::MIN);
            let found = source.wait(source.store.invite_stats(&source.id.community, &id, from));
            stats = counted(Some(self.host(found)?));
            self.count_bound(&id, from, &mut stats)?;
        }
        self.reading_again()?.note("invitations.stats", (inviter, since), stats);
        Ok(stats)
    }

    fn group_stats(
        &mut self,
        group: String,
        inviter: Option<String>,
        since: Option<i64>,
    ) -> wasmtime::Result<InviteStats> {
        self.reading()?;
        let by = inviter.as_deref().map(Id::new).transpose();
        let mut stats = counted(None);
        if let (Ok(id), Ok(by)) = (Id::new(&group), by) {
            let source = self.reading_again()?.source.clone();
            let (community, from) = (&source.id.community, since.unwrap_or(i64::MIN));
            let found = source.wait(source.store.group_invite_stats(community, &id, by.as_ref(), from));
            stats = counted(Some(self.host(found)?));
        }
        self.reading_again()?.note("invitations.group-stats", (group, inviter, since), stats);
        Ok(stats)
    }
}
