//! A plan, for programs.

use serde::Serialize;
use serde_json::Value;

use super::cost;
use super::plan::{Summary, loses};
use crate::change::{Action, Change};
use crate::compare::FieldChange;
use crate::plan::{Growth, Plan};
use crate::resource::Address;

/// The version of the JSON format.
const FORMAT_VERSION: u32 = 1;

#[derive(Serialize)]
struct ChangeJson<'a> {
    address: &'a Address,
    action: Action,
    reason: &'a str,
    id: &'a str,
    fields: &'a [FieldChange],
    after: Vec<&'a Address>,
    implied_by: Option<&'a Address>,
    loses: Option<&'a str>,
}

/// The plan as data; unchanged resources are not in it.
pub(crate) fn plan_json(plan: &Plan) -> impl Serialize {
    let change = |(at, change): (usize, &'_ Change)| {
        let after = plan.graph.waits_for[at].iter().map(|&w| &plan.changes()[w].address);
        serde_json::json!(ChangeJson {
            address: &change.address,
            action: change.action,
            reason: &change.reason,
            id: change.id(),
            fields: &change.fields,
            after: after.collect(),
            implied_by: change.desired.as_ref().and_then(|want| want.implied_by.as_ref()),
            loses: loses(change),
        })
    };
    let changes: Vec<Value> = plan.changes().iter().enumerate().map(change).collect();
    let mut whole = serde_json::json!({
        "format_version": FORMAT_VERSION,
        "stack": plan.stack,
        "project": plan.project,
        "local": plan.local,
        "changes": changes,
        "undeclared_grants": plan.undeclared_grants,
        "preflight": plan.findings,
        "refused": plan.refused,
        "cost": plan.cost().as_ref().map(cost::change_json),
        "summary": Summary::of(plan),
    });
    if !plan.targets.is_empty() {
        whole["targets"] = plan.targets.clone().into();
        whole["left_out"] = plan.left_out.into();
    }
    if !plan.growths.is_empty() {
        let one =
            |Growth { run, from, to }: &Growth| serde_json::json!({ "run": run, "from": from, "to": to });
        whole["open_runs"] = plan.growths.iter().map(one).collect();
    }
    whole
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::plan::tests::plan;

    #[test]
    fn a_plan_is_data_too() {
        let value = serde_json::to_value(plan_json(&plan())).expect("JSON");
        assert_eq!(value["format_version"], 1);
        assert_eq!(value["summary"], json!({"create": 5, "update": 2, "replace": 0, "delete": 1}));
        assert_eq!(value["changes"][1]["fields"], json!([{"path": "max_nodes", "before": 10, "after": 12}]));
        assert_eq!(value["changes"][2]["after"], json!(["topic.items"]));
        assert_eq!(value["changes"][3]["loses"], "32 objects");
    }
}
