//! Who is it: keys of operators and apps, tokens of members. What each may do stands in the route table.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use axum::{
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    clock::Clock,
    domain::id::{Id, hex},
    store::{
        Store,
        api_keys::{ApiKey, KeyKind},
    },
};

use super::{problem::Problem, router::App};

/// The longest life of a member's token, and how far clocks may differ.
pub(crate) const TOKEN_SECONDS_MAX: u32 = 900;
const LEEWAY_SECONDS: i64 = 5;

/// A key that was deleted through another host works for at most so long.
const KEY_CACHE_TTL: Duration = Duration::from_secs(5);
const KEY_CACHE_MAX: u64 = 10_000;

/// Tokens whose signature was found good; checking it again would take longer than everything else at the door.
const TOKENS_MAX: usize = 10_000;

const ISSUER: &str = "fairground";
const AUDIENCE: &str = "fairground/member";

/// Kinds of principals that a route lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Who {
    pub operator: bool,
    pub app: bool,
    pub member: bool,
}

impl Who {
    /// Each by its name, and what it shows.
    fn all(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let all = [
            (self.operator, ("operator", "an operator's key")),
            (self.app, ("app", "an app's key")),
            (self.member, ("member", "a member's token")),
        ];
        all.into_iter().filter_map(|(may, who)| may.then_some(who))
    }

    pub(crate) fn names(self) -> Vec<&'static str> {
        self.all().map(|(name, _)| name).collect()
    }

    fn credentials(self) -> String {
        self.all().map(|(_, credential)| credential).collect::<Vec<_>>().join(" or ")
    }
}

/// Who sent the request.
#[derive(Debug, Clone)]
pub(crate) enum Principal {
    Operator(Id),
    App,
    Member(Id),
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Id,
    community: Id,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

#[derive(Clone)]
pub(crate) struct Identity {
    store: Store,
    clock: Clock,
    keys: Cache<String, ApiKey>,
    tokens: Arc<Mutex<HashMap<String, Arc<Claims>>>>,
    signing: Arc<EncodingKey>,
    checking: Arc<DecodingKey>,
    validation: Arc<Validation>,
}

/// What is stored of a secret.
pub(crate) fn secret_hash(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

impl Identity {
    pub(crate) async fn new(store: Store, clock: Clock) -> anyhow::Result<Self> {
        let mut fresh = [0; 32];
        getrandom::fill(&mut fresh).expect("the system has randomness");
        let secret =
            store.setting("member-token-secret", &hex(&fresh)).await.context("cannot read the tokens' secret")?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Times are compared below with the host's own clock.
        validation.validate_exp = false;
        Ok(Self {
            store,
            clock,
            keys: Cache::builder().max_capacity(KEY_CACHE_MAX).time_to_live(KEY_CACHE_TTL).build(),
            tokens: Arc::default(),
            signing: Arc::new(EncodingKey::from_secret(secret.as_bytes())),
            checking: Arc::new(DecodingKey::from_secret(secret.as_bytes())),
            validation: Arc::new(validation),
        })
    }

    /// A token for a member; good for `ttl_seconds`.
    pub(crate) fn member_token(&self, community: &Id, member: &Id, ttl_seconds: u32) -> anyhow::Result<String> {
        let now = self.clock.now().div_euclid(1_000);
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: member.clone(),
            community: community.clone(),
            iat: now,
            nbf: now,
            exp: now + i64::from(ttl_seconds.min(TOKEN_SECONDS_MAX)),
            jti: Id::random("jti").to_string(),
        };
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)?)
    }

    pub(crate) fn forget_keys(&self) {
        self.keys.invalidate_all();
    }

    /// Who holds this credential, and the one community it is good for.
    async fn principal(&self, credential: &str) -> anyhow::Result<Option<(Principal, Option<Id>)>> {
        // A token has two dots; the keys that the host makes have none.
        if credential.contains('.')
            && let Some(member) = self.member(credential)
        {
            return Ok(Some(member));
        }
        let hash = secret_hash(credential);
        let key = match self.keys.get(&hash) {
            Some(key) => key,
            None => {
                let Some(key) = self.store.key_by_secret(&hash).await? else { return Ok(None) };
                self.keys.insert(hash, key.clone());
                key
            }
        };
        if key.expires_at.is_some_and(|end| self.clock.now() >= end) {
            return Ok(None);
        }
        let principal = match key.kind {
            KeyKind::Operator => Principal::Operator(key.id),
            KeyKind::App => Principal::App,
        };
        Ok(Some((principal, key.community)))
    }

    fn member(&self, token: &str) -> Option<(Principal, Option<Id>)> {
        let claims = self.claims(token)?;
        let now = self.clock.now().div_euclid(1_000);
        let lives = claims.nbf - LEEWAY_SECONDS <= now && now < claims.exp + LEEWAY_SECONDS;
        let short = claims.exp - claims.iat <= i64::from(TOKEN_SECONDS_MAX);
        (lives && short).then(|| (Principal::Member(claims.sub.clone()), Some(claims.community.clone())))
    }

    /// What a token with our signature says.
    fn claims(&self, token: &str) -> Option<Arc<Claims>> {
        if let Some(known) = self.tokens.lock().expect("nothing panics while it is locked").get(token) {
            return Some(known.clone());
        }
        let claims = Arc::new(jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation).ok()?.claims);
        let mut tokens = self.tokens.lock().expect("nothing panics while it is locked");
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(token.into(), claims.clone());
        Some(claims)
    }
}

/// Lets in whom the route table names, in their own community; everybody else is told as little as possible.
pub(crate) async fn require(
    State((app, who)): State<(App, Who)>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let credential = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .and_then(|(scheme, credential)| scheme.eq_ignore_ascii_case("bearer").then_some(credential.trim()));
    let principal = match credential {
        None => None,
        Some(credential) => match app.identity.principal(credential).await {
            Ok(principal) => principal,
            Err(error) => return Problem::from(error).into_response(),
        },
    };
    let Some((principal, own)) = principal else {
        let detail = "Send a valid key or token: Authorization: Bearer …";
        return Problem::new(StatusCode::UNAUTHORIZED, "http.unauthorized", detail).into_response();
    };
    let may = match principal {
        Principal::Operator(_) => who.operator,
        Principal::App => who.app,
        Principal::Member(_) => who.member,
    };
    // What is no UTF-8 names nothing.
    let Ok(params) = params else { return Problem::not_found("resource").into_response() };
    let community = params.iter().find(|(name, _)| *name == "community").map(|(_, value)| value.to_owned());
    match (&own, community) {
        // Whether another community exists is nobody's business.
        (Some(own), Some(asked)) if own.as_str() != asked => return Problem::not_found("community").into_response(),
        (Some(_), None) => return forbidden("This key is good for one community."),
        _ if !may => return forbidden(&format!("This is for {}.", who.credentials())),
        _ => {}
    }
    request.extensions_mut().insert(principal);
    next.run(request).await
}

fn forbidden(detail: &str) -> Response {
    Problem::new(StatusCode::FORBIDDEN, "http.forbidden", detail).into_response()
}
