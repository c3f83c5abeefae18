//! Mail: what is written to people, what the links in it prove, and how it is handed to a server.
//!
//! Rules only. Nothing here knows HTTP or SQL: `db::outbox` keeps what is to be sent, `jobs::outbox` sends it. lettre lives here
//! and nowhere else.

pub mod backoff;
pub mod compose;
pub mod kind;
pub mod link_base;
pub mod mailbox;
pub mod outgoing;
pub mod queued;
pub mod smtp;
mod template;
pub mod token;

pub use compose::{Composer, Letter};
pub use kind::Kind;
pub use link_base::LinkBase;
pub use outgoing::{Lifetimes, Notice, Outgoing, TokenLetter};
pub use queued::Queued;
pub use smtp::{Sender, Smtp};
pub use token::{InvalidMailToken, MailToken, MailTokenHash, Purpose};
