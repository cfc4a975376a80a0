//! Label and field selectors, as query parameters write them and as `LabelSelector` objects.

use serde_json::Value;

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
        }
    }

    fn parse(term: &str) -> Option<Self> {
        let new = |key: &str, operator, values: Vec<String>| {
            let key = key.trim();
            let clean = !key.is_empty() && !key.contains(|c: char| c.is_whitespace() || "(),=!".contains(c));
            clean.then(|| Self { key: key.into(), operator, values })
        };
        let one = |value: &str| vec![value.trim().to_owned()];
        if let Some((key, value)) = term.split_once("!=") {
            return new(key, Operator::NotIn, one(value));
        }
        if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            return new(key, Operator::In, one(value));
        }
        if let Some(key) = term.trim().strip_prefix('!') {
            return new(key, Operator::DoesNotExist, vec![]);
        }
        if let Some((head, values)) = term.trim().strip_suffix(')').and_then(|term| term.split_once('(')) {
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            return match head.trim().rsplit_once(char::is_whitespace)? {
                (key, "in") => new(key, Operator::In, values),
                (key, "notin") => new(key, Operator::NotIn, values),
                _ => None,
            };
        }
        new(term, Operator::Exists, vec![])
    }
}

impl Labels {
    /// Reads a `labelSelector` parameter.
    pub(crate) fn parse(selector: &str) -> Option<Self> {
        terms(selector).into_iter().map(Requirement::parse).collect::<Option<_>>().map(Self)
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
    /// Reads a `fieldSelector` parameter: fields are paths like `status.phase`.
    pub(crate) fn parse(selector: &str) -> Option<Self> {
        let requirements = terms(selector).into_iter().map(Requirement::parse).collect::<Option<Vec<_>>>()?;
        let known = |one: &Requirement| {
            matches!(one.operator, Operator::In | Operator::NotIn) && one.values.len() == 1
        };
        requirements.iter().all(known).then_some(Self(requirements))
    }

    pub(crate) fn accepts(&self, object: &Value) -> bool {
        // A field that is not set reads as empty.
        self.0.iter().all(|wanted| {
            let pointer = format!("/{}", wanted.key.replace('.', "/"));
            let value = object.pointer(&pointer);
            let shown = value.and_then(Value::as_bool).map(|value| value.to_string());
            wanted.accepts(Some(shown.as_deref().unwrap_or_else(|| text(object, &pointer))))
        })
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

/// Splits at commas that are not inside brackets.
fn terms(selector: &str) -> Vec<&str> {
    let mut depth = 0;
    let split = selector.split(move |c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    split.filter(|term| !term.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
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
            assert_eq!(Fields::parse(selector).expect(selector).accepts(&pod), wanted, "{selector}");
        }
        for wrong in ["a b", "in (x)", "(", "=x"] {
            assert_eq!(Labels::parse(wrong), None, "{wrong}");
        }
    }
}
