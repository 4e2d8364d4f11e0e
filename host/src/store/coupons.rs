//! Coupons and their templates.

use std::collections::BTreeSet;

use sqlx::any::AnyRow;

use crate::{
    domain::{
        activity::ActivityId,
        coupon::{Coupon, CouponState, CouponTerms},
        id::Id,
    },
    effects::CouponMove,
};

use super::{
    Page, PageRequest, Store,
    columns::{Columns, json, word},
    database::Transaction,
    inbox::put,
};

/// Coupons that are ended in one round: as many as an activity hears of at once, so that payments do not wait behind a campaign.
const EXPIRED_AT_ONCE: i64 = 60;

impl Store {
    /// Creates or changes a template. Coupons that were issued follow it, except for how long they are valid.
    pub(crate) async fn put_template(&self, community: &Id, id: &Id, terms: &CouponTerms) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO coupon_templates (community, id, terms) VALUES ($1, $2, $3)
             ON CONFLICT (community, id) DO UPDATE SET terms = $3",
        )
        .bind(community.as_str())
        .bind(id.as_str())
        .bind(json(terms))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn template(&self, community: &Id, id: &Id) -> anyhow::Result<Option<CouponTerms>> {
        let row = sqlx::query("SELECT terms FROM coupon_templates WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| row.json("terms")).transpose()
    }

    pub(crate) async fn templates(
        &self,
        community: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<(Id, CouponTerms)>> {
        let rows = sqlx::query("SELECT * FROM coupon_templates WHERE community = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(community.as_str())
            .bind(page.after.as_str())
            .bind(page.fetch())
            .fetch_all(&self.reader)
            .await?;
        let templates =
            rows.iter().map(|row| Ok((row.id("id")?, row.json("terms")?))).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(templates, page.limit, |(id, _): &(Id, CouponTerms)| id.to_string()))
    }

    pub(crate) async fn coupon(&self, community: &Id, id: &Id) -> anyhow::Result<Option<Coupon>> {
        let row = sqlx::query("SELECT * FROM coupons WHERE community = $1 AND id = $2")
            .bind(community.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// A member's coupons, by id.
    pub(crate) async fn coupons_of(
        &self,
        community: &Id,
        member: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<Coupon>> {
        let rows =
            sqlx::query("SELECT * FROM coupons WHERE community = $1 AND member = $2 AND id > $3 ORDER BY id LIMIT $4")
                .bind(community.as_str())
                .bind(member.as_str())
                .bind(page.after.as_str())
                .bind(page.fetch())
                .fetch_all(&self.reader)
                .await?;
        let coupons = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(coupons, page.limit, |coupon: &Coupon| coupon.id.to_string()))
    }

    /// Sets a coupon aside for an order; the same order again changes nothing. None where it is not there to be had at `now`.
    pub(crate) async fn reserve_coupon(
        &self,
        community: &Id,
        id: &Id,
        order: &str,
        now: i64,
    ) -> anyhow::Result<Option<Coupon>> {
        self.move_coupon(
            "UPDATE coupons SET state = 'reserved', order_ref = $3 WHERE community = $1 AND id = $2
               AND (state = 'issued' AND (expires_at IS NULL OR expires_at > $4) OR state = 'reserved' AND order_ref = $3)
             RETURNING *",
            (community, id, order, now),
        )
        .await
    }

    /// The order was paid with it. None where it is not reserved for that order.
    pub(crate) async fn use_coupon(
        &self,
        community: &Id,
        id: &Id,
        order: &str,
        now: i64,
    ) -> anyhow::Result<Option<Coupon>> {
        self.move_coupon(
            "UPDATE coupons SET state = 'used' WHERE community = $1 AND id = $2 AND order_ref = $3 AND state = 'reserved'
             RETURNING *",
            (community, id, order, now),
        )
        .await
    }

    /// The order was not paid, or was paid back: the member has it again, unless it was revoked or has expired meanwhile. None where it
    /// is not that order's.
    pub(crate) async fn return_coupon(
        &self,
        community: &Id,
        id: &Id,
        order: &str,
        now: i64,
    ) -> anyhow::Result<Option<Coupon>> {
        self.move_coupon(
            "UPDATE coupons SET order_ref = NULL, state = CASE
                 WHEN is_revoked = 1 THEN 'revoked'
                 WHEN expires_at <= $4 THEN 'expired' ELSE 'issued' END
               WHERE community = $1 AND id = $2 AND order_ref = $3 AND state IN ('reserved', 'used')
             RETURNING *",
            (community, id, order, now),
        )
        .await
    }

    /// Moves a coupon, and leaves its news to the activity that gave it: in one transaction, so that what is told is so.
    async fn move_coupon(
        &self,
        text: &'static str,
        (community, id, order, now): (&Id, &Id, &str, i64),
    ) -> anyhow::Result<Option<Coupon>> {
        let mut tx = self.begin().await?;
        let moved = sqlx::query(text)
            .bind(community.as_str())
            .bind(id.as_str())
            .bind(order)
            .bind(now)
            .fetch_optional(&mut *tx)
            .await?;
        let moved = moved.as_ref().map(read).transpose()?;
        if let Some(coupon) = &moved {
            for event in coupon.news(order, now) {
                put(&mut tx, (community, &coupon.activity), (&event, &coupon.stream()), now).await?;
            }
        }
        tx.commit().await?;
        Ok(moved)
    }

    /// Ends some coupons whose time is over and that nobody has reserved; answers whose activities have news of it.
    pub(crate) async fn expire_coupons(&self, now: i64) -> anyhow::Result<BTreeSet<ActivityId>> {
        let due = sqlx::query("SELECT 1 FROM coupons WHERE state = 'issued' AND expires_at <= $1 LIMIT 1")
            .bind(now)
            .fetch_optional(&self.reader)
            .await?;
        if due.is_none() {
            return Ok(BTreeSet::new());
        }
        let mut tx = self.begin().await?;
        let rows = sqlx::query(
            "UPDATE coupons SET state = 'expired' WHERE state = 'issued' AND expires_at <= $1 AND (community, id) IN (
               SELECT community, id FROM coupons WHERE state = 'issued' AND expires_at <= $1
               ORDER BY expires_at, community, id LIMIT $2)
             RETURNING *",
        )
        .bind(now)
        .bind(EXPIRED_AT_ONCE)
        .fetch_all(&mut *tx)
        .await?;
        let mut expired: Vec<(Id, Coupon)> =
            rows.iter().map(|row| Ok((row.id("community")?, read(row)?))).collect::<anyhow::Result<_>>()?;
        // Activities in one order everywhere, so that two hosts never wait for each other.
        expired.sort_by(|(one, a), (other, b)| (one, &a.activity, &a.id).cmp(&(other, &b.activity, &b.id)));
        let mut told = BTreeSet::new();
        for (community, coupon) in expired {
            for event in coupon.news("", now) {
                put(&mut tx, (&community, &coupon.activity), (&event, &coupon.stream()), now).await?;
            }
            told.insert(ActivityId { community, activity: coupon.activity });
        }
        tx.commit().await?;
        Ok(told)
    }
}

/// Issues the coupon of a hold, or takes it back: false where it is no longer what it was when that was decided.
pub(super) async fn change(
    tx: &mut Transaction,
    activity: &ActivityId,
    hold: &str,
    change: &CouponMove,
) -> anyhow::Result<bool> {
    let changed = match change {
        CouponMove::Issue { id, member, template, at, expires_at } => {
            sqlx::query(
                "INSERT INTO coupons (community, id, activity, key, member, template, state, issued_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(activity.community.as_str())
            .bind(id.as_str())
            .bind(activity.activity.as_str())
            .bind(hold.as_bytes())
            .bind(member.as_str())
            .bind(template.as_str())
            .bind(word(CouponState::Issued))
            .bind(*at)
            .bind(*expires_at)
            .execute(&mut **tx)
            .await?
        }
        CouponMove::Revoke { id, from } => {
            sqlx::query(
                "UPDATE coupons SET is_revoked = 1, state = CASE state WHEN 'issued' THEN 'revoked' ELSE state END
                 WHERE community = $1 AND id = $2 AND state = $3",
            )
            .bind(activity.community.as_str())
            .bind(id.as_str())
            .bind(word(*from))
            .execute(&mut **tx)
            .await?
        }
    };
    Ok(changed.rows_affected() == 1)
}

fn read(row: &AnyRow) -> anyhow::Result<Coupon> {
    Ok(Coupon {
        id: row.id("id")?,
        activity: row.id("activity")?,
        member: row.id("member")?,
        template: row.id("template")?,
        reward: row.key("key")?,
        state: row.word("state")?,
        order: row.text_or_none("order_ref")?,
        issued_at: row.int("issued_at")?,
        expires_at: row.int_or_none("expires_at")?,
    })
}
