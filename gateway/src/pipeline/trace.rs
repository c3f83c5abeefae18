//! W3C trace context (<https://www.w3.org/TR/trace-context/>): which trace a request belongs to, and what the upstream
//! is told of it.
//!
//! Where no collector is configured the gateway has no span to show, so a valid context passes as it is and none begins
//! here. Sampling is never a stranger's decision: only a trusted proxy's flag counts.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::runtime::trace_ids::TraceIds;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of `00-<trace>-<span>-<flags>`.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;
/// What every participant must be able to pass on (section 3.3.1.5); more than that passes from nobody.
const STATE_BYTES: usize = 512;

/// The trace of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// Of the whole trace.
    pub id: u128,
    /// Of the caller's span, if it has one.
    pub parent: Option<u64>,
    /// The gateway's own span; none if the gateway takes no part.
    pub span: Option<u64>,
    /// Whether somebody keeps it.
    pub sampled: bool,
}

impl Trace {
    /// Reads a request's headers. `sample` is the share of traces to keep; none means to take no part.
    pub fn of(headers: &HeaderMap, is_trusted: bool, sample: Option<f64>, ids: &TraceIds) -> Option<Self> {
        let incoming = incoming(headers);
        let Some(sample) = sample else { return incoming };
        let sampled = match incoming {
            Some(Self { sampled, .. }) if is_trusted => sampled,
            _ => ids.draw() < sample,
        };
        Some(Self {
            id: incoming.map_or_else(|| ids.trace(), |trace| trace.id),
            parent: incoming.and_then(|trace| trace.parent),
            span: Some(ids.span()),
            sampled,
        })
    }

    /// The id as everybody writes it.
    pub fn hex(&self) -> [u8; 32] {
        hex(self.id)
    }

    fn header(&self, span: u64) -> Option<HeaderValue> {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&self.hex());
        text[36..52].copy_from_slice(&hex::<16>(span.into()));
        text[54] = if self.sampled { b'1' } else { b'0' };
        HeaderValue::from_bytes(&text).ok()
    }
}

/// Leaves in a request's headers what the upstream may know of the trace.
pub fn pass_on(trace: Option<&Trace>, headers: &mut HeaderMap) {
    let continues = trace.is_some_and(|trace| trace.parent.is_some());
    if !continues || state_is_too_long(headers) {
        headers.remove(TRACESTATE);
    }
    match trace.map(|trace| trace.span.and_then(|span| trace.header(span))) {
        None => drop(headers.remove(TRACEPARENT)),
        Some(Some(own)) => drop(headers.insert(TRACEPARENT, own)),
        // It takes no part: the caller's stays.
        Some(None) => {}
    }
}

fn state_is_too_long(headers: &HeaderMap) -> bool {
    headers.get_all(TRACESTATE).iter().map(|value| value.len() + 1).sum::<usize>() > STATE_BYTES + 1
}

/// A context that is valid by section 3.2, of this version or a later one. Two are none.
fn incoming(headers: &HeaderMap) -> Option<Trace> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.as_bytes();
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let version = number(&known[..2])?;
    let separated = [2, 35, 52].iter().all(|&at| known[at] == b'-');
    let ends_well =
        if version == 0 { rest.is_empty() } else { rest.first().is_none_or(|&byte| byte == b'-') };
    if version == 0xff || !separated || !ends_well {
        return None;
    }
    let (id, span) = (number(&known[3..35])?, u64::try_from(number(&known[36..52])?).ok()?);
    let flags = u8::try_from(number(&known[53..55])?).ok()?;
    (id != 0 && span != 0).then_some(Trace {
        id,
        parent: Some(span),
        span: None,
        sampled: flags & SAMPLED != 0,
    })
}

/// Lower-case hex digits only.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// The lowest `N` digits.
pub(crate) fn hex<const N: usize>(mut number: u128) -> [u8; N] {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let value = |value: &str| HeaderValue::from_str(value).unwrap();
        pairs.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
    }

    fn read(text: &str) -> Option<Trace> {
        incoming(&headers(&[("traceparent", text)]))
    }

    #[test]
    fn only_what_the_standard_calls_valid_is_read() {
        let trace = read(GOOD).unwrap();
        assert_eq!(
            (trace.id, trace.parent),
            (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, Some(0x00f0_67aa_0ba9_02b7))
        );
        assert!(trace.sampled);
        assert!(!read(&GOOD.replace("-01", "-02")).unwrap().sampled);
        assert!(read(&GOOD.replacen("00-", "01-", 1)).is_some(), "a later version");
        assert!(read(&format!("{}-more", GOOD.replacen("00-", "01-", 1))).is_some());
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-more"),
            &format!("{}more", GOOD.replacen("00-", "01-", 1)),
            &GOOD.replacen("00-", "ff-", 1),
            &GOOD.replacen("00-", "0g-", 1),
            &GOOD.to_uppercase(),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            &GOOD.replace("00f067aa0ba902b7", "0000000000000000"),
            &GOOD.replace("-00f0", "_00f0"),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let mut two = headers(&[("traceparent", GOOD)]);
        two.append(TRACEPARENT, HeaderValue::from_static("00-1"));
        assert_eq!(incoming(&two), None);
    }

    #[test]
    fn without_a_collector_a_good_context_passes_and_a_bad_one_does_not() {
        let ids = TraceIds::new().unwrap();
        let check = |sent: &[(&'static str, &str)], expected: &[(&'static str, &str)]| {
            let mut sent = headers(sent);
            let trace = Trace::of(&sent, false, None, &ids);
            pass_on(trace.as_ref(), &mut sent);
            assert_eq!(sent, headers(expected));
        };
        check(&[], &[]);
        check(
            &[("traceparent", GOOD), ("tracestate", "a=1")],
            &[("traceparent", GOOD), ("tracestate", "a=1")],
        );
        check(&[("traceparent", "nonsense"), ("tracestate", "a=1")], &[]);
        check(&[("tracestate", "a=1")], &[]);
        let long = format!("a={}", "x".repeat(511));
        check(&[("traceparent", GOOD), ("tracestate", &long)], &[("traceparent", GOOD)]);
    }

    #[test]
    fn a_stranger_does_not_decide_what_is_sampled() {
        let ids = TraceIds::new().unwrap();
        let sent = headers(&[("traceparent", GOOD)]);
        let sampled = |is_trusted, sample| Trace::of(&sent, is_trusted, Some(sample), &ids).unwrap().sampled;
        assert_eq!((sampled(false, 0.0), sampled(true, 0.0)), (false, true));
        let unsampled = headers(&[("traceparent", &*GOOD.replace("-01", "-00"))]);
        assert!(!Trace::of(&unsampled, true, Some(1.0), &ids).unwrap().sampled);
        assert!(Trace::of(&unsampled, false, Some(1.0), &ids).unwrap().sampled);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let ids = TraceIds::new().unwrap();
        let mut sent = HeaderMap::new();
        let trace = Trace::of(&sent, false, Some(1.0), &ids).unwrap();
        pass_on(Some(&trace), &mut sent);
        let read = incoming(&sent).unwrap();
        assert_eq!((read.id, read.parent, read.sampled), (trace.id, trace.span, true));
        assert_eq!(trace.parent, None);
    }
}
