//! A mail server that keeps what it is sent.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub struct Mailbox {
    pub url: String,
    mails: Arc<Mutex<Vec<String>>>,
    tries: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Mailbox {
    /// Answers the n-th mail, counted from 0, with this status: 250 keeps it.
    pub async fn start(status: impl Fn(usize) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let (mails, tries): (Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>) = Default::default();
        let status: Arc<dyn Fn(usize) -> u16 + Send + Sync> = Arc::new(status);
        let (kept, tried) = (mails.clone(), tries.clone());
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, tried, status) = (kept.clone(), tried.clone(), status.clone());
                // A client that breaks off is no matter.
                tokio::spawn(async move { drop(talk(stream, &kept, &tried, &*status).await) });
            }
        });
        Self { url, mails, tries, server }
    }

    /// What was kept so far, headers and all.
    pub fn mails(&self) -> Vec<String> {
        self.mails.lock().expect("nothing panics while it is locked").clone()
    }

    /// How many mails came, kept or not.
    pub fn tries(&self) -> usize {
        self.tries.load(Ordering::Relaxed)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn talk(
    stream: TcpStream,
    kept: &Mutex<Vec<String>>,
    tried: &AtomicUsize,
    status: &(dyn Fn(usize) -> u16 + Send + Sync),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 here\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match line.get(..4).unwrap_or_default() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut mail).await?;
                }
                let status = status(tried.fetch_add(1, Ordering::Relaxed));
                if status == 250 {
                    kept.lock().expect("nothing panics while it is locked").push(mail);
                }
                format!("{status} so\r\n")
            }
            "QUIT" => return Ok(()),
            _ => "250 so\r\n".into(),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}
