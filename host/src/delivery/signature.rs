//! Signatures of messages, by Standard Webhooks: HMAC-SHA-256 (`v1`) and Ed25519 (`v1a`) over id, time and body.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer, SigningKey as PrivateKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::endpoint::{Scheme, SigningKey};

/// Signed messages that are older or newer are taken for replayed ones.
const TOLERANCE_SECONDS: u64 = 300;

/// Signatures of one message that are looked at: while keys change there are two.
const SIGNATURES_MAX: usize = 8;

/// Of HMAC-SHA-256.
const SIGNATURE_BYTES: usize = 32;

/// As many bytes as the digest has; the standard allows 24 to 64.
const SECRET_BYTES: usize = 32;
const SECRET_BYTES_MIN: usize = 24;
const SECRET_BYTES_MAX: usize = 64;

/// A key that nobody guesses.
pub(crate) fn fresh_key(scheme: Scheme) -> SigningKey {
    let mut bytes = vec![0; SECRET_BYTES];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    SigningKey { scheme, bytes, until: None }
}

/// The secret that the receiver of `v1` checks with: `whsec_…`.
pub(crate) fn secret_text(key: &SigningKey) -> String {
    format!("whsec_{}", STANDARD.encode(&key.bytes))
}

/// A secret that somebody else has chosen, or none where it is none.
pub(crate) fn parse_secret(text: &str) -> Option<SigningKey> {
    let bytes = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
    let fits = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len());
    fits.then_some(SigningKey { scheme: Scheme::V1, bytes, until: None })
}

/// The public key that the receiver of `v1a` checks with: `whpk_…`.
pub(crate) fn public_text(key: &SigningKey) -> Option<String> {
    Some(format!("whpk_{}", STANDARD.encode(private(key)?.verifying_key().as_bytes())))
}

fn private(key: &SigningKey) -> Option<PrivateKey> {
    let bytes: [u8; 32] = key.bytes.as_slice().try_into().ok()?;
    (key.scheme == Scheme::V1a).then(|| PrivateKey::from_bytes(&bytes))
}

fn mac(key: &SigningKey, id: &str, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key.bytes).expect("a key of any length will do");
    mac.chain_update(format!("{id}.{seconds}.")).chain_update(body)
}

/// The header `webhook-signature`: one signature for each key, with spaces between.
pub(crate) fn sign<'a>(keys: impl Iterator<Item = &'a SigningKey>, id: &str, seconds: i64, body: &[u8]) -> String {
    let signatures = keys.map(|key| match private(key) {
        Some(private) => {
            let content = [format!("{id}.{seconds}.").as_bytes(), body].concat();
            format!("v1a,{}", STANDARD.encode(private.sign(&content).to_bytes()))
        }
        None => format!("v1,{}", STANDARD.encode(mac(key, id, seconds, body).finalize().into_bytes())),
    });
    signatures.collect::<Vec<_>>().join(" ")
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSigned {
    #[error("the headers webhook-id, webhook-timestamp and webhook-signature are needed")]
    Missing,
    #[error("the message is more than five minutes old, or from the future")]
    Stale,
    #[error("no signature of the message is one of ours")]
    Wrong,
}

/// Whether one of the signatures was made with one of the keys, all of them secrets, within the last minutes.
pub(crate) fn verify<'a>(
    keys: impl Iterator<Item = &'a SigningKey>,
    (id, seconds, signatures): (&str, &str, &str),
    body: &[u8],
    now: i64,
) -> Result<(), NotSigned> {
    let seconds: i64 = seconds.parse().map_err(|_| NotSigned::Missing)?;
    if now.div_euclid(1_000).abs_diff(seconds) > TOLERANCE_SECONDS {
        return Err(NotSigned::Stale);
    }
    let given: Vec<Vec<u8>> = signatures
        .split(' ')
        .take(SIGNATURES_MAX)
        .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok())
        .filter(|bytes| bytes.len() == SIGNATURE_BYTES)
        .collect();
    for key in keys.filter(|key| key.scheme == Scheme::V1) {
        let expected = mac(key, id, seconds, body);
        // Compared in constant time; the body is hashed once for each key.
        if given.iter().any(|signature| expected.clone().verify_slice(signature).is_ok()) {
            return Ok(());
        }
    }
    Err(NotSigned::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_614_400_000;
    const SECONDS: i64 = NOW / 1_000;

    /// The example of the standard itself.
    #[test]
    fn a_signature_is_the_one_of_the_standard() {
        let key = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let body = br#"{"test": 2432232314}"#;
        let signed = sign([&key].into_iter(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_was_signed_is_believed_and_nothing_else() {
        let (old, new) = (fresh_key(Scheme::V1), fresh_key(Scheme::V1));
        let signed = sign([&new, &old].into_iter(), "m", SECONDS, b"body");
        let check = |keys: &[&SigningKey], id: &str, seconds: i64, body: &[u8], now: i64| {
            verify(keys.iter().copied(), (id, &seconds.to_string(), &signed), body, now)
        };
        assert_eq!(check(&[&old], "m", SECONDS, b"body", NOW), Ok(()), "while keys change, both are good");
        assert_eq!(check(&[&new], "m", SECONDS, b"body", NOW + 300_000), Ok(()));
        assert_eq!(check(&[&new], "m", SECONDS, b"body", NOW + 301_000), Err(NotSigned::Stale));
        assert_eq!(check(&[&new], "m", SECONDS, b"bodY", NOW), Err(NotSigned::Wrong));
        assert_eq!(check(&[&new], "n", SECONDS, b"body", NOW), Err(NotSigned::Wrong));
        assert_eq!(check(&[&new], "m", SECONDS + 1, b"body", NOW), Err(NotSigned::Wrong));
        assert_eq!(check(&[&fresh_key(Scheme::V1)], "m", SECONDS, b"body", NOW), Err(NotSigned::Wrong));
        assert_eq!(verify([&new].into_iter(), ("m", "soon", &signed), b"body", NOW), Err(NotSigned::Missing));
        let never = i64::MIN.to_string();
        assert_eq!(verify([&new].into_iter(), ("m", &never, &signed), b"body", NOW), Err(NotSigned::Stale));
        let late = format!("{}{signed}", "v1,AAAA ".repeat(SIGNATURES_MAX));
        assert_eq!(verify([&new].into_iter(), ("m", &SECONDS.to_string(), &late), b"body", NOW), Err(NotSigned::Wrong));
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        let text = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for (bytes, fits) in [(23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(parse_secret(&text(bytes)).is_some(), fits, "{bytes}");
        }
        assert!(parse_secret("secret").is_none());
    }
}
