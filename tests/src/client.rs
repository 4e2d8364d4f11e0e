//! A client that knows the API's shapes and nothing else.

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

/// The community that tests play in.
pub const HOME: &str = "/v1/communities/town";

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub content_type: String,
    pub retry_after: Option<String>,
    pub text: String,
    /// Null where it is no JSON.
    pub body: Value,
}

impl Reply {
    /// The body, where it went well.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self.body
    }

    /// The code of a problem.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Status and code, to compare both at once.
    pub fn problem(&self) -> (u16, &str) {
        (self.status.as_u16(), self.code())
    }
}

#[derive(Clone)]
pub struct Client {
    pub base: String,
    http: reqwest::Client,
    pub operator: String,
    pub app: String,
}

impl Client {
    /// With an operator's key; an app's is made.
    pub async fn new(base: String, operator: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut client = Self { base, http, operator: operator.into(), app: String::new() };
        let made = client.send(Method::POST, "/v1/keys", operator, Some(&json!({"kind": "app"})), None).await.ok();
        client.app = made["secret"].as_str().expect("a secret").into();
        client
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Reply {
        self.try_send(method, path, bearer, body, key).await.expect("the host answers")
    }

    /// An error is a connection that broke.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Reply, reqwest::Error> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if !bearer.is_empty() {
            request = request.bearer_auth(bearer);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        reply(request.send().await?).await
    }

    pub async fn raw(&self, method: Method, path: &str, bearer: &str, body: Vec<u8>) -> Reply {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(bearer);
        reply(request.header("Idempotency-Key", "raw").body(body).send().await.expect("an answer"))
            .await
            .expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &self.operator, None, None).await
    }

    pub async fn post(&self, path: &str, body: impl Serialize) -> Reply {
        let body = serde_json::to_value(body).expect("JSON");
        self.send(Method::POST, path, &self.operator, Some(&body), None).await
    }

    pub async fn put(&self, path: &str, body: impl Serialize) -> Reply {
        let body = serde_json::to_value(body).expect("JSON");
        self.send(Method::PUT, path, &self.operator, Some(&body), None).await
    }

    pub async fn upload(&self, component: Vec<u8>) -> Reply {
        self.raw(Method::POST, "/v1/plugins", &self.operator, component).await
    }

    /// Uploads and grants what is asked for; answers the version.
    pub async fn load(&self, component: Vec<u8>) -> String {
        let plugin = self.upload(component).await.ok();
        let (name, version) =
            (plugin["name"].as_str().expect("a name"), plugin["version"].as_str().expect("a version"));
        self.post(&format!("/v1/plugins/{name}/{version}/enable"), json!({"grant": plugin["capabilities"]})).await.ok();
        version.into()
    }

    /// A community with these members.
    pub async fn settle(&self, members: &[&str]) {
        self.put(HOME, json!({"name": "Town", "currency": "CNY", "time_zone": "Asia/Shanghai"})).await.ok();
        for member in members {
            self.put(&format!("{HOME}/members/{member}"), json!({})).await.ok();
        }
    }

    /// Makes and starts an activity.
    pub async fn begin(&self, activity: Value) -> String {
        let made = self.post(&format!("{HOME}/activities"), activity).await.ok();
        let id = made["id"].as_str().expect("an id").to_owned();
        self.post(&format!("{HOME}/activities/{id}/start"), json!({})).await.ok();
        id
    }

    pub async fn token(&self, member: &str) -> String {
        let wish = json!({"member": member, "ttl_seconds": 900});
        let made = self.send(Method::POST, &format!("{HOME}/member-tokens"), &self.app, Some(&wish), None).await.ok();
        made["token"].as_str().expect("a token").into()
    }

    /// A member acts, with a token made for it.
    pub async fn act(&self, member: &str, activity: &str, action: &str, key: &str, input: Value) -> Reply {
        let token = self.token(member).await;
        self.act_with(&token, activity, action, key, &input).await
    }

    pub async fn act_with(&self, token: &str, activity: &str, action: &str, key: &str, input: &Value) -> Reply {
        let path = format!("{HOME}/activities/{activity}/actions/{action}");
        self.send(Method::POST, &path, token, Some(input), Some(key)).await
    }

    pub async fn ask(&self, activity: &str, query: &str) -> Reply {
        self.get(&format!("{HOME}/activities/{activity}/queries/{query}")).await
    }

    /// The whole journal.
    pub async fn journal(&self, activity: &str) -> Vec<Value> {
        self.listing(&format!("{HOME}/activities/{activity}/journal")).await
    }

    /// Every page of a listing.
    pub async fn listing(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}?limit=200&cursor={cursor}")).await.ok();
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.into(),
                None => return items,
            }
        }
    }

    pub async fn budget(&self, id: &str) -> Value {
        self.get(&format!("{HOME}/budgets/{id}")).await.ok()
    }
}

async fn reply(response: reqwest::Response) -> Result<Reply, reqwest::Error> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (status, content_type, retry_after) = (response.status(), header("content-type"), header("retry-after"));
    // A stream has no end to wait for.
    let is_endless = content_type.as_deref() == Some("text/event-stream");
    let text = if is_endless { String::new() } else { response.text().await? };
    let body = serde_json::from_str(&text).unwrap_or_default();
    Ok(Reply { status, content_type: content_type.unwrap_or_default(), retry_after, text, body })
}
