//! Holds.

use sqlx::any::AnyRow;

use crate::domain::{
    activity::ActivityId,
    hold::Hold,
    id::Id,
    money::{Currency, Money},
};

use super::{Page, PageRequest, Store, columns::Columns};

impl Store {
    /// The hold and the journal number of its last change.
    pub(crate) async fn hold(&self, id: &ActivityId, key: &str) -> anyhow::Result<Option<(Hold, i64)>> {
        let row = sqlx::query("SELECT * FROM holds WHERE community = $1 AND activity = $2 AND key = $3")
            .bind(id.community.as_str())
            .bind(id.activity.as_str())
            .bind(key.as_bytes())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| Ok((read(&row)?, row.int("seq")?))).transpose()
    }

    /// A member's holds by activity and key; the cursor is `activity/key`.
    pub(crate) async fn holds_of(
        &self,
        community: &Id,
        member: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<(Id, Hold)>> {
        let (activity, key) = page.after.split_once('/').unwrap_or_default();
        let rows = sqlx::query(
            "SELECT * FROM holds WHERE community = $1 AND beneficiary = $2
               AND (activity > $3 OR (activity = $3 AND key > $4)) ORDER BY activity, key LIMIT $5",
        )
        .bind(community.as_str())
        .bind(member.as_str())
        .bind(activity)
        .bind(key.as_bytes())
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let holds = rows.iter().map(|row| Ok((row.id("activity")?, read(row)?))).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(holds, page.limit, |(activity, hold): &(Id, Hold)| format!("{activity}/{}", hold.key)))
    }
}

fn read(row: &AnyRow) -> anyhow::Result<Hold> {
    Ok(Hold {
        key: row.key("key")?,
        offer: row.text("offer")?,
        beneficiary: row.id("beneficiary")?,
        cost: Money { minor: row.int("cost_minor")?, currency: Currency::new(&row.text("currency")?)? },
        state: row.word("state")?,
        created_at: row.int("created_at")?,
        expires_at: row.int("expires_at")?,
        reason: row.text("reason")?,
    })
}
