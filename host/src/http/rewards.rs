//! `/v1/communities/{community}/members/{member}/rewards`.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    hold::{Hold, HoldState},
    id::Id,
    money::Money,
};

use super::{
    extract::{Ids, Paging, PagingQuery},
    identity::Principal,
    members::MemberPath,
    problem::Problem,
    router::App,
};

/// One reward and where it is in its life.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reward {
    #[schema(value_type = String)]
    activity: Id,
    /// Unique within the activity.
    key: String,
    offer: String,
    state: HoldState,
    cost: Money,
    /// UTC milliseconds.
    created_at: i64,
    /// UTC milliseconds; when a hold that is not captured is put back.
    expires_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Points {
    account: String,
    balance: i64,
}

/// What a member got.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rewards {
    items: Vec<Reward>,
    next_cursor: Option<String>,
    points: Vec<Points>,
}

fn reward((activity, hold): (Id, Hold)) -> Reward {
    let Hold { key, offer, state, cost, created_at, expires_at, .. } = hold;
    Reward { activity, key, offer, state, cost, created_at, expires_at }
}

/// A member's rewards by activity, and the balances of their points. A member sees their own.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/rewards", tag = "members", params(MemberPath, PagingQuery),
    responses((status = 200, body = Rewards)))]
pub(crate) async fn list(
    State(app): State<App>,
    principal: Principal,
    Ids(MemberPath { community, member }): Ids<MemberPath>,
    Paging(page): Paging,
) -> Result<Json<Rewards>, Problem> {
    if matches!(&principal, Principal::Member(own) if *own != member) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "http.forbidden", "A member sees their own rewards."));
    }
    let store = &app.activities.store;
    if store.member(&community, &member).await?.is_none() {
        return Err(Problem::not_found("member"));
    }
    let holds = store.holds_of(&community, &member, &page).await?;
    let balances = store.balances(&community, &member).await?;
    Ok(Json(Rewards {
        items: holds.items.into_iter().map(reward).collect(),
        next_cursor: holds.next,
        points: balances.into_iter().map(|(account, balance)| Points { account, balance }).collect(),
    }))
}
