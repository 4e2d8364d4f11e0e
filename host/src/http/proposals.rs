//! `/v1/communities/{community}/proposals`: promotions and violations, and who decides.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::{
        group::{GroupRole, Right},
        id::Id,
        proposal::{Proposal, ProposalKind, ProposalState},
    },
    store::proposals::Decided,
};

use super::{
    communities,
    extract::{Asked, Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    groups::{self, GroupPath},
    identity::Principal,
    problem::Problem,
    rights,
    router::App,
};

const TEXT_BYTES_MAX: usize = 500;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ProposalPath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    proposal: Id,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    #[schema(value_type = String)]
    member: Id,
    /// Which rule was broken: 1 to 500 bytes.
    rule: String,
    /// What shows it: at most 500 bytes.
    #[serde(default)]
    evidence: String,
}

/// Reports that a member of the group broke one of its rules.
#[utoipa::path(post, path = "/v1/communities/{community}/groups/{group}/violations", tag = "groups", params(GroupPath),
    request_body = Report, responses((status = 201, body = Proposal)))]
pub(crate) async fn report(
    State(app): State<App>,
    principal: Principal,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
    Body(Report { member, rule, evidence }): Body<Report>,
) -> Result<(StatusCode, Json<Proposal>), Problem> {
    groups::find(&app, &community, &group).await?;
    rights::allow_in(&app, &principal, (&community, &group), Right::TakePart).await?;
    let store = &app.activities.store;
    if store.membership(&community, &group, &member).await?.is_none() {
        return Err(Problem::not_found("member of this group"));
    }
    let texts = [&rule, &evidence];
    if rule.is_empty() || texts.iter().any(|text| text.len() > TEXT_BYTES_MAX || text.contains('\0')) {
        let detail = format!("A rule has 1 to {TEXT_BYTES_MAX} bytes, evidence at most as many.");
        return Err(Problem::unprocessable("proposal.text", detail));
    }
    let proposal = Proposal {
        id: Id::random("prp"),
        kind: ProposalKind::Violation,
        group,
        member,
        reason: rule,
        evidence,
        activity: None,
        reporter: if let Principal::Member(reporter) = &principal { Some(reporter.clone()) } else { None },
        state: ProposalState::Open,
        outcome: None,
        decided_by: None,
        decided_at: None,
        at: app.activities.clock.now(),
    };
    match store.insert_report(&community, &proposal).await? {
        true => Ok((StatusCode::CREATED, Json(proposal))),
        false => Err(Problem::conflict("proposal.reported", "You have reported this member; somebody will decide.")),
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProposalsQuery {
    /// Only those about one group. Members name one that they may moderate.
    #[param(value_type = Option<String>)]
    group: Option<Id>,
    #[param(inline)]
    state: Option<ProposalState>,
}

/// Proposals, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/proposals", tag = "groups", params(CommunityPath, ProposalsQuery, PagingQuery),
    responses((status = 200, body = Listing<Proposal>)))]
pub(crate) async fn list(
    State(app): State<App>,
    principal: Principal,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Asked(ProposalsQuery { group, state }): Asked<ProposalsQuery>,
    Paging(page): Paging,
) -> Result<Json<Listing<Proposal>>, Problem> {
    communities::find(&app, &community).await?;
    match &group {
        Some(group) => rights::allow_in(&app, &principal, (&community, group), Right::Moderate).await?,
        None => rights::allow(&app, &principal, &community, Right::Moderate, &Default::default()).await?,
    };
    let page = app.activities.store.proposals(&community, (group.as_ref(), state), &page).await?;
    Ok(Json(Listing::of(page, |proposal| proposal)))
}

/// Lets in who may decide on a proposal: nobody decides about themselves.
async fn allow(
    app: &App,
    principal: &Principal,
    ProposalPath { community, proposal }: &ProposalPath,
) -> Result<(), Problem> {
    let found = app.activities.store.proposal(community, proposal).await?;
    let found = found.ok_or_else(|| Problem::not_found("proposal"))?;
    rights::allow_in(app, principal, (community, &found.group), Right::Moderate).await?;
    let Principal::Member(who) = principal else { return Ok(()) };
    let forbidden = |detail| Err(rights::forbidden(detail));
    if *who == found.member {
        return forbidden("Nobody decides about themselves.");
    }
    if found.kind == ProposalKind::Violation {
        let own = rights::role_in(app, community, &found.group, who).await?.map_or(0, GroupRole::rank);
        if rights::rank_of(app, community, &found.group, &found.member).await? >= Some(own) {
            return forbidden("Who is sanctioned has a lower role than who decides.");
        }
    }
    Ok(())
}

fn decided(decided: Decided) -> Result<Json<Proposal>, Problem> {
    match decided {
        Decided::Now(proposal) => Ok(Json(proposal)),
        Decided::NotOpen => Err(Problem::conflict("proposal.decided", "This has been decided.")),
        Decided::Inactive => Err(Problem::conflict("group.inactive", "The member may not act now.")),
        Decided::Full => Err(Problem::conflict("group.full", "The group has as many members as it may.")),
    }
}

/// Accepts a proposal: the member joins the group, or the next step of the ladder follows.
#[utoipa::path(post, path = "/v1/communities/{community}/proposals/{proposal}/accept", tag = "groups", params(ProposalPath),
    responses((status = 200, body = Proposal)))]
pub(crate) async fn accept(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ProposalPath>,
) -> Result<Json<Proposal>, Problem> {
    allow(&app, &principal, &path).await?;
    let (store, now) = (&app.activities.store, app.activities.clock.now());
    let rules = store.rules(&path.community).await?;
    decided(store.accept_proposal(&path.community, &path.proposal, &rights::name(&principal), (&rules, now)).await?)
}

/// Dismisses a proposal: nothing follows.
#[utoipa::path(post, path = "/v1/communities/{community}/proposals/{proposal}/dismiss", tag = "groups", params(ProposalPath),
    responses((status = 200, body = Proposal)))]
pub(crate) async fn dismiss(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ProposalPath>,
) -> Result<Json<Proposal>, Problem> {
    allow(&app, &principal, &path).await?;
    let (store, now) = (&app.activities.store, app.activities.clock.now());
    decided(store.dismiss_proposal(&path.community, &path.proposal, &rights::name(&principal), now).await?)
}
