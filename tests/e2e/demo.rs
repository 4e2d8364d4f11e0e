//! The demo community: every plugin of this repository runs in it, and its members have begun.

use fairground::Clock;
use fairground_tests::{
    eventually,
    host::{BEGINNING, TestHost, settings},
    root,
};

const DEMO: &str = "/v1/communities/demo";

both! {
    async fn every_plugin_runs_in_the_demo_and_members_have_begun(database) {
        let plugins = root().join("target/plugins");
        let serve = fairground::Serve { watch: Some(plugins), demo: true, ..settings(database) };
        let host = TestHost::start_with(serve, Clock::by_hand(BEGINNING)).await;
        let activities = host.listing(&format!("{DEMO}/activities")).await;
        let folders = std::fs::read_dir(root().join("plugins")).expect("a folder").count();
        assert_eq!(activities.len(), folders);
        assert!(activities.iter().all(|activity| activity["state"] == "running"), "{activities:?}");
        for activity in &activities {
            let id = activity["id"].as_str().expect("an id");
            eventually(async || {
                let calls = host.listing(&format!("{DEMO}/activities/{id}/journal")).await;
                calls.iter().any(|call| (call["kind"] == "action" || call["kind"] == "event") && call["outcome"] == "ok")
            })
            .await;
        }
    }
}
