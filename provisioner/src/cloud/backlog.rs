//! How many messages wait in subscriptions, as Cloud Monitoring counts them: nothing else tells without
//! taking messages. A count is some minutes old, and that there is none does not mean that none wait.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::Cloud;
use super::web::{Answer, answer};

/// Google's own.
const ENDPOINT: &str = "https://monitoring.googleapis.com";
const METRIC: &str = "pubsub.googleapis.com/subscription/num_undelivered_messages";
/// Older counts say nothing of now: it is counted every minute, and shown four minutes later.
const OLDEST: SignedDuration = SignedDuration::from_mins(10);
/// Subscriptions asked for at a time: a filter may not be long.
const AT_ONCE: usize = 50;
/// Longest that one try is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tries, and the pause between two.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// How many messages waited, and when they were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// Messages that nobody acknowledged.
    pub messages: u64,
    /// When.
    pub at: Timestamp,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    time_series: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    resource: Labelled,
    /// The newest first.
    points: Vec<Point>,
}

#[derive(Deserialize)]
struct Labelled {
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Point {
    interval: Interval,
    value: Number,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Interval {
    end_time: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Number {
    int64_value: String,
}

impl Cloud {
    /// The newest count of each of these subscriptions, by full name, where there is one.
    pub(crate) async fn backlogs(&self, subscriptions: &[&str]) -> Result<BTreeMap<String, Count>> {
        let mut counts = BTreeMap::new();
        for some in subscriptions.chunks(AT_ONCE) {
            let page = self.time_series(some).await.context("cannot ask Cloud Monitoring")?;
            counts.extend(page.time_series.iter().filter_map(|series| self.newest(series)));
        }
        Ok(counts)
    }

    fn newest(&self, series: &Series) -> Option<(String, Count)> {
        let name = series.resource.labels.get("subscription_id")?;
        let point = series.points.first()?;
        let messages = point.value.int64_value.parse().ok()?;
        let name = format!("{}/subscriptions/{name}", self.project.path());
        Some((name, Count { messages, at: point.interval.end_time }))
    }

    async fn time_series(&self, subscriptions: &[&str]) -> Result<Page> {
        let names = subscriptions.iter().map(|name| format!("{:?}", name.rsplit('/').next().unwrap_or(name)));
        let filter = format!(
            "metric.type = \"{METRIC}\" AND resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = one_of({})",
            names.collect::<Vec<_>>().join(", ")
        );
        let endpoint = self.target.endpoint.as_deref().unwrap_or(ENDPOINT);
        let now = Timestamp::now();
        let start = now.checked_sub(OLDEST).unwrap_or(now).to_string();
        let query =
            [("filter", filter), ("interval.startTime", start), ("interval.endTime", now.to_string())];
        let url = format!("{endpoint}/v3/{}/timeSeries", self.project.path());
        let url = reqwest::Url::parse_with_params(&url, query).context("no address")?;
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let get = client.get(url.clone()).headers(self.credentials().await.context("no access token")?);
            let (worth_another, error) = match answer(get).await {
                Ok(Answer { status: 200, body, .. }) => {
                    return serde_json::from_slice(&body).context("it answers something else");
                }
                Ok(Answer { status, body, .. }) => {
                    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                    let said = body["error"]["message"].as_str().unwrap_or_default().to_owned();
                    (status >= 500 || status == 429, anyhow::anyhow!("{status}: {said}"))
                }
                Err(error) => (true, error),
            };
            if tries == 0 || !worth_another {
                bail!(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
