//! Goods that members were given: where they are to go, and when they went.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::domain::{
    id::Id,
    shipment::{Address, Shipment, ShipmentState},
};

use super::{
    communities,
    extract::{Asked, Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    identity::Principal,
    members::MemberPath,
    problem::Problem,
    router::App,
};

const LINE_BYTES_MAX: usize = 200;
const LINES_MAX: usize = 5;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ShipmentPath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    shipment: Id,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OwnShipmentPath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    member: Id,
    #[param(value_type = String)]
    shipment: Id,
}

fn check(address: &Address) -> Result<(), Problem> {
    let Address { name, phone, lines, postal_code, country } = address;
    let fits = |text: &String| text.len() <= LINE_BYTES_MAX && !text.contains('\0');
    let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    let said = !name.is_empty() && (1..=LINES_MAX).contains(&lines.len()) && lines.iter().all(|line| !line.is_empty());
    if said && is_country && lines.iter().chain([name, phone, postal_code]).all(fits) {
        return Ok(());
    }
    let detail = format!(
        "An address has a name, 1 to {LINES_MAX} lines of at most {LINE_BYTES_MAX} bytes, and a country of two letters."
    );
    Err(Problem::unprocessable("shipment.address", detail))
}

async fn find(app: &App, community: &Id, shipment: &Id) -> Result<Shipment, Problem> {
    app.activities.store.shipment(community, shipment).await?.ok_or_else(|| Problem::not_found("shipment"))
}

/// Goods that a member was given, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/shipments", tag = "shipments", params(MemberPath, PagingQuery),
    responses((status = 200, body = Listing<Shipment>)))]
pub(crate) async fn list_own(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<Shipment>>, Problem> {
    path.of(&app, &principal).await?;
    let page = app.activities.store.shipments(&path.community, Ok(&path.member), &page).await?;
    Ok(Json(Listing::of(page, |shipment| shipment)))
}

/// Says where goods are to go; another address may follow until they are shipped.
#[utoipa::path(post, path = "/v1/communities/{community}/members/{member}/shipments/{shipment}/claim", tag = "shipments",
    params(OwnShipmentPath), request_body = Address, responses((status = 200, body = Shipment)))]
pub(crate) async fn claim(
    State(app): State<App>,
    principal: Principal,
    Ids(OwnShipmentPath { community, member, shipment }): Ids<OwnShipmentPath>,
    Body(address): Body<Address>,
) -> Result<Json<Shipment>, Problem> {
    let path = MemberPath { community, member };
    path.of(&app, &principal).await?;
    check(&address)?;
    let MemberPath { community, member } = path;
    if find(&app, &community, &shipment).await?.member != member {
        return Err(Problem::not_found("shipment"));
    }
    match app.activities.store.claim_shipment(&community, &shipment, &address, app.activities.clock.now()).await? {
        true => Ok(Json(find(&app, &community, &shipment).await?)),
        false => Err(Problem::conflict("shipment.wrong-state", "It is too late to say where this is to go.")),
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StateQuery {
    /// `claimed` where it is left out: what is to be shipped.
    #[param(inline)]
    state: Option<ShipmentState>,
}

/// Goods in a state, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/shipments", tag = "shipments", params(CommunityPath, StateQuery, PagingQuery),
    responses((status = 200, body = Listing<Shipment>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Asked(StateQuery { state }): Asked<StateQuery>,
    Paging(page): Paging,
) -> Result<Json<Listing<Shipment>>, Problem> {
    communities::find(&app, &community).await?;
    let state = state.unwrap_or(ShipmentState::Claimed);
    let page = app.activities.store.shipments(&community, Err(state), &page).await?;
    Ok(Json(Listing::of(page, |shipment| shipment)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shipped {
    /// What the carrier knows it by: at most 200 bytes.
    #[serde(default)]
    tracking: String,
}

/// The goods are on their way: they cannot be taken back any more.
#[utoipa::path(post, path = "/v1/communities/{community}/shipments/{shipment}/ship", tag = "shipments", params(ShipmentPath),
    request_body = Shipped, responses((status = 200, body = Shipment)))]
pub(crate) async fn ship(
    State(app): State<App>,
    Ids(ShipmentPath { community, shipment }): Ids<ShipmentPath>,
    Body(Shipped { tracking }): Body<Shipped>,
) -> Result<Json<Shipment>, Problem> {
    if tracking.len() > LINE_BYTES_MAX || tracking.contains('\0') {
        return Err(Problem::unprocessable("shipment.tracking", format!("At most {LINE_BYTES_MAX} bytes.")));
    }
    find(&app, &community, &shipment).await?;
    match app.activities.store.ship(&community, &shipment, &tracking, app.activities.clock.now()).await? {
        true => Ok(Json(find(&app, &community, &shipment).await?)),
        false => Err(Problem::conflict("shipment.wrong-state", "Nobody has claimed it, or it was taken back.")),
    }
}
