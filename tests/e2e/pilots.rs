//! Pilots: an activity is tried in a few groups, and is for everybody once it has proved itself.

use fairground_tests::{client::HOME, component, database::Database, eventually, host::TestHost};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;

/// Members of the two groups that try it.
const TRYING: usize = 60;

struct Trial<'a> {
    database: &'a Database,
    host: TestHost,
    acted: usize,
}

impl<'a> Trial<'a> {
    /// Sixty members in two groups, one outside of them, and an activity that is tried in the two for two hours.
    async fn begin(database: &'a Database, rebate: i64, auto_expand: bool) -> Self {
        let host = TestHost::start(database).await;
        host.settle(&["outside"]).await;
        for number in 0..TRYING {
            let member = format!("m{number}");
            host.settle(&[&member]).await;
            let group = format!("{HOME}/groups/g{}", number % 2);
            if number < 2 {
                host.put(&group, json!({"name": "x"})).await.ok();
            }
            host.put(&format!("{group}/members/{member}"), json!({})).await.ok();
        }
        host.put(&format!("{HOME}/budgets/b"), json!({"limit": {"minor": 50_000, "currency": "CNY"}})).await.ok();
        host.load(component("mischief")).await;
        host.begin(activity(rebate, auto_expand)).await;
        Self { database, host, acted: 0 }
    }

    async fn act(&mut self, member: &str, action: &str, input: Value) {
        self.acted += 1;
        self.host.act(member, "m", action, &self.acted.to_string(), input).await.ok();
    }

    /// Members count, one after the other, so often.
    async fn count(&mut self, times: usize) {
        for number in 0..times {
            self.act(&format!("m{}", number % TRYING), "count", json!({})).await;
        }
    }

    /// So many books of 100 messages for 5 each, and eight who came over them and got the rebate: 16 actions beside the books.
    async fn grow(&mut self, books: usize) {
        for _ in 0..books {
            self.act("m0", "book", json!({})).await;
        }
        for number in 0..8 {
            let member = format!("m{number}");
            self.act(&member, "acquired", json!({})).await;
            self.act(&member, "give", json!({"offer": "rebate", "to": member})).await;
        }
    }

    async fn gate(&self) -> Value {
        self.host.get(&format!("{HOME}/activities/m/rollout")).await.ok()
    }

    async fn scope(&self) -> Value {
        self.host.get(&format!("{HOME}/activities/m")).await.ok()["scope"].clone()
    }

    /// What was told at the reviews.
    async fn reviews(&self) -> Vec<Value> {
        let told = self.host.listing(&format!("{HOME}/activities/m/outbox")).await;
        told.into_iter()
            .filter(|event| event["topic"] == "rollout.reviewed")
            .map(|event| event["payload"].clone())
            .collect()
    }

    async fn restarted(self) -> Self {
        let Self { database, host, acted } = self;
        let clock = host.clock.clone();
        host.stop().await;
        Self { database, host: TestHost::start_at(database, clock).await, acted }
    }
}

fn activity(rebate: i64, auto_expand: bool) -> Value {
    json!({
        "id": "m", "plugin": "mischief", "config": {}, "scope": "all", "budget": "b", "capped_by_budget": true,
        "offers": {"rebate": {"title": "x", "kind": "red_packet", "amount_minor": rebate}},
        "rollout": {
            "pilot": ["g0", "g1"], "min_run_ms": HOUR, "min_participants": 50, "max_error_bps": 100, "max_cac_minor": 250,
            "window_ms": HOUR, "auto_expand": auto_expand,
        },
    })
}

both! {
    /// Worked example 18: 60 members, one of 250 calls failed (0.4 %), 212.5 for each of eight, and 132 actions after 116 differ by 12 %.
    async fn a_pilot_that_has_proved_itself_is_for_everybody(database) {
        let mut trial = Trial::begin(database, 150, true).await;
        assert_eq!(trial.host.act("outside", "m", "count", "x", json!({})).await.problem(), (403, "common.not-in-scope"));
        trial.grow(1).await;
        trial.count(132 - 17).await;
        let broken = trial.host.act("m0", "m", "break", "x", json!({})).await;
        assert_eq!(broken.problem().1, "common.plugin-fault");
        let gate = trial.gate().await;
        assert_eq!(gate["lacking"], json!(["time", "steadiness"]), "{gate}");
        trial.host.pass(HOUR).await;
        let mut trial = trial.restarted().await;
        trial.count(116).await;
        assert_eq!((trial.reviews().await.len(), trial.scope().await), (0, json!({"groups": ["g0", "g1"]})));
        trial.host.pass(HOUR).await;
        eventually(async || trial.scope().await == "all").await;
        let reviews = trial.reviews().await;
        let [review] = &reviews[..] else { panic!("one review: {reviews:?}") };
        assert_eq!((&review["passed"], &review["lacking"]), (&json!(true), &json!([])));
        assert_eq!((&review["error_bps"], &review["conversion_bps"]), (&json!(40), &json!(800)));
        assert_eq!(review["cac"], json!({"minor": 1_700, "acquired": 8, "shown": "2.13"}));
        let measured = &review["measured"];
        assert_eq!((&measured["participants"], &measured["windows"]), (&json!(60), &json!([132, 116])));
        assert_eq!((&measured["calls"], &measured["faults"]), (&json!(249), &json!(1)));
        trial.host.act("outside", "m", "count", "y", json!({})).await.ok();
        assert_eq!(trial.host.journal("m").await.iter().filter(|call| call["kind"] == "expand").count(), 1);
        trial.host.pass(5 * HOUR).await;
        assert_eq!(trial.reviews().await.len(), 1, "what is over is looked at no more");
    }
}

both! {
    /// Worked example 18, with 260 for each of eight.
    async fn a_pilot_that_is_too_dear_stays_where_it_is_and_says_why(database) {
        let mut trial = Trial::begin(database, 135, true).await;
        trial.grow(2).await;
        trial.count(60).await;
        trial.host.pass(HOUR).await;
        trial.count(78).await;
        trial.host.pass(HOUR).await;
        eventually(async || trial.reviews().await.len() == 1).await;
        let review = &trial.reviews().await[0];
        assert_eq!((&review["passed"], &review["lacking"]), (&json!(false), &json!(["cac"])), "{review}");
        assert_eq!(review["cac"]["shown"], "2.60");
        assert_eq!(trial.scope().await, json!({"groups": ["g0", "g1"]}));
        let path = format!("{HOME}/activities/m/expand");
        let refused = trial.host.post(&path, json!({"scope": "all"})).await;
        assert_eq!(refused.problem(), (409, "rollout.not-ready"));
        assert!(refused.text.contains("cac"), "{}", refused.text);
        // It is looked at again each window, and now it is silent as well.
        trial.host.pass(HOUR).await;
        eventually(async || trial.reviews().await.len() == 2).await;
        assert_eq!(trial.reviews().await[1]["lacking"], json!(["cac", "steadiness"]));
        trial.host.post(&format!("{HOME}/activities/m/stop"), json!({})).await.ok();
        trial.host.pass(3 * HOUR).await;
        assert_eq!(trial.reviews().await.len(), 2, "what has ended is looked at no more");
    }
}

both! {
    async fn somebody_expands_a_pilot_that_has_passed(database) {
        let mut trial = Trial::begin(database, 150, false).await;
        let path = format!("{HOME}/activities/m/expand");
        assert_eq!(trial.host.post(&path, json!({"scope": "all"})).await.problem(), (409, "rollout.not-ready"));
        trial.grow(1).await;
        trial.count(60).await;
        trial.host.pass(HOUR).await;
        trial.count(70).await;
        trial.host.post(&format!("{HOME}/activities/m/pause"), json!({})).await.ok();
        trial.host.pass(HOUR).await;
        assert!(trial.reviews().await.is_empty(), "what is paused is not looked at");
        assert_eq!(trial.gate().await["passed"], true);
        trial.host.post(&format!("{HOME}/activities/m/resume"), json!({})).await.ok();
        assert_eq!(trial.scope().await, json!({"groups": ["g0", "g1"]}), "nobody has said so yet");
        let expanded = trial.host.post(&path, json!({"scope": "all"})).await.ok();
        assert_eq!((&expanded["scope"], &expanded["rollout"]["to"], &expanded["rollout"]["auto_expand"]), (&json!("all"), &json!("all"), &json!(false)));
        trial.host.act("outside", "m", "count", "x", json!({})).await.ok();
    }
}

both! {
    /// A scope never shrinks, whoever widens it.
    async fn who_was_let_in_by_hand_stays_in(database) {
        let trial = Trial::begin(database, 150, true).await;
        for group in ["g2", "g3"] {
            trial.host.put(&format!("{HOME}/groups/{group}"), json!({"name": "x"})).await.ok();
        }
        let mut wish = activity(150, true);
        wish["id"] = json!("n");
        wish["scope"] = json!({"groups": ["g0", "g1", "g2"]});
        wish["rollout"]["min_participants"] = json!(1);
        wish["rollout"]["max_cac_minor"] = json!(null);
        trial.host.begin(wish).await;
        let path = format!("{HOME}/activities/n");
        trial.host.act("m0", "n", "count", "1", json!({})).await.ok();
        trial.host.pass(HOUR).await;
        trial.host.act("m1", "n", "count", "1", json!({})).await.ok();
        trial.host.post(&format!("{path}/pause"), json!({})).await.ok();
        trial.host.pass(HOUR).await;
        trial.host.post(&format!("{path}/resume"), json!({})).await.ok();
        let by_hand = json!({"groups": ["g0", "g1", "g3"]});
        assert_eq!(trial.host.post(&format!("{path}/expand"), json!({"scope": by_hand})).await.ok()["scope"], by_hand);
        trial.host.act("m2", "n", "count", "1", json!({})).await.ok();
        trial.host.pass(HOUR).await;
        let all = json!({"groups": ["g0", "g1", "g3", "g2"]});
        eventually(async || trial.host.get(&path).await.ok()["scope"] == all).await;
    }
}

both! {
    async fn what_is_wrong_in_a_pilot_is_said(database) {
        let trial = Trial::begin(database, 150, false).await;
        let path = format!("{HOME}/activities");
        for (field, wrong, pointer, code) in [
            ("pilot", json!([]), "/rollout/pilot", "scope.count"),
            ("pilot", json!(["g0", "nowhere"]), "/rollout/pilot/1", "scope.unknown-group"),
            ("pilot", json!(["g0", "g0"]), "/rollout/pilot/1", "scope.twice"),
            ("min_run_ms", json!(59_999), "/rollout/min_run_ms", "rollout.bounds"),
            ("window_ms", json!(0), "/rollout/window_ms", "rollout.bounds"),
            ("max_error_bps", json!(10_001), "/rollout/max_error_bps", "rollout.bounds"),
            ("min_conversion_bps", json!(10_001), "/rollout/min_conversion_bps", "rollout.bounds"),
            ("max_cac_minor", json!(-1), "/rollout/max_cac_minor", "rollout.bounds"),
        ] {
            let mut wish = activity(150, false);
            wish["id"] = json!("other");
            wish["rollout"][field] = wrong;
            let refused = trial.host.post(&path, wish).await;
            assert_eq!(refused.problem(), (422, "http.invalid"), "{field}");
            let issue = &refused.body["errors"][0];
            assert_eq!((&issue["pointer"], &issue["code"]), (&json!(pointer), &json!(code)), "{field}");
        }
        for scope in [json!({"groups": ["g0"]}), json!({"groups": ["g0", "g1"]})] {
            let mut wish = activity(150, false);
            wish["scope"] = scope;
            let refused = trial.host.post(&path, wish).await;
            assert_eq!(refused.body["errors"][0]["code"], "rollout.scope");
        }
        trial.host.begin(json!({"id": "plain", "plugin": "mischief", "config": {}})).await;
        assert_eq!(trial.host.get(&format!("{path}/plain/rollout")).await.problem(), (404, "http.not-found"));
    }
}
