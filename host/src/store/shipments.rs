//! Goods on their way to members.

use sqlx::any::AnyRow;

use crate::{
    domain::{
        activity::ActivityId,
        id::Id,
        shipment::{Address, Shipment, ShipmentState},
    },
    effects::ShipmentMove,
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json, word},
    database::Transaction,
};

impl Store {
    pub(crate) async fn shipment(&self, community: &Id, id: &Id) -> anyhow::Result<Option<Shipment>> {
        let row = sqlx::query("SELECT * FROM shipments WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Shipments of a member, or of everybody in a state, by id.
    pub(crate) async fn shipments(
        &self,
        community: &Id,
        of: Result<&Id, ShipmentState>,
        page: &PageRequest,
    ) -> anyhow::Result<Page<Shipment>> {
        let (text, only) = match of {
            Ok(member) => (
                "SELECT * FROM shipments WHERE community = $1 AND member = $2 AND id > $3 ORDER BY id LIMIT $4",
                member.to_string(),
            ),
            Err(state) => (
                "SELECT * FROM shipments WHERE community = $1 AND state = $2 AND id > $3 ORDER BY id LIMIT $4",
                word(state),
            ),
        };
        let rows = sqlx::query(text)
            .bind(community.as_str())
            .bind(only)
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let shipments = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(shipments, page.limit, |shipment: &Shipment| shipment.id.to_string()))
    }

    /// The member says where it is to go; another address takes the place of the first until it is shipped. False where it has
    /// lapsed, or was shipped or taken back.
    pub(crate) async fn claim_shipment(
        &self,
        community: &Id,
        id: &Id,
        address: &Address,
        now: i64,
    ) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let claimed = sqlx::query(
            "UPDATE shipments SET state = 'claimed', address = $3, changed_at = $4 WHERE community = $1 AND id = $2
               AND state IN ('unclaimed', 'claimed')",
        )
        .bind(community.as_str())
        .bind(id.as_str())
        .bind(json(address))
        .bind(now)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(claimed == 1)
    }

    /// It is on its way. False where nobody has claimed it, or it was taken back.
    pub(crate) async fn ship(&self, community: &Id, id: &Id, tracking: &str, now: i64) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let shipped = sqlx::query(
            "UPDATE shipments SET state = 'shipped', tracking = $3, changed_at = $4 WHERE community = $1 AND id = $2
               AND state IN ('claimed', 'shipped')",
        )
        .bind(community.as_str())
        .bind(id.as_str())
        .bind(tracking)
        .bind(now)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(shipped == 1)
    }
}

/// Moves the goods of a hold: false where they are somewhere else by now.
pub(super) async fn change(
    tx: &mut Transaction,
    activity: &ActivityId,
    hold: &str,
    change: &ShipmentMove,
) -> anyhow::Result<bool> {
    let query = match change {
        ShipmentMove::Offer { id, member, sku, claim_by, at } => sqlx::query(
            "INSERT INTO shipments (community, id, changed_at, activity, key, member, sku, state, claim_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'unclaimed', $8)",
        )
        .bind(activity.community.as_str())
        .bind(id.as_str())
        .bind(*at)
        .bind(activity.activity.as_str())
        .bind(hold.as_bytes())
        .bind(member.as_str())
        .bind(sku.as_str())
        .bind(*claim_by),
        ShipmentMove::Lapse { id, at } => sqlx::query(
            "UPDATE shipments SET state = 'lapsed', changed_at = $3 WHERE community = $1 AND id = $2 AND state = 'unclaimed'",
        )
        .bind(activity.community.as_str())
        .bind(id.as_str())
        .bind(*at),
        ShipmentMove::Revoke { id, at } => sqlx::query(
            "UPDATE shipments SET state = 'revoked', changed_at = $3 WHERE community = $1 AND id = $2
               AND state IN ('unclaimed', 'claimed')",
        )
        .bind(activity.community.as_str())
        .bind(id.as_str())
        .bind(*at),
    };
    if query.execute(&mut **tx).await?.rows_affected() == 1 {
        return Ok(true);
    }
    // Goods that were given before there were shipments have none, and are taken back all the same.
    let (ShipmentMove::Lapse { id, .. } | ShipmentMove::Revoke { id, .. }) = change else { return Ok(false) };
    let known = sqlx::query("SELECT 1 FROM shipments WHERE community = $1 AND id = $2")
        .bind(activity.community.as_str())
        .bind(id.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(known.is_none())
}

fn read(row: &AnyRow) -> anyhow::Result<Shipment> {
    let address = row.text_or_none("address")?.map(|text| serde_json::from_str(&text)).transpose()?;
    Ok(Shipment {
        id: row.id("id")?,
        activity: row.id("activity")?,
        key: row.key("key")?,
        member: row.id("member")?,
        sku: row.id("sku")?,
        state: row.word("state")?,
        claim_by: row.int("claim_by")?,
        address,
        tracking: row.text_or_none("tracking")?,
        changed_at: row.int("changed_at")?,
    })
}
