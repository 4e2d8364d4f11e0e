//! Notices: what members are told, in which words, and what is held back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use fairground::{Clock, Serve};
use fairground_tests::{
    client::HOME,
    component,
    database::Database,
    eventually,
    follower::Follower,
    host::{BEGINNING, TestHost, settings},
    mailbox::Mailbox,
    receiver::{Reaction, Receiver},
};
use reqwest::Method;
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

async fn town(database: &Database) -> TestHost {
    town_of(TestHost::start(database).await).await
}

/// The clock stands at 20:00 in Shanghai, where everybody is.
async fn town_of(host: TestHost) -> TestHost {
    host.settle(&["ann", "bob", "cat"]).await;
    host.load(component("mischief")).await;
    host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
    template(&host, "news", "en", "News for {{ member }}", "{{ what }} in {{ community }}").await;
    host
}

async fn template(host: &TestHost, name: &str, language: &str, title: &str, body: &str) {
    let path = format!("{HOME}/notice-templates/{name}/{language}");
    host.put(&path, json!({"title": title, "body": body})).await.ok();
}

/// Ann's activity tells somebody something.
async fn tell(host: &TestHost, key: &str, what: Value) -> Value {
    host.act("ann", "m", "tell", key, what).await.ok()["output"].clone()
}

async fn inbox(host: &TestHost, member: &str) -> Value {
    host.get(&format!("{HOME}/members/{member}/inbox")).await.ok()
}

/// What became of every notice: state and reason, by the name of its template.
async fn fates(host: &TestHost) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = host.listing(&format!("{HOME}/notices")).await;
    let mut fates: Vec<_> =
        all.iter().map(|one| (text(&one["template"]), text(&one["state"]), text(&one["reason"]))).collect();
    fates.sort();
    fates
}

async fn count(host: &TestHost, state: &str, reason: &str) -> usize {
    fates(host).await.iter().filter(|(_, is, why)| is == state && why == reason).count()
}

both! {
    async fn a_member_reads_what_an_activity_tells(database) {
        let host = town(database).await;
        let token = host.token("bob").await;
        let path = format!("{HOME}/members/bob/inbox");
        let mut live = Follower::start(&host.base, &format!("{path}/stream"), &token, None).await;
        assert_eq!(live.next().await.expect("where it begins").id, 0);
        assert_eq!(tell(&host, "1", json!({"member": "bob"})).await, true);
        let told = live.next().await.expect("a message");
        assert_eq!((told.id, &told.data["title"], &told.data["body"]), (1, &json!("News for bob"), &json!("a teapot in Town")));
        tell(&host, "2", json!({"member": "bob"})).await;
        assert_eq!(live.next().await.expect("a message").id, 2);

        let read = async |body| host.send(Method::POST, &format!("{path}/read"), &token, Some(&body), None).await.ok();
        let seen = host.send(Method::GET, &path, &token, None, None).await.ok();
        assert_eq!(seen["unread"], 2);
        assert_eq!(seen["items"][0]["position"], 2, "the newest first");
        assert_eq!(read(json!({"position": 1})).await["unread"], 1);
        assert_eq!(read(json!({"position": 1})).await["unread"], 1);
        let page = host.send(Method::GET, &format!("{path}?limit=1&cursor=2"), &token, None, None).await.ok();
        assert_eq!(page["items"][0]["position"], 1);
        assert!(page["items"][0]["read_at"].is_number() && page["next_cursor"].is_null());
        let mut again = Follower::start(&host.base, &format!("{path}/stream"), &token, Some(1)).await;
        assert_eq!(again.take(2).await[1].id, 2);

        // Nobody else's inbox is read.
        let other = host.token("cat").await;
        assert_eq!(host.send(Method::GET, &path, &other, None, None).await.problem(), (403, "http.forbidden"));
        assert_eq!(fates(&host).await, vec![("news".into(), "delivered".into(), String::new()); 2]);
    }
}

both! {
    async fn words_are_the_audiences_own(database) {
        let host = town(database).await;
        template(&host, "news", "zh", "給{{ member }}的消息", "{{ what }}").await;
        host.put(&format!("{HOME}/members/bob"), json!({"language": "zh-Hant-TW"})).await.ok();
        host.put(&format!("{HOME}/members/cat"), json!({"language": "fr"})).await.ok();
        for member in ["bob", "cat"] {
            tell(&host, member, json!({"member": member})).await;
            eventually(async || inbox(&host, member).await["unread"] == 1).await;
        }
        assert_eq!(inbox(&host, "bob").await["items"][0]["title"], "給bob的消息");
        assert_eq!(inbox(&host, "cat").await["items"][0]["title"], "News for cat", "the community's own language");

        // A template that is not there, or that asks for what nobody says.
        template(&host, "gap", "en", "{{ nobody }}", "").await;
        tell(&host, "none", json!({"member": "bob", "template": "none"})).await;
        tell(&host, "gap", json!({"member": "bob", "template": "gap"})).await;
        eventually(async || count(&host, "suppressed", "no_template").await == 1).await;
        eventually(async || count(&host, "suppressed", "template_fault").await == 1).await;
        let put = async |path: &str, body: Value| host.put(&format!("{HOME}/notice-templates/{path}"), body).await;
        assert_eq!(put("x/en", json!({"title": "{{"})).await.problem(), (422, "template.invalid"));
        assert_eq!(put("x/English", json!({"title": "Hi"})).await.problem(), (422, "template.language"));
        let listed = host.listing(&format!("{HOME}/notice-templates")).await;
        assert_eq!(listed.len(), 3);
        let gone = host.send(Method::DELETE, &format!("{HOME}/notice-templates/gap/en"), &host.app, None, None).await;
        assert_eq!(gone.status, 204);
    }
}

both! {
    async fn nights_are_quiet_and_what_is_stale_by_morning_is_dropped(database) {
        // Worked example 15: 23:10 in Shanghai.
        let host = town_of(TestHost::start_at(database, Clock::by_hand(BEGINNING + 3 * HOUR_MS + 10 * 60_000)).await).await;
        let night = host.clock.now();
        let morning = BEGINNING + 12 * HOUR_MS;
        tell(&host, "waits", json!({"member": "bob"})).await;
        tell(&host, "stale", json!({"member": "cat", "not_after": BEGINNING + 6 * HOUR_MS})).await;
        tell(&host, "urgent", json!({"member": "bob", "urgency": "transactional"})).await;
        eventually(async || count(&host, "suppressed", "stale").await == 1).await;
        eventually(async || inbox(&host, "bob").await["unread"] == 1).await;
        let all = host.listing(&format!("{HOME}/notices")).await;
        let waiting = all.iter().find(|one| one["state"] == "waiting").expect("it waits");
        assert_eq!(waiting["due"], morning, "08:00");
        host.clock.turn(morning - night - 1);
        tell(&host, "later", json!({"member": "bob", "urgency": "transactional"})).await;
        eventually(async || inbox(&host, "bob").await["unread"] == 2).await;
        assert_eq!(count(&host, "waiting", "").await, 1, "one millisecond before 08:00");
        host.clock.turn(1);
        eventually(async || inbox(&host, "bob").await["unread"] == 3).await;

        // Whoever is elsewhere sleeps elsewhere, and a community may have other hours.
        host.clock.turn(16 * HOUR_MS);
        host.put(&format!("{HOME}/members/cat"), json!({"time_zone": "Europe/Berlin"})).await.ok();
        tell(&host, "awake", json!({"member": "cat"})).await;
        eventually(async || inbox(&host, "cat").await["unread"] == 1).await;
        let rules = json!({"notices": {"quiet_from_minute": 0, "quiet_until_minute": 0}});
        host.put(&format!("{HOME}/rules"), rules).await.ok();
        tell(&host, "night", json!({"member": "bob"})).await;
        eventually(async || inbox(&host, "bob").await["unread"] == 4).await;
    }
}

both! {
    async fn nobody_is_told_more_than_their_share(database) {
        let host = town(database).await;
        for number in 0..7 {
            tell(&host, &format!("a{number}"), json!({"member": "bob"})).await;
        }
        for number in 0..3 {
            tell(&host, &format!("m{number}"), json!({"member": "bob", "urgency": "marketing"})).await;
        }
        eventually(async || count(&host, "waiting", "").await == 0).await;
        assert_eq!(inbox(&host, "bob").await["unread"], 5 + 2);
        assert_eq!(count(&host, "suppressed", "cap").await, 2 + 1);
        tell(&host, "pays", json!({"member": "bob", "urgency": "transactional"})).await;
        eventually(async || inbox(&host, "bob").await["unread"] == 8).await;
        // The next day is another one.
        host.clock.turn(DAY_MS);
        tell(&host, "tomorrow", json!({"member": "bob"})).await;
        eventually(async || inbox(&host, "bob").await["unread"] == 9).await;

        // The same within its window is told once, and kept as such.
        let once = json!({"member": "cat", "key": "k", "window_ms": 1_000});
        assert_eq!(tell(&host, "k1", once.clone()).await, true);
        assert_eq!(tell(&host, "k2", once.clone()).await, false);
        host.clock.turn(1_000);
        assert_eq!(tell(&host, "k3", once).await, true);
        eventually(async || inbox(&host, "cat").await["unread"] == 2).await;
        assert_eq!(count(&host, "suppressed", "duplicate").await, 1);
    }
}

both! {
    async fn a_group_hears_three_posts_a_day_and_little_marketing(database) {
        let host = town(database).await;
        host.put(&format!("{HOME}/groups/g"), json!({"name": "G"})).await.ok();
        for member in ["ann", "bob"] {
            host.put(&format!("{HOME}/groups/g/members/{member}"), json!({})).await.ok();
        }
        let wish = json!({"opt_outs": [{"urgency": "activity", "channel": "in_app"}]});
        let token = host.token("ann").await;
        let path = format!("{HOME}/members/ann/opt-outs");
        assert_eq!(host.send(Method::PUT, &path, &token, Some(&wish), None).await.ok(), wish);
        tell(&host, "ad", json!({"group": "g", "urgency": "marketing"})).await;
        eventually(async || count(&host, "suppressed", "marketing_share").await == 1).await;
        for number in 0..4 {
            tell(&host, &number.to_string(), json!({"group": "g"})).await;
            eventually(async || count(&host, "waiting", "").await == 0).await;
        }
        assert_eq!(count(&host, "suppressed", "cap").await, 1);
        assert_eq!(inbox(&host, "bob").await["unread"], 3);
        assert_eq!(inbox(&host, "ann").await["unread"], 0, "she wants none");
        assert_eq!(inbox(&host, "cat").await["unread"], 0, "she is not in the group");
        // One of four posts is a quarter.
        host.clock.turn(DAY_MS);
        tell(&host, "ad2", json!({"group": "g", "urgency": "marketing"})).await;
        eventually(async || inbox(&host, "bob").await["unread"] == 4).await;
        assert_eq!(inbox(&host, "ann").await["unread"], 1, "she said nothing of marketing");
        // To a member herself, opted out.
        tell(&host, "own", json!({"member": "ann"})).await;
        eventually(async || count(&host, "suppressed", "opt_out").await == 1).await;
    }
}

both! {
    async fn mail_goes_to_those_who_have_an_address(database) {
        let mailbox = Mailbox::start(|number| if number == 0 { 451 } else if number == 2 { 550 } else { 250 }).await;
        let config = Serve {
            smtp_url: Some(mailbox.url.clone()),
            mail_from: Some("Town <town@example.org>".into()),
            ..settings(database)
        };
        let host = town_of(TestHost::start_with(config, Clock::by_hand(BEGINNING)).await).await;
        let contact = async |email: Value| host.put(&format!("{HOME}/members/bob/contact"), json!({"email": email})).await;
        assert_eq!(contact(json!("bob at home")).await.problem(), (422, "contact.email"));
        contact(json!("bob@example.net")).await.ok();
        tell(&host, "1", json!({"member": "bob", "channel": "email"})).await;
        tell(&host, "2", json!({"member": "cat", "channel": "email"})).await;
        eventually(async || count(&host, "suppressed", "no_channel").await == 1).await;
        eventually(async || mailbox.tries() == 1).await;
        // Not now is tried again, after a while.
        eventually(async || count(&host, "waiting", "").await == 1).await;
        host.clock.turn(5_000);
        eventually(async || count(&host, "delivered", "").await == 1).await;
        let mail = mailbox.mails().remove(0);
        for line in ["From: Town <town@example.org>", "To: bob@example.net", "Subject: News for bob", "a teapot in Town"] {
            assert!(mail.contains(line), "{mail}");
        }
        // Never is never.
        tell(&host, "3", json!({"member": "bob", "channel": "email"})).await;
        eventually(async || count(&host, "suppressed", "failed").await == 1).await;
        assert_eq!(mailbox.tries(), 3);
        // No plugin, and no event, ever says the address.
        contact(Value::Null).await.ok();
        tell(&host, "4", json!({"member": "bob", "channel": "email"})).await;
        eventually(async || count(&host, "suppressed", "no_channel").await == 2).await;
    }
}

both! {
    async fn other_channels_are_handed_to_the_platform(database) {
        let host = town(database).await;
        tell(&host, "nobody", json!({"member": "bob", "channel": "sms"})).await;
        eventually(async || count(&host, "suppressed", "no_channel").await == 1).await;
        let failures = Arc::new(AtomicUsize::new(1));
        let left = failures.clone();
        let receiver = Receiver::start(move |_, _| {
            let fails = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
            Reaction::Answer(if fails { 503 } else { 204 })
        })
        .await;
        // Who wants to hear of everything that happens is not who sends messages.
        let everything = Receiver::start(|_, _| Reaction::Answer(204)).await;
        host.post(&format!("{HOME}/webhooks"), json!({"url": everything.url})).await.ok();
        tell(&host, "still-nobody", json!({"member": "bob", "channel": "sms"})).await;
        eventually(async || count(&host, "suppressed", "no_channel").await == 2).await;
        let made = host.post(&format!("{HOME}/webhooks"), json!({"url": receiver.url, "topics": ["notice.send"]})).await.ok();
        assert!(made["secret"].is_string());
        tell(&host, "sms", json!({"member": "bob", "channel": "sms"})).await;
        receiver.wait_for(1).await;
        eventually(async || count(&host, "waiting", "").await == 1).await;
        host.clock.turn(5_000);
        let heard = receiver.wait_for(2).await;
        assert_eq!(heard[0].id, heard[1].id, "the same however often it is sent");
        let body = heard[1].json();
        assert_eq!((&body["type"], &body["data"]["channel"]), (&json!("notice.send"), &json!("sms")));
        assert_eq!(body["data"]["title"], "News for bob");
        eventually(async || count(&host, "delivered", "").await == 1).await;

        // Messages that a member allows one at a time.
        let allow = async |key: &str, count: i64| {
            let wish = json!({"template": "news", "count": count});
            host.send(Method::POST, &format!("{HOME}/members/bob/subscriptions"), &host.app, Some(&wish), Some(key)).await
        };
        let allowed = json!({"subscriptions": [{"template": "news", "remaining": 1}]});
        assert_eq!(allow("k", 1).await.ok(), allowed);
        assert_eq!(allow("k", 1).await.ok(), allowed, "a retry allows nothing more");
        assert_eq!(allow("k", 2).await.problem(), (422, "common.idempotency-mismatch"));
        for key in ["s1", "s2"] {
            tell(&host, key, json!({"member": "bob", "channel": "subscription"})).await;
            eventually(async || count(&host, "waiting", "").await + count(&host, "sending", "").await == 0).await;
        }
        assert_eq!(count(&host, "suppressed", "no_subscription").await, 1);
        assert_eq!(receiver.wait_for(3).await[2].json()["data"]["channel"], "subscription");
        assert!(everything.heard().is_empty());

        // One that fails once takes what the member has allowed once.
        allow("again", 1).await.ok();
        failures.store(1, Ordering::Relaxed);
        tell(&host, "s3", json!({"member": "bob", "channel": "subscription", "urgency": "transactional"})).await;
        receiver.wait_for(4).await;
        eventually(async || count(&host, "waiting", "").await == 1).await;
        host.clock.turn(5_000);
        receiver.wait_for(5).await;
        eventually(async || count(&host, "waiting", "").await + count(&host, "sending", "").await == 0).await;
        let left = host.get(&format!("{HOME}/members/bob/subscriptions")).await.ok();
        assert_eq!(left["subscriptions"][0]["remaining"], 0);
        assert_eq!(count(&host, "suppressed", "no_subscription").await, 1);
    }
}

both! {
    async fn two_hosts_take_each_notice_once(database) {
        if !database.is_postgres {
            return;
        }
        let (one, two) = (town(database).await, TestHost::start(database).await);
        for number in 0..30 {
            let member = ["ann", "bob", "cat"][number % 3];
            tell(if number % 2 == 0 { &one } else { &two }, &number.to_string(), json!({"member": member})).await;
        }
        eventually(async || count(&one, "waiting", "").await == 0).await;
        for member in ["ann", "bob", "cat"] {
            assert_eq!(inbox(&one, member).await["unread"], 5, "{member}");
        }
        assert_eq!((count(&one, "delivered", "").await, count(&one, "suppressed", "cap").await), (15, 15));
    }
}
