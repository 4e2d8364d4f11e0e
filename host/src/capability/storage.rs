//! `wit/storage.wit`.

use std::sync::Arc;

use crate::effects::Written;

use super::{
    RunningCall,
    quota::{PAGE_ROWS_MAX, STORED_BYTES_MAX, VALUE_BYTES_MAX},
    wit::storage::{AddError, Entry, Host, WriteError},
};

/// A counter's value starts with this, so that it is not mistaken for something else.
const COUNTER: &[u8] = b"counter:";

impl RunningCall {
    /// Reads a key, the host's own ones included.
    pub(super) fn written(&mut self, key: &str) -> wasmtime::Result<Written> {
        let found = self.reading_again()?.state.written(key);
        let written = self.host(found)?;
        let counted = self.quota.read(1, written.value.as_ref().map_or(0, |value| value.len()));
        self.within(counted)?;
        Ok(written)
    }

    /// Writes a key, the host's own ones included, and answers its version.
    pub(super) fn set(&mut self, key: &str, value: Option<Vec<u8>>) -> wasmtime::Result<i64> {
        let before = self.written(key)?;
        self.replace(key, &before, value)
    }

    /// Writes a key that was read a moment ago.
    fn replace(&mut self, key: &str, before: &Written, value: Option<Vec<u8>>) -> wasmtime::Result<i64> {
        let counted = self.quota.write(key.len() + value.as_ref().map_or(0, Vec::len));
        self.within(counted)?;
        self.put(key, before, value)
    }

    /// A value that the host keeps for itself: the plugin's quota is not used up by it.
    pub(super) fn own(&mut self, key: &str) -> wasmtime::Result<Option<Arc<[u8]>>> {
        let found = self.reading_again()?.state.written(key);
        Ok(self.host(found)?.value)
    }

    pub(super) fn set_own(&mut self, key: &str, value: Vec<u8>) -> wasmtime::Result<()> {
        let found = self.reading_again()?.state.written(key);
        let before = self.host(found)?;
        self.put(key, &before, Some(value)).map(drop)
    }

    fn put(&mut self, key: &str, before: &Written, value: Option<Vec<u8>>) -> wasmtime::Result<i64> {
        let size = |value: Option<usize>| value.map_or(0, |bytes| (key.len() + bytes) as i64);
        let grown = size(value.as_ref().map(Vec::len)) - size(before.value.as_ref().map(|value| value.len()));
        let call = self.reading_again()?;
        if grown > 0 && call.state.head.stored_bytes + grown > STORED_BYTES_MAX {
            return self.misuse("the activity's storage is full");
        }
        call.state.head.stored_bytes += grown;
        let key: Arc<str> = key.into();
        let written = Written { value: value.map(Into::into), version: before.version + 1 };
        let version = written.version;
        call.state.write(key.clone(), written.clone());
        call.effects.entries.insert(key, written);
        Ok(version)
    }
}

/// The version that a writer sees: 0 where the key is absent.
fn seen(written: &Written) -> u64 {
    if written.value.is_some() { written.version.unsigned_abs() } else { 0 }
}

fn expected(written: &Written, expect: Option<u64>) -> Result<(), WriteError> {
    match expect {
        Some(version) if version != seen(written) => Err(WriteError::VersionMismatch(seen(written))),
        _ => Ok(()),
    }
}

/// Where a scan starts. The host's own keys begin with a control character and come first of all: a scan of everything starts
/// behind them, whatever the plugin says.
fn scan_start(prefix: &str, start_after: Option<String>) -> Option<String> {
    const OWN_KEYS_END: &str = "\u{1f}";
    if prefix.is_empty() && start_after.as_deref().unwrap_or_default() < OWN_KEYS_END {
        Some(OWN_KEYS_END.to_owned())
    } else {
        start_after
    }
}

impl Host for RunningCall {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Entry>> {
        self.reading()?;
        self.key(&key)?;
        let Written { value, version } = self.written(&key)?;
        Ok(value.map(|value| Entry { key, value: value.to_vec(), version: version.unsigned_abs() }))
    }

    fn put(&mut self, key: String, value: Vec<u8>, expect: Option<u64>) -> wasmtime::Result<Result<u64, WriteError>> {
        self.writing()?;
        self.key(&key)?;
        if value.len() > VALUE_BYTES_MAX {
            return self.misuse("a value is at most 64 KiB");
        }
        let before = self.written(&key)?;
        if let Err(mismatch) = expected(&before, expect) {
            return Ok(Err(mismatch));
        }
        Ok(Ok(self.replace(&key, &before, Some(value))?.unsigned_abs()))
    }

    fn delete(&mut self, key: String, expect: Option<u64>) -> wasmtime::Result<Result<bool, WriteError>> {
        self.writing()?;
        self.key(&key)?;
        let before = self.written(&key)?;
        if let Err(mismatch) = expected(&before, expect) {
            return Ok(Err(mismatch));
        }
        if before.value.is_some() {
            self.replace(&key, &before, None)?;
        }
        Ok(Ok(before.value.is_some()))
    }

    fn scan(&mut self, prefix: String, start_after: Option<String>, limit: u32) -> wasmtime::Result<Vec<Entry>> {
        let limit = (limit as usize).min(PAGE_ROWS_MAX);
        let after = scan_start(&prefix, start_after);
        if !prefix.is_empty() {
            self.key(&prefix)?;
        }
        let found = self.reading()?.state.scan(&prefix, after.as_deref(), limit);
        let rows = self.host(found)?;
        let counted = self.quota.read(rows.len(), rows.iter().map(|(key, entry)| key.len() + entry.value.len()).sum());
        self.within(counted)?;
        Ok(rows
            .into_iter()
            .map(|(key, entry)| Entry {
                key: key.as_ref().into(),
                value: entry.value.to_vec(),
                version: entry.version.unsigned_abs(),
            })
            .collect())
    }

    fn add(&mut self, key: String, delta: i64, low: i64, high: i64) -> wasmtime::Result<Result<i64, AddError>> {
        self.writing()?;
        self.key(&key)?;
        let before = self.written(&key)?;
        let value = match &before.value {
            None => 0,
            Some(bytes) => match counter(bytes) {
                Some(value) => value,
                None => return Ok(Err(AddError::NotACounter)),
            },
        };
        match value.checked_add(delta).filter(|sum| (low..=high).contains(sum)) {
            Some(sum) => {
                self.replace(&key, &before, Some([COUNTER, sum.to_string().as_bytes()].concat()))?;
                Ok(Ok(sum))
            }
            None => Ok(Err(AddError::OutOfBounds(value))),
        }
    }
}

fn counter(bytes: &[u8]) -> Option<i64> {
    std::str::from_utf8(bytes.strip_prefix(COUNTER)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_of_everything_starts_behind_the_hosts_own_keys() {
        for after in [None, Some(""), Some("\0"), Some("\0spent\0x"), Some("\u{1e}")] {
            let start = scan_start("", after.map(Into::into)).expect("a start");
            assert!(start.as_str() > "\0\u{10ffff}" && start.as_str() < " ", "{after:?}: {start:?}");
        }
        assert_eq!(scan_start("", Some("a".into())).as_deref(), Some("a"));
        assert_eq!(scan_start("help/", Some(String::new())).as_deref(), Some(""));
        assert_eq!(scan_start("help/", None), None);
    }
}
