//! Coupons: whose they are, what becomes of them, and what they take off.

use fairground_tests::{
    client::{HOME, Reply},
    eventually,
    host::TestHost,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::purse::{budget, did, treasury};

const DAY: i64 = 86_400_000;

/// Bob has a coupon of each template: ten off, and a tenth.
async fn two_coupons(host: &TestHost) -> (String, String) {
    for offer in ["coupon", "tenth"] {
        did(host, "hold", json!({"key": offer, "offer": offer, "to": "bob"})).await;
        did(host, "capture", json!({"key": offer})).await;
    }
    let coupons = host.listing(&format!("{HOME}/members/bob/coupons")).await;
    let id = |template: &str| {
        let coupon = coupons.iter().find(|coupon| coupon["template"] == template).expect("a coupon");
        coupon["id"].as_str().expect("an id").to_owned()
    };
    (id("ten"), id("tenth"))
}

async fn send(host: &TestHost, path: &str, body: Value) -> Reply {
    host.send(Method::POST, &format!("{HOME}/coupons/{path}"), &host.app, Some(&body), None).await
}

both! {
    async fn what_coupons_take_off_a_basket(database) {
        let host = treasury(database).await;
        let (ten, tenth) = two_coupons(&host).await;
        // Worked example 6, and 5 for the lines.
        let quote = async |lines: &[i64], coupons: Value| {
            let lines: Vec<Value> = lines.iter().map(|minor| json!({"sku": "tea", "minor": minor})).collect();
            send(&host, "quote", json!({"member": "bob", "lines": lines, "shipping_minor": 300, "coupons": coupons})).await
        };
        assert_eq!(quote(&[10_000], json!([ten, tenth])).await.ok()["total_minor"], 8_500 + 300);
        assert_eq!(quote(&[333, 333, 334], json!([tenth])).await.ok()["line_discounts_minor"], json!([33, 33, 34]));
        assert_eq!(quote(&[4_999], json!([ten])).await.problem(), (409, "coupon.min-spend"));
        assert_eq!(quote(&[10_000], json!([ten, ten])).await.problem(), (409, "coupon.wrong-state"));

        // Coupons follow their templates: what they count on, and which go together.
        let plain = json!({"title": "x", "discount": {"kind": "percent", "off_bps": 1_000, "off_minor_max": 500}});
        for (field, value, code) in [
            ("counts_on", json!({"goods": ["film"]}), "coupon.scope"),
            ("exclusive", json!(true), "coupon.stack-conflict"),
        ] {
            let mut terms = plain.clone();
            terms[field] = value;
            host.put(&format!("{HOME}/coupon-templates/tenth"), terms).await.ok();
            assert_eq!(quote(&[10_000], json!([ten, tenth])).await.problem(), (409, code));
        }
        let mut shipped = plain.clone();
        shipped["counts_on"] = json!("shipping");
        host.put(&format!("{HOME}/coupon-templates/tenth"), shipped).await.ok();
        let quoted = quote(&[10_000], json!([tenth, ten])).await.ok();
        assert_eq!((&quoted["total_minor"], &quoted["shipping_discount_minor"]), (&json!(9_270), &json!(30)));
        assert_eq!(quoted["coupons"], json!([{"coupon": ten, "off_minor": 1_000}, {"coupon": tenth, "off_minor": 30}]));
        for (terms, fine) in [(json!({"goods": []}), false), (json!("order"), true)] {
            let mut wish = plain.clone();
            wish["counts_on"] = terms;
            assert_eq!(host.put(&format!("{HOME}/coupon-templates/tenth"), wish).await.status.is_success(), fine);
        }

        // One says which others it goes with; one is a good that costs nothing.
        let mut picky = plain.clone();
        (picky["class"], picky["goes_with"]) = (json!("a"), json!(["b"]));
        host.put(&format!("{HOME}/coupon-templates/tenth"), picky).await.ok();
        assert_eq!(quote(&[10_000], json!([ten, tenth])).await.problem(), (409, "coupon.stack-conflict"));
        let mut free = json!({"title": "x", "discount": {"kind": "gift", "sku": "tea", "units": 1}, "counts_on": "shipping"});
        assert_eq!(host.put(&format!("{HOME}/coupon-templates/tenth"), &free).await.problem(), (422, "coupon.terms"));
        free["counts_on"] = "order".into();
        host.put(&format!("{HOME}/coupon-templates/tenth"), free).await.ok();
        let pots = json!({"member": "bob", "lines": [{"sku": "tea", "minor": 9_000, "units": 3}], "coupons": [tenth]});
        assert_eq!(send(&host, "quote", pots).await.ok()["discount_minor"], 3_000);

        // Members ask for their own.
        let own = async |member: &str| {
            let token = host.token(member).await;
            let basket = json!({"member": "bob", "lines": [{"sku": "tea", "minor": 10_000}], "coupons": [ten]});
            host.send(Method::POST, &format!("{HOME}/coupons/quote"), &token, Some(&basket), None).await
        };
        assert_eq!(own("bob").await.ok()["discount_minor"], 1_000);
        assert_eq!(own("eve").await.problem(), (403, "http.forbidden"));

        let thief = json!({"member": "eve", "lines": [{"sku": "tea", "minor": 10_000}], "coupons": [ten]});
        assert_eq!(send(&host, "quote", thief).await.problem(), (409, "coupon.not-owner"));
    }
}

both! {
    /// Regression 38: whose a coupon is, and whether it was used, is asked each time.
    async fn a_coupon_is_reserved_used_and_returned(database) {
        let host = treasury(database).await;
        let (ten, _) = two_coupons(&host).await;
        let thief = json!({"member": "eve", "order": "o1"});
        assert_eq!(send(&host, &format!("{ten}/reserve"), thief).await.problem(), (409, "coupon.not-owner"));

        let step = async |what: &str, order: &str| {
            let mut wish = json!({"order": order});
            if what == "reserve" {
                wish["member"] = "bob".into();
            }
            let reply = send(&host, &format!("{ten}/{what}"), wish).await;
            (reply.status.as_u16(), reply.body["state"].as_str().map(str::to_owned).unwrap_or(reply.code().into()))
        };
        assert_eq!(step("reserve", "o1").await, (200, "reserved".into()));
        assert_eq!(step("reserve", "o1").await, (200, "reserved".into()));
        assert_eq!(step("reserve", "o2").await, (409, "coupon.reserved".into()));
        // What is set aside for an order is not taken back: the reward is revoked at a loss.
        did(&host, "revoke", json!({"key": "coupon"})).await;
        assert_eq!(budget(&host).await, (0, 1_000, 1));
        assert_eq!(step("use", "o1").await, (200, "used".into()));
        assert_eq!(step("return", "o2").await, (409, "coupon.used".into()));
        assert_eq!(step("reserve", "o2").await, (409, "coupon.used".into()));
        let basket = json!({"member": "bob", "lines": [{"sku": "tea", "minor": 10_000}], "coupons": [ten]});
        assert_eq!(send(&host, "quote", basket).await.problem(), (409, "coupon.used"));
        assert_eq!(step("return", "o1").await, (200, "revoked".into()), "what was taken back meanwhile is not given back");
        // So nobody has used it after all.
        eventually(async || budget(&host).await.1 == 300).await;
        assert_eq!(step("reserve", "o3").await, (409, "coupon.wrong-state".into()));

        did(&host, "hold", json!({"key": "again", "offer": "coupon", "to": "eve"})).await;
        did(&host, "capture", json!({"key": "again"})).await;
        let coupons = host.listing(&format!("{HOME}/members/eve/coupons")).await;
        let again = coupons[0]["id"].as_str().expect("an id");
        let step = async |what: &str| {
            let mut wish = json!({"order": "o1"});
            if what == "reserve" {
                wish["member"] = "eve".into();
            }
            let reply = send(&host, &format!("{again}/{what}"), wish).await;
            (reply.status.as_u16(), reply.body["state"].as_str().map(str::to_owned).unwrap_or(reply.code().into()))
        };
        for (what, state) in [("reserve", "reserved"), ("use", "used"), ("return", "issued")] {
            assert_eq!(step(what).await, (200, state.into()));
        }
        host.clock.turn(DAY);
        assert_eq!(step("reserve").await, (409, "coupon.expired".into()));
    }
}

/// Topics of coupons that the activity has told, in order.
async fn told(host: &TestHost) -> Vec<(String, Value)> {
    let outbox = host.listing(&format!("{HOME}/activities/m/outbox")).await;
    let of_coupons = outbox.into_iter().filter_map(|effect| {
        let what = effect["topic"].as_str()?.strip_prefix("coupon-")?.to_owned();
        Some((what, effect["payload"].clone()))
    });
    of_coupons.collect()
}

both! {
    /// What becomes of a coupon is told once, also when nobody acts in the activity any more.
    async fn the_life_of_a_coupon_is_told(database) {
        let host = treasury(database).await;
        let (ten, tenth) = two_coupons(&host).await;
        let listed = async || {
            let coupons = host.listing(&format!("{HOME}/members/bob/coupons")).await;
            let coupon = coupons.iter().find(|coupon| coupon["id"] == json!(ten)).expect("a coupon").clone();
            coupon["state"].as_str().expect("a state").to_owned()
        };
        for (what, member) in [("reserve", Some("bob")), ("use", None), ("use", None), ("return", None)] {
            let mut wish = json!({"order": "o1"});
            if let Some(member) = member {
                wish["member"] = member.into();
            }
            send(&host, &format!("{ten}/{what}"), wish).await.ok();
        }
        // While it is set aside its time may pass.
        let wish = json!({"order": "o2", "member": "bob"});
        send(&host, &format!("{ten}/reserve"), wish).await.ok();
        host.post(&format!("{HOME}/activities/m/stop"), json!({})).await.ok();
        host.pass(DAY).await;
        assert_eq!(listed().await, "reserved");
        let back = send(&host, &format!("{ten}/return"), json!({"order": "o2"})).await.ok();
        assert_eq!(back["state"], "expired");
        let quote = json!({"member": "bob", "lines": [{"sku": "tea", "minor": 10_000}], "coupons": [ten]});
        assert_eq!(send(&host, "quote", quote).await.problem(), (409, "coupon.expired"));

        // One without an end has none.
        let other = json!({"order": "o9", "member": "bob"});
        assert_eq!(send(&host, &format!("{tenth}/reserve"), other).await.ok()["state"], "reserved");
        host.pass(1).await;
        let told = told(&host).await;
        let what: Vec<&str> = told.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(what, ["issued", "issued", "used", "returned", "returned", "expired"]);
        assert_eq!((&told[2].1["order"], &told[4].1["order"]), (&json!("o1"), &json!("o2")));
    }
}

both! {
    /// News of a coupon wait for no plugin.
    async fn a_coupon_is_told_of_though_its_plugin_is_disabled(database) {
        let host = treasury(database).await;
        let (ten, _) = two_coupons(&host).await;
        did(&host, "hold", json!({"key": "again", "offer": "coupon", "to": "eve"})).await;
        did(&host, "capture", json!({"key": "again"})).await;
        let version = host.get("/v1/plugins").await.ok()["items"][0]["version"].as_str().expect("a version").to_owned();
        host.post(&format!("/v1/plugins/mischief/{version}/disable"), json!({})).await.ok();
        send(&host, &format!("{ten}/reserve"), json!({"order": "o1", "member": "bob"})).await.ok();
        for _ in 0..2 {
            send(&host, &format!("{ten}/use"), json!({"order": "o1"})).await.ok();
        }
        eventually(async || told(&host).await.last().is_some_and(|(what, _)| what == "used")).await;
        assert_eq!(told(&host).await.len(), 4, "once");
        host.pass(DAY).await;
        host.pass(1).await;
        eventually(async || told(&host).await.last().is_some_and(|(what, _)| what == "expired")).await;
        assert_eq!(told(&host).await.len(), 5);
    }
}

both! {
    async fn a_coupon_that_nobody_uses_expires(database) {
        let host = treasury(database).await;
        let until = host.clock.now() + DAY / 2;
        let terms = json!({"title": "x", "discount": {"kind": "amount", "off_minor": 1}, "valid_ms": DAY, "valid_until": until});
        host.put(&format!("{HOME}/coupon-templates/ten"), terms).await.ok();
        let (ten, _) = two_coupons(&host).await;
        host.pass(DAY / 2).await;
        host.pass(1).await;
        let told = told(&host).await;
        let (what, of) = told.last().expect("an event");
        assert_eq!((what.as_str(), &of["member"], &of["state"]), ("expired", &json!("bob"), &json!("expired")));
        let coupons = host.listing(&format!("{HOME}/members/bob/coupons")).await;
        assert!(coupons.iter().any(|coupon| coupon["state"] == "expired" && coupon["id"] == json!(ten)), "{coupons:?}");
        // Nothing is promised that would be over before it is given.
        let again = json!({"plugin": "mischief", "config": {}, "offers": {"ten": {"title": "x", "kind": "coupon", "template": "ten", "cost_minor": 0}}});
        let late = host.post(&format!("{HOME}/activities"), again).await;
        assert_eq!(late.body["errors"][0]["code"], "offers.template-over");
        // What nobody used has cost nothing, and comes back.
        did(&host, "revoke", json!({"key": "coupon"})).await;
        assert_eq!(budget(&host).await, (0, 300, 1));
    }
}
