//! Cloud Monitoring v3, as far as somebody asks it how many messages wait in a subscription: one
//! metric, whose points are of the moment of asking. The real service samples every minute and shows a
//! sample up to four minutes later; a series that nobody has sampled yet is not there.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::error::ApiError;
use crate::rest::Answer;

/// The metric that is kept.
const UNDELIVERED: &str = "pubsub.googleapis.com/subscription/num_undelivered_messages";
/// The resource that it is of.
const SUBSCRIPTION: &str = "pubsub_subscription";

/// Tells the full names of all subscriptions, and how many messages wait in each.
pub(crate) type Backlogs = Arc<dyn Fn() -> Vec<(String, usize)> + Send + Sync>;

/// What measures subscriptions.
#[derive(Clone)]
pub(crate) struct Monitoring {
    clock: Clock,
    backlogs: Backlogs,
}

/// Which series are asked for.
#[derive(Debug, Default, PartialEq)]
struct Filter {
    metric: Option<String>,
    resource: Option<String>,
    project: Option<String>,
    /// Names without their project; none for all.
    subscriptions: Option<Vec<String>>,
}

impl Monitoring {
    pub(crate) fn new(clock: &Clock, backlogs: Backlogs) -> Self {
        Self { clock: clock.clone(), backlogs }
    }

    pub(crate) fn rest(self) -> Router {
        Router::new().route("/v3/projects/{project}/timeSeries", get(list)).with_state(self)
    }

    /// The series of a project that a filter lets through, at a moment.
    fn series(&self, project: &str, filter: &Filter, at: Timestamp) -> Vec<Value> {
        let prefix = format!("projects/{project}/subscriptions/");
        let named =
            |name: &str| filter.subscriptions.as_ref().is_none_or(|named| named.iter().any(|n| n == name));
        let of = |(name, count): (String, usize)| {
            let name = name.strip_prefix(&prefix).filter(|name| named(name))?;
            Some(json!({
                "metric": { "type": UNDELIVERED },
                "resource": {
                    "type": SUBSCRIPTION,
                    "labels": { "project_id": project, "subscription_id": name },
                },
                "metricKind": "GAUGE",
                "valueType": "INT64",
                "points": [{
                    "interval": { "startTime": at, "endTime": at },
                    "value": { "int64Value": count.to_string() },
                }],
            }))
        };
        (self.backlogs)().into_iter().filter_map(of).collect()
    }
}

async fn list(
    State(monitoring): State<Monitoring>,
    Path(project): Path<String>,
    Query(parameters): Query<HashMap<String, String>>,
) -> Answer<Value> {
    let known =
        ["filter", "interval.startTime", "interval.endTime", "pageSize", "view", "alt", "prettyPrint"];
    if let Some(other) =
        parameters.keys().find(|name| !known.contains(&name.as_str()) && !name.starts_with('$'))
    {
        return Err(ApiError::unsupported(other));
    }
    let time =
        |name: &str| parameters.get(name).map(|text| text.parse::<Timestamp>().map_err(|_| wrong(name)));
    let end = time("interval.endTime").ok_or_else(|| wrong("interval.endTime"))??;
    let start = time("interval.startTime").transpose()?.unwrap_or(end);
    if start > end {
        return Err(wrong("interval"));
    }
    let filter = Filter::parse(parameters.get("filter").map_or("", String::as_str))?;
    match filter.metric.as_deref() {
        None => return Err(wrong("filter")),
        Some(UNDELIVERED) => {}
        Some(other) => return Err(no_metric(other)),
    }
    // Nothing of the past is kept: who asks by another clock is told what there is.
    let at = monitoring.clock.now().min(end);
    let asks_for_these = filter.resource.as_deref().is_none_or(|of| of == SUBSCRIPTION)
        && filter.project.as_ref().is_none_or(|of| *of == project);
    match monitoring.series(&project, &filter, at) {
        series if asks_for_these && at >= start && !series.is_empty() => {
            Ok(Json(json!({ "timeSeries": series })))
        }
        _ => Ok(Json(json!({}))),
    }
}

fn wrong(field: &str) -> ApiError {
    ApiError::invalid_argument(format!("Field {field} had an invalid value."))
}

fn no_metric(name: &str) -> ApiError {
    ApiError::not_found(format!(
        "Cannot find metric(s) that match type = \"{name}\". If a metric was created recently, it could take up to 10 minutes to become available. Please try again soon."
    ))
}

impl Filter {
    /// Reads `key = "value" AND key = one_of("a", "b") …`; anything else is refused.
    fn parse(text: &str) -> Result<Self, ApiError> {
        let mut filter = Self::default();
        for part in text.split(" AND ").map(str::trim) {
            let (key, value) = part.split_once('=').ok_or_else(|| wrong("filter"))?;
            let values = values(value.trim()).ok_or_else(|| wrong("filter"))?;
            let one =
                || <[String; 1]>::try_from(values.clone()).map(|[one]| one).map_err(|_| wrong("filter"));
            match key.trim() {
                "metric.type" => filter.metric = Some(one()?),
                "resource.type" => filter.resource = Some(one()?),
                "resource.labels.project_id" | "resource.label.project_id" => filter.project = Some(one()?),
                "resource.labels.subscription_id" | "resource.label.subscription_id" => {
                    filter.subscriptions = Some(values);
                }
                other => return Err(ApiError::unsupported(other)),
            }
        }
        Ok(filter)
    }
}

/// `"a"`, or `one_of("a", "b")`.
fn values(text: &str) -> Option<Vec<String>> {
    let list = text.strip_prefix("one_of(").and_then(|list| list.strip_suffix(')')).unwrap_or(text);
    let one = |word: &str| {
        let inner = word.trim().strip_prefix('"')?.strip_suffix('"')?;
        (!inner.contains(['"', '\\'])).then(|| inner.to_owned())
    };
    list.split(',').map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_a_metric_and_subscriptions() {
        let text = format!(
            "metric.type = \"{UNDELIVERED}\" AND resource.type=\"{SUBSCRIPTION}\" AND resource.labels.subscription_id = one_of(\"a\", \"b\")"
        );
        let expected = Filter {
            metric: Some(UNDELIVERED.into()),
            resource: Some(SUBSCRIPTION.into()),
            project: None,
            subscriptions: Some(vec!["a".into(), "b".into()]),
        };
        assert_eq!(Filter::parse(&text).ok(), Some(expected));
        for wrong in
            ["", "metric.type", "metric.type = x", "metric.type = \"a\\\"", "metric.labels.x = \"a\""]
        {
            assert!(Filter::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn series_are_of_one_project() {
        let backlogs = || {
            vec![("projects/p/subscriptions/a".to_owned(), 3), ("projects/q/subscriptions/a".to_owned(), 4)]
        };
        let monitoring = Monitoring::new(&Clock::system(), Arc::new(backlogs));
        let at = Timestamp::UNIX_EPOCH;
        let series = monitoring.series("p", &Filter::default(), at);
        assert_eq!(series.len(), 1);
        assert_eq!(series[0]["points"][0]["value"], json!({ "int64Value": "3" }));
        let none = Filter { subscriptions: Some(vec!["b".into()]), ..Filter::default() };
        assert_eq!(monitoring.series("p", &none, at), Vec::<Value>::new());
    }
}
