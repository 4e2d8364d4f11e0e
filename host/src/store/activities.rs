//! Activities and their heads.

use anyhow::Context;
use sqlx::any::AnyRow;

use crate::domain::{
    activity::{Activity, ActivityId, Head},
    id::{Id, hex},
    money::Currency,
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json, word},
    communities::lock_community,
};

const ACTIVITIES: &str = "SELECT activities.*, communities.currency, seq, lifecycle, started_at, now, stored_bytes, faults
     FROM activities
     JOIN communities ON communities.id = activities.community
     JOIN activity_heads ON activity_heads.community = activities.community AND activity_heads.activity = activities.id";

impl Store {
    /// Which edition of its series it is; none where the community has an activity of this id already.
    pub(crate) async fn insert_activity(&self, activity: &Activity, head: &Head) -> anyhow::Result<Option<i64>> {
        let mut tx = self.begin().await?;
        let ActivityId { community, activity: id } = &activity.id;
        // Two editions that are made at once are not the same one.
        lock_community(&mut tx, community).await?;
        let inserted = sqlx::query(
            "INSERT INTO activities (community, id, plugin, version, config, config_version, scope, offers, budget, starts_at,
                ends_at, seed, report, created_at, rollout, drain_ms, series, edition)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                (SELECT COALESCE(MAX(edition), 0) + 1 FROM activities WHERE community = $1 AND series = $17))
             ON CONFLICT (community, id) DO NOTHING RETURNING edition",
        )
        .bind(community.as_str())
        .bind(id.as_str())
        .bind(activity.plugin.as_str())
        .bind(activity.version.as_str())
        .bind(activity.config.as_str())
        .bind(activity.config_version)
        .bind(json(&activity.scope))
        .bind(json(&activity.offers))
        .bind(activity.budget.as_ref().map(Id::as_str))
        .bind(activity.starts_at)
        .bind(activity.ends_at)
        .bind(hex(&activity.seed))
        .bind(json(&activity.report))
        .bind(activity.created_at)
        .bind(json(&activity.rollout))
        .bind(activity.drain_ms)
        .bind(activity.series.as_str())
        .fetch_optional(&mut *tx)
        .await?;
        let edition = inserted.map(|row| row.int("edition")).transpose()?;
        if edition.is_some() {
            sqlx::query(
                "INSERT INTO activity_heads (community, activity, seq, lifecycle, started_at, now, stored_bytes)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(community.as_str())
            .bind(id.as_str())
            .bind(head.seq)
            .bind(word(head.lifecycle))
            .bind(head.started_at)
            .bind(head.now)
            .bind(head.stored_bytes)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(edition)
    }

    pub(crate) async fn activity(&self, id: &ActivityId) -> anyhow::Result<Option<(Activity, Head)>> {
        let text = format!("{ACTIVITIES} WHERE activities.community = $1 AND activities.id = $2");
        let row = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn activities(
        &self,
        community: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<(Activity, Head)>> {
        let text = format!(
            "{ACTIVITIES} WHERE activities.community = $1 AND activities.id > $2 ORDER BY activities.id LIMIT $3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(community.as_str())
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let activities = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(activities, page.limit, |(activity, _): &(Activity, Head)| activity.id.activity.to_string()))
    }

    /// Activities of a series, the first edition first; the cursor is the last edition seen.
    pub(crate) async fn editions(
        &self,
        community: &Id,
        series: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<(Activity, Head)>> {
        let text = format!(
            "{ACTIVITIES} WHERE activities.community = $1 AND series = $2 AND edition > $3 ORDER BY edition LIMIT $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(community.as_str())
            .bind(series.as_str())
            .bind(page.after_number(0)?)
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let activities = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(activities, page.limit, |(activity, _): &(Activity, Head)| activity.edition.to_string()))
    }

    /// Every activity of a plugin that is not settled, with its version; for development.
    pub(crate) async fn activities_of_plugin(&self, plugin: &str) -> anyhow::Result<Vec<(ActivityId, String)>> {
        let rows = sqlx::query(
            "SELECT activities.community, activities.id, version FROM activities
             JOIN activity_heads ON activity_heads.community = activities.community AND activity_heads.activity = activities.id
             WHERE plugin = $1 AND lifecycle NOT IN ('settled', 'cancelled')",
        )
        .bind(plugin)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok((ActivityId { community: row.id("community")?, activity: row.id("id")? }, row.text("version")?))
            })
            .collect()
    }

    pub(crate) async fn head(&self, id: &ActivityId) -> anyhow::Result<Head> {
        let row = sqlx::query("SELECT * FROM activity_heads WHERE community = $1 AND activity = $2")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .fetch_one(&self.reader)
            .await?;
        read_head(&row)
    }
}

fn read_head(row: &AnyRow) -> anyhow::Result<Head> {
    Ok(Head {
        seq: row.int("seq")?,
        lifecycle: row.word("lifecycle")?,
        started_at: row.int("started_at")?,
        now: row.int("now")?,
        stored_bytes: row.int("stored_bytes")?,
        faults: row.int("faults")?,
    })
}

fn read(row: &AnyRow) -> anyhow::Result<(Activity, Head)> {
    let activity = Activity {
        id: ActivityId { community: row.id("community")?, activity: row.id("id")? },
        series: row.id("series")?,
        edition: row.int("edition")?,
        plugin: row.text("plugin")?,
        version: row.text("version")?,
        config: row.text("config")?,
        config_version: row.int("config_version")?,
        scope: row.json("scope")?,
        offers: row.json("offers")?,
        budget: row.id_or_none("budget")?,
        currency: Currency::new(&row.text("currency")?)?,
        starts_at: row.int_or_none("starts_at")?,
        ends_at: row.int_or_none("ends_at")?,
        seed: unhex(&row.text("seed")?).context("column seed")?,
        report: row.json("report")?,
        rollout: row.json("rollout")?,
        drain_ms: row.int("drain_ms")?,
        created_at: row.int("created_at")?,
    };
    Ok((activity, read_head(row)?))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}
