//! `wit/invitations.wit`.

use crate::{domain::id::Id, effects::Inviter};

use super::{
    RunningCall,
    wit::invitations::{BindError, Host, InviteStats},
};

/// How far up the chain of inviters a cycle is looked for; a longer chain is refused, so that the look-up stays short.
const CHAIN_MAX: usize = 64;

const SOURCE_BYTES_MAX: usize = 128;

impl RunningCall {
    /// The member's inviter, counting those bound in this batch.
    pub(super) fn inviter_of(&mut self, id: &Id) -> wasmtime::Result<Option<Id>> {
        if let Some(bound) = self.reading_again()?.shared.inviters.get(id) {
            return Ok(Some(bound.clone()));
        }
        Ok(self.member(id.as_str())?.and_then(|member| member.inviter))
    }

    fn check_bind(&mut self, invitee: &str, inviter: &str) -> wasmtime::Result<Result<(Id, Id), BindError>> {
        let (Some(child), Some(parent)) = (self.member(invitee)?, self.member(inviter)?) else {
            return Ok(Err(BindError::UnknownMember));
        };
        let (child, parent) = (child.id, parent.id);
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
        let mut stats = InviteStats { invited: 0, joined: 0, qualified: 0, reversed: 0 };
        if let Ok(id) = Id::new(&inviter) {
            let source = self.reading_again()?.source.clone();
            let since = since.unwrap_or(i64::MIN);
            let found = source.runtime.block_on(source.store.invite_stats(&source.id.community, &id, since));
            let found = self.host(found)?;
            let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
            stats = InviteStats {
                invited: count(found.invited),
                joined: count(found.joined),
                qualified: count(found.qualified),
                reversed: count(found.reversed),
            };
        }
        self.reading_again()?.note("invitations.stats", (inviter, since), stats);
        Ok(stats)
    }
}
