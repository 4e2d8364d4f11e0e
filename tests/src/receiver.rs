//! Somebody whom a host tells things over HTTP: remembers what was said, and answers as it is told to.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    routing::any,
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};

/// One message, as it came in.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub body: String,
}

impl Message {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a message is JSON")
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    Answer(u16),
    /// It is heard, and no answer comes before the sender has given up.
    Hang,
    /// It is heard, and the connection breaks.
    Break,
    /// It is heard, and answered with 200 once the receiver is [released](Receiver::release).
    Hold,
}

type React = Arc<dyn Fn(usize, &Message) -> Reaction + Send + Sync>;

pub struct Receiver {
    pub url: String,
    heard: Arc<Mutex<Vec<Message>>>,
    gate: Arc<Semaphore>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    heard: Arc<Mutex<Vec<Message>>>,
    gate: Arc<Semaphore>,
    react: React,
}

impl Receiver {
    /// One that reacts to its n-th message, counted from 0, as it is told to.
    pub async fn start(react: impl Fn(usize, &Message) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Semaphore::new(0));
        let shared = Shared { heard: heard.clone(), gate: gate.clone(), react: Arc::new(react) };
        let router = Router::new().route("/{*path}", any(hear)).with_state(shared);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, heard, gate, server }
    }

    /// Answers what is on hold, and whatever will be.
    pub fn release(&self) {
        self.gate.close();
    }

    /// Everything that was said so far.
    pub fn heard(&self) -> Vec<Message> {
        self.heard.lock().expect("nothing panics while it is locked").clone()
    }

    /// Waits until so many messages have come, in all.
    pub async fn wait_for(&self, messages: usize) -> Vec<Message> {
        crate::eventually(async || self.heard().len() >= messages).await;
        self.heard()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn hear(State(shared): State<Shared>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (id, timestamp, signature) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let body = String::from_utf8(body.to_vec()).expect("a text");
    let message = Message { id, timestamp, signature, body };
    let number = {
        let mut heard = shared.heard.lock().expect("nothing panics while it is locked");
        heard.push(message.clone());
        heard.len() - 1
    };
    match (shared.react)(number, &message) {
        Reaction::Answer(status) => StatusCode::from_u16(status).expect("a status"),
        Reaction::Hang => std::future::pending().await,
        Reaction::Break => panic!("the connection breaks"),
        Reaction::Hold => {
            let _ = shared.gate.acquire().await;
            StatusCode::OK
        }
    }
}
