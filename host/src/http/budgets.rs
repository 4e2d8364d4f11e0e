//! `/v1/communities/{community}/budgets`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    domain::{id::Id, money::MINOR_MAX},
    store::budgets::{Budget, BudgetProfile},
};

use super::{
    communities,
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    problem::Problem,
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

/// Creates or updates a budget. Its limits never fall below what is held and captured.
#[utoipa::path(put, path = "/v1/communities/{community}/budgets/{budget}", tag = "budgets", params(BudgetPath),
    request_body = BudgetProfile, responses((status = 200, body = Budget)))]
pub(crate) async fn put(
    State(app): State<App>,
    Ids(BudgetPath { community, budget }): Ids<BudgetPath>,
    Body(profile): Body<BudgetProfile>,
) -> Result<Json<Budget>, Problem> {
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
    if !app.activities.store.put_budget(&community, &budget, &profile, app.activities.clock.now()).await? {
        return Err(Problem::conflict("budget.below-granted", "More than that is held and captured already."));
    }
    Ok(Json(find(&app, &community, &budget).await?))
}

/// One budget.
#[utoipa::path(get, path = "/v1/communities/{community}/budgets/{budget}", tag = "budgets", params(BudgetPath), responses((status = 200, body = Budget)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(BudgetPath { community, budget }): Ids<BudgetPath>,
) -> Result<Json<Budget>, Problem> {
    Ok(Json(find(&app, &community, &budget).await?))
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
