//! `/v1/communities/{community}/groups/{group}/members`: who is in a group, who is invited, who goes.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::{
        group::{GroupRole, Membership, MembershipProfile, Right},
        id::Id,
    },
    store::{
        groups::{self as store_groups, ADMINISTRATORS_MAX, Going, Joined},
        members::InviteStats,
    },
};

use super::{
    extract::{Asked, Body, Ids, Listing, Paging, PagingQuery},
    groups::{self, GroupPath},
    identity::Principal,
    members::MemberPath,
    problem::Problem,
    rights,
    router::App,
};

/// Owners of more groups than that have too little time for each.
const OWNED_GROUPS_MAX: usize = 10;

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

/// A member's place in a group, and what an operator should know.
#[derive(Serialize, ToSchema)]
pub(crate) struct Placed {
    #[serde(flatten)]
    membership: Membership,
    /// Sentences.
    warnings: Vec<String>,
}

fn joined(joined: Option<Joined>) -> Result<Membership, Problem> {
    match joined {
        Some(Joined::Yes(membership)) => Ok(membership),
        Some(Joined::Full) => Err(Problem::conflict("group.full", "The group has as many members as it may.")),
        Some(Joined::Administered) => Err(Problem::conflict(
            "group.administrators",
            format!("A group has at most {ADMINISTRATORS_MAX} administrators."),
        )),
        Some(Joined::Inactive) => Err(rights::forbidden("This member may not act now.")),
        Some(Joined::NotInvited) => {
            Err(Problem::new(StatusCode::FORBIDDEN, "group.not-invited", "Into this group one is invited."))
        }
        None => Err(Problem::not_found("group")),
    }
}

async fn check_member(app: &App, community: &Id, member: &Id) -> Result<(), Problem> {
    match app.activities.store.member(community, member).await? {
        Some(_) => Ok(()),
        None => Err(Problem::not_found("member")),
    }
}

/// Puts a member into a group, or changes the role. Only an operator makes chief owners, or makes them something else.
#[utoipa::path(put, path = "/v1/communities/{community}/groups/{group}/members/{member}", tag = "groups", params(MembershipPath),
    request_body = MembershipProfile, responses((status = 200, body = Placed)))]
pub(crate) async fn put(
    State(app): State<App>,
    principal: Principal,
    Ids(MembershipPath { community, group, member }): Ids<MembershipPath>,
    Body(profile): Body<MembershipProfile>,
) -> Result<Json<Placed>, Problem> {
    groups::find(&app, &community, &group).await?;
    check_member(&app, &community, &member).await?;
    let store = &app.activities.store;
    if matches!(principal, Principal::App) {
        let before = store.membership(&community, &group, &member).await?.map(|before| before.role);
        if [Some(profile.role), before].contains(&Some(GroupRole::ChiefOwner)) {
            let detail = "Only an operator makes chief owners, or makes them something else.";
            return Err(Problem::new(StatusCode::FORBIDDEN, "http.forbidden", detail));
        }
    }
    if let Some(inviter) = &profile.invited_by
        && (*inviter == member || store.member(&community, inviter).await?.is_none())
    {
        let detail = "Who brought a member is another member of the community.";
        return Err(Problem::unprocessable("group.unknown-inviter", detail));
    }
    let of = (&community, &group, &member);
    let membership = joined(store.put_membership(of, &profile, app.activities.clock.now()).await?)?;
    let mut warnings = Vec::new();
    if membership.role == GroupRole::Owner {
        let places = store.memberships(&community, &member, 1_000).await?;
        let owned = places.iter().filter(|place| place.role == GroupRole::Owner).count();
        if owned > OWNED_GROUPS_MAX {
            warnings
                .push(format!("{member} owns {owned} groups; {OWNED_GROUPS_MAX} are as many as one looks after well."));
        }
    }
    Ok(Json(Placed { membership, warnings }))
}

/// A member's place in a group.
#[utoipa::path(get, path = "/v1/communities/{community}/groups/{group}/members/{member}", tag = "groups", params(MembershipPath),
    responses((status = 200, body = Membership)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(MembershipPath { community, group, member }): Ids<MembershipPath>,
) -> Result<Json<Membership>, Problem> {
    let membership = app.activities.store.membership(&community, &group, &member).await?;
    Ok(Json(membership.ok_or_else(|| Problem::not_found("member of this group"))?))
}

/// Who is in a group, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/groups/{group}/members", tag = "groups", params(GroupPath, PagingQuery),
    responses((status = 200, body = Listing<Membership>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<Membership>>, Problem> {
    groups::find(&app, &community, &group).await?;
    Ok(Json(Listing::of(app.activities.store.group_members(&community, &group, &page).await?, |membership| membership)))
}

/// Takes a member out of a group, or an invitation back. Members leave by themselves; administrators and owners take out whoever
/// has a lower role than they have.
#[utoipa::path(delete, path = "/v1/communities/{community}/groups/{group}/members/{member}", tag = "groups", params(MembershipPath),
    responses((status = 204)))]
pub(crate) async fn remove(
    State(app): State<App>,
    principal: Principal,
    Ids(MembershipPath { community, group, member }): Ids<MembershipPath>,
) -> Result<StatusCode, Problem> {
    let store = &app.activities.store;
    if matches!(principal, Principal::App)
        && store.membership(&community, &group, &member).await?.is_some_and(|place| place.role == GroupRole::ChiefOwner)
    {
        let detail = "Only an operator makes chief owners, or makes them something else.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "http.forbidden", detail));
    }
    let is_own = matches!(&principal, Principal::Member(who) if *who == member);
    if let Principal::Member(who) = &principal
        && !is_own
    {
        rights::allow_in(&app, &principal, (&community, &group), Right::Remove).await?;
        let own = rights::role_in(&app, &community, &group, who).await?.map_or(0, GroupRole::rank);
        if rights::rank_of(&app, &community, &group, &member).await? >= Some(own) {
            let detail = "Who is taken out has a lower role than who takes them out.";
            return Err(rights::forbidden(detail));
        }
    }
    let how = if is_own { Going::ByThemselves } else { Going::TakenOut };
    match store.remove_membership((&community, &group, &member), how, app.activities.clock.now()).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("member of this group")),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invitation {
    #[schema(value_type = String)]
    member: Id,
}

/// An invitation that is open.
#[derive(Serialize, ToSchema)]
pub(crate) struct Invited {
    #[schema(value_type = String)]
    group: Id,
    #[schema(value_type = String)]
    member: Id,
    /// Whoever was first has invited.
    #[schema(value_type = Option<String>)]
    invited_by: Option<Id>,
}

/// Invites another member of the community into a group that one is in.
#[utoipa::path(post, path = "/v1/communities/{community}/groups/{group}/invitations", tag = "groups", params(GroupPath),
    request_body = Invitation, responses((status = 200, body = Invited)))]
pub(crate) async fn invite(
    State(app): State<App>,
    principal: Principal,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
    Body(Invitation { member }): Body<Invitation>,
) -> Result<Json<Invited>, Problem> {
    let Principal::Member(inviter) = &principal else { return Err(Problem::fault()) };
    groups::find(&app, &community, &group).await?;
    rights::allow_in(&app, &principal, (&community, &group), Right::TakePart).await?;
    check_member(&app, &community, &member).await?;
    let of = (&community, &group, &member);
    let store = &app.activities.store;
    let may_bring_back = rights::allow_in(&app, &principal, (&community, &group), Right::Remove).await.is_ok();
    match store.invite(of, (inviter, may_bring_back), app.activities.clock.now()).await? {
        store_groups::Invited::Open => {}
        store_groups::Invited::AlreadyIn => {
            return Err(Problem::conflict("group.already-in", "This member is in the group."));
        }
        store_groups::Invited::TakenOut => {
            let detail = "This member was taken out; an administrator may bring them back.";
            return Err(rights::forbidden(detail));
        }
    }
    let invited_by = store.invitation(of).await?;
    Ok(Json(Invited { group, member, invited_by }))
}

/// Comes into a group that one was invited into.
#[utoipa::path(post, path = "/v1/communities/{community}/groups/{group}/join", tag = "groups", params(GroupPath),
    responses((status = 200, body = Membership)))]
pub(crate) async fn join(
    State(app): State<App>,
    principal: Principal,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
) -> Result<Json<Membership>, Problem> {
    let Principal::Member(member) = &principal else { return Err(Problem::fault()) };
    let of = (&community, &group, member);
    Ok(Json(joined(app.activities.store.accept_invitation(of, app.activities.clock.now()).await?)?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsQuery {
    /// Only those whom this member has brought.
    #[param(value_type = Option<String>)]
    inviter: Option<Id>,
    /// Only those who came since, in UTC milliseconds.
    since: Option<i64>,
}

/// What became of those who were brought into a group: invited, come in, ordered, gone again.
#[utoipa::path(get, path = "/v1/communities/{community}/groups/{group}/invite-stats", tag = "groups", params(GroupPath, StatsQuery),
    responses((status = 200, body = InviteStats)))]
pub(crate) async fn group_stats(
    State(app): State<App>,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
    Asked(StatsQuery { inviter, since }): Asked<StatsQuery>,
) -> Result<Json<InviteStats>, Problem> {
    groups::find(&app, &community, &group).await?;
    let since = since.unwrap_or(i64::MIN);
    Ok(Json(app.activities.store.group_invite_stats(&community, &group, inviter.as_ref(), since).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SinceQuery {
    /// Only those who registered since, in UTC milliseconds.
    since: Option<i64>,
}

/// What became of those whom a member has brought into the community.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/invite-stats", tag = "members", params(MemberPath, SinceQuery),
    responses((status = 200, body = InviteStats)))]
pub(crate) async fn member_stats(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    Asked(SinceQuery { since }): Asked<SinceQuery>,
) -> Result<Json<InviteStats>, Problem> {
    path.of(&app, &principal).await?;
    let since = since.unwrap_or(i64::MIN);
    Ok(Json(app.activities.store.invite_stats(&path.community, &path.member, since).await?))
}
