//! The environment variables that a worker pod is given. Everything else a worker needs stands in
//! the run's record, so that editing a stack never touches an open run.

/// Cloud name of the bucket that holds the runs.
pub const BUCKET: &str = "PROVISION_BUCKET";
/// Full name of the subscription that the worker pulls from: `projects/P/subscriptions/S`.
pub const SUBSCRIPTION: &str = "PROVISION_SUBSCRIPTION";
/// Full name of the topic that an idle worker republishes to: `projects/P/topics/T`.
pub const TOPIC: &str = "PROVISION_TOPIC";
/// The run whose Kubernetes Job this pod belongs to. The worker serves every open run's items,
/// but lives and dies with this one.
pub const RUN: &str = "PROVISION_RUN";
/// Items that one worker processes at a time: its outstanding messages.
pub const CONCURRENCY: &str = "PROVISION_CONCURRENCY";
/// Seconds that a message stays leased after its worker was last heard of (10 to 600).
pub const LEASE_SECONDS: &str = "PROVISION_LEASE_SECONDS";
/// Longest that the subscription holds a message back before it is delivered again, in seconds (0 to
/// 600).
pub const BACKOFF_SECONDS: &str = "PROVISION_BACKOFF_SECONDS";
/// Seconds between SIGTERM and SIGKILL that the worker may count on (15 on a Spot node).
pub const GRACE_SECONDS: &str = "PROVISION_GRACE_SECONDS";
/// The pod's name, by the downward API.
pub const POD: &str = "PROVISION_POD";
/// The node's name, by the downward API.
pub const NODE: &str = "PROVISION_NODE";
/// The secrets that the worker reads from Secret Manager as it starts: a JSON object of their keys
/// and versions, `{"token": "projects/P/secrets/S/versions/latest"}`.
pub const SECRETS: &str = "PROVISION_SECRETS";
/// Completion index of the pod in its Indexed Job; set by Kubernetes itself.
pub const INDEX: &str = "JOB_COMPLETION_INDEX";
/// Set by the local cloud's kubelet: the folder that `file:` inputs may be read from. Outside
/// `--local` it is never set, and a `file:` input is an error.
pub const LOCAL_ROOT: &str = "PROVISION_LOCAL_ROOT";
/// Where the worker answers Prometheus: a port; 0 is any that is free. Not set, it does not. In the
/// local cloud, whose pods share one machine, the worker takes any free port of the loopback instead.
pub const METRICS_PORT: &str = "PROVISION_METRICS_PORT";
/// What the names of variables with secrets begin with. Their values are hidden wherever a worker
/// logs or keeps what is printed.
pub const SECRET_PREFIX: &str = "PROVISION_SECRET_";

/// The variable of a worker or a command that holds the secret of that key: `PROVISION_SECRET_TOKEN`.
#[must_use]
pub fn secret(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{SECRET_PREFIX}{}", key.chars().map(plain).collect::<String>())
}
