//! A load: clients on keep-alive connections over loopback, each sending its next request when the last is answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Makes the n-th request of a client: the whole of it, headers and all.
pub(crate) type MakeRequest = Arc<dyn Fn(usize, u64) -> String + Send + Sync>;

/// Requests answered with success in a second, after a warm-up.
pub(crate) async fn rate(
    address: &str,
    clients: usize,
    warm_up: Duration,
    time: Duration,
    request: MakeRequest,
) -> anyhow::Result<f64> {
    let answered = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..clients)
        .map(|client| tokio::spawn(run(address.to_owned(), client, answered.clone(), stop.clone(), request.clone())))
        .collect();
    tokio::time::sleep(warm_up).await;
    let (begun, before) = (Instant::now(), answered.load(Ordering::Relaxed));
    tokio::time::sleep(time).await;
    let (count, seconds) = (answered.load(Ordering::Relaxed) - before, begun.elapsed().as_secs_f64());
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    Ok(count as f64 / seconds)
}

async fn run(
    address: String,
    client: usize,
    answered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    request: MakeRequest,
) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(&address).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let mut answer = Vec::with_capacity(4_096);
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        stream.write_all(request(client, number).as_bytes()).await?;
        read_answer(&mut stream, &mut answer).await?;
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "not a success: {}", String::from_utf8_lossy(&answer));
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Reads headers and as many bytes as they announce.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> anyhow::Result<()> {
    answer.clear();
    loop {
        ensure!(stream.read_buf(answer).await? > 0, "the connection was closed");
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&answer[..end])?.to_ascii_lowercase();
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:")).context("no length")?;
        let whole = end + 4 + length.trim().parse::<usize>()?;
        while answer.len() < whole {
            ensure!(stream.read_buf(answer).await? > 0, "the connection was closed");
        }
        return Ok(());
    }
}
