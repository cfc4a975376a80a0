//! Which names buckets and objects may have.

use super::error::{Result, StorageError};

const LONGEST_OBJECT: usize = 1024;

/// A bucket's name: 3–63 of lower-case letters, digits, `-`, `_` and `.`, ends being letters or
/// digits; with dots it is a domain name of up to 222, each label of at most 63, and no address.
pub(super) fn check_bucket(name: &str) -> Result<()> {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = |name: &str| {
        name.bytes().next().is_some_and(alphanumeric) && name.bytes().next_back().is_some_and(alphanumeric)
    };
    let longest = if name.contains('.') { 222 } else { 63 };
    let fits = (3..=longest).contains(&name.len())
        && name.bytes().all(|b| alphanumeric(b) || b"-_.".contains(&b))
        && name.split('.').all(|label| label.len() <= 63 && ends(label))
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !name.starts_with("goog")
        && !name.contains("google");
    if fits { Ok(()) } else { Err(StorageError::invalid(format!("Invalid bucket name: '{name}'"))) }
}

/// An object's name: 1–1024 bytes without line ends, not `.` or `..`.
pub(super) fn check_object(name: &str) -> Result<()> {
    let fits = (1..=LONGEST_OBJECT).contains(&name.len())
        && !name.contains(['\r', '\n'])
        && name != "."
        && name != ".."
        && !name.starts_with(".well-known/acme-challenge/");
    if fits {
        return Ok(());
    }
    let shown: String = name.chars().take(100).collect();
    Err(StorageError::invalid(format!("Invalid object name: '{shown}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_googles_rules() {
        let (longest, longer) = ("a".repeat(63), "a".repeat(64));
        for right in ["abc", "my-project-fx-data", "a_b", "www.example.com", "1a2", &longest] {
            assert!(check_bucket(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "ab",
            "Abc",
            "-abc",
            "abc-",
            "a b",
            "a/b",
            "..",
            "a..b",
            ".abc",
            "192.168.0.1",
            "googabc",
            "my-google-bucket",
            "é-bucket",
            &longer,
        ] {
            assert!(check_bucket(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn object_names_are_almost_anything() {
        for right in ["a", "a/b", "/a", "a/", "a//b", "../a", "a/../b", " ", "\u{1F980}", "a\0b"] {
            assert!(check_object(right).is_ok(), "{right:?}");
        }
        for wrong in ["", ".", "..", "a\nb", "a\rb", &"a".repeat(1025)] {
            assert!(check_object(wrong).is_err(), "{wrong:?}");
        }
    }
}
