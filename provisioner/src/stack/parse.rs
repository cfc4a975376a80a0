//! From the texts of a stack to its tables, or everything that is wrong with it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::effective::Written;
use super::layers;
use super::problem::nearest;
use super::read::{self, Key, Node};
use super::texts::{Layer, Texts};
use super::{Declared, FieldProblem, Header, Invalid, Problem, Project, Stack};
use crate::kinds::{AnyTable, TABLES};
use crate::resource::Address;

/// Longest key of a table: it becomes part of names in the cloud.
const LONGEST_KEY: usize = 40;

/// Longest name of a stack: everything in the cloud begins with it.
const LONGEST_NAME: usize = 20;

/// The keys that every table of a resource may have, beside its kind's own.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Common {
    /// What the cloud calls it, instead of `<stack>-<key>`.
    #[serde(default)]
    name: Option<String>,
    /// Referenced, not owned: observed and checked, never created, changed or deleted.
    #[serde(default)]
    existing: bool,
    /// How long one change of it, or of what it implies, may take, 1 second to 1 day; without it 45
    /// minutes for clusters and pools, 6 hours for buckets, 10 minutes for the rest.
    #[serde(default)]
    timeout: Option<super::Timeout>,
}

/// A table that was read, with its places for later problems.
struct Placed<'a> {
    declared: Declared,
    head: Range<usize>,
    node: &'a Node<'a>,
}

pub(super) fn stack(path: &Path, env: Option<&str>, texts: Texts) -> Result<Stack, Invalid> {
    let (root, broken) = layers::merged(&texts);
    let mut problems = Vec::new();
    let header = header(&root, env, &texts, &mut problems);
    let tables = tables(&root, &mut problems);
    let (places, declared): (Vec<_>, Vec<_>) = tables.into_iter().map(Placed::split).unzip();
    let header = header.unwrap_or_else(any_header);
    let mut stack = Stack { path: path.to_owned(), env: None, header, declared, written: Written::default() };
    check(&stack, &root, &places, &mut problems);
    if problems.is_empty() && broken.is_empty() {
        check_whole(&stack, &root, &places, &mut problems);
    }
    let problems = without_cascades(&texts, broken, problems);
    if !problems.is_empty() {
        return Err(Invalid::new(texts, problems));
    }
    stack.env = env.filter(|_| is_named_by_env(&root, &texts)).map(str::to_owned);
    stack.written = Written::of(&root, &texts);
    Ok(stack)
}

/// Of what is wrong beside broken syntax, what does not come of it: whatever else is on a line that
/// could not be read, and what is missing where a text could not be read to its end.
fn without_cascades(texts: &Texts, broken: Vec<Problem>, problems: Vec<Problem>) -> Vec<Problem> {
    let comes_of_it = |problem: &Problem| {
        let missing = problem.message.starts_with("missing ") && !broken.is_empty();
        missing || broken.iter().any(|b| texts.same_line(b.span.start, problem.span.start))
    };
    let real: Vec<Problem> = problems.into_iter().filter(|problem| !comes_of_it(problem)).collect();
    broken.into_iter().chain(real).collect()
}

/// Whether the environment is part of the stack's name: whoever names the stack beyond the stack
/// file, names it wholly.
fn is_named_by_env(root: &DeTable<'_>, texts: &Texts) -> bool {
    is_of_the_file(root, texts, "name")
}

/// Whether the stack file itself says a key of `[stack]`.
fn is_of_the_file(root: &DeTable<'_>, texts: &Texts, key: &str) -> bool {
    let name = root.get("stack").and_then(|node| node.get_ref().get(key));
    let text = name.and_then(|name| texts.at(name.span().start));
    text.is_some_and(|text| text.layer == Layer::File)
}

fn header(
    root: &DeTable<'_>,
    env: Option<&str>,
    texts: &Texts,
    problems: &mut Vec<Problem>,
) -> Option<Header> {
    let Some((key, node)) = root.iter().find(|(key, _)| key.get_ref() == "stack") else {
        let help = "begin the file with:\n[stack]\nname = \"fx\"\nregion = \"europe-west1\"";
        problems.push(Problem::new(0..0, "missing table `[stack]`").help(help));
        return None;
    };
    let mut header: Header = read::table(node, &key.span(), problems)?;
    let wrong = name_problem("a stack", &header.name, LONGEST_NAME);
    let named = env.filter(|_| wrong.is_none() && is_named_by_env(root, texts));
    problems.extend(wrong.map(|p| p.placed(node, &key.span())));
    let wrong = header.prefix.as_ref().and_then(|prefix| name_problem("a prefix", prefix, LONGEST_NAME));
    problems.extend(
        wrong.map(|p| FieldProblem { field: vec!["prefix".to_owned()], ..p }.placed(node, &key.span())),
    );
    if let Some(env) = named {
        if is_of_the_file(root, texts, "prefix") {
            header.prefix = header.prefix.map(|prefix| format!("{prefix}-{env}"));
        }
        header.name = format!("{}-{env}", header.name);
        let wrong = name_problem("a stack", &header.name, LONGEST_NAME).map(|p| {
            let rule = p.help.clone().unwrap_or_default();
            p.help(format!("{rule}; with `name` in its own [stack], the overlay names the stack"))
        });
        problems.extend(wrong.map(|p| p.placed(node, &key.span())));
    }
    Some(header)
}

/// Stands in for one that could not be read, so that the rest of the file is checked all the same.
fn any_header() -> Header {
    Header {
        name: "stack".into(),
        prefix: None,
        project: None,
        region: "region".into(),
        zone: None,
        labels: super::Labels::new(),
        protect: Vec::new(),
        expires: None,
    }
}

fn tables<'a>(root: &'a DeTable<'a>, problems: &mut Vec<Problem>) -> Vec<Placed<'a>> {
    let mut found = Vec::new();
    for (kind, node) in root.iter().filter(|(key, _)| key.get_ref() != "stack") {
        let name: &str = kind.get_ref();
        let Some(table) = TABLES.into_iter().find(|table| table.name() == name) else {
            let kinds = || TABLES.into_iter().map(AnyTable::name).chain(["stack"]);
            let help = match nearest(name, kinds()) {
                _ if name == layers::REMOVE => "only an overlay, stack.NAME.toml, takes keys away".to_owned(),
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the kinds are {}", kinds().collect::<Vec<_>>().join(", ")),
            };
            problems
                .push(Problem::new(kind.span(), format!("`{name}` is not a kind of resource")).help(help));
            continue;
        };
        let DeValue::Table(entries) = node.get_ref() else {
            let help = format!("write it as [{name}.NAME]");
            problems.push(Problem::new(kind.span(), format!("`{name}` needs a name")).help(help));
            continue;
        };
        found.extend(entries.iter().filter_map(|(key, node)| one(table, key, node, problems)));
    }
    found
}

fn one<'a>(
    table: &'static dyn AnyTable,
    key: &Key<'_>,
    node: &'a Node<'a>,
    problems: &mut Vec<Problem>,
) -> Option<Placed<'a>> {
    let head = key.span();
    if !matches!(node.get_ref(), DeValue::Table(_)) {
        let help = format!("write it as [{}.NAME]", table.name());
        problems.push(Problem::new(head, format!("`{}` needs a name", table.name())).help(help));
        return None;
    }
    let wrong = name_problem("a key", key.get_ref(), LONGEST_KEY);
    problems.extend(wrong.map(|p| Problem { span: head.clone(), message: p.message, help: p.help }));
    let (common, own) = split_common(node);
    let common: Option<Common> = read::table(&common, &head, problems);
    let spec = table.read(&own, &head, problems);
    problems.extend(common.as_ref().and_then(|common| nameless(table, common)?.placed(node, &head).into()));
    let (common, spec) = (common?, spec?);
    let declared = Declared {
        table: table.name(),
        key: key.get_ref().to_string(),
        name: common.name,
        existing: common.existing,
        timeout: common.timeout,
        spec,
    };
    Some(Placed { declared, head, node })
}

/// A `name` of what has none that could be chosen.
fn nameless(table: &dyn AnyTable, common: &Common) -> Option<FieldProblem> {
    let wrong = (!table.is_named() && common.name.is_some())
        .then(|| FieldProblem::at(&["name"], format!("a {} is known by its key alone", table.name())));
    wrong.map(|wrong| wrong.help("remove `name`, or call the table so"))
}

/// The keys of [`Common`] apart from the kind's own.
fn split_common<'a>(node: &Node<'a>) -> (Node<'a>, Node<'a>) {
    let is_common = |key: &Key<'_>| matches!(key.get_ref().as_ref(), "name" | "existing" | "timeout");
    let (mut common, mut own) = (node.clone(), node.clone());
    if let (DeValue::Table(common), DeValue::Table(own)) = (common.get_mut(), own.get_mut()) {
        read::keep(common, is_common);
        read::keep(own, |key| !is_common(key));
    }
    (common, own)
}

/// What is wrong between tables: dangling references, names that the cloud would refuse.
fn check(
    stack: &Stack,
    root: &DeTable<'_>,
    places: &[(Range<usize>, &Node<'_>)],
    problems: &mut Vec<Problem>,
) {
    let unknown = Project {
        id: stack.header.project.clone().unwrap_or_else(|| "project".into()),
        number: 0,
        local: false,
    };
    let scope = stack.scope(unknown);
    for (declared, (head, node)) in stack.declared.iter().zip(places) {
        for reference in declared.spec.references() {
            // A table that is there but could not be read has its own problem already.
            if !scope.has(reference.table, &reference.key) && !is_in(root, reference.table, &reference.key) {
                problems.push(dangling(&reference, &scope).placed(node, head));
            }
        }
        let mut own = declared.spec.problems(&declared.key, &scope);
        // What could not be read is not also missing.
        own.retain(|problem| !problem.is_about_unread(node, problems));
        problems.extend(own.into_iter().map(|problem| problem.placed(node, head)));
    }
}

/// What only the whole stack shows, implied resources included: two of one name, protection of none.
fn check_whole(
    stack: &Stack,
    root: &DeTable<'_>,
    places: &[(Range<usize>, &Node<'_>)],
    problems: &mut Vec<Problem>,
) {
    let somewhere = Project { id: "project".into(), number: 0, local: true };
    let Ok(resources) = stack.resources(&somewhere) else { return };
    let mut seen: HashMap<(&str, &str), &Address> = HashMap::new();
    for resource in &resources {
        if let Some(first) = seen.insert((resource.address.kind, &resource.id), &resource.address) {
            let by = resource.implied_by.as_ref().unwrap_or(&resource.address);
            let of = |d: &Declared| d.table == by.kind && d.key == by.key;
            let at = stack.declared.iter().position(of).and_then(|at| places.get(at));
            let span = at.map_or(0..0, |(head, _)| head.clone());
            let what = format!("{} and {first} are both called {}", resource.address, resource.id);
            problems.push(Problem::new(span, what).help("give one of them another `name`"));
        }
    }
    let addresses: Vec<String> = resources.iter().map(|resource| resource.address.to_string()).collect();
    for protected in stack.header.protect.iter().filter(|address| !addresses.contains(address)) {
        let wrong = FieldProblem::at(
            &["protect"],
            format!("`protect` names `{protected}`, which is not in the stack"),
        );
        let near = nearest(protected, addresses.iter().map(String::as_str));
        let wrong = match near {
            Some(near) => wrong.help(format!("did you mean \"{near}\"?")),
            None => wrong.help("write it as \"bucket.NAME\""),
        };
        let head = root.iter().find(|(key, _)| key.get_ref() == "stack");
        problems.extend(head.map(|(key, node)| wrong.placed(node, &key.span())));
    }
}

fn is_in(root: &DeTable<'_>, table: &str, key: &str) -> bool {
    let named = |name: &str, table: &DeTable<'_>| table.iter().any(|(k, _)| k.get_ref() == name);
    root.iter().any(|(k, node)| {
        k.get_ref() == table && matches!(node.get_ref(), DeValue::Table(entries) if named(key, entries))
    })
}

fn dangling(reference: &super::Reference, scope: &super::Scope) -> FieldProblem {
    let super::Reference { field, table, key } = reference;
    let bare = key.strip_prefix(table).and_then(|key| key.strip_prefix('.'));
    let help = match bare.filter(|key| scope.has(table, key)).or(nearest(key, scope.keys(table))) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => match scope.keys(table).collect::<Vec<_>>() {
            keys if keys.is_empty() => format!("the file has no {table}: add [{table}.{key}]"),
            keys => format!("the file has {table} {}", keys.join(", ")),
        },
    };
    FieldProblem::at(field, format!("no {table} \"{key}\"")).help(help)
}

impl<'a> Placed<'a> {
    fn split(self) -> ((Range<usize>, &'a Node<'a>), Declared) {
        ((self.head, self.node), self.declared)
    }
}

impl FieldProblem {
    /// Whether it is about a table of whose values one could not be read.
    fn is_about_unread(&self, node: &Node<'_>, problems: &[Problem]) -> bool {
        let mut here = node.get_ref();
        for step in &self.field {
            let Some(value) = here.as_table().and_then(|table| table.get(step.as_str())) else { break };
            here = value.get_ref();
        }
        let unread = |value: &Node<'_>| problems.iter().any(|problem| problem.span == value.span());
        here.as_table().is_some_and(|table| table.values().any(unread))
    }

    /// Finds the place of the field: as deep as the file goes along its path.
    fn placed(self, node: &Node<'_>, head: &Range<usize>) -> Problem {
        let mut span = head.clone();
        let mut here = node.get_ref();
        for step in &self.field {
            let DeValue::Table(table) = here else { break };
            let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == step.as_str()) else {
                break;
            };
            span = if matches!(value.get_ref(), DeValue::Table(_)) { key.span() } else { value.span() };
            here = value.get_ref();
        }
        Problem { span, message: self.message, help: self.help }
    }
}

/// Keys become parts of names in the cloud: lower-case letters, digits and hyphens.
fn name_problem(what: &str, name: &str, longest: usize) -> Option<FieldProblem> {
    (!is_name(name, longest)).then(|| {
        let rule = format!(
            "{what} is at most {longest} lower-case letters, digits and hyphens; it begins with a letter \
             and does not end with a hyphen"
        );
        FieldProblem::at(&["name"], format!("`{}` cannot be part of a name in the cloud", shortened(name)))
            .help(rule)
    })
}

/// The name of a stack, as an argument.
pub(crate) fn stack_name(name: &str) -> Result<String, String> {
    match is_name(name, LONGEST_NAME) && !name.is_empty() {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "at most {LONGEST_NAME} lower-case letters, digits and hyphens, beginning with a letter"
        )),
    }
}

/// Whether it can be part of a name in the cloud.
pub(super) fn is_name(name: &str, longest: usize) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.bytes().all(plain)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.len() <= longest
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.to_owned(),
    }
}
