//! Holds.

use sqlx::any::AnyRow;

use crate::domain::{
    activity::ActivityId,
    hold::Hold,
    id::Id,
    money::{Currency, Money},
};

use super::{
    Page, PageRequest, Store,
    columns::Columns,
    commit::Part,
    rows::{Column, Rows, Script},
};

impl Store {
    /// What members were given in an activity, in minor units of its budget.
    pub(crate) async fn given(&self, id: &ActivityId) -> anyhow::Result<Vec<(String, i64)>> {
        let rows = sqlx::query(
            "SELECT beneficiary, CAST(SUM(cost_minor) AS BIGINT) AS minor FROM holds
             WHERE community = $1 AND activity = $2 AND state = 'captured' GROUP BY beneficiary",
        )
        .bind(id.community.as_str())
        .bind(id.activity.as_str())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok((row.text("beneficiary")?, row.int("minor")?))).collect()
    }

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
        let (activity, key) = page.after_pair('/')?;
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

/// Holds as they are now.
pub(super) fn write<'a>(script: &mut Script<'a>, parts: &[&'a Part]) {
    const HOLDS: Rows = Rows {
        text:
            "INSERT INTO holds (community, activity, key, offer, beneficiary, cost_minor, currency, state, created_at,
                 expires_at, reason, seq)
               SELECT * FROM {rows} WHERE column1 IS NOT NULL
               ON CONFLICT (community, activity, key) DO UPDATE SET cost_minor = excluded.cost_minor, state = excluded.state, reason = excluded.reason,
                 expires_at = excluded.expires_at, seq = excluded.seq",
        columns: &[
            Column::Text,
            Column::Text,
            Column::Bytes,
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Text,
            Column::Text,
            Column::Int,
            Column::Int,
            Column::Text,
            Column::Int,
        ],
    };
    let rows: Vec<_> = parts.iter().flat_map(|part| part.effects.holds.values().map(|hold| (*part, hold))).collect();
    script.add(&HOLDS, &rows, |values, (part, hold)| {
        values.activity(&part.id);
        values.bytes(hold.key.as_bytes());
        values.text(hold.offer.as_str());
        values.text(hold.beneficiary.as_str());
        values.int(hold.cost.minor);
        values.text(hold.cost.currency.as_str());
        values.word(hold.state);
        values.int(hold.created_at);
        values.int(hold.expires_at);
        values.text(hold.reason.as_str());
        values.int(part.to.seq);
    });
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
