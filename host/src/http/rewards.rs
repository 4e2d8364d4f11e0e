//! `/v1/communities/{community}/members/{member}/rewards`.

use std::collections::HashMap;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    hold::{Hold, HoldState},
    id::Id,
    money::Money,
};

use super::{
    communities,
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
    /// Of a virtual good that was given.
    code: Option<String>,
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
    /// Cash that the member has been given and not been paid yet.
    payable: Money,
}

fn reward((activity, hold): (Id, Hold), code: Option<String>) -> Reward {
    let Hold { key, offer, state, cost, created_at, expires_at, .. } = hold;
    Reward { activity, key, offer, state, cost, created_at, expires_at, code }
}

/// A member's rewards by activity, and the balances of their points. A member sees their own.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/rewards", tag = "members", params(MemberPath, PagingQuery),
    responses((status = 200, body = Rewards)))]
pub(crate) async fn list(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    Paging(page): Paging,
) -> Result<Json<Rewards>, Problem> {
    path.of(&app, &principal).await?;
    let MemberPath { community, member } = path;
    let store = &app.activities.store;
    let holds = store.holds_of(&community, &member, &page).await?;
    let mut codes: HashMap<_, _> = store.revealed_codes(&community, &member).await?.into_iter().collect();
    let items = holds.items.into_iter().map(|held| {
        let code = codes.remove(&(held.0.clone(), held.1.key.clone()));
        reward(held, code)
    });
    let items = items.collect();
    let points = store.balances(&community, &member, app.activities.clock.now()).await?;
    let home = communities::find(&app, &community).await?;
    let minor = store.payable(&community, &member).await?;
    Ok(Json(Rewards {
        items,
        next_cursor: holds.next,
        points: points.into_iter().map(|(account, balance)| Points { account, balance }).collect(),
        payable: Money { minor, currency: home.currency },
    }))
}
