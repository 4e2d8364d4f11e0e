//! Benches: each result is a ratio of two things run side by side in one run, printed as one line of JSON.
//!
//! `cargo xtask bench [NAME] [--json] [--database sqlite|postgres]`

mod baseline;
mod hot_activity;
mod load;
mod plugins;
mod sandbox_call;
mod stage;

use clap::Parser;
use serde_json::json;

#[derive(Parser)]
struct Bench {
    /// Part of a bench's name.
    name: Option<String>,
    /// Nothing but the lines of results.
    #[arg(long)]
    json: bool,
    #[arg(long, default_value = "sqlite")]
    database: String,
    /// Used by the bench itself: serves a peer instead of measuring.
    #[arg(long, hide = true)]
    serve: Option<String>,
    #[arg(long, hide = true, default_value = "")]
    url: String,
}

/// One measurement: a rate each, and the ratio that a reader compares with the goal.
pub(crate) struct Measured {
    pub bench: String,
    pub ours: f64,
    pub peer: f64,
    pub unit: &'static str,
    /// What the ratio should be at least, or at most.
    pub goal: &'static str,
}

impl Measured {
    fn print(&self, json_only: bool) {
        let ratio = self.ours / self.peer;
        let round = |number: f64| (number * 1_000.0).round() / 1_000.0;
        let line = json!({
            "bench": self.bench, "ours": round(self.ours), "peer": round(self.peer), "ratio": round(ratio), "unit": self.unit,
        });
        if !json_only {
            println!("{:<28} {:>10.2}×   goal {}", self.bench, ratio, self.goal);
        }
        println!("{line}");
    }
}

pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() -> anyhow::Result<()> {
    let bench = Bench::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(peer) = &bench.serve {
        return runtime.block_on(baseline::serve(peer, &bench.url));
    }
    let wanted =
        |name: &str| bench.name.as_ref().is_none_or(|part| name.contains(part.as_str()) || part.contains(name));
    if wanted("sandbox-call") {
        sandbox_call::measure()?.print(bench.json);
    }
    if wanted("plugins") {
        let part = bench.name.as_deref().filter(|name| *name != "plugins/growth");
        plugins::measure(part, |measured| measured.print(bench.json))?;
    }
    for name in ["hot-activity/plain", "hot-activity/limit"] {
        if wanted(name) || bench.name.as_deref() == Some("hot-activity") {
            runtime.block_on(hot_activity::measure(name, &bench.database, bench.json))?.print(bench.json);
        }
    }
    Ok(())
}
