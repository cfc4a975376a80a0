//! Reads what `--set` takes: `PATH=VALUE`, where a path is TOML's dotted key and a value is TOML's,
//! or else the word itself as a string. Knows nothing of stacks.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::read::Node;

/// What to write.
const HELP: &str = "write it as --set job.fx.max_workers=3";

/// One key of a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// The key, without its quotes.
    pub name: String,
    /// Where it stands.
    pub span: Range<usize>,
}

/// An assignment as a table in which there is nothing else.
pub(super) fn read(text: &str) -> Result<DeTable<'_>, Problem> {
    let Some(at) = equals(text) else {
        return Err(Problem::new(0..text.len(), "`--set` needs a key and a value, with a `=` between them")
            .help(HELP));
    };
    let steps = path(&text[..at])?;
    let mut node = value(text, at + 1)?;
    for Step { name, span } in steps.into_iter().rev() {
        let whole = span.start..node.span().end;
        let table = DeTable::from_iter([(Spanned::new(span, Cow::Owned(name)), node)]);
        node = Spanned::new(whole, DeValue::Table(table));
    }
    match node.into_inner() {
        DeValue::Table(table) => Ok(table),
        _ => Ok(DeTable::new()),
    }
}

/// The first `=` that no quotes enclose.
fn equals(text: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), c) if c == open && !escaped => quote = None,
            _ => {}
        }
        escaped = false;
    }
    None
}

/// The steps of a dotted path, its keys quoted where need be.
pub(super) fn path(text: &str) -> Result<Vec<Step>, Problem> {
    let whole = || 0..text.len();
    if text.contains(['\n', '\r', '#', '[']) && !text.contains(['"', '\'']) || text.trim().is_empty() {
        return Err(Problem::new(whole(), "this is not a path of keys").help(HELP));
    }
    // A path is all of a document but its value.
    let document = format!("{text}=0");
    let (root, errors) = DeTable::parse_recoverable(&document);
    if let Some(error) = errors.first() {
        let span = error.span().filter(|span| span.end <= text.len()).unwrap_or_else(whole);
        return Err(Problem::new(span, format!("this is not a path of keys: {}", error.message())).help(HELP));
    }
    let mut steps = Vec::new();
    let mut table = root.get_ref();
    while let Some((key, node)) = table.iter().next().filter(|_| table.len() == 1) {
        steps.push(Step { name: key.get_ref().to_string(), span: key.span() });
        match node.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return Ok(steps),
        }
    }
    Err(Problem::new(whole(), "this is not a path of keys").help(HELP))
}

/// The value that begins at `start`, with its place in the whole text.
fn value(text: &str, start: usize) -> Result<Node<'_>, Problem> {
    let rest = &text[start..];
    let written = rest.trim();
    let at = start + (rest.len() - rest.trim_start().len());
    if written.is_empty() {
        let help = "write `\"\"` for a text without a character";
        return Err(Problem::new(start.saturating_sub(1)..start, "no value after the `=`").help(help));
    }
    let placed = |span: Range<usize>| span.start + at..span.end + at;
    let (node, errors) = DeValue::parse_recoverable(written);
    match errors.first() {
        None => Ok(super::layers::moved_node(node, at)),
        // Who begins to write TOML means TOML.
        Some(error) if written.starts_with(['[', '{', '"', '\'']) => {
            Err(Problem::new(placed(error.span().unwrap_or(0..written.len())), error.message()))
        }
        Some(_) => Ok(Spanned::new(placed(0..written.len()), DeValue::String(Cow::Borrowed(written)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        path(text).map(|steps| steps.into_iter().map(|step| step.name).collect()).unwrap_or_default()
    }

    #[test]
    fn a_path_is_keys_with_dots_and_quotes_where_need_be() {
        assert_eq!(names("job.fx.image"), ["job", "fx", "image"]);
        assert_eq!(names("bucket.data.files.\"a.b/=\""), ["bucket", "data", "files", "a.b/="]);
        for bad in ["", " ", "a..b", ".a", "a.", "[a]\nb", "a b", "#", "a=1\nb"] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_value_is_toml_and_any_other_word_a_string() {
        let shown = |text: &str| {
            let table = read(text).map_err(|problem| problem.message)?;
            Ok::<_, String>(format!("{:?}", table.values().next().map(|node| node.get_ref().type_str())))
        };
        for (text, kind) in [
            ("a=7", "integer"),
            ("a = true", "boolean"),
            ("a=[1, 2]", "array"),
            ("a={ b = 1 }", "table"),
            ("a=\"7\"", "string"),
            ("a=10m", "string"),
            ("a=eu.gcr.io/p/worker@sha256:0a#b=c", "string"),
        ] {
            assert_eq!(shown(text), Ok(format!("Some({kind:?})")), "{text}");
        }
        for bad in ["a", "a=", "a=[1", "a='x", "=1"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }
}
