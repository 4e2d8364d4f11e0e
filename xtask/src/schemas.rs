//! What a form needs of a plugin: each field that an organiser or a member fills has a title and a description in English and in
//! Chinese, each number its unit and its bounds.

use std::fs;

use anyhow::Context;
use serde_json::{Map, Value};

/// Looks at the plugins' `schemas.json`; what they lack is broken. Each has a README and a ready config beside it.
pub(crate) fn check(broken: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir("plugins")? {
        let folder = entry?.path();
        if !folder.join("Cargo.toml").exists() {
            continue;
        }
        for file in ["README.md", "template.json", "schemas.json"] {
            if !folder.join(file).exists() {
                broken.push(format!("{}: no {file}", folder.display()));
            }
        }
        let Ok(text) = fs::read_to_string(folder.join("schemas.json")) else { continue };
        let schemas: Value = serde_json::from_str(&text).with_context(|| folder.display().to_string())?;
        let mut say = |field: &str, what: &str| broken.push(format!("{}: {field}: {what}", folder.display()));
        check_schema(&schemas["config"], "config", &mut say);
        for (name, action) in schemas["actions"].as_object().into_iter().flatten() {
            check_fields(&action["input"], &action["input"], name, false, &mut say);
        }
    }
    Ok(())
}

fn check_schema(root: &Value, name: &str, say: &mut dyn FnMut(&str, &str)) {
    check_fields(root, root, name, true, say);
    for (definition, schema) in root["$defs"].as_object().into_iter().flatten() {
        check_fields(root, schema, definition, true, say);
        for variant in schema["oneOf"].as_array().into_iter().flatten() {
            for inner in variant["properties"].as_object().into_iter().flat_map(Map::values) {
                check_fields(root, inner, definition, true, say);
            }
        }
    }
}

fn check_fields(root: &Value, schema: &Value, of: &str, has_units: bool, say: &mut dyn FnMut(&str, &str)) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let defined = field["$ref"].as_str().and_then(|path| root.pointer(path.trim_start_matches('#')));
        let name = format!("{of}.{name}");
        for word in ["title", "description"] {
            let own = field[word].as_str();
            let text = own.or_else(|| defined.and_then(|defined| defined[word].as_str())).unwrap_or_default();
            let is_english = text.chars().any(|letter| letter.is_ascii_alphabetic());
            let is_chinese = text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
            if !is_english || !is_chinese {
                say(&name, &format!("a {word} in English and Chinese, not {text:?}"));
            }
        }
        let is_number = field["type"].to_string().contains("integer");
        if is_number && has_units {
            if field["x-unit"].is_null() {
                say(&name, "a number has a unit");
            }
            if field["maximum"].is_null() || field["minimum"].is_null() {
                say(&name, "a number has a least and a greatest value");
            }
        }
    }
}
