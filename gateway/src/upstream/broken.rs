//! What it means that an exchange with a server broke.

use std::error::Error as _;
use std::io;

use h2::Reason;

/// Whether the connection, or the request's stream, ended in whatever way before the answer's head was there.
pub fn is_lost(error: &hyper::Error) -> bool {
    let ended = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
    let stream_ended = of_http2(error).is_some_and(|error| error.is_io() || error.is_remote());
    let broke = error.source().is_some_and(|cause| cause.is::<io::Error>());
    ended || stream_ended || broke || error.is_body_write_aborted()
}

/// Whether the server says that it has done nothing (RFC 9113 section 8.7): it refused the stream, or it was leaving
/// and will not look at it.
pub fn is_refused(error: &hyper::Error) -> bool {
    of_http2(error).is_some_and(|error| {
        error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
    })
}

/// Whether it broke on our side: the client's body did not go on.
pub(super) fn is_ours(error: &hyper::Error) -> bool {
    let reset =
        of_http2(error).is_some_and(|error| error.is_reset() && !error.is_remote() && !error.is_library());
    error.is_user() || reset
}

fn of_http2(error: &hyper::Error) -> Option<&h2::Error> {
    error.source().and_then(|cause| cause.downcast_ref())
}
