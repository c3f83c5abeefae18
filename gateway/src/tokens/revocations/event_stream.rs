//! Server-sent events (HTML section 9.2) out of bytes as they come: a pure parser that keeps one event at most.
//!
//! Stricter than a browser where it must be: what is too large or no UTF-8 is an error and not left out, because an
//! event that is left out might be a revocation.

use std::mem;

/// For one event with its field names, comments in between included.
const MOST_BYTES: usize = 16 << 10;

/// A complete event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its type; empty if the stream gave none, and then it is a `message`.
    pub(super) name: String,
    /// Its lines of data, joined.
    pub(super) data: String,
    /// The last id until here.
    pub(super) id: String,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum EventStreamError {
    /// An event without end.
    #[error("an event is larger than {MOST_BYTES} bytes")]
    TooLarge,
    /// Bytes that are no text.
    #[error("an event is no UTF-8")]
    NotText,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    line: Vec<u8>,
    event: Event,
    /// Bytes since the last complete event.
    bytes: usize,
    has_data: bool,
    begun: bool,
    /// The line ended with a CR; a LF right after it belongs to it.
    ended_by_cr: bool,
}

impl EventStream {
    /// Takes the next bytes, and adds the events that they complete.
    ///
    /// # Errors
    /// See [`EventStreamError`]. What was added before it is good; the stream is not to be used any more.
    pub(super) fn push(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), EventStreamError> {
        if mem::take(&mut self.ended_by_cr) {
            match bytes {
                [] => self.ended_by_cr = true,
                [b'\n', rest @ ..] => bytes = rest,
                _ => {}
            }
        }
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            let (part, rest) = bytes.split_at(end);
            self.extend(part)?;
            self.end_line(events)?;
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => rest,
            };
            self.ended_by_cr = rest == b"\r";
        }
        self.extend(bytes)
    }

    fn extend(&mut self, part: &[u8]) -> Result<(), EventStreamError> {
        self.bytes += part.len();
        if self.bytes > MOST_BYTES {
            return Err(EventStreamError::TooLarge);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<Event>) -> Result<(), EventStreamError> {
        let line = mem::take(&mut self.line);
        // Empty lines and comments must not add up to nothing for ever.
        self.bytes += 1;
        let line = str::from_utf8(&line).map_err(|_| EventStreamError::NotText)?;
        let line =
            if mem::replace(&mut self.begun, true) { line } else { line.trim_start_matches('\u{feff}') };
        if line.is_empty() {
            self.end_event(events);
        } else {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value));
        }
        Ok(())
    }

    fn field(&mut self, field: &str, value: &str) {
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.event.id),
            // Comments, `retry`, and what nobody knows yet.
            _ => {}
        }
    }

    /// The id stays for the events that follow.
    fn end_event(&mut self, events: &mut Vec<Event>) {
        self.bytes = 0;
        let event = Event { id: self.event.id.clone(), ..Event::default() };
        let event = mem::replace(&mut self.event, event);
        if mem::take(&mut self.has_data) {
            events.push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> (Vec<Event>, Result<(), EventStreamError>) {
        let (mut stream, mut events) = (EventStream::default(), Vec::new());
        let result = chunks.iter().try_for_each(|chunk| stream.push(chunk, &mut events));
        (events, result)
    }

    fn check(text: &str, expected: &[(&str, &str, &str)]) {
        let (events, result) = read(&[text.as_bytes()]);
        let events: Vec<_> = events
            .iter()
            .map(|event| (event.name.as_str(), event.data.as_str(), event.id.as_str()))
            .collect();
        assert_eq!((events.as_slice(), result), (expected, Ok(())), "{text:?}");
    }

    #[test]
    fn events_as_the_standard_has_them() {
        check("event: a\ndata: b\nid: c\n\n", &[("a", "b", "c")]);
        check("event:a\r\ndata:b\r\n\r\nid: 2\rdata:  d\r\r", &[("a", "b", ""), ("", " d", "2")]);
        check("\u{feff}data: x\ndata\ndata: y\n\n", &[("", "x\n\ny", "")]);
        check(": comment\nretry: 10\nother: 1\ndata\n\n", &[("", "", "")]);
        check(
            "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            &[("", "a", "1"), ("", "b", "1"), ("", "c", "")],
        );
        check("id: a\0b\ndata: a\n\n", &[("", "a", "")]);
        check("event: a\nid: 7\n\n\n\ndata: b\n\n", &[("", "b", "7")]);
        check("data: unfinished", &[]);
        check("data: unfinished\n", &[]);
        check("", &[]);
    }

    #[test]
    fn nothing_grows_without_end() {
        let long = "x".repeat(MOST_BYTES);
        for text in [format!("data: {long}"), "data: x\n".repeat(MOST_BYTES / 4), ":\n".repeat(MOST_BYTES)] {
            assert_eq!(read(&[text.as_bytes()]), (Vec::new(), Err(EventStreamError::TooLarge)));
        }
        let many = "data: x\n\n".repeat(MOST_BYTES);
        assert_eq!(read(&[many.as_bytes()]).0.len(), MOST_BYTES);
    }

    #[test]
    fn what_is_no_text_is_an_error_and_not_left_out() {
        let (events, result) = read(&[b"data: a\n\ndata: \xff\n\ndata: b\n\n"]);
        assert_eq!((events.len(), result), (1, Err(EventStreamError::NotText)));
    }

    proptest! {
        /// However the bytes are cut, the events are the same; and no bytes do harm.
        #[test]
        fn chunks_do_not_matter(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "((data|event|id|retry|)(:| :|: |)[a-z\u{e9}]{0,5}(\r|\n|\r\n)){0,20}".prop_map(String::into_bytes),
            ],
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut start = 0;
            for end in cuts.into_iter().chain([bytes.len()]) {
                chunks.push(&bytes[start..end]);
                start = end;
            }
            prop_assert_eq!(read(&chunks), read(&[&bytes]));
        }

        /// What a sender writes is what arrives.
        #[test]
        fn what_is_sent_arrives(sent in proptest::collection::vec(("[a-z]{1,9}", "[ -~\u{e9}]{0,40}", "[0-9.]{1,20}"), 0..10)) {
            let text: String =
                sent.iter().map(|(name, data, id)| format!("id: {id}\nevent: {name}\ndata: {data}\n\n")).collect();
            let (events, result) = read(&[text.as_bytes()]);
            let arrived: Vec<_> = events.into_iter().map(|event| (event.name, event.data, event.id)).collect();
            prop_assert_eq!((arrived, result), (sent, Ok(())));
        }
    }
}
