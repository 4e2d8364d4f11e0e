//! `sandbox-call`: one check-in in a fresh sandbox, against a bare wasmtime loop on the same component.
//!
//! The bare loop has the same engine settings and the least that a host can do: keys in a map, no checks, no quotas, no
//! snapshots, no effects.

use std::{collections::HashMap, time::Instant};

use anyhow::Context;
use fairground::bench::Step;
use fairground_tests::component;
use serde_json::json;
use wasmtime::{
    Config, Enabled, Engine, PoolingAllocationConfig, Store,
    component::{Component, HasSelf, Linker},
};

use crate::{Measured, median, stage::Stage};

const CONFIG: &str = r#"{"title":"bench","one_line_benefit":"x","zone":"Asia/Shanghai","risk":null}"#;
const CALLS: u32 = 2_000;
const ROUNDS: usize = 9;

mod bindings {
    #![allow(unreachable_pub, clippy::all, reason = "generated code")]
    wasmtime::component::bindgen!({ path: "../../wit", world: "activity" });
}

use bindings::{
    Activity, ActivityPre,
    exports::fairground::activity::guest::{ActionCall, ActivityContext},
    fairground::activity::{clock, events, storage, types},
};

#[derive(Default)]
struct Bare {
    entries: HashMap<String, Vec<u8>>,
    events: Vec<String>,
}

impl types::Host for Bare {}

impl clock::Host for Bare {
    fn now(&mut self) -> i64 {
        1_767_614_400_000
    }
    fn business_day(&mut self, _: i64, _: String, _: u32) -> Result<types::CivilDate, clock::ClockError> {
        Ok(types::CivilDate { year: 2026, month: 1, day: 5 })
    }
    fn day_start(&mut self, _: types::CivilDate, _: String, _: u32) -> Result<i64, clock::ClockError> {
        Err(clock::ClockError::OutOfRange)
    }
    fn minute_of_day(&mut self, _: i64, _: String) -> Result<u32, clock::ClockError> {
        Ok(720)
    }
    fn add_days(&mut self, day: types::CivilDate, days: i32) -> Result<types::CivilDate, clock::ClockError> {
        Ok(types::CivilDate { day: (i32::from(day.day) + days) as u8, ..day })
    }
    fn days_between(&mut self, a: types::CivilDate, b: types::CivilDate) -> Result<i32, clock::ClockError> {
        Ok(i32::from(b.day) - i32::from(a.day))
    }
}

impl storage::Host for Bare {
    fn get(&mut self, key: String) -> Option<storage::Entry> {
        self.entries.get(&key).cloned().map(|value| storage::Entry { key, value, version: 1 })
    }
    fn put(&mut self, key: String, value: Vec<u8>, _: Option<u64>) -> Result<u64, storage::WriteError> {
        self.entries.insert(key, value);
        Ok(1)
    }
    fn delete(&mut self, key: String, _: Option<u64>) -> Result<bool, storage::WriteError> {
        Ok(self.entries.remove(&key).is_some())
    }
    fn scan(&mut self, _: String, _: Option<String>, _: u32) -> Vec<storage::Entry> {
        Vec::new()
    }
    fn add(&mut self, key: String, delta: i64, _: i64, _: i64) -> Result<i64, storage::AddError> {
        self.entries.insert(key, delta.to_string().into_bytes());
        Ok(delta)
    }
}

impl events::Host for Bare {
    fn emit(&mut self, _: String, _: String, payload: String) -> Result<(), events::EmitError> {
        self.events.push(payload);
        Ok(())
    }
}

struct BareLoop {
    engine: Engine,
    plugin: ActivityPre<Bare>,
}

impl BareLoop {
    fn new(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(64)
            .total_memories(64)
            .max_memory_size(32 << 20)
            .max_unused_warm_slots(64)
            .table_keep_resident(128 << 10);
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(2 << 20);
        }
        let mut config = Config::new();
        config.consume_fuel(true).epoch_interruption(true).cranelift_nan_canonicalization(true);
        config.memory_reservation(32 << 20).memory_guard_size(2 << 20).memory_reservation_for_growth(0);
        let engine = Engine::new(config.allocation_strategy(pool))?;
        let component = Component::new(&engine, bytes)?;
        let mut linker = Linker::new(&engine);
        clock::add_to_linker::<_, HasSelf<Bare>>(&mut linker, |bare| bare)?;
        storage::add_to_linker::<_, HasSelf<Bare>>(&mut linker, |bare| bare)?;
        events::add_to_linker::<_, HasSelf<Bare>>(&mut linker, |bare| bare)?;
        types::add_to_linker::<_, HasSelf<Bare>>(&mut linker, |bare| bare)?;
        linker.define_unknown_imports_as_traps(&component)?;
        let plugin = ActivityPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, plugin })
    }

    fn call(&self) -> anyhow::Result<String> {
        let mut store = Store::new(&self.engine, Bare::default());
        store.set_fuel(50_000_000)?;
        store.set_epoch_deadline(u64::MAX / 2);
        let guest: Activity = self.plugin.instantiate(&mut store)?;
        let context = ActivityContext {
            currency: "CNY".into(),
            activity: "bench".into(),
            config: CONFIG.into(),
            config_version: 1,
            started_at: 1,
            ends_at: None,
        };
        let asked = ActionCall { name: "check-in".into(), actor: "ann".into(), by_operator: false, input: "{}".into() };
        let answer = guest.fairground_activity_guest().call_act(&mut store, &context, &asked)?;
        answer.map_err(|problem| anyhow::anyhow!(problem.code))
    }
}

pub(crate) fn measure() -> anyhow::Result<Measured> {
    let mut stage = Stage::new("check-in", &serde_json::from_str(CONFIG)?, &json!({}), 1)?;
    let step = Step::Action { name: "check-in".into(), actor: "m0".into(), input: "{}".into() };
    let bare = BareLoop::new(&component("check-in"))?;
    let (mut our_times, mut bare_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_times.push(time(|| stage.sandbox.ask(&step).map(drop)).context("ours")?);
        bare_times.push(time(|| bare.call().map(drop)).context("the bare loop")?);
    }
    Ok(Measured {
        bench: "sandbox-call".into(),
        ours: median(our_times),
        peer: median(bare_times),
        unit: "µs",
        goal: "≤ 1.25",
    })
}

/// Microseconds of one call.
fn time(mut call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let begun = Instant::now();
    for _ in 0..CALLS {
        call()?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS))
}
