//! `/v1/communities/{community}/members`.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::{
        id::Id,
        member::{Member, MemberProfile, MemberStatus},
        rules::is_language,
    },
    effects::Inviter,
    store::members::Bound,
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

/// Where a member came from.
const SOURCE_BYTES_MAX: usize = 128;

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
        language: None,
    };
    Ok(Json(app.activities.store.put_member(&community, &member, &profile, &defaults).await?))
}

fn check_profile(profile: &MemberProfile) -> Result<(), Problem> {
    if let Some(zone) = &profile.time_zone {
        check_time_zone(zone)?;
    }
    if profile.language.as_deref().is_some_and(|language| !is_language(language)) {
        return Err(Problem::unprocessable("member.language", "A language is a tag as in BCP 47: en, zh-Hant."));
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

/// Who brought a member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Binding {
    #[schema(value_type = String)]
    inviter: Id,
    /// Where: at most 128 bytes.
    #[serde(default)]
    source: String,
}

/// Says who brought a member, once and for ever.
#[utoipa::path(put, path = "/v1/communities/{community}/members/{member}/inviter", tag = "members", params(MemberPath),
    request_body = Binding, responses((status = 200, body = Member)))]
pub(crate) async fn bind(
    State(app): State<App>,
    Ids(MemberPath { community, member }): Ids<MemberPath>,
    Body(Binding { inviter, source }): Body<Binding>,
) -> Result<Json<Member>, Problem> {
    if source.len() > SOURCE_BYTES_MAX || source.contains('\0') {
        return Err(Problem::unprocessable("member.source", format!("A source has at most {SOURCE_BYTES_MAX} bytes.")));
    }
    let store = &app.activities.store;
    for known in [&member, &inviter] {
        if store.member(&community, known).await?.is_none() {
            return Err(Problem::not_found("member"));
        }
    }
    if member == inviter {
        return Err(Problem::unprocessable("member.self-invitation", "Nobody brings themselves."));
    }
    match store.bind_inviter(&community, &member, &Inviter { inviter, source }).await? {
        Bound::Yes | Bound::Before => show(State(app), Ids(MemberPath { community, member })).await,
        Bound::Already => Err(Problem::conflict("member.already-bound", "Somebody else has brought this member.")),
        Bound::Cycle => Err(Problem::conflict("member.cycle", "This member is above the other one.")),
    }
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
