//! The route table: every route and whom it lets in. There is no other way to add a route, so what is not here is denied.

use std::{ops::Deref, sync::Arc};

use axum::{Json, Router, middleware, response::IntoResponse, routing::get};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, OpenApiVersion, Ref, RefOr,
    ResponseBuilder,
    extensions::ExtensionsBuilder,
    security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};
use utoipa_swagger_ui::SwaggerUi;

use crate::{activity::Activities, delivery::Delivery};

use super::{
    activities, budgets, channels, communities, coupons, edge, editions, events, fairness, group_rules, groups, health,
    identity::{Identity, Who, require},
    inbox, keys, ledger, live, members, memberships, notices, orders, participation, plugins,
    problem::Problem,
    proposals, rewards, rules, shipments, shop, stock, tokens, webhooks,
};

/// What handlers share. Another field must be argued for. Behind one `Arc`: each layer of each request clones it.
pub(crate) struct Shared {
    pub activities: Activities,
    pub identity: Identity,
    /// Whom the host may speak to, and the demo shop.
    pub delivery: Delivery,
}

#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

impl App {
    pub(crate) fn new(activities: Activities, identity: Identity, delivery: Delivery) -> Self {
        Self(Arc::new(Shared { activities, identity, delivery }))
    }
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

const OPERATOR: Who = Who { operator: true, app: false, member: false };
const OPERATOR_OR_APP: Who = Who { operator: true, app: true, member: false };
const APP: Who = Who { operator: false, app: true, member: false };
const MEMBER: Who = Who { operator: false, app: false, member: true };
const MEMBER_OR_OPERATOR: Who = Who { operator: true, app: false, member: true };
const ANYBODY_KNOWN: Who = Who { operator: true, app: true, member: true };

type Rows = Vec<(Who, UtoipaMethodRouter<App>)>;

fn table(app: &App) -> OpenApiRouter<App> {
    let begin = OpenApiRouter::with_openapi(document());
    let all = people_and_plugins().into_iter().chain(money_and_news()).chain(writing_to_members()).chain(activities());
    let guarded = all.fold(begin, |router, (who, route)| router.routes(guard(app, who, route)));
    // The shop has no key of ours: its messages are signed, which the handler checks.
    guarded.routes(document_guard(vec!["shop"], routes!(shop::hear)))
}

fn people_and_plugins() -> Rows {
    vec![
        (OPERATOR, routes!(plugins::upload)),
        (OPERATOR, routes!(plugins::list)),
        (OPERATOR, routes!(plugins::show)),
        (OPERATOR, routes!(plugins::remove)),
        (OPERATOR, routes!(plugins::enable)),
        (OPERATOR, routes!(plugins::disable)),
        (OPERATOR, routes!(keys::create)),
        (OPERATOR, routes!(keys::list)),
        (OPERATOR, routes!(keys::remove)),
        (OPERATOR, routes!(communities::list)),
        (OPERATOR, routes!(communities::put)),
        (OPERATOR_OR_APP, routes!(communities::show)),
        (OPERATOR, routes!(rules::put)),
        (OPERATOR_OR_APP, routes!(rules::show)),
        (OPERATOR_OR_APP, routes!(members::put)),
        (OPERATOR_OR_APP, routes!(members::show)),
        (OPERATOR_OR_APP, routes!(members::list)),
        (OPERATOR_OR_APP, routes!(members::bind)),
        (OPERATOR_OR_APP, routes!(groups::put)),
        (OPERATOR_OR_APP, routes!(groups::show)),
        (OPERATOR_OR_APP, routes!(groups::list)),
        (OPERATOR_OR_APP, routes!(memberships::put)),
        (OPERATOR_OR_APP, routes!(memberships::show)),
        (OPERATOR_OR_APP, routes!(memberships::list)),
        (ANYBODY_KNOWN, routes!(memberships::remove)),
        (MEMBER, routes!(memberships::invite)),
        (MEMBER, routes!(memberships::join)),
        (OPERATOR_OR_APP, routes!(memberships::group_stats)),
        (ANYBODY_KNOWN, routes!(memberships::member_stats)),
        (OPERATOR_OR_APP, routes!(group_rules::put)),
        (ANYBODY_KNOWN, routes!(group_rules::show)),
        (MEMBER, routes!(group_rules::accept)),
        (ANYBODY_KNOWN, routes!(proposals::report)),
        (ANYBODY_KNOWN, routes!(proposals::list)),
        (ANYBODY_KNOWN, routes!(proposals::accept)),
        (ANYBODY_KNOWN, routes!(proposals::dismiss)),
        (ANYBODY_KNOWN, routes!(budgets::put)),
        (ANYBODY_KNOWN, routes!(budgets::show)),
        (OPERATOR_OR_APP, routes!(budgets::list)),
        (APP, routes!(tokens::create)),
    ]
}

fn money_and_news() -> Rows {
    vec![
        (OPERATOR, routes!(ledger::list)),
        (APP, routes!(ledger::pay_out)),
        (OPERATOR_OR_APP, routes!(stock::put)),
        (OPERATOR_OR_APP, routes!(stock::show)),
        (OPERATOR_OR_APP, routes!(stock::list)),
        (OPERATOR_OR_APP, routes!(stock::add_codes)),
        (OPERATOR_OR_APP, routes!(coupons::put_template)),
        (OPERATOR_OR_APP, routes!(coupons::list_templates)),
        (ANYBODY_KNOWN, routes!(coupons::list)),
        (APP, routes!(coupons::reserve)),
        (APP, routes!(coupons::use_up)),
        (APP, routes!(coupons::give_back)),
        (ANYBODY_KNOWN, routes!(coupons::quote)),
        (OPERATOR_OR_APP, routes!(orders::put_sku)),
        (OPERATOR_OR_APP, routes!(orders::list_skus)),
        (ANYBODY_KNOWN, routes!(orders::list)),
        (OPERATOR_OR_APP, routes!(orders::show)),
        (ANYBODY_KNOWN, routes!(shipments::list_own)),
        (ANYBODY_KNOWN, routes!(shipments::claim)),
        (OPERATOR_OR_APP, routes!(shipments::list)),
        (OPERATOR_OR_APP, routes!(shipments::ship)),
        (OPERATOR, routes!(shop::put)),
        (OPERATOR, routes!(shop::show)),
        (OPERATOR_OR_APP, routes!(shop::demo_orders)),
        (OPERATOR_OR_APP, routes!(shop::demo_pay)),
        (OPERATOR_OR_APP, routes!(shop::demo_fail)),
        (OPERATOR_OR_APP, routes!(shop::demo_refund)),
        (OPERATOR_OR_APP, routes!(events::take)),
        (OPERATOR_OR_APP, routes!(live::community)),
        (OPERATOR_OR_APP, routes!(live::activity)),
        (OPERATOR, routes!(webhooks::create)),
        (OPERATOR, routes!(webhooks::list)),
        (OPERATOR, routes!(webhooks::show)),
        (OPERATOR, routes!(webhooks::remove)),
        (OPERATOR, routes!(webhooks::rotate)),
        (OPERATOR, routes!(webhooks::enable)),
        (OPERATOR, routes!(webhooks::disable)),
        (OPERATOR, routes!(webhooks::replay)),
        (OPERATOR, routes!(webhooks::deliveries)),
    ]
}

fn writing_to_members() -> Rows {
    vec![
        (OPERATOR_OR_APP, routes!(notices::put_template)),
        (OPERATOR_OR_APP, routes!(notices::remove_template)),
        (OPERATOR_OR_APP, routes!(notices::list_templates)),
        (OPERATOR_OR_APP, routes!(notices::list)),
        (ANYBODY_KNOWN, routes!(inbox::list)),
        (ANYBODY_KNOWN, routes!(inbox::read)),
        (ANYBODY_KNOWN, routes!(inbox::stream)),
        (ANYBODY_KNOWN, routes!(inbox::opt_outs)),
        (ANYBODY_KNOWN, routes!(inbox::set_opt_outs)),
        (OPERATOR_OR_APP, routes!(inbox::contact)),
        (OPERATOR_OR_APP, routes!(inbox::set_contact)),
        (ANYBODY_KNOWN, routes!(inbox::subscriptions)),
        (APP, routes!(inbox::subscribe)),
    ]
}

fn activities() -> Rows {
    vec![
        (MEMBER_OR_OPERATOR, routes!(activities::create)),
        (OPERATOR, routes!(activities::list)),
        (MEMBER_OR_OPERATOR, routes!(editions::create)),
        (OPERATOR, routes!(editions::list)),
        (MEMBER_OR_OPERATOR, routes!(activities::show)),
        (MEMBER_OR_OPERATOR, routes!(activities::start)),
        (MEMBER_OR_OPERATOR, routes!(activities::pause)),
        (MEMBER_OR_OPERATOR, routes!(activities::resume)),
        (MEMBER_OR_OPERATOR, routes!(activities::stop)),
        (OPERATOR, routes!(activities::upgrade)),
        (MEMBER_OR_OPERATOR, routes!(activities::expand)),
        (OPERATOR, routes!(activities::extend)),
        (MEMBER_OR_OPERATOR, routes!(activities::rollout)),
        (OPERATOR, routes!(activities::journal)),
        (OPERATOR, routes!(activities::outbox)),
        (OPERATOR_OR_APP, routes!(channels::show)),
        (OPERATOR, routes!(activities::audit)),
        (MEMBER_OR_OPERATOR, routes!(participation::act)),
        (MEMBER_OR_OPERATOR, routes!(participation::query)),
        (MEMBER_OR_OPERATOR, routes!(participation::page)),
        (ANYBODY_KNOWN, routes!(fairness::show)),
        (ANYBODY_KNOWN, routes!(rewards::list)),
    ]
}

/// Puts the guard before a route, and whom it lets in into its documentation.
fn guard(app: &App, who: Who, route: UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    let (schemas, paths, route) = document_guard(who.names(), route);
    (schemas, paths, route.route_layer(middleware::from_fn_with_state((app.clone(), who), require)))
}

fn document_guard(
    who: Vec<&'static str>,
    (schemas, mut paths, route): UtoipaMethodRouter<App>,
) -> UtoipaMethodRouter<App> {
    for (path, item) in &mut paths.paths {
        let operations =
            [("get", &mut item.get), ("put", &mut item.put), ("post", &mut item.post), ("delete", &mut item.delete)];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            operation.operation_id = Some(operation_id(method, path));
            if who != ["shop"] {
                operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
            }
            operation.extensions = Some(ExtensionsBuilder::new().add("x-who", who.clone()).build());
            operation.responses.responses.insert("default".into(), RefOr::Ref(Ref::from_response_name("Problem")));
        }
    }
    (schemas, paths, route)
}

/// `get /v1/communities/{community}/budgets/{budget}` is `get_communities_budgets_budget`: another for every operation, and the same for ever.
fn operation_id(method: &str, path: &str) -> String {
    let words: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    let is_told = |&(place, word): &(usize, &&str)| place + 1 == words.len() || !word.starts_with('{');
    let told =
        words.iter().enumerate().filter(is_told).map(|(_, word)| word.trim_matches(['{', '}']).replace('-', "_"));
    told.fold(method.to_owned(), |id, word| id + "_" + &word)
}

fn document() -> OpenApi {
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let problem = ResponseBuilder::new().description("Not a success: RFC 9457.").content(
        "application/problem+json",
        ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
    );
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Fairground").version(env!("CARGO_PKG_VERSION")).description(Some(
            "Community activities as sandboxed plugins. `x-who` names the credentials that a call takes.",
        )))
        .components(Some(
            ComponentsBuilder::new()
                .security_scheme("bearer", bearer)
                .schema_from::<Problem>()
                .response("Problem", problem.build())
                .build(),
        ))
        .build()
}

/// Everything the host answers.
pub(crate) fn router(app: App, health: health::Health) -> Router {
    let (routes, mut document) = table(&app).split_for_parts();
    document.openapi = OpenApiVersion::Version31;
    let document = Json(serde_json::to_value(&document).expect("the document is JSON"));
    // Whoever looks at an operation sees its `x-who`.
    let page = utoipa_swagger_ui::Config::from("/openapi.json").show_extensions(true);
    routes
        .with_state(app)
        .merge(health::routes(health))
        .route("/openapi.json", get(async move || document.clone().into_response()))
        .merge(SwaggerUi::new("/docs").config(page))
        .fallback(async || Problem::not_found("resource"))
        .method_not_allowed_fallback(async || {
            Problem::new(
                axum::http::StatusCode::METHOD_NOT_ALLOWED,
                "http.method-not-allowed",
                "This resource has no such method.",
            )
        })
        .layer(middleware::from_fn(edge::edge))
}
