//! Requests that are due at fixed times, whether the ones before have been answered or not: an open loop.
//!
//! A connection that is late sends at once, and the time it was late counts as time that its client waited.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paced<'a> {
    pub(super) port: u16,
    pub(super) connections: u32,
    /// Requests a second, of all connections together.
    pub(super) rate: f64,
    /// A token a line, or nothing.
    pub(super) tokens: &'a str,
}

/// How long requests took from when they were due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) per_second: f64,
}

impl Paced<'_> {
    /// Sends for some seconds.
    pub(super) fn run(&self, seconds: u64) -> Result<Waits> {
        let begin = Instant::now() + Duration::from_millis(100);
        let mut waits = thread::scope(|scope| {
            let clients: Vec<_> = (0..self.connections)
                .map(|number| scope.spawn(move || self.client(number, begin, seconds)))
                .collect();
            let ended =
                clients.into_iter().map(|client| client.join().map_err(|_| anyhow!("a client failed"))?);
            ended.collect::<Result<Vec<_>>>()
        })?
        .concat();
        waits.sort_unstable();
        let percentile = |percent: usize| waits.get(waits.len() * percent / 100).copied().unwrap_or_default();
        let per_second = waits.len() as f64 / seconds as f64;
        Ok(Waits { p50: percentile(50), p99: percentile(99), per_second })
    }

    /// One connection, whose turns lie between those of the others.
    fn client(&self, number: u32, begin: Instant, seconds: u64) -> Result<Vec<Duration>> {
        on_the_second_processor()?;
        let between = Duration::from_secs_f64(f64::from(self.connections) / self.rate);
        let first = begin + between * number / self.connections;
        let requests = self.requests(number);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).context("connecting to the proxy")?;
        stream.set_nodelay(true).context("connecting to the proxy")?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).context("connecting to the proxy")?;
        let mut waits = Vec::new();
        for turn in 0.. {
            let due = first + between * turn;
            if due > begin + Duration::from_secs(seconds) {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            exchange(&mut stream, &requests[turn as usize % requests.len()])?;
            waits.push(due.elapsed());
        }
        Ok(waits)
    }

    /// Each connection has its own of the tokens.
    fn requests(&self, number: u32) -> Vec<String> {
        let head = "GET /api/orders HTTP/1.1\r\nHost: localhost\r\n";
        let own = self.tokens.lines().skip(number as usize).step_by(self.connections as usize);
        let mut requests: Vec<_> =
            own.map(|token| format!("{head}Authorization: Bearer {token}\r\n\r\n")).collect();
        if requests.is_empty() {
            requests.push(format!("{head}\r\n"));
        }
        requests
    }
}

/// The upstream's answer is small and says its length: one read has it, or the next ones the rest.
fn exchange(stream: &mut TcpStream, request: &str) -> Result<()> {
    stream.write_all(request.as_bytes()).context("sending to the proxy")?;
    let (mut answer, mut read) = ([0; 4096], 0);
    loop {
        let bytes = stream.read(&mut answer[read..]).context("waiting for the proxy")?;
        ensure!(bytes > 0, "the proxy hung up");
        read += bytes;
        if is_whole(&answer[..read])? {
            return Ok(());
        }
    }
}

fn is_whole(answer: &[u8]) -> Result<bool> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(false) };
    ensure!(
        head.starts_with("HTTP/1.1 200"),
        "the proxy answered {}",
        head.lines().next().unwrap_or_default()
    );
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Ok(body.len() >= length.context("the answer has no length")?)
}

fn on_the_second_processor() -> Result<()> {
    let mut processors = CpuSet::new();
    processors.set(1);
    sched_setaffinity(None, &processors).context("choosing a processor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap());
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab").unwrap());
        assert!(is_whole(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc").unwrap());
        assert!(is_whole(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").is_err());
    }
}
