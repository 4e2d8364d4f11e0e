//! `/v1/communities/{community}/members`.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::{
    id::Id,
    member::{Member, MemberProfile, MemberStatus},
};

use super::{
    communities::{self, check_name, check_time_zone},
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    identity::Principal,
    problem::Problem,
    router::App,
};

/// Tags and clusters of one member.
const LABELS_MAX: usize = 100;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberPath {
    #[param(value_type = String)]
    pub community: Id,
    #[param(value_type = String)]
    pub member: Id,
}

impl MemberPath {
    /// Lets in the platform, and members to what is their own; the member must exist.
    pub(crate) async fn of(&self, app: &App, principal: &Principal) -> Result<(), Problem> {
        if matches!(principal, Principal::Member(own) if *own != self.member) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "http.forbidden", "A member sees what is their own."));
        }
        match app.activities.store.member(&self.community, &self.member).await? {
            Some(_) => Ok(()),
            None => Err(Problem::not_found("member")),
        }
    }
}

/// Creates or updates a member. What is left out keeps its value.
#[utoipa::path(put, path = "/v1/communities/{community}/members/{member}", tag = "members", params(MemberPath),
    request_body = MemberProfile, responses((status = 200, body = Member)))]
pub(crate) async fn put(
    State(app): State<App>,
    Ids(MemberPath { community, member }): Ids<MemberPath>,
    Body(profile): Body<MemberProfile>,
) -> Result<Json<Member>, Problem> {
    let home = communities::find(&app, &community).await?;
    check_profile(&profile)?;
    let defaults = Member {
        id: member.clone(),
        status: MemberStatus::Active,
        tier: "ordinary".into(),
        tags: Vec::new(),
        clusters: Vec::new(),
        time_zone: home.time_zone,
        channel: None,
        registered_at: app.activities.clock.now(),
        first_order_at: None,
        inviter: None,
    };
    Ok(Json(app.activities.store.put_member(&community, &member, &profile, &defaults).await?))
}

fn check_profile(profile: &MemberProfile) -> Result<(), Problem> {
    if let Some(zone) = &profile.time_zone {
        check_time_zone(zone)?;
    }
    for labels in [&profile.tags, &profile.clusters].into_iter().flatten() {
        if labels.len() > LABELS_MAX {
            return Err(Problem::unprocessable(
                "member.labels",
                format!("A member has at most {LABELS_MAX} tags and as many clusters."),
            ));
        }
        labels.iter().try_for_each(|label| check_name(label))?;
    }
    [&profile.tier, &profile.channel].into_iter().flatten().try_for_each(|name| check_name(name))
}

/// One member.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}", tag = "members", params(MemberPath), responses((status = 200, body = Member)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(MemberPath { community, member }): Ids<MemberPath>,
) -> Result<Json<Member>, Problem> {
    let member = app.activities.store.member(&community, &member).await?;
    Ok(Json(member.ok_or_else(|| Problem::not_found("member"))?))
}

/// Every member, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/members", tag = "members", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<Member>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<Member>>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json(Listing::of(app.activities.store.members(&community, &page).await?, |member| member)))
}
