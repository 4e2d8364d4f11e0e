//! The one engine of the process and its settings (`wit/world.wit` promises, ARCHITECTURE.md reasons).

use std::{thread, time::Duration};

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig, Strategy};

use crate::capability::quota::{EPOCH_TICK_MS, MEMORY_BYTES_MAX, TABLE_ELEMENTS_MAX};

/// Instances at once: one for each guest thread, and room for plugins that describe themselves.
const INSTANCES_MAX: u32 = 64;

/// Deep recursion of a guest traps here. The host's own threads have 2 MiB, so a host function always has room.
const WASM_STACK_BYTES: usize = 512 << 10;

/// Pages that a slot keeps between calls, zeroed: the SDK's guests touch fewer.
const KEEP_RESIDENT_BYTES: usize = 2 << 20;

/// Tables likewise. Without it each call gives its tables back to the system and faults them in anew, a third of its time.
const TABLES_KEEP_RESIDENT_BYTES: usize = 128 << 10;

/// Fuel per page of `memory.grow`, which is free by default.
const GROW_FUEL_PER_PAGE: u8 = 64;

/// The engine. There is exactly one: wasmtime's type indices do not mix.
#[derive(Clone)]
pub(crate) struct Sandbox {
    pub(super) engine: Engine,
}

impl Sandbox {
    /// Falls back to the slower allocator where the address space for the pool is not to be had.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let engine = match Engine::new(config().allocation_strategy(pool())) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!(%error, "no address space for the pool of instances: each call maps its own memory, which is slower");
                Engine::new(config().allocation_strategy(InstanceAllocationStrategy::OnDemand))?
            }
        };
        start_clock(&engine);
        Ok(Self { engine })
    }
}

/// There is no trap for a host function that calls its guest back: wasmtime's costs each call a task, and each of its host functions
/// another, nearly a tenth of a guest's time. None can: a host function sees the call's data, and neither store nor instance (`cargo xtask tidy`).
fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(4 * WASM_STACK_BYTES)
        .memory_reservation(MEMORY_BYTES_MAX as u64)
        .memory_guard_size(2 << 20)
        .memory_reservation_for_growth(0)
        .wasm_component_model(true)
        .wasm_threads(false)
        .wasm_shared_everything_threads(false)
        .wasm_simd(false)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_stack_switching(false)
        .wasm_backtrace_max_frames(None);
    let mut cost = OperatorCost::default();
    cost.variable.memory_grow_per_page = GROW_FUEL_PER_PAGE;
    config.operator_cost(cost);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * 4)
        .total_memories(INSTANCES_MAX)
        .total_tables(INSTANCES_MAX * 4)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_core_instances_per_component(16)
        .max_memories_per_component(2)
        .max_tables_per_component(8)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .max_unused_warm_slots(INSTANCES_MAX)
        .table_keep_resident(TABLES_KEEP_RESIDENT_BYTES);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(KEEP_RESIDENT_BYTES);
    } else {
        tracing::info!("this kernel has no PAGEMAP_SCAN (Linux 6.7): resetting a guest's memory is slower");
    }
    pool
}

/// Ticks for as long as the engine lives.
fn start_clock(engine: &Engine) {
    let engine = engine.weak();
    thread::Builder::new()
        .name("guest-clock".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(Duration::from_millis(EPOCH_TICK_MS));
            }
        })
        .expect("a thread can be started");
}
