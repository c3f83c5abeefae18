//! A hundred mebibytes go through a real process in both directions, and its memory stays what it was.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use test_support::{TestProcess, eventually, free_port};
use tokio::net::TcpStream;

use crate::support::{Client, IDENTITY_KEY, Upstream, full};

const MEBIBYTE: usize = 1 << 20;
const SIZE: usize = 100 * MEBIBYTE;
/// For buffers of the sockets' and the allocator's own.
const MOST_GROWTH: usize = 16 * MEBIBYTE;

/// The most memory that the process ever had.
fn peak(process: &TestProcess) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// So many times the same.
struct Pieces {
    left: usize,
    piece: Bytes,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }
}

/// Counts what comes up without keeping it; sends as much down when asked by GET.
async fn large() -> Upstream {
    Upstream::serving(|mut request| async move {
        if request.method() == http::Method::GET {
            return http::Response::new(
                Pieces { left: SIZE >> 16, piece: vec![b'd'; 1 << 16].into() }.boxed(),
            );
        }
        let mut count = 0;
        while let Some(Ok(frame)) = request.body_mut().frame().await {
            count += frame.data_ref().map_or(0, Bytes::len);
        }
        http::Response::new(full(count.to_string()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_mebibytes_up_and_down_leave_the_memory_flat() {
    let upstream = large().await;
    let (port, admin) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let text = format!(
        "listen = \"127.0.0.1:{port}\"\nadmin_listen = \"127.0.0.1:{admin}\"\n[tokens]\nissuer = \"http://auth\"\n\
         audience = \"api\"\njwks = \"http://127.0.0.1:1/\"\n[upstreams.orders]\nservers = [\"http://{}\"]\n\
         [[routes]]\npath = \"/public\"\nupstream = \"orders\"\naccess = \"public\"\n",
        upstream.address
    );
    std::fs::write(&file, text).unwrap();
    let environment = [("APP_ENV", "development"), ("LOG", "off"), ("IDENTITY_KEY", IDENTITY_KEY)];
    let environment = environment.map(|(name, value)| (name, value.to_owned()));
    let process = TestProcess::start("gateway", &["--config", file.to_str().unwrap()], environment);
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    eventually("the process listens", async || TcpStream::connect(address).await.ok()).await;

    let before = peak(&process);
    for framing in ["length", "chunks"] {
        let mut client = Client::connect(address).await;
        upload(&mut client, framing).await;
        assert_eq!(client.answer(false).await.body, SIZE.to_string().as_bytes(), "{framing}");
        client.send("GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(client.head().await.unwrap().0, 200);
        let mut received = 0;
        while let Some(chunk) = client.chunk().await {
            received += chunk.len();
        }
        assert_eq!(received, SIZE);
    }
    let growth = peak(&process).saturating_sub(before);
    assert!(growth < MOST_GROWTH, "{} KiB more", growth >> 10);
}

async fn upload(client: &mut Client, framing: &str) {
    let piece = vec![b'u'; MEBIBYTE];
    let head = "POST /public HTTP/1.1\r\nHost: localhost\r\n";
    if framing == "length" {
        client.send(format!("{head}Content-Length: {SIZE}\r\n\r\n")).await;
        for _ in 0..SIZE / MEBIBYTE {
            client.send(&piece).await;
        }
        return;
    }
    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
    for _ in 0..SIZE / MEBIBYTE {
        client.send(format!("{MEBIBYTE:x}\r\n")).await;
        client.send(&piece).await;
        client.send("\r\n").await;
    }
    client.send("0\r\n\r\n").await;
}
