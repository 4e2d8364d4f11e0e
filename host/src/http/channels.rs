//! `…/channels`: what it cost to bring members over each channel.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::channel::Channel;

use super::{
    extract::{ActivityPath, Ids},
    problem::Problem,
    router::App,
};

#[derive(Serialize, ToSchema)]
pub(crate) struct Channels {
    /// By the channel's name.
    channels: BTreeMap<String, Channel>,
}

/// What an activity has booked for each channel, who came over it, and what one of them cost, rewards included.
#[utoipa::path(get, path = "/v1/communities/{community}/activities/{activity}/channels", tag = "activities", params(ActivityPath),
    responses((status = 200, body = Channels)))]
pub(crate) async fn show(State(app): State<App>, Ids(path): Ids<ActivityPath>) -> Result<Json<Channels>, Problem> {
    let (id, store) = (path.id(), &app.activities.store);
    let (activity, _) = store.activity(&id).await?.ok_or_else(|| Problem::not_found("activity"))?;
    let growth = store.growth(&id).await?;
    let given = store.given(&id).await?;
    Ok(Json(Channels { channels: growth.finish(&given, activity.currency) }))
}
