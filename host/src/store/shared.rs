//! What activities share, as a commit changes it: each by a statement whose condition is the rule.

use super::{
    budgets, codes,
    columns::word,
    commit::Part,
    coupons,
    database::Transaction,
    members::{self, Bound},
    payables, points, shipments, stock,
};

/// Changes what a part shares with others, or takes the part's head back and answers false.
pub(super) async fn change_shared(tx: &mut Transaction, part: &Part) -> anyhow::Result<bool> {
    sqlx::query("SAVEPOINT part").execute(&mut **tx).await?;
    if try_shared(tx, part).await? {
        sqlx::query("RELEASE SAVEPOINT part").execute(&mut **tx).await?;
        return Ok(true);
    }
    sqlx::query("ROLLBACK TO SAVEPOINT part").execute(&mut **tx).await?;
    sqlx::query("RELEASE SAVEPOINT part").execute(&mut **tx).await?;
    sqlx::query(
        "UPDATE activity_heads SET seq = $3, lifecycle = $4, started_at = $5, now = $6, stored_bytes = $7, faults = faults - $8
         WHERE community = $1 AND activity = $2",
    )
    .bind(part.id.community.as_str())
    .bind(part.id.activity.as_str())
    .bind(part.from.seq)
    .bind(word(part.from.lifecycle))
    .bind(part.from.started_at)
    .bind(part.from.now)
    .bind(part.from.stored_bytes)
    .bind(part.to.faults - part.from.faults)
    .execute(&mut **tx)
    .await?;
    Ok(false)
}

async fn try_shared(tx: &mut Transaction, part: &Part) -> anyhow::Result<bool> {
    let Part { id, budget, effects, to, .. } = part;
    let community = &id.community;
    // The community's row first, as whoever else locks it does.
    if !bind_inviters(tx, part).await? {
        return Ok(false);
    }
    if effects.budget != Default::default() {
        let Some(budget) = budget else { return Ok(false) };
        if !budgets::change(tx, community, budget, &effects.budget).await? {
            return Ok(false);
        }
    }
    for (pool, change) in &effects.stock {
        if !stock::change(tx, community, pool, *change).await? {
            return Ok(false);
        }
    }
    for (pool, hold, to) in &effects.codes {
        if !codes::change(tx, id, pool, hold, *to).await? {
            return Ok(false);
        }
    }
    // In order within an account, and the accounts in one order everywhere.
    let mut moves: Vec<_> = effects.points.iter().collect();
    moves.sort_by(|a, b| a.account.cmp(&b.account));
    for moved in moves {
        if !points::change(tx, id, moved, to.now).await? {
            return Ok(false);
        }
    }
    for (member, change) in &effects.payables {
        if !payables::change(tx, community, member, *change).await? {
            return Ok(false);
        }
    }
    for (hold, change) in &effects.coupons {
        if !coupons::change(tx, id, hold, change).await? {
            return Ok(false);
        }
    }
    for (hold, change) in &effects.shipments {
        if !shipments::change(tx, id, hold, change).await? {
            return Ok(false);
        }
    }
    for (member, at) in &effects.ordered {
        sqlx::query(
            "UPDATE members SET first_order_at = $3 WHERE community = $1 AND id = $2 AND first_order_at IS NULL",
        )
        .bind(community.as_str())
        .bind(member.as_str())
        .bind(*at)
        .execute(&mut **tx)
        .await?;
    }
    Ok(true)
}

/// False where one of them has been brought by somebody else meanwhile, or is above who is to have brought them.
async fn bind_inviters(tx: &mut Transaction, part: &Part) -> anyhow::Result<bool> {
    for (invitee, inviter) in &part.effects.inviters {
        if members::bind(tx, &part.id.community, invitee, inviter).await? != Bound::Yes {
            return Ok(false);
        }
    }
    Ok(true)
}
