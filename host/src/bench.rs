//! For the project's own benches: one call in a fresh sandbox, without queue, commit and HTTP. Not part of the API.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use tokio::runtime::Handle;

use crate::{
    capability::{
        Call, Mode, RunningCall,
        bindings::{
            ActivityPre,
            exports::fairground::activity::guest::{ActionCall, ActivityContext},
        },
        shared::Shared,
    },
    clock::Clock,
    domain::{
        activity::{Activity, ActivityId, ConfigReport, Head, Lifecycle, Scope},
        community::CommunityProfile,
        id::Id,
        money::Currency,
        offer::Offers,
        plugin::Manifest,
    },
    effects::Effects,
    sandbox::{Artifacts, Sandbox, catalog::Catalog},
    state::{Source, State},
    store::Store,
};

/// An activity in memory, ready to be called again and again from the same state.
pub struct SandboxBench {
    sandbox: Sandbox,
    plugin: ActivityPre<RunningCall>,
    manifest: Arc<Manifest>,
    activity: Arc<Activity>,
    source: Arc<Source>,
    state: State,
}

impl SandboxBench {
    /// Must run within a tokio runtime; `call` must not.
    pub async fn new(component: Vec<u8>, config: &str, folder: &Path) -> anyhow::Result<Self> {
        let store = Store::open(&format!("sqlite:{}", folder.join("bench.db").display())).await?;
        let sandbox = Sandbox::new()?;
        let catalog = Catalog::new(sandbox.clone(), Artifacts::open(&folder.join("artifacts"))?, store.clone());
        let (plugin, manifest) = catalog.for_bench(component)?;
        let (community, currency) = (Id::new("bench")?, Currency::new("CNY")?);
        let profile = CommunityProfile { name: "bench".into(), currency, time_zone: "UTC".into() };
        store.put_community(&community, &profile, 0).await?;
        let activity = Activity {
            id: ActivityId { community, activity: Id::new("bench")? },
            plugin: manifest.name.clone(),
            version: manifest.version.clone(),
            config: config.into(),
            config_version: 1,
            scope: Scope::All,
            offers: Offers::new(),
            budget: None,
            currency,
            starts_at: None,
            ends_at: None,
            seed: [0; 32],
            report: ConfigReport::default(),
            created_at: 0,
        };
        let head = Head { seq: 1, lifecycle: Lifecycle::Running, started_at: 1, now: 1, stored_bytes: 0 };
        store.insert_activity(&activity, &head).await?;
        let source = Arc::new(Source { store, runtime: Handle::current(), id: activity.id.clone() });
        let state = State::load(source.clone()).await?;
        Ok(Self { sandbox, plugin, manifest: Arc::new(manifest), activity: Arc::new(activity), source, state })
    }

    /// One action: a fresh instance, its answer and its effects, all dropped.
    pub fn call(&self, action: &str, actor: &str, input: &str) -> anyhow::Result<String> {
        let call = Box::new(Call {
            activity: self.activity.clone(),
            manifest: self.manifest.clone(),
            mode: Mode::Write,
            now: Clock::system().now(),
            seq: 2,
            state: self.state.clone(),
            shared: Shared::default(),
            effects: Effects::default(),
            source: self.source.clone(),
            facts: Default::default(),
            has_asked_zone: false,
            draws: 0,
        });
        let context = ActivityContext {
            currency: "CNY".into(),
            activity: "bench".into(),
            config: self.activity.config.clone(),
            config_version: 1,
            started_at: 1,
            ends_at: None,
        };
        let asked = ActionCall { name: action.into(), actor: actor.into(), by_operator: false, input: input.into() };
        let done = self.sandbox.call(&self.plugin, "bench", Some(call), |guest, store| {
            guest.fairground_activity_guest().call_act(store, &context, &asked)
        });
        done.answer?.map_err(|problem| anyhow::anyhow!(problem.code)).context("the action was refused")
    }
}
