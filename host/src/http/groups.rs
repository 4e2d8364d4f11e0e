//! `/v1/communities/{community}/groups`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    domain::{
        group::{Group, GroupProfile, Membership, MembershipProfile},
        id::Id,
    },
    store::groups::Joined,
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
    community: Id,
    #[param(value_type = String)]
    group: Id,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MembershipPath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    group: Id,
    #[param(value_type = String)]
    member: Id,
}

async fn find(app: &App, community: &Id, group: &Id) -> Result<Group, Problem> {
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

/// Puts a member into a group, or changes the role.
#[utoipa::path(put, path = "/v1/communities/{community}/groups/{group}/members/{member}", tag = "groups", params(MembershipPath),
    request_body = MembershipProfile, responses((status = 200, body = Membership)))]
pub(crate) async fn put_member(
    State(app): State<App>,
    Ids(MembershipPath { community, group, member }): Ids<MembershipPath>,
    Body(profile): Body<MembershipProfile>,
) -> Result<Json<Membership>, Problem> {
    let group = find(&app, &community, &group).await?;
    let store = &app.activities.store;
    if store.member(&community, &member).await?.is_none() {
        return Err(Problem::not_found("member"));
    }
    match store.put_membership(&community, &group, &member, &profile, app.activities.clock.now()).await? {
        Joined::Yes(membership) => Ok(Json(membership)),
        Joined::Full => Err(Problem::conflict("group.full", format!("The group has its {} members.", group.capacity))),
    }
}

/// A member's place in a group.
#[utoipa::path(get, path = "/v1/communities/{community}/groups/{group}/members/{member}", tag = "groups", params(MembershipPath),
    responses((status = 200, body = Membership)))]
pub(crate) async fn show_member(
    State(app): State<App>,
    Ids(MembershipPath { community, group, member }): Ids<MembershipPath>,
) -> Result<Json<Membership>, Problem> {
    let membership = app.activities.store.membership(&community, &group, &member).await?;
    Ok(Json(membership.ok_or_else(|| Problem::not_found("member of this group"))?))
}

/// Who is in a group, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/groups/{group}/members", tag = "groups", params(GroupPath, PagingQuery),
    responses((status = 200, body = Listing<Membership>)))]
pub(crate) async fn list_members(
    State(app): State<App>,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<Membership>>, Problem> {
    find(&app, &community, &group).await?;
    Ok(Json(Listing::of(app.activities.store.group_members(&community, &group, &page).await?, |membership| membership)))
}
