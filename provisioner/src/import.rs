//! A stack file of what is in a project already. Changes nothing: what it writes is for people to read,
//! and for `apply --adopt` to take over.
//!
//! What comes out is held to the same rules as any stack file: a table that breaks one is left out, and
//! said.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use futures::future::try_join_all;

use crate::change::{Action, Change};
use crate::cloud::{Cloud, PolicyOf};
use crate::kinds::{self, IMPORTED, Sighting};
use crate::options::Options;
use crate::plan;
use crate::resource::Owner;
use crate::stack::Stack;

mod asked;
mod draft;
mod keys;
mod place;
mod text;

pub(crate) use asked::Wanted;
use draft::Draft;
use place::Place;

/// What is to be imported.
pub(crate) struct Order {
    /// The name of the stack.
    pub stack: String,
    /// The region of `[stack]`, if somebody says it.
    pub region: Option<String>,
    /// What is meant; all that no stack owns if there is nothing.
    pub wanted: Vec<Wanted>,
    /// Whether the file says which project it is for.
    pub names_project: bool,
}

/// What came of it.
pub(crate) struct Imported {
    /// The stack file.
    pub text: String,
    /// Tables in it.
    pub tables: usize,
    /// What the file does not say, and what adoption would change, for people.
    pub notes: Vec<String>,
    /// What was asked for by name and is not in the file.
    pub left_out: Vec<String>,
}

/// Writes the stack file.
pub(crate) async fn of(cloud: &Cloud, order: &Order) -> Result<Imported> {
    let tables: BTreeSet<&str> = match order.wanted.is_empty() {
        true => IMPORTED.into_iter().collect(),
        false => order.wanted.iter().map(|wanted| wanted.table).collect(),
    };
    let looks = IMPORTED.into_iter().filter(|table| tables.contains(table));
    let seen = try_join_all(looks.map(|table| kinds::sightings(cloud, table))).await?;
    let all: Vec<Sighting> = seen.into_iter().flatten().collect();
    if all.iter().any(|seen| seen.owner == Owner::Ours) {
        bail!(
            "the project {} has a stack called {} already: give --stack another name",
            cloud.project.id,
            order.stack
        );
    }
    let mut draft = Draft::new(order, &cloud.project.id);
    let meant = chosen(all, &order.wanted, &mut draft)?;
    let place = Place::of(&meant, order.region.as_deref());
    draft.fill(meant, place);
    for (on, of) in draft.policies() {
        let granted = kinds::grants(cloud, &of).await?;
        draft.grant(&on, granted);
    }
    let (text, tables) = draft.settled();
    let (mut notes, left_out) = draft.told();
    notes.extend(beside_marks(cloud, &text).await);
    Ok(Imported { text, tables, notes, left_out })
}

/// What of all that was seen is meant. What was named must be there, and must be nobody's.
fn chosen(all: Vec<Sighting>, wanted: &[Wanted], draft: &mut Draft<'_>) -> Result<Vec<Sighting>> {
    let absent = |one: &&Wanted| one.is_exact() && !all.iter().any(|seen| one.means(seen));
    let missing: Vec<String> = wanted.iter().filter(absent).map(|one| one.missing(&all)).collect();
    if !missing.is_empty() {
        bail!(missing.join("\n"));
    }
    let mut owned: BTreeSet<String> = BTreeSet::new();
    let mut meant = Vec::new();
    for seen in all {
        let by: Vec<&Wanted> = wanted.iter().filter(|one| one.means(&seen)).collect();
        if by.is_empty() && !wanted.is_empty() {
            continue;
        }
        let is_named = by.iter().any(|one| one.is_exact());
        match (&seen.owner, &seen.impossible) {
            (Owner::Stack(other), _) if is_named => {
                draft.leave_out(true, &seen, &format!("it belongs to the stack {other}"));
            }
            (Owner::Stack(other), _) => drop(owned.insert(other.clone())),
            (_, Some(why)) => draft.leave_out(is_named, &seen, why),
            _ => {
                draft.named.extend(is_named.then(|| seen.id.clone()));
                meant.push(seen);
            }
        }
    }
    if !owned.is_empty() {
        let named: Vec<String> = owned.into_iter().collect();
        draft.notes.push(format!("what belongs to a stack already is left out: {}", named.join(", ")));
    }
    Ok(meant)
}

/// What taking it all over would change beside the marks, told by a plan of it.
async fn beside_marks(cloud: &Cloud, text: &str) -> Vec<String> {
    let stack = match Stack::parse(Path::new("stack.toml"), text) {
        Ok(stack) => stack,
        Err(invalid) => return vec![format!("internal error: the file is not valid:\n{invalid}")],
    };
    let asked = Options { adopt: vec!["*".to_owned()], ..Options::default() };
    match plan::of(&stack, cloud, &asked).await {
        Ok(plan) => plan.changes().iter().filter_map(more_than_marks).collect(),
        Err(error) => vec![format!("what taking it over would change is not known: {error:#}")],
    }
}

fn more_than_marks(change: &Change) -> Option<String> {
    let Change { address, action, .. } = change;
    let fields: Vec<&str> = change.fields.iter().map(|field| field.path.as_str()).collect();
    match action {
        Action::Update if fields == ["labels"] => None,
        Action::Create => Some(format!("{address}: it is not there, and would be made ({})", change.reason)),
        _ => {
            let fields: Vec<&str> = fields.into_iter().filter(|field| *field != "labels").collect();
            Some(format!("{address}: taking it over would change {} as well", fields.join(", ")))
        }
    }
}

/// The policies that tell who may do what on a stack's own things.
fn policy_of(table: &str, id: &str) -> Option<PolicyOf> {
    match table {
        "topic" | "subscription" => Some(PolicyOf::Pubsub(id.to_owned())),
        "bucket" => Some(PolicyOf::Bucket(id.to_owned())),
        "service_account" => Some(PolicyOf::ServiceAccount(id.to_owned())),
        _ => None,
    }
}
