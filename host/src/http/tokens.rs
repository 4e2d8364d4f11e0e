//! `/v1/communities/{community}/member-tokens`: apps speak for their members by short tokens.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::id::Id;

use super::{
    extract::{Body, CommunityPath, Ids},
    identity::TOKEN_SECONDS_MAX,
    problem::Problem,
    router::App,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenWish {
    #[schema(value_type = String)]
    member: Id,
    /// 1 to 900.
    ttl_seconds: u32,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    /// For `Authorization: Bearer …`; the member acts as themselves and nobody else.
    token: String,
}

/// A token for a member.
#[utoipa::path(post, path = "/v1/communities/{community}/member-tokens", tag = "members", params(CommunityPath),
    request_body = TokenWish, responses((status = 201, body = Token)))]
pub(crate) async fn create(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Body(wish): Body<TokenWish>,
) -> Result<(StatusCode, Json<Token>), Problem> {
    if !(1..=TOKEN_SECONDS_MAX).contains(&wish.ttl_seconds) {
        return Err(Problem::unprocessable("token.ttl", format!("A token lives 1 to {TOKEN_SECONDS_MAX} seconds.")));
    }
    if app.activities.store.member(&community, &wish.member).await?.is_none() {
        return Err(Problem::unprocessable("member.unknown", format!("There is no member {:?} here.", wish.member)));
    }
    let token = app.identity.member_token(&community, &wish.member, wish.ttl_seconds)?;
    Ok((StatusCode::CREATED, Json(Token { token })))
}
