//! What does not fit a JSON schema, in words for whoever wrote it.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

/// Where something does not fit, as a JSON pointer, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub pointer: String,
    pub message: String,
}

const NO_FIELD: &str = "it takes no such field";

/// More of it nobody reads at once.
const MISFITS_MAX: usize = 20;

/// What of a value does not fit, the first of it.
pub(crate) fn misfits(schema: &Validator, value: &Value) -> Vec<Misfit> {
    schema.iter_errors(value).take(MISFITS_MAX).map(|error| named(misfit(&error), value)).collect()
}

/// Of what takes no fields at all only the place is told: this names those that it has.
fn named(misfit: Misfit, value: &Value) -> Misfit {
    match value.pointer(&misfit.pointer) {
        Some(Value::Object(fields)) if misfit.message == NO_FIELD && !fields.is_empty() => {
            let names: Vec<String> = fields.keys().take(MISFITS_MAX).map(|name| format!("{name:?}")).collect();
            Misfit { message: format!("it takes no fields, and has {}", names.join(", ")), ..misfit }
        }
        _ => misfit,
    }
}

fn misfit(error: &ValidationError<'_>) -> Misfit {
    let pointer = error.instance_path().to_string();
    let message = match error.kind() {
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            // Of several shapes the one that got further than its name is the one that was meant.
            let furthest = context.iter().flatten().map(misfit).max_by_key(|misfit| depth(&misfit.pointer));
            match furthest {
                Some(furthest) if depth(&furthest.pointer) > depth(&pointer) => return furthest,
                _ => {
                    let shapes: Vec<String> =
                        context.iter().filter_map(|errors| errors.iter().find_map(shape)).collect();
                    if shapes.is_empty() {
                        error.to_string()
                    } else {
                        format!("{} is none of {}", error.instance(), shapes.join(", "))
                    }
                }
            }
        }
        ValidationErrorKind::FalseSchema => NO_FIELD.into(),
        _ => error.to_string(),
    };
    Misfit { pointer, message }
}

fn depth(pointer: &str) -> usize {
    pointer.matches('/').count()
}

/// What a shape would have been, by what it found wanting.
fn shape(error: &ValidationError<'_>) -> Option<String> {
    match error.kind() {
        ValidationErrorKind::Required { property } => Some(format!("{{{property}: …}}")),
        ValidationErrorKind::Constant { expected_value } => Some(expected_value.to_string()),
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array()?.iter().map(Value::to_string);
            Some(options.collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn first(value: Value) -> (String, String) {
        let schema = json!({
            "type": "object", "additionalProperties": false, "properties": {"mode": {"oneOf": [
                {"type": "string", "enum": ["until-floor", "once"]},
                {"type": "object", "additionalProperties": false, "required": ["fixed"], "properties": {"fixed": {
                    "type": "object", "additionalProperties": false, "required": ["cuts"],
                    "properties": {"cuts": {"type": "integer", "minimum": 1}},
                }}},
            ]}},
        });
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        let Misfit { pointer, message } = misfits(&schema, &value).remove(0);
        (pointer, message)
    }

    #[test]
    fn of_several_shapes_the_one_that_was_meant_says_what_it_lacks() {
        let said = |pointer: &str, message: &str| (pointer.to_owned(), message.to_owned());
        assert_eq!(
            first(json!({"mode": {"fixed": {"cuts": -5}}})),
            said("/mode/fixed/cuts", "-5 is less than the minimum of 1")
        );
        assert_eq!(first(json!({"mode": {"fixed": {"cut": 5}}})).0, "/mode/fixed");
        assert_eq!(
            first(json!({"mode": {"fixd": 1}})),
            said("/mode", r#"{"fixd":1} is none of "until-floor", "once", {"fixed": …}"#)
        );
        assert_eq!(
            first(json!({"made": 1})),
            said("", "Additional properties are not allowed ('made' was unexpected)")
        );
        let nothing =
            jsonschema::validator_for(&json!({"type": "object", "additionalProperties": false})).expect("a schema");
        assert_eq!(misfits(&nothing, &json!({"input": 1}))[0].message, r#"it takes no fields, and has "input""#);
    }
}
