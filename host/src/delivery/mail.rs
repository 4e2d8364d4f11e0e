//! Mail by SMTP.

use std::time::Duration;

use anyhow::Context;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};

use crate::{domain::id::Id, store::notices::Text};

/// A server that takes longer has not taken the mail.
const TIME_MAX: Duration = Duration::from_secs(20);

/// The operator's mail server, and who the mails are from.
#[derive(Clone)]
pub(crate) struct Mailer {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Why a mail did not go out.
pub(super) enum NotSent {
    /// However often it is tried.
    Never(String),
    NotNow(String),
}

impl Mailer {
    /// `smtps://USER:PASSWORD@HOST` or, with STARTTLS, `smtp://…?tls=required`; from `NAME <ADDRESS>`.
    pub(crate) fn new(url: &str, from: &str) -> anyhow::Result<Self> {
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).context("this is no URL of a mail server")?;
        let from = from.parse().with_context(|| format!("{from:?} is no mail address"))?;
        Ok(Self { server: server.timeout(Some(TIME_MAX)).build(), from })
    }

    pub(super) async fn send(&self, notice: &Id, to: &str, text: &Text) -> Result<(), NotSent> {
        let never = |error: String| NotSent::Never(error);
        let to: Address = to.parse().map_err(|_| never("it is no mail address".into()))?;
        let mail = Message::builder()
            .from(self.from.clone())
            .to(to.into())
            .subject(text.title.as_str())
            // The same however often it is sent, so that a receiver may tell.
            .message_id(Some(format!("<{notice}@{}>", self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(text.body.clone())
            .map_err(|error| never(error.to_string()))?;
        // The transport's own limit is for connecting alone.
        match tokio::time::timeout(TIME_MAX, self.server.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if is_about_recipient(&error) => Err(never(error.to_string())),
            Ok(Err(error)) => Err(NotSent::NotNow(error.to_string())),
            Err(_) => Err(NotSent::NotNow("the mail server took too long".into())),
        }
    }
}

/// Whether the server will never take a mail for this recipient: 550 to 553. What else it refuses may be the operator's to mend.
fn is_about_recipient(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| (550..=553).contains(&u16::from(code)))
}

/// Whether a text is a mail address.
pub(crate) fn is_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}
