//! Conditions of bindings: the few forms of Google's expressions that are about the time and the
//! resource's name, joined by `&&`. Others are refused when they are set, not ignored later.

use jiff::Timestamp;

use crate::error::ApiError;

/// What a condition is asked about.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) time: Timestamp,
    /// `projects/_/buckets/B/objects/O`, `projects/P/topics/T` …
    pub(super) resource: &'a str,
}

/// One condition, understood.
#[derive(Debug, PartialEq)]
enum Term {
    Before(Timestamp),
    After(Timestamp),
    Named(String),
    NamedLike(String),
}

/// Refuses what could not be evaluated.
pub(super) fn check(expression: &str) -> Result<(), ApiError> {
    match parse(expression) {
        Some(_) => Ok(()),
        None => Err(ApiError::unimplemented(format!(
            "the local cloud does not evaluate the condition {expression:?}: it knows request.time < or > timestamp(\"…\"), resource.name == \"…\" and resource.name.startsWith(\"…\"), joined by &&"
        ))),
    }
}

/// Whether a condition that was checked holds.
pub(super) fn holds(expression: &str, request: Request<'_>) -> bool {
    let is_met = |term: &Term| match term {
        Term::Before(end) => request.time < *end,
        Term::After(start) => request.time > *start,
        Term::Named(name) => request.resource == name,
        Term::NamedLike(prefix) => request.resource.starts_with(prefix),
    };
    parse(expression).is_some_and(|terms| terms.iter().all(is_met))
}

fn parse(expression: &str) -> Option<Vec<Term>> {
    expression.split("&&").map(|text| term(text.trim())).collect()
}

fn term(text: &str) -> Option<Term> {
    if let Some(prefix) = call(text, "resource.name.startsWith") {
        return Some(Term::NamedLike(prefix.to_owned()));
    }
    if let Some(name) = text.strip_prefix("resource.name").map(str::trim_start) {
        return name
            .strip_prefix("==")
            .and_then(|name| quoted(name.trim()))
            .map(|name| Term::Named(name.into()));
    }
    let comparison = text.strip_prefix("request.time")?.trim_start();
    let (is_end, time) = match comparison.split_at_checked(1)? {
        ("<", time) => (true, time),
        (">", time) => (false, time),
        _ => return None,
    };
    let time = call(time.trim(), "timestamp")?.parse().ok()?;
    Some(if is_end { Term::Before(time) } else { Term::After(time) })
}

/// The one argument of `function("…")`.
fn call<'a>(text: &'a str, function: &str) -> Option<&'a str> {
    quoted(text.strip_prefix(function)?.trim().strip_prefix('(')?.strip_suffix(')')?.trim())
}

/// A literal without escapes, in either quotes.
fn quoted(text: &str) -> Option<&str> {
    let inner = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))?;
    (!inner.contains(['"', '\'', '\\'])).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_names_are_understood_and_joined() {
        let request = Request {
            time: "2026-06-01T00:00:00Z".parse().expect("a time"),
            resource: "projects/_/buckets/data/objects/runs/1",
        };
        for (expression, expected) in [
            (r#"request.time < timestamp("2026-07-01T00:00:00Z")"#, true),
            (r#"request.time > timestamp("2026-07-01T00:00:00Z")"#, false),
            (r#"resource.name.startsWith("projects/_/buckets/data/objects/runs/")"#, true),
            (r"resource.name.startsWith('projects/_/buckets/data/objects/rates/')", false),
            (r#"resource.name == "projects/_/buckets/data/objects/runs/1""#, true),
            (
                r#"resource.name.startsWith("projects/_/buckets/data") && request.time < timestamp("2026-05-01T00:00:00Z")"#,
                false,
            ),
        ] {
            check(expression).expect(expression);
            assert_eq!(holds(expression, request), expected, "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_refused() {
        for expression in
            ["", "true", "resource.type == 'x'", "request.time < 5", "a && b", "resource.name ==", "é"]
        {
            let refused = check(expression).expect_err(expression);
            assert!(refused.message.contains("does not evaluate"), "{refused}");
        }
    }
}
