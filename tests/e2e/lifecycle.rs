//! The life of an activity, and its timers.

use fairground_tests::{
    client::{HOME, Reply},
    component,
    host::{BEGINNING, TestHost},
};
use serde_json::{Value, json};

async fn state(host: &TestHost, id: &str) -> Value {
    host.get(&format!("{HOME}/activities/{id}")).await.ok()["state"].clone()
}

async fn mischief(host: &TestHost, dates: Value) {
    host.settle(&["ann"]).await;
    host.load(component("mischief")).await;
    let mut wish = json!({"id": "m", "plugin": "mischief", "config": {}});
    for (name, date) in dates.as_object().expect("dates") {
        wish[name] = date.clone();
    }
    host.post(&format!("{HOME}/activities"), wish).await.ok();
}

async fn control(host: &TestHost, what: &str) -> u16 {
    host.post(&format!("{HOME}/activities/m/{what}"), json!({})).await.status.as_u16()
}

both! {
    async fn an_activity_starts_and_ends_by_the_clock(database) {
        let host = TestHost::start(database).await;
        mischief(&host, json!({"starts_at": BEGINNING + 1_000, "ends_at": BEGINNING + 5_000})).await;
        assert_eq!(state(&host, "m").await, "validated");
        assert_eq!(control(&host, "start").await, 200);
        assert_eq!(state(&host, "m").await, "scheduled");
        host.pass(999).await;
        assert_eq!(state(&host, "m").await, "scheduled");
        host.pass(1).await;
        assert_eq!(state(&host, "m").await, "running");
        host.act("ann", "m", "count", "1", json!({})).await.ok();
        host.pass(4_000).await;
        assert_eq!(state(&host, "m").await, "settled");
        assert_eq!(host.act("ann", "m", "count", "2", json!({})).await.problem(), (409, "common.ended"));
        let kinds: Vec<_> = host.journal("m").await.iter().map(|entry| (entry["kind"].clone(), entry["name"].clone())).collect();
        let names: Vec<_> = kinds.iter().map(|(kind, name)| format!("{}:{}", kind.as_str().unwrap_or_default(), name.as_str().unwrap_or_default())).collect();
        assert_eq!(names, ["start:schedule", "start:start", "action:count", "stop:end", "settle:settle"]);
    }
}

both! {
    async fn an_activity_that_waits_for_what_is_open_takes_no_more_actions(database) {
        let host = TestHost::start(database).await;
        mischief(&host, json!({"ends_at": BEGINNING + 5_000, "drain_ms": 60_000})).await;
        control(&host, "start").await;
        host.act("ann", "m", "later", "1", json!({"ms": 30_000})).await.ok();
        host.pass(5_000).await;
        assert_eq!(state(&host, "m").await, "ending");
        assert_eq!(host.act("ann", "m", "count", "2", json!({})).await.problem(), (409, "common.ended"));
        assert_eq!((control(&host, "pause").await, control(&host, "resume").await), (409, 409));
        assert_eq!(host.ask("m", "rung").await.ok(), 0);
        host.pass(30_000).await;
        assert_eq!(host.ask("m", "rung").await.ok(), 1, "its timers ring");
        assert_eq!(state(&host, "m").await, "ending");
        host.pass(30_000).await;
        assert_eq!(state(&host, "m").await, "settled");
        let names: Vec<_> = host.journal("m").await.iter().filter(|call| call["kind"] == "stop").map(|call| call["name"].clone()).collect();
        assert_eq!(names, ["drain", "end"]);

        // An operator need not wait; and a host that was away over all of it does not begin to.
        for (id, deed) in [("n", Some("stop")), ("o", None)] {
            host.begin(json!({"id": id, "plugin": "mischief", "config": {}, "ends_at": host.clock.now() + 1_000, "drain_ms": 60_000})).await;
            host.pass(if deed.is_some() { 1_000 } else { 61_000 }).await;
            if let Some(deed) = deed {
                assert_eq!(state(&host, id).await, "ending");
                host.post(&format!("{HOME}/activities/{id}/{deed}"), json!({})).await.ok();
                host.pass(0).await;
            }
            assert_eq!(state(&host, id).await, "settled");
        }
        let now = host.clock.now();
        for (ends_at, drain_ms, code) in [
            (json!(null), 1, "activity.endless"),
            (json!(now + 1_000), -1, "activity.drains-too-long"),
            (json!(now + 1_000), 2_592_000_001_i64, "activity.drains-too-long"),
        ] {
            let wish = json!({"plugin": "mischief", "config": {}, "ends_at": ends_at, "drain_ms": drain_ms});
            let refused = host.post(&format!("{HOME}/activities"), wish).await;
            assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["code"]), (422, &json!(code)));
        }
    }
}

async fn extend(host: &TestHost, ends_at: i64) -> Reply {
    host.post(&format!("{HOME}/activities/m/extend"), json!({"ends_at": ends_at})).await
}

both! {
    async fn an_end_moves_on_and_never_back(database) {
        let (host, other) = (TestHost::start(database).await, TestHost::start(database).await);
        mischief(&host, json!({"starts_at": BEGINNING + 1_000, "ends_at": BEGINNING + 2_000, "drain_ms": 500})).await;
        let end = async |end: i64| extend(&host, end).await.ok()["ends_at"].clone();
        assert_eq!(end(BEGINNING + 3_000).await, BEGINNING + 3_000, "before it is started");
        control(&host, "start").await;
        assert_eq!(end(BEGINNING + 4_000).await, BEGINNING + 4_000, "before its time comes");
        host.pass(1_000).await;
        host.pass(2_999).await;
        other.clock.turn(3_999);
        assert_eq!(other.act("ann", "m", "count", "1", json!({})).await.ok()["output"], 1);
        control(&host, "pause").await;
        let extended = extend(&host, BEGINNING + 5_000).await.ok();
        assert_eq!((&extended["state"], &extended["config_version"]), (&json!("paused"), &json!(4)));
        control(&host, "resume").await;
        host.pass(1).await;
        other.clock.turn(1);
        assert_eq!(other.act("ann", "m", "count", "2", json!({})).await.ok()["output"], 2, "it is not over for another host either");
        assert_eq!(host.ask("m", "ends").await.ok(), BEGINNING + 5_000, "its plugin knows");
        assert_eq!(extend(&host, BEGINNING + 5_000).await.ok()["config_version"], 4, "said twice");
        for (ends_at, problem) in [
            (BEGINNING + 4_999, (409, "activity.not-later")),
            (i64::MIN, (409, "activity.not-later")),
            (BEGINNING + 1_000 + 366 * 86_400_000 + 1, (422, "activity.too-long")),
            (i64::MAX, (422, "activity.too-long")),
        ] {
            assert_eq!(extend(&host, ends_at).await.problem(), problem, "{ends_at}");
        }
        host.pass(1_000).await;
        assert_eq!(state(&host, "m").await, "ending");
        assert_eq!(extend(&host, BEGINNING + 9_000).await.problem(), (409, "common.wrong-state"));
        host.pass(500).await;
        assert_eq!(state(&host, "m").await, "settled", "it waits from its new end on");
        let journal = host.journal("m").await;
        let last = journal.iter().rfind(|call| call["name"] == "extend").expect("it is in the journal");
        assert_eq!((&last["kind"], &last["input"]), (&json!("expand"), &json!({"ends_at": BEGINNING + 5_000})));
    }
}

both! {
    async fn what_is_over_or_has_no_end_is_not_extended(database) {
        let host = TestHost::start(database).await;
        mischief(&host, json!({})).await;
        assert_eq!(extend(&host, BEGINNING + 1).await.problem(), (409, "activity.endless"));
        // What should have started long ago starts now.
        let late = json!({"id": "o", "plugin": "mischief", "config": {}, "starts_at": 0, "ends_at": BEGINNING + 1_000});
        host.post(&format!("{HOME}/activities"), late).await.ok();
        host.post(&format!("{HOME}/activities/o/extend"), json!({"ends_at": BEGINNING + 2_000})).await.ok();
        host.begin(json!({"id": "n", "plugin": "mischief", "config": {}, "ends_at": BEGINNING + 1_000})).await;
        host.clock.turn(1_000);
        let path = format!("{HOME}/activities/n/extend");
        let late = host.post(&path, json!({"ends_at": BEGINNING + 9_000})).await;
        assert!(matches!(late.problem(), (409, "common.ended" | "common.wrong-state")), "{}", late.text);
        assert_eq!(host.post(&path, json!({"ends_at": "soon"})).await.problem(), (422, "http.invalid"));
    }
}

both! {
    async fn what_an_operator_may_do_depends_on_the_state(database) {
        let host = TestHost::start(database).await;
        mischief(&host, json!({})).await;
        for (what, status, then) in [
            ("pause", 409, "validated"), ("resume", 409, "validated"), ("start", 200, "running"), ("start", 409, "running"),
            ("pause", 200, "paused"), ("pause", 409, "paused"), ("resume", 200, "running"), ("stop", 200, "settling"),
            ("stop", 409, "settling"), ("resume", 409, "settling"),
        ] {
            let answered = control(&host, what).await;
            let now = state(&host, "m").await;
            // Settling goes on by itself.
            let as_expected = now == then || (then == "settling" && now == "settled");
            assert!(answered == status && as_expected, "{what}: {answered} {now}");
        }
        host.pass(0).await;
        assert_eq!(state(&host, "m").await, "settled");
        let wrong = host.post(&format!("{HOME}/activities/m/start"), json!({})).await;
        assert_eq!((wrong.problem(), &wrong.body["params"]), ((409, "common.wrong-state"), &json!([["state", "settled"]])));
    }
}

both! {
    async fn a_timer_runs_when_it_is_due_and_before_new_actions(database) {
        let host = TestHost::start(database).await;
        mischief(&host, json!({})).await;
        control(&host, "start").await;
        host.act("ann", "m", "later", "l", json!({"ms": 1_000})).await.ok();
        host.pass(999).await;
        assert_eq!(host.ask("m", "counted").await.ok(), 0, "never early");
        // Not by the host's own round: the action finds it due.
        host.clock.turn(1);
        host.act("ann", "m", "count", "c", json!({})).await.ok();
        let kinds: Vec<_> = host.journal("m").await.iter().map(|entry| entry["kind"].clone()).collect();
        assert_eq!(kinds, ["start", "action", "timer", "action"]);
        host.pass(10_000).await;
        assert_eq!(host.ask("m", "counted").await.ok(), 2, "once");
    }
}

both! {
    async fn timers_missed_while_the_host_was_down_run_after_it_starts(database) {
        let host = TestHost::start(database).await;
        mischief(&host, json!({})).await;
        control(&host, "start").await;
        host.act("ann", "m", "later", "l", json!({"ms": 1_000})).await.ok();
        let clock = host.clock.clone();
        host.stop().await;
        clock.turn(3_600_000);
        let host = TestHost::start_at(database, clock).await;
        host.pass(0).await;
        assert_eq!(host.ask("m", "counted").await.ok(), 1);
    }
}

both! {
    async fn the_time_of_an_activity_never_goes_back(database) {
        let host = TestHost::start(database).await;
        mischief(&host, json!({})).await;
        control(&host, "start").await;
        host.act("ann", "m", "count", "1", json!({})).await.ok();
        host.clock.turn(-3_600_000);
        host.act("ann", "m", "count", "2", json!({})).await.ok();
        let times: Vec<_> = host.journal("m").await.iter().map(|entry| entry["now"].as_i64().expect("a time")).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
}

both! {
    async fn what_never_began_is_cancelled(database) {
        let host = TestHost::start(database).await;
        mischief(&host, json!({"starts_at": BEGINNING + 1_000})).await;
        control(&host, "start").await;
        assert_eq!(control(&host, "stop").await, 200);
        assert_eq!(state(&host, "m").await, "cancelled");
        host.pass(1_000).await;
        assert_eq!(state(&host, "m").await, "cancelled", "its start is off");
        assert_eq!(control(&host, "start").await, 409);
    }
}

both! {
    async fn a_timer_that_comes_again_is_caught_up_with_after_downtime(database) {
        const DAY: i64 = 86_400_000;
        let host = TestHost::start(database).await;
        host.settle(&["ann"]).await;
        host.load(component("mischief")).await;
        host.begin(json!({"id": "m", "plugin": "mischief", "config": {}})).await;
        // It is a Monday, 20:00 in Shanghai: the next time is Friday.
        let first = host.act("ann", "m", "weekly", "1", json!({})).await.ok();
        assert_eq!(first["output"], host.clock.now() + 4 * DAY);
        let counted = async |host: &TestHost| host.ask("m", "counted").await.ok();
        host.pass(4 * DAY - 1).await;
        assert_eq!(counted(&host).await, 0, "never early");
        host.pass(1).await;
        assert_eq!(counted(&host).await, 1);
        let clock = host.clock.clone();
        host.stop().await;
        // Two weeks later it has missed Monday, Friday, Monday and Friday.
        clock.turn(14 * DAY);
        let host = TestHost::start_at(database, clock).await;
        host.pass(0).await;
        assert_eq!(counted(&host).await, 5);
        let journal = host.journal("m").await;
        let zones = journal.iter().find(|entry| entry["name"] == "weekly").expect("a call")["facts"].to_string();
        assert!(zones.contains("scheduler.every") && zones.contains("20"), "the version of the zone data: {zones}");
        host.act("ann", "m", "weekly-no-more", "2", json!({})).await.ok();
        host.pass(30 * DAY).await;
        assert_eq!(counted(&host).await, 5);
    }
}
