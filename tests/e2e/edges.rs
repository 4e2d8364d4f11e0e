//! The edge: whatever comes in, the answer is a problem that says why.

use fairground_tests::{client::HOME, component, host::TestHost};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

both! {
    async fn every_failure_is_a_problem(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        let community = format!("{HOME}/members/ann");
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        for (what, method, path, body, status, code) in [
            ("an unknown route", Method::GET, "/v1/nothing", "", 404, "http.not-found"),
            ("a wrong method", Method::PATCH, "/v1/plugins", "", 405, "http.method-not-allowed"),
            ("malformed JSON", Method::PUT, community.as_str(), "{", 400, "http.malformed"),
            ("an unknown field", Method::PUT, community.as_str(), r#"{"name": "Ann"}"#, 422, "http.invalid"),
            ("JSON that is too deep", Method::PUT, community.as_str(), deep.as_str(), 422, "http.too-deep"),
            ("invalid UTF-8 in the path", Method::GET, "/v1/communities/%ff%fe/members", "", 404, "http.not-found"),
            ("an id that is none", Method::PUT, "/v1/communities/a%20b", "{}", 404, "http.not-found"),
            ("a page that is too large", Method::GET, "/v1/plugins?limit=201", "", 400, "http.bad-page"),
            ("a page that is no number", Method::GET, "/v1/plugins?limit=x", "", 400, "http.bad-page"),
        ] {
            let reply = host.raw(method, path, &host.operator, body.into()).await;
            assert_eq!((reply.problem(), reply.content_type.as_str()), ((status, code), "application/problem+json"), "{what}: {}", reply.text);
        }
        let large = host.raw(Method::PUT, &community, &host.operator, vec![b' '; (64 << 10) + 1]).await;
        assert_eq!(large.problem(), (413, "http.too-large"));
    }
}

both! {
    async fn what_does_not_fit_says_where_and_why(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("bargain")).await;
        let detail = async |method: Method, path: &str, body: Value| {
            let reply = host.send(method, path, &host.operator, Some(&body), None).await;
            (reply.status.as_u16(), reply.body["detail"].as_str().unwrap_or_default().to_owned())
        };
        let member = format!("{HOME}/members/ann");
        let (status, why) = detail(Method::PUT, &member, json!({"registered_at": "today"})).await;
        assert_eq!((status, why.contains("registered_at: invalid type: string")), (422, true), "{why}");
        let (status, why) = detail(Method::PUT, HOME, json!(["Town", "CNY", "UTC"])).await;
        assert_eq!((status, why.as_str()), (422, "The body does not fit: it is an array."));
        let (status, why) = detail(Method::PUT, &format!("{HOME}/members/ann@example.org"), json!({})).await;
        assert_eq!((status, why.contains("[A-Za-z0-9._~-]")), (404, true), "{why}");

        let bargain = |mode: Value| {
            let config = json!({
                "title": "x", "one_line_benefit": "x", "sku": "mug", "original_price": 100, "floor_price": 0, "cut_min": 1,
                "cut_max": 5, "mode": mode, "zone": "UTC", "risk": null,
            });
            json!({"plugin": "bargain", "config": config})
        };
        let activities = format!("{HOME}/activities");
        let (status, why) = detail(Method::POST, &activities, bargain(json!({"fixed": {"cuts": -5}}))).await;
        assert_eq!((status, why.starts_with("/config/mode/fixed/cuts: -5 is less than the minimum")), (422, true), "{why}");
        let (status, why) = detail(Method::POST, &activities, bargain(json!({"fixd": 1}))).await;
        assert_eq!((status, why.contains("is none of")), (422, true), "{why}");
        for id in [".", ".."] {
            let mut wish = bargain(json!("until-floor"));
            wish["id"] = id.into();
            assert_eq!(detail(Method::POST, &activities, wish).await.0, 422, "{id}");
        }
        let mut wish = bargain(json!("once"));
        (wish["starts_at"], wish["ends_at"]) = (i64::MIN.into(), (host.clock.now() + 5_000).into());
        assert_eq!(detail(Method::POST, &activities, wish).await.0, 422, "only its config is wrong");
    }
}

both! {
    async fn a_cursor_is_one_of_ours(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        for listing in ["ledger", "activities/m/journal", "activities/m/outbox"] {
            host.get(&format!("{HOME}/{listing}")).await.ok();
            for cursor in ["abc", "1.x", "m/7"] {
                let page = host.get(&format!("{HOME}/{listing}?cursor={cursor}")).await;
                assert_eq!(page.problem(), (400, "http.bad-page"), "{listing}?cursor={cursor}");
            }
        }
        for listing in ["/v1/plugins", &format!("{HOME}/notice-templates"), &format!("{HOME}/members/ann/rewards")] {
            host.get(listing).await.ok();
            assert_eq!(host.get(&format!("{listing}?cursor=abc")).await.problem(), (400, "http.bad-page"), "{listing}");
        }
    }
}

both! {
    async fn every_answer_has_the_id_of_its_request(database) {
        let host = TestHost::start(database).await;
        let ask = async |own: Option<&str>| {
            let mut request = reqwest::Client::new().get(format!("{}/v1/plugins", host.base));
            // The scheme's letters may be of any case.
            request = request.header("authorization", format!("bearer {}", host.operator));
            if let Some(own) = own {
                request = request.header("x-request-id", own);
            }
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
            answer.headers()["x-request-id"].to_str().expect("text").to_owned()
        };
        assert_ne!(ask(None).await, ask(None).await);
        assert_eq!(ask(Some("mine-1")).await, "mine-1");
        assert_ne!(ask(Some("no id of ours")).await, "no id of ours");
    }
}

both! {
    async fn an_action_needs_a_key(database) {
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        let path = format!("{HOME}/activities/m/actions/count");
        let token = host.token("ann").await;
        let send = async |key: Option<&str>| host.send(Method::POST, &path, &token, Some(&json!({})), key).await;
        assert_eq!(send(None).await.problem(), (400, "http.idempotency-key"));
        assert_eq!(send(Some("")).await.problem(), (400, "http.idempotency-key"));
        assert_eq!(send(Some(&"k".repeat(256))).await.problem(), (400, "http.idempotency-key"));
        send(Some(&"k".repeat(255))).await.ok();
    }
}

both! {
    async fn listings_come_in_pages_that_are_complete_and_disjoint(database) {
        let host = TestHost::start(database).await;
        let names: Vec<String> = (0..25).map(|number| format!("{}{number:02}", if number % 2 == 0 { "M" } else { "a" })).collect();
        host.settle(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = host.get(&format!("{HOME}/members?limit=7&cursor={cursor}")).await.ok();
            seen.extend(page["items"].as_array().expect("items").iter().map(|member| member["id"].as_str().expect("an id").to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.into(),
                None => break,
            }
        }
        let mut sorted = names.clone();
        sorted.sort();
        assert_eq!(seen, sorted, "in the order of bytes on both databases");
    }
}

/// Sends bytes as they are and reads what comes back until the connection closes.
async fn speak(host: &TestHost, bytes: &[u8]) -> String {
    let address = host.base.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

both! {
    async fn broken_http_is_answered_or_cut_off_and_the_host_lives_on(database) {
        let host = TestHost::start(database).await;
        for bytes in [
            &b"GET / HTTP/9.9\r\n\r\n"[..], b"\0\0\0\0", b"GET /v1/plugins HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"POST /v1/plugins HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        ] {
            let answer = speak(&host, bytes).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        let long = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(100_000));
        assert!(speak(&host, long.as_bytes()).await.starts_with("HTTP/1.1 431"));
        assert_eq!(host.get("/healthz").await.ok(), json!({"status": "ok"}));
    }
}

both! {
    async fn whoever_watches_is_told(database) {
        let host = TestHost::start(database).await;
        assert_eq!(host.get("/readyz").await.ok(), json!({"status": "ready"}));
        host.settle(&["ann"]).await;
        assert!(host.get("/metrics").await.text.contains("fairground_http_seconds"));
        let document = host.get("/openapi.json").await.ok();
        assert!(document["openapi"].as_str().expect("a version").starts_with("3.1"), "{}", document["openapi"]);
        let paths = document["paths"].as_object().expect("paths").values().flat_map(|path| path.as_object().expect("operations").values());
        let ids: Vec<&str> = paths.filter_map(|operation| operation["operationId"].as_str()).collect();
        assert!(ids.len() > 90, "{}", ids.len());
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        let page = host.get("/docs/").await;
        assert!(page.status.is_success() && page.text.contains("swagger"), "{}", page.text);
        assert!(!page.text.contains("https://"), "the page needs no network");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_finishes_its_headers_is_cut_off() {
    let database = fairground_tests::database::Database::sqlite();
    let host = TestHost::start(&database).await;
    let address = host.base.strip_prefix("http://").expect("an address");
    for beginning in ["P", "GET / HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(beginning.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        // The host's limit is 10 seconds; without one this would wait for ever.
        let ended = tokio::time::timeout(std::time::Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "still open after {beginning:?}");
    }
}
