//! Labels of Google's resources.

use crate::error::ApiError;

/// Labels of one resource.
const MOST: usize = 64;

/// At most 64 labels; keys begin with a lower-case letter; lower-case letters, digits, `_` and `-`
/// up to 63 characters.
pub(crate) fn check<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> Result<(), ApiError> {
    let allowed = |c: char| c == '_' || c == '-' || (c.is_alphanumeric() && !c.is_uppercase());
    let fits = |text: &str| text.chars().count() <= 63 && text.chars().all(allowed);
    for (number, (key, value)) in labels.into_iter().enumerate() {
        if number == MOST {
            return Err(ApiError::invalid_argument(format!("A resource can have at most {MOST} labels.")));
        }
        if !key.starts_with(char::is_alphabetic) || !fits(key) {
            return Err(ApiError::invalid_argument(format!("Invalid label key: \"{key}\".")));
        }
        if !fits(value) {
            return Err(ApiError::invalid_argument(format!("Invalid label value: \"{value}\".")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn labels_follow_googles_rules() {
        let check = |key: &str, value: &str| check(&BTreeMap::from([(key.to_owned(), value.to_owned())]));
        for (key, value) in [("managed-by", "provision"), ("a", ""), ("a_1", "1-b"), ("\u{e9}", "\u{e9}")] {
            assert_eq!(check(key, value), Ok(()), "{key} {value}");
        }
        let long = "a".repeat(64);
        for (key, value) in
            [("", "a"), ("A", "a"), ("1a", "a"), ("a", "B"), ("a b", ""), ("a", &long), (&long, "")]
        {
            assert!(check(key, value).is_err(), "{key} {value}");
        }
    }
}
