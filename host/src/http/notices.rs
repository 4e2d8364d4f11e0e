//! `/v1/communities/{community}/notices` and their templates.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    delivery::check_template,
    domain::{id::Id, rules::is_language},
    store::{notices::NoticeRow, templates::NoticeTemplate},
};

use super::{
    communities,
    extract::{Body, CommunityPath, Ids, Listing, Paging, PagingQuery},
    problem::Problem,
    router::App,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TemplatePath {
    #[param(value_type = String)]
    community: Id,
    #[param(value_type = String)]
    template: Id,
    /// BCP 47, such as `zh-Hant`.
    language: String,
}

/// Jinja templates of plain text. They see the notice's params, and `community`, `activity` and `member`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateText {
    /// 1 to 500 bytes.
    title: String,
    /// At most 16 KiB.
    #[serde(default)]
    body: String,
}

/// Creates or changes a template in one language.
#[utoipa::path(put, path = "/v1/communities/{community}/notice-templates/{template}/{language}", tag = "notices", params(TemplatePath),
    request_body = TemplateText, responses((status = 200, body = NoticeTemplate)))]
pub(crate) async fn put_template(
    State(app): State<App>,
    Ids(TemplatePath { community, template, language }): Ids<TemplatePath>,
    Body(TemplateText { title, body }): Body<TemplateText>,
) -> Result<Json<NoticeTemplate>, Problem> {
    communities::find(&app, &community).await?;
    if !is_language(&language) {
        return Err(Problem::unprocessable("template.language", "A language is a tag as in BCP 47: en, zh-Hant."));
    }
    check_template(&title, &body)
        .map_err(|why| Problem::unprocessable("template.invalid", format!("The template cannot be used: {why}.")))?;
    let template = NoticeTemplate { id: template, language, title, body };
    app.activities.store.put_notice_template(&community, &template).await?;
    Ok(Json(template))
}

/// Removes a template in one language.
#[utoipa::path(delete, path = "/v1/communities/{community}/notice-templates/{template}/{language}", tag = "notices", params(TemplatePath),
    responses((status = 204)))]
pub(crate) async fn remove_template(
    State(app): State<App>,
    Ids(TemplatePath { community, template, language }): Ids<TemplatePath>,
) -> Result<StatusCode, Problem> {
    match app.activities.store.delete_notice_template(&community, &template, &language).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("template")),
    }
}

/// Every template, by name and language.
#[utoipa::path(get, path = "/v1/communities/{community}/notice-templates", tag = "notices", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<NoticeTemplate>)))]
pub(crate) async fn list_templates(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<NoticeTemplate>>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json(Listing::of(app.activities.store.notice_templates(&community, &page).await?, |template| template)))
}

/// What became of every notice, by id; suppressed ones say why.
#[utoipa::path(get, path = "/v1/communities/{community}/notices", tag = "notices", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<NoticeRow>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<NoticeRow>>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json(Listing::of(app.activities.store.notices(&community, &page).await?, |notice| notice)))
}
