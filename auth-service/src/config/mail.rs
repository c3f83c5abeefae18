//! Whether and how mail is sent, and what the links in it are good for.

use process::Settings;

use super::{DAY, HOUR, MINUTE, duration_within};
use crate::mail::{Lifetimes, LinkBase, Sender, Smtp};

/// Where the frontend of development is.
const DEVELOPMENT_FRONTEND: &str = "http://localhost:3000";
/// In whose name the mailbox of development gets its mail.
const DEVELOPMENT_SENDER: &str = "Portcullis <no-reply@portcullis.example>";
/// What `MAIL_SMTP_URL` says for the mailbox of development.
const MAILBOX: &str = "mailbox:";

/// Mail.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// How it is sent, if it is.
    pub post: Option<PostSettings>,
    /// Where links lead (`MAIL_LINK_BASE`).
    pub links: LinkSettings,
    /// Whether an address must be verified before anybody logs in with it (`REQUIRE_VERIFIED_EMAIL`).
    pub require_verified: bool,
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct PostSettings {
    /// Where to (`MAIL_SMTP_URL`).
    pub way: Way,
    /// In whose name (`MAIL_FROM`).
    pub sender: Sender,
}

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum Way {
    /// To a server.
    Smtp(Smtp),
    /// Nowhere: it can be read on the private listener. Development only.
    Mailbox,
}

/// What links are made of.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// Where the frontend is; `None` in production without mail, unless it is set.
    pub base: Option<LinkBase>,
    /// How long the tokens in them are good (`MAIL_VERIFY_TTL`, `MAIL_RESET_TTL`).
    pub lifetimes: Lifetimes,
}

pub(super) fn read_mail(settings: &mut Settings) -> MailSettings {
    let post = read_post(settings);
    let links = read_links(settings);
    let require_verified = settings.flag("REQUIRE_VERIFIED_EMAIL", false);
    let has_mail = settings.text("MAIL_SMTP_URL").is_some();
    if has_mail && links.base.is_none() && settings.text("MAIL_LINK_BASE").is_none() {
        settings.problem("MAIL_LINK_BASE", "is required with MAIL_SMTP_URL: your frontend's address");
    }
    if require_verified && !has_mail {
        settings.problem("REQUIRE_VERIFIED_EMAIL", "needs MAIL_SMTP_URL: nobody could verify an address");
    }
    MailSettings { post, links, require_verified }
}

/// What `users reset-link` needs of it: links, and no server.
pub(super) fn read_links(settings: &mut Settings) -> LinkSettings {
    let production = settings.mode().is_production();
    let given = settings.text("MAIL_LINK_BASE");
    let given = given.or_else(|| (!production).then(|| DEVELOPMENT_FRONTEND.to_owned()));
    let base = given.and_then(|text| {
        LinkBase::parse(&text, !production).map_err(|error| settings.problem("MAIL_LINK_BASE", error)).ok()
    });
    let lifetimes = Lifetimes {
        verify: duration_within(settings, "MAIL_VERIFY_TTL", DAY, MINUTE, 30 * DAY),
        reset: duration_within(settings, "MAIL_RESET_TTL", 30 * MINUTE, MINUTE, 24 * HOUR),
    };
    LinkSettings { base, lifetimes }
}

fn read_post(settings: &mut Settings) -> Option<PostSettings> {
    let url = settings.text("MAIL_SMTP_URL")?;
    let way = read_way(settings, &url);
    let is_mailbox = matches!(way, Some(Way::Mailbox));
    let given = settings.text("MAIL_FROM").or_else(|| is_mailbox.then(|| DEVELOPMENT_SENDER.to_owned()));
    let Some(from) = given else {
        settings.problem("MAIL_FROM", "is required with MAIL_SMTP_URL: in whose name mail is sent");
        return None;
    };
    let sender = Sender::parse(&from).map_err(|error| settings.problem("MAIL_FROM", error)).ok();
    Some(PostSettings { way: way?, sender: sender? })
}

fn read_way(settings: &mut Settings, url: &str) -> Option<Way> {
    let production = settings.mode().is_production();
    if url == MAILBOX && production {
        settings
            .problem("MAIL_SMTP_URL", "may not be mailbox: in production: everybody's mail would lie open");
        return None;
    }
    if url == MAILBOX {
        return Some(Way::Mailbox);
    }
    let parsed = Smtp::parse(url, !production).map_err(|error| settings.problem("MAIL_SMTP_URL", error));
    parsed.map(Way::Smtp).ok()
}
