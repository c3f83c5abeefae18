//! A client that writes bytes and reads answers, so that a test can send what no library would.

use std::net::SocketAddr;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;

/// One connection.
pub(crate) struct Client<S = TcpStream> {
    stream: BufReader<S>,
}

/// One answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn stream(&self) -> &S {
        self.stream.get_ref()
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).await.unwrap();
        self.stream.get_mut().flush().await.unwrap();
    }

    /// Sends without caring whether the other side still reads.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).await.is_ok()
    }

    /// A request without a body; `head` is the request line without version, and further header lines.
    pub(crate) async fn ask(&mut self, line: &str, headers: &[&str]) -> Answer {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        self.send(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")).await;
        self.answer(line.starts_with("HEAD")).await
    }

    /// Reads an answer, past any `100 Continue`.
    pub(crate) async fn answer(&mut self, to_head: bool) -> Answer {
        loop {
            let (status, headers) = self.head().await.expect("an answer before the connection's end");
            if status >= 200 {
                let mut answer = Answer { status, headers, body: Vec::new() };
                if !to_head && status != 204 && status != 304 {
                    answer.body = self.body(&answer).await;
                }
                return answer;
            }
        }
    }

    /// The next status line and headers; `None` at the connection's end.
    pub(crate) async fn head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let status = self.line().await?;
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { return Some((status, headers)) };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// A line without its end; `None` when the connection ended or broke.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
        }
    }

    async fn body(&mut self, head: &Answer) -> Vec<u8> {
        let mut body = Vec::new();
        if let Some(length) = head.header("content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.stream.read_exact(&mut body).await.unwrap();
        } else if head.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await {
                body.extend(chunk);
            }
        } else {
            self.stream.read_to_end(&mut body).await.unwrap();
        }
        body
    }

    /// One chunk of a chunked body; `None` after the last.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line().await.expect("a chunk"), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.unwrap();
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// So many bytes of what is no HTTP any more.
    pub(crate) async fn take(&mut self, bytes: usize) -> Vec<u8> {
        let mut taken = vec![0; bytes];
        self.stream.read_exact(&mut taken).await.unwrap();
        taken
    }

    /// Whether nothing more comes: the other side has closed.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.stream.read_u8().await.is_err()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The problem's `code`; fails the test when it is none, or has no request id.
    pub(crate) fn code(&self) -> String {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{} {text}", self.status);
        let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["requestId"].as_str(), self.header("x-request-id"), "{text}");
        problem["code"].as_str().unwrap().to_owned()
    }

    /// Fails the test unless this is a problem of that kind.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code));
    }
}
