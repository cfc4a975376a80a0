//! The last of what an attempt printed, for whoever asks why it failed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that are kept of each attempt.
const KEPT: usize = OutputTail::KEPT;

/// The last 64 KiB of an attempt's output. Cheap to clone; all clones are one tail.
#[derive(Clone, Debug, Default)]
pub struct OutputTail(Arc<Mutex<VecDeque<u8>>>);

impl OutputTail {
    /// Bytes that are kept.
    pub const KEPT: usize = 64 << 10;

    /// Adds bytes at the end; as many leave at the front as do not fit.
    pub fn push(&self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        // Whole after every line, so a panic elsewhere does not spoil it.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let surplus = (kept.len() + bytes.len()).saturating_sub(KEPT);
        kept.drain(..surplus);
        kept.extend(bytes);
    }

    /// What is kept; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: &[u8] = kept.make_contiguous();
        // A character that was cut in half at the front is left out.
        let start = bytes.iter().take(3).position(|byte| byte & 0xC0 != 0x80).unwrap_or_default();
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_is_kept_in_whole_characters() {
        let tail = OutputTail::default();
        tail.push("ä".repeat(KEPT).as_bytes());
        tail.push(b"!");
        let text = tail.text();
        assert!(text.ends_with("ä!"), "{}", &text[text.len() - 8..]);
        assert!(text.starts_with('ä'));
        assert_eq!(text.len(), KEPT - 1);
    }

    #[test]
    fn more_than_is_kept_at_once_leaves_its_end() {
        let tail = OutputTail::default();
        tail.push(b"before");
        tail.push(&[b'x'; KEPT + 5]);
        assert_eq!(tail.text(), "x".repeat(KEPT));
    }
}
