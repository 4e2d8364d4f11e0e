//! A call while its plugin runs: what it may see, what it has done so far, what it has used.

use std::sync::Arc;

use serde::Serialize;
use wasmtime::{StoreLimits, StoreLimitsBuilder};

use crate::{
    capability::{
        quota::{Exceeded, FACT_BYTES_MAX, KEY_BYTES_MAX, MEMORY_BYTES_MAX, Quota, TABLE_ELEMENTS_MAX},
        shared::Shared,
    },
    domain::{activity::Activity, id::Id, json::Json, member::Member, plugin::Manifest},
    effects::{Effects, Outgoing, OutgoingKind},
    state::{Source, Stale, State},
};

/// Whether a call may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    ReadOnly,
}

/// One call of an activity: everything that its plugin can reach.
pub(crate) struct Call {
    pub activity: Arc<Activity>,
    pub manifest: Arc<Manifest>,
    pub mode: Mode,
    /// Constant for the call.
    pub now: i64,
    /// The journal number that the call gets.
    pub seq: i64,
    pub state: State,
    pub shared: Shared,
    pub effects: Effects,
    pub source: Arc<Source>,
    /// What the host told from outside the activity, and the draws: JSON texts in the order asked.
    pub facts: Facts,
    /// Whether the version of the zone data is among them.
    pub has_asked_zone: bool,
    pub draws: u64,
}

/// What was noted of a call.
#[derive(Default)]
pub(crate) struct Facts {
    list: Vec<String>,
    bytes: usize,
}

/// Why a host function trapped its guest.
#[derive(Debug)]
pub(crate) enum Trouble {
    Exceeded(Exceeded),
    /// The plugin asked for what it may never ask for.
    Misuse(String),
    /// The state is older than the store; the call is run again.
    Stale,
    /// Ours.
    Fault(anyhow::Error),
}

/// The data of a guest's store. Without a call, as while it describes itself, every host function traps but `log` and what only computes.
pub(crate) struct RunningCall {
    pub limits: StoreLimits,
    pub quota: Quota,
    pub trouble: Option<Trouble>,
    pub log: Vec<(super::wit::log::Level, String)>,
    pub call: Option<Box<Call>>,
}

impl RunningCall {
    pub(crate) fn new(call: Option<Box<Call>>) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(MEMORY_BYTES_MAX)
            .table_elements(TABLE_ELEMENTS_MAX)
            .memories(2)
            .tables(8)
            .instances(16)
            .trap_on_grow_failure(true)
            .build();
        Self { limits, quota: Quota::default(), trouble: None, log: Vec::new(), call }
    }

    /// Begins a host function that only computes, and so needs no activity.
    pub(super) fn counting(&mut self) -> wasmtime::Result<()> {
        let counted = self.quota.host_call();
        self.within(counted)?;
        // What was noted goes into the journal, with the guest's own words in it.
        let noted = self.call.as_ref().map_or(0, |call| call.facts.bytes);
        self.within(if noted > FACT_BYTES_MAX { Err(Exceeded("facts")) } else { Ok(()) })
    }

    /// Begins a host function that reads.
    pub(super) fn reading(&mut self) -> wasmtime::Result<&mut Call> {
        self.counting()?;
        if self.call.is_none() {
            return self.misuse("a host function was called outside a call of an activity");
        }
        Ok(self.call.as_mut().expect("it was looked at above"))
    }

    /// Begins a host function that writes.
    pub(super) fn writing(&mut self) -> wasmtime::Result<&mut Call> {
        if self.reading()?.mode == Mode::ReadOnly {
            return self.misuse("a query may not write");
        }
        self.reading_again()
    }

    /// The call, after `reading` has found that there is one.
    pub(super) fn reading_again(&mut self) -> wasmtime::Result<&mut Call> {
        match &mut self.call {
            Some(call) => Ok(call),
            None => Err(wasmtime::Error::msg("there is no call")),
        }
    }

    pub(super) fn within<T>(&mut self, counted: Result<T, Exceeded>) -> wasmtime::Result<T> {
        counted.map_err(|exceeded| {
            self.trouble = Some(Trouble::Exceeded(exceeded));
            wasmtime::Error::msg(exceeded.0)
        })
    }

    pub(super) fn misuse<T>(&mut self, what: &str) -> wasmtime::Result<T> {
        self.trouble = Some(Trouble::Misuse(what.into()));
        Err(wasmtime::Error::msg(what.to_owned()))
    }

    /// A key of the plugin's choice.
    pub(super) fn key(&mut self, key: &str) -> wasmtime::Result<()> {
        let fits = (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control);
        if fits { Ok(()) } else { self.misuse("a key is 1 to 256 bytes without control characters") }
    }

    /// What a host function found out, or the trap that its fault is.
    pub(super) fn host<T>(&mut self, found: anyhow::Result<T>) -> wasmtime::Result<T> {
        found.map_err(|error| {
            self.trouble = Some(if error.is::<Stale>() { Trouble::Stale } else { Trouble::Fault(error) });
            wasmtime::Error::msg("the host could not answer")
        })
    }

    /// A member of the community. An id that is none names nobody.
    pub(super) fn member(&mut self, id: &str) -> wasmtime::Result<Option<Arc<Member>>> {
        let Ok(id) = Id::new(id) else { return Ok(None) };
        let Call { shared, source, .. } = self.reading_again()?;
        let member = shared.member(source, &id);
        self.host(member)
    }

    /// Queues something for the outside.
    pub(super) fn send(
        &mut self,
        kind: OutgoingKind,
        topic: &str,
        subject: &str,
        payload: Json,
    ) -> wasmtime::Result<()> {
        let counted = self.quota.outgoing();
        self.within(counted)?;
        let call = self.reading_again()?;
        let outgoing = Outgoing { kind, topic: topic.into(), subject: subject.into(), payload };
        call.effects.outbox.push((call.seq, outgoing));
        Ok(())
    }
}

impl super::wit::types::Host for RunningCall {}

impl Call {
    /// Notes an answer from outside the activity, so that the call can be replayed.
    pub(super) fn note<A: Serialize, R: Serialize>(&mut self, function: &str, asked: A, answer: R) {
        let fact = Json::of(&(function, asked, answer));
        self.facts.bytes += fact.as_str().len();
        self.facts.list.push(fact.as_str().into());
    }

    /// The facts as the journal has them: one JSON array.
    pub(crate) fn facts_json(&self) -> String {
        format!("[{}]", self.facts.list.join(","))
    }
}
