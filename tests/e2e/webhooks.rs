//! Webhooks: signed by Standard Webhooks, at least once, in order for each activity, whatever the receiver does.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use fairground::{Clock, Serve};
use fairground_tests::{
    client::{Client, HOME},
    component,
    database::Database,
    eventually,
    host::{BEGINNING, OPERATOR_KEY, TestHost, settings},
    program::Program,
    receiver::{Message, Reaction, Receiver},
};
use reqwest::Method;
use serde_json::{Value, json};

async fn town(database: &Database) -> TestHost {
    town_of(TestHost::start(database).await).await
}

async fn town_of(host: TestHost) -> TestHost {
    host.settle(&["ann"]).await;
    host.load(component("mischief")).await;
    for id in ["a", "b"] {
        host.begin(json!({"id": id, "plugin": "mischief", "config": {}})).await;
    }
    host
}

async fn say(host: &TestHost, activity: &str, what: &str) {
    host.act("ann", activity, "say", what, json!({"key": what})).await.ok();
}

async fn hook(host: &TestHost, wish: Value) -> Value {
    host.post(&format!("{HOME}/webhooks"), wish).await.ok()
}

fn headers(message: &Message) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    for (name, value) in [
        ("webhook-id", &message.id),
        ("webhook-timestamp", &message.timestamp),
        ("webhook-signature", &message.signature),
    ] {
        headers.insert(name, value.parse().expect("a header"));
    }
    headers
}

/// The subjects that were said, in the order in which they came.
fn subjects(heard: &[Message], activity: &str) -> Vec<String> {
    let messages = heard.iter().map(Message::json).filter(|message| message["activity"] == activity);
    messages.map(|message| message["subject"].as_str().expect("a subject").to_owned()).collect()
}

both! {
    async fn a_receiver_believes_what_was_signed_and_nothing_else(database) {
        let host = town(database).await;
        let receiver = Receiver::start(|_, _| Reaction::Answer(204)).await;
        say(&host, "a", "before").await;
        let made = hook(&host, json!({"url": receiver.url, "topics": ["mischief.*"]})).await;
        say(&host, "a", "after").await;
        let message = receiver.wait_for(1).await[0].clone();
        let body = message.json();
        assert_eq!((body["type"].as_str(), body["subject"].as_str()), (Some("mischief.done"), Some("after")));

        // The public library looks at its own clock, and this host's clock stands still: so the signature is compared.
        let library = standardwebhooks::Webhook::new(made["secret"].as_str().expect("a secret")).expect("a secret of the standard");
        let signed = |message: &Message| {
            library.sign(&message.id, message.timestamp.parse().expect("a time"), message.body.as_bytes()).expect("a signature")
        };
        assert_eq!(signed(&message), message.signature);
        let altered = Message { body: message.body.replace("after", "later"), ..message.clone() };
        assert_ne!(signed(&altered), altered.signature);
        let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
        let fresh = Message { timestamp: seconds.to_string(), ..message.clone() };
        let fresh = Message { signature: signed(&fresh), ..fresh };
        assert!(library.verify(fresh.body.as_bytes(), &headers(&fresh)).is_ok());
        let altered = Message { body: altered.body, ..fresh };
        assert!(library.verify(altered.body.as_bytes(), &headers(&altered)).is_err());

        // While keys change, both sign; a day later the new one alone.
        let path = format!("{HOME}/webhooks/{}/rotate", made["id"].as_str().expect("an id"));
        let rotated = host.post(&path, json!({})).await.ok();
        let newer = standardwebhooks::Webhook::new(rotated["secret"].as_str().expect("a secret")).expect("a secret");
        say(&host, "a", "turning").await;
        let message = receiver.wait_for(2).await[1].clone();
        let new = newer.sign(&message.id, message.timestamp.parse().expect("a time"), message.body.as_bytes()).expect("a signature");
        assert_eq!(message.signature, format!("{new} {}", signed(&message)));
        host.clock.turn(86_400_000);
        say(&host, "a", "turned").await;
        let message = receiver.wait_for(3).await[2].clone();
        assert!(!message.signature.contains(' '));
    }
}

both! {
    async fn who_has_only_a_public_key_can_check_too(database) {
        let host = town(database).await;
        let receiver = Receiver::start(|_, _| Reaction::Answer(200)).await;
        let made = hook(&host, json!({"url": receiver.url, "scheme": "v1a"})).await;
        assert!(made["secret"].is_null());
        let public = made["public_key"].as_str().and_then(|key| key.strip_prefix("whpk_")).expect("a public key");
        let public: [u8; 32] = STANDARD.decode(public).expect("base64").try_into().expect("32 bytes");
        let public = ed25519_dalek::VerifyingKey::from_bytes(&public).expect("a key");
        say(&host, "a", "x").await;
        let message = receiver.wait_for(1).await[0].clone();
        let signature = message.signature.strip_prefix("v1a,").expect("a signature of this kind");
        let signature = ed25519_dalek::Signature::from_slice(&STANDARD.decode(signature).expect("base64")).expect("64 bytes");
        let content = |body: &str| format!("{}.{}.{body}", message.id, message.timestamp);
        assert!(public.verify_strict(content(&message.body).as_bytes(), &signature).is_ok());
        assert!(public.verify_strict(content(&message.body.replace('x', "y")).as_bytes(), &signature).is_err());
    }
}

both! {
    async fn a_receiver_that_fails_hangs_and_dies_hears_everything_in_order(database) {
        const MESSAGES: usize = 1_000;
        const ACTIVITIES: usize = 8;
        let hasty = Serve { webhook_timeout_ms: 100, ..settings(database) };
        let host = town_of(TestHost::start_with(hasty, Clock::by_hand(BEGINNING)).await).await;
        let names: Vec<String> = (0..ACTIVITIES).map(|number| format!("x{number}")).collect();
        for id in &names {
            host.begin(json!({"id": id, "plugin": "mischief", "config": {}})).await;
        }
        // Of 20 messages, 6 fail, 2 hang and 1 is heard by somebody who dies before the answer; none more than five times, so that
        // nobody is given up.
        let failures: Mutex<BTreeMap<String, usize>> = Mutex::default();
        let receiver = Receiver::start(move |number, message| {
            let reaction = match number % 20 {
                1 | 4 | 8 | 11 | 14 | 18 => Reaction::Answer(500),
                6 | 16 => Reaction::Hang,
                9 => Reaction::Break,
                _ => return Reaction::Answer(200),
            };
            let mut failures = failures.lock().expect("nothing panics while it is locked");
            let failed = failures.entry(message.id.clone()).or_default();
            *failed += 1;
            if *failed > 5 { Reaction::Answer(200) } else { reaction }
        })
        .await;
        hook(&host, json!({"url": receiver.url})).await;
        let token = host.token("ann").await;
        for number in 0..MESSAGES {
            let what = format!("s{number:04}");
            host.act_with(&token, &names[number % ACTIVITIES], "say", &what, &json!({"key": what})).await.ok();
        }
        // Time passes, so that what failed is due again.
        eventually(async || {
            host.clock.turn(3_600_000);
            let ids: BTreeSet<String> = receiver.heard().into_iter().map(|message| message.id).collect();
            ids.len() == MESSAGES
        })
        .await;
        // A message that is heard again has its id: whoever drops those hears each once, and in order.
        let heard = receiver.heard();
        for activity in &names {
            let mut seen = BTreeSet::new();
            let once: Vec<Message> = heard.iter().filter(|message| seen.insert(message.id.clone())).cloned().collect();
            let subjects = subjects(&once, activity);
            assert_eq!(subjects.len(), MESSAGES / ACTIVITIES);
            assert!(subjects.is_sorted(), "{subjects:?}");
        }
        assert!(heard.len() > MESSAGES, "some were told more than once");
    }
}

both! {
    async fn two_hosts_tell_each_message_once(database) {
        if !database.is_postgres {
            return;
        }
        let (one, two) = (town(database).await, TestHost::start(database).await);
        let receiver = Receiver::start(|_, _| Reaction::Answer(200)).await;
        hook(&one, json!({"url": receiver.url})).await;
        for number in 0..100 {
            say(if number % 3 == 0 { &one } else { &two }, ["a", "b"][number % 2], &format!("s{number:03}")).await;
        }
        let heard = receiver.wait_for(100).await;
        for activity in ["a", "b"] {
            let subjects = subjects(&heard, activity);
            assert!(subjects.len() == 50 && subjects.is_sorted(), "{subjects:?}");
        }
        one.stop().await;
        two.stop().await;
        assert_eq!(receiver.heard().len(), 100);
    }
}

both! {
    async fn what_a_host_was_telling_when_it_was_killed_another_tells(database) {
        let mut program = Program::start(database);
        let client = Client::new(program.base.clone(), OPERATOR_KEY).await;
        client.settle(&["ann"]).await;
        client.load(component("mischief")).await;
        client.begin(json!({"id": "a", "plugin": "mischief", "config": {}})).await;
        // The tenth message is heard, and its answer never comes.
        let receiver = Receiver::start(|number, _| if number == 9 { Reaction::Hang } else { Reaction::Answer(200) }).await;
        client.post(&format!("{HOME}/webhooks"), json!({"url": receiver.url})).await.ok();
        let token = client.token("ann").await;
        for number in 0..30 {
            let what = format!("s{number:03}");
            client.act_with(&token, "a", "say", &what, &json!({"key": what})).await.ok();
        }
        receiver.wait_for(10).await;
        program.kill();
        // A lease that nobody holds any more ends by itself.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_millis() as i64;
        let host = TestHost::start_at(database, Clock::by_hand(now + 120_000)).await;
        // How many are told twice depends on when it was killed: what was answered, and not noted yet, comes again too.
        let once = || -> Vec<Message> {
            let mut seen = BTreeSet::new();
            receiver.heard().into_iter().filter(|message| seen.insert(message.id.clone())).collect()
        };
        eventually(async || once().len() >= 30).await;
        let subjects = subjects(&once(), "a");
        assert!(subjects.len() == 30 && subjects.is_sorted(), "{subjects:?}");
        host.stop().await;
    }
}

both! {
    async fn who_is_gone_is_told_no_more_until_it_is_back(database) {
        let host = town(database).await;
        let is_gone = Arc::new(AtomicBool::new(true));
        let gone = is_gone.clone();
        let receiver = Receiver::start(move |_, _| Reaction::Answer(if gone.load(Ordering::Relaxed) { 410 } else { 200 })).await;
        let made = hook(&host, json!({"url": receiver.url})).await;
        let path = format!("{HOME}/webhooks/{}", made["id"].as_str().expect("an id"));
        say(&host, "a", "1").await;
        eventually(async || host.get(&path).await.ok()["state"] == "disabled").await;
        say(&host, "a", "2").await;
        is_gone.store(false, Ordering::Relaxed);
        host.post(&format!("{path}/enable"), json!({})).await.ok();
        eventually(async || subjects(&receiver.heard(), "a") == ["1", "1", "2"]).await;
        // And again from the beginning, where the operator says so; ids stay.
        let before: Vec<String> = receiver.heard()[1..].iter().map(|message| message.id.clone()).collect();
        host.send(Method::POST, &format!("{path}/replay"), &host.operator, Some(&json!({"activity": "a", "from_seq": 1})), None).await.ok();
        let again: Vec<String> = receiver.wait_for(5).await[3..].iter().map(|message| message.id.clone()).collect();
        assert_eq!(before, again);
        host.send(Method::DELETE, &path, &host.operator, None, None).await.ok();
        assert_eq!(host.get(&path).await.status, 404);
    }
}

both! {
    async fn an_endpoint_that_fails_for_three_days_is_switched_off(database) {
        let host = town(database).await;
        let receiver = Receiver::start(|_, _| Reaction::Answer(302)).await;
        let made = hook(&host, json!({"url": receiver.url})).await;
        let path = format!("{HOME}/webhooks/{}", made["id"].as_str().expect("an id"));
        say(&host, "a", "1").await;
        for attempts in 1..=9 {
            receiver.wait_for(attempts).await;
            let deliveries = format!("{path}/deliveries");
            eventually(async || host.listing(&deliveries).await.iter().any(|one| one["attempts"] == attempts)).await;
            let told = host.listing(&deliveries).await.into_iter().find(|one| one["activity"] == "a").expect("a delivery");
            assert_eq!(told["error"], "it answered 302 Found");
            let due = told["due"].as_i64().expect("a time");
            host.clock.turn((due - host.clock.now()).max(0));
        }
        receiver.wait_for(10).await;
        eventually(async || host.get(&path).await.ok()["state"] == "disabled").await;
        let days = (host.clock.now() - BEGINNING) as f64 / 86_400_000.0;
        assert!((3.1..3.8).contains(&days), "{days} days");
        assert_eq!(receiver.heard().len(), 10);
    }
}

both! {
    async fn nobody_is_spoken_to_within_the_operators_own_network(database) {
        let host = town(database).await;
        for url in ["http://example.org/", "https://127.0.0.2/", "https://[::1]/", "https://10.0.0.1/", "https://[::ffff:192.168.0.1]/", "ftp://127.0.0.1/"] {
            let refused = host.post(&format!("{HOME}/webhooks"), json!({"url": url})).await;
            assert_eq!(refused.problem(), (422, "webhook.url"), "{url}");
            let refused = host.put(&format!("{HOME}/shop"), json!({"kind": "http", "url": url})).await;
            assert_eq!(refused.problem(), (422, "shop.url"), "{url}");
        }
        // A name that leads there is found out when it is looked up.
        hook(&host, json!({"url": "https://localhost:1/"})).await;
        say(&host, "a", "1").await;
        let hooks = host.listing(&format!("{HOME}/webhooks")).await;
        let path = format!("{HOME}/webhooks/{}/deliveries", hooks[0]["id"].as_str().expect("an id"));
        eventually(async || {
            host.listing(&path).await.iter().any(|one| one["error"] == "localhost has no public address")
        })
        .await;
    }
}

both! {
    async fn one_that_hangs_keeps_nobody_else_from_being_told(database) {
        let host = town(database).await;
        let slow = Receiver::start(|_, _| Reaction::Hang).await;
        let quick = Receiver::start(|_, _| Reaction::Answer(200)).await;
        hook(&host, json!({"url": slow.url})).await;
        say(&host, "a", "1").await;
        slow.wait_for(1).await;
        // The slow one has 20 seconds to answer, and takes them.
        hook(&host, json!({"url": quick.url})).await;
        say(&host, "a", "2").await;
        say(&host, "b", "3").await;
        quick.wait_for(2).await;
        let heard = slow.wait_for(2).await;
        assert_eq!((subjects(&heard, "a"), subjects(&heard, "b")), (vec!["1".to_owned()], vec!["3".to_owned()]), "the first of each alone");
    }
}

both! {
    async fn a_replay_goes_back_and_never_ahead(database) {
        let host = town(database).await;
        let receiver = Receiver::start(|_, _| Reaction::Answer(200)).await;
        let made = hook(&host, json!({"url": receiver.url})).await;
        let path = format!("{HOME}/webhooks/{}", made["id"].as_str().expect("an id"));
        say(&host, "a", "1").await;
        receiver.wait_for(1).await;
        let replay = async |activity: &str, from_seq: i64| {
            host.post(&format!("{path}/replay"), json!({"activity": activity, "from_seq": from_seq})).await.status.as_u16()
        };
        assert_eq!([replay("a", 0).await, replay("a", 5_000_000).await, replay("none", 1).await], [422, 422, 404]);
        say(&host, "a", "2").await;
        receiver.wait_for(2).await;
    }
}

both! {
    /// What a host is telling when it stops, it tells to the end: the next host need not wait for its lease, nor tell it again.
    async fn a_host_that_stops_finishes_what_it_is_telling(database) {
        let receiver = Receiver::start(|number, _| if number == 0 { Reaction::Hold } else { Reaction::Answer(200) }).await;
        let host = town(database).await;
        hook(&host, json!({"url": receiver.url})).await;
        say(&host, "a", "one").await;
        receiver.wait_for(1).await;
        let (clock, client) = (host.clock.clone(), host.client.clone());
        let mut stopping = pin!(host.stop());
        let deaf = eventually(async || client.try_send(Method::GET, "/healthz", "", None, None).await.is_err());
        tokio::select! {
            () = &mut stopping => panic!("it did not wait for the answer"),
            () = deaf => {}
        }
        // Long enough for one that does not wait to end, and shorter than one that does has patience.
        let too_soon = tokio::time::timeout(Duration::from_millis(1_500), &mut stopping).await;
        assert!(too_soon.is_err(), "it did not wait for the answer");
        receiver.release();
        stopping.await;
        let host = TestHost::start_at(database, clock).await;
        say(&host, "a", "two").await;
        assert_eq!(subjects(&receiver.wait_for(2).await, "a"), ["one", "two"]);
        host.stop().await;
    }
}
