//! Operator and app keys, known by the hash of their secret.

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::domain::id::Id;

use super::{
    Page, PageRequest, Store,
    columns::{Columns, word},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyKind {
    Operator,
    App,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ApiKey {
    #[schema(value_type = String)]
    pub id: Id,
    pub kind: KeyKind,
    /// The one community it is good for; none: all of them.
    #[schema(value_type = Option<String>)]
    pub community: Option<Id>,
    /// UTC milliseconds.
    pub created_at: i64,
    /// UTC milliseconds.
    pub expires_at: Option<i64>,
}

impl Store {
    /// False where a key of this secret exists already.
    pub(crate) async fn insert_key(&self, key: &ApiKey, secret_sha256: &str) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let inserted = sqlx::query(
            "INSERT INTO api_keys (id, kind, community, secret_sha256, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (secret_sha256) DO NOTHING",
        )
        .bind(key.id.as_str())
        .bind(word(key.kind))
        .bind(key.community.as_ref().map(Id::as_str))
        .bind(secret_sha256)
        .bind(key.created_at)
        .bind(key.expires_at)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(inserted == 1)
    }

    pub(crate) async fn key_by_secret(&self, secret_sha256: &str) -> anyhow::Result<Option<ApiKey>> {
        let row = sqlx::query("SELECT * FROM api_keys WHERE secret_sha256 = $1")
            .bind(secret_sha256)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn has_operator_key(&self) -> anyhow::Result<bool> {
        let row =
            sqlx::query("SELECT id FROM api_keys WHERE kind = 'operator' LIMIT 1").fetch_optional(&self.reader).await?;
        Ok(row.is_some())
    }

    pub(crate) async fn keys(&self, page: &PageRequest) -> anyhow::Result<Page<ApiKey>> {
        let rows = sqlx::query("SELECT * FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let keys = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(keys, page.limit, |key: &ApiKey| key.id.to_string()))
    }

    pub(crate) async fn delete_key(&self, id: &Id) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let deleted = sqlx::query("DELETE FROM api_keys WHERE id = $1")
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?
            .rows_affected();
        tx.commit().await?;
        Ok(deleted == 1)
    }
}

fn read(row: &AnyRow) -> anyhow::Result<ApiKey> {
    Ok(ApiKey {
        id: row.id("id")?,
        kind: row.word("kind")?,
        community: row.id_or_none("community")?,
        created_at: row.int("created_at")?,
        expires_at: row.int_or_none("expires_at")?,
    })
}
