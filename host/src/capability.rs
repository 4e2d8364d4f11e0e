//! What a plugin may ask: one file per `wit/*.wit`, each turned into reads and buffered effects.
//!
//! Nothing here writes to the database. A host function reads through the state or the store, checks, and leaves an effect.

pub(crate) mod bindings;
mod clock;
pub(crate) mod commerce;
mod events;
mod groups;
mod invitations;
mod log;
mod members;
mod metrics;
mod notifications;
mod points;
mod proposals;
pub(crate) mod purse;
pub(crate) mod quota;
mod random;
mod ranking;
mod rewards;
mod risk;
mod running_call;
mod scheduler;
pub(crate) mod shared;
mod storage;

use wasmtime::component::{HasSelf, Linker};

pub(crate) use log::printable;
pub(crate) use running_call::{Call, Mode, RunningCall, Trouble};

use bindings::fairground::activity as wit;

/// The package whose interfaces this host offers.
pub(crate) const PACKAGE: &str = "fairground:activity";

/// What every plugin has: its own room. Nothing needs to be granted for these.
const OWN_ROOM: [&str; 5] = ["clock", "log", "ranking", "storage", "types"];

/// Interfaces that reach beyond the plugin's own room. Each is a capability of the same name.
const CAPABILITIES: [&str; 13] = [
    "commerce",
    "events",
    "groups",
    "invitations",
    "members",
    "metrics",
    "notifications",
    "points",
    "proposals",
    "random",
    "rewards",
    "risk",
    "scheduler",
];

/// Whether an interface is a capability, one of the plugin's own, or nothing that this host offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    OwnRoom,
    Capability,
    Unknown,
}

pub(crate) fn standing(interface: &str) -> Standing {
    if OWN_ROOM.contains(&interface) {
        Standing::OwnRoom
    } else if CAPABILITIES.contains(&interface) {
        Standing::Capability
    } else {
        Standing::Unknown
    }
}

/// Links the plugin's own room and what was granted, and nothing else.
pub(crate) fn link(linker: &mut Linker<RunningCall>, granted: &[String]) -> wasmtime::Result<()> {
    type Here = HasSelf<RunningCall>;
    wit::types::add_to_linker::<_, Here>(linker, |call| call)?;
    wit::clock::add_to_linker::<_, Here>(linker, |call| call)?;
    wit::log::add_to_linker::<_, Here>(linker, |call| call)?;
    wit::ranking::add_to_linker::<_, Here>(linker, |call| call)?;
    wit::storage::add_to_linker::<_, Here>(linker, |call| call)?;
    for capability in granted {
        match capability.as_str() {
            "commerce" => wit::commerce::add_to_linker::<_, Here>(linker, |call| call)?,
            "events" => wit::events::add_to_linker::<_, Here>(linker, |call| call)?,
            "groups" => wit::groups::add_to_linker::<_, Here>(linker, |call| call)?,
            "invitations" => wit::invitations::add_to_linker::<_, Here>(linker, |call| call)?,
            "members" => wit::members::add_to_linker::<_, Here>(linker, |call| call)?,
            "metrics" => wit::metrics::add_to_linker::<_, Here>(linker, |call| call)?,
            "notifications" => wit::notifications::add_to_linker::<_, Here>(linker, |call| call)?,
            "points" => wit::points::add_to_linker::<_, Here>(linker, |call| call)?,
            "proposals" => wit::proposals::add_to_linker::<_, Here>(linker, |call| call)?,
            "random" => wit::random::add_to_linker::<_, Here>(linker, |call| call)?,
            "rewards" => wit::rewards::add_to_linker::<_, Here>(linker, |call| call)?,
            "risk" => wit::risk::add_to_linker::<_, Here>(linker, |call| call)?,
            "scheduler" => wit::scheduler::add_to_linker::<_, Here>(linker, |call| call)?,
            other => return Err(wasmtime::Error::msg(format!("{other:?} is no capability of this host"))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasmtime::Engine;

    use super::*;

    #[test]
    fn every_capability_can_be_linked_and_nothing_else() {
        let engine = Engine::default();
        for capability in CAPABILITIES {
            assert_eq!(standing(capability), Standing::Capability);
            link(&mut Linker::new(&engine), &[capability.into()]).expect(capability);
        }
        assert_eq!(standing("sockets"), Standing::Unknown);
        assert!(link(&mut Linker::new(&engine), &["sockets".into()]).is_err());
    }
}
