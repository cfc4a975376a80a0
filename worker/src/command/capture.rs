//! What a program prints: line by line into the log, keyed by the item's span, and its end into the
//! attempt's tail. All of it bounded, however much comes.

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

use crate::output::OutputTail;
use crate::redact::Hidden;

/// Longest part of a line that is logged, in bytes.
const LONGEST_LINE: usize = 8 << 10;
/// Bytes of an attempt's output that are logged.
const LOGGED: usize = 1 << 20;
/// Longest last line that an error repeats, in characters.
const QUOTED: usize = 200;

/// The output of one attempt.
pub(super) struct Capture<'a> {
    tail: &'a OutputTail,
    /// The beginning of a line that has not ended.
    line: Vec<u8>,
    /// The last line that has anything in it, as far as it is logged.
    last: String,
    logged: usize,
    total: u64,
    left_out: u64,
}

impl<'a> Capture<'a> {
    pub(super) fn new(tail: &'a OutputTail) -> Self {
        Self { tail, line: Vec::new(), last: String::new(), logged: 0, total: 0, left_out: 0 }
    }

    /// Takes everything until the last process has closed its end.
    pub(super) async fn follow(&mut self, mut pipe: Receiver) {
        let mut buffer = vec![0; 64 << 10];
        // Of a pipe that breaks, as of one that ends, nothing more comes.
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            self.take(&buffer[..read]);
        }
    }

    /// Says what was left out; returns the last line, for the error.
    pub(super) fn finish(mut self) -> String {
        if !self.line.is_empty() {
            self.end_line();
        }
        if self.left_out > 0 {
            tracing::warn!(
                "{} of {} bytes that the command printed are not in the log",
                self.left_out,
                self.total
            );
        }
        if self.total > OutputTail::KEPT as u64 {
            self.tail.push(format!("\n[the end of {} bytes]\n", self.total).as_bytes());
        }
        // Hidden first: what the cut left of a secret would not be known as one.
        let last = Hidden::of_this_process().hide(&self.last).into_owned();
        last.chars().filter(|c| !c.is_control()).take(QUOTED).collect()
    }

    fn take(&mut self, bytes: &[u8]) {
        self.tail.push(bytes);
        self.total += bytes.len() as u64;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LONGEST_LINE - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            self.left_out += text.len().saturating_sub(room) as u64;
            if ends {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.trim_end();
        if !text.is_empty() {
            self.last.clear();
            self.last.push_str(text);
        }
        if self.logged + text.len() <= LOGGED {
            // Empty lines cost their place in the log, too.
            self.logged += text.len() + 1;
            tracing::info!(printed = true, "{text}");
        } else {
            self.left_out += self.line.len() as u64;
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_pieces_and_the_last_is_remembered() {
        let tail = OutputTail::default();
        let mut capture = Capture::new(&tail);
        for piece in ["one\ntw", "o\n\x1b[31mthr", "ee", "\n\n"] {
            capture.take(piece.as_bytes());
        }
        assert_eq!(capture.finish(), "[31mthree");
        assert_eq!(tail.text(), "one\ntwo\n\x1b[31mthree\n\n");
    }

    #[test]
    fn a_secret_at_the_end_of_what_an_error_repeats_is_not_repeated_in_part() {
        Hidden::learn(["canary-of-the-last-line".to_owned()]);
        let tail = OutputTail::default();
        let mut capture = Capture::new(&tail);
        capture.take(format!("{}canary-of-the-last-line\n", "x".repeat(QUOTED - 6)).as_bytes());
        assert_eq!(capture.finish(), format!("{}***", "x".repeat(QUOTED - 6)));
    }

    #[test]
    fn an_endless_line_takes_no_more_than_its_place() {
        let tail = OutputTail::default();
        let mut capture = Capture::new(&tail);
        for _ in 0..100 {
            capture.take(&[b'x'; 10_000]);
        }
        assert_eq!((capture.line.len(), capture.left_out), (LONGEST_LINE, 1_000_000 - LONGEST_LINE as u64));
        assert_eq!(capture.finish().len(), QUOTED);
        assert!(tail.text().ends_with("[the end of 1000000 bytes]\n"));
    }

    #[test]
    fn the_log_has_its_bound_and_the_rest_is_counted() {
        let tail = OutputTail::default();
        let mut capture = Capture::new(&tail);
        for _ in 0..3 * LOGGED / 100 {
            capture.take(format!("{}\n", "x".repeat(99)).as_bytes());
        }
        assert!(capture.logged <= LOGGED);
        assert!(capture.left_out > LOGGED as u64);
    }
}
