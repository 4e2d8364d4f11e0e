//! Write a Fairground activity in Rust.
//!
//! An activity is a type that implements [`Activity`]: a config, and functions for its actions and queries. The same code is
//! compiled to a WebAssembly component, where [`Call`] speaks to the real host, and natively for tests, where it speaks to a
//! [`town::Town`]: a double of the host with the host's semantics.
//!
//! Units: instants are UTC milliseconds, durations milliseconds, money integer minor units.

// For `config!` in this crate's own tests, which speak of it by name.
#[cfg(test)]
extern crate self as fairground_sdk;

mod activity;
mod admission;
#[cfg(target_arch = "wasm32")]
mod arena;
mod blueprint;
mod call;
pub mod codes;
mod cuts;
mod day;
mod helping;
mod json;
pub mod lottery;
mod page;
mod people;
pub mod platform;
mod problem;
mod queue;
mod rewarding;
#[doc(hidden)]
pub mod schemas;
mod shares;
mod terms;
#[cfg(test)]
mod tests;
mod trade;
mod types;

#[cfg(target_arch = "wasm32")]
#[path = "host_wasm.rs"]
mod host;
#[cfg(not(target_arch = "wasm32"))]
#[path = "host_native.rs"]
mod host;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod component;
#[cfg(not(target_arch = "wasm32"))]
pub mod town;

use std::fmt::Write as _;

pub use activity::{Activity, Block, Issue, Issues, Report, Section, StopReason};
pub use admission::{Standing, bounded};
pub use blueprint::Blueprint;
pub use call::{Call, is_time_zone, refused};
pub use codes::Code;
pub use cuts::{Bounds, Cuts};
pub use day::Day;
pub use helping::{HelpLimit, HelpLimits, Helps};
pub use page::Page;
pub use problem::{
    Answer, Kind, Problem, conflict, expired, invalid, limit_reached, not_allowed, not_found, risk_rejected,
};
pub use queue::Queue;
pub use rewarding::{Gift, Rewarded, unless_exhausted};
pub use shares::{bps_of, split};
#[doc(hidden)]
pub use terms::default_risk;
pub use terms::{
    Eligibility, Limits, NewMember, NewMemberBy, NoticeRule, OnReview, OwnBlock, OwnKind, RiskPolicy, Share, Surface,
    Terms,
};
pub use trade::ORDER_TOPICS;
pub use types::{
    Audience, Budget, Channel, Funnel, Hold, HoldState, HostEvent, InviteStats, Limit, Line, Member, MemberStatus,
    Newness, NotBound, NotTraded, Notice, Offers, Order, OrderNews, OrderState, OutOfBounds, Placed, Ranked, Refused,
    Reservation, ReservationState, Risk, Urgency, Verdict,
};

/// What an activity's `lib.rs` begins with.
pub mod prelude {
    pub use crate::{Activity, Answer, Block, Blueprint, Call, Day, Issue, Issues, Offers, Problem, Report};
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
}

/// Makes a component of an [`Activity`], and a test that keeps its `schemas.json` as the code says. Natively it only sees to it that
/// the activity is complete.
#[macro_export]
macro_rules! activity {
    ($activity:ident) => {
        #[cfg(target_arch = "wasm32")]
        mod fairground_component {
            impl $crate::component::WithSchemas for super::$activity {
                const SCHEMAS: &'static str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas.json"));
            }
            type Exported = $crate::component::Adapter<super::$activity>;
            $crate::component::export!(Exported with_types_in $crate::component);
        }
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() -> $crate::Blueprint<$activity> = <$activity as $crate::Activity>::blueprint;
        #[cfg(test)]
        #[test]
        fn schemas_json_says_what_the_code_says() {
            $crate::schemas::check::<$activity>(env!("CARGO_MANIFEST_DIR"));
        }
    };
}

/// Bytes as clients and keys have them: two small digits for each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An instant for clients: none where it is never.
pub fn unless_never(at: i64) -> Option<i64> {
    (at < i64::MAX).then_some(at)
}

/// What a JSON text says, where it fits.
pub fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    json::read(text).ok()
}

/// An action or a query without input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}
