//! `/v1/keys`: keys of operators and apps.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::id::{Id, hex},
    store::api_keys::{ApiKey, KeyKind},
};

use super::{
    extract::{Body, Ids, Listing, Paging, PagingQuery},
    identity::secret_hash,
    problem::Problem,
    router::App,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyWish {
    kind: KeyKind,
    /// The one community it is good for; all of them where it is left out.
    #[schema(value_type = Option<String>)]
    community: Option<Id>,
    /// UTC milliseconds; never where it is left out.
    expires_at: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NewKey {
    #[serde(flatten)]
    key: ApiKey,
    /// Shown once: only its hash is kept.
    secret: String,
}

/// A key and its secret, which begins with a word that says what it is.
pub(crate) fn make_key(kind: KeyKind, community: Option<Id>, expires_at: Option<i64>, now: i64) -> (ApiKey, String) {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    let word = match kind {
        KeyKind::Operator => "fgo",
        KeyKind::App => "fga",
    };
    let key = ApiKey { id: Id::random("key"), kind, community, created_at: now, expires_at };
    (key, format!("{word}_{}", hex(&bytes)))
}

/// Makes a key. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = KeyWish, responses((status = 201, body = NewKey)))]
pub(crate) async fn create(
    State(app): State<App>,
    Body(wish): Body<KeyWish>,
) -> Result<(StatusCode, Json<NewKey>), Problem> {
    let now = app.activities.clock.now();
    if let Some(community) = &wish.community
        && app.activities.store.community(community).await?.is_none()
    {
        return Err(Problem::unprocessable("community.unknown", format!("There is no community {community:?}.")));
    }
    if wish.expires_at.is_some_and(|end| end <= now) {
        return Err(Problem::unprocessable("key.expired", "It would have expired already."));
    }
    let (key, secret) = make_key(wish.kind, wish.community, wish.expires_at, now);
    app.activities.store.insert_key(&key, &secret_hash(&secret)).await?;
    Ok((StatusCode::CREATED, Json(NewKey { key, secret })))
}

/// Every key, without its secret.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", params(PagingQuery), responses((status = 200, body = Listing<ApiKey>)))]
pub(crate) async fn list(State(app): State<App>, Paging(page): Paging) -> Result<Json<Listing<ApiKey>>, Problem> {
    Ok(Json(Listing::of(app.activities.store.keys(&page).await?, |key| key)))
}

/// Revokes a key: at once on this host, within five seconds on others.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path)), responses((status = 204)))]
pub(crate) async fn remove(State(app): State<App>, Ids(id): Ids<Id>) -> Result<StatusCode, Problem> {
    if !app.activities.store.delete_key(&id).await? {
        return Err(Problem::not_found("key"));
    }
    app.identity.forget_keys();
    Ok(StatusCode::NO_CONTENT)
}
