//! `/v1/communities/{community}/rules`: what a community has decided for all its activities.

use axum::{Json, extract::State};

use crate::domain::rules::Rules;

use super::{
    communities,
    extract::{Body, CommunityPath, Ids},
    problem::Problem,
    router::App,
};

/// Sets the rules: each part that is left out is as it was at the beginning. Activities follow within two seconds.
#[utoipa::path(put, path = "/v1/communities/{community}/rules", tag = "communities", params(CommunityPath),
    request_body = Rules, responses((status = 200, body = Rules)))]
pub(crate) async fn put(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Body(rules): Body<Rules>,
) -> Result<Json<Rules>, Problem> {
    communities::find(&app, &community).await?;
    rules
        .check()
        .map_err(|why| Problem::unprocessable("rules.invalid", format!("These rules make no sense: {why}.")))?;
    app.activities.store.set_rules(&community, &rules).await?;
    Ok(Json(rules))
}

/// The rules as they are.
#[utoipa::path(get, path = "/v1/communities/{community}/rules", tag = "communities", params(CommunityPath), responses((status = 200, body = Rules)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
) -> Result<Json<Rules>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json((*app.activities.store.rules(&community).await?).clone()))
}
