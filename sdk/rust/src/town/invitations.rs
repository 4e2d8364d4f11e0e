//! Who brought whom, in a town.

use crate::NotBound;

use super::World;

/// As in the host.
const CHAIN_MAX: usize = 64;

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
