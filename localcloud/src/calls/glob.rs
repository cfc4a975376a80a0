//! Patterns in which `*` stands for any text, dots and slashes included.

/// Whether a text is of a pattern; an empty pattern is every text's.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    if pattern.is_empty() {
        return true;
    }
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in [
            ("", "anything"),
            ("*", ""),
            ("a", "a"),
            ("a*", "a"),
            ("a*c", "a.b/c"),
            ("*b*", "abc"),
            ("a*b*c", "a-b-b-c"),
            ("*.create", "pubsub.topics.create"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "acb"), ("a*a", "a"), ("*b*c", "bcd"), ("ab*ba", "aba")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
