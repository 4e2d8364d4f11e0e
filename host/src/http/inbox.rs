//! `/v1/communities/{community}/members/{member}/inbox`, and how the member wants to be written to.

use axum::{Json, extract::State, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    delivery::{Followed, is_address},
    domain::id::Id,
    store::{
        deeds::Deed,
        messages::MessageView,
        preferences::{OptOut, Subscription},
    },
};

use super::{
    extract::{Body, IdempotencyKey, Ids, Paging, PagingQuery},
    identity::Principal,
    live::{LastEventId, follow},
    members::MemberPath,
    problem::Problem,
    router::App,
};

/// Messages of one template that may be allowed at once.
const ALLOWED_MAX: i64 = 1_000;

/// A page of an inbox.
#[derive(Serialize, ToSchema)]
pub(crate) struct Inbox {
    /// The newest first.
    items: Vec<MessageView>,
    next_cursor: Option<String>,
    /// Of the whole inbox.
    unread: i64,
}

/// What has arrived in-app, the newest first.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/inbox", tag = "inbox", params(MemberPath, PagingQuery),
    responses((status = 200, body = Inbox)))]
pub(crate) async fn list(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    Paging(page): Paging,
) -> Result<Json<Inbox>, Problem> {
    path.of(&app, &principal).await?;
    let store = &app.activities.store;
    let page = store.messages(&path.community, &path.member, &page).await?;
    let (unread, _) = store.unread(&path.community, &path.member).await?;
    Ok(Json(Inbox { items: page.items, next_cursor: page.next, unread }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadUntil {
    /// The position of the last message that was read.
    position: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Unread {
    unread: i64,
}

/// Everything up to and with a message has been read.
#[utoipa::path(post, path = "/v1/communities/{community}/members/{member}/inbox/read", tag = "inbox", params(MemberPath),
    request_body = ReadUntil, responses((status = 200, body = Unread)))]
pub(crate) async fn read(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    Body(ReadUntil { position }): Body<ReadUntil>,
) -> Result<Json<Unread>, Problem> {
    path.of(&app, &principal).await?;
    let store = &app.activities.store;
    store.read_until(&path.community, &path.member, position, app.activities.clock.now()).await?;
    let (unread, _) = store.unread(&path.community, &path.member).await?;
    Ok(Json(Unread { unread }))
}

/// Messages as they arrive. Begins now, or behind `Last-Event-ID`.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/inbox/stream", tag = "inbox",
    params(MemberPath, ("Last-Event-ID" = Option<i64>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(crate) async fn stream(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    last: LastEventId,
) -> Result<Response, Problem> {
    path.of(&app, &principal).await?;
    let MemberPath { community, member } = path;
    let after = last.or_end(app.activities.store.unread(&community, &member).await?.1);
    // A platform that passes on its members' inboxes has room for each.
    let who = format!("{community} {principal:?} {member}");
    let whom = (who, Followed::Inbox(community.clone(), member.clone()));
    follow(&app, whom, after, move |store, after| {
        let (community, member) = (community.clone(), member.clone());
        async move {
            let messages = store.messages_after(&community, &member, after).await?;
            messages.iter().map(|message| Ok((message.position, serde_json::to_string(message)?))).collect()
        }
    })
}

/// Kinds of notices that a member does not want.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptOuts {
    opt_outs: Vec<OptOut>,
}

/// What the member does not want.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/opt-outs", tag = "inbox", params(MemberPath),
    responses((status = 200, body = OptOuts)))]
pub(crate) async fn opt_outs(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
) -> Result<Json<OptOuts>, Problem> {
    path.of(&app, &principal).await?;
    Ok(Json(OptOuts { opt_outs: app.activities.store.opt_outs(&path.community, &path.member).await? }))
}

/// Says what the member does not want, in place of what was said before.
#[utoipa::path(put, path = "/v1/communities/{community}/members/{member}/opt-outs", tag = "inbox", params(MemberPath),
    request_body = OptOuts, responses((status = 200, body = OptOuts)))]
pub(crate) async fn set_opt_outs(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    Body(OptOuts { opt_outs }): Body<OptOuts>,
) -> Result<Json<OptOuts>, Problem> {
    path.of(&app, &principal).await?;
    let store = &app.activities.store;
    store.set_opt_outs(&path.community, &path.member, &opt_outs).await?;
    Ok(Json(OptOuts { opt_outs: store.opt_outs(&path.community, &path.member).await? }))
}

/// Where a member can be written to. No plugin sees it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    /// A mail address; null where there is none.
    email: Option<String>,
}

/// Where the member can be written to.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/contact", tag = "inbox", params(MemberPath),
    responses((status = 200, body = Contact)))]
pub(crate) async fn contact(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
) -> Result<Json<Contact>, Problem> {
    path.of(&app, &principal).await?;
    Ok(Json(Contact { email: app.activities.store.email(&path.community, &path.member).await? }))
}

/// Says where the member can be written to; the platform has checked the address.
#[utoipa::path(put, path = "/v1/communities/{community}/members/{member}/contact", tag = "inbox", params(MemberPath),
    request_body = Contact, responses((status = 200, body = Contact)))]
pub(crate) async fn set_contact(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    Body(Contact { email }): Body<Contact>,
) -> Result<Json<Contact>, Problem> {
    path.of(&app, &principal).await?;
    if email.as_deref().is_some_and(|email| !is_address(email)) {
        return Err(Problem::unprocessable("contact.email", "This is no mail address."));
    }
    app.activities.store.set_email(&path.community, &path.member, email.as_deref()).await?;
    Ok(Json(Contact { email }))
}

/// Messages that a member allows once each, as WeChat's subscriptions do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allowance {
    /// The template's name: 1 to 128 bytes.
    #[schema(value_type = String)]
    template: Id,
    /// 1 to 1000.
    count: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Subscriptions {
    subscriptions: Vec<Subscription>,
}

/// What the member still allows.
#[utoipa::path(get, path = "/v1/communities/{community}/members/{member}/subscriptions", tag = "inbox", params(MemberPath),
    responses((status = 200, body = Subscriptions)))]
pub(crate) async fn subscriptions(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
) -> Result<Json<Subscriptions>, Problem> {
    path.of(&app, &principal).await?;
    Ok(Json(Subscriptions { subscriptions: app.activities.store.subscriptions(&path.community, &path.member).await? }))
}

/// The member has allowed so many more messages of a template, once under each Idempotency-Key.
#[utoipa::path(post, path = "/v1/communities/{community}/members/{member}/subscriptions", tag = "inbox",
    params(MemberPath, ("Idempotency-Key" = String, Header)), request_body = Allowance, responses((status = 200, body = Subscriptions)))]
pub(crate) async fn subscribe(
    State(app): State<App>,
    principal: Principal,
    Ids(path): Ids<MemberPath>,
    IdempotencyKey(key): IdempotencyKey,
    Body(Allowance { template, count }): Body<Allowance>,
) -> Result<Json<Subscriptions>, Problem> {
    path.of(&app, &principal).await?;
    if !(1..=ALLOWED_MAX).contains(&count) {
        return Err(Problem::unprocessable(
            "subscription.count",
            format!("A member allows 1 to {ALLOWED_MAX} at once."),
        ));
    }
    let store = &app.activities.store;
    let allowed = (template.as_str(), count, key.as_str());
    match store.subscribe(&path.community, &path.member, allowed, app.activities.clock.now()).await? {
        Deed::Same => {
            let subscriptions = store.subscriptions(&path.community, &path.member).await?;
            Ok(Json(Subscriptions { subscriptions }))
        }
        Deed::Other => Err(Problem::idempotency_mismatch()),
    }
}
