//! Looks at the first bytes of what should be text in UTF-8, and says what it is if it is not.

use std::io::{Cursor, Read};

use super::judged;
use crate::handler::{HandlerError, permanent};

const UTF8: &[u8] = b"\xEF\xBB\xBF";

/// Beginnings that no table in UTF-8 has.
const OTHERS: [(&[u8], &str); 6] = [
    (b"\xFF\xFE", "UTF-16, not UTF-8; convert it first"),
    (b"\xFE\xFF", "UTF-16, not UTF-8; convert it first"),
    (b"\x1F\x8B", "gzip, though its name does not say so; set `compression = \"gzip\"`"),
    (b"\x28\xB5\x2F\xFD", "zstd, though its name does not say so; set `compression = \"zstd\"`"),
    (b"PAR1", "Parquet, though its name does not say so; set `format = \"parquet\"`"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet, which cannot be read"),
];

/// The text without its mark of UTF-8, if it has one.
pub(super) fn text(mut input: Box<dyn Read + Send>) -> Result<impl Read + Send, HandlerError> {
    let mut head = Vec::with_capacity(4);
    input.by_ref().take(4).read_to_end(&mut head).map_err(judged)?;
    if let Some((_, what)) = OTHERS.iter().find(|(mark, _)| head.starts_with(mark)) {
        return Err(permanent!("the input is {what}"));
    }
    // Of the first two characters of a table, one at least is of ASCII.
    if head.contains(&0) {
        return Err(permanent!("the input is not text in UTF-8 but binary, or UTF-16; convert it first"));
    }
    let head = head.strip_prefix(UTF8).map_or(head.clone(), <[u8]>::to_vec);
    Ok(Cursor::new(head).chain(input))
}
