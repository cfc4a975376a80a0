//! What a project's id and number are. Knows nothing of which projects there are.

use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// The number of a project: twelve digits, always the same for the same id.
pub(crate) fn project_number(id: &str) -> u64 {
    let digest = Sha256::digest(id.as_bytes());
    let head = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    100_000_000_000 + head % 900_000_000_000
}

/// Refuses what can't be a project's id.
pub(crate) fn check_id(id: &str) -> Result<(), ApiError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let good = (6..=30).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.bytes().all(plain)
        && !id.ends_with('-');
    if good {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "\"{id}\" is not a project's id: 6 to 30 lowercase letters, digits and hyphens, a letter first."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_of_twelve_digits_and_always_the_same() {
        let number = project_number("fx-dev");
        assert_eq!(number, project_number("fx-dev"));
        assert_ne!(number, project_number("fx-prod"));
        assert_eq!(number.to_string().len(), 12);
    }

    #[test]
    fn what_cannot_be_an_id_is_refused() {
        for id in ["", "short", "Upper-case", "1-digit-first", "ends-with-", "a b c d", "../../etc"] {
            assert!(check_id(id).is_err(), "{id}");
        }
        check_id("fx-dev").expect("an id");
    }
}
