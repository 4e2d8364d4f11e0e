//! `--watch`: a folder of components, for development. What appears there is uploaded, enabled, and takes over from older
//! versions of itself.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Context;

use crate::{
    activity::{Activities, Control},
    domain::{
        id::Id,
        plugin::{Plugin, PluginState},
    },
    sandbox::catalog::Uploaded,
};

pub(crate) struct Watch {
    folder: PathBuf,
    activities: Activities,
    /// What each file looked like when it was read last.
    seen: HashMap<PathBuf, (SystemTime, u64)>,
}

impl Watch {
    /// Fails where the folder cannot be read.
    pub(crate) fn new(folder: PathBuf, activities: Activities) -> anyhow::Result<Self> {
        std::fs::read_dir(&folder).with_context(|| format!("cannot watch the folder {}", folder.display()))?;
        Ok(Self { folder, activities, seen: HashMap::new() })
    }

    /// Takes in what is new. What cannot be taken in is logged, and looked at again when it changes.
    pub(crate) async fn look(&mut self) {
        for path in self.changed() {
            match self.take_in(&path).await {
                Ok(said) => tracing::info!(file = %path.display(), "{said}"),
                Err(error) => tracing::error!(file = %path.display(), "{error:#}"),
            }
        }
    }

    fn changed(&mut self) -> Vec<PathBuf> {
        let files = match std::fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(folder = %self.folder.display(), %error, "the folder cannot be read");
                return Vec::new();
            }
        };
        let mut changed: Vec<PathBuf> = files
            .filter_map(|file| {
                let file = file.ok()?;
                let path = file.path();
                let known = file.metadata().ok().and_then(|facts| Some((facts.modified().ok()?, facts.len())))?;
                let is_new = path.extension().is_some_and(|end| end == "wasm") && self.seen.get(&path) != Some(&known);
                self.seen.insert(path.clone(), known);
                is_new.then_some(path)
            })
            .collect();
        changed.sort();
        changed
    }

    async fn take_in(&self, path: &Path) -> anyhow::Result<String> {
        let bytes = tokio::fs::read(path).await?;
        let catalog = &self.activities.catalog;
        let plugin = match catalog.upload(bytes, self.activities.clock.now()).await?? {
            Uploaded::Taken(plugin) => anyhow::bail!(
                "{} {} is known with other bytes: give the new one a higher version",
                plugin.name,
                plugin.version
            ),
            Uploaded::New(plugin) | Uploaded::Same(plugin) => plugin,
        };
        let store = &self.activities.store;
        if plugin.state == PluginState::Uploaded {
            store.set_plugin_state(&plugin.name, &plugin.version, PluginState::Enabled, &plugin.capabilities).await?;
            catalog.forget(&plugin.name, &plugin.version);
        }
        let moved = self.replace_older(&plugin).await?;
        let granted = if plugin.capabilities.is_empty() { "nothing".into() } else { plugin.capabilities.join(", ") };
        Ok(format!(
            "{} {} is loaded; it was granted {granted}; {moved} activities moved to it",
            plugin.name, plugin.version
        ))
    }

    /// Moves the activities of older versions; one that cannot be moved stays where it is.
    async fn replace_older(&self, plugin: &Plugin) -> anyhow::Result<usize> {
        let newer = semver::Version::parse(&plugin.version)?;
        let watcher = Id::new("watch").context("an id")?;
        let mut moved = 0;
        for (id, version) in self.activities.store.activities_of_plugin(&plugin.name).await? {
            if semver::Version::parse(&version)? < newer {
                let upgrade = Control::Upgrade(plugin.version.clone());
                match self.activities.control(&id, upgrade, &watcher).await? {
                    Some(answer) if answer.is_ok() => moved += 1,
                    answer => tracing::error!(activity = %id.activity, ?answer, "the activity could not be moved"),
                }
            }
        }
        Ok(moved)
    }
}
