//! `schemas.json`: what the config, the inputs and the outputs look like, as JSON Schema.
//!
//! The schemas are derived natively, by the test that [`crate::activity!`] makes, and written beside `template.json`; the component
//! carries the text. So a guest is free of the code that makes schemas, and a change of them shows in a review.

use std::collections::BTreeMap;

use crate::json::Raw;
use serde::Deserialize;

/// The file, as a component reads it.
#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize))]
pub(crate) struct Schemas {
    pub config: Raw,
    /// By name.
    pub actions: BTreeMap<String, Shapes>,
    pub queries: BTreeMap<String, Shapes>,
}

/// What a function takes and answers.
#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize))]
pub(crate) struct Shapes {
    pub input: Raw,
    pub output: Raw,
}

#[cfg(not(target_arch = "wasm32"))]
pub use native::check;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::shapes;

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::{fs, path::Path};

    use schemars::{JsonSchema, generate::SchemaSettings};
    use serde::{Serialize, Serializer};
    use serde_json::{Value, json};

    use super::{Raw, Schemas, Shapes};
    use crate::{Activity, blueprint::Function};

    pub(crate) fn shapes<I: JsonSchema, O: JsonSchema>() -> Shapes {
        Shapes { input: raw(&schema::<I>()), output: raw(&schema::<O>()) }
    }

    fn schema<T: JsonSchema>() -> Value {
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
    }

    fn raw(schema: &Value) -> Raw {
        Raw(schema.to_string())
    }

    impl Serialize for Raw {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let value: Value = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
            value.serialize(serializer)
        }
    }

    /// Objects down to here are written a field a line, so that a change is a line; what is deeper stands in one line, because every byte
    /// of it is in the component.
    const DEPTH: usize = 3;

    fn lines(value: &Value, depth: usize) -> String {
        match value {
            Value::Object(fields) if depth < DEPTH && !fields.is_empty() => {
                let field = |(name, value): (&String, &Value)| {
                    format!("{}{}: {}", " ".repeat(depth + 1), Value::from(name.as_str()), lines(value, depth + 1))
                };
                let fields: Vec<String> = fields.iter().map(field).collect();
                format!("{{\n{}\n{}}}", fields.join(",\n"), " ".repeat(depth))
            }
            value => value.to_string(),
        }
    }

    /// Whether something is a number that need not be an integer: guests do not read those.
    fn has_floats(schema: &Value) -> bool {
        match schema {
            Value::Object(fields) => {
                let is_number = |kind: &Value| {
                    kind == "number" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("number")))
                };
                fields.get("type").is_some_and(is_number) || fields.values().any(has_floats)
            }
            Value::Array(items) => items.iter().any(has_floats),
            _ => false,
        }
    }

    #[cfg(test)]
    #[test]
    fn a_float_is_found_wherever_it_is() {
        #[derive(JsonSchema)]
        struct Deep {
            #[allow(dead_code, reason = "only its shape is looked at")]
            list: Vec<Option<f32>>,
        }
        assert!(has_floats(&schema::<Deep>()) && has_floats(&schema::<f64>()));
        assert!(!has_floats(&schema::<Vec<Option<i64>>>()));
    }

    /// Sees to it that `schemas.json` in the crate's folder says what the code says: writes it where there is none; where it says something
    /// else, writes it anew and panics.
    /// The config of `template.json` is the config's example.
    pub fn check<A: Activity>(folder: &str) {
        let folder = Path::new(folder);
        let template = fs::read_to_string(folder.join("template.json")).expect("template.json, a ready config");
        let template: Value = serde_json::from_str(&template).expect("template.json is JSON");
        let example = serde_json::from_value::<A::Config>(template["config"].clone());
        assert!(example.is_ok(), "the config of template.json is none: {}", example.err().expect("an error"));
        let mut config = schema::<A::Config>();
        config["examples"] = json!([template["config"]]);
        let blueprint = A::blueprint();
        // A rule for an event of which nobody is told would be silent.
        config["$defs"]["NoticeRule"]["properties"]["event"]["enum"] = json!(blueprint.tells);
        let functions = |list: Vec<Function<A::Config>>| {
            list.into_iter().map(|function| (function.name.into(), (function.schemas)())).collect()
        };
        let schemas = Schemas {
            config: raw(&config),
            actions: functions(blueprint.actions),
            queries: functions(blueprint.queries),
        };
        let value = serde_json::to_value(&schemas).expect("schemas are JSON");
        assert!(
            !has_floats(&value),
            "a number with a fraction: count in a smaller unit instead (minor units, basis points, ms)"
        );
        let text = lines(&value, 0) + "\n";
        let path = folder.join("schemas.json");
        let before = fs::read_to_string(&path).ok();
        if before.as_ref() == Some(&text) {
            return;
        }
        fs::write(&path, text).expect("the crate's folder can be written to");
        let is_first = before.is_none();
        assert!(is_first, "{} was not what the code says; it is now. Build the component again.", path.display());
    }
}
