//! It reads what `serde_json` reads, but for floats and structs that are lists.

use std::collections::BTreeMap;

use proptest::{collection, prelude::*, sample};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Raw, read};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Name(String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Plain,
    Named(String),
    Both(u8, bool),
    Wide { width: Option<i64> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    text: String,
    #[serde(default)]
    count: u64,
    change: i64,
    small: Option<i8>,
    ways: Vec<Way>,
    by_name: BTreeMap<Name, (u32, ())>,
    by_number: BTreeMap<i32, char>,
}

fn ways() -> impl Strategy<Value = Way> {
    prop_oneof![
        Just(Way::Plain),
        any::<String>().prop_map(Way::Named),
        any::<(u8, bool)>().prop_map(|(number, truth)| Way::Both(number, truth)),
        any::<Option<i64>>().prop_map(|width| Way::Wide { width }),
    ]
}

fn things() -> impl Strategy<Value = Thing> {
    let maps = (
        collection::btree_map(any::<String>().prop_map(Name), any::<(u32, ())>(), 0..3),
        collection::btree_map(any::<i32>(), any::<char>(), 0..3),
    );
    (any::<(String, u64, i64, Option<i8>)>(), collection::vec(ways(), 0..4), maps).prop_map(
        |((text, count, change, small), ways, (by_name, by_number))| Thing {
            text,
            count,
            change,
            small,
            ways,
            by_name,
            by_number,
        },
    )
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// What `serde_json` says of it.
fn expected<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

proptest! {
    #[test]
    fn it_reads_what_serde_json_writes(thing in things(), value in values()) {
        for text in [serde_json::to_string(&thing).unwrap(), serde_json::to_string_pretty(&thing).unwrap()] {
            prop_assert_eq!(&read::<Thing>(&text).unwrap(), &thing);
        }
        for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(&read::<Value>(&text).unwrap(), &value);
            let all = format!("{{\"before\": {text}, \"it\" : {text} }}");
            let raw = read::<BTreeMap<String, Raw>>(&all).unwrap();
            prop_assert_eq!(&raw["it"].0, &text);
        }
    }

    #[test]
    fn it_refuses_what_serde_json_refuses(
        thing in things(),
        at in any::<sample::Index>(),
        removed in 0..2_usize,
        added in sample::select(vec!["", "\"", "\\", "\\u", "{", "}", "[", "]", ",", ":", "-", "0", "7", "null", " ", "\t", "\n", "x"]),
    ) {
        let mut text: Vec<char> = serde_json::to_string(&thing).unwrap().chars().collect();
        let at = at.index(text.len());
        text.splice(at..at + removed, added.chars());
        let text: String = text.into_iter().collect();
        prop_assert_eq!(read::<Thing>(&text).ok(), expected::<Thing>(&text), "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}\",:\\\\u0-9a-f \\-netrus.]{0,40}") {
        prop_assert_eq!(read::<Value>(&text).ok(), expected::<Value>(&text).filter(|value| !has_floats(value)), "{}", text);
        let _ = read::<BTreeMap<String, Raw>>(&text);
    }
}

fn has_floats(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_floats),
        Value::Object(fields) => fields.values().any(has_floats),
        _ => false,
    }
}

#[test]
fn a_character_that_is_escaped_in_two_halves_is_one() {
    assert_eq!(read::<String>(r#""\uD83C\uDF81\u62fc\n\/""#).unwrap(), "🎁拼\n/");
    for half in [r#""\uD83C""#, r#""\uDF81""#, r#""\uD83C\u0041""#, r#""\uD83C\n""#, r#""\u+123""#, r#""\u12"#] {
        assert!(read::<String>(half).is_err(), "{half}");
    }
}

#[test]
fn numbers_are_integers_within_their_bounds() {
    assert_eq!(read::<u64>("18446744073709551615").unwrap(), u64::MAX);
    assert_eq!(read::<i64>("-9223372036854775808").unwrap(), i64::MIN);
    for wrong in ["18446744073709551616", "-9223372036854775809", "01", "-", "1.0", "1e2", "--1", "+1", ""] {
        assert!(read::<u64>(wrong).is_err() && read::<i64>(wrong).is_err(), "{wrong}");
    }
    assert!(read::<u8>("256").is_err());
    assert_eq!(read::<f64>("1.5").unwrap_err().to_string(), "A value is no integer.");
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read::<Value>(&nested(128)).is_ok());
    assert_eq!(read::<Value>(&nested(129)).unwrap_err().to_string(), "It is nested too deeply.");
    assert!(
        read::<BTreeMap<String, Raw>>(&format!("{{\"deep\":{}}}", nested(100_000))).is_ok(),
        "passed over, not entered"
    );
}

#[test]
fn a_struct_is_an_object_and_its_errors_say_which_field() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Pair {
        #[allow(dead_code, reason = "read only")]
        left: u8,
    }
    let message = |text| read::<Pair>(text).unwrap_err().to_string();
    assert_eq!(message("{}"), "The field `left` is missing.");
    assert_eq!(message(r#"{"left":1,"left":2}"#), "The field `left` is there twice.");
    assert_eq!(message(r#"{"left":1,"right":2}"#), "A field is not known.");
    assert_eq!(message("[1]"), "A value is of another type, or it is no JSON.");
    assert_eq!(message(r#"{"left":1} 2"#), "There is more after the value.");
}
