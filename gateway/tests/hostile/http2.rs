//! The same cases over HTTP/2, in frames by hand: no library sends all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::wire::code;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const GOAWAY: u8 = 7;
/// END_STREAM and END_HEADERS.
const WHOLE: u8 = 5;

/// A certificate for `localhost`, and the table of the configuration that names it.
pub(crate) struct Tls {
    certificate: CertifiedKey<KeyPair>,
    pub(crate) table: String,
    _folder: tempfile::TempDir,
}

impl Tls {
    pub(crate) fn new() -> Self {
        let certificate = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, certificate.cert.pem()).unwrap();
        std::fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
        let table = format!("[tls]\ncertificates = [{{ cert = {cert:?}, key = {key:?} }}]\n");
        Self { certificate, table, _folder: folder }
    }

    async fn connect(&self, address: SocketAddr) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.cert.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// The status and the problem's code; none if the stream was reset or the connection ended.
    pub(crate) async fn ask(
        &self,
        address: SocketAddr,
        fields: &[(String, String)],
    ) -> Option<(u16, String)> {
        let mut stream = self.connect(address).await;
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
        let preface = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(4, 0, 0, b""),
            frame(HEADERS, WHOLE, 1, &block),
        ];
        stream.write_all(&preface.concat()).await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), answer(&mut stream)).await.expect("an answer or an end")
    }
}

async fn answer(stream: &mut TlsStream<TcpStream>) -> Option<(u16, String)> {
    let (mut status, mut body) = (0, Vec::new());
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let mut payload =
            vec![0; usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap()];
        stream.read_exact(&mut payload).await.ok()?;
        match head[3] {
            HEADERS => status = self::status(&payload),
            DATA => body.extend(payload),
            RESET | GOAWAY => return None,
            _ => continue,
        }
        if head[4] & 1 == 1 {
            return Some((status, code(&body)));
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal field without indexing, without Huffman (RFC 7541 section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    [vec![0], text(name), text(value)].concat()
}

fn text(text: &str) -> Vec<u8> {
    let mut encoded = Vec::new();
    match u8::try_from(text.len()) {
        Ok(length @ 0..127) => encoded.push(length),
        _ => {
            encoded.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                encoded.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            encoded.push(u8::try_from(rest).unwrap());
        }
    }
    encoded.extend(text.as_bytes());
    encoded
}

/// `:status`, which comes first: by the static table, or three digits, perhaps in Huffman's code.
fn status(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    if let index @ 0x88..=0x8e = block[0] {
        return INDEXED[usize::from(index - 0x88)];
    }
    assert_eq!(block[0] & 0x0f, 8, "a literal :status");
    let bytes = &block[2..2 + usize::from(block[1] & 0x7f)];
    let digits =
        if block[1] & 0x80 == 0 { String::from_utf8(bytes.to_vec()).unwrap() } else { huffman_digits(bytes) };
    digits.parse().unwrap()
}

/// RFC 7541 appendix B: 0 to 2 have five bits, 3 to 9 have six.
fn huffman_digits(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut rest, mut digits) = (bits.as_str(), String::new());
    while digits.len() < 3 {
        let short = u8::from_str_radix(&rest[..5], 2).unwrap();
        let (digit, used) =
            if short < 3 { (short, 5) } else { (u8::from_str_radix(&rest[..6], 2).unwrap() - 0x19 + 3, 6) };
        digits.push(char::from(b'0' + digit));
        rest = &rest[used..];
    }
    digits
}
