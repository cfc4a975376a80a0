//! The last of what an attempt printed and logged, for whoever asks why it failed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::redact::Hidden;

/// Bytes that are kept of each attempt.
const KEPT: usize = OutputTail::KEPT;

/// The last 64 KiB of an attempt's output. Cheap to clone; all clones are one tail.
#[derive(Clone, Debug, Default)]
pub struct OutputTail(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    /// The front has been cut off, maybe in the middle of a secret.
    cut: bool,
}

impl OutputTail {
    /// Bytes that are kept.
    pub const KEPT: usize = 64 << 10;

    /// Adds bytes at the end; as many leave at the front as do not fit.
    pub fn push(&self, bytes: &[u8]) {
        self.push_beside(bytes, &Hidden::of_this_process());
    }

    /// What is kept; bytes that are no UTF-8 are replaced, and secrets hidden.
    #[must_use]
    pub fn text(&self) -> String {
        self.text_without(&Hidden::of_this_process())
    }

    /// More is kept than is shown by the longest secret: so what the cut left of one is not shown.
    fn push_beside(&self, bytes: &[u8], hidden: &Hidden) {
        let most = KEPT + hidden.longest();
        // Whole after every line, so a panic elsewhere does not spoil it.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.cut |= kept.bytes.len() + bytes.len() > most;
        let bytes = &bytes[bytes.len().saturating_sub(most)..];
        let surplus = (kept.bytes.len() + bytes.len()).saturating_sub(most);
        kept.bytes.drain(..surplus);
        kept.bytes.extend(bytes);
    }

    fn text_without(&self, hidden: &Hidden) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spoiled = if kept.cut { hidden.longest() } else { 0 };
        let shown = hidden.hide_bytes(kept.bytes.make_contiguous());
        let bytes = &shown[spoiled.max(shown.len().saturating_sub(KEPT)).min(shown.len())..];
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
        tail.push(&vec![b'x'; KEPT + 5]);
        assert_eq!(tail.text(), "x".repeat(KEPT));
    }

    #[test]
    fn a_secret_is_hidden_though_it_came_in_pieces_or_lost_its_front() {
        let secrets = Hidden::new(["0123456789".to_owned()]);
        let tail = OutputTail::default();
        for part in ["key 0123", "456", "789 end\n"] {
            tail.push_beside(part.as_bytes(), &secrets);
        }
        assert_eq!(tail.text_without(&secrets), "key *** end\n");

        for after in KEPT - 12..KEPT + 12 {
            let tail = OutputTail::default();
            tail.push_beside(b"0123456789", &secrets);
            tail.push_beside(&vec![b'x'; after], &secrets);
            let text = tail.text_without(&secrets);
            let shown = text.trim_start_matches("***");
            assert!(shown.bytes().all(|byte| byte == b'x' || byte == b'*'), "{after}: {}", &text[..20]);
            assert!(text.len() <= KEPT);
        }
    }
}
