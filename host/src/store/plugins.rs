//! Versions of plugins and their bytes.

use sqlx::any::AnyRow;

use crate::domain::plugin::{Plugin, PluginState};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json, word},
};

/// What became of a new version.
pub(crate) enum Stored {
    New,
    /// The same bytes are there already.
    Same,
    /// Other bytes have this name and version.
    Taken,
}

impl Store {
    pub(crate) async fn insert_plugin(&self, plugin: &Plugin, bytes: &[u8]) -> anyhow::Result<Stored> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO components (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING")
            .bind(plugin.digest.as_str())
            .bind(bytes)
            .execute(&mut *tx)
            .await?;
        let inserted = sqlx::query(
            "INSERT INTO plugins (name, version, digest, state, capabilities, granted, manifest, uploaded_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name, version) DO NOTHING",
        )
        .bind(plugin.name.as_str())
        .bind(plugin.version.as_str())
        .bind(plugin.digest.as_str())
        .bind(word(plugin.state))
        .bind(json(&plugin.capabilities))
        .bind(json(&plugin.granted))
        .bind(json(&plugin.manifest))
        .bind(plugin.uploaded_at)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if inserted == 1 {
            tx.commit().await?;
            return Ok(Stored::New);
        }
        tx.rollback().await?;
        let known = self.plugin(&plugin.name, &plugin.version).await?;
        Ok(if known.is_some_and(|known| known.digest == plugin.digest) { Stored::Same } else { Stored::Taken })
    }

    pub(crate) async fn plugin(&self, name: &str, version: &str) -> anyhow::Result<Option<Plugin>> {
        let row = sqlx::query("SELECT * FROM plugins WHERE name = $1 AND version = $2")
            .bind(name)
            .bind(version)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn plugin_by_digest(&self, digest: &str) -> anyhow::Result<Option<Plugin>> {
        let row =
            sqlx::query("SELECT * FROM plugins WHERE digest = $1").bind(digest).fetch_optional(&self.reader).await?;
        row.as_ref().map(read).transpose()
    }

    /// Every version of a plugin; an operator keeps few.
    pub(crate) async fn plugin_versions(&self, name: &str) -> anyhow::Result<Vec<Plugin>> {
        let rows = sqlx::query("SELECT * FROM plugins WHERE name = $1 ORDER BY version")
            .bind(name)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(read).collect()
    }

    /// A page of the listing; the cursor is `name@version`.
    pub(crate) async fn plugins(&self, page: &PageRequest) -> anyhow::Result<Page<Plugin>> {
        let (name, version) = page.after_pair('@')?;
        let rows = sqlx::query(
            "SELECT * FROM plugins WHERE name > $1 OR (name = $1 AND version > $2) ORDER BY name, version LIMIT $3",
        )
        .bind(name)
        .bind(version)
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let plugins = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(plugins, page.limit, |plugin: &Plugin| format!("{}@{}", plugin.name, plugin.version)))
    }

    pub(crate) async fn component(&self, digest: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT bytes FROM components WHERE digest = $1")
            .bind(digest)
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| row.bytes("bytes")).transpose()
    }

    pub(crate) async fn set_plugin_state(
        &self,
        name: &str,
        version: &str,
        state: PluginState,
        granted: &[String],
    ) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE plugins SET state = $3, granted = $4 WHERE name = $1 AND version = $2")
            .bind(name)
            .bind(version)
            .bind(word(state))
            .bind(json(&granted))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Removes a version that no activity uses; false where one does.
    pub(crate) async fn delete_plugin(&self, plugin: &Plugin) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let deleted = sqlx::query(
            "DELETE FROM plugins WHERE name = $1 AND version = $2
             AND NOT EXISTS (SELECT 1 FROM activities WHERE plugin = $1 AND activities.version = $2)",
        )
        .bind(plugin.name.as_str())
        .bind(plugin.version.as_str())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        sqlx::query(
            "DELETE FROM components WHERE digest = $1 AND NOT EXISTS (SELECT 1 FROM plugins WHERE digest = $1)",
        )
        .bind(plugin.digest.as_str())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(deleted == 1)
    }
}

fn read(row: &AnyRow) -> anyhow::Result<Plugin> {
    Ok(Plugin {
        name: row.text("name")?,
        version: row.text("version")?,
        digest: row.text("digest")?,
        state: row.word("state")?,
        capabilities: row.json("capabilities")?,
        granted: row.json("granted")?,
        manifest: row.json("manifest")?,
        uploaded_at: row.int("uploaded_at")?,
    })
}
