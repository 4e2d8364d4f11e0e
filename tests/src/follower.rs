//! Somebody who follows a stream of server-sent events.

use std::{collections::VecDeque, time::Duration};

use serde_json::Value;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub id: i64,
    /// Null where there was none, as at the beginning.
    pub data: Value,
}

pub struct Follower {
    response: reqwest::Response,
    text: String,
    told: VecDeque<Told>,
}

impl Follower {
    /// Begins to follow; the first event says from where.
    pub async fn start(base: &str, path: &str, bearer: &str, last: Option<i64>) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut request = http.get(format!("{base}{path}")).bearer_auth(bearer);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new(), told: VecDeque::new() }
    }

    /// The next event; none where the stream has ended. A minute is for ever, however often the host says that it is there.
    pub async fn next(&mut self) -> Option<Told> {
        tokio::time::timeout(Duration::from_secs(60), self.read()).await.expect("something comes")
    }

    async fn read(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Some(told);
            }
            let chunk = self.response.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).expect("a text"));
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                if let Some(id) = field("id:") {
                    let data = field("data:").map(|data| serde_json::from_str(data).expect("JSON"));
                    self.told.push_back(Told { id: id.parse().expect("a number"), data: data.unwrap_or_default() });
                }
            }
        }
    }

    /// So many events.
    pub async fn take(&mut self, count: usize) -> Vec<Told> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.next().await.expect("the stream goes on"));
        }
        all
    }
}
