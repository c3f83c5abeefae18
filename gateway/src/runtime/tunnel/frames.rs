//! Where a server's stream of websocket frames is (RFC 6455 section 5.2): between two of them, or inside one.
//!
//! Only heads are read, and only for their length; what the frames say is nobody's business here.

/// The longest head: two bytes, eight of length, four of a mask that a server should not use.
const LONGEST_HEAD: usize = 14;
const CLOSE: u8 = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; LONGEST_HEAD],
    have: usize,
    payload: u64,
    closed: bool,
}

impl Frames {
    /// These bytes went by.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let skipped = self.payload.min(bytes.len() as u64);
                self.payload -= skipped;
                bytes = &bytes[usize::try_from(skipped).unwrap_or(bytes.len())..];
                continue;
            }
            self.head[self.have] = first;
            self.have += 1;
            bytes = rest;
            if let Some(payload) = self.whole_head() {
                self.closed |= self.head[0] & 0x0f == CLOSE;
                (self.payload, self.have) = (payload, 0);
            }
        }
    }

    /// Whether a frame of somebody else's may come next: also between the parts of a message, but not after a goodbye.
    pub(super) const fn are_between(&self) -> bool {
        self.have == 0 && self.payload == 0 && !self.closed
    }

    /// The payload's length, once the head is complete.
    fn whole_head(&self) -> Option<u64> {
        if self.have < 2 {
            return None;
        }
        let short = self.head[1] & 0x7f;
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        if self.have < 2 + extended + mask {
            return None;
        }
        let length = self.head[2..2 + extended].iter().fold(0, |length, &byte| length << 8 | u64::from(byte));
        Some(if extended == 0 { u64::from(short) } else { length })
    }
}

/// A close frame. The reason is short: control frames have one byte for their length.
pub(super) fn close(status: u16, reason: &'static str) -> Vec<u8> {
    let length = u8::try_from(2 + reason.len()).unwrap_or_default();
    [&[0x80 | CLOSE, length], status.to_be_bytes().as_slice(), reason.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(vec![0x88; length + if masked { 4 } else { 0 }]);
        frame
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_between_frames_only_there(
            lengths in proptest::collection::vec((prop_oneof![0..130_usize, 65_530..65_540_usize], any::<bool>()), 1..5),
            pieces in proptest::collection::vec(1..3000_usize, 1..50),
        ) {
            let (mut stream, mut ends) = (Vec::new(), vec![0]);
            for (length, masked) in lengths {
                stream.extend(frame(2, length, masked));
                ends.push(stream.len());
            }
            let (mut frames, mut at) = (Frames::default(), 0);
            for piece in pieces.iter().cycle() {
                prop_assert_eq!(frames.are_between(), ends.contains(&at), "at {}", at);
                if at == stream.len() {
                    break;
                }
                let next = (at + piece).min(stream.len());
                frames.pass(&stream[at..next]);
                at = next;
            }
        }
    }

    #[test]
    fn nothing_follows_a_goodbye() {
        let mut frames = Frames::default();
        frames.pass(&close(1000, ""));
        assert!(!frames.are_between());
    }

    #[test]
    fn a_goodbye_has_status_and_reason() {
        assert_eq!(close(1008, "why"), [0x88, 5, 0x03, 0xf0, b'w', b'h', b'y']);
    }
}
