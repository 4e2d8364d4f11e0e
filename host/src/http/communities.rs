//! `/v1/communities`.

use axum::{Json, extract::State};

use crate::domain::{
    community::{Community, CommunityProfile},
    id::Id,
};

use super::{
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    problem::Problem,
    router::App,
};

const NAME_CHARS_MAX: usize = 200;

/// A name that people read.
pub(crate) fn check_name(name: &str) -> Result<(), Problem> {
    if (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Problem::unprocessable(
        "http.bad-name",
        format!("A name has 1 to {NAME_CHARS_MAX} characters, none of them control characters."),
    ))
}

pub(crate) fn check_time_zone(name: &str) -> Result<(), Problem> {
    match jiff::tz::db().get(name) {
        Ok(_) => Ok(()),
        Err(_) => Err(Problem::unprocessable(
            "http.unknown-time-zone",
            format!("{name:?} is no IANA time zone, such as Asia/Shanghai."),
        )),
    }
}

/// The community, or a 404.
pub(crate) async fn find(app: &App, id: &Id) -> Result<Community, Problem> {
    app.activities.store.community(id).await?.ok_or_else(|| Problem::not_found("community"))
}

/// Creates or updates a community. Its currency stays what it was at first.
#[utoipa::path(put, path = "/v1/communities/{community}", tag = "communities", params(CommunityPath),
    request_body = CommunityProfile, responses((status = 200, body = Community)))]
pub(crate) async fn put(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Body(profile): Body<CommunityProfile>,
) -> Result<Json<Community>, Problem> {
    check_name(&profile.name)?;
    check_time_zone(&profile.time_zone)?;
    let known = app.activities.store.community(&community).await?;
    if known.is_some_and(|known| known.currency != profile.currency) {
        return Err(Problem::conflict(
            "community.currency",
            "A community keeps its currency: its amounts are counted in it.",
        ));
    }
    Ok(Json(app.activities.store.put_community(&community, &profile, app.activities.clock.now()).await?))
}

/// One community.
#[utoipa::path(get, path = "/v1/communities/{community}", tag = "communities", params(CommunityPath), responses((status = 200, body = Community)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
) -> Result<Json<Community>, Problem> {
    Ok(Json(find(&app, &community).await?))
}

/// Every community.
#[utoipa::path(get, path = "/v1/communities", tag = "communities", params(PagingQuery), responses((status = 200, body = Listing<Community>)))]
pub(crate) async fn list(State(app): State<App>, Paging(page): Paging) -> Result<Json<Listing<Community>>, Problem> {
    Ok(Json(Listing::of(app.activities.store.communities(&page).await?, |community| community)))
}
