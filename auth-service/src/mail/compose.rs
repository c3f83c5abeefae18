//! From a mail in the outbox to the message that a server takes: the text is made when it is sent.

use std::time::SystemTime;

use lettre::Message;
use lettre::address::AddressError;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use secret::Secret;
use time::OffsetDateTime;
use time::macros::format_description;
use uuid::Uuid;

use super::kind::Kind;
use super::link_base::LinkBase;
use super::outgoing::Outgoing;
use super::queued::Queued;
use super::smtp::Sender;
use super::template::{Template, fill, fill_html};
use super::token::Purpose;
use crate::tokens::sealing::Unopened;

/// How much of a client's own name is told: enough to recognise it.
const AGENT_CHARACTERS: usize = 120;

/// Writes mails.
#[derive(Debug)]
pub struct Composer {
    outgoing: Outgoing,
    sender: Sender,
    links: LinkBase,
}

/// A mail in words. What is in it may be a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its id.
    pub id: Uuid,
    /// What it tells.
    pub kind: Kind,
    /// When it was caused.
    pub date: OffsetDateTime,
    /// To whom.
    pub recipient: String,
    /// What it is about.
    pub subject: String,
    /// The text.
    pub text: Secret<String>,
    /// The same in HTML.
    pub html: Secret<String>,
}

/// Why a mail cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    /// Its token does not open.
    #[error(transparent)]
    Unopened(#[from] Unopened),
    /// It has none.
    #[error("a mail that should carry a token has none")]
    NoToken,
    /// Mail cannot be addressed like this. The error does not say how.
    #[error("the recipient is no address that mail can carry")]
    Address(#[from] AddressError),
    /// The library refused.
    #[error("the message cannot be built")]
    Build(#[from] lettre::error::Error),
}

impl Composer {
    /// Writes in the name of `sender`, with links to the frontend.
    #[must_use]
    pub const fn new(outgoing: Outgoing, sender: Sender, links: LinkBase) -> Self {
        Self { outgoing, sender, links }
    }

    /// The words of a mail.
    ///
    /// # Errors
    /// [`Unwritable`]
    pub fn write(&self, queued: &Queued) -> Result<Letter, Unwritable> {
        let link = self.link(queued)?;
        let detail = |name: &str| queued.detail[name].as_str().unwrap_or("unknown").to_owned();
        let agent: String = detail("userAgent").chars().take(AGENT_CHARACTERS).collect();
        let sender = self.sender.name().unwrap_or_else(|| self.links.host());
        let lifetimes = self.outgoing.lifetimes();
        let values = [
            ("sender", sender.as_str()),
            ("email", &queued.recipient),
            ("link", link.expose()),
            ("verifyLifetime", &words(lifetimes.verify.as_secs())),
            ("resetLifetime", &words(lifetimes.reset.as_secs())),
            ("when", &when(queued.created_at)),
            ("address", &detail("address")),
            ("agent", &agent),
            ("change", change(&detail("change"))),
        ];
        let template = Template::of(queued.kind);
        let subject = fill(template.subject, &values);
        Ok(Letter {
            id: queued.id,
            kind: queued.kind,
            date: queued.created_at,
            recipient: queued.recipient.clone(),
            text: Secret::new(fill(template.text, &values)),
            html: Secret::new(fill_html(template.html, &subject, &values)),
            subject,
        })
    }

    /// The message of a letter, as it goes over the wire.
    ///
    /// # Errors
    /// [`Unwritable`]
    pub fn message(&self, letter: &Letter) -> Result<Message, Unwritable> {
        let from = self.sender.mailbox();
        // RFC 3834: programs that answer for people on holiday leave it alone.
        let automatic =
            HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        Ok(Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, super::smtp::deliverable(&letter.recipient)?))
            .subject(letter.subject.clone())
            .date(SystemTime::from(letter.date))
            .message_id(Some(format!("<{}@{}>", letter.id, from.email.domain())))
            .raw_header(automatic)
            .multipart(MultiPart::alternative_plain_html(
                letter.text.expose().clone(),
                letter.html.expose().clone(),
            ))?)
    }

    fn link(&self, queued: &Queued) -> Result<Secret<String>, Unwritable> {
        let purpose = match queued.kind {
            Kind::VerifyEmail => Purpose::VerifyEmail,
            Kind::ResetPassword => Purpose::ResetPassword,
            Kind::AccountExists
            | Kind::PasswordChanged
            | Kind::NewDevice
            | Kind::SecondFactorChanged
            | Kind::SecondFactorFailures => {
                return Ok(Secret::new(self.links.forgot_password()));
            }
        };
        let sealed = queued.sealed.as_ref().ok_or(Unwritable::NoToken)?;
        let token = self.outgoing.open(queued.id, queued.kind, sealed)?;
        Ok(Secret::new(self.links.with_token(purpose, token.expose())))
    }
}

/// `24 November 2026, 13:05 UTC`.
fn when(time: OffsetDateTime) -> String {
    let format = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    time.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default()
}

/// What happened to a second factor, by the word in the outbox.
fn change(word: &str) -> &'static str {
    match word {
        "enabled" => "a second factor was turned on",
        "disabled" => "the second factor was turned off",
        "reset" => "the second factor was removed by an administrator",
        "recovery_codes" => "the recovery codes were replaced",
        _ => "the second factor was changed",
    }
}

/// `24 hours`, `30 minutes`.
fn words(seconds: u64) -> String {
    let (number, unit) = match seconds {
        seconds if seconds >= 3600 && seconds.is_multiple_of(3600) => (seconds / 3600, "hour"),
        seconds if seconds >= 60 => (seconds / 60, "minute"),
        seconds => (seconds, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
