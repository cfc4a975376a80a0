//! Text files, read whole and within bounds: a device, or a wrong file, would be read for ever.

use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::Path;

/// Longest that a file may be, in bytes. A plan of 10,000 resources has some 20 MB.
const LONGEST: u64 = 256 << 20;

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(Error::other(format!("it has more than {} MiB", LONGEST >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}
