//! The one way out: HTTP requests to receivers, never into the operator's own network unless a host there is allowed by name.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

const URL_BYTES_MAX: usize = 2_000;

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    allowed: Arc<[String]>,
}

/// A message, signed.
pub(crate) struct Message {
    pub id: String,
    pub seconds: i64,
    pub signature: String,
    pub body: String,
}

impl Client {
    /// A receiver that takes longer than `time_max` has not heard it.
    pub(crate) fn new(allowed: &[String], time_max: Duration) -> anyhow::Result<Self> {
        let allowed: Arc<[String]> = allowed.into();
        let http = reqwest::Client::builder()
            .timeout(time_max)
            .connect_timeout(CONNECT_TIME_MAX)
            // Where it leads is not where the operator said.
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(Guard { allowed: allowed.clone() }))
            .user_agent(concat!("fairground/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, allowed })
    }

    /// What may be spoken to.
    pub(crate) fn allowed(&self) -> &[String] {
        &self.allowed
    }

    /// Sends a message; answers the status, or why there is none.
    pub(crate) async fn post(&self, url: &str, message: &Message) -> Result<StatusCode, String> {
        let url = check_url(url, &self.allowed)?;
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", message.seconds)
            .header("webhook-signature", &message.signature)
            .body(message.body.clone());
        match request.send().await {
            Ok(response) => Ok(response.status()),
            Err(error) => Err(reason(&error)),
        }
    }
}

/// The innermost cause: the outer ones repeat the address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The address of a receiver: `https`, and not in the operator's own network; of a host that is allowed by name also `http`, and
/// anywhere. Names are looked up when a message is sent, and addresses checked again then.
pub(crate) fn check_url(text: &str, allowed: &[String]) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is no URL: {error}"))?;
    let Some(host) = url.host_str().filter(|_| text.len() <= URL_BYTES_MAX) else {
        return Err(format!("a URL has a host, and at most {URL_BYTES_MAX} bytes"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL carries no password: messages are signed".into());
    }
    if allowed.iter().any(|name| name == host) && matches!(url.scheme(), "http" | "https") {
        return Ok(url);
    }
    if url.scheme() != "https" {
        return Err("a URL begins with https:// unless its host is allowed by name".into());
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match literal {
        Ok(address) if !is_public(address) => {
            Err(format!("{host} is no public address; allow it by name with --allow-host"))
        }
        _ => Ok(url),
    }
}

/// Looks names up, and keeps those addresses which are public.
struct Guard {
    allowed: Arc<[String]>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let is_allowed = self.allowed.iter().any(|allowed| allowed == name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.filter(|found| is_allowed || is_public(found.ip())).collect();
            if addresses.is_empty() {
                return Err(format!("{} has no public address", name.as_str()).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is somewhere in the internet at large: not this machine, not a private network, nothing reserved.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let reserved = matches!((a, b, c), (0 | 10 | 127 | 240..=255, ..) | (100, 64..=127, _) | (169, 254, _))
        || matches!((a, b, c), (172, 16..=31, _) | (192, 168, _) | (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _));
    !reserved && !address.is_multicast() && !address.is_documentation()
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        // An address of the old kind in the new one's clothes: mapped, translated, tunnelled.
        (0, 0, 0, 0, 0, 0xffff | 0) | (0x64, 0xff9b, 0, 0, 0, 0) => inner(g, h),
        (0x2002, ..) => inner(b, c),
        // Teredo, benchmarks, documentation, and the translation prefix for local use.
        (0x2001, 0..=0x1ff | 0xdb8, ..) | (0x3fff, 0..=0xfff, ..) | (0x64, 0xff9b, 1, ..) => false,
        // Everything global begins with 001.
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_ones_own_network_are_not_public() {
        let private = "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1
            192.0.0.1 192.0.2.1 198.18.0.1 203.0.113.9 224.0.0.1 255.255.255.255
            :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 2002:7f00:1:: 2001:0:1::1 2001:db8::1
            fc00::1 fd12:3456::1 fe80::1 ff02::1 100::1";
        for address in private.split_whitespace() {
            assert!(!is_public(address.parse().expect(address)), "{address}");
        }
        let public = "1.1.1.1 8.8.8.8 100.128.0.1 172.32.0.1 192.169.0.1 2606:4700::1111 2002:101:101:: ::ffff:8.8.8.8";
        for address in public.split_whitespace() {
            assert!(is_public(address.parse().expect(address)), "{address}");
        }
    }

    #[test]
    fn a_receiver_is_spoken_to_in_confidence_and_outside() {
        let allowed = ["shop.local".to_owned(), "127.0.0.1".to_owned()];
        for good in ["https://example.org/hook", "http://shop.local:9000/x", "http://127.0.0.1:1", "https://8.8.8.8/"] {
            assert!(check_url(good, &allowed).is_ok(), "{good}");
        }
        let bad = "http://example.org https://127.0.0.2 https://[::1]/ https://[::ffff:10.0.0.1]/ ftp://shop.local https://ann:pw@example.org
            https://2130706433/ https://0x7f.1/ https://0177.0.0.1/ shop.local /hook";
        for bad in bad.split_whitespace() {
            assert!(check_url(bad, &[]).is_err(), "{bad}");
        }
        assert!(check_url(&format!("https://example.org/{}", "x".repeat(2_000)), &[]).is_err());
    }
}
