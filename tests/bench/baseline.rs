//! The peers: what an engineer would write without a platform.
//!
//! `plain` does the rule of a bargain's help in axum and sqlx, one transaction a request, as durable as ours. `limit` parses the
//! JSON and answers: what HTTP alone costs.

use std::str::FromStr;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde::{Deserialize, Serialize};
use sqlx::{
    PgPool, Row, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

#[derive(Deserialize)]
struct Help {
    session: String,
    helper: String,
}

#[derive(Serialize)]
struct Helped {
    amount: i64,
    session: String,
    current: i64,
}

/// The same text on both databases.
const TABLES: [&str; 5] = [
    "CREATE TABLE sessions (id TEXT PRIMARY KEY, owner TEXT NOT NULL, floor BIGINT NOT NULL, current BIGINT NOT NULL, cuts BIGINT NOT NULL)",
    "CREATE TABLE helps (session TEXT NOT NULL, helper TEXT NOT NULL, amount BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (session, helper))",
    "CREATE TABLE helpers (helper TEXT PRIMARY KEY, day BIGINT NOT NULL, today BIGINT NOT NULL, total BIGINT NOT NULL)",
    "CREATE TABLE idempotency (key TEXT PRIMARY KEY, answer TEXT NOT NULL)",
    "CREATE TABLE outbox (id TEXT PRIMARY KEY, topic TEXT NOT NULL, payload TEXT NOT NULL)",
];

const SESSION: &str = "INSERT INTO sessions VALUES ('1-owner', 'owner', 0, 1000000000000, 0)";

/// Serves a peer and prints where, until it is killed.
pub(crate) async fn serve(peer: &str, url: &str) -> anyhow::Result<()> {
    let router = match peer {
        "limit" => Router::new().route("/help", post(limit)),
        _ if url.starts_with("postgres") => postgres(url).await?,
        _ => sqlite(url).await?,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listens on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

async fn limit(Json(help): Json<Help>) -> Json<Helped> {
    Json(Helped { amount: help.helper.len() as i64, session: help.session, current: 0 })
}

async fn sqlite(url: &str) -> anyhow::Result<Router> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    // One writer is the fastest that SQLite has: more would only wait for its lock.
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    for text in TABLES.into_iter().chain([SESSION]) {
        sqlx::query(text).execute(&pool).await?;
    }
    Ok(Router::new().route("/help", post(help_sqlite)).with_state(pool))
}

async fn postgres(url: &str) -> anyhow::Result<Router> {
    let pool = PgPoolOptions::new().max_connections(32).connect(url).await?;
    for text in TABLES.into_iter().chain([SESSION]) {
        sqlx::query(text).execute(&pool).await?;
    }
    Ok(Router::new().route("/help", post(help_postgres)).with_state(pool))
}

/// A handler for one database: both read the session, check the limits, write five rows, and commit.
macro_rules! handler {
    ($name:ident, $pool:ty, $begin:expr, $lock:literal) => {
        async fn $name(State(pool): State<$pool>, headers: HeaderMap, Json(help): Json<Help>) -> Result<Json<Helped>, StatusCode> {
            let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).ok_or(StatusCode::BAD_REQUEST)?.to_owned();
            let fault = |_: sqlx::Error| StatusCode::INTERNAL_SERVER_ERROR;
            let mut tx = pool.begin_with($begin).await.map_err(fault)?;
            if sqlx::query("SELECT answer FROM idempotency WHERE key = $1").bind(&key).fetch_optional(&mut *tx).await.map_err(fault)?.is_some() {
                return Err(StatusCode::CONFLICT);
            }
            let session = sqlx::query(concat!("SELECT owner, floor, current, cuts FROM sessions WHERE id = $1", $lock))
                .bind(&help.session)
                .fetch_one(&mut *tx)
                .await
                .map_err(fault)?;
            let (owner, floor, current): (String, i64, i64) = (session.get(0), session.get(1), session.get(2));
            let helped = sqlx::query("SELECT amount FROM helps WHERE session = $1 AND helper = $2")
                .bind(&help.session)
                .bind(&help.helper)
                .fetch_optional(&mut *tx)
                .await
                .map_err(fault)?;
            if owner == help.helper || helped.is_some() || current == floor {
                return Err(StatusCode::CONFLICT);
            }
            let amount = 1 + (key.len() as i64 * 7) % 900;
            let current = (current - amount).max(floor);
            sqlx::query("INSERT INTO helps VALUES ($1, $2, $3, 0)").bind(&help.session).bind(&help.helper).bind(amount)
                .execute(&mut *tx).await.map_err(fault)?;
            sqlx::query("INSERT INTO helpers VALUES ($1, 0, 1, 1) ON CONFLICT (helper) DO UPDATE SET today = helpers.today + 1, total = helpers.total + 1")
                .bind(&help.helper).execute(&mut *tx).await.map_err(fault)?;
            sqlx::query("UPDATE sessions SET current = $2, cuts = cuts + 1 WHERE id = $1").bind(&help.session).bind(current)
                .execute(&mut *tx).await.map_err(fault)?;
            let answer = Helped { amount, session: help.session, current };
            let text = serde_json::to_string(&answer).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
            sqlx::query("INSERT INTO idempotency VALUES ($1, $2)").bind(&key).bind(&text).execute(&mut *tx).await.map_err(fault)?;
            sqlx::query("INSERT INTO outbox VALUES ($1, 'bargain.cut', $2)").bind(&key).bind(&text).execute(&mut *tx).await.map_err(fault)?;
            tx.commit().await.map_err(fault)?;
            Ok(Json(answer))
        }
    };
}

handler!(help_sqlite, SqlitePool, "BEGIN IMMEDIATE", "");
handler!(help_postgres, PgPool, "BEGIN", " FOR UPDATE");
