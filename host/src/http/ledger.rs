//! `/v1/communities/{community}/ledger`, and the cash that members are paid.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        id::Id,
        money::{MINOR_MAX, Money},
    },
    store::{deeds::Deed, ledger::LedgerEntry},
};

use super::{
    communities,
    extract::{Body, CommunityPath, IdempotencyKey, Ids, Listing, Paging, PagingQuery},
    members::MemberPath,
    problem::Problem,
    router::App,
};

/// Every movement of money and points, by activity and number.
#[utoipa::path(get, path = "/v1/communities/{community}/ledger", tag = "ledger", params(CommunityPath, PagingQuery),
    responses((status = 200, body = Listing<LedgerEntry>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Ids(CommunityPath { community }): Ids<CommunityPath>,
    Paging(page): Paging,
) -> Result<Json<Listing<LedgerEntry>>, Problem> {
    communities::find(&app, &community).await?;
    Ok(Json(Listing::of(app.activities.store.ledger(&community, &page).await?, |entry| entry)))
}

/// The platform has paid a member some of the cash that activities gave them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payout {
    amount: Money,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Payable {
    #[schema(value_type = String)]
    member: Id,
    /// What is still to be paid.
    payable: Money,
}

/// Books what the platform has paid a member, once under each Idempotency-Key.
#[utoipa::path(post, path = "/v1/communities/{community}/members/{member}/payouts", tag = "ledger",
    params(MemberPath, ("Idempotency-Key" = String, Header)),
    request_body = Payout, responses((status = 200, body = Payable)))]
pub(crate) async fn pay_out(
    State(app): State<App>,
    Ids(MemberPath { community, member }): Ids<MemberPath>,
    IdempotencyKey(key): IdempotencyKey,
    Body(Payout { amount }): Body<Payout>,
) -> Result<Json<Payable>, Problem> {
    let home = communities::find(&app, &community).await?;
    if amount.currency != home.currency {
        let detail = format!("This community counts in {}.", home.currency.as_str());
        return Err(Problem::unprocessable("common.currency-mismatch", detail));
    }
    if !(1..=MINOR_MAX).contains(&amount.minor) {
        return Err(Problem::unprocessable("payout.amount", format!("A payout is 1 to {MINOR_MAX} minor units.")));
    }
    let store = &app.activities.store;
    match store.pay_out(&community, &key, &member, &amount, app.activities.clock.now()).await? {
        Some(Deed::Same) => {
            let minor = store.payable(&community, &member).await?;
            Ok(Json(Payable { member, payable: Money { minor, currency: home.currency } }))
        }
        Some(Deed::Other) => Err(Problem::idempotency_mismatch()),
        None => Err(Problem::conflict("payout.too-much", "So much is not owed to this member.")),
    }
}
