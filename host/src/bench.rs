//! For the project's own benches: calls in a fresh sandbox, without queue, commit and HTTP. Not part of the API.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use tokio::runtime::Handle;

use crate::{
    activity::{BATCH_MAX, context},
    capability::{
        Call, Mode,
        bindings::exports::fairground::activity::guest::{ActionCall, HostEvent},
        shared::Shared,
    },
    domain::{
        activity::{Activity, ActivityId},
        id::Id,
        journal::CallKind,
    },
    effects::Effects,
    sandbox::{
        Artifacts, Sandbox,
        catalog::{Catalog, Loaded},
        guest::Ended,
    },
    state::{Source, State},
    store::Store,
};

/// An activity in memory, to be called again and again as in a host's batches. Nothing that its calls do is written.
pub struct SandboxBench {
    sandbox: Sandbox,
    plugin: Arc<Loaded>,
    activity: Arc<Activity>,
    source: Arc<Source>,
    /// None after a call that failed: it has gone with it.
    state: Option<State>,
    /// As of the last batch.
    published: Option<State>,
    shared: Shared,
    calls: usize,
    /// When calls are made, in milliseconds since 1970.
    pub now: i64,
}

/// What a call is asked for.
#[derive(Debug, Clone)]
pub enum Step {
    Action { name: String, actor: String, input: String },
    Event { topic: String, subject: String, payload: String },
}

/// What a call answered, and the fuel that it took.
#[derive(Debug)]
pub struct Ran {
    pub answer: String,
    pub fuel: u64,
}

impl SandboxBench {
    /// An activity of a database whose host has stopped. Must run within a tokio runtime; the calls must not.
    pub async fn open(
        database: &str,
        artifacts: &Path,
        (community, activity): (&str, &str),
        now: i64,
    ) -> anyhow::Result<Self> {
        let store = Store::open(database).await?;
        let sandbox = Sandbox::new()?;
        let catalog = Catalog::new(sandbox.clone(), Artifacts::open(artifacts)?, store.clone());
        let id = ActivityId { community: Id::new(community)?, activity: Id::new(activity)? };
        let (activity, _) = store.activity(&id).await?.context("there is no such activity")?;
        let plugin = catalog.load(&activity.plugin, &activity.version).await?.context("its plugin is gone")?;
        let budget = match &activity.budget {
            Some(budget) => store.budget(&id.community, budget).await?,
            None => None,
        };
        let source = Arc::new(Source { store, runtime: Handle::current(), id });
        let state = State::load(source.clone()).await?;
        Ok(Self {
            sandbox,
            plugin,
            activity: Arc::new(activity),
            source,
            published: Some(state.clone()),
            state: Some(state),
            shared: Shared::new(budget),
            calls: 0,
            now,
        })
    }

    /// A fresh instance, and what it does is taken back. It sees what the open batch has learnt of what activities share.
    pub fn ask(&mut self, step: &Step) -> anyhow::Result<Ran> {
        let (ran, call) = self.run(step)?;
        let mut state = call.state;
        state.take_back();
        self.state = Some(state);
        self.publish_at_times();
        Ok(ran)
    }

    /// A fresh instance, and what it does stays in memory.
    pub fn act(&mut self, step: &Step) -> anyhow::Result<Ran> {
        if self.calls.is_multiple_of(BATCH_MAX) {
            self.shared = Shared::new(self.shared.budget.take());
        }
        let (ran, call) = self.run(step)?;
        let mut state = call.state;
        state.keep();
        state.head.seq += 1;
        self.state = Some(state);
        self.shared = call.shared;
        self.publish_at_times();
        Ok(ran)
    }

    /// Once a batch is full, the next one runs on top of a state that is shared with queries.
    fn publish_at_times(&mut self) {
        self.calls += 1;
        if self.calls.is_multiple_of(BATCH_MAX) {
            self.published.clone_from(&self.state);
        }
    }

    fn run(&mut self, step: &Step) -> anyhow::Result<(Ran, Box<Call>)> {
        let mut state = self.state.take().context("a call has failed before")?;
        state.mark();
        let call = Box::new(Call {
            activity: self.activity.clone(),
            manifest: self.plugin.manifest.clone(),
            mode: Mode::Write,
            now: self.now,
            seq: state.head.seq + 1,
            state,
            shared: self.shared.clone(),
            effects: Effects::default(),
            source: self.source.clone(),
            facts: Default::default(),
            has_asked_zone: false,
            draws: 0,
        });
        let context = context(&self.activity, &call.state.head, CallKind::Action, self.now);
        let Ended { answer, call, fuel, .. } =
            self.sandbox.call(&self.plugin.linked, "bench", Some(call), |guest, store| match step {
                Step::Action { name, actor, input } => {
                    let (name, actor, input) = (name.clone(), actor.clone(), input.clone());
                    let asked = ActionCall { name, actor, by_operator: false, input };
                    guest.call_act(store, &context, &asked)
                }
                Step::Event { topic, subject, payload } => {
                    let (topic, subject, payload) = (topic.clone(), subject.clone(), payload.clone());
                    let id = format!("{topic}-{subject}");
                    let event = HostEvent { id, topic, subject, payload, at: self.now };
                    let heard = guest.call_on_event(store, &context, &event)?;
                    Ok(heard.map(|()| "null".to_owned()))
                }
            });
        let answer = answer?.map_err(|problem| anyhow::anyhow!("{}: {}", problem.code, problem.message))?;
        Ok((Ran { answer, fuel }, call.context("a call was given")?))
    }
}
