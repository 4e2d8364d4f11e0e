//! Money: integer minor units of one currency, checked arithmetic, no floats.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// 10¹⁵ minor units: sums of a thousand such amounts still fit 64 bits with room to spare.
pub(crate) const MINOR_MAX: i64 = 1_000_000_000_000_000;

/// An amount in the minor unit (fen, cent) of an ISO 4217 currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Money {
    pub minor: i64,
    /// Three capital letters.
    pub currency: Currency,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[A-Z]{3}$")]
pub(crate) struct Currency([u8; 3]);

#[derive(Debug, thiserror::Error)]
#[error("a currency is three capital letters of ISO 4217, such as CNY")]
pub(crate) struct NotACurrency;

impl Currency {
    /// Decimals of its major unit (ISO 4217).
    pub(crate) fn decimals(self) -> u32 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV"
            | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }

    pub(crate) fn new(code: &str) -> Result<Self, NotACurrency> {
        match <[u8; 3]>::try_from(code.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(NotACurrency),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only capital letters are let in")
    }
}

impl TryFrom<String> for Currency {
    type Error = NotACurrency;
    fn try_from(code: String) -> Result<Self, NotACurrency> {
        Self::new(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_are_no_currency() {
        assert!(Currency::new("CNY").is_ok());
        for bad in ["cny", "CN", "CNYY", "UＳD", "USD\u{200b}", ""] {
            assert!(Currency::new(bad).is_err(), "{bad:?}");
        }
    }
}
