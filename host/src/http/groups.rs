//! `/v1/communities/{community}/groups`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::{
    group::{Group, GroupProfile, REGION_CHARS_MAX},
    id::Id,
};

use super::{
    communities::{self, check_name},
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    problem::Problem,
    router::App,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct GroupPath {
    #[param(value_type = String)]
    pub community: Id,
    #[param(value_type = String)]
    pub group: Id,
}

pub(super) async fn find(app: &App, community: &Id, group: &Id) -> Result<Group, Problem> {
    app.activities.store.group(community, group).await?.ok_or_else(|| Problem::not_found("group"))
}

/// Creates or updates a group.
#[utoipa::path(put, path = "/v1/communities/{community}/groups/{group}", tag = "groups", params(GroupPath),
    request_body = GroupProfile, responses((status = 200, body = Group)))]
pub(crate) async fn put(
    State(app): State<App>,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
    Body(profile): Body<GroupProfile>,
) -> Result<Json<Group>, Problem> {
    communities::find(&app, &community).await?;
    check_name(&profile.name)?;
    if let Some(region) = &profile.region {
        check_name(region)?;
        if region.chars().count() > REGION_CHARS_MAX {
            return Err(Problem::unprocessable(
                "group.region",
                format!("A region has at most {REGION_CHARS_MAX} characters."),
            ));
        }
    }
    if let Some(parent) = &profile.parent
        && (parent == &group || app.activities.store.group(&community, parent).await?.is_none())
    {
        return Err(Problem::unprocessable("group.unknown-parent", format!("{parent:?} cannot be the parent.")));
    }
    app.activities.store.put_group(&community, &group, &profile).await?;
    Ok(Json(find(&app, &community, &group).await?))
}

/// One group.
#[utoipa::path(get, path = "/v1/communities/{community}/groups/{group}", tag = "groups", params(GroupPath), responses((status = 200, body = Group)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
) -> Result<Json<Group>, Problem> {
    Ok(Json(find(&app, &community, &group).await?))
}

/// Every group, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/groups", tag = "groups", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<Group>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<Group>>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json(Listing::of(app.activities.store.groups(&community, &page).await?, |group| group)))
}
