//! What came back over a connection until its end, taken apart.

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The problem's code; empty where there is none.
    pub(crate) code: String,
    pub(crate) body: Vec<u8>,
}

/// All answers in `bytes`; the first has no body if it answers a `HEAD`. What breaks off is no answer.
pub(crate) fn replies(bytes: &[u8], first_to_head: bool) -> Vec<Reply> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Some((reply, after)) = reply(rest, first_to_head && found.is_empty()) {
        rest = after;
        if reply.status >= 200 {
            found.push(reply);
        }
    }
    found
}

fn reply(bytes: &[u8], to_head: bool) -> Option<(Reply, &[u8])> {
    let end = find(bytes, b"\r\n\r\n")?;
    let (head, rest) = (std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 4..]);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let (body, rest) = if to_head || status < 200 || status == 204 {
        (Vec::new(), rest)
    } else if header("transfer-encoding").is_some() {
        chunks(rest)?
    } else {
        let length = header("content-length").unwrap_or("0").parse().unwrap();
        let (body, rest) = rest.split_at_checked(length)?;
        (body.to_vec(), rest)
    };
    Some((Reply { status, code: code(&body), body }, rest))
}

fn chunks(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let end = find(rest, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let (chunk, after) = rest[end + 2..].split_at_checked(size)?;
        body.extend(chunk);
        rest = after.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some((body, rest));
        }
    }
}

/// The `code` of a problem.
pub(crate) fn code(body: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

/// Where `needle` first stands.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
