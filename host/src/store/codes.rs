//! Codes of virtual goods. Each is a unit of the stock pool of the same name, whose row is locked before a code is chosen.

use crate::{
    domain::{activity::ActivityId, id::Id},
    effects::CodeMove,
};

use super::{Store, columns::Columns, database::Transaction};

impl Store {
    /// Adds codes to a pool, which is made if it is missing; those it has already are left alone. Answers how many are
    /// new, or none where the pool is of goods.
    pub(crate) async fn add_codes(&self, community: &Id, pool: &Id, codes: &[String]) -> anyhow::Result<Option<i64>> {
        let mut tx = self.begin().await?;
        let mut added = 0;
        // In one order everywhere, so that two uploads never wait for each other.
        let codes: std::collections::BTreeSet<&String> = codes.iter().collect();
        for code in codes {
            let inserted = sqlx::query(
                "INSERT INTO codes (community, pool, code, state) VALUES ($1, $2, $3, 'free')
                 ON CONFLICT (community, pool, code) DO NOTHING",
            )
            .bind(community.as_str())
            .bind(pool.as_str())
            .bind(code.as_str())
            .execute(&mut *tx)
            .await?;
            added += i64::try_from(inserted.rows_affected())?;
        }
        let counted = sqlx::query(
            "INSERT INTO stock_pools (community, id, is_of_codes, total) VALUES ($1, $2, 1, $3)
             ON CONFLICT (community, id) DO UPDATE SET total = stock_pools.total + $3 WHERE stock_pools.is_of_codes = 1",
        )
        .bind(community.as_str())
        .bind(pool.as_str())
        .bind(added)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if counted == 0 {
            tx.rollback().await?;
            return Ok(None);
        }
        tx.commit().await?;
        Ok(Some(added))
    }

    /// The codes that a member's rewards have revealed, by activity and key.
    pub(crate) async fn revealed_codes(
        &self,
        community: &Id,
        member: &Id,
    ) -> anyhow::Result<Vec<((Id, String), String)>> {
        let rows = sqlx::query(
            "SELECT codes.activity, codes.key, codes.code FROM holds
             JOIN codes ON codes.community = holds.community AND codes.activity = holds.activity AND codes.key = holds.key
             WHERE holds.community = $1 AND holds.beneficiary = $2 AND codes.state = 'revealed'",
        )
        .bind(community.as_str())
        .bind(member.as_str())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok(((row.id("activity")?, row.key("key")?), row.text("code")?))).collect()
    }
}

/// Moves the code of a hold; false where there is none in the state before.
pub(super) async fn change(
    tx: &mut Transaction,
    id: &ActivityId,
    pool: &Id,
    hold: &str,
    to: CodeMove,
) -> anyhow::Result<bool> {
    let text = match to {
        CodeMove::Lock => {
            "UPDATE codes SET state = 'locked', activity = $2, key = $4 WHERE community = $1 AND pool = $3 AND code =
                (SELECT code FROM codes WHERE community = $1 AND pool = $3 AND state = 'free' ORDER BY code LIMIT 1)"
        }
        CodeMove::Free => {
            "UPDATE codes SET state = 'free', activity = NULL, key = NULL
             WHERE community = $1 AND activity = $2 AND pool = $3 AND key = $4 AND state = 'locked'"
        }
        CodeMove::Reveal => {
            "UPDATE codes SET state = 'revealed'
             WHERE community = $1 AND activity = $2 AND pool = $3 AND key = $4 AND state = 'locked'"
        }
        CodeMove::Void => {
            "UPDATE codes SET state = 'void'
             WHERE community = $1 AND activity = $2 AND pool = $3 AND key = $4 AND state = 'revealed'"
        }
    };
    let moved = sqlx::query(text)
        .bind(id.community.as_str())
        .bind(id.activity.as_str())
        .bind(pool.as_str())
        .bind(hold.as_bytes())
        .execute(&mut **tx)
        .await?
        .rows_affected();
    Ok(moved == 1)
}
