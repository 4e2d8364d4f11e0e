//! `/v1/communities/{community}/budgets`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    domain::{group::Reach, id::Id, money::MINOR_MAX},
    store::budgets::{Budget, BudgetProfile, Set},
};

use super::{
    communities,
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    identity::Principal,
    problem::Problem,
    rights,
    router::App,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct BudgetPath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    budget: Id,
}

async fn find(app: &App, community: &Id, budget: &Id) -> Result<Budget, Problem> {
    app.activities.store.budget(community, budget).await?.ok_or_else(|| Problem::not_found("budget"))
}

/// The owner of groups who sets the budget, if no operator, app or chief owner does: one of their own, up to the community's limit.
async fn owner<'p>(
    app: &App,
    principal: &'p Principal,
    community: &Id,
    budget: &Id,
) -> Result<Option<(&'p Id, i64)>, Problem> {
    let reach = rights::allow_budgets(app, principal, community).await?;
    let (Reach::Own, Principal::Member(owner)) = (reach, principal) else { return Ok(None) };
    let most = app.activities.store.rules(community).await?.owner_budget_minor_max;
    let before = app.activities.store.budget(community, budget).await?;
    if before.is_some_and(|before| before.set_by.as_ref() != Some(owner)) {
        return Err(rights::forbidden("This budget was set by somebody else."));
    }
    Ok(Some((owner, most)))
}

/// Creates or updates a budget. Its limits never fall below what is held and captured. Owners of groups set budgets of their own, up
/// to the limit in the community's rules.
#[utoipa::path(put, path = "/v1/communities/{community}/budgets/{budget}", tag = "budgets", params(BudgetPath),
    request_body = BudgetProfile, responses((status = 200, body = Budget)))]
pub(crate) async fn put(
    State(app): State<App>,
    principal: Principal,
    Ids(BudgetPath { community, budget }): Ids<BudgetPath>,
    Body(profile): Body<BudgetProfile>,
) -> Result<Json<Budget>, Problem> {
    let owner = owner(&app, &principal, &community, &budget).await?;
    let home = communities::find(&app, &community).await?;
    if profile.limit.currency != home.currency {
        return Err(Problem::unprocessable(
            "common.currency-mismatch",
            format!("This community counts in {}.", home.currency.as_str()),
        ));
    }
    if !(0..=MINOR_MAX).contains(&profile.limit.minor) {
        return Err(Problem::unprocessable("budget.limit", format!("A limit is 0 to {MINOR_MAX} minor units.")));
    }
    let (store, now) = (&app.activities.store, app.activities.clock.now());
    match store.put_budget(&community, &budget, &profile, owner, now).await? {
        Set::Yes => Ok(Json(find(&app, &community, &budget).await?)),
        Set::BelowGranted => {
            Err(Problem::conflict("budget.below-granted", "More than that is held and captured already."))
        }
        Set::TooMuch => {
            let detail = "An owner's budgets come to no more than the community's rules say.";
            Err(rights::forbidden(detail))
        }
    }
}

/// One budget.
#[utoipa::path(get, path = "/v1/communities/{community}/budgets/{budget}", tag = "budgets", params(BudgetPath), responses((status = 200, body = Budget)))]
pub(crate) async fn show(
    State(app): State<App>,
    principal: Principal,
    Ids(BudgetPath { community, budget }): Ids<BudgetPath>,
) -> Result<Json<Budget>, Problem> {
    let reach = rights::allow_budgets(&app, &principal, &community).await?;
    let found = find(&app, &community, &budget).await?;
    match (&principal, reach) {
        // Somebody else's budget is nobody's business.
        (Principal::Member(owner), Reach::Own) if found.set_by.as_ref() != Some(owner) => {
            Err(Problem::not_found("budget"))
        }
        _ => Ok(Json(found)),
    }
}

/// Every budget, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/budgets", tag = "budgets", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<Budget>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<Budget>>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json(Listing::of(app.activities.store.budgets(&community, &page).await?, |budget| budget)))
}
