//! Handing a message to a mail server.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message, address::AddressError, address::Envelope};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use url::{Host, Url};

/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// How long all of it may take: servers look into a message before they say that they have it.
pub const DELIVERY: Duration = Duration::from_secs(60);
/// How long a server may take to answer our goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;

/// Codes with which a server refuses *us* and not the message, in any step: somebody has to look at the settings, and then it goes.
const OUR_FAULT: [u16; 5] = [503, 530, 534, 535, 538];

/// In whose name mail is sent (`MAIL_FROM`).
#[derive(Debug, Clone)]
pub struct Sender(Mailbox);

/// Not an address with or without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address such as `Shop <no-reply@shop.example>`")]
pub struct InvalidSender;

impl Sender {
    /// Reads `name@domain` or `Name <name@domain>`.
    pub fn parse(text: &str) -> Result<Self, InvalidSender> {
        let mailbox: Mailbox = text.parse().map_err(|_| InvalidSender)?;
        let has_control = text.chars().any(char::is_control);
        if has_control || !mailbox.email.to_string().is_ascii() {
            Err(InvalidSender)
        } else {
            Ok(Self(mailbox))
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.0.name.clone()
    }

    pub(super) const fn mailbox(&self) -> &Mailbox {
        &self.0
    }
}

/// How the way to the server is protected.
#[derive(Clone)]
enum Security {
    /// TLS from the first byte (`smtps://`).
    Implicit(TlsParameters),
    /// STARTTLS, or nothing is sent (`smtp://`).
    Required(TlsParameters),
    /// Not at all: this machine, or development.
    Plain,
}

/// A mail server (`MAIL_SMTP_URL`).
#[derive(Clone)]
pub struct Smtp {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
}

/// Why a text is no address of a mail server. It never repeats the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSmtpUrl {
    /// Another scheme, no host, or more than belongs there.
    #[error(
        "must be like smtps://user:password@mail.example.com or smtp://mail.example.com:587, special characters \
         percent-encoded, and nothing behind it but ?tls=required"
    )]
    NotAServer,
    /// One of the two alone.
    #[error("needs both a user and a password, or neither")]
    HalfACredential,
    /// The roots cannot be had.
    #[error("cannot be used: TLS does not start")]
    Tls,
}

/// What became of a message that a server did not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// It never will.
    #[error("refused for good ({0})")]
    Refused(String),
    /// Another attempt is worth it.
    #[error("not now ({0})")]
    Later(String),
}

/// A connection, and what became of the message on it.
type Conversation = (AsyncSmtpConnection, Result<(), Undelivered>);

impl Smtp {
    /// Reads an address; `development` allows to go without TLS where production insists, and loopback always may.
    pub fn parse(text: &str, development: bool) -> Result<Self, InvalidSmtpUrl> {
        let url = Url::parse(text).map_err(|_| InvalidSmtpUrl::NotAServer)?;
        let host =
            url.host().filter(|host| !host.to_string().is_empty()).ok_or(InvalidSmtpUrl::NotAServer)?;
        let insists = match url.query() {
            None => false,
            Some("tls=required") => true,
            Some(_) => return Err(InvalidSmtpUrl::NotAServer),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(InvalidSmtpUrl::NotAServer);
        }
        let may_be_plain = !insists && (development || is_loopback(&host));
        let name = host_name(&host);
        let tls = || TlsParameters::new(name.clone()).map_err(|_| InvalidSmtpUrl::Tls);
        let (security, port) = match url.scheme() {
            "smtps" => (Security::Implicit(tls()?), SUBMISSIONS),
            "smtp" if may_be_plain => (Security::Plain, SUBMISSION),
            "smtp" => (Security::Required(tls()?), SUBMISSION),
            _ => return Err(InvalidSmtpUrl::NotAServer),
        };
        Ok(Self { port: url.port().unwrap_or(port), security, credentials: credentials(&url)?, host: name })
    }

    /// Hands the message over, on a connection of its own.
    ///
    /// # Errors
    /// [`Undelivered`]. Its words hold nothing that the server said beside the code: that may name the recipient.
    pub async fn deliver(&self, sender: &Sender, message: &Message) -> Result<(), Undelivered> {
        let late = |_| Err(Undelivered::Later("no answer in time".to_owned()));
        let (mut connection, sent) =
            timeout(DELIVERY, self.converse(sender, message)).await.unwrap_or_else(late)?;
        // What the server says to our goodbye, and whether it does, changes nothing: it has the message, or has not.
        let _ = timeout(GOODBYE, connection.abort()).await;
        sent
    }

    async fn converse(&self, sender: &Sender, message: &Message) -> Result<Conversation, Undelivered> {
        let mut connection = self.connect(sender).await.map_err(|error| Undelivered::Later(said(&error)))?;
        let sent = hand_over(&mut connection, message).await;
        Ok((connection, sent))
    }

    async fn connect(&self, sender: &Sender) -> Result<AsyncSmtpConnection, lettre::transport::smtp::Error> {
        let name = ClientId::Domain(sender.mailbox().email.domain().to_owned());
        let server = (self.host.as_str(), self.port);
        let implicit = match &self.security {
            Security::Implicit(tls) => Some(tls.clone()),
            Security::Required(_) | Security::Plain => None,
        };
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT), &name, implicit, None).await?;
        if let Security::Required(tls) = &self.security {
            connection.starttls(tls.clone(), &name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(connection)
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[mail server {}:{}]", self.host, self.port)
    }
}

/// The address as most servers take it: a domain in other scripts by its ASCII name. A local part in other scripts stays, and
/// needs a server that knows SMTPUTF8.
pub(super) fn deliverable(recipient: &str) -> Result<Address, AddressError> {
    let (local, domain) = recipient.rsplit_once('@').ok_or(AddressError::MissingParts)?;
    let domain = idna::domain_to_ascii(domain).map_err(|_| AddressError::InvalidDomain)?;
    Address::new(local, domain)
}

/// The steps apart, because a refusal means another thing in each: before the recipient is named it is about us.
async fn hand_over(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), Undelivered> {
    let (envelope, text) = (message.envelope(), message.formatted());
    let options = mail_options(connection, envelope, &text)?;
    let from = Mail::new(envelope.from().cloned(), options);
    connection.command(from).await.map_err(|error| Undelivered::Later(said(&error)))?;
    for recipient in envelope.to() {
        let to = Rcpt::new(recipient.clone(), Vec::new());
        connection.command(to).await.map_err(|error| judge(&error))?;
    }
    connection.command(Data).await.map_err(|error| judge(&error))?;
    connection.message(&text).await.map_err(|error| judge(&error))?;
    Ok(())
}

/// What the server must know to be given this message (RFC 6531, RFC 6152).
fn mail_options(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    text: &[u8],
) -> Result<Vec<MailParameter>, Undelivered> {
    let needed = [
        (envelope_is_international(envelope), Extension::SmtpUtfEight, MailParameter::SmtpUtfEight),
        (!text.is_ascii(), Extension::EightBitMime, MailParameter::Body(MailBodyParameter::EightBitMime)),
    ];
    let needed = needed.into_iter().filter(|(is_needed, ..)| *is_needed);
    let known = needed.map(|(_, extension, parameter)| {
        if connection.server_info().supports_feature(extension) {
            Ok(parameter)
        } else {
            Err(Undelivered::Refused(format!("the server does not know {extension}")))
        }
    });
    known.collect()
}

fn envelope_is_international(envelope: &Envelope) -> bool {
    envelope.to().iter().chain(envelope.from()).any(|address| !AsRef::<str>::as_ref(address).is_ascii())
}

fn judge(error: &lettre::transport::smtp::Error) -> Undelivered {
    let code = error.status().map(u16::from);
    let is_final =
        error.is_client() || (error.is_permanent() && !code.is_some_and(|code| OUR_FAULT.contains(&code)));
    if is_final { Undelivered::Refused(said(error)) } else { Undelivered::Later(said(error)) }
}

/// A code, or what went wrong on the way there.
fn said(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => code.to_string(),
        None if error.is_response() => "an answer that is none".to_owned(),
        None => error.to_string(),
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, InvalidSmtpUrl> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| InvalidSmtpUrl::NotAServer)?;
        Ok(text.into_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => Err(InvalidSmtpUrl::HalfACredential),
        (user, Some(password)) => Ok(Some(Credentials::new(decoded(user)?, decoded(password)?))),
    }
}

/// The host without the brackets of an IPv6 address.
fn host_name(host: &Host<&str>) -> String {
    host.to_string().trim_matches(['[', ']']).to_owned()
}

/// A scheme that browsers do not know leaves even an IPv4 address as a name.
fn is_loopback(host: &Host<&str>) -> bool {
    let name = host_name(host);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, development: bool, expected: Result<(&str, u16, &str), InvalidSmtpUrl>) {
        let parsed = Smtp::parse(text, development).map(|smtp| {
            let security = match smtp.security {
                Security::Implicit(_) => "implicit",
                Security::Required(_) => "required",
                Security::Plain => "plain",
            };
            (smtp.host, smtp.port, security)
        });
        let expected = expected.map(|(host, port, security)| (host.to_owned(), port, security));
        assert_eq!(parsed, expected, "{text}");
    }

    #[test]
    fn the_way_is_protected_unless_it_does_not_leave_the_machine() {
        check("smtps://mail.example", false, Ok(("mail.example", 465, "implicit")));
        check("smtp://mail.example", false, Ok(("mail.example", 587, "required")));
        check("smtp://mail.example:2525", true, Ok(("mail.example", 2525, "plain")));
        check("smtp://mail.example?tls=required", true, Ok(("mail.example", 587, "required")));
        check("smtp://127.0.0.1:25", false, Ok(("127.0.0.1", 25, "plain")));
        check("smtp://[::1]:25/", false, Ok(("::1", 25, "plain")));
        check("smtp://localhost", false, Ok(("localhost", 587, "plain")));
        check("smtp://127.0.0.1.evil.example", false, Ok(("127.0.0.1.evil.example", 587, "required")));
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for wrong in [
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp:mail.example",
            "smtp://mail.example/path",
            "smtp://mail.example?tls=opportunistic",
            "smtp://mail.example?tls=none",
            "smtp://mail.example#x",
            "smtp://mail.example:99999",
        ] {
            check(wrong, true, Err(InvalidSmtpUrl::NotAServer));
        }
        for half in ["smtps://user@mail.example", "smtps://:password@mail.example"] {
            check(half, true, Err(InvalidSmtpUrl::HalfACredential));
        }
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let smtp = Smtp::parse("smtps://user:hunter%232@mail.example", false).unwrap();
        assert_eq!(smtp.credentials, Some(Credentials::new("user".to_owned(), "hunter#2".to_owned())));
        assert!(!format!("{smtp:?}").contains("hunter"));
    }

    #[test]
    fn a_sender_has_an_address_and_perhaps_a_name() {
        assert_eq!(
            Sender::parse("Bücher & Co <no-reply@shop.example>").unwrap().name().unwrap(),
            "Bücher & Co"
        );
        assert_eq!(Sender::parse("no-reply@shop.example").unwrap().name(), None);
        for wrong in ["shop", "Shop <>", "Shop <a@b>\r\nBcc: <c@d>", "é@shop.example", ""] {
            assert!(Sender::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn domains_in_other_scripts_get_their_ascii_name() {
        assert_eq!(deliverable("ann@bücher.example").unwrap().to_string(), "ann@xn--bcher-kva.example");
        assert_eq!(deliverable("änn@bücher.example").unwrap().to_string(), "änn@xn--bcher-kva.example");
        for wrong in ["ann", "a<b@shop.example", "ann@shop\u{2e}\u{2e}example"] {
            assert!(deliverable(wrong).is_err(), "{wrong}");
        }
    }
}
