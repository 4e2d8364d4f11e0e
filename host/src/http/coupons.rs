//! `/v1/communities/{community}/coupons` and their templates: issued by activities, used in the platform's own orders.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{
    activity::ActivityId,
    basket::{BasketLine, Unfit, price},
    coupon::{CountsOn, Coupon, CouponState, CouponTerms, Discount, WHOLE_BPS},
    id::Id,
    money::MINOR_MAX,
};

use super::{
    communities::{self, check_name},
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    identity::Principal,
    members::MemberPath,
    problem::Problem,
    router::App,
};

/// A coupon lasts no longer than ten years.
const VALID_MS_MAX: i64 = 3_653 * 86_400_000;

/// Goods that a coupon counts on.
const GOODS_MAX: usize = 100;

const CLASS_CHARS_MAX: usize = 64;

/// Classes that a coupon goes with.
const CLASSES_MAX: usize = 20;

/// Units of a line, or of a gift.
const UNITS_MAX: u32 = 1_000_000;

/// Coupons that go together, and lines of a basket.
const QUOTE_COUPONS_MAX: usize = 10;
const QUOTE_LINES_MAX: usize = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TemplatePath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    template: Id,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CouponPath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    coupon: Id,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Template {
    #[schema(value_type = String)]
    id: Id,
    #[serde(flatten)]
    terms: CouponTerms,
}

fn check_terms(terms: &CouponTerms) -> Result<(), Problem> {
    check_name(&terms.title)?;
    let amount = |minor: i64| (0..=MINOR_MAX).contains(&minor);
    let is_word = |word: &String| (1..=CLASS_CHARS_MAX).contains(&word.chars().count());
    let is_discount = match &terms.discount {
        Discount::Amount { off_minor } => amount(*off_minor),
        Discount::Percent { off_bps, off_minor_max } => {
            (1..=WHOLE_BPS).contains(off_bps) && off_minor_max.is_none_or(amount)
        }
        Discount::Gift { sku, units } => {
            is_word(sku) && (1..=UNITS_MAX).contains(units) && terms.counts_on == CountsOn::Order
        }
    };
    let is_valid = terms.valid_ms.is_none_or(|valid| (1..=VALID_MS_MAX).contains(&valid))
        && terms.valid_until.is_none_or(|until| until > 0);
    let is_known = match &terms.counts_on {
        CountsOn::Goods(goods) => (1..=GOODS_MAX).contains(&goods.len()) && goods.iter().all(is_word),
        CountsOn::Order | CountsOn::Shipping => true,
    };
    let is_class = terms.class.as_ref().is_none_or(is_word)
        && terms.goes_with.as_ref().is_none_or(|with| with.len() <= CLASSES_MAX && with.iter().all(is_word));
    if is_discount && is_valid && is_known && is_class && amount(terms.spend_minor_min) {
        return Ok(());
    }
    let detail = "Amounts are 0 to 10^15 minor units, parts 1 to 10000 basis points, a validity 1 ms to ten years, 1 to 100 goods, a \
                  class or a good 1 to 64 characters, at most 20 classes, a gift counts on nothing else.";
    Err(Problem::unprocessable("coupon.terms", detail))
}

/// Creates or changes a template. Coupons that were issued follow it, except for how long they are valid.
#[utoipa::path(put, path = "/v1/communities/{community}/coupon-templates/{template}", tag = "coupons", params(TemplatePath),
    request_body = CouponTerms, responses((status = 200, body = Template)))]
pub(crate) async fn put_template(
    State(app): State<App>,
    Ids(TemplatePath { community, template }): Ids<TemplatePath>,
    Body(terms): Body<CouponTerms>,
) -> Result<Json<Template>, Problem> {
    communities::find(&app, &community).await?;
    check_terms(&terms)?;
    app.activities.store.put_template(&community, &template, &terms).await?;
    Ok(Json(Template { id: template, terms }))
}

/// Every template, by id.
#[utoipa::path(get, path = "/v1/communities/{community}/coupon-templates", tag = "coupons", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<Template>)))]
pub(crate) async fn list_templates(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<Template>>, Problem> {
    communities::find(&app, &community).await?;
    let page = app.activities.store.templates(&community, &page).await?;
    Ok(Json(Listing::of(page, |(id, terms)| Template { id, terms })))
}

/// A member's coupons, by id. A member sees their own.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/coupons", tag = "coupons", params(MemberPath, PagingQuery),
    responses((status = 200, body = Listing<Coupon>)))]
pub(crate) async fn list(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<Coupon>>, Problem> {
    path.of(&app, &principal).await?;
    let now = app.activities.clock.now();
    let shown = |coupon: Coupon| Coupon { state: coupon.state_at(now), ..coupon };
    Ok(Json(Listing::of(app.activities.store.coupons_of(&path.community, &path.member, &page).await?, shown)))
}

/// Which order a coupon is for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForOrder {
    /// The platform's own name of the order: 1 to 128 characters.
    #[schema(value_type = String)]
    order: Id,
}

/// Which order a coupon is for, and whose that is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForMembersOrder {
    /// Who orders: the coupon must be theirs.
    #[schema(value_type = String)]
    member: Id,
    /// The platform's own name of the order: 1 to 128 characters.
    #[schema(value_type = String)]
    order: Id,
}

async fn find(app: &App, community: &Id, coupon: &Id) -> Result<Coupon, Problem> {
    app.activities.store.coupon(community, coupon).await?.ok_or_else(|| Problem::not_found("coupon"))
}

/// A coupon of this member: another's is of no use to them.
async fn find_own(app: &App, community: &Id, coupon: &Id, member: &Id) -> Result<Coupon, Problem> {
    let found = find(app, community, coupon).await?;
    if found.member != *member {
        return Err(Problem::conflict("coupon.not-owner", format!("The coupon {coupon} is not theirs.")));
    }
    Ok(found)
}

/// Why a coupon does not do what was asked.
fn unfit(coupon: &Coupon, now: i64) -> Problem {
    match coupon.state_at(now) {
        CouponState::Expired => Problem::conflict("coupon.expired", "The coupon is no longer valid."),
        CouponState::Used => Problem::conflict("coupon.used", "The coupon was used in an order."),
        CouponState::Reserved => Problem::conflict("coupon.reserved", "The coupon is set aside for another order."),
        _ => Problem::conflict("coupon.wrong-state", "The coupon is not in a state for this, or of another order."),
    }
}

/// Why a coupon was not moved.
async fn stays(app: &App, path: &CouponPath) -> Result<Json<Coupon>, Problem> {
    Err(unfit(&find(app, &path.community, &path.coupon).await?, app.activities.clock.now()))
}

/// The activity that gave a coupon has news of it.
fn told(app: &App, path: &CouponPath, coupon: Coupon) -> Json<Coupon> {
    app.activities.wake(ActivityId { community: path.community.clone(), activity: coupon.activity.clone() });
    Json(coupon)
}

/// Sets a member's coupon aside for an order of theirs that is not paid yet. The same order again changes nothing.
#[utoipa::path(post, path = "/v1/communities/{community}/coupons/{coupon}/reserve", tag = "coupons", params(CouponPath),
    request_body = ForMembersOrder, responses((status = 200, body = Coupon)))]
pub(crate) async fn reserve(
    State(app): State<App>,
    Ids(path): Ids<CouponPath>,
    Body(ForMembersOrder { member, order }): Body<ForMembersOrder>,
) -> Result<Json<Coupon>, Problem> {
    find_own(&app, &path.community, &path.coupon, &member).await?;
    let now = app.activities.clock.now();
    match app.activities.store.reserve_coupon(&path.community, &path.coupon, order.as_str(), now).await? {
        Some(coupon) => Ok(Json(coupon)),
        None => stays(&app, &path).await,
    }
}

/// The order was paid with it.
#[utoipa::path(post, path = "/v1/communities/{community}/coupons/{coupon}/use", tag = "coupons", params(CouponPath),
    request_body = ForOrder, responses((status = 200, body = Coupon)))]
pub(crate) async fn use_up(
    State(app): State<App>,
    Ids(path): Ids<CouponPath>,
    Body(ForOrder { order }): Body<ForOrder>,
) -> Result<Json<Coupon>, Problem> {
    let now = app.activities.clock.now();
    if let Some(coupon) = app.activities.store.use_coupon(&path.community, &path.coupon, order.as_str(), now).await? {
        return Ok(told(&app, &path, coupon));
    }
    let known = find(&app, &path.community, &path.coupon).await?;
    let is_again = known.state == CouponState::Used && known.order.as_deref() == Some(order.as_str());
    if is_again { Ok(Json(known)) } else { Err(unfit(&known, now)) }
}

/// The order was not paid, or was paid back: the member has the coupon again, as long as it is valid.
#[utoipa::path(post, path = "/v1/communities/{community}/coupons/{coupon}/return", tag = "coupons", params(CouponPath),
    request_body = ForOrder, responses((status = 200, body = Coupon)))]
pub(crate) async fn give_back(
    State(app): State<App>,
    Ids(path): Ids<CouponPath>,
    Body(ForOrder { order }): Body<ForOrder>,
) -> Result<Json<Coupon>, Problem> {
    let now = app.activities.clock.now();
    match app.activities.store.return_coupon(&path.community, &path.coupon, order.as_str(), now).await? {
        Some(coupon) => Ok(told(&app, &path, coupon)),
        None => stays(&app, &path).await,
    }
}

/// A basket and the coupons that are to be used on it: those on goods first, then those on the order, then those on shipping, and within
/// these in the order in which they stand here.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Basket {
    /// Whose it is: the coupons must be theirs.
    #[schema(value_type = String)]
    member: Id,
    /// 1 to 200.
    lines: Vec<BasketLine>,
    /// What shipping costs, in minor units.
    #[serde(default)]
    shipping_minor: i64,
    /// At most 10.
    #[schema(value_type = Vec<String>)]
    coupons: Vec<Id>,
    /// The platform's own name of the order, where coupons are set aside for it already.
    #[schema(value_type = Option<String>)]
    order: Option<Id>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Quote {
    /// With shipping.
    subtotal_minor: i64,
    discount_minor: i64,
    total_minor: i64,
    /// How the discount is spread over the lines: exactly, by their shares.
    line_discounts_minor: Vec<i64>,
    shipping_discount_minor: i64,
    /// Those that are used, in the order in which they count. Of one class it is the best alone.
    coupons: Vec<UsedCoupon>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UsedCoupon {
    #[schema(value_type = String)]
    coupon: Id,
    /// What it takes off, in minor units.
    off_minor: i64,
}

/// What coupons take off a basket, its shipping included. Each counts on what those before it have left. A member asks for their own.
#[utoipa::path(post, path = "/v1/communities/{community}/coupons/quote", tag = "coupons", params(CommunityPath),
    request_body = Basket, responses((status = 200, body = Quote)))]
pub(crate) async fn quote(
    State(app): State<App>,
    principal: Principal,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Body(basket): Body<Basket>,
) -> Result<Json<Quote>, Problem> {
    communities::find(&app, &community).await?;
    MemberPath { community: community.clone(), member: basket.member.clone() }.of(&app, &principal).await?;
    let Basket { lines, shipping_minor, .. } = &basket;
    let amounts =
        lines.iter().map(|line| line.minor).chain([*shipping_minor]).all(|minor| (0..=MINOR_MAX).contains(&minor))
            && lines.iter().all(|line| (1..=UNITS_MAX).contains(&line.units));
    if !(1..=QUOTE_LINES_MAX).contains(&lines.len()) || basket.coupons.len() > QUOTE_COUPONS_MAX || !amounts {
        let detail = format!("A basket has 1 to {QUOTE_LINES_MAX} lines and at most {QUOTE_COUPONS_MAX} coupons.");
        return Err(Problem::unprocessable("coupon.basket", detail));
    }
    let now = app.activities.clock.now();
    let mut terms = Vec::with_capacity(basket.coupons.len());
    for (index, id) in basket.coupons.iter().enumerate() {
        let coupon = find_own(&app, &community, id, &basket.member).await?;
        let lives = match coupon.state_at(now) {
            CouponState::Issued => true,
            // What is set aside in time is good for its order, however late that is paid.
            CouponState::Reserved => {
                basket.order.as_ref().is_some_and(|order| coupon.order.as_deref() == Some(order.as_str()))
            }
            _ => false,
        };
        if !lives {
            return Err(unfit(&coupon, now));
        }
        if basket.coupons[..index].contains(id) {
            return Err(Problem::conflict("coupon.wrong-state", format!("The coupon {id} is named twice.")));
        }
        let known = app.activities.store.template(&community, &coupon.template).await?;
        terms.push((known.ok_or_else(|| Problem::not_found("coupon template"))?, coupon.expires_at));
    }
    let priced = price(lines, *shipping_minor, &terms).map_err(|(index, why)| {
        let (code, what) = match why {
            Unfit::Scope => ("coupon.scope", "nothing in the basket is what it counts on"),
            Unfit::TooLittle => ("coupon.min-spend", "too little is left to pay"),
            Unfit::Conflict => ("coupon.stack-conflict", "it goes with no other"),
        };
        Problem::new(
            StatusCode::CONFLICT,
            code,
            format!("The coupon {} does not count here: {what}.", basket.coupons[index]),
        )
    })?;
    let subtotal_minor = lines.iter().map(|line| line.minor).sum::<i64>() + shipping_minor;
    let discount_minor = priced.lines.iter().sum::<i64>() + priced.shipping;
    let coupons = priced
        .used
        .into_iter()
        .map(|(index, off_minor)| UsedCoupon { coupon: basket.coupons[index].clone(), off_minor });
    Ok(Json(Quote {
        subtotal_minor,
        discount_minor,
        total_minor: subtotal_minor - discount_minor,
        line_discounts_minor: priced.lines,
        shipping_discount_minor: priced.shipping,
        coupons: coupons.collect(),
    }))
}
