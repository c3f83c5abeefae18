//! A source taken apart into lines, with no more of it in memory than one line may have.

use std::io::{self, BufRead, Read as _};

/// The longest line. A whole account is some 300 bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Nothing more.
    End,
    /// A line, which is in the buffer.
    Whole,
    /// One that is longer than [`MAX_BYTES`], and was passed over.
    TooLong,
}

/// The lines of a source, counted from 1.
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Those of this source.
    pub const fn new(source: R) -> Self {
        Self { source, number: 0 }
    }

    /// The number of the line that came last.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Reads the next line into `line`, without its end.
    ///
    /// # Errors
    /// The source cannot be read.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Line> {
        line.clear();
        let most = MAX_BYTES as u64 + 1;
        if self.source.by_ref().take(most).read_until(b'\n', line)? == 0 {
            return Ok(Line::End);
        }
        self.number += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > MAX_BYTES {
            self.pass_over()?;
            return Ok(Line::TooLong);
        }
        Ok(Line::Whole)
    }

    fn pass_over(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.source.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let (length, is_over) =
                (end.map_or(buffer.len(), |end| end + 1), end.is_some() || buffer.is_empty());
            self.source.consume(length);
            if is_over {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn check(source: &str, expected: &[(Line, &str)]) {
        // A buffer that no line fits into.
        let mut lines = Lines::new(BufReader::with_capacity(7, source.as_bytes()));
        let mut line = Vec::new();
        for (index, (kind, text)) in expected.iter().enumerate() {
            assert_eq!(lines.next(&mut line).unwrap(), *kind);
            assert_eq!(lines.number(), index as u64 + 1);
            if *kind == Line::Whole {
                assert_eq!(line, text.as_bytes());
            }
        }
        assert_eq!(lines.next(&mut line).unwrap(), Line::End);
        assert_eq!(lines.number(), expected.len() as u64);
    }

    #[test]
    fn lines_are_told_apart_with_and_without_a_last_end() {
        check("", &[]);
        check("one\n\nthree", &[(Line::Whole, "one"), (Line::Whole, ""), (Line::Whole, "three")]);
        check("one\n", &[(Line::Whole, "one")]);
    }

    #[test]
    fn a_line_without_end_is_passed_over_and_the_next_one_read() {
        let longest = "x".repeat(MAX_BYTES);
        check(&format!("{longest}\nnext"), &[(Line::Whole, &longest), (Line::Whole, "next")]);
        check(&format!("{longest}x\nnext"), &[(Line::TooLong, ""), (Line::Whole, "next")]);
        check(&format!("{longest}{longest}"), &[(Line::TooLong, "")]);
        check(&longest, &[(Line::Whole, &longest)]);
    }
}
