//! `hot-activity`: clients helping one bargain, over HTTP, durable.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use fairground_tests::{
    client::{Client, HOME},
    component,
    database::Database,
    host::OPERATOR_KEY,
    program::Program,
};
use serde_json::json;

use crate::{Measured, load, median};

const WARM_UP: Duration = Duration::from_secs(2);
const TIME: Duration = Duration::from_secs(6);

/// Members who help again and again: their tokens are made beforehand.
const MEMBERS: usize = 512;

/// Sessions of the one bargain: a member helps each once, so a run has as many helps as members times sessions.
const SESSIONS: usize = 1_000;

/// The median of so many rounds, ours and the peer's in turn.
const ROUNDS: usize = 3;

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) async fn measure(name: &str, database: &str, quiet: bool) -> anyhow::Result<Measured> {
    let is_plain = name.ends_with("plain");
    let clients = if is_plain { 64 } else { 256 };
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(our_rate(&open(database).await?, clients).await.context("ours")?);
        peers.push(peer_rate(is_plain, &open(database).await?, clients).await.context("the peer")?);
        if !quiet {
            eprintln!("    round {}: ours {:.0}/s, peer {:.0}/s", round + 1, ours[round], peers[round]);
        }
    }
    let (bench, goal) = if is_plain { ("hot-activity/plain", "≥ 8") } else { ("hot-activity/limit", "≥ 0.25") };
    Ok(Measured { bench: bench.into(), ours: median(ours), peer: median(peers), unit: "actions/s", goal })
}

async fn open(kind: &str) -> anyhow::Result<Database> {
    match kind {
        "postgres" => Database::postgres().await.context("PostgreSQL is not installed"),
        _ => Ok(Database::sqlite()),
    }
}

async fn our_rate(database: &Database, clients: usize) -> anyhow::Result<f64> {
    let program = Program::start(database);
    let client = Client::new(program.base.clone(), OPERATOR_KEY).await;
    let members: Vec<String> = (0..MEMBERS).map(|number| format!("m{number}")).collect();
    client.settle(&["owner"]).await;
    client.settle(&members.iter().map(String::as_str).collect::<Vec<_>>()).await;
    client.load(component("bargain")).await;
    let price = 1_000_000_000_000i64;
    client
        .begin(json!({
            "id": "hot", "plugin": "bargain", "config": {
                "title": "hot", "one_line_benefit": "x", "sku": "mug", "original_price": price, "floor_price": 0, "mode": "until-floor", "cut_min": 1,
                "cut_max": 900, "owner_first_cut": false, "helps_per_member_day": 0, "sessions_per_member": 1_000,
                "concurrent_sessions": 1_000, "helps_per_pair": 1_000, "zone": "UTC", "risk": null,
            },
        }))
        .await;
    // A help of one member for one session happens once, so members go from session to session.
    let owner = client.token("owner").await;
    for number in 0..SESSIONS {
        client.act_with(&owner, "hot", "start", &format!("s{number}"), &json!({})).await.ok();
    }
    let mut tokens = Vec::new();
    for member in &members {
        tokens.push(client.token(member).await);
    }
    let address = program.base.trim_start_matches("http://").to_owned();
    let per_client = MEMBERS / clients;
    let request = move |client: usize, number: u64| {
        let token = &tokens[client * per_client + (number as usize) % per_client];
        let session = number as usize / per_client + 1;
        let body = format!("{{\"session\":\"{session}-owner\"}}");
        format!(
            "POST {HOME}/activities/hot/actions/help HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            key(client, number),
            body.len()
        )
    };
    load::rate(&address, clients, WARM_UP, TIME, Arc::new(request)).await
}

async fn peer_rate(is_plain: bool, database: &Database, clients: usize) -> anyhow::Result<f64> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--serve", if is_plain { "plain" } else { "limit" }, "--url", &database.url])
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
    let peer = Peer(child);
    let address = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("http://")?.1.to_owned()));
    let request = |client: usize, number: u64| {
        let body = format!("{{\"session\":\"1-owner\",\"helper\":\"m{client}.{number}\"}}");
        format!(
            "POST /help HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            key(client, number),
            body.len()
        )
    };
    let rate = load::rate(&address.context("it did not start")?, clients, WARM_UP, TIME, Arc::new(request)).await;
    drop(peer);
    rate
}

/// An idempotency key as clients are advised to make it: it begins with the time.
fn key(client: usize, number: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    format!("{:012x}-{client}.{number}", now.as_millis())
}
