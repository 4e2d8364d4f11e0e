//! `/v1/communities/{community}/activities`: what operators do.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    activity::{Answer, Asked, Control, Creation},
    domain::{
        activity::{Activity, ActivityId, ConfigReport, Head, Lifecycle, Scope},
        chance::commitment,
        group::{Reach, Right},
        id::Id,
        journal::Outcome,
        offer::{OfferKind, Offers},
        rollout::{Gate, Rollout},
    },
    store::{journal::JournalEntry, outbox::OutboxRow},
};

use super::{
    communities,
    extract::{ActivityPath, Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    identity::Principal,
    problem::Problem,
    rights,
    router::App,
};

/// An activity and where it is in its life.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityView {
    #[schema(value_type = String)]
    id: Id,
    #[schema(value_type = String)]
    community: Id,
    /// The first of those that were made after one another.
    #[schema(value_type = String)]
    series: Id,
    /// Which of them it is, from 1.
    edition: i64,
    plugin: String,
    version: String,
    state: Lifecycle,
    /// The journal number of the last call.
    seq: i64,
    #[schema(value_type = Object)]
    config: Box<RawValue>,
    config_version: i64,
    /// Who may take part now.
    scope: Scope,
    /// How it is tried, or was, and whom it is for after that.
    rollout: Option<Rollout>,
    #[schema(value_type = Object)]
    offers: Offers,
    #[schema(value_type = Option<String>)]
    budget: Option<Id>,
    starts_at: Option<i64>,
    ends_at: Option<i64>,
    /// How long after its end it waits for what is open, in milliseconds.
    drain_ms: i64,
    /// UTC milliseconds; null before the start.
    started_at: Option<i64>,
    created_at: i64,
    report: ConfigReport,
    /// SHA-256 of the random seed and the id: published before the first draw.
    random_commitment: String,
}

pub(super) fn view((activity, head): (Activity, Head)) -> Result<ActivityView, Problem> {
    let random_commitment = commitment(&activity);
    let Activity { id, plugin, version, config, config_version, scope, rollout, offers, budget, .. } = activity;
    Ok(ActivityView {
        id: id.activity,
        community: id.community,
        series: activity.series,
        edition: activity.edition,
        plugin,
        version,
        state: head.lifecycle,
        seq: head.seq,
        config: RawValue::from_string(config).map_err(anyhow::Error::from)?,
        config_version,
        scope,
        rollout,
        offers,
        budget,
        starts_at: activity.starts_at,
        ends_at: activity.ends_at,
        drain_ms: activity.drain_ms,
        started_at: (head.started_at != 0).then_some(head.started_at),
        created_at: activity.created_at,
        report: activity.report,
        random_commitment,
    })
}

/// What an owner of groups may give: cash from budgets that they have set, and badges. What points, coupons and goods cost is
/// the operator's to say.
async fn check_owners(app: &App, community: &Id, wish: &Creation, owner: &Id) -> Result<(), Problem> {
    let forbidden = |detail: &str| Err(rights::forbidden(detail));
    if !app.activities.store.rules(community).await?.owner_plugins.contains(&wish.plugin) {
        return forbidden("Owners of groups make activities of the plugins that the community's rules name.");
    }
    if let Some(budget) = &wish.budget {
        let budget = app.activities.store.budget(community, budget).await?;
        if budget.is_none_or(|budget| budget.set_by.as_ref() != Some(owner)) {
            return forbidden("An owner of groups spends from budgets that they have set.");
        }
    }
    match wish.offers.values().all(|offer| offer.is_cash() || matches!(offer.kind, OfferKind::Badge {})) {
        true => Ok(()),
        false => forbidden("An owner of groups offers cash and badges; an operator makes activities that give more."),
    }
}

/// Makes an activity. It is validated, and runs after `start`. An owner makes activities for their groups, and spends from budgets of
/// their own.
#[utoipa::path(post, path = "/v1/communities/{community}/activities", tag = "activities", params(CommunityPath),
    request_body = Creation, responses((status = 201, body = ActivityView)))]
pub(crate) async fn create(
    State(app): State<App>,
    principal: Principal,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Body(wish): Body<Creation>,
) -> Result<(StatusCode, Json<ActivityView>), Problem> {
    make(&app, &principal, &community, wish, None).await
}

/// Makes an activity for whoever may; `series` is that of the one which it follows.
pub(super) async fn make(
    app: &App,
    principal: &Principal,
    community: &Id,
    wish: Creation,
    series: Option<&Id>,
) -> Result<(StatusCode, Json<ActivityView>), Problem> {
    let home = communities::find(app, community).await?;
    let reach = rights::allow(app, principal, community, Right::Create, &wish.scope).await?;
    if let (Reach::Own, Principal::Member(owner)) = (reach, principal) {
        check_owners(app, community, &wish, owner).await?;
    }
    let made = app.activities.create(&home, wish, series).await?;
    Ok((StatusCode::CREATED, Json(view(made)?)))
}

pub(super) async fn find(app: &App, id: &ActivityId) -> Result<(Activity, Head), Problem> {
    app.activities.store.activity(id).await?.ok_or_else(|| Problem::not_found("activity"))
}

/// One activity.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}", tag = "activities", params(ActivityPath),
    responses((status = 200, body = ActivityView)))]
pub(crate) async fn show(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
) -> Result<Json<ActivityView>, Problem> {
    let (activity, head) = find(&app, &path.id()).await?;
    rights::allow(&app, &principal, &activity.id.community, Right::Publish, &activity.scope).await?;
    Ok(Json(view((activity, head))?))
}

/// Every activity, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/activities", tag = "activities", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<ActivityView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<ActivityView>>, Problem> {
    communities::find(&app, &community).await?;
    let page = app.activities.store.activities(&community, &page).await?;
    let items = page.items.into_iter().map(view).collect::<Result<_, _>>()?;
    Ok(Json(Listing { items, next_cursor: page.next }))
}

async fn control(
    app: &App,
    principal: &Principal,
    path: ActivityPath,
    control: Control,
) -> Result<Json<ActivityView>, Problem> {
    let id = path.id();
    let key = match principal {
        Principal::Operator(key) => key,
        Principal::Member(member) => {
            let (activity, _) = find(app, &id).await?;
            let (right, scope) = match &control {
                Control::Expand(wider) => (Right::Expand, wider),
                _ => (Right::Publish, &activity.scope),
            };
            rights::allow(app, principal, &id.community, right, scope).await?;
            member
        }
        Principal::App => return Err(Problem::fault()),
    };
    match app.activities.control(&id, control, key).await? {
        None => Err(Problem::not_found("activity")),
        Some(Answer::Done { outcome: Outcome::Ok, .. }) => Ok(Json(view(find(app, &id).await?)?)),
        Some(answer) => Err(super::participation::problem(answer)),
    }
}

/// Starts it, or schedules it where `starts_at` is still to come.
#[utoipa::path(post, path = "/v1/communities/{community}/activities/{activity}/start", tag = "activities", params(ActivityPath),
    responses((status = 200, body = ActivityView)))]
pub(crate) async fn start(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
) -> Result<Json<ActivityView>, Problem> {
    control(&app, &principal, path, Control::Start).await
}

/// Takes no more actions until `resume`. Timers go on.
#[utoipa::path(post, path = "/v1/communities/{community}/activities/{activity}/pause", tag = "activities", params(ActivityPath),
    responses((status = 200, body = ActivityView)))]
pub(crate) async fn pause(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
) -> Result<Json<ActivityView>, Problem> {
    control(&app, &principal, path, Control::Pause).await
}

/// Takes actions again.
#[utoipa::path(post, path = "/v1/communities/{community}/activities/{activity}/resume", tag = "activities", params(ActivityPath),
    responses((status = 200, body = ActivityView)))]
pub(crate) async fn resume(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
) -> Result<Json<ActivityView>, Problem> {
    control(&app, &principal, path, Control::Resume).await
}

/// Ends it for good; what is open is settled.
#[utoipa::path(post, path = "/v1/communities/{community}/activities/{activity}/stop", tag = "activities", params(ActivityPath),
    responses((status = 200, body = ActivityView)))]
pub(crate) async fn stop(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
) -> Result<Json<ActivityView>, Problem> {
    control(&app, &principal, path, Control::Stop).await
}

/// Which version an activity is to run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upgrade {
    /// An enabled version of the activity's plugin that knows the shape of its state and takes its config.
    version: String,
}

/// Moves it to another version of its plugin, state and all, or leaves everything as it was.
#[utoipa::path(post, path = "/v1/communities/{community}/activities/{activity}/upgrade", tag = "activities", params(ActivityPath),
    request_body = Upgrade, responses((status = 200, body = ActivityView)))]
pub(crate) async fn upgrade(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
    Body(Upgrade { version }): Body<Upgrade>,
) -> Result<Json<ActivityView>, Problem> {
    control(&app, &principal, path, Control::Upgrade(version)).await
}

/// Who else may take part.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expansion {
    /// Everybody who could take part before is still among them.
    scope: Scope,
}

/// Has it be for more groups, or for everybody: a pilot is over. A scope never shrinks.
#[utoipa::path(post, path = "/v1/communities/{community}/activities/{activity}/expand", tag = "activities", params(ActivityPath),
    request_body = Expansion, responses((status = 200, body = ActivityView)))]
pub(crate) async fn expand(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
    Body(Expansion { scope }): Body<Expansion>,
) -> Result<Json<ActivityView>, Problem> {
    let home = communities::find(&app, &path.community).await?;
    app.activities.check_scope(&home, "/scope/groups", &scope).await?;
    control(&app, &principal, path, Control::Expand(scope)).await
}

/// Until when else it goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extension {
    /// UTC milliseconds, later than its end so far and at most 366 days after its start.
    ends_at: i64,
}

/// Has it end later. An end never moves back, and deadlines that members were given stay.
#[utoipa::path(post, path = "/v1/communities/{community}/activities/{activity}/extend", tag = "activities", params(ActivityPath),
    request_body = Extension, responses((status = 200, body = ActivityView)))]
pub(crate) async fn extend(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
    Body(Extension { ends_at }): Body<Extension>,
) -> Result<Json<ActivityView>, Problem> {
    control(&app, &principal, path, Control::Extend(ends_at)).await
}

/// How the gate between its pilot and all others stands: what the pilot has shown, and what is in the way.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}/rollout", tag = "activities", params(ActivityPath),
    responses((status = 200, body = Gate)))]
pub(crate) async fn rollout(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<ActivityPath>,
) -> Result<Json<Gate>, Problem> {
    let (activity, head) = find(&app, &path.id()).await?;
    rights::allow(&app, &principal, &activity.id.community, Right::Publish, &activity.scope).await?;
    let gate = app.activities.gate(&activity, &head).await?;
    gate.map(Json).ok_or_else(|| Problem::not_found("rollout"))
}

/// Every answered call in order, newest last.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}/journal", tag = "activities", params(ActivityPath, PagingQuery),
    responses((status = 200, body = Listing<JournalEntry>)))]
pub(crate) async fn journal(
    State(app): State<App>,
    Ids(path): Ids<ActivityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<JournalEntry>>, Problem> {
    let id = path.id();
    find(&app, &id).await?;
    Ok(Json(Listing::of(app.activities.store.journal(&id, &page).await?, |entry| entry)))
}

/// Effects for the outside world, in order.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}/outbox", tag = "activities", params(ActivityPath, PagingQuery),
    responses((status = 200, body = Listing<OutboxRow>)))]
pub(crate) async fn outbox(
    State(app): State<App>,
    Ids(path): Ids<ActivityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<OutboxRow>>, Problem> {
    let id = path.id();
    find(&app, &id).await?;
    Ok(Json(Listing::of(app.activities.store.outbox(&id.community, &id.activity, &page).await?, |effect| effect)))
}

/// What the plugin finds wrong with the activity's state: nothing, it is hoped.
#[derive(Serialize, ToSchema)]
pub(crate) struct Audit {
    /// Broken invariants, by name.
    #[schema(value_type = Vec<String>)]
    broken: Box<RawValue>,
}

/// Has the plugin recompute its invariants.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}/audit", tag = "activities", params(ActivityPath),
    responses((status = 200, body = Audit)))]
pub(crate) async fn audit(State(app): State<App>, Ids(path): Ids<ActivityPath>) -> Result<Json<Audit>, Problem> {
    let asked = app.activities.ask(&path.id(), None, &Asked::Audit).await?;
    let found = asked.ok_or_else(|| Problem::not_found("activity"))??;
    Ok(Json(Audit { broken: found.into_raw() }))
}
