//! A plan, for people. Pure: text out, nothing printed.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::fields::push_field;
use super::findings::push_findings;
use super::folded::{FOLDED, folder, same_folder};
use super::{Style, cost, counted, plain};
use crate::cause::UNKNOWN;
use crate::change::{Action, Change};
use crate::kinds::{self, AnyKind};
use crate::plan::{Growth, Plan};

/// Column that the remarks begin in.
const REMARKS: usize = 44;

/// How many changes there are of each kind.
#[derive(Serialize)]
pub(super) struct Summary {
    create: usize,
    update: usize,
    replace: usize,
    delete: usize,
    /// Resources that are let go: adopted, or only used.
    #[serde(skip_serializing_if = "is_zero")]
    release: usize,
    /// Resources whose marks name the stack anew.
    #[serde(skip_serializing_if = "is_zero")]
    rename: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Summary {
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            create: plan.count(Action::Create),
            update: plan.count(Action::Update),
            replace: plan.count(Action::Replace),
            delete: plan.count(Action::Delete),
            release: plan.count(Action::Release),
            rename: plan.count(Action::Rename),
        }
    }
}

pub(super) fn loses(change: &Change) -> Option<&str> {
    change.live.as_ref().filter(|_| change.is_destructive())?.holds.as_deref()
}

/// The plan as text.
pub(crate) fn plan_text(plan: &Plan, style: Style) -> String {
    let place = if plan.local { " (local cloud)" } else { "" };
    let mut text = format!("stack {}, project {}{place}\n", plan.stack, plan.project);
    if plan.is_empty() {
        let _ = writeln!(text, "no changes{}", no_changes(plan));
        push_more(&mut text, plan);
        push_undeclared_grants(&mut text, plan, style);
        push_findings(&mut text, &plan.findings, style);
        return text;
    }
    text.push('\n');
    let changes = plan.changes();
    let mut at = 0;
    while at < changes.len() {
        let folded = folder(&changes[at].address).map_or(1, |folder| same_folder(&changes[at..], &folder));
        if folded > FOLDED {
            let line = format!("{} ({folded} files)", folder(&changes[at].address).unwrap_or_default());
            push_line(&mut text, changes[at].action, &line, &remark(plan, at), style);
            at += folded;
        } else {
            push_change(&mut text, plan, at, style);
            at += 1;
        }
    }
    push_undeclared_grants(&mut text, plan, style);
    push_findings(&mut text, &plan.findings, style);
    push_refused(&mut text, plan, style);
    let _ = writeln!(text, "\n{}", Summary::of(plan));
    push_more(&mut text, plan);
    if let Some(cost) = plan.cost().as_ref().and_then(cost::change) {
        let _ = writeln!(text, "{cost}");
    }
    text
}

/// What it means that there are no changes.
pub(super) fn no_changes(plan: &Plan) -> &'static str {
    match () {
        () if plan.left_out > 0 => " of what was asked for",
        () if plan.finds_nothing() => ": nothing of the stack is there",
        () if !plan.kept.is_empty() => ": what is left stays, as is said below",
        () if !plan.unseen.is_empty() || plan.readiness().is_err() => " in what can be seen",
        () => ": the cloud is as the file says",
    }
}

/// What apply would not do.
fn push_refused(text: &mut String, plan: &Plan, style: Style) {
    if plan.refused.is_empty() {
        return;
    }
    text.push_str("\n  refused without leave:\n");
    for refused in &plan.refused {
        let _ = writeln!(text, "    {}", style.red(plain(refused)));
    }
}

/// What `--target` leaves out, in one line.
pub(super) fn left_out(plan: &Plan) -> Option<String> {
    (plan.left_out > 0).then(|| format!("{} left out by --target", counted(plan.left_out as u64, "change")))
}

/// What becomes of open runs, a line each.
pub(super) fn growths(plan: &Plan) -> impl Iterator<Item = String> {
    let one = |Growth { run, from, to }: &Growth| {
        format!("run {run} is open: it gets {to} workers instead of {from}")
    };
    plan.growths.iter().map(one)
}

fn push_more(text: &mut String, plan: &Plan) {
    for line in left_out(plan).into_iter().chain(growths(plan)) {
        let _ = writeln!(text, "{line}");
    }
}

/// Grants to others, which stay.
fn push_undeclared_grants(text: &mut String, plan: &Plan, style: Style) {
    if plan.undeclared_grants.is_empty() {
        return;
    }
    text.push_str("\n  granted outside of the file, and kept (--prune-grants takes them back):\n");
    for grant in &plan.undeclared_grants {
        let _ = writeln!(text, "    {}", style.dim(plain(grant)));
    }
}

/// What of a plan is not what was confirmed; empty if all of it is.
pub(crate) fn moved_text(confirmed: &Plan, now: &Plan, style: Style) -> String {
    let mut text = String::new();
    let same = |a: &Change, b: &Change| {
        a.action == b.action && a.fields == b.fields && a.seen == b.seen && a.desired == b.desired
    };
    for (at, change) in now.changes().iter().enumerate() {
        let before = confirmed.changes().iter().find(|before| before.address == change.address);
        if !before.is_some_and(|before| same(before, change)) {
            push_change(&mut text, now, at, style);
        }
    }
    let is_left = |gone: &&Change| !now.changes().iter().any(|change| change.address == gone.address);
    for gone in confirmed.changes().iter().filter(is_left) {
        let _ = writeln!(text, "    {}: nothing is to be done any more", gone.address);
    }
    text
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { create, update, replace, delete, release, rename } = self;
        write!(f, "{create} to create, {update} to update, {replace} to replace, {delete} to delete")?;
        if *release > 0 {
            write!(f, ", {release} to let go")?;
        }
        if *rename > 0 { write!(f, ", {rename} to rename") } else { Ok(()) }
    }
}

fn push_change(text: &mut String, plan: &Plan, at: usize, style: Style) {
    let change = &plan.changes()[at];
    push_line(text, change.action, &change.address.to_string(), &remark(plan, at), style);
    for field in &change.fields {
        push_field(text, field, style);
    }
}

fn push_line(text: &mut String, action: Action, what: &str, remark: &str, style: Style) {
    let sign = match action {
        Action::Create => style.green(action.sign()),
        Action::Update | Action::Release | Action::Rename => style.yellow(action.sign()),
        Action::Replace | Action::Delete => style.red(action.sign()),
    };
    let line = format!("  {sign} {:<REMARKS$} {}", plain(what), style.dim(plain(remark)));
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Why, after what, how long, with what.
pub(super) fn remark(plan: &Plan, at: usize) -> String {
    let change = &plan.changes()[at];
    let mut remarks = Vec::new();
    match (change.action, change.desired.as_ref().and_then(|want| want.implied_by.as_ref())) {
        (Action::Create, Some(by)) => remarks.push(format!("implied by {by}")),
        (Action::Create, None) if change.reason != "in the file" => remarks.push(change.reason.clone()),
        (Action::Create, None) => {}
        (Action::Update, _) if change.reason == UNKNOWN => remarks.push("in place".to_owned()),
        (Action::Update, _) => remarks.push(format!("in place, {}", change.reason)),
        (Action::Replace | Action::Delete | Action::Release | Action::Rename, _) => {
            remarks.push(change.reason.clone());
        }
    }
    if let Some(after) = plan.after(at) {
        remarks.push(format!("after {after}"));
    }
    if matches!(change.action, Action::Create | Action::Replace) {
        remarks.extend(kinds::named(change.address.kind).and_then(AnyKind::takes).map(str::to_owned));
    }
    remarks.extend(loses(change).map(|holds| format!("with {holds}")));
    remarks.join(", ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::compare::FieldChange;
    use crate::graph::Graph;
    use crate::resource::{Desired, Live};
    use serde_json::json;

    /// A change of a resource that is what its kind and key say.
    pub(in crate::report) fn change(
        kind: &'static str,
        key: &str,
        action: Action,
        fields: Vec<FieldChange>,
    ) -> Change {
        let id = format!("projects/p/{key}");
        let desired = Desired { id: id.clone(), ..Desired::for_test(kind, key, json!({})) };
        let holds = (kind == "bucket").then(|| "32 objects".to_owned());
        let live = Live { id, holds, ..Live::for_test(kind, key, json!({})) };
        let reason = match action {
            Action::Create => "in the file",
            Action::Update => "changed in the file",
            _ => "not in the file any more",
        };
        Change { reason: reason.into(), fields, ..Change::for_test(action, desired, live) }
    }

    /// A plan with a change of every sort.
    pub(in crate::report) fn plan() -> Plan {
        let resize = FieldChange { path: "max_nodes".into(), before: json!(10), after: json!(12) };
        let sql = FieldChange {
            path: "config.etl.sql".into(),
            before: json!("select a\nfrom input\n"),
            after: json!("select b\nfrom input\n"),
        };
        let mut changes = vec![
            change("topic", "items", Action::Create, vec![]),
            change("node_pool", "main/workers", Action::Update, vec![resize]),
            change("job", "fx", Action::Update, vec![sql]),
            change("bucket", "data", Action::Delete, vec![]),
        ];
        changes.extend(
            ["a", "b", "c", "d"].map(|f| change("bucket_file", &format!("in/x/{f}"), Action::Create, vec![])),
        );
        Plan::for_test(
            "fx",
            Graph {
                waits_for: vec![vec![], vec![], vec![0], vec![], vec![], vec![], vec![], vec![]],
                changes,
            },
        )
    }

    #[test]
    fn a_plan_reads_without_colour() {
        insta::assert_snapshot!(plan_text(&plan(), Style::plain()), @r"
        stack fx, project p (local cloud)

          + topic.items
          ~ node_pool.main/workers                       in place, changed in the file
              max_nodes: 10 → 12
          ~ job.fx                                       in place, changed in the file, after topic.items
              config.etl.sql:
                - select a
                + select b
                  from input
          - bucket.data                                  not in the file any more, with 32 objects
          + bucket_file.in/x/ (4 files)

        5 to create, 2 to update, 0 to replace, 1 to delete
        ");
    }

    #[test]
    fn what_moved_while_the_question_was_open_is_shown() {
        let of = |changes: Vec<Change>| {
            Plan::for_test("fx", Graph { waits_for: vec![Vec::new(); changes.len()], changes })
        };
        let resize = |most: u32| {
            let field = FieldChange { path: "max_nodes".into(), before: json!(10), after: json!(most) };
            change("node_pool", "main/workers", Action::Update, vec![field])
        };
        let confirmed = of(vec![change("topic", "items", Action::Create, vec![]), resize(12)]);
        assert_eq!(moved_text(&confirmed, &confirmed, Style::plain()), "");
        let now = of(vec![resize(13), change("bucket", "data", Action::Delete, vec![])]);
        insta::assert_snapshot!(moved_text(&confirmed, &now, Style::plain()), @r"
          ~ node_pool.main/workers                       in place, changed in the file
              max_nodes: 10 → 13
          - bucket.data                                  not in the file any more, with 32 objects
            topic.items: nothing is to be done any more
        ");
    }
}
