//! The program.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::Parser;
use fairground::{Clock, Command, Config, Fair, Fairness, Host, LogFormat, Serve, Verdict, Verify};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let done = match Config::parse().command {
        Command::Serve(serve) => start(serve),
        Command::Verify(wish) => verify(&wish),
        Command::Fairness(wish) => fairness(&wish),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fairground: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(serve: Serve) -> anyhow::Result<()> {
    start_log(&serve)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(run(serve));
    // An upload that is still being compiled is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(500));
    ended
}

fn verify(wish: &Verify) -> anyhow::Result<()> {
    let Verdict { rules, broken } = alone(fairground::verify(wish))?;
    broken.iter().for_each(|line| println!("{line}"));
    ensure!(broken.is_empty(), "{} rows do not add up", broken.len());
    println!("everything adds up: {rules} rules hold");
    Ok(())
}

fn fairness(wish: &Fairness) -> anyhow::Result<()> {
    let Fair { commitment, seed, draws, unfair } = alone(fairground::fairness(wish))?;
    println!("commitment {commitment}\nseed       {seed}");
    unfair.iter().for_each(|line| println!("{line}"));
    ensure!(unfair.is_empty(), "{} of {draws} draws are not what the seed says", unfair.len());
    println!("all of {draws} draws are what the seed says");
    Ok(())
}

/// Runs one thing on this thread.
fn alone<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

async fn run(serve: Serve) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let host = Host::start(serve, Clock::system(), |words| println!("{words}")).await?;
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    tracing::info!("shutting down: accepted calls are answered first");
    host.stop().await;
    Ok(())
}

fn start_log(serve: &Serve) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&serve.log).with_context(|| format!("{:?} is no log filter", serve.log))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match serve.log_format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
    // A panic is a line of the log like any other, with the request that it was in.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let why = panic.payload_as_str().unwrap_or("no words");
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(place, why, backtrace, "a panic");
    }));
    Ok(())
}
