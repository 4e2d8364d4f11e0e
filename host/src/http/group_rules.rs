//! `/v1/communities/{community}/groups/{group}/rules`: what a group asks of its members, and who has accepted it.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::group::{GroupRules, Membership, RulesDocument},
    store::group_rules::Accepted,
};

use super::{
    extract::{Asked, Body, Ids},
    groups::{self, GroupPath},
    identity::Principal,
    problem::Problem,
    router::App,
};

const SENTENCES_MAX: usize = 50;
const SENTENCE_BYTES_MAX: usize = 1_000;
const INTRO_BYTES_MAX: usize = 4_000;

fn check(document: &RulesDocument) -> Result<(), Problem> {
    let RulesDocument { intro, name_card_format, to_do, not_to_do } = document;
    let sentences = || to_do.iter().chain(not_to_do);
    let fits = to_do.len() <= SENTENCES_MAX
        && not_to_do.len() <= SENTENCES_MAX
        && sentences().chain([name_card_format]).all(|text| text.len() <= SENTENCE_BYTES_MAX)
        && [&intro.who_we_are, &intro.benefits].iter().all(|text| text.len() <= INTRO_BYTES_MAX);
    let all = sentences().chain([name_card_format, &intro.who_we_are, &intro.benefits]);
    if fits && all.into_iter().all(|text| !text.contains('\0')) {
        return Ok(());
    }
    let detail = format!(
        "Rules have at most {SENTENCES_MAX} sentences of either kind, of {SENTENCE_BYTES_MAX} bytes, and an introduction of {INTRO_BYTES_MAX}."
    );
    Err(Problem::unprocessable("group.rules", detail))
}

/// Sets a group's rules. Other ones are the next version, which members accept anew.
#[utoipa::path(put, path = "/v1/communities/{community}/groups/{group}/rules", tag = "groups", params(GroupPath),
    request_body = RulesDocument, responses((status = 200, body = GroupRules)))]
pub(crate) async fn put(
    State(app): State<App>,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
    Body(document): Body<RulesDocument>,
) -> Result<Json<GroupRules>, Problem> {
    check(&document)?;
    let store = &app.activities.store;
    let version = store.put_group_rules(&community, &group, &document, app.activities.clock.now()).await?;
    let version = version.ok_or_else(|| Problem::not_found("group"))?;
    let rules = store.group_rules(&community, &group, Some(version)).await?;
    Ok(Json(rules.ok_or_else(|| Problem::not_found("version of the rules"))?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionQuery {
    /// The newest, where it is left out.
    version: Option<i64>,
}

/// A group's rules.
#[utoipa::path(get, path = "/v1/communities/{community}/groups/{group}/rules", tag = "groups", params(GroupPath, VersionQuery),
    responses((status = 200, body = GroupRules)))]
pub(crate) async fn show(
    State(app): State<App>,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
    Asked(VersionQuery { version }): Asked<VersionQuery>,
) -> Result<Json<GroupRules>, Problem> {
    groups::find(&app, &community, &group).await?;
    let rules = app.activities.store.group_rules(&community, &group, version).await?;
    Ok(Json(rules.ok_or_else(|| Problem::not_found("version of the rules"))?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acceptance {
    /// The version that the member has read: the newest.
    version: i64,
}

/// Accepts the rules as they are in their newest version.
#[utoipa::path(post, path = "/v1/communities/{community}/groups/{group}/rules/acceptance", tag = "groups", params(GroupPath),
    request_body = Acceptance, responses((status = 200, body = Membership)))]
pub(crate) async fn accept(
    State(app): State<App>,
    principal: Principal,
    Ids(GroupPath { community, group }): Ids<GroupPath>,
    Body(Acceptance { version }): Body<Acceptance>,
) -> Result<Json<Membership>, Problem> {
    let Principal::Member(member) = &principal else { return Err(Problem::fault()) };
    groups::find(&app, &community, &group).await?;
    let store = &app.activities.store;
    match store.accept_rules((&community, &group, member), version, app.activities.clock.now()).await? {
        Accepted::Yes => {
            let membership = store.membership(&community, &group, member).await?;
            Ok(Json(membership.ok_or_else(|| Problem::not_found("member of this group"))?))
        }
        Accepted::NotIn => Err(Problem::not_found("member of this group")),
        Accepted::Other => {
            Err(Problem::conflict("group.rules-version", "The rules have another version; read them again."))
        }
    }
}
