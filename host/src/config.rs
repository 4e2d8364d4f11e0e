//! Everything that an operator can set: flags, each also an environment variable.

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs community activities as sandboxed WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "fairground", version)]
pub struct Config {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a host.
    Serve(Serve),
    /// Checks that everything in a database adds up, while hosts run on it; names each row that does not.
    Verify(Verify),
    /// Makes every draw of a settled activity again from its seed, and says which come out otherwise.
    Fairness(Fairness),
}

#[derive(Debug, Clone, Args)]
pub struct Fairness {
    /// `COMMUNITY/ACTIVITY`.
    pub activity: String,

    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`.
    #[arg(
        long,
        env = "FAIRGROUND_DATABASE",
        default_value = "sqlite:data/fairground.db",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database: String,
}

#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`.
    #[arg(
        long,
        env = "FAIRGROUND_DATABASE",
        default_value = "sqlite:data/fairground.db",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database: String,
}

#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Where to listen; port 0 takes a free one and prints it.
    #[arg(long, env = "FAIRGROUND_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// `sqlite:PATH`, made if it is missing, or `postgres://USER:PASSWORD@HOST/NAME`.
    #[arg(
        long,
        env = "FAIRGROUND_DATABASE",
        default_value = "sqlite:data/fairground.db",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database: String,

    /// Where compiled plugins are kept. Whoever can write here can run code in the host.
    #[arg(long, env = "FAIRGROUND_ARTIFACTS", default_value = "data/artifacts", value_name = "DIR")]
    pub artifacts: PathBuf,

    /// For development: uploads and enables each *.wasm of a folder, and moves activities to newer versions of it.
    #[arg(long, env = "FAIRGROUND_WATCH", value_name = "DIR")]
    pub watch: Option<PathBuf>,

    /// Sets up a community to play with, and prints what to try.
    #[arg(long, env = "FAIRGROUND_DEMO")]
    pub demo: bool,

    /// The operator's key: visible ASCII characters, of which 24 or more are beyond guessing. Made up and printed at the first start where it
    /// is left out. One that is set replaces none: those before stay good until they are deleted.
    #[arg(long, env = "FAIRGROUND_OPERATOR_KEY", value_name = "SECRET", hide_env_values = true)]
    pub operator_key: Option<String>,

    /// A host name or address of the operator's own network that webhooks and the shop may be on, also without encryption. Given
    /// as often as needed, or with commas between.
    #[arg(long, env = "FAIRGROUND_ALLOW_HOSTS", value_name = "HOST", value_delimiter = ',', value_parser = host_name)]
    pub allow_host: Vec<String>,

    /// Milliseconds that the receiver of a webhook has to answer: 100 to 30000.
    #[arg(
        long,
        env = "FAIRGROUND_WEBHOOK_TIMEOUT_MS",
        value_name = "MS",
        default_value_t = 20_000,
        value_parser = clap::value_parser!(u64).range(100..=30_000)
    )]
    pub webhook_timeout_ms: u64,

    /// The mail server: `smtps://USER:PASSWORD@HOST`, or `smtp://…?tls=required` for STARTTLS. No mail goes out where it is left out.
    #[arg(long, env = "FAIRGROUND_SMTP_URL", value_name = "URL", hide_env_values = true, requires = "mail_from")]
    pub smtp_url: Option<String>,

    /// Whom mails are from: `NAME <ADDRESS>`.
    #[arg(long, env = "FAIRGROUND_MAIL_FROM", value_name = "MAILBOX")]
    pub mail_from: Option<String>,

    /// How the log is written to standard error.
    #[arg(long, env = "FAIRGROUND_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged: `info`, `fairground=debug`, `plugin=trace`.
    #[arg(long, env = "FAIRGROUND_LOG", default_value = "info")]
    pub log: String,
}

/// A host as URLs have it: lower-case, an address of the sixth version in brackets, no port.
fn host_name(text: &str) -> Result<String, String> {
    let host = text.trim().to_ascii_lowercase();
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    let fits = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if fits { Ok(host) } else { Err("a host is a name or an address, without scheme and port".into()) }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_as_urls_have_it() {
        let names = [(" Shop.Local", "shop.local"), ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("[::1]", "[::1]")];
        for (given, kept) in names {
            assert_eq!(host_name(given), Ok(kept.into()));
        }
        for bad in ["", "http://shop.local", "shop.local:8080", "a b"] {
            assert!(host_name(bad).is_err(), "{bad:?}");
        }
    }
}
