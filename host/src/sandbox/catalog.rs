//! The catalog: versions of plugins, loaded when first used and shared by all their activities.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use anyhow::Context;
use jsonschema::Validator;
use sha2::{Digest, Sha256};

use crate::{
    domain::{
        id::hex,
        plugin::{ActionSpec, Manifest, Plugin, PluginState, QuerySpec},
    },
    store::{Store, plugins::Stored},
};

use super::{Artifacts, Refused, Sandbox, breaker::Breaker, check, describe, exports::Linked};

/// A version, ready to be called.
pub(crate) struct Loaded {
    pub manifest: Arc<Manifest>,
    /// `name@version`, for logs.
    pub label: String,
    pub linked: Linked,
    pub config: Validator,
    pub breaker: Breaker,
    /// A disabled version takes no actions and runs no timers.
    pub enabled: bool,
    actions: HashMap<String, (ActionSpec, Validator)>,
    queries: HashMap<String, (QuerySpec, Validator)>,
}

impl Loaded {
    pub(crate) fn action(&self, name: &str) -> Option<&(ActionSpec, Validator)> {
        self.actions.get(name)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&(QuerySpec, Validator)> {
        self.queries.get(name)
    }

    fn new(sandbox: &Sandbox, artifacts: &Artifacts, plugin: Plugin, bytes: &[u8]) -> anyhow::Result<Self> {
        let component = artifacts.component(sandbox, bytes)?;
        let linked = describe::link(sandbox, &component, &plugin.granted)?;
        let valid = |schema| describe::validator(schema).map_err(anyhow::Error::msg);
        let manifest = plugin.manifest;
        let actions = manifest
            .actions
            .iter()
            .map(|spec| Ok((spec.name.clone(), (spec.clone(), valid(&spec.input_schema)?))))
            .collect::<anyhow::Result<_>>()?;
        let queries = manifest
            .queries
            .iter()
            .map(|spec| Ok((spec.name.clone(), (spec.clone(), valid(&spec.input_schema)?))))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            label: format!("{}@{}", plugin.name, plugin.version),
            linked,
            config: valid(&manifest.config_schema)?,
            breaker: Breaker::default(),
            enabled: plugin.state == PluginState::Enabled,
            actions,
            queries,
            manifest: Arc::new(manifest),
        })
    }
}

/// What became of an upload.
pub(crate) enum Uploaded {
    New(Plugin),
    Same(Plugin),
    /// Other bytes have this name and version.
    Taken(Plugin),
}

/// By name and version, with the time at which the store was last asked about it.
type LoadedVersions = HashMap<(String, String), (Arc<Loaded>, Instant)>;

/// A version that another host enables or disables is seen within this.
const SEEN_TTL: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(crate) struct Catalog {
    pub sandbox: Sandbox,
    artifacts: Artifacts,
    store: Store,
    loaded: Arc<Mutex<LoadedVersions>>,
}

impl Catalog {
    pub(crate) fn new(sandbox: Sandbox, artifacts: Artifacts, store: Store) -> Self {
        Self { sandbox, artifacts, store, loaded: Arc::default() }
    }

    /// Checks, compiles and describes an upload, and keeps it. It can run only after its capabilities are granted.
    pub(crate) async fn upload(&self, bytes: Vec<u8>, now: i64) -> anyhow::Result<Result<Uploaded, Refused>> {
        let digest = hex(&Sha256::digest(&bytes));
        if let Some(known) = self.store.plugin_by_digest(&digest).await? {
            return Ok(Ok(Uploaded::Same(known)));
        }
        let catalog = self.clone();
        let (bytes, checked) = tokio::task::spawn_blocking(move || {
            let checked = catalog.check(&bytes);
            (bytes, checked)
        })
        .await
        .context("checking an upload panicked")?;
        let (manifest, capabilities) = match checked {
            Ok(checked) => checked,
            Err(refused) => return Ok(Err(refused)),
        };
        let plugin = Plugin {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest,
            state: PluginState::Uploaded,
            capabilities,
            granted: Vec::new(),
            manifest,
            uploaded_at: now,
        };
        Ok(Ok(match self.store.insert_plugin(&plugin, &bytes).await? {
            Stored::New => Uploaded::New(plugin),
            Stored::Same => Uploaded::Same(plugin),
            Stored::Taken => Uploaded::Taken(plugin),
        }))
    }

    fn check(&self, bytes: &[u8]) -> Result<(Manifest, Vec<String>), Refused> {
        let component = self.artifacts.component(&self.sandbox, bytes)?;
        let capabilities = check::capabilities(&self.sandbox, &component)?;
        // Linked with all it asks for, so that an import of another shape is refused now and not at the first call.
        describe::link(&self.sandbox, &component, &capabilities)?;
        Ok((describe::describe(&self.sandbox, &component)?, capabilities))
    }

    /// A version that was granted what it needs, or none where there is no such version.
    pub(crate) async fn load(&self, name: &str, version: &str) -> anyhow::Result<Option<Arc<Loaded>>> {
        let key = (name.to_owned(), version.to_owned());
        let known = self.lock().get(&key).cloned();
        if let Some((loaded, _)) = known.as_ref().filter(|(_, seen)| seen.elapsed() < SEEN_TTL) {
            return Ok(Some(loaded.clone()));
        }
        let Some(plugin) = self.store.plugin(name, version).await? else {
            self.forget(name, version);
            return Ok(None);
        };
        if let Some((loaded, _)) = known.filter(|(loaded, _)| loaded.enabled == (plugin.state == PluginState::Enabled))
        {
            self.lock().insert(key, (loaded.clone(), Instant::now()));
            return Ok(Some(loaded));
        }
        let bytes = self.store.component(&plugin.digest).await?.context("a version without its bytes")?;
        let (sandbox, artifacts) = (self.sandbox.clone(), self.artifacts.clone());
        let loaded = tokio::task::spawn_blocking(move || Loaded::new(&sandbox, &artifacts, plugin, &bytes))
            .await
            .context("loading a plugin panicked")??;
        let loaded = Arc::new(loaded);
        self.lock().insert(key, (loaded.clone(), Instant::now()));
        Ok(Some(loaded))
    }

    /// The next use loads it anew: its grant changed, or it is gone.
    pub(crate) fn forget(&self, name: &str, version: &str) {
        self.lock().remove(&(name.to_owned(), version.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, LoadedVersions> {
        self.loaded.lock().expect("nothing panics while it is locked")
    }
}
