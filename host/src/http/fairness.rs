//! `…/fairness`: what chance has decided in an activity, for everybody to check.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::chance::{Draw, commitment, told_seed};

use super::{
    extract::{ActivityPath, Ids, Paging, PagingQuery},
    problem::Problem,
    router::App,
};

/// The draws of one call.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallDraws {
    /// The call's number in the journal: part of what each draw is made of.
    seq: i64,
    draws: Vec<Draw>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Fairness {
    /// SHA-256 of the seed and the activity's id, in hexadecimal: known from the beginning.
    commitment: String,
    /// The seed in hexadecimal, once the activity is settled or was called off; null before.
    seed: Option<String>,
    /// Draws of the calls of this page; none before the seed is told.
    items: Vec<CallDraws>,
    next_cursor: Option<String>,
}

/// What chance has decided. `docs/fairness.md` tells how to make each draw again.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}/fairness", tag = "activities",
    params(ActivityPath, PagingQuery), responses((status = 200, body = Fairness)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(path): Ids<ActivityPath>,
    Paging(page): Paging,
) -> Result<Json<Fairness>, Problem> {
    let id = path.id();
    let found = app.activities.store.activity(&id).await?;
    let (activity, head) = found.ok_or_else(|| Problem::not_found("activity"))?;
    let (commitment, seed) = (commitment(&activity), told_seed(&activity, head.lifecycle));
    if seed.is_none() {
        return Ok(Json(Fairness { commitment, seed, items: Vec::new(), next_cursor: None }));
    }
    let calls = app.activities.store.journal(&id, &page).await?;
    let draws = calls.items.iter().map(|call| CallDraws { seq: call.seq, draws: Draw::of_facts(call.facts.get()) });
    let items = draws.filter(|call| !call.draws.is_empty()).collect();
    Ok(Json(Fairness { commitment, seed, items, next_cursor: calls.next }))
}
