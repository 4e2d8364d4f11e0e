//! The composition root: opens everything, starts everything, and stops in order.

use std::{
    net::SocketAddr,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use anyhow::{Context, ensure};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    activity::Activities,
    clock::Clock,
    config::Serve,
    delivery::{Delivery, Mailer},
    demo,
    domain::id::Id,
    http::{self, App, Health, Identity},
    sandbox::{Artifacts, Sandbox, catalog::Catalog},
    store::{
        Store,
        api_keys::{ApiKey, KeyKind},
    },
    watch::Watch,
};

/// How often the store is asked for timers of activities that nobody acts in.
const TIMER_POLL: Duration = Duration::from_millis(250);

/// How often the store is asked for what is to be told, once everything has been told.
const DELIVERY_POLL: Duration = Duration::from_millis(100);

const METRICS_FOLD: Duration = Duration::from_secs(5);

/// Buckets of what is timed, from a call in a sandbox to a request that should have been cut off.
const SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Buckets of how many calls were written by one commit.
const CALLS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Connections that are still busy then are dropped: what they began is rolled back.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);

/// Messages and notices that are on their way at the end of a host are waited for.
const POST_TIME_MAX: Duration = Duration::from_secs(5);

const WATCH_POLL: Duration = Duration::from_secs(1);

/// So many characters of a made-up alphabet are beyond guessing.
const OPERATOR_KEY_CHARS_MIN: usize = 24;

/// A host that serves.
pub struct Host {
    pub address: SocketAddr,
    activities: Activities,
    delivery: Delivery,
    store: Store,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Host {
    /// Opens the database and the sandbox and listens. `say` gets what a person should read.
    pub async fn start(config: Serve, clock: Clock, say: fn(&str)) -> anyhow::Result<Self> {
        let store = Store::open(&config.database).await?;
        let sandbox = Sandbox::new().context("cannot start the sandbox")?;
        let catalog = Catalog::new(sandbox, Artifacts::open(&config.artifacts)?, store.clone());
        let activities = Activities::new(store.clone(), catalog, clock.clone());
        let identity = Identity::new(store.clone(), clock.clone()).await?;
        let watch = config.watch.map(|folder| Watch::new(folder, activities.clone())).transpose()?;

        let listener =
            TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        // Only now: a key that is shown once is not shown by a host that does not start.
        keep_operator_key(&store, config.operator_key.as_deref(), clock.now(), say).await?;
        let (stop, draining) = watch::channel(false);
        let health = Health { store: store.clone(), metrics: recorder(), draining: draining.clone() };
        let time_max = Duration::from_millis(config.webhook_timeout_ms);
        let mailer = match (&config.smtp_url, &config.mail_from) {
            (Some(url), Some(from)) => Some(Mailer::new(url, from)?),
            _ => None,
        };
        let delivery = Delivery::new(activities.clone(), (&config.allow_host, time_max), mailer, draining.clone())?;
        let router = http::router(App::new(activities.clone(), identity, delivery.clone()), health);
        let server = tokio::spawn(http::serve(listener, router, until(draining.clone())));
        tokio::spawn(poll_timers(activities.clone(), draining.clone()));
        tokio::spawn(poll_deliveries(delivery.clone(), draining.clone()));
        tokio::spawn(poll_notices(delivery.clone(), draining.clone()));
        tokio::spawn(fold_metrics(recorder(), draining.clone()));
        say(&format!("fairground listens on http://{address}"));

        if let Some(mut watch) = watch {
            watch.look().await;
            tokio::spawn(poll_folder(watch, draining));
        }
        if config.demo {
            say(&demo::set_up(&activities, address).await.context("cannot set up the demo")?);
        }
        Ok(Self { address, activities, delivery, store, stop, server })
    }

    /// Runs what is due now; for tests that turn the clock by hand.
    pub async fn run_due_timers(&self) -> anyhow::Result<()> {
        run_due(&self.activities).await
    }

    /// Takes no more calls, answers those it took, and closes the database.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let _ = (&mut self.server).await;
        self.delivery.finish(POST_TIME_MAX).await;
        let _ = tokio::time::timeout(CLOSE_TIME_MAX, self.store.close()).await;
    }
}

impl Drop for Host {
    /// What it has begun in the background ends.
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// The metrics of the process; all hosts in it share them.
fn recorder() -> PrometheusHandle {
    static RECORDER: LazyLock<Mutex<Option<PrometheusHandle>>> = LazyLock::new(Mutex::default);
    let mut recorder = RECORDER.lock().expect("nothing panics while it is locked");
    recorder.get_or_insert_with(install_recorder).clone()
}

fn install_recorder() -> PrometheusHandle {
    let calls = Matcher::Full("fairground_commit_calls".into());
    PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(calls, &CALLS))
        .and_then(PrometheusBuilder::install_recorder)
        .expect("the buckets are fine, and it is installed once")
}

async fn until(mut draining: watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}

/// Timers of activities, and points and coupons that nobody used in time.
async fn run_due(activities: &Activities) -> anyhow::Result<()> {
    activities.run_due_timers().await?;
    while activities.store.expire_points(activities.clock.now()).await? {}
    activities.expire_coupons().await
}

async fn poll_timers(activities: Activities, draining: watch::Receiver<bool>) {
    let mut round = tokio::time::interval(TIMER_POLL);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !*draining.borrow() {
        round.tick().await;
        if let Err(error) = run_due(&activities).await
            && !*draining.borrow()
        {
            tracing::error!(error = format!("{error:#}"), "due timers could not be run; they are tried again");
        }
    }
}

async fn poll_notices(delivery: Delivery, draining: watch::Receiver<bool>) {
    while !*draining.borrow() {
        match delivery.post_round().await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(DELIVERY_POLL).await,
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "notices could not be looked for; they are looked for again"
                );
                tokio::time::sleep(DELIVERY_POLL).await;
            }
        }
    }
}

async fn poll_deliveries(delivery: Delivery, draining: watch::Receiver<bool>) {
    while !*draining.borrow() {
        match delivery.round().await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(DELIVERY_POLL).await,
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "deliveries could not be looked for; they are looked for again"
                );
                tokio::time::sleep(DELIVERY_POLL).await;
            }
        }
    }
}

/// Samples of histograms are kept until they are folded into their buckets.
async fn fold_metrics(metrics: PrometheusHandle, draining: watch::Receiver<bool>) {
    while !*draining.borrow() {
        tokio::time::sleep(METRICS_FOLD).await;
        metrics.run_upkeep();
    }
}

async fn poll_folder(mut watch: Watch, draining: watch::Receiver<bool>) {
    while !*draining.borrow() {
        tokio::time::sleep(WATCH_POLL).await;
        watch.look().await;
    }
}

/// The key that was set, or a fresh one where there is none: without a key nobody could make the next.
async fn keep_operator_key(store: &Store, given: Option<&str>, now: i64, say: fn(&str)) -> anyhow::Result<()> {
    let (fresh, made_up) = http::make_key(KeyKind::Operator, None, None, now);
    if let Some(secret) = given {
        ensure!(
            !secret.is_empty() && secret.chars().all(|c| c.is_ascii_graphic()),
            "FAIRGROUND_OPERATOR_KEY is one or more visible ASCII characters"
        );
        if secret.len() < OPERATOR_KEY_CHARS_MIN {
            tracing::warn!(
                "FAIRGROUND_OPERATOR_KEY is short: a key of {OPERATOR_KEY_CHARS_MIN} characters is beyond guessing"
            );
        }
        let key = ApiKey { id: Id::random("key"), ..fresh };
        store.insert_key(&key, &http::secret_hash(secret)).await?;
    } else if !store.has_operator_key().await? {
        store.insert_key(&fresh, &http::secret_hash(&made_up)).await?;
        say(&format!("operator key, shown this once: {made_up}"));
    }
    Ok(())
}
