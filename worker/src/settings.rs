//! What the environment tells a worker. The rest it reads from the run's record.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use contract::{RunId, environment as env};

/// Part of the grace that is kept for handing work back.
const HAND_BACK: Duration = Duration::from_secs(3);

/// A worker's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Cloud name of the bucket that holds the runs.
    pub bucket: String,
    /// Full name of the subscription.
    pub subscription: String,
    /// Full name of the topic to republish to.
    pub topic: String,
    /// Items at a time.
    pub concurrency: u32,
    /// How long a message stays leased after its worker was last heard of.
    pub lease: Duration,
    /// Longest that a message is held back before it is delivered again.
    pub backoff: Duration,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// Folder that `file:` inputs may be read from.
    pub local_root: Option<PathBuf>,
    /// Where Prometheus is answered; nowhere without it.
    pub metrics: Option<SocketAddr>,
    /// The versions of secrets to read from Secret Manager, by the secrets' keys.
    pub secrets: BTreeMap<String, String>,
    /// Which worker this is.
    pub us: Identity,
}

/// Which worker this is.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The run whose Job it belongs to.
    pub run: RunId,
    /// Its completion index in that Job.
    pub index: u32,
    /// Its pod.
    pub pod: String,
    /// Its node.
    pub node: String,
}

impl Settings {
    /// Reads the variables of [`contract::environment`]. The error names everything that is wrong.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut from = Variables { lookup, wrong: Vec::new() };
        let settings = Self {
            bucket: from.text(env::BUCKET),
            subscription: from.text(env::SUBSCRIPTION),
            topic: from.text(env::TOPIC),
            concurrency: from.number(env::CONCURRENCY, Some(1), 1..=1000),
            lease: Duration::from_secs(from.number(env::LEASE_SECONDS, Some(60), 10..=600).into()),
            backoff: Duration::from_secs(from.number(env::BACKOFF_SECONDS, Some(60), 0..=600).into()),
            grace: Duration::from_secs(from.number(env::GRACE_SECONDS, Some(15), 1..=86400).into()),
            local_root: from.given(env::LOCAL_ROOT).map(PathBuf::from),
            metrics: from.metrics(),
            secrets: from.secrets(env::SECRETS),
            us: Identity {
                run: RunId(from.text(env::RUN)),
                index: from.number(env::INDEX, None, 0..=u32::MAX),
                pod: from.text(env::POD),
                node: from.text(env::NODE),
            },
        };
        if !settings.us.run.0.is_empty() && !settings.us.run.is_valid() {
            from.wrong.push(format!("{} is not the name of a run", env::RUN));
        }
        if from.wrong.is_empty() { Ok(settings) } else { Err(from.wrong.join("; ")) }
    }

    /// How long running items may go on after SIGTERM.
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.grace.saturating_sub(self.hand_back())
    }

    /// How long handing back what is left may take after that.
    #[must_use]
    pub fn hand_back(&self) -> Duration {
        HAND_BACK.min(self.grace / 2)
    }
}

struct Variables<F> {
    lookup: F,
    wrong: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn text(&mut self, name: &str) -> String {
        let value = (self.lookup)(name).unwrap_or_default();
        if value.is_empty() {
            self.wrong.push(format!("{name} is not set"));
        }
        value
    }

    /// In the local cloud pods share the machine and its ports, and nobody else is to see them.
    fn metrics(&mut self) -> Option<SocketAddr> {
        self.given(env::METRICS_PORT)?;
        let port = self.number(env::METRICS_PORT, None, 0..=u16::MAX.into());
        Some(match self.given(env::LOCAL_ROOT) {
            Some(_) => (Ipv4Addr::LOCALHOST, 0).into(),
            None => (Ipv4Addr::UNSPECIFIED, u16::try_from(port).unwrap_or_default()).into(),
        })
    }

    fn given(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn secrets(&mut self, name: &str) -> BTreeMap<String, String> {
        let read = self.given(name).map(|value| serde_json::from_str(&value));
        read.transpose()
            .unwrap_or_else(|_| {
                self.wrong.push(format!("{name} is not a JSON object of names"));
                None
            })
            .unwrap_or_default()
    }

    fn number(&mut self, name: &str, default: Option<u32>, range: std::ops::RangeInclusive<u32>) -> u32 {
        let value = self.given(name);
        let wrong = match (&value, default) {
            (None, Some(default)) => return default,
            (None, None) => format!("{name} is not set"),
            (Some(text), _) => match text.parse() {
                Ok(number) if range.contains(&number) => return number,
                _ => format!("{name} is `{text}`, not a number from {} to {}", range.start(), range.end()),
            },
        };
        self.wrong.push(wrong);
        *range.start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(overrides: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(|name| {
            if let Some((_, value)) = overrides.iter().find(|(key, _)| *key == name) {
                return Some((*value).to_owned());
            }
            let value = match name {
                env::BUCKET => "b",
                env::SUBSCRIPTION => "projects/p/subscriptions/s",
                env::TOPIC => "projects/p/topics/t",
                env::RUN => "fx-20260131-000000-01234567",
                env::POD => "pod",
                env::NODE => "node",
                env::INDEX => "3",
                _ => return None,
            };
            Some(value.to_owned())
        })
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        let settings = read(&[]).expect("settings");
        assert_eq!((settings.concurrency, settings.us.index), (1, 3));
        assert_eq!(settings.lease, Duration::from_mins(1));
        assert_eq!(settings.budget() + settings.hand_back(), settings.grace);
    }

    #[test]
    fn prometheus_is_answered_where_it_is_asked_for_and_in_the_local_cloud_by_any_free_port() {
        let at = |overrides: &[(&str, &str)]| read(overrides).expect("settings").metrics;
        assert_eq!(at(&[]), None);
        assert_eq!(at(&[(env::METRICS_PORT, "9090")]), "0.0.0.0:9090".parse().ok());
        assert_eq!(at(&[(env::METRICS_PORT, "9090"), (env::LOCAL_ROOT, "/x")]), "127.0.0.1:0".parse().ok());
        let wrong = read(&[(env::METRICS_PORT, "65536")]).expect_err("an error");
        assert_eq!(wrong, "PROVISION_METRICS_PORT is `65536`, not a number from 0 to 65535");
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let wrong = read(&[(env::BUCKET, ""), (env::LEASE_SECONDS, "5"), (env::RUN, "../x")]);
        assert_eq!(
            wrong.expect_err("an error"),
            "PROVISION_BUCKET is not set; PROVISION_LEASE_SECONDS is `5`, not a number from 10 to 600; \
             PROVISION_RUN is not the name of a run"
        );
    }
}
