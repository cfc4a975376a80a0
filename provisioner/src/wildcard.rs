//! Patterns of names: `*` stands for any characters, also none.

/// Whether it stands for more than itself.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains('*')
}

/// Whether a pattern fits a name.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(end) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fit) in [
            ("items", "items", true),
            ("items", "items2", false),
            ("*", "", true),
            ("fx-*", "fx-items", true),
            ("fx-*", "my-fx-items", false),
            ("*-dead", "work-dead", true),
            ("a*b*c", "a--b--bc", true),
            ("a*b*c", "a--c--b", false),
            ("a*a", "a", false),
            ("**", "é", true),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }
}
