//! The forms that Kubernetes' names and keys may have, with its sentences for those that do not.

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn is_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(edge) && text.ends_with(edge) && text.chars().all(|c| edge(c) || c == '-')
}

fn is_qualified(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(edge) && text.ends_with(edge) && text.chars().all(|c| edge(c) || "-_.".contains(c))
}

/// What is wrong with an RFC 1123 label of at most `longest` characters.
pub(crate) fn label(text: &str, longest: usize) -> Option<String> {
    match text {
        _ if text.len() > longest => Some(format!("must be no more than {longest} characters")),
        _ if is_label(text) => None,
        _ => Some(LABEL.into()),
    }
}

/// What is wrong with an RFC 1123 subdomain.
pub(crate) fn subdomain(text: &str, longest: usize) -> Option<String> {
    match text {
        _ if text.len() > longest => Some(format!("must be no more than {longest} characters")),
        _ if text.split('.').all(is_label) => None,
        _ => Some(SUBDOMAIN.into()),
    }
}

/// What is wrong with the key of a label or annotation.
pub(crate) fn qualified(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if prefix == Some("") {
        return Some("prefix part must be non-empty".into());
    }
    if name.contains('/') {
        let qualified = QUALIFIED.trim_start_matches("name part ");
        return Some(format!(
            "a qualified name {qualified} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ));
    }
    if let Some(wrong) = prefix.and_then(|prefix| subdomain(prefix, 253)) {
        return Some(format!("prefix part {wrong}"));
    }
    match name {
        "" => Some("name part must be non-empty".into()),
        _ if name.len() > 63 => Some("name part must be no more than 63 characters".into()),
        _ if is_qualified(name) => None,
        _ => Some(QUALIFIED.into()),
    }
}

/// All that is wrong with a qualified name: an empty one is wrong twice.
pub(crate) fn qualified_all(key: &str) -> Vec<String> {
    let first = qualified(key);
    let second = key.is_empty().then(|| QUALIFIED.to_owned());
    first.into_iter().chain(second).collect()
}

/// What is wrong with the value of a label.
pub(crate) fn label_value(value: &str) -> Option<String> {
    match value {
        _ if value.len() > 63 => Some("must be no more than 63 characters".into()),
        "" => None,
        _ if is_qualified(value) => None,
        _ => Some(VALUE.into()),
    }
}

/// What is wrong with the name of a port.
pub(crate) fn port(name: &str) -> Vec<String> {
    let has = |wanted: fn(&char) -> bool| name.chars().any(|c| wanted(&c));
    let mut wrong = Vec::new();
    if name.len() > 15 {
        wrong.push("must be no more than 15 characters".to_owned());
    }
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !has(char::is_ascii_lowercase) {
        wrong.push("must contain at least one letter (a-z)".into());
    }
    wrong
}

/// What is wrong with a key of a secret or config map.
pub(crate) fn config_key(key: &str) -> Option<String> {
    match key {
        "." => Some("must not be '.'".into()),
        ".." => Some("must not be '..'".into()),
        key if key.starts_with("..") => Some("must not start with '..'".into()),
        key if !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) => None,
        _ => Some("a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')".into()),
    }
}

/// What is wrong with the name of an environment variable (since Kubernetes 1.34 nearly all is good).
pub(crate) fn variable(name: &str) -> Option<String> {
    let good = name.chars().all(|c| c.is_ascii() && !c.is_ascii_control() && c != '=');
    (!good).then(|| {
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keys_and_values_are_told_apart_from_what_looks_like_them() {
        assert_eq!(label("a-1", 63), None);
        assert!(label("A", 63).is_some() && label("-a", 63).is_some() && label("", 63).is_some());
        assert!(label(&"a".repeat(64), 63).is_some_and(|why| why.contains("63 characters")));
        assert_eq!(subdomain("a.b-c.d", 253), None);
        assert!(subdomain("a..b", 253).is_some());
        assert_eq!(qualified("app.kubernetes.io/part-of"), None);
        assert!(qualified("UP/x").is_some() && qualified("a/").is_some() && qualified("a b").is_some());
        assert_eq!(label_value(""), None);
        assert!(label_value("a b").is_some());
        assert!(variable("A=B").is_some() && variable("A.b-c").is_none());
    }
}
