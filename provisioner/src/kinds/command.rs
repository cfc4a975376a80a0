//! What a stack file may say of a command and of a handler of the user's own, and the buckets that
//! they mean.

use contract::{CommandConfig, LibraryConfig};
use serde_json::Value;

use super::etl::{in_bucket, stray_brace};
use crate::stack::{FieldProblem, Scope};

/// Where `{item}` stands in an address.
const ITEM: &str = "{item}";
/// Beginning of the variables that workers set themselves.
const OWN: &str = "PROVISION_";

/// What is wrong with a command that no single value shows.
pub(super) fn problems(command: &CommandConfig) -> Vec<FieldProblem> {
    let at = |field: &str, what: String| FieldProblem::at(&["command", field], what);
    let mut problems = Vec::new();
    if command.argv.first().is_none_or(String::is_empty) {
        let what = "a command names a program".to_owned();
        problems.push(at("argv", what).help("argv = [\"python3\", \"work.py\"]"));
    }
    if command.argv.iter().any(|word| word.contains(ITEM)) {
        let what = "`{item}` does not stand in a command line: items are not trusted there".to_owned();
        problems.push(at("argv", what).help("the program finds its item in the variable PROVISION_ITEM"));
    }
    if command.argv.iter().any(|word| word.contains('\0')) {
        problems.push(at("argv", "an argument has a NUL character in it".into()));
    }
    problems.extend(command.load.as_deref().and_then(prefix_problem));
    problems.extend(command.env.iter().filter_map(|(name, value)| variable_problem(name, value)));
    for (place, secret) in command.secrets.iter().enumerate() {
        if secret.is_empty() || command.secrets[..place].contains(secret) {
            problems.push(at("secrets", format!("`{secret}` is there twice, or is no name")));
        }
    }
    if !(1..=CommandConfig::MOST_FILES).contains(&command.max_files) {
        let what = format!("`max_files` is from 1 to {}", CommandConfig::MOST_FILES);
        problems.push(at("max_files", what));
    }
    problems
}

fn prefix_problem(load: &str) -> Option<FieldProblem> {
    let at = |what: String| FieldProblem::at(&["command", "load"], what);
    let example = "write it as \"gs://data/out/{item}/\"";
    let Some((bucket, prefix)) = in_bucket(load).filter(|(bucket, _)| !bucket.is_empty()) else {
        return Some(at(format!("`{load}` is not an address")).help(example));
    };
    if bucket.contains('{') {
        return Some(at("`{item}` may not choose the host or the bucket".into()));
    }
    if let Some(brace) = stray_brace(load, false) {
        let help = "the only placeholder is `{item}`";
        return Some(at(format!("`{brace}` stands for nothing here")).help(help));
    }
    if !prefix.contains(ITEM) {
        let help = "put `{item}` in it";
        return Some(at("every item would overwrite the same objects".into()).help(help));
    }
    if !prefix.ends_with('/') {
        return Some(at(format!("`{load}` is a prefix of names, and ends in `/`")).help(example));
    }
    let records = prefix.starts_with("runs/");
    records.then(|| at("`runs/` is where the stack's runs are recorded".into()))
}

fn variable_problem(name: &str, value: &str) -> Option<FieldProblem> {
    let at = |what: String| FieldProblem::at(&["command", "env", name], what);
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.chars().all(plain) && name.starts_with(|c: char| !c.is_ascii_digit())
    };
    if !is_name(name) {
        return Some(at(format!("`{name}` is not the name of a variable")));
    }
    if name.starts_with(OWN) {
        return Some(at(format!("names that begin with `{OWN}` are the worker's to set")));
    }
    if value.contains('\0') {
        return Some(at("the value has a NUL character in it".into()));
    }
    value.contains(ITEM).then(|| {
        at("a variable is the same for every item".into())
            .help("the program finds its item in the variable PROVISION_ITEM")
    })
}

/// What is wrong with a handler of the user's own; what is in its `config` it must say itself.
pub(super) fn library_problems(library: &LibraryConfig) -> Option<FieldProblem> {
    library.program.is_empty().then(|| {
        FieldProblem::at(&["library", "program"], "a library names the worker that it was compiled into")
            .help("program = \"my-worker\"")
    })
}

/// The command with the cloud names of the stack's buckets.
pub(super) fn resolved(command: &CommandConfig, scope: &Scope) -> CommandConfig {
    let mut resolved = command.clone();
    let texts = resolved.argv.iter_mut().chain(resolved.env.values_mut()).chain(&mut resolved.load);
    texts.for_each(|text| *text = named(text, scope));
    resolved
}

/// The same, for every text in a configuration of the user's own.
pub(super) fn library_resolved(library: &LibraryConfig, scope: &Scope) -> LibraryConfig {
    fn resolve(value: &mut Value, scope: &Scope) {
        match value {
            Value::String(text) => *text = named(text, scope),
            Value::Array(values) => values.iter_mut().for_each(|value| resolve(value, scope)),
            Value::Object(values) => values.values_mut().for_each(|value| resolve(value, scope)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut resolved = library.clone();
    resolved.config.values_mut().for_each(|value| resolve(value, scope));
    resolved
}

/// `gs://KEY/…` with the cloud name of the stack's bucket; any other text as it is.
fn named(text: &str, scope: &Scope) -> String {
    match in_bucket(text) {
        Some((bucket, object)) if scope.has("bucket", bucket) => {
            format!("gs://{}/{object}", scope.name("bucket", bucket))
        }
        _ => text.to_owned(),
    }
}

/// The stack's bucket that a command's outputs go to.
pub(super) fn bucket<'a>(command: &'a CommandConfig, scope: &Scope) -> Option<&'a str> {
    let (bucket, _) = in_bucket(command.load.as_deref()?)?;
    scope.has("bucket", bucket).then_some(bucket)
}
