//! JSON texts.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A text that is known to be JSON; it is passed on byte for byte.
#[derive(Clone)]
pub(crate) struct Json(Box<RawValue>);

impl Json {
    /// The text as JSON, or none where it is none.
    pub(crate) fn parse(text: String) -> Option<Self> {
        RawValue::from_string(text).ok().map(Self)
    }

    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(serde_json::value::to_raw_value(value).expect("the host's own types are JSON"))
    }

    pub(crate) fn into_raw(self) -> Box<RawValue> {
        self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
