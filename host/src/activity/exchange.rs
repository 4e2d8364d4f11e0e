//! What a plugin is told, and what its answers become.

use serde_json::{Value, json};

use crate::{
    capability::{
        bindings::{
            exports::fairground::activity::guest::{ActivityContext, PageBlock, Section},
            fairground::activity::types::{Problem, ProblemKind},
        },
        quota::OUTPUT_BYTES_MAX,
    },
    domain::{
        activity::{Activity, Head},
        journal::CallKind,
        json::Json,
        refusal::{Refusal, RefusalKind},
    },
    sandbox::guest::Fault,
};

const MESSAGE_BYTES_MAX: usize = 500;
const CODE_BYTES_MAX: usize = 64;
const PARAMS_MAX: usize = 16;

/// What a plugin is told of its activity.
pub(crate) fn context(activity: &Activity, head: &Head, kind: CallKind, now: i64) -> ActivityContext {
    ActivityContext {
        activity: activity.id.activity.to_string(),
        config: activity.config.clone(),
        config_version: u32::try_from(activity.config_version).unwrap_or(u32::MAX),
        currency: activity.currency.as_str().into(),
        started_at: if kind == CallKind::Start { now } else { head.started_at },
        ends_at: activity.ends_at,
    }
}

/// A plugin's output, once it is known to be JSON of a bearable size.
pub(super) fn output_json(output: String) -> Result<Json, Fault> {
    if output.len() > OUTPUT_BYTES_MAX {
        return Err(Fault::Plugin("its output is over 256 KiB".into()));
    }
    Json::parse(output).ok_or_else(|| Fault::Plugin("its output is no JSON".into()))
}

/// A page as clients read it: `[{"section": "top", "kind": …, "content": …}]`. Content that is no JSON is told as a text.
pub(super) fn page_text(blocks: &[PageBlock]) -> String {
    let block = |block: &PageBlock| {
        let section = match block.section {
            Section::Top => "top",
            Section::Middle => "middle",
            Section::Bottom => "bottom",
        };
        let content = serde_json::from_str(&block.content).unwrap_or_else(|_| Value::from(block.content.as_str()));
        json!({"section": section, "kind": block.kind, "content": content})
    };
    blocks.iter().map(block).collect::<Value>().to_string()
}

/// A plugin's refusal, cut to size and printable.
pub(super) fn refusal(problem: Problem) -> Refusal {
    let kind = match problem.kind {
        ProblemKind::InvalidArgument => RefusalKind::InvalidArgument,
        ProblemKind::NotFound => RefusalKind::NotFound,
        ProblemKind::NotAllowed => RefusalKind::NotAllowed,
        ProblemKind::Conflict => RefusalKind::Conflict,
        ProblemKind::LimitReached => RefusalKind::LimitReached,
        ProblemKind::Expired => RefusalKind::Expired,
        ProblemKind::InsufficientBudget => RefusalKind::InsufficientBudget,
        ProblemKind::InsufficientStock => RefusalKind::InsufficientStock,
        ProblemKind::RiskRejected => RefusalKind::RiskRejected,
    };
    let cut = |text: &str, most: usize| crate::capability::printable(&text[..text.floor_char_boundary(most)]);
    Refusal {
        kind,
        code: cut(&problem.code, CODE_BYTES_MAX),
        message: cut(&problem.message, MESSAGE_BYTES_MAX),
        retryable: problem.retryable,
        params: problem
            .params
            .iter()
            .take(PARAMS_MAX)
            .map(|(name, value)| (cut(name, CODE_BYTES_MAX), cut(value, MESSAGE_BYTES_MAX)))
            .collect(),
    }
}
