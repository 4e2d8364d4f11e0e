//! A guest's exports, looked up one by one: a call needs one of them, and to check the types of all took a sixth of it.

use wasmtime::{
    Result,
    component::{Component, ComponentExportIndex, Instance, InstancePre},
};

use crate::capability::{
    RunningCall,
    bindings::{
        ActivityPre,
        exports::fairground::activity::guest::{
            ActionCall, ActivityContext, ConfigIssue, ConfigReport, HostEvent, Manifest, OfferTerms, PageBlock,
            StopReason,
        },
        fairground::activity::types::Problem,
    },
};

use super::guest::GuestStore;

const INTERFACE: &str = "fairground:activity/guest@0.1.0";

/// A component with everything it imports.
#[derive(Clone)]
pub(crate) struct Linked {
    pre: InstancePre<RunningCall>,
    exports: Exports,
}

impl Linked {
    /// Checks the types of all exports.
    pub(super) fn new(component: &Component, pre: InstancePre<RunningCall>) -> Result<Self> {
        ActivityPre::new(pre.clone())?;
        Ok(Self { pre, exports: Exports::of(component)? })
    }

    pub(super) fn instantiate(&self, store: &mut GuestStore) -> Result<Guest<'_>> {
        Ok(Guest { instance: self.pre.instantiate(store)?, exports: &self.exports })
    }
}

/// A fresh instance.
pub(crate) struct Guest<'a> {
    instance: Instance,
    exports: &'a Exports,
}

macro_rules! exports {
    ($($method:ident $export:ident = $name:literal ($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[derive(Clone)]
        struct Exports {
            $($export: ComponentExportIndex,)*
        }

        impl Exports {
            fn of(component: &Component) -> Result<Self> {
                let missing = |name| wasmtime::Error::msg(format!("there is no export {name}"));
                let interface = component.get_export_index(None, INTERFACE).ok_or_else(|| missing(INTERFACE))?;
                Ok(Self {
                    $($export: component.get_export_index(Some(&interface), $name).ok_or_else(|| missing($name))?,)*
                })
            }
        }

        impl Guest<'_> {
            $(pub(crate) fn $method(&self, store: &mut GuestStore, $($arg: $type),*) -> Result<$answer> {
                let export = &self.exports.$export;
                let function = self.instance.get_typed_func::<($($type,)*), ($answer,)>(&mut *store, export)?;
                let (answer,) = function.call(store, ($($arg,)*))?;
                Ok(answer)
            })*
        }
    };
}

type Done = std::result::Result<(), Problem>;
type Output = std::result::Result<String, Problem>;

// As in `wit/guest.wit`.
exports! {
    call_describe describe = "describe" () -> Manifest;
    call_check_config check_config = "check-config" (config: &str, offers: &[OfferTerms]) -> std::result::Result<ConfigReport, Vec<ConfigIssue>>;
    call_start start = "start" (context: &ActivityContext) -> Done;
    call_act act = "act" (context: &ActivityContext, call: &ActionCall) -> Output;
    call_query query = "query" (context: &ActivityContext, name: &str, viewer: Option<&str>, input: &str) -> Output;
    call_on_event on_event = "on-event" (context: &ActivityContext, event: &HostEvent) -> Done;
    call_on_timer on_timer = "on-timer" (context: &ActivityContext, key: &str, due: i64, payload: &str) -> Done;
    call_stop stop = "stop" (context: &ActivityContext, reason: StopReason) -> Done;
    call_settle settle = "settle" (context: &ActivityContext, batch: u32) -> std::result::Result<bool, Problem>;
    call_page page = "page" (context: &ActivityContext, viewer: Option<&str>) -> std::result::Result<Vec<PageBlock>, Problem>;
    call_audit audit = "audit" (context: &ActivityContext) -> std::result::Result<Vec<String>, Problem>;
    call_migrate migrate = "migrate" (context: &ActivityContext, from: u32) -> Done;
}
