//! How words, ids and JSON are kept in columns.

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, any::AnyRow};

use crate::domain::id::Id;

/// A unit variant by its name.
pub(super) fn word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        other => unreachable!("only enums of plain names are words: {other:?}"),
    }
}

/// What a row holds, by column. The host wrote every row itself, so whatever cannot be read back is a fault.
pub(super) trait Columns {
    fn text(&self, column: &str) -> anyhow::Result<String>;
    fn text_or_none(&self, column: &str) -> anyhow::Result<Option<String>>;
    fn int(&self, column: &str) -> anyhow::Result<i64>;
    fn int_or_none(&self, column: &str) -> anyhow::Result<Option<i64>>;
    fn bytes(&self, column: &str) -> anyhow::Result<Vec<u8>>;
    fn bytes_or_none(&self, column: &str) -> anyhow::Result<Option<Vec<u8>>>;

    fn id(&self, column: &str) -> anyhow::Result<Id> {
        Id::new(&self.text(column)?).with_context(|| format!("column {column}"))
    }

    fn id_or_none(&self, column: &str) -> anyhow::Result<Option<Id>> {
        self.text_or_none(column)?.map(|text| Id::new(&text)).transpose().with_context(|| format!("column {column}"))
    }

    /// A key: kept as bytes, so that both databases sort it the same way.
    fn key(&self, column: &str) -> anyhow::Result<String> {
        String::from_utf8(self.bytes(column)?).with_context(|| format!("column {column}"))
    }

    fn word<T: DeserializeOwned>(&self, column: &str) -> anyhow::Result<T> {
        serde_json::from_value(self.text(column)?.into()).with_context(|| format!("column {column}"))
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> anyhow::Result<T> {
        serde_json::from_str(&self.text(column)?).with_context(|| format!("column {column}"))
    }
}

impl Columns for AnyRow {
    fn text(&self, column: &str) -> anyhow::Result<String> {
        Ok(self.try_get(column)?)
    }
    fn text_or_none(&self, column: &str) -> anyhow::Result<Option<String>> {
        Ok(self.try_get(column)?)
    }
    fn int(&self, column: &str) -> anyhow::Result<i64> {
        Ok(self.try_get(column)?)
    }
    fn int_or_none(&self, column: &str) -> anyhow::Result<Option<i64>> {
        Ok(self.try_get(column)?)
    }
    fn bytes(&self, column: &str) -> anyhow::Result<Vec<u8>> {
        Ok(self.try_get(column)?)
    }
    fn bytes_or_none(&self, column: &str) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.try_get(column)?)
    }
}

/// JSON text of the host's own types.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the host's own types are JSON")
}
