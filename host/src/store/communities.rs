//! Communities.

use std::sync::Arc;

use sqlx::any::AnyRow;

use crate::domain::{
    community::{Community, CommunityProfile},
    id::Id,
    money::Currency,
    rules::Rules,
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json},
    database::Transaction,
};

impl Store {
    /// Creates or updates; the currency of a community that exists stays. Answers the community as it now is.
    pub(crate) async fn put_community(
        &self,
        id: &Id,
        profile: &CommunityProfile,
        now: i64,
    ) -> anyhow::Result<Community> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO communities (id, name, currency, time_zone, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone",
        )
        .bind(id.as_str())
        .bind(profile.name.as_str())
        .bind(profile.currency.as_str())
        .bind(profile.time_zone.as_str())
        .bind(now)
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query("SELECT * FROM communities WHERE id = $1").bind(id.as_str()).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        read(&row)
    }

    pub(crate) async fn community(&self, id: &Id) -> anyhow::Result<Option<Community>> {
        let row = sqlx::query("SELECT * FROM communities WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// What the community has decided; the defaults where there is no such community.
    pub(crate) async fn rules(&self, community: &Id) -> anyhow::Result<Arc<Rules>> {
        if let Some(known) = self.rules.get(community) {
            return Ok(known);
        }
        let row = sqlx::query("SELECT rules FROM communities WHERE id = $1")
            .bind(community.as_str())
            .fetch_optional(&self.reader)
            .await?;
        let rules: Arc<Rules> = Arc::new(row.map(|row| row.json("rules")).transpose()?.unwrap_or_default());
        self.rules.insert(community.clone(), rules.clone());
        Ok(rules)
    }

    pub(crate) async fn set_rules(&self, community: &Id, rules: &Rules) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE communities SET rules = $2 WHERE id = $1")
            .bind(community.as_str())
            .bind(json(rules))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.rules.invalidate(community);
        Ok(())
    }

    pub(crate) async fn communities(&self, page: &PageRequest) -> anyhow::Result<Page<Community>> {
        let rows = sqlx::query("SELECT * FROM communities WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let communities = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(communities, page.limit, |community: &Community| community.id.to_string()))
    }
}

/// Has whoever comes next wait: what must be done one at a time in a community.
pub(super) async fn lock_community(tx: &mut Transaction, community: &Id) -> anyhow::Result<()> {
    sqlx::query("UPDATE communities SET id = id WHERE id = $1").bind(community.as_str()).execute(&mut **tx).await?;
    Ok(())
}

fn read(row: &AnyRow) -> anyhow::Result<Community> {
    Ok(Community {
        id: row.id("id")?,
        name: row.text("name")?,
        currency: Currency::new(&row.text("currency")?)?,
        time_zone: row.text("time_zone")?,
        created_at: row.int("created_at")?,
    })
}
