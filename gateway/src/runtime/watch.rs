//! The time limits of one client connection, kept without a timer per request.
//!
//! Each connection has one [`Watch`]. Streams and bodies note in it what they wait for, which costs a store; one
//! lazily armed timer of the connection asks now and then what is overdue. Every limit is at least
//! [`Limits::tick`], and the timer is never armed further away than that, so no limit is ever noticed late. Only the
//! end of a token and the shorter limits of a route may come sooner: then the connection arms its timer anew
//! ([`Watch::sooner`]). A revocation is noticed by the core ([`Watch::end_if`]).
//!
//! Knows nothing of HTTP messages; whoever waits decides what an expiry means.

mod judge;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::tokens::Verified;

/// How long a rate is measured before it is judged.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// What an answer has at least, also when the token's end came while the upstream was at work: most are whole by then.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The limits of every connection.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a request head, from its first byte; also for a connection's first request and its TLS handshake.
    pub head: Duration,
    /// From the end of the request to the first byte of the answer.
    pub first_byte: Duration,
    /// For a body, or a connection between requests, on which nothing moves.
    pub idle: Duration,
    /// Bytes a second that a request body must keep up, measured over ten seconds of waiting.
    pub min_rate: u64,
}

impl Limits {
    /// The furthest that the timer may be armed ahead.
    fn tick(&self) -> Duration {
        self.head.min(self.first_byte).min(self.idle).min(RATE_WINDOW)
    }
}

/// Which part of an exchange took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Expired {
    /// The client does not send its body, or too slowly.
    #[error("the client sends its body too slowly")]
    Upload,
    /// The upstream does not take the body.
    #[error("the upstream does not read the request body")]
    UploadStalled,
    /// The upstream has everything and does not answer.
    #[error("the upstream does not answer")]
    FirstByte,
    /// The upstream stopped in the middle of its answer.
    #[error("the upstream stopped sending")]
    Download,
    /// The answer goes on for longer than the caller's token is good.
    #[error("the access token has expired")]
    Token,
    /// The answer goes on, and its caller's token was revoked.
    #[error("the access token has been revoked")]
    Revoked,
}

/// Why a request's body does not reach its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broke {
    /// More came than so many bytes, which the route allows.
    TooLarge(u64),
    /// The client went away, or broke the framing.
    Off,
}

/// What the connection's timer found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is overdue; ask again then.
    Fine(Instant),
    /// The exchange failed ([`Watch::expired`] says why): let it answer, and ask again then.
    Expired(Instant),
    /// The client is gone or stalls: close the connection.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// Between two requests.
    Idle(Instant),
    /// In the middle of a request head.
    Head(Instant),
    /// A request is being served.
    Busy,
    /// No stream is open, and bytes need not mean that one will be.
    Resting(Instant),
}

#[derive(Debug, Clone, Copy)]
enum Upload {
    Done,
    /// The client should send.
    Receiving(Instant),
    /// The upstream should take what there is.
    Sending(Instant),
}

/// Bytes that moved while somebody waited for them.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    waited: Duration,
    bytes: u64,
    /// How much of the present wait was counted in the window before.
    before: Duration,
}

impl Rate {
    /// All the waiting in this window, the present wait since then included.
    fn waited_until(&self, now: Instant, since: Instant) -> Duration {
        self.waited + (now - since).saturating_sub(self.before)
    }

    /// Whether the window has brought what it must.
    const fn is_enough(&self, min_rate: u64) -> bool {
        self.bytes >= min_rate.saturating_mul(RATE_WINDOW.as_secs())
    }
}

/// What one connection waits for.
#[derive(Debug)]
pub struct Watch {
    /// Of every request, unless its route has its own.
    common: Limits,
    limits: Cell<Limits>,
    /// When the timer will run out, and when it should instead.
    armed: Cell<Instant>,
    sooner: Cell<Option<Instant>>,
    client: Cell<Client>,
    /// Whether somebody else needs the place of a connection without a request.
    gives_way: Cell<bool>,
    upload: Cell<Upload>,
    upload_rate: Cell<Rate>,
    first_byte: Cell<Option<Instant>>,
    download: Cell<Option<Instant>>,
    token_end: Cell<Option<Instant>>,
    streaming: Cell<bool>,
    /// Whether both bodies flow as they like, see [`Watch::flows_both_ways`].
    duplex: Cell<bool>,
    answered_for: RefCell<Option<Arc<Verified>>>,
    revoked: Cell<bool>,
    write: Cell<Option<Instant>>,
    expired: Cell<Option<Expired>>,
    upload_broke: Cell<Option<Broke>>,
    exchange: Cell<u64>,
    undrained: Cell<bool>,
    answered: Cell<bool>,
    /// Whether this is one stream of a connection, whose socket tells nothing of its own progress.
    is_stream: bool,
}

impl Watch {
    /// A connection that has just been accepted: its first head is awaited.
    pub fn new(limits: Limits, now: Instant) -> Self {
        Self {
            common: limits,
            limits: Cell::new(limits),
            armed: Cell::new(now + limits.tick()),
            sooner: Cell::default(),
            client: Cell::new(Client::Head(now)),
            gives_way: Cell::new(false),
            upload: Cell::new(Upload::Done),
            upload_rate: Cell::default(),
            first_byte: Cell::new(None),
            download: Cell::new(None),
            token_end: Cell::new(None),
            streaming: Cell::new(false),
            duplex: Cell::new(false),
            answered_for: RefCell::default(),
            revoked: Cell::new(false),
            write: Cell::new(None),
            expired: Cell::new(None),
            upload_broke: Cell::new(None),
            exchange: Cell::new(0),
            undrained: Cell::new(false),
            answered: Cell::new(false),
            is_stream: false,
        }
    }

    /// A stream of HTTP/2 whose request has just arrived.
    pub fn of_stream(limits: Limits, now: Instant) -> Self {
        Self { is_stream: true, ..Self::new(limits, now) }
    }

    /// Whether this watches one stream of HTTP/2.
    pub const fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Streams are open on this connection, and have their own watches.
    pub fn is_busy(&self) {
        self.client.set(Client::Busy);
        self.gives_way.set(false);
    }

    /// The last stream of this connection is over. Until the next one only `idle` counts: what comes in may be
    /// acknowledgements, and a client that sends nothing else is not kept for it.
    pub fn rests(&self, now: Instant) {
        self.client.set(Client::Resting(now));
    }

    /// Since when this connection has been without a request, if it has served one.
    pub fn idle_since(&self) -> Option<Instant> {
        match self.client.get() {
            Client::Idle(since) | Client::Resting(since) if !self.is_stream => Some(since),
            _ => None,
        }
    }

    /// Closes the connection at the next look, if it is still without a request.
    pub fn give_way(&self, now: Instant) {
        self.gives_way.set(true);
        self.look_by(now);
    }

    /// How long a head, or a handshake before the first one, may take.
    pub const fn head_limit(&self) -> Duration {
        self.common.head
    }

    /// The first time at which to ask [`Watch::check`].
    pub fn first_check(&self, now: Instant) -> Instant {
        self.armed.set(now + self.common.tick());
        self.armed.get()
    }

    /// A time before the one that was last said, if [`Watch::check`] must be asked by then.
    pub fn sooner(&self) -> Option<Instant> {
        self.sooner.take()
    }

    fn look_by(&self, at: Instant) {
        if at < self.armed.get() {
            self.armed.set(at);
            self.sooner.set(Some(at));
        }
    }

    /// The request's route has limits of its own. They hold until the answer is complete.
    pub fn limit(&self, first_byte: Duration, idle: Duration, now: Instant) {
        self.limits.set(Limits { first_byte, idle, ..self.common });
        self.look_by(now + self.tick());
    }

    /// Short enough for what comes after the exchange, too.
    fn tick(&self) -> Duration {
        self.limits.get().tick().min(self.common.tick())
    }

    /// Bytes came in; between requests they begin a head.
    pub fn bytes_read(&self) {
        if let Client::Idle(_) = self.client.get() {
            self.client.set(Client::Head(Instant::now()));
        }
    }

    /// The client does not take what is written.
    pub fn write_blocked(&self) {
        if self.write.get().is_none() {
            self.write.set(Some(Instant::now()));
        }
    }

    /// Something could be written again.
    pub fn write_moved(&self) {
        self.write.set(None);
    }

    /// A request head is complete. Answers its arrival and the number of the exchange.
    pub fn request_started(&self) -> (Instant, u64) {
        let arrival = match self.client.get() {
            Client::Head(since) if self.exchange.get() > 0 => since,
            // The first head's wait began with the connection, and a pipelined head was never seen coming.
            Client::Head(_) | Client::Idle(_) | Client::Resting(_) | Client::Busy => Instant::now(),
        };
        self.client.set(Client::Busy);
        self.gives_way.set(false);
        self.limits.set(self.common);
        self.answered.set(false);
        self.upload.set(Upload::Done);
        self.first_byte.set(None);
        self.download.set(None);
        self.token_end.set(None);
        self.streaming.set(false);
        self.duplex.set(false);
        self.answered_for.replace(None);
        self.expired.set(None);
        self.upload_broke.set(None);
        self.exchange.set(self.exchange.get() + 1);
        (arrival, self.exchange.get())
    }

    /// The answer is complete; the connection waits for its next request, once the body has come in.
    pub fn request_finished(&self, now: Instant) {
        self.answered.set(true);
        self.streaming.set(false);
        self.duplex.set(false);
        self.answered_for.replace(None);
        self.download.set(None);
        self.first_byte.set(None);
        if let Upload::Done = self.upload.get() {
            self.client.set(Client::Idle(now));
        }
    }

    /// Is this still the exchange that is under way? A body may outlive its exchange.
    pub fn is_exchange(&self, exchange: u64) -> bool {
        self.exchange.get() == exchange
    }

    /// A body is about to be passed on.
    pub fn upload_started(&self, now: Instant) {
        self.upload_rate.set(Rate::default());
        self.upload.set(Upload::Sending(now));
    }

    /// The next part of the body is awaited from the client.
    pub fn upload_waits(&self) {
        if let Upload::Sending(_) = self.upload.get() {
            self.upload.set(Upload::Receiving(Instant::now()));
        }
    }

    /// Part of the body came in and goes on.
    pub fn upload_moved(&self, bytes: u64) {
        let now = Instant::now();
        if let Upload::Receiving(since) = self.upload.get() {
            let rate = self.upload_rate.get();
            self.upload_rate.set(Rate {
                waited: rate.waited_until(now, since),
                bytes: rate.bytes.saturating_add(bytes),
                before: Duration::ZERO,
            });
        }
        self.upload.set(Upload::Sending(now));
    }

    /// The body is complete; the wait for the answer begins.
    pub fn upload_finished(&self) {
        let now = Instant::now();
        self.upload.set(Upload::Done);
        if self.first_byte.get().is_some() {
            self.first_byte.set(Some(now));
        }
        if self.answered.get() {
            self.client.set(Client::Idle(now));
        }
    }

    /// The body does not reach its end, for this reason.
    pub fn upload_breaks(&self, broke: Broke) {
        self.upload_broke.set(Some(broke));
    }

    /// Whether [`Watch::upload_breaks`] was called, and with what.
    pub const fn upload_broke(&self) -> Option<Broke> {
        self.upload_broke.get()
    }

    /// The request goes out; an answer is due.
    pub fn answer_awaited(&self, now: Instant) {
        self.first_byte.set(Some(now));
    }

    /// The answer's head is here, and its body may take its time.
    pub fn answer_started(&self) {
        self.first_byte.set(None);
        self.streaming.set(true);
        if let Some(end) = self.token_end.get().filter(|&end| end < self.armed.get()) {
            let end = end.max(Instant::now() + LAST_WORD);
            self.token_end.set(Some(end));
            self.look_by(end);
        }
    }

    /// The answer has started while the request goes on, over HTTP/2 on both sides: a conversation, of which either
    /// half may be silent as long as the other is not.
    pub fn flows_both_ways(&self) {
        self.duplex.set(self.is_stream);
    }

    /// Until when the caller's token is good: no answer goes on for longer.
    pub fn token_ends(&self, end: Instant) {
        self.token_end.set(Some(end));
    }

    /// An answer flows to the caller with this token.
    pub fn answers(&self, verified: Arc<Verified>) {
        self.answered_for.replace(Some(verified));
        self.revoked.set(false);
    }

    /// Ends an answer that still flows although its caller's token was revoked when this was last asked: a request
    /// that revokes its own token gets its answer. Says whether the connection must be woken to notice.
    pub fn end_if(&self, is_revoked: impl FnOnce(&Verified) -> bool) -> bool {
        let revoked = self.answered_for.borrow().as_deref().is_some_and(is_revoked);
        let ends = revoked && self.revoked.replace(true);
        if ends {
            self.answered_for.replace(None);
            self.expired.set(Some(self.expired.get().unwrap_or(Expired::Revoked)));
        }
        ends
    }

    /// The next part of the answer is awaited from the upstream.
    pub fn download_waits(&self) {
        if self.download.get().is_none() {
            self.download.set(Some(Instant::now()));
        }
    }

    /// Part of the answer came in.
    pub fn download_moved(&self) {
        self.download.set(None);
    }

    /// A part of the answer was handed over for the client. A stream is told in no other way whether it is taken.
    pub fn answer_offered(&self) {
        if self.is_stream {
            self.write.set(Some(Instant::now()));
        }
    }

    /// The next part of the answer is asked for, so the one before is being taken.
    pub fn answer_taken(&self) {
        if self.is_stream {
            self.write.set(None);
        }
    }

    /// What went wrong with the exchange under way.
    pub fn expired(&self) -> Option<Expired> {
        self.expired.get()
    }

    /// The client may still be sending a body that nobody will read.
    pub fn leave_undrained(&self) {
        self.undrained.set(true);
    }

    /// Whether [`Watch::leave_undrained`] was called: the connection must not be used again.
    pub fn is_undrained(&self) -> bool {
        self.undrained.get()
    }

    /// Is anything overdue?
    pub fn check(&self, now: Instant) -> Verdict {
        let verdict = self.judge(now);
        if let Verdict::Fine(next) | Verdict::Expired(next) = verdict {
            self.armed.set(next);
            self.sooner.set(None);
        }
        verdict
    }
}

#[cfg(test)]
mod tests;
