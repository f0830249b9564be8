//! E-mail over SMTP.

use std::time::{Duration, UNIX_EPOCH};

use engine::{Error, ErrorKind, Result};
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::News;
use crate::config::{MailConfig, MailSecurity};
use crate::report::{report_subject, report_text};
use crate::secret::{Lookup, io_error};

/// Longest silence of the mail server.
const SILENCE: Duration = Duration::from_secs(30);

/// Sends the report: as text, with the page attached.
pub(super) async fn send(mail: &MailConfig, news: &News<'_>, lookup: &Lookup) -> Result<()> {
    let message = message(mail, news)?;
    let failed = |error: lettre::transport::smtp::Error| {
        let kind = match error.is_permanent() {
            true => ErrorKind::Denied,
            false => ErrorKind::Unreachable,
        };
        Error::with_source(kind, format!("send mail by {}", mail.server), error)
    };
    let tls = match mail.security {
        MailSecurity::None => Tls::None,
        MailSecurity::Tls => Tls::Wrapper(parameters(mail).await?),
        MailSecurity::StartTls => Tls::Required(parameters(mail).await?),
    };
    let port = mail.port.unwrap_or(match mail.security {
        MailSecurity::Tls => 465,
        MailSecurity::StartTls => 587,
        MailSecurity::None => 25,
    });
    // Dangerous only without the `tls` below.
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.server)
        .port(port)
        .tls(tls)
        .timeout(Some(SILENCE));
    if let (Some(user), Some(source)) = (&mail.user, mail.password.source()) {
        let password = source.read("password of the mail server", lookup).await?;
        transport = transport.credentials(Credentials::new(user.clone(), password.to_string()));
    }
    transport.build().send(message).await.map_err(failed)?;
    Ok(())
}

async fn parameters(mail: &MailConfig) -> Result<TlsParameters> {
    let invalid = |error| {
        Error::with_source(
            ErrorKind::Invalid,
            format!("set up TLS for {}", mail.server),
            error,
        )
    };
    let mut builder = TlsParameters::builder(mail.server.clone());
    if let Some(file) = &mail.ca_file {
        let what = format!("read certificates from {}", file.display());
        let pem = tokio::fs::read(file)
            .await
            .map_err(|error| io_error(&what, error))?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(invalid)?);
    }
    builder.build().map_err(invalid)
}

fn message(mail: &MailConfig, news: &News<'_>) -> Result<Message> {
    let report = news.report;
    let address = |text: &str| -> Result<Mailbox> {
        text.parse().map_err(|error| {
            Error::with_source(
                ErrorKind::Invalid,
                format!("{text} is no mail address"),
                error,
            )
        })
    };
    let ended = u64::try_from(report.ended_unix_ms).unwrap_or(0);
    let mut builder = Message::builder()
        .from(address(&mail.from)?)
        .subject(format!("[postkeep] {}", report_subject(report)))
        .date(UNIX_EPOCH + Duration::from_millis(ended))
        .message_id(Some(format!("<{}.{ended}@postkeep.invalid>", report.set)))
        // Nobody's out-of-office reply is wanted.
        .header(AutoSubmitted);
    for to in &mail.to {
        builder = builder.to(address(to)?);
    }
    let name = format!("{}.html", report.set);
    let page = Attachment::new(name).body(news.page(), ContentType::TEXT_HTML);
    let text = SinglePart::plain(report_text(report));
    builder
        .multipart(MultiPart::mixed().singlepart(text).singlepart(page))
        .map_err(|error| Error::with_source(ErrorKind::Internal, "write the mail", error))
}

/// Says that a program wrote the mail (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
