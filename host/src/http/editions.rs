//! `/v1/communities/{community}/activities/{activity}/editions`: the same again, and otherwise.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::Value;

use crate::{activity::Creation, domain::group::Right};

use super::{
    activities::{ActivityView, find, make, view},
    extract::{ActivityPath, Body, Ids, Listing, Paging, PagingQuery},
    identity::Principal,
    problem::Problem,
    rights,
    router::App,
};

/// Makes another edition of an activity, in its series: as that was made, with the newest enabled version of its plugin, but for what the
/// body says otherwise. The body is a JSON merge patch (RFC 7396) of a creation: `{"ends_at": …, "config": {"title": "June"}}`. Times, a pilot
/// and `capped_by_budget` are those of the body alone.
#[utoipa::path(post, path = "/v1/communities/{community}/activities/{activity}/editions", tag = "activities", params(ActivityPath),
    request_body = Creation, responses((status = 201, body = ActivityView)))]
pub(crate) async fn create(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
    Body(other): Body<Value>,
) -> Result<(StatusCode, Json<ActivityView>), Problem> {
    let (before, _) = find(&app, &path.id()).await?;
    rights::allow(&app, &principal, &before.id.community, Right::Publish, &before.scope).await?;
    let wish = Creation::edition_of(&before, &other)?;
    make(&app, &principal, &before.id.community, wish, Some(&before.series)).await
}

/// All editions of an activity's series, the first one first.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}/editions", tag = "activities",
    params(ActivityPath, PagingQuery), responses((status = 200, body = Listing<ActivityView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(path): Ids<ActivityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<ActivityView>>, Problem> {
    let (activity, _) = find(&app, &path.id()).await?;
    let page = app.activities.store.editions(&activity.id.community, &activity.series, &page).await?;
    let items = page.items.into_iter().map(view).collect::<Result<_, _>>()?;
    Ok(Json(Listing { items, next_cursor: page.next }))
}
