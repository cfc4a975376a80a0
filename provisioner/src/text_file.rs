//! Text files that people write, read whole and within bounds: a device, or a wrong file, would be read
//! for ever.

use std::io::{Error, Read as _, Result};
use std::path::Path;

/// Longest that a file may be, in bytes. A plan of 10,000 resources has some 20 MB.
const LONGEST: u64 = 256 << 20;

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(Error::other(format!("it has more than {} MiB", LONGEST >> 20)));
    }
    Ok(text)
}
