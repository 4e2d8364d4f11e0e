//! Secrets and facts of the installation.

use super::{Store, columns::Columns};

impl Store {
    /// The value of a setting; `fresh` becomes it where there was none. Two hosts that start together agree.
    pub(crate) async fn setting(&self, name: &str, fresh: &str) -> anyhow::Result<String> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(fresh)
            .execute(&mut *tx)
            .await?;
        let row = sqlx::query("SELECT value FROM settings WHERE name = $1").bind(name).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        row.text("value")
    }
}
