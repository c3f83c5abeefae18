//! As much HTTP as it takes to ask our own processes on this machine for something.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

const PATIENCE: Duration = Duration::from_secs(20);

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// A request to 127.0.0.1.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) port: u16,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// An access token.
    pub(crate) bearer: Option<&'a str>,
    /// Further header lines, without line ends.
    pub(crate) headers: &'a [String],
    /// A JSON body.
    pub(crate) body: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A request with nothing but its first line.
    pub(crate) const fn new(port: u16, method: &'a str, path: &'a str) -> Self {
        Self { port, method, path, bearer: None, headers: &[], body: None }
    }

    /// Sends it and reads the answer to its end.
    pub(crate) fn send(&self) -> Result<Answer> {
        let what = || format!("{} {} on port {}", self.method, self.path, self.port);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).with_context(what)?;
        stream.set_read_timeout(Some(PATIENCE)).with_context(what)?;
        stream.write_all(self.text().as_bytes()).with_context(what)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).with_context(what)?;
        parse(&String::from_utf8_lossy(&answer)).with_context(what)
    }

    fn text(&self) -> String {
        let mut lines = vec![
            format!("{} {} HTTP/1.1", self.method, self.path),
            format!("Host: localhost:{}", self.port),
            "Connection: close".to_owned(),
        ];
        lines.extend(self.bearer.map(|token| format!("Authorization: Bearer {token}")));
        lines.extend(self.headers.iter().cloned());
        if let Some(body) = self.body {
            lines.push("Content-Type: application/json".to_owned());
            lines.push(format!("Content-Length: {}", body.len()));
        }
        format!("{}\r\n\r\n{}", lines.join("\r\n"), self.body.unwrap_or_default())
    }
}

/// The connection's end is the body's end. Chunk sizes, if any, stay in the text, where they do no harm
/// to somebody who looks for a field in it.
fn parse(text: &str) -> Result<Answer> {
    let (head, body) = text.split_once("\r\n\r\n").context("the connection was closed without an answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no HTTP answer")?;
    Ok(Answer { status, body: body.to_owned() })
}

impl Answer {
    /// The text of a field anywhere in a JSON body; good for values that need no unescaping.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let rest = self.body.split_once(&format!("\"{name}\":\""))?.1;
        rest.split_once('"').map(|(value, _)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = parse("HTTP/1.1 201 Created\r\nA: b\r\n\r\n{\"id\":\"7\",\"n\":1}").unwrap();
        assert_eq!(answer.status, 201);
        assert_eq!(answer.field("id"), Some("7"));
        assert_eq!(answer.field("other"), None);
    }
}
