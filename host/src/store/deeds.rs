//! What a platform did once under a key of its own: a retry does nothing again.

use crate::domain::id::Id;

use super::{columns::Columns, database::Transaction};

/// What a key was used for before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// The very same, or it has just been done.
    Same,
    /// Something else.
    Other,
}

/// Takes the key for this input, or says what it was used for.
pub(super) async fn begin(
    tx: &mut Transaction,
    community: &Id,
    kind: &str,
    key: &str,
    input: &str,
    now: i64,
) -> anyhow::Result<Option<Deed>> {
    let taken = sqlx::query(
        "INSERT INTO deeds (community, kind, key, input, at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (community, kind, key) DO NOTHING",
    )
    .bind(community.as_str())
    .bind(kind)
    .bind(key)
    .bind(input)
    .bind(now)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if taken == 1 {
        return Ok(None);
    }
    let row = sqlx::query("SELECT input FROM deeds WHERE community = $1 AND kind = $2 AND key = $3")
        .bind(community.as_str())
        .bind(kind)
        .bind(key)
        .fetch_one(&mut **tx)
        .await?;
    Ok(Some(if row.text("input")? == input { Deed::Same } else { Deed::Other }))
}
