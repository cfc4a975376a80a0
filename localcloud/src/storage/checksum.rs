//! The two checksums of an object's content, and what a client says they should be.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::error::{Result, StorageError};

/// What an object's content comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksums {
    pub(super) crc32c: u32,
    /// None for composed objects.
    pub(super) md5: Option<[u8; 16]>,
}

/// What a client says that the content comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Expected {
    pub(super) crc32c: Option<u32>,
    pub(super) md5: Option<Vec<u8>>,
}

/// Takes content in, piece by piece.
#[derive(Clone, Default)]
pub(super) struct Hasher {
    crc32c: u32,
    md5: Md5,
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        self.md5.update(bytes);
    }

    pub(super) fn finish(self) -> Checksums {
        Checksums { crc32c: self.crc32c, md5: Some(self.md5.finalize().into()) }
    }
}

impl Checksums {
    pub(super) fn crc32c_text(&self) -> String {
        BASE64_STANDARD.encode(self.crc32c.to_be_bytes())
    }

    pub(super) fn md5_text(&self) -> Option<String> {
        self.md5.map(|md5| BASE64_STANDARD.encode(md5))
    }
}

impl Expected {
    /// Reads the fields of the JSON API.
    pub(super) fn parse(crc32c: Option<&str>, md5: Option<&str>) -> Result<Self> {
        let decode = |text: &str| BASE64_STANDARD.decode(text.trim()).ok();
        let crc32c = crc32c.map(|text| {
            let bytes = decode(text).and_then(|bytes| bytes.try_into().ok());
            bytes
                .map(u32::from_be_bytes)
                .ok_or_else(|| StorageError::invalid(format!("Invalid crc32c: \"{text}\".")))
        });
        let md5 = md5.map(|text| {
            decode(text)
                .filter(|bytes| bytes.len() == 16)
                .ok_or_else(|| StorageError::invalid(format!("Invalid md5Hash: \"{text}\".")))
        });
        Ok(Self { crc32c: crc32c.transpose()?, md5: md5.transpose()? })
    }

    /// Reads `x-goog-hash: crc32c=…,md5=…`.
    pub(super) fn parse_header(header: &str) -> Result<Self> {
        let find = |name: &str| header.split(',').find_map(|part| part.trim().strip_prefix(name));
        Self::parse(find("crc32c="), find("md5="))
    }

    /// These, and where they say nothing, the others.
    pub(super) fn or(self, others: Self) -> Self {
        Self { crc32c: self.crc32c.or(others.crc32c), md5: self.md5.or(others.md5) }
    }

    /// Refuses content that is not what the client sent.
    pub(super) fn check(&self, found: &Checksums) -> Result<()> {
        if let Some(crc32c) = self.crc32c.filter(|crc32c| *crc32c != found.crc32c) {
            let expected = BASE64_STANDARD.encode(crc32c.to_be_bytes());
            return Err(StorageError::invalid(format!(
                "Provided CRC32C \"{expected}\" doesn't match calculated CRC32C \"{}\".",
                found.crc32c_text()
            )));
        }
        let wrong_md5 = |md5: &&Vec<u8>| found.md5.is_some_and(|found| found != md5.as_slice());
        if let Some(md5) = self.md5.as_ref().filter(wrong_md5) {
            return Err(StorageError::invalid(format!(
                "Provided MD5 hash \"{}\" doesn't match calculated MD5 hash \"{}\".",
                BASE64_STANDARD.encode(md5),
                found.md5_text().unwrap_or_default()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_google() {
        let mut hasher = Hasher::default();
        hasher.update(b"the quick brown fox ");
        hasher.update(b"jumps over the lazy dog");
        let found = hasher.finish();
        assert_eq!(found.crc32c_text(), "PBj01g==");
        assert_eq!(found.md5_text().as_deref(), Some("d63R1fQSI9VYL8pzalyzNQ=="));

        let right = Expected::parse_header("crc32c=PBj01g==,md5=d63R1fQSI9VYL8pzalyzNQ==").expect("a header");
        assert_eq!(right.check(&found), Ok(()));
        let wrong = Expected::parse(Some("AAAAAA=="), None).expect("a checksum");
        assert!(wrong.check(&found).is_err());
        assert!(Expected::parse(Some("AAA"), None).is_err());
        assert!(Expected::parse(None, Some("AAAAAA==")).is_err());
    }
}
