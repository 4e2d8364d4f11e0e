//! A host in this process: the real router on a real socket, with a clock that is turned by hand.

use std::ops::Deref;

use fairground::{Clock, Host, LogFormat, Serve};

use crate::{client::Client, database::Database, root};

/// A Monday at noon, UTC.
pub const BEGINNING: i64 = 1_767_614_400_000;

pub const OPERATOR_KEY: &str = "operator-key-of-the-tests";

pub struct TestHost {
    pub client: Client,
    pub clock: Clock,
    host: Host,
}

impl Deref for TestHost {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

/// The settings of a host on this database.
pub fn settings(database: &Database) -> Serve {
    Serve {
        listen: "127.0.0.1:0".parse().expect("an address"),
        database: database.url.clone(),
        artifacts: root().join("target/test-artifacts"),
        watch: None,
        demo: false,
        operator_key: Some(OPERATOR_KEY.into()),
        allow_host: vec!["127.0.0.1".into()],
        webhook_timeout_ms: 20_000,
        smtp_url: None,
        mail_from: None,
        log_format: LogFormat::Text,
        log: "warn".into(),
    }
}

impl TestHost {
    pub async fn start(database: &Database) -> Self {
        Self::start_at(database, Clock::by_hand(BEGINNING)).await
    }

    pub async fn start_at(database: &Database, clock: Clock) -> Self {
        Self::start_with(settings(database), clock).await
    }

    pub async fn start_with(settings: Serve, clock: Clock) -> Self {
        let host = Host::start(settings, clock.clone(), |_| ()).await.expect("the host starts");
        let client = Client::new(format!("http://{}", host.address), OPERATOR_KEY).await;
        Self { client, clock, host }
    }

    /// Turns the clock, and runs what is due then.
    pub async fn pass(&self, milliseconds: i64) {
        self.clock.turn(milliseconds);
        self.host.run_due_timers().await.expect("timers run");
    }

    pub async fn stop(self) {
        self.host.stop().await;
    }
}
