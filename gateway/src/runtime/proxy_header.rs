//! The PROXY protocol, versions 1 and 2 (<https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>): who is behind a
//! proxy that passes bytes on without reading them.
//!
//! Reads the header and not one byte more: what follows is the client's. Who may send one is the caller's business.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What every header of version 2 begins with; the shortest of version 1 is longer.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;
/// What may follow the fixed part of version 2: addresses, and extensions that are passed over.
const LONGEST_REST: usize = 4096;

/// Why a connection does not begin as it must.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadHeader {
    /// It ended, or broke.
    #[error("the connection ended before its PROXY header did")]
    Io(#[from] io::Error),
    /// It begins with something else.
    #[error("there is no PROXY header, or a malformed one")]
    Malformed,
}

/// Reads a header; none when the proxy speaks for itself, or does not know.
pub(super) async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<IpAddr>, BadHeader> {
    let mut start = [0; SIGNATURE.len()];
    socket.read_exact(&mut start).await?;
    let address =
        if start == SIGNATURE { read_binary(socket).await } else { read_line(socket, &start).await }?;
    Ok(address.map(|address| address.to_canonical()))
}

async fn read_line(socket: &mut (impl AsyncRead + Unpin), start: &[u8]) -> Result<Option<IpAddr>, BadHeader> {
    if !start.starts_with(b"PROXY ") {
        return Err(BadHeader::Malformed);
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\n") {
        if line.len() == LONGEST_LINE {
            return Err(BadHeader::Malformed);
        }
        // Byte by byte: the line's end is not known, and what is after it must stay where it is.
        line.push(socket.read_u8().await?);
    }
    let text = std::str::from_utf8(&line).ok().and_then(|line| line.strip_suffix("\r\n"));
    parse_line(text.ok_or(BadHeader::Malformed)?)
}

fn parse_line(line: &str) -> Result<Option<IpAddr>, BadHeader> {
    let fields: Vec<&str> = line.split(' ').collect();
    match fields.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", "TCP4", from, to, ports @ ..] => pair::<Ipv4Addr>(from, to, ports),
        ["PROXY", "TCP6", from, to, ports @ ..] => pair::<Ipv6Addr>(from, to, ports),
        _ => Err(BadHeader::Malformed),
    }
}

fn pair<A: std::str::FromStr + Into<IpAddr>>(
    from: &str,
    to: &str,
    ports: &[&str],
) -> Result<Option<IpAddr>, BadHeader> {
    let is_port = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    match (from.parse::<A>(), to.parse::<A>()) {
        (Ok(from), Ok(_)) if ports.len() == 2 && ports.iter().all(is_port) => Ok(Some(from.into())),
        _ => Err(BadHeader::Malformed),
    }
}

async fn read_binary(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<IpAddr>, BadHeader> {
    let mut fixed = [0; 4];
    socket.read_exact(&mut fixed).await?;
    let [command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST_REST {
        return Err(BadHeader::Malformed);
    }
    let mut rest = vec![0; length];
    socket.read_exact(&mut rest).await?;
    match command {
        // LOCAL: the proxy's own connection, a health check.
        0x20 => Ok(None),
        0x21 => parse_addresses(family, &rest),
        _ => Err(BadHeader::Malformed),
    }
}

/// The source is first; its port, the destination and extensions follow.
fn parse_addresses(family: u8, rest: &[u8]) -> Result<Option<IpAddr>, BadHeader> {
    match family {
        0x11 if rest.len() >= 12 => Ok(rest.first_chunk::<4>().map(|address| IpAddr::from(*address))),
        0x21 if rest.len() >= 36 => Ok(rest.first_chunk::<16>().map(|address| IpAddr::from(*address))),
        // Unspecified.
        0x00 => Ok(None),
        _ => Err(BadHeader::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read, and what is left for the client's own protocol.
    fn outcome(bytes: &[u8]) -> (Option<Option<IpAddr>>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut input = bytes;
        let read = runtime.block_on(read(&mut input));
        (read.ok(), input.to_vec())
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE, [command, family].as_slice(), &length, rest].concat()
    }

    #[track_caller]
    fn check(header: &[u8], expected: Option<Option<&str>>) {
        let bytes = [header, b"GET"].concat();
        let (address, left) = outcome(&bytes);
        assert_eq!(address, expected.map(|address| address.map(|text| text.parse().unwrap())), "{header:?}");
        if expected.is_some() {
            assert_eq!(left, b"GET");
        }
    }

    #[test]
    fn lines() {
        check(b"PROXY TCP4 203.0.113.7 10.0.0.1 51234 443\r\n", Some(Some("203.0.113.7")));
        check(b"PROXY TCP6 2001:db8::7 2001:db8::1 51234 443\r\n", Some(Some("2001:db8::7")));
        check(b"PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n", Some(Some("203.0.113.7")));
        check(b"PROXY UNKNOWN\r\n", Some(None));
        check(b"PROXY UNKNOWN 203.0.113.7 10.0.0.1 1 2\r\n", Some(None));
        for wrong in [
            "PROXY TCP4 203.0.113.7 10.0.0.1 51234\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 51234 443 \r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 +1 443\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 1 65536\r\n",
            "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
            "PROXY TCP4  203.0.113.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.1 1 2\n",
            "proxy TCP4 203.0.113.7 10.0.0.1 1 2\r\n",
            "GET / HTTP/1.1\r\n\r\n",
        ] {
            check(wrong.as_bytes(), None);
        }
        check(format!("PROXY UNKNOWN {}\r\n", "x".repeat(200)).as_bytes(), None);
    }

    #[test]
    fn binary_headers() {
        let four = [203, 0, 113, 7, 10, 0, 0, 1, 1, 2, 3, 4];
        let extension = [0x04, 0, 3, 1, 2, 3];
        check(&binary(0x21, 0x11, &four), Some(Some("203.0.113.7")));
        check(&binary(0x21, 0x11, &[four.as_slice(), &extension].concat()), Some(Some("203.0.113.7")));
        let six = [[0x20, 1, 0x0d, 0xb8].as_slice(), &[0; 11], &[7], &[0; 20]].concat();
        check(&binary(0x21, 0x21, &six), Some(Some("2001:db8::7")));
        check(&binary(0x20, 0x00, &[]), Some(None));
        check(&binary(0x20, 0x11, &four), Some(None));
        check(&binary(0x21, 0x00, &extension), Some(None));
        check(&binary(0x21, 0x11, &four[..11]), None);
        check(&binary(0x21, 0x21, &four), None);
        check(&binary(0x31, 0x11, &four), None);
        check(&binary(0x22, 0x11, &four), None);
        check(&binary(0x21, 0x31, &[0; 216]), None);
        check(&binary(0x21, 0x11, &[0; LONGEST_REST + 1]), None);
    }

    proptest! {
        #[test]
        fn nothing_after_a_header_is_touched(
            address in any::<[u8; 4]>(),
            extensions in proptest::collection::vec(any::<u8>(), 0..300),
            after in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let rest = [address.as_slice(), &[0; 8], &extensions].concat();
            let line = format!("PROXY TCP4 {} 10.0.0.1 1 2\r\n", Ipv4Addr::from(address));
            for header in [binary(0x21, 0x11, &rest), line.into_bytes()] {
                let (read, left) = outcome(&[header, after.clone()].concat());
                prop_assert_eq!(read, Some(Some(IpAddr::from(address))));
                prop_assert_eq!(&left, &after);
            }
        }

        #[test]
        fn whatever_comes_is_read_or_refused(
            signed in any::<bool>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let start: &[u8] = if signed { &SIGNATURE } else { b"PROXY " };
            outcome(&[start, &bytes].concat());
            outcome(&bytes);
        }
    }
}
