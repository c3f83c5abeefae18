//! The file's lines, checked and put into batches on a thread of their own, which is never further ahead than two batches.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::thread;

use anyhow::Context as _;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::accounts::transfer::{Admission, Arrival, Line, Lines, RefusedLine};
use crate::db::transfer::LineNumbers;

/// Lines in a batch, which is a transaction: so many that a commit costs little, so few that nobody waits long for one.
const BATCH: usize = 1_000;

/// Lines that stand together in the file.
pub(super) struct Batch {
    /// Which.
    pub(super) lines: LineNumbers,
    /// What may become an account.
    pub(super) arrivals: Vec<Arrival>,
    /// In which lines that stands.
    pub(super) numbers: Vec<u64>,
    /// What may not.
    pub(super) refused: Vec<(u64, RefusedLine)>,
}

impl Batch {
    fn new() -> Self {
        let (arrivals, numbers) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        Self { lines: LineNumbers { from: 0, to: 0 }, arrivals, numbers, refused: Vec::new() }
    }

    fn add(&mut self, number: u64, read: Result<Arrival, RefusedLine>) {
        if self.is_empty() {
            self.lines.from = number;
        }
        self.lines.to = number;
        match read {
            Ok(arrival) => {
                self.arrivals.push(arrival);
                self.numbers.push(number);
            }
            Err(refused) => self.refused.push((number, refused)),
        }
    }

    fn len(&self) -> usize {
        self.arrivals.len() + self.refused.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The batches of a file, or of standard input for `-`, from a line on.
///
/// # Errors
/// There is no such file, or it may not be read.
pub(super) fn read(
    file: &Path,
    from_line: u64,
    admission: Admission,
) -> anyhow::Result<Receiver<io::Result<Batch>>> {
    let source: Box<dyn Read + Send> = if file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).with_context(|| format!("opening {}", file.display()))?)
    };
    let (sender, receiver) = channel(1);
    thread::spawn(move || {
        let lines = Lines::new(BufReader::with_capacity(64 * 1024, source));
        if let Err(error) = send_all(lines, from_line, &admission, &sender) {
            // Nobody hears it who has stopped for another reason.
            drop(sender.blocking_send(Err(error)));
        }
    });
    Ok(receiver)
}

fn send_all(
    mut lines: Lines<impl BufRead>,
    from_line: u64,
    admission: &Admission,
    sender: &Sender<io::Result<Batch>>,
) -> io::Result<()> {
    let (mut line, mut batch) = (Vec::new(), Batch::new());
    loop {
        let read = match lines.next(&mut line)? {
            Line::End => break,
            _ if lines.number() < from_line => continue,
            Line::Whole if line.trim_ascii().is_empty() => continue,
            Line::Whole => Arrival::read(&line, admission),
            Line::TooLong => Err(RefusedLine::TooLong),
        };
        batch.add(lines.number(), read);
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Batch::new());
            if sender.blocking_send(Ok(full)).is_err() {
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        // As above.
        drop(sender.blocking_send(Ok(batch)));
    }
    Ok(())
}
