//! Label and field selectors, as query parameters write them and as `LabelSelector` objects.

mod parser;

use serde_json::Value;

use super::kinds::Kind;
use super::object::{list, text};

/// One requirement on the value of a key.
#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Above,
    Below,
}

/// All of the requirements on an object's labels; none accepts everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Labels(Vec<Requirement>);

/// All of the requirements on an object's fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields(Vec<Requirement>);

impl Requirement {
    fn accepts(&self, value: Option<&str>) -> bool {
        let is_in = value.is_some_and(|value| self.values.iter().any(|wanted| wanted == value));
        match self.operator {
            Operator::In => is_in,
            Operator::NotIn => !is_in,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Above | Operator::Below => {
                let number = |text: &str| text.parse::<i64>().ok();
                let (have, limit) =
                    (value.and_then(number), self.values.first().and_then(|limit| number(limit)));
                let order = if self.operator == Operator::Above { i64::gt } else { i64::lt };
                have.zip(limit).is_some_and(|(have, limit)| order(&have, &limit))
            }
        }
    }
}

impl Labels {
    /// Reads a `labelSelector` parameter. The error is the server's.
    pub(crate) fn parse(selector: &str) -> Result<Self, String> {
        parser::labels(selector).map(Self)
    }

    /// Reads a `LabelSelector` object.
    pub(crate) fn of_object(selector: &Value) -> Self {
        let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
        let equal = labels.map(|(key, value)| Requirement {
            key: key.clone(),
            operator: Operator::In,
            values: vec![value.as_str().unwrap_or_default().to_owned()],
        });
        let more = list(selector, "/matchExpressions").iter().filter_map(expression);
        Self(equal.chain(more).collect())
    }

    /// Reads the expressions of a node selector term.
    pub(crate) fn of_expressions(expressions: &[Value]) -> Option<Self> {
        expressions.iter().map(expression).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn accepts(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        self.0.iter().all(|wanted| {
            wanted.accepts(labels.and_then(|labels| labels.get(&wanted.key)).and_then(Value::as_str))
        })
    }
}

impl Fields {
    /// Reads a `fieldSelector` parameter: fields are paths like `status.phase`, and each kind has a few. The error is
    /// the server's.
    pub(crate) fn parse(selector: &str, kind: &Kind) -> Result<Self, String> {
        let term = |term: &str| {
            let found = [("!=", Operator::NotIn), ("==", Operator::In), ("=", Operator::In)]
                .into_iter()
                .find_map(|(sign, operator)| term.split_once(sign).map(|parts| (parts, operator)));
            let Some(((key, value), operator)) = found else {
                return Err(format!("invalid selector: '{selector}'; can't understand '{term}'"));
            };
            if !fields_of(kind).contains(&key) {
                return Err(unknown_field(kind, key));
            }
            Ok(Requirement { key: key.into(), operator, values: vec![value.into()] })
        };
        selector.split(',').filter(|term| !term.is_empty()).map(term).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn accepts(&self, object: &Value) -> bool {
        // A field that is not set reads as empty.
        self.0.iter().all(|wanted| {
            let pointer = match wanted.key.as_str() {
                "status.successful" => "/status/succeeded".into(),
                "source" => "/source/component".into(),
                key => format!("/{}", key.replace('.', "/")),
            };
            let shown = match object.pointer(&pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
                _ if wanted.key == "status.successful" => "0".into(),
                _ if matches!(wanted.key.as_str(), "spec.unschedulable" | "spec.hostNetwork") => {
                    "false".into()
                }
                _ => String::new(),
            };
            wanted.accepts(Some(&shown))
        })
    }
}

/// The fields of a kind that a selector may name.
fn fields_of(kind: &Kind) -> &'static [&'static str] {
    match kind.kind {
        "Pod" => &[
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        "Node" => &["metadata.name", "spec.unschedulable"],
        "Namespace" => &["metadata.name", "status.phase"],
        "Secret" => &["metadata.name", "metadata.namespace", "type"],
        "Service" => &["metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type"],
        "Job" => &["metadata.name", "metadata.namespace", "status.successful"],
        "Event" => &[
            "metadata.name",
            "metadata.namespace",
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => &["metadata.name", "metadata.namespace"],
    }
}

fn unknown_field(kind: &Kind, key: &str) -> String {
    match kind.kind {
        "Pod" | "Node" | "Namespace" | "Secret" | "Service" | "Event" => {
            format!("field label not supported: {key}")
        }
        "Job" => format!("field label {key:?} not supported for Job"),
        _ => format!("{key:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
    }
}

fn expression(expression: &Value) -> Option<Requirement> {
    let operator = match text(expression, "/operator") {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        _ => return None,
    };
    let values = list(expression, "/values").iter().filter_map(Value::as_str).map(str::to_owned);
    Some(Requirement { key: text(expression, "/key").into(), operator, values: values.collect() })
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_choose_by_equality_sets_and_presence() {
        let pod = json!({"metadata": {"name": "a", "labels": {"app": "x", "tier": "db"}}, "status": {"phase": "Running"}});
        for (selector, wanted) in [
            ("", true),
            ("app=x", true),
            ("app==x,tier!=web", true),
            ("app in (x, y),tier", true),
            ("app notin (x)", false),
            ("!app", false),
            ("!gone", true),
            ("gone!=x", true),
        ] {
            assert_eq!(Labels::parse(selector).expect(selector).accepts(&pod), wanted, "{selector}");
        }
        for (selector, wanted) in
            [("metadata.name=a", true), ("status.phase!=Running", false), ("spec.nodeName=", true)]
        {
            assert_eq!(
                Fields::parse(selector, &kinds::POD).expect(selector).accepts(&pod),
                wanted,
                "{selector}"
            );
        }
        for wrong in ["a b", "in (x", "(", "=x", "UP/x=1"] {
            assert!(Labels::parse(wrong).is_err(), "{wrong}");
        }
    }
}
