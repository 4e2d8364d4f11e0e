//! `/v1/communities/{community}/shop`: which shop opens a community's orders, what it says of them, and the demo shop's counter.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    activity::Received,
    delivery::{Deed, check_url, signature},
    domain::{
        endpoint::{Endpoint, EndpointKind, EndpointState, SHOP, Scheme, SigningKey},
        id::Id,
        money::MINOR_MAX,
        order::ShopNews,
    },
    store::demo_orders::DemoOrder,
};

use super::{
    communities,
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery, Signed},
    orders::OrderPath,
    problem::Problem,
    router::App,
};

/// For so long after a change of the secret the one before is good: one day.
const ROTATION_MS: i64 = 86_400_000;

/// Until then an activity has most likely heard what it was told.
const HEARING_MS: i64 = 1_000;

fn shop_id() -> Id {
    Id::new(SHOP).expect("a plain word is an id")
}

/// Which shop it is.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ShopWish {
    /// The one that is built in; no money moves.
    Demo {},
    /// One that speaks `docs/shop.md`.
    Http {
        /// `https://…`; a host of the operator's own network must be allowed by name (`--allow-host`).
        url: String,
        /// `whsec_…`, 24 to 64 bytes in base64; made up where it is left out.
        secret: Option<String>,
    },
}

/// As in what sets it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ShopKind {
    Demo,
    Http,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Shop {
    kind: ShopKind,
    /// Empty for the demo shop.
    url: String,
    state: EndpointState,
    /// What both sides sign with. Shown when it is set, and never again.
    secret: Option<String>,
}

/// Sets the community's shop, or another address or secret of it; the secret before is good for another day. A first shop is told
/// of orders that were opened before there was one; another one only of what comes.
#[utoipa::path(put, path = "/v1/communities/{community}/shop", tag = "shop", params(CommunityPath),
    request_body = ShopWish, responses((status = 200, body = Shop)))]
pub(crate) async fn put(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Body(wish): Body<ShopWish>,
) -> Result<Json<Shop>, Problem> {
    communities::find(&app, &community).await?;
    let (kind, url, key) = match wish {
        ShopWish::Demo {} => (EndpointKind::DemoShop, String::new(), None),
        ShopWish::Http { url, secret } => {
            check_url(&url, app.delivery.allowed()).map_err(|why| Problem::unprocessable("shop.url", why))?;
            let wrong = || Problem::unprocessable("shop.secret", "A secret is whsec_ and 24 to 64 bytes in base64.");
            let key = match secret {
                Some(text) => signature::parse_secret(&text).ok_or_else(wrong)?,
                None => signature::fresh_key(Scheme::V1),
            };
            (EndpointKind::Shop, url, Some(key))
        }
    };
    let now = app.activities.clock.now();
    let mut keys: Vec<SigningKey> = key.iter().cloned().collect();
    if let Some(before) = app.activities.store.endpoint(&community, &shop_id()).await? {
        let old = before.keys.into_iter().next().filter(|old| keys.iter().all(|new| new.bytes != old.bytes));
        keys.extend(old.map(|old| SigningKey { until: Some(now + ROTATION_MS), ..old }));
    }
    let endpoint = Endpoint {
        community,
        id: shop_id(),
        kind,
        url: url.clone(),
        topics: Vec::new(),
        keys,
        state: EndpointState::Active,
        created_at: now,
    };
    app.activities.store.put_endpoint(&endpoint).await?;
    let secret = key.as_ref().map(signature::secret_text);
    Ok(Json(Shop { kind: shop_kind(kind), url, state: EndpointState::Active, secret }))
}

fn shop_kind(kind: EndpointKind) -> ShopKind {
    if kind == EndpointKind::DemoShop { ShopKind::Demo } else { ShopKind::Http }
}

async fn find(app: &App, community: &Id) -> Result<Endpoint, Problem> {
    app.activities.store.endpoint(community, &shop_id()).await?.ok_or_else(|| Problem::not_found(SHOP))
}

/// The community's shop.
#[utoipa::path(get, path = "/v1/communities/{community}/shop", tag = "shop", params(CommunityPath),
    responses((status = 200, body = Shop)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
) -> Result<Json<Shop>, Problem> {
    let Endpoint { kind, url, state, .. } = find(&app, &community).await?;
    Ok(Json(Shop { kind: shop_kind(kind), url, state, secret: None }))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NewsTaken {
    /// False where the same had been said before; nothing changed then.
    is_new: bool,
}

/// The shop says what became of an order. Signed by Standard Webhooks with the shop's secret.
#[utoipa::path(post, path = "/v1/communities/{community}/shop/events", tag = "shop", params(CommunityPath),
    request_body = ShopNews, responses((status = 200, body = NewsTaken)))]
pub(crate) async fn hear(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    headers: HeaderMap,
    Signed { bytes, body }: Signed<ShopNews>,
) -> Result<Json<NewsTaken>, Problem> {
    // The same for everybody who cannot sign: whether there is such a community, or a shop in it, is nobody's business.
    let unsigned = || {
        let detail = "Sign the message by Standard Webhooks with the shop's secret, within five minutes.";
        Problem::new(StatusCode::UNAUTHORIZED, "shop.signature", detail)
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let shop = app.activities.store.endpoint(&community, &shop_id()).await?;
    let shop = shop.filter(|shop| shop.kind == EndpointKind::Shop).ok_or_else(unsigned)?;
    let now = app.activities.clock.now();
    let parts = (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
    signature::verify(shop.keys_at(now), parts, &bytes, now).map_err(|_| unsigned())?;
    match app.activities.hear_shop(&community, body?, now).await? {
        Received::Unknown => Err(Problem::not_found("order")),
        Received::Unfit => Err(Problem::conflict(
            "shop.unfit",
            "It is another currency or amount, or a refund of another order, or pays back what was not paid yet.",
        )),
        Received::Later => Err(Problem::busy(HEARING_MS)),
        received => Ok(Json(NewsTaken { is_new: received == Received::Now })),
    }
}

/// Orders of the demo shop, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/demo-shop/orders", tag = "demo shop", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<DemoOrder>)))]
pub(crate) async fn demo_orders(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<DemoOrder>>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json(Listing::of(app.activities.store.demo_orders(&community, &page).await?, |order| order)))
}

/// How much; what the order costs where it is left out.
#[derive(Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct DemoAmount {
    amount_minor: Option<i64>,
}

async fn visit(app: &App, OrderPath { community, order }: &OrderPath, deed: Deed) -> Result<Json<DemoOrder>, Problem> {
    if find(app, community).await?.kind != EndpointKind::DemoShop {
        return Err(Problem::conflict("shop.not-demo", "This community's shop is a real one."));
    }
    match app.delivery.visit_demo_shop(community, order, deed).await? {
        Some((Received::Later, _)) => Err(Problem::busy(HEARING_MS)),
        Some((_, order)) => Ok(Json(order)),
        None => Err(Problem::not_found("order")),
    }
}

fn amount(minor: i64) -> Result<i64, Problem> {
    let fits = (1..=MINOR_MAX).contains(&minor);
    if fits { Ok(minor) } else { Err(Problem::unprocessable("shop.amount", "An amount is 1 to 10^15 minor units.")) }
}

/// Somebody pays: on time, late, or once more. Each payment counts.
#[utoipa::path(post, path = "/v1/communities/{community}/demo-shop/orders/{order}/pay", tag = "demo shop", params(OrderPath),
    request_body = DemoAmount, responses((status = 200, body = DemoOrder)))]
pub(crate) async fn demo_pay(
    State(app): State<App>,
    Ids(path): Ids<OrderPath>,
    Body(DemoAmount { amount_minor }): Body<DemoAmount>,
) -> Result<Json<DemoOrder>, Problem> {
    visit(&app, &path, Deed::Pay(amount_minor.map(amount).transpose()?)).await
}

/// The payment fails, and the order is closed.
#[utoipa::path(post, path = "/v1/communities/{community}/demo-shop/orders/{order}/fail", tag = "demo shop", params(OrderPath),
    responses((status = 200, body = DemoOrder)))]
pub(crate) async fn demo_fail(State(app): State<App>, Ids(path): Ids<OrderPath>) -> Result<Json<DemoOrder>, Problem> {
    visit(&app, &path, Deed::Fail).await
}

/// The shop pays back by itself.
#[utoipa::path(post, path = "/v1/communities/{community}/demo-shop/orders/{order}/refund", tag = "demo shop", params(OrderPath),
    request_body = DemoAmount, responses((status = 200, body = DemoOrder)))]
pub(crate) async fn demo_refund(
    State(app): State<App>,
    Ids(path): Ids<OrderPath>,
    Body(DemoAmount { amount_minor }): Body<DemoAmount>,
) -> Result<Json<DemoOrder>, Problem> {
    let known = app.activities.store.demo_order(&path.community, &path.order).await?;
    let known = known.ok_or_else(|| Problem::not_found("order"))?;
    let minor = amount(amount_minor.unwrap_or(known.paid_minor - known.refunded_minor))?;
    if minor > known.paid_minor - known.refunded_minor {
        return Err(Problem::conflict("shop.over-refund", "So much was not paid."));
    }
    visit(&app, &path, Deed::Refund(minor)).await
}
