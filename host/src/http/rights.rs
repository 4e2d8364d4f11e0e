//! What members may do beyond taking part, by their roles in groups. Operators and apps may do what the route table lets them.

use axum::http::StatusCode;

use crate::domain::{
    activity::Scope,
    group::{GroupRole, Membership, Reach, Right},
    id::Id,
    member::MemberStatus,
};

use crate::store::groups::MEMBERSHIPS_MAX;

use super::{identity::Principal, problem::Problem, router::App};

/// Whom a deed was done by, as it is kept: `operator`, `app`, or `member/ID`.
pub(super) fn name(principal: &Principal) -> String {
    match principal {
        Principal::Operator(_) => "operator".into(),
        Principal::App => "app".into(),
        Principal::Member(member) => format!("member/{member}"),
    }
}

/// A role does not let somebody do this, or a member may not act at all.
pub(super) fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "group.forbidden", detail)
}

/// The member's places in groups, of one who may act at all and is not muted there.
async fn places(app: &App, community: &Id, member: &Id) -> Result<Vec<Membership>, Problem> {
    let store = &app.activities.store;
    let known = store.member(community, member).await?;
    if known.is_none_or(|member| member.status != MemberStatus::Active) {
        return Err(forbidden("This member may not act now."));
    }
    let now = app.activities.clock.now();
    let places = store.memberships(community, member, MEMBERSHIPS_MAX).await?;
    Ok(places.into_iter().filter(|place| place.muted_until <= now).collect())
}

/// Lets in who may do this where it is to be done; answers how far they reach.
pub(super) async fn allow(
    app: &App,
    principal: &Principal,
    community: &Id,
    right: Right,
    scope: &Scope,
) -> Result<Reach, Problem> {
    let Principal::Member(member) = principal else { return Ok(Reach::Everywhere) };
    let places = places(app, community, member).await?;
    if places.iter().any(|place| place.role.reach(right) == Reach::Everywhere) {
        return Ok(Reach::Everywhere);
    }
    let own = |group: &Id| places.iter().any(|place| place.group == *group && place.role.reach(right) == Reach::Own);
    match scope {
        Scope::Groups(groups) if !groups.is_empty() && groups.iter().all(own) => Ok(Reach::Own),
        _ => Err(forbidden("Your role does not let you do this here.")),
    }
}

/// The same, in one group.
pub(super) async fn allow_in(
    app: &App,
    principal: &Principal,
    (community, group): (&Id, &Id),
    right: Right,
) -> Result<Reach, Problem> {
    allow(app, principal, community, right, &Scope::Groups(vec![group.clone()])).await
}

/// Lets in who may set budgets; answers how far they reach.
pub(super) async fn allow_budgets(app: &App, principal: &Principal, community: &Id) -> Result<Reach, Problem> {
    let Principal::Member(member) = principal else { return Ok(Reach::Everywhere) };
    let places = places(app, community, member).await?;
    let reaches = places.iter().map(|place| place.role.reach(Right::Create));
    let widest =
        reaches.max_by_key(|reach| [Reach::Nowhere, Reach::Own, Reach::Everywhere].iter().position(|one| one == reach));
    match widest {
        Some(reach @ (Reach::Own | Reach::Everywhere)) => Ok(reach),
        _ => Err(forbidden("Budgets are set by owners of groups.")),
    }
}

/// The member's highest role: in the group, or chief owner anywhere.
pub(super) async fn role_in(app: &App, community: &Id, group: &Id, member: &Id) -> Result<Option<GroupRole>, Problem> {
    let places = places(app, community, member).await?;
    let counts = |place: &&Membership| place.group == *group || place.role == GroupRole::ChiefOwner;
    Ok(places.iter().filter(counts).map(|place| place.role).max_by_key(|role| role.rank()))
}

/// The rank of somebody something is done to, whether or not they may act: in the group, or as a chief owner anywhere. None where they
/// have no place.
pub(super) async fn rank_of(app: &App, community: &Id, group: &Id, member: &Id) -> Result<Option<u8>, Problem> {
    let places = app.activities.store.memberships(community, member, MEMBERSHIPS_MAX).await?;
    let counts = |place: &&Membership| place.group == *group || place.role == GroupRole::ChiefOwner;
    Ok(places.iter().filter(counts).map(|place| place.role.rank()).max())
}
