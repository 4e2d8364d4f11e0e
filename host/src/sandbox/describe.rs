//! Asking a component what it is, and whether that is in order.

use std::collections::BTreeSet;

use jsonschema::{PatternOptions, Validator};
use wasmtime::component::{Component, Linker};

use crate::{
    capability::{
        self,
        bindings::{exports::fairground::activity::guest as wit, fairground::activity::log::Level},
    },
    domain::plugin::{ActionSpec, Manifest, QuerySpec},
};

use super::{Refused, Sandbox, exports::Linked};

const NAME_BYTES_MAX: usize = 64;
const TITLE_BYTES_MAX: usize = 200;
const DESCRIPTION_BYTES_MAX: usize = 4 << 10;

/// Actions, queries, topics, codes: each a page of documentation at most.
const LIST_MAX: usize = 100;

/// Runs `describe` with nothing linked but what a plugin always has: whatever else it calls traps.
pub(super) fn describe(sandbox: &Sandbox, component: &Component) -> Result<Manifest, Refused> {
    let wrong = |error: wasmtime::Error| Refused::WrongInterface(format!("{error:#}"));
    let mut linker = Linker::new(&sandbox.engine);
    capability::link(&mut linker, &[]).map_err(wrong)?;
    linker.define_unknown_imports_as_traps(component).map_err(wrong)?;
    let plugin = Linked::new(component, linker.instantiate_pre(component).map_err(wrong)?).map_err(wrong)?;
    let ended = sandbox.call(&plugin, "describe", None, |guest, store| guest.call_describe(store));
    let described = ended.answer.map_err(|fault| {
        let last_words = ended
            .log
            .iter()
            .rfind(|(level, _)| *level == Level::Error)
            .map(|(_, line)| format!(" ({line})"))
            .unwrap_or_default();
        Refused::CannotDescribe(format!("{fault}{last_words}"))
    })?;
    read(described).map_err(Refused::BadManifest)
}

/// Links the component with what was granted; also where an import has another shape than ours, this says so.
pub(super) fn link(sandbox: &Sandbox, component: &Component, granted: &[String]) -> Result<Linked, Refused> {
    let wrong = |error: wasmtime::Error| Refused::WrongInterface(format!("{error:#}"));
    let mut linker = Linker::new(&sandbox.engine);
    capability::link(&mut linker, granted).map_err(wrong)?;
    Linked::new(component, linker.instantiate_pre(component).map_err(wrong)?).map_err(wrong)
}

/// A schema's validator. Patterns run in linear time, and nothing outside the schema is read.
pub(super) fn validator(schema: &serde_json::Value) -> Result<Validator, String> {
    jsonschema::draft202012::options()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| error.to_string())
}

fn read(manifest: wit::Manifest) -> Result<Manifest, String> {
    name("the plugin's name", &manifest.name)?;
    semver::Version::parse(&manifest.version)
        .map_err(|error| format!("{:?} is no version: {error}", manifest.version))?;
    text("title", &manifest.title, 1, TITLE_BYTES_MAX)?;
    text("description", &manifest.description, 0, DESCRIPTION_BYTES_MAX)?;
    let lists = [manifest.actions.len(), manifest.queries.len(), manifest.emits.len(), manifest.listens.len()];
    if lists.into_iter().chain([manifest.problem_codes.len()]).any(|length| length > LIST_MAX) {
        return Err(format!("a list in it is longer than {LIST_MAX}"));
    }
    for word in manifest.emits.iter().chain(&manifest.listens).chain(&manifest.problem_codes) {
        text("topic or code", word, 1, NAME_BYTES_MAX)?;
    }
    let actions = manifest.actions.into_iter().map(action).collect::<Result<Vec<_>, _>>()?;
    let queries = manifest.queries.into_iter().map(query).collect::<Result<Vec<_>, _>>()?;
    distinct("actions", actions.iter().map(|action| &action.name))?;
    distinct("queries", queries.iter().map(|query| &query.name))?;
    Ok(Manifest {
        name: manifest.name,
        version: manifest.version,
        title: manifest.title,
        description: manifest.description,
        config_schema: schema("the config", &manifest.config_schema)?,
        actions,
        queries,
        emits: manifest.emits,
        listens: manifest.listens,
        problem_codes: manifest.problem_codes,
        state_version: manifest.state_version,
    })
}

fn action(spec: wit::ActionSpec) -> Result<ActionSpec, String> {
    name("an action", &spec.name)?;
    text("title", &spec.title, 0, TITLE_BYTES_MAX)?;
    Ok(ActionSpec {
        input_schema: schema(&spec.name, &spec.input_schema)?,
        output_schema: schema(&spec.name, &spec.output_schema)?,
        name: spec.name,
        title: spec.title,
        operator_only: spec.operator_only,
    })
}

fn query(spec: wit::QuerySpec) -> Result<QuerySpec, String> {
    name("a query", &spec.name)?;
    text("title", &spec.title, 0, TITLE_BYTES_MAX)?;
    Ok(QuerySpec {
        input_schema: schema(&spec.name, &spec.input_schema)?,
        output_schema: schema(&spec.name, &spec.output_schema)?,
        name: spec.name,
        title: spec.title,
    })
}

fn name(what: &str, name: &str) -> Result<(), String> {
    let word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if name.len() <= NAME_BYTES_MAX && name.split('-').all(word) {
        return Ok(());
    }
    Err(format!(
        "{what} {:?} is not in lower-case words with dashes",
        name.chars().take(NAME_BYTES_MAX).collect::<String>()
    ))
}

fn text(what: &str, text: &str, least: usize, most: usize) -> Result<(), String> {
    if (least..=most).contains(&text.len()) && !text.chars().any(|c| c.is_control() && c != '\n') {
        return Ok(());
    }
    Err(format!("a {what} has {least} to {most} bytes and no control characters"))
}

fn schema(of: &str, text: &str) -> Result<serde_json::Value, String> {
    let schema = serde_json::from_str(text).map_err(|error| format!("the schema of {of} is no JSON: {error}"))?;
    validator(&schema).map_err(|error| format!("the schema of {of} is no JSON Schema: {error}"))?;
    Ok(schema)
}

fn distinct<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("two {what} are called {name:?}"));
        }
    }
    Ok(())
}
