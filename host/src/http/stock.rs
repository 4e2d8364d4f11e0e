//! `/v1/communities/{community}/stock-pools`: what activities may reserve and sell, and the codes that some are made of.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{
    id::Id,
    stock::{StockPool, UNITS_MAX},
};

use super::{
    communities,
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    problem::Problem,
    router::App,
};

/// Codes in one request; a body has no room for many more.
const CODES_MAX: usize = 1_000;

const CODE_BYTES_MAX: usize = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PoolPath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    pool: Id,
}

/// What an operator says of a pool.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolProfile {
    /// Units in all: 0 to 10¹², and never below what is reserved and sold.
    total: i64,
}

async fn find(app: &App, community: &Id, pool: &Id) -> Result<StockPool, Problem> {
    app.activities.store.pool(community, pool).await?.ok_or_else(|| Problem::not_found("stock pool"))
}

/// Creates a pool of goods, or changes how many units it has in all.
#[utoipa::path(put, path = "/v1/communities/{community}/stock-pools/{pool}", tag = "stock", params(PoolPath),
    request_body = PoolProfile, responses((status = 200, body = StockPool)))]
pub(crate) async fn put(
    State(app): State<App>,
    Ids(PoolPath { community, pool }): Ids<PoolPath>,
    Body(PoolProfile { total }): Body<PoolProfile>,
) -> Result<Json<StockPool>, Problem> {
    communities::find(&app, &community).await?;
    if !(0..=UNITS_MAX).contains(&total) {
        return Err(Problem::unprocessable("stock.total", format!("A pool has 0 to {UNITS_MAX} units.")));
    }
    if !app.activities.store.put_pool(&community, &pool, total).await? {
        let detail = "More than that is reserved and sold already, or the pool is of codes.";
        return Err(Problem::conflict("stock.below-taken", detail));
    }
    Ok(Json(find(&app, &community, &pool).await?))
}

/// One pool.
#[utoipa::path(get, path = "/v1/communities/{community}/stock-pools/{pool}", tag = "stock", params(PoolPath),
    responses((status = 200, body = StockPool)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(PoolPath { community, pool }): Ids<PoolPath>,
) -> Result<Json<StockPool>, Problem> {
    Ok(Json(find(&app, &community, &pool).await?))
}

/// Every pool, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/stock-pools", tag = "stock", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<StockPool>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<StockPool>>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json(Listing::of(app.activities.store.pools(&community, &page).await?, |pool| pool)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Codes {
    /// 1 to 1 000 codes of 1 to 200 bytes.
    codes: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CodesAdded {
    /// Those that the pool did not have yet.
    added: i64,
}

/// Adds codes to a pool of codes, which is made if it is missing. Codes that it has already are left alone.
#[utoipa::path(post, path = "/v1/communities/{community}/stock-pools/{pool}/codes", tag = "stock", params(PoolPath),
    request_body = Codes, responses((status = 200, body = CodesAdded)))]
pub(crate) async fn add_codes(
    State(app): State<App>,
    Ids(PoolPath { community, pool }): Ids<PoolPath>,
    Body(Codes { codes }): Body<Codes>,
) -> Result<Json<CodesAdded>, Problem> {
    communities::find(&app, &community).await?;
    let fits = |code: &String| (1..=CODE_BYTES_MAX).contains(&code.len()) && !code.chars().any(char::is_control);
    if !(1..=CODES_MAX).contains(&codes.len()) || !codes.iter().all(fits) {
        let detail = format!("Send 1 to {CODES_MAX} codes of 1 to {CODE_BYTES_MAX} bytes without control characters.");
        return Err(Problem::unprocessable("stock.codes", detail));
    }
    match app.activities.store.add_codes(&community, &pool, &codes).await? {
        Some(added) => Ok(Json(CodesAdded { added })),
        None => Err(Problem::conflict("stock.not-of-codes", "This pool is of goods.")),
    }
}
