//! Why a resource differs: because the file was edited, because somebody changed the cloud, or
//! because this version of the program has other defaults. Told by a mark that says what the stack
//! said when the resource was last written. Advice, never a change: it travels only with what is
//! sent anyway. Knows nothing of clouds.

use serde_json::{Map, Value};

use crate::change::Action;
use crate::compare::FieldChange;
use crate::fingerprint::digest;

/// The mark.
pub(crate) const SPEC: &str = "provision-spec";

/// The version of what is made of a file. It goes up with every release that makes something else of the
/// same file, and whoever forgets that is told by a test.
pub(crate) const VERSION: u32 = 1;

/// Why something differs that bears no mark, or one of another version.
pub(crate) const UNKNOWN: &str = "differs from the file";

/// Why something differs that was edited.
const EDITED: &str = "changed in the file";
/// Why something differs that nobody touched, before the version.
const DEFAULT: &str = "new default of provision ";

/// Hexadecimal digits of each hash in the mark.
const DIGITS: usize = 16;
/// Fields that a reason names.
const NAMED: usize = 3;
/// Longest value that a reason shows.
const LONGEST: usize = 60;

/// The mark of a resource: what the user wrote, and what came of it.
pub(crate) fn spec(written: &Value, fields: &Value) -> String {
    let short = |value: &Value| digest(value)[..DIGITS].to_owned();
    format!("v{VERSION}-{}-{}", short(written), short(fields))
}

/// The part of a table that a user wrote: `is_written` tells of a path below the table.
pub(crate) fn written(
    table: &Value,
    path: &mut Vec<String>,
    is_written: &impl Fn(&[String]) -> bool,
) -> Value {
    let Value::Object(entries) = table else { return table.clone() };
    let mut kept = Map::new();
    for (key, value) in entries {
        path.push(key.clone());
        if is_written(path) {
            kept.insert(key.clone(), written(value, path, is_written));
        }
        path.pop();
    }
    Value::Object(kept)
}

/// Why fields differ, as far as the mark of the live resource tells.
pub(crate) fn why(now: Option<&str>, then: Option<&str>, fields: &[FieldChange]) -> String {
    match (now.and_then(parts), then.and_then(parts)) {
        (Some(now), Some(then)) if now.fields == then.fields => outside(fields),
        // The same version makes the same of the same file: then it is something else in the file.
        (Some(now), Some(then)) if now.written == then.written && now.version > then.version => {
            format!("{DEFAULT}{}", env!("CARGO_PKG_VERSION"))
        }
        (Some(now), Some(then)) if now.version >= then.version => EDITED.to_owned(),
        // A newer version may mark otherwise, and some kinds bear no marks.
        _ => UNKNOWN.to_owned(),
    }
}

/// Whether something may differ for a reason that lies in the cloud. What is missing may have been
/// deleted there or be new in the file: nobody can tell.
pub(crate) fn may_be_drift(action: Action, reason: &str) -> bool {
    match action {
        Action::Create => true,
        Action::Update | Action::Replace => reason != EDITED && !reason.starts_with(DEFAULT),
        Action::Delete | Action::Release | Action::Rename => false,
    }
}

/// The version of the program that wrote a mark, where it is newer than this one.
pub(crate) fn newer(mark: &str) -> Option<u32> {
    let (version, _) = mark.strip_prefix('v')?.split_once('-')?;
    version.parse().ok().filter(|version| *version > VERSION)
}

/// Whether something else was made of the file when a mark was written, by the same version.
pub(crate) fn made_otherwise(now: &str, then: &str) -> bool {
    let (now, then) = (parts(now), parts(then));
    now.zip(then).is_some_and(|(now, then)| now.version == then.version && now.fields != then.fields)
}

/// What a mark says.
struct Mark<'a> {
    version: u32,
    /// A hash of what the user wrote.
    written: &'a str,
    /// A hash of what came of it.
    fields: &'a str,
}

fn parts(mark: &str) -> Option<Mark<'_>> {
    let mut parts = mark.strip_prefix('v')?.splitn(3, '-');
    let version = parts.next()?.parse().ok()?;
    Some(Mark { version, written: parts.next()?, fields: parts.next()? })
}

fn outside(fields: &[FieldChange]) -> String {
    let told = fields.iter().take(NAMED).map(|field| {
        let FieldChange { path, before, after } = field;
        format!("{path} {}, should be {}", shown(before), shown(after))
    });
    let mut told: Vec<String> = told.collect();
    if fields.len() > NAMED {
        told.push(format!("and {} more", fields.len() - NAMED));
    }
    format!("changed outside: {}", told.join("; "))
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => text.lines().next().unwrap_or_default().to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_mark_tells_an_edit_from_drift_and_from_a_new_default() {
        let wrote = json!({"ack_deadline": "1m"});
        let mark = |written: &Value, fields: Value| spec(written, &fields);
        let then = mark(&wrote, json!({"ack_deadline": "1m", "retention": "7d"}));
        let edited = mark(&json!({"ack_deadline": "2m"}), json!({"ack_deadline": "2m", "retention": "7d"}));
        let implied = mark(&wrote, json!({"ack_deadline": "1m", "retention": "8d"}));
        let of_an_older_version = then.replacen("v1-", "v0-", 1);
        let field =
            |path: &str, before: Value, after: Value| FieldChange { path: path.into(), before, after };
        let fields = [field("ack_deadline", json!("30s"), json!("1m"))];
        let why = |now: &str, then: Option<&str>| why(Some(now), then, &fields);
        assert_eq!(why(&then, Some(&then)), "changed outside: ack_deadline 30s, should be 1m");
        assert_eq!(why(&edited, Some(&then)), "changed in the file");
        assert_eq!(why(&implied, Some(&then)), "changed in the file");
        assert!(why(&implied, Some(&of_an_older_version)).starts_with("new default of provision "));
        assert_eq!(why(&edited, Some(&of_an_older_version)), "changed in the file");
        assert_eq!(why(&then, Some("v2-whatever")), "differs from the file");
        assert_eq!(why(&then, Some("v2-what-ever")), "differs from the file");
        assert_eq!(
            [&*then, "v2-whatever", "v12-a-b", "2-a-b", "v-a"].map(newer),
            [None, Some(2), Some(12), None, None]
        );
        assert_eq!(why(&then, None), "differs from the file");
        // It must be the value of a label.
        assert!(
            then.len() <= 63
                && then.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        );
    }

    #[test]
    fn what_the_file_says_anew_is_no_drift() {
        for (action, reason, drift) in [
            (Action::Update, "changed outside: size 1, should be 2", true),
            (Action::Update, UNKNOWN, true),
            (Action::Update, EDITED, false),
            (Action::Update, "new default of provision 9.8.7", false),
            (Action::Create, "in the file", true),
            (Action::Delete, "not in the file any more", false),
        ] {
            assert_eq!(may_be_drift(action, reason), drift, "{reason}");
        }
    }

    #[test]
    fn a_reason_stays_short() {
        let field = |n: usize| FieldChange {
            path: format!("f{n}"),
            before: Value::Null,
            after: json!("x".repeat(99)),
        };
        let fields: Vec<_> = (0..5).map(field).collect();
        let told = outside(&fields);
        assert!(told.ends_with("; and 2 more") && told.contains("f0 (none), should be xxx"), "{told}");
        assert!(told.len() < 300, "{told}");
    }

    #[test]
    fn only_what_the_user_wrote_is_written() {
        let table = json!({"topic": "a", "retention": "7d", "retry": {"min": "1s", "max": "1m"}});
        let is_written = |path: &[String]| matches!(path.join(".").as_str(), "topic" | "retry" | "retry.max");
        assert_eq!(
            written(&table, &mut Vec::new(), &is_written),
            json!({"topic": "a", "retry": {"max": "1m"}})
        );
    }
}
