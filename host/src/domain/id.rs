//! Opaque ids.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Long enough for any scheme of ids, short enough to be part of every key.
pub(crate) const ID_BYTES_MAX: usize = 128;

/// Names a community, a member, a group, an activity, a budget: 1 to 128 of `[A-Za-z0-9._~-]`, but `.` and `..`, which a path loses.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Id(Arc<str>);

#[derive(Debug, thiserror::Error)]
#[error("an id is 1 to {ID_BYTES_MAX} characters of [A-Za-z0-9._~-], and neither \".\" nor \"..\"")]
pub(crate) struct NotAnId;

impl Id {
    pub(crate) fn new(text: &str) -> Result<Self, NotAnId> {
        let fits = (1..=ID_BYTES_MAX).contains(&text.len())
            && !matches!(text, "." | "..")
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte));
        if fits { Ok(Self(text.into())) } else { Err(NotAnId) }
    }

    /// 16 random bytes, which nobody guesses, behind a word that says what they name.
    pub(crate) fn random(kind: &str) -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system has randomness");
        Self(format!("{kind}_{}", hex(&bytes)).into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

impl TryFrom<String> for Id {
    type Error = NotAnId;
    fn try_from(text: String) -> Result<Self, NotAnId> {
        Self::new(&text)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.as_ref().into()
    }
}

impl Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_plain_alphabet_and_a_length() {
        assert!(Id::new("Ann.b_c~1-2").is_ok());
        assert!(Id::new(&"x".repeat(ID_BYTES_MAX)).is_ok());
        for bad in ["", "a b", "a/b", "é", "a\0", &"x".repeat(ID_BYTES_MAX + 1)] {
            assert!(Id::new(bad).is_err(), "{bad:?}");
        }
    }
}
