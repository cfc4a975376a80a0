//! What a pod's status says of its containers. Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::object::{self, Condition, entries, list, seconds, section, set_condition, text};
use super::process::Exit;

/// What a container is doing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Waiting { reason: &'static str, message: String },
    Running { since: Timestamp, pid: i32 },
    Ended { exit: Exit, since: Timestamp, at: Timestamp },
}

/// A container of a pod.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) is_init: bool,
    pub(super) restarts: u32,
    pub(super) state: State,
    pub(super) last: Option<State>,
}

/// Why a pod was ended before its containers ended by themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cut {
    Deleted,
    NodeShutdown,
    Deadline,
    /// The machine has no power: nobody is told.
    Powerless,
}

impl Container {
    /// The containers of a pod that has not started any.
    pub(super) fn all(pod: &Value) -> Vec<Self> {
        let of = |pointer: &str, is_init: bool| -> Vec<Self> {
            let new = |container: &Value| Self {
                name: text(container, "/name").into(),
                image: text(container, "/image").into(),
                is_init,
                restarts: 0,
                state: State::Waiting {
                    reason: if is_init { "PodInitializing" } else { "ContainerCreating" },
                    message: String::new(),
                },
                last: None,
            };
            list(pod, pointer).iter().map(new).collect()
        };
        let mut all = of("/spec/initContainers", true);
        all.extend(of("/spec/containers", false));
        all
    }

    fn has_succeeded(&self) -> bool {
        matches!(self.state, State::Ended { exit: Exit { code: 0, .. }, .. })
    }

    fn has_begun(&self) -> bool {
        self.last.is_some() || !matches!(self.state, State::Waiting { .. })
    }

    fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    fn to_json(&self) -> Value {
        let mut status = json!({
            "name": self.name, "image": self.image, "imageID": "", "restartCount": self.restarts,
            "state": shown(&self.state), "lastState": self.last.as_ref().map_or_else(|| json!({}), shown),
            "started": self.is_running(),
            "ready": if self.is_init { self.has_succeeded() } else { self.is_running() },
        });
        if let State::Running { pid, .. } = self.state {
            status["containerID"] = format!("process://{pid}").into();
        }
        status
    }
}

fn shown(state: &State) -> Value {
    match state {
        State::Waiting { reason, message } if message.is_empty() => json!({"waiting": {"reason": reason}}),
        State::Waiting { reason, message } => json!({"waiting": {"reason": reason, "message": message}}),
        State::Running { since, .. } => json!({"running": {"startedAt": seconds(*since)}}),
        State::Ended { exit, since, at } => {
            let reason = match exit {
                Exit { out_of_memory: true, .. } => "OOMKilled",
                Exit { code: 0, .. } => "Completed",
                _ => "Error",
            };
            let mut ended = json!({"exitCode": exit.code, "reason": reason, "startedAt": seconds(*since), "finishedAt": seconds(*at)});
            if let Some(signal) = exit.signal {
                ended["signal"] = signal.into();
            }
            json!({"terminated": ended})
        }
    }
}

/// The phase that the containers make.
fn phase(containers: &[Container], is_over: bool) -> &'static str {
    let mains = || containers.iter().filter(|container| !container.is_init);
    match is_over {
        true if mains().all(Container::has_succeeded) => "Succeeded",
        true => "Failed",
        false if mains().any(Container::has_begun) => "Running",
        false => "Pending",
    }
}

/// Writes what the containers do into the pod's status.
pub(super) fn write(
    pod: &mut Value,
    containers: &[Container],
    is_over: bool,
    cut: Option<Cut>,
    now: Timestamp,
) {
    let phase = phase(containers, is_over);
    let statuses = |is_init: bool| -> Vec<Value> {
        containers.iter().filter(|container| container.is_init == is_init).map(Container::to_json).collect()
    };
    let (inits, mains) = (statuses(true), statuses(false));
    let status = section(pod, "status");
    status.insert("phase".into(), phase.into());
    status.entry("startTime").or_insert_with(|| seconds(now).into());
    status.insert("containerStatuses".into(), mains.into());
    if !inits.is_empty() {
        status.insert("initContainerStatuses".into(), inits.into());
    }
    for (field, value) in [
        ("podIP", json!("127.0.0.1")),
        ("hostIP", json!("127.0.0.1")),
        ("podIPs", json!([{"ip": "127.0.0.1"}])),
    ] {
        status.insert(field.into(), value);
    }
    match (cut, phase) {
        (Some(Cut::NodeShutdown), "Failed") => {
            status.insert("reason".into(), "Terminated".into());
            status
                .insert("message".into(), "Pod was terminated in response to imminent node shutdown.".into());
        }
        (Some(Cut::Deadline), "Failed") => {
            status.insert("reason".into(), "DeadlineExceeded".into());
            status.insert(
                "message".into(),
                "Pod was active on the node longer than the specified deadline".into(),
            );
        }
        _ => {}
    }
    conditions(pod, containers, phase, now);
}

fn conditions(pod: &mut Value, containers: &[Container], phase: &str, now: Timestamp) {
    let is_initialized =
        containers.iter().filter(|container| container.is_init).all(Container::has_succeeded);
    let is_ready = containers.iter().filter(|container| !container.is_init).all(Container::is_running);
    let why = match phase {
        _ if is_ready => "",
        "Succeeded" => "PodCompleted",
        "Failed" => "PodFailed",
        _ => "ContainersNotReady",
    };
    let initialized_why = match phase {
        "Succeeded" => "PodCompleted",
        _ if is_initialized => "",
        _ => "ContainersNotInitialized",
    };
    let all = [
        ("PodReadyToStartContainers", phase == "Running", ""),
        ("Initialized", is_initialized, initialized_why),
        ("Ready", is_ready, why),
        ("ContainersReady", is_ready, why),
        ("PodScheduled", true, ""),
    ];
    for (kind, status, reason) in all {
        set_condition(pod, &Condition { kind, status, reason, message: "" }, now);
    }
}

/// Ends a pod whose processes nobody watches any more: a killed local cloud, a node that is gone.
pub(crate) fn fail(pod: &mut Value, reason: &str, message: &str, now: Timestamp) {
    let condition = Condition { kind: "DisruptionTarget", status: true, reason, message };
    set_condition(pod, &condition, now);
    for kind in ["Ready", "ContainersReady"] {
        set_condition(pod, &Condition { kind, status: false, reason: "PodFailed", message: "" }, now);
    }
    let status = section(pod, "status");
    status.insert("phase".into(), "Failed".into());
    for field in ["containerStatuses", "initContainerStatuses"] {
        for container in status.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            let since = object::text(container, "/state/running/startedAt").to_owned();
            if !since.is_empty() {
                let ended = json!({"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": since, "finishedAt": seconds(now)});
                entries(container).insert("state".into(), json!({"terminated": ended}));
                entries(container).insert("ready".into(), false.into());
            }
        }
    }
}
