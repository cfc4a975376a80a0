//! Checks the quotes of CSV while its bytes pass by.
//!
//! A reader of CSV takes what follows a stray quote for one long field, up to the next quote: it
//! swallows rows, and no rule of a column would tell. Where quotes are not as RFC 4180 has them, the
//! bounds between rows cannot be trusted, and so the input is not read at all. A quote inside of a
//! field that does not begin with one is a plain character.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memrchr2};

use super::{LONGEST_ROW, MOST_FIELDS};

/// Passes bytes on and checks them.
pub(super) struct Checked<R> {
    input: R,
    place: Place,
    /// Bytes and lines before those that are looked at.
    offset: u64,
    line: u64,
    /// Where the row began.
    row: u64,
    row_line: u64,
    /// Commas of the row, outside of quotes.
    commas: usize,
    /// Where the last quoted field began.
    quote: u64,
    quote_line: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// Outside of quotes. A quote that comes next opens a field if the byte before it ended one.
    Outside { at_start: bool },
    /// Inside of a quoted field.
    Inside,
    /// After a quote in a quoted field: the field's end, or half of a pair.
    AfterQuote,
}

impl<R: Read> Checked<R> {
    pub(super) fn new(input: R) -> Self {
        let place = Place::Outside { at_start: true };
        Self { input, place, offset: 0, line: 1, row: 0, row_line: 1, commas: 0, quote: 0, quote_line: 1 }
    }

    fn check(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut at = 0;
        while at < bytes.len() {
            at = match self.place {
                Place::Outside { at_start } => self.outside(bytes, at, at_start),
                Place::Inside => match memchr(b'"', &bytes[at..]) {
                    Some(quote) => {
                        self.place = Place::AfterQuote;
                        self.pass(&bytes[at..=at + quote]);
                        at + quote + 1
                    }
                    None => self.skip(bytes, at),
                },
                Place::AfterQuote => self.after_quote(bytes[at]).map(|step| at + step)?,
            };
        }
        self.bounded()
    }

    /// Whether the row is none that a reader would have to hold in pieces without number or end.
    fn bounded(&self) -> Result<(), String> {
        let (line, longest) = (self.row_line, LONGEST_ROW >> 20);
        if self.commas >= MOST_FIELDS {
            return Err(format!("the row that begins in line {line} has more than {MOST_FIELDS} fields"));
        }
        if self.offset - self.row <= LONGEST_ROW {
            return Ok(());
        }
        // Most of the row is one field: it is the quote that is wrong.
        let is_one_field = self.quote.saturating_sub(self.row) < LONGEST_ROW / 16;
        Err(match self.place {
            Place::Inside if is_one_field => {
                format!(
                    "the quote that opens in line {} does not close within {longest} MiB",
                    self.quote_line
                )
            }
            _ => format!("the row that begins in line {line} is longer than {longest} MiB"),
        })
    }

    /// Goes to the next quote; returns where to go on.
    fn outside(&mut self, bytes: &[u8], from: usize, at_start: bool) -> usize {
        let found = memchr(b'"', &bytes[from..]).map(|quote| from + quote);
        let end = found.unwrap_or(bytes.len());
        let text = &bytes[from..end];
        if let Some(last) = memrchr2(b'\n', b'\r', text) {
            self.pass(&text[..=last]);
            (self.row, self.row_line, self.commas) = (self.offset, self.line, 0);
            self.pass_in_row(&text[last + 1..]);
        } else {
            self.pass_in_row(text);
        }
        let at_start = text.last().map_or(at_start, |last| matches!(last, b',' | b'\n' | b'\r'));
        if found.is_none() {
            self.place = Place::Outside { at_start };
            return end;
        }
        if at_start {
            (self.quote, self.quote_line) = (self.offset, self.line);
            self.place = Place::Inside;
        } else {
            self.place = Place::Outside { at_start: false };
        }
        self.pass(b"\"");
        end + 1
    }

    fn after_quote(&mut self, next: u8) -> Result<usize, String> {
        self.place = match next {
            b'"' => Place::Inside,
            b',' | b'\n' | b'\r' => {
                self.place = Place::Outside { at_start: true };
                return Ok(0);
            }
            _ => return Err(format!("line {}: there is text after a closing quote", self.line)),
        };
        self.pass(b"\"");
        Ok(1)
    }

    fn skip(&mut self, bytes: &[u8], from: usize) -> usize {
        self.pass(&bytes[from..]);
        bytes.len()
    }

    /// Passes what ends no row and is not in quotes.
    fn pass_in_row(&mut self, bytes: &[u8]) {
        self.commas += memchr_iter(b',', bytes).count();
        self.offset += bytes.len() as u64;
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.line += memchr_iter(b'\n', bytes).count() as u64;
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        if read == 0 && self.place == Place::Inside && !into.is_empty() {
            let line = self.quote_line;
            return Err(io::Error::other(format!("the quote that opens in line {line} is never closed")));
        }
        self.check(&into[..read]).map_err(io::Error::other)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a text that arrives so many bytes at a time.
    fn check(text: &[u8], step: usize) -> Result<(), String> {
        let mut checked = Checked::new(text);
        let mut buffer = vec![0; step];
        loop {
            match checked.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn checked(text: &str) -> Result<(), String> {
        let whole = check(text.as_bytes(), 1 << 16);
        for step in 1..9 {
            assert_eq!(check(text.as_bytes(), step), whole, "{text}");
        }
        whole
    }

    #[test]
    fn quotes_as_the_standard_has_them_pass() {
        for text in
            ["", "a,b\n1,2\n", "\"a\",\"b\"\r\n\"1\n\"\"2\"\"\",\"\"\n", "a\n5\" pipe,\"x\"", "\"a\"", "\"\""]
        {
            assert_eq!(checked(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_quote_that_swallows_rows_is_found_and_named() {
        let never = "the quote that opens in line 3 is never closed".to_owned();
        assert_eq!(checked("a,b\n1,2\n3,\"4\n5,6\n"), Err(never));
        let stray = "line 4: there is text after a closing quote".to_owned();
        assert_eq!(checked("a,b\n1,2\n3,\"4\n5,\"6\"\n"), Err(stray));
    }

    #[test]
    fn a_row_without_end_is_no_row() {
        let long = "x".repeat(17 << 20);
        assert_eq!(
            check(format!("a\n{long}").as_bytes(), 1 << 16),
            Err("the row that begins in line 2 is longer than 16 MiB".to_owned())
        );
        let quoted = "a\n\"".to_owned() + &"x\n".repeat(9 << 20);
        let endless = "the quote that opens in line 2 does not close within 16 MiB";
        assert_eq!(check(quoted.as_bytes(), 1 << 16), Err(endless.to_owned()));
        let rows = "a\n".to_owned() + &"\"x\",y\n".repeat(4 << 20);
        assert_eq!(check(rows.as_bytes(), 1 << 16), Ok(()));
    }
}
