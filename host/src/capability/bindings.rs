//! Generated from `wit/`.
#![allow(unreachable_pub, clippy::use_self, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "activity",
    imports: { default: trappable },
    additional_derives: [serde::Serialize, PartialEq],
});
