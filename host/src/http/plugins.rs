//! `/v1/plugins`: upload, see what it asks for, grant it.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::plugin::{Plugin, PluginState},
    sandbox::{Refused, catalog::Uploaded},
};

use super::{
    extract::{Body, Ids, Listing, Paging, PagingQuery, Upload},
    problem::Problem,
    router::App,
};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct VersionPath {
    name: String,
    version: String,
}

/// What an operator grants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// Capabilities, at least those that the version asks for.
    grant: Vec<String>,
}

/// Checks, compiles and describes a component, and keeps it. It runs only after `enable`.
#[utoipa::path(post, path = "/v1/plugins", tag = "plugins", request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = Plugin), (status = 200, body = Plugin, description = "The same bytes were there already.")))]
pub(crate) async fn upload(
    State(app): State<App>,
    Upload(bytes): Upload,
) -> Result<(StatusCode, Json<Plugin>), Problem> {
    let now = app.activities.clock.now();
    match app.activities.catalog.upload(bytes.into(), now).await? {
        Ok(Uploaded::New(plugin)) => Ok((StatusCode::CREATED, Json(plugin))),
        Ok(Uploaded::Same(plugin)) => Ok((StatusCode::OK, Json(plugin))),
        Ok(Uploaded::Taken(plugin)) => Err(Problem::conflict(
            "plugin.version-taken",
            format!(
                "{} {} was uploaded before with other bytes; a version never changes.",
                plugin.name, plugin.version
            ),
        )),
        Err(refused) => Err(refuse(&refused)),
    }
}

fn refuse(refused: &Refused) -> Problem {
    let code = match refused {
        Refused::TooLarge => "plugin.too-large",
        Refused::NotAComponent(_) => "plugin.not-a-component",
        Refused::UnknownImport(_) => "plugin.unknown-import",
        Refused::WrongInterface(_) => "plugin.wrong-interface",
        Refused::CannotDescribe(_) => "plugin.cannot-describe",
        Refused::BadManifest(_) => "plugin.bad-manifest",
    };
    Problem::unprocessable(
        code,
        format!("The upload was refused: {}.", crate::capability::printable(&refused.to_string())),
    )
}

/// Every version of every plugin.
#[utoipa::path(get, path = "/v1/plugins", tag = "plugins", params(PagingQuery), responses((status = 200, body = Listing<Plugin>)))]
pub(crate) async fn list(State(app): State<App>, Paging(page): Paging) -> Result<Json<Listing<Plugin>>, Problem> {
    Ok(Json(Listing::of(app.activities.store.plugins(&page).await?, |plugin| plugin)))
}

async fn find(app: &App, path: &VersionPath) -> Result<Plugin, Problem> {
    app.activities.store.plugin(&path.name, &path.version).await?.ok_or_else(|| Problem::not_found("plugin version"))
}

/// One version.
#[utoipa::path(get, path = "/v1/plugins/{name}/{version}", tag = "plugins", params(VersionPath), responses((status = 200, body = Plugin)))]
pub(crate) async fn show(State(app): State<App>, Ids(path): Ids<VersionPath>) -> Result<Json<Plugin>, Problem> {
    Ok(Json(find(&app, &path).await?))
}

/// Removes a version that no activity uses.
#[utoipa::path(delete, path = "/v1/plugins/{name}/{version}", tag = "plugins", params(VersionPath), responses((status = 204)))]
pub(crate) async fn remove(State(app): State<App>, Ids(path): Ids<VersionPath>) -> Result<StatusCode, Problem> {
    let plugin = find(&app, &path).await?;
    if !app.activities.store.delete_plugin(&plugin).await? {
        return Err(Problem::conflict("plugin.in-use", "An activity uses this version."));
    }
    app.activities.catalog.forget(&plugin.name, &plugin.version);
    Ok(StatusCode::NO_CONTENT)
}

/// Grants what the version asks for; from then on activities run it.
#[utoipa::path(post, path = "/v1/plugins/{name}/{version}/enable", tag = "plugins", params(VersionPath), request_body = Grant,
    responses((status = 200, body = Plugin)))]
pub(crate) async fn enable(
    State(app): State<App>,
    Ids(path): Ids<VersionPath>,
    Body(Grant { grant }): Body<Grant>,
) -> Result<Json<Plugin>, Problem> {
    let plugin = find(&app, &path).await?;
    let missing: Vec<&str> =
        plugin.capabilities.iter().filter(|asked| !grant.contains(asked)).map(String::as_str).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        let detail = format!("{} {} asks for more than is granted: {missing}.", plugin.name, plugin.version);
        return Err(Problem::unprocessable("plugin.missing-capability", detail));
    }
    if let Some(unasked) = grant.iter().find(|granted| !plugin.capabilities.contains(granted)) {
        let detail = format!("{} {} does not ask for {unasked:?}.", plugin.name, plugin.version);
        return Err(Problem::unprocessable("plugin.unasked-capability", detail));
    }
    let granted = plugin.capabilities.clone();
    switch(&app, plugin, PluginState::Enabled, granted).await
}

/// Stops a version: its activities take no actions and run no timers until it is enabled again.
#[utoipa::path(post, path = "/v1/plugins/{name}/{version}/disable", tag = "plugins", params(VersionPath), responses((status = 200, body = Plugin)))]
pub(crate) async fn disable(State(app): State<App>, Ids(path): Ids<VersionPath>) -> Result<Json<Plugin>, Problem> {
    let plugin = find(&app, &path).await?;
    let granted = plugin.granted.clone();
    switch(&app, plugin, PluginState::Disabled, granted).await
}

async fn switch(app: &App, plugin: Plugin, state: PluginState, granted: Vec<String>) -> Result<Json<Plugin>, Problem> {
    app.activities.store.set_plugin_state(&plugin.name, &plugin.version, state, &granted).await?;
    app.activities.catalog.forget(&plugin.name, &plugin.version);
    Ok(Json(Plugin { state, granted, ..plugin }))
}
