//! Goods of the shop, and the orders that activities had it open.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::{id::Id, money::MINOR_MAX, stock::UNITS_MAX},
    store::orders::{OrderView, Sku},
};

use super::{
    communities::{self, check_name},
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    identity::Principal,
    members::MemberPath,
    problem::Problem,
    router::App,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SkuPath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    sku: Id,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OrderPath {
    #[param(value_type = String)]
    pub community: Id,
    #[param(value_type = String)]
    pub order: Id,
}

/// What the platform says of a good.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkuProfile {
    /// 1 to 200 characters.
    title: String,
    /// The shop's own price of one unit, in minor units of the community's currency.
    price_minor: i64,
    /// Units that can be sold now.
    sellable: i64,
}

/// Creates or changes a good. Activities order only what is known here.
#[utoipa::path(put, path = "/v1/communities/{community}/skus/{sku}", tag = "shop", params(SkuPath),
    request_body = SkuProfile, responses((status = 200, body = Sku)))]
pub(crate) async fn put_sku(
    State(app): State<App>,
    Ids(SkuPath { community, sku }): Ids<SkuPath>,
    Body(SkuProfile { title, price_minor, sellable }): Body<SkuProfile>,
) -> Result<Json<Sku>, Problem> {
    communities::find(&app, &community).await?;
    check_name(&title)?;
    if !(0..=MINOR_MAX).contains(&price_minor) || !(0..=UNITS_MAX).contains(&sellable) {
        let detail = format!("A price is 0 to {MINOR_MAX} minor units, and 0 to {UNITS_MAX} units can be sold.");
        return Err(Problem::unprocessable("shop.sku", detail));
    }
    let sku = Sku { id: sku, title, price_minor, sellable };
    app.activities.store.put_sku(&community, &sku).await?;
    Ok(Json(sku))
}

/// Every good, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/skus", tag = "shop", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<Sku>)))]
pub(crate) async fn list_skus(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<Sku>>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json(Listing::of(app.activities.store.skus(&community, &page).await?, |sku| sku)))
}

/// A member's orders, by id. A member sees their own.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/orders", tag = "shop", params(MemberPath, PagingQuery),
    responses((status = 200, body = Listing<OrderView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<OrderView>>, Problem> {
    path.of(&app, &principal).await?;
    Ok(Json(Listing::of(app.activities.store.orders_of(&path.community, &path.member, &page).await?, |order| order)))
}

/// One order.
#[utoipa::path(get, path = "/v1/communities/{community}/orders/{order}", tag = "shop", params(OrderPath),
    responses((status = 200, body = OrderView)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(OrderPath { community, order }): Ids<OrderPath>,
) -> Result<Json<OrderView>, Problem> {
    let found = app.activities.store.order_by_id(&community, &order).await?;
    found.map(|(order, _)| Json(order)).ok_or_else(|| Problem::not_found("order"))
}
