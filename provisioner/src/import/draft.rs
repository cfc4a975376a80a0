//! The tables of a file that is being made: their keys, who refers to whom, and what had to be left
//! out. Knows nothing of clouds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Order;
use super::keys::Keys;
use super::place::Place;
use super::text::{self, Table};
use crate::cloud::PolicyOf;
use crate::kinds::{Granted, IMPORTED, Sighting};
use crate::stack::Stack;

/// A file in the making.
pub(super) struct Draft<'a> {
    order: &'a Order,
    project: &'a str,
    keys: Keys<'a>,
    place: Option<Place>,
    tables: Vec<Entry>,
    /// What was asked for by name, by the cloud's names.
    pub named: BTreeSet<String>,
    /// For people.
    pub notes: Vec<String>,
    left_out: Vec<String>,
}

/// One table, and what it stands for.
struct Entry {
    table: Table,
    /// What the cloud calls it, in full.
    id: String,
    /// The tables that it names.
    needs: Vec<(&'static str, String)>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(order: &'a Order, project: &'a str) -> Self {
        let keys = Keys { stack: &order.stack, project, taken: BTreeSet::new() };
        let (tables, notes, left_out) = (Vec::new(), Vec::new(), Vec::new());
        Self { order, project, keys, place: None, tables, named: BTreeSet::new(), notes, left_out }
    }

    /// Says that something is not in the file, and why.
    pub(super) fn leave_out(&mut self, is_named: bool, seen: &Sighting, why: &str) {
        let told = format!("{}/{} is left out: {why}", seen.table, seen.name);
        if is_named { self.left_out.push(told) } else { self.notes.push(told) }
    }

    /// Makes tables of what was seen, in the order of kinds: what others refer to comes first.
    pub(super) fn fill(&mut self, mut meant: Vec<Sighting>, place: Place) {
        if place.is_guessed {
            self.notes.push(format!(
                "nothing of it is in a region: `region` is {}; --region names another",
                place.region
            ));
        }
        let clusters = place.of_clusters().to_owned();
        self.place = Some(place);
        let rank = |seen: &Sighting| IMPORTED.into_iter().position(|table| table == seen.table);
        meant.sort_by(|a, b| (rank(a), &a.name).cmp(&(rank(b), &b.name)));
        for seen in meant {
            let is_named = self.named.contains(&seen.id);
            match &seen.place {
                Some(place) if seen.table == "cluster" && *place != clusters => {
                    let why =
                        format!("it is in {place}, and the clusters of a file are in one place, {clusters}");
                    self.leave_out(is_named, &seen, &why);
                }
                _ => self.add(&seen, is_named),
            }
        }
    }

    fn add(&mut self, seen: &Sighting, is_named: bool) {
        let mut fields = seen.fields.clone();
        let mut needs = Vec::new();
        for refers in &seen.refers {
            let Some(key) = self.key_of(refers.table, &refers.id) else {
                let why = format!("it refers to {}, which is in another project", refers.id);
                return self.leave_out(is_named, seen, &why);
            };
            put(&mut fields, refers.field, &key);
            needs.push((refers.table, key));
        }
        let region = self.place.as_ref().map(|place| place.region.as_str());
        if fields.get("location").and_then(Value::as_str) == region {
            fields.remove("location");
        }
        let key = self.keys.make(seen.table, &seen.name);
        let address = format!("{}.{key}", seen.table);
        self.notes.extend(seen.only_referred.iter().map(|why| format!("{address}: {why}")));
        if seen.only_referred.is_none() {
            self.notes.extend(seen.unsaid.iter().map(|unsaid| format!("{address}: {unsaid}")));
        }
        let existing = seen.only_referred.is_some();
        self.push(seen.table, key, &seen.name, seen.id.clone(), fields, existing);
        if let Some(entry) = self.tables.last_mut() {
            entry.needs = needs;
        }
    }

    fn push(
        &mut self,
        table: &'static str,
        key: String,
        name: &str,
        id: String,
        fields: Map<String, Value>,
        existing: bool,
    ) {
        let mut all = Map::new();
        if self.keys.derived(table, &key) != name {
            all.insert("name".to_owned(), name.into());
        }
        if existing {
            all.insert("existing".to_owned(), true.into());
        }
        all.extend(fields);
        let table = Table { kind: table, key, fields: all };
        self.tables.push(Entry { table, id, needs: Vec::new() });
    }

    /// The key of what the cloud calls so. A topic of the project that was not asked for is referred to.
    fn key_of(&mut self, table: &'static str, id: &str) -> Option<String> {
        if let Some(entry) = self.tables.iter().find(|entry| entry.table.kind == table && entry.id == id) {
            return Some(entry.table.key.clone());
        }
        let name = id.strip_prefix(&format!("projects/{}/topics/", self.project))?.to_owned();
        let key = self.keys.make(table, &name);
        self.notes.push(format!("{table}.{key}: it was not asked for, and is only referred to"));
        self.push(table, key.clone(), &name, id.to_owned(), Map::new(), true);
        Some(key)
    }

    /// The things that a grant may be on, as grants name them, with their policies.
    pub(super) fn policies(&self) -> Vec<(String, PolicyOf)> {
        let own = self.tables.iter().filter(|entry| !entry.is_existing());
        let each = own.filter_map(|entry| {
            let of = super::policy_of(entry.table.kind, &entry.id)?;
            Some((entry.table.address(), of))
        });
        let accounts = self.tables.iter().any(|entry| entry.table.kind == "service_account");
        let project = accounts.then(|| ("project".to_owned(), PolicyOf::Project));
        each.chain(project).collect()
    }

    /// Makes tables of the grants on a thing: on the project, of those of the file's accounts.
    pub(super) fn grant(&mut self, on: &str, granted: Vec<Granted>) {
        let accounts: BTreeMap<String, String> = self
            .tables
            .iter()
            .filter(|entry| entry.table.kind == "service_account")
            .map(|entry| (format!("serviceAccount:{}", entry.id), entry.table.key.clone()))
            .collect();
        for Granted { role, member, impossible } in granted {
            let account = accounts.get(&member);
            if on == "project" && account.is_none() || self.is_implied(on, &role, &member) {
                continue;
            }
            if let Some(why) = impossible {
                self.notes.push(format!("{on}: {role} of {member} is left out: {why}"));
                continue;
            }
            let who = account.map_or(member.as_str(), String::as_str);
            let short = role.rsplit(['.', '/']).next().unwrap_or(&role);
            let who_short = who.rsplit(':').next().and_then(|who| who.split('@').next()).unwrap_or(who);
            let key = self.keys.make("grant", &format!("{who_short}-{short}"));
            let member = account.map_or(member.clone(), |key| format!("service_account.{key}"));
            let fields = json!({ "member": member, "role": role, "on": on });
            let Value::Object(fields) = fields else { continue };
            let needs = account.map(|key| ("service_account", key.clone())).into_iter();
            let on = on.split_once('.').and_then(|(table, key)| {
                let entry = self.tables.iter().find(|entry| entry.table.is(table, key))?;
                Some((entry.table.kind, key.to_owned()))
            });
            let needs = needs.chain(on).collect();
            let table = Table { kind: "grant", key, fields };
            self.tables.push(Entry { table, id: String::new(), needs });
        }
    }

    /// Whether a table of the file implies the grant: those of Pub/Sub's agent for dead letters.
    fn is_implied(&self, on: &str, role: &str, member: &str) -> bool {
        let is_agent = member.ends_with("@gcp-sa-pubsub.iam.gserviceaccount.com");
        is_agent
            && self.tables.iter().filter_map(|entry| Some((entry, entry.dead_letters()?))).any(
                |(entry, topic)| {
                    role == "roles/pubsub.publisher" && on == format!("topic.{topic}")
                        || role == "roles/pubsub.subscriber" && on == entry.table.address()
                },
            )
    }

    /// The text, without what breaks a rule of stack files, and how many tables it has.
    pub(super) fn settled(&mut self) -> (String, usize) {
        loop {
            let (text, ranges) = self.text();
            let Err(invalid) = Stack::parse(Path::new("stack.toml"), &text) else {
                return (text, self.tables.len());
            };
            let wrong = invalid.problems().find_map(|problem| {
                let at = ranges.iter().position(|range| range.contains(&problem.span.start))?;
                Some((at, problem.message.clone()))
            });
            // What is wrong beside the tables is not theirs: whoever reads the file is told.
            let Some((at, why)) = wrong else { return (text, self.tables.len()) };
            self.drop(at, &why);
        }
    }

    /// Leaves a table out, and all that name it.
    fn drop(&mut self, at: usize, why: &str) {
        let Entry { table, id, .. } = self.tables.remove(at);
        let told = format!("{} is left out: {why}", table.address());
        match self.named.contains(&id) {
            true => self.left_out.push(told),
            false => self.notes.push(told),
        }
        while let Some(at) = self.tables.iter().position(|entry| entry.names(table.kind, &table.key)) {
            self.drop(at, &format!("it needs {}", table.address()));
        }
    }

    fn text(&self) -> (String, Vec<std::ops::Range<usize>>) {
        let mut header = Map::new();
        header.insert("name".to_owned(), self.order.stack.as_str().into());
        if self.order.names_project {
            header.insert("project".to_owned(), self.project.into());
        }
        if let Some(place) = &self.place {
            header.insert("region".to_owned(), place.region.as_str().into());
            header.extend(place.zone.as_ref().map(|zone| ("zone".to_owned(), zone.as_str().into())));
        }
        text::file(self.project, &header, self.tables.iter().map(|entry| &entry.table))
    }

    /// What there is to say: beside, and of what was asked for by name.
    pub(super) fn told(&mut self) -> (Vec<String>, Vec<String>) {
        (std::mem::take(&mut self.notes), std::mem::take(&mut self.left_out))
    }
}

impl Entry {
    fn is_existing(&self) -> bool {
        self.table.fields.contains_key("existing")
    }

    /// The key of the topic that its dead letters go to.
    fn dead_letters(&self) -> Option<&str> {
        self.table.fields.get("dead_letter")?.get("topic")?.as_str()
    }

    fn names(&self, table: &str, key: &str) -> bool {
        self.needs.iter().any(|(of, named)| *of == table && named == key)
    }
}

/// Puts a key's value at a path.
fn put(fields: &mut Map<String, Value>, path: &[&str], key: &str) {
    match path {
        [] => {}
        [last] => drop(fields.insert((*last).to_owned(), key.into())),
        [first, rest @ ..] => {
            if let Value::Object(inner) = fields.entry(*first).or_insert_with(|| json!({})) {
                put(inner, rest, key);
            }
        }
    }
}
