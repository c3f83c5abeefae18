//! An upstream that reads as strictly as HTTP allows and keeps every byte: what it cannot read is a failed test.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::Upstream;
use crate::wire::find;

/// A request, exactly as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) head: String,
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// The upstream; gone when dropped.
pub(crate) struct Recorder {
    pub(crate) server: Upstream,
    arrived: Arc<Mutex<Vec<Result<Arrived, String>>>>,
}

impl Recorder {
    /// Answers each whole request with `seen`.
    pub(crate) async fn new() -> Self {
        Self::answering(false).await
    }

    /// Answers as soon as it has a head, and reads the body afterwards.
    pub(crate) async fn answering_early() -> Self {
        Self::answering(true).await
    }

    async fn answering(early: bool) -> Self {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&arrived);
        let server = Upstream::raw(move |stream| record(stream, early, Arc::clone(&all))).await;
        Self { server, arrived }
    }

    /// What has arrived since this was asked last.
    pub(crate) fn take(&self) -> Vec<Arrived> {
        let arrived = std::mem::take(&mut *self.arrived.lock().unwrap());
        arrived
            .into_iter()
            .map(|request| request.expect("only what can be read in one way arrives"))
            .collect()
    }
}

impl Arrived {
    /// All values of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The target as the signature covers it.
    pub(crate) fn uri(&self) -> Uri {
        self.target.parse().unwrap()
    }
}

async fn record(mut stream: TcpStream, early: bool, all: Arc<Mutex<Vec<Result<Arrived, String>>>>) {
    let mut bytes = Vec::new();
    // A request that breaks off is none: an upstream acts on whole ones.
    while let Some(head) = head(&mut stream, &mut bytes).await {
        let mut request = match head {
            Ok(request) => request,
            Err(what) => return all.lock().unwrap().push(Err(what)),
        };
        if early && !answer(&mut stream, &request).await {
            return;
        }
        let Some(body) = body(&mut stream, &mut bytes, &request.headers).await else { return };
        request.body = body;
        all.lock().unwrap().push(Ok(request.clone()));
        if !early && !answer(&mut stream, &request).await {
            return;
        }
    }
}

async fn answer(stream: &mut TcpStream, request: &Arrived) -> bool {
    let body = if request.method == Method::HEAD { "" } else { "seen" };
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.is_ok()
}

async fn head(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Result<Arrived, String>> {
    let end = until(stream, bytes, |bytes| find(bytes, b"\r\n\r\n")).await?;
    let request =
        parse(&bytes[..end]).map_err(|what| format!("{what}: {:?}", String::from_utf8_lossy(bytes)));
    bytes.drain(..end + 4);
    Some(request)
}

async fn body(stream: &mut TcpStream, bytes: &mut Vec<u8>, headers: &HeaderMap) -> Option<Vec<u8>> {
    let length = match headers.get("content-length") {
        Some(length) => length.to_str().unwrap().parse().unwrap(),
        None if headers.contains_key("transfer-encoding") => return chunked(stream, bytes).await,
        None => 0,
    };
    until(stream, bytes, |bytes| (bytes.len() >= length).then_some(())).await?;
    Some(bytes.drain(..length).collect())
}

/// Reads until there is what is wanted; `None` at the connection's end.
async fn until<T>(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
    wanted: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    loop {
        if let Some(found) = wanted(bytes) {
            return Some(found);
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn chunked(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = until(stream, bytes, |bytes| find(bytes, b"\r\n")).await?;
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        // No extension, no sign, no blank: exactly what hyper writes.
        assert!(size.bytes().all(|byte| byte.is_ascii_hexdigit()), "a chunk size {size:?}");
        let size = usize::from_str_radix(size, 16).unwrap();
        let whole = end + 2 + size + 2;
        until(stream, bytes, |bytes| (bytes.len() >= whole).then_some(())).await?;
        body.extend(&bytes[end + 2..whole - 2]);
        assert_eq!(&bytes[whole - 2..whole], b"\r\n", "a chunk's end, and no trailers");
        bytes.drain(..whole);
        if size == 0 {
            return Some(body);
        }
    }
}

fn parse(head: &[u8]) -> Result<Arrived, String> {
    let head = std::str::from_utf8(head).map_err(|_| "no text")?;
    let mut lines = head.split("\r\n");
    let [method, target, "HTTP/1.1"] = lines.next().unwrap().split(' ').collect::<Vec<_>>()[..] else {
        return Err("a request line".into());
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        if line.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(format!("a control character in {line:?}"));
        }
        let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
        let name: HeaderName = name.parse().map_err(|_| format!("the name {name:?}"))?;
        headers.append(name, HeaderValue::from_str(value.trim()).map_err(|_| "a value")?);
    }
    let count = |name| headers.get_all(name).iter().count();
    let chunked = headers.get("transfer-encoding").is_none_or(|coding| coding == "chunked");
    if count("host") != 1 || count("content-length") + count("transfer-encoding") > 1 || !chunked {
        return Err("a head that can be read in two ways".into());
    }
    Ok(Arrived {
        head: head.to_owned(),
        method: method.parse().map_err(|_| "a method")?,
        target: target.to_owned(),
        headers,
        body: Vec::new(),
    })
}
