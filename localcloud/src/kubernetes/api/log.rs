//! The output of a pod's containers.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::kinds::POD;
use super::super::kubelet::logs::Wanted;
use super::super::object::{self, list, text};
use super::Api;
use super::body::Parameters;
use super::status::Refusal;
use super::target::Target;

impl Api {
    pub(super) fn log(
        &self,
        target: &Target,
        name: &str,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        let pod = self.store.get(&target.key(name)).ok_or_else(|| Refusal::not_found(&POD, name))?;
        let container = choose(&pod, parameters.get("container"))?;
        let number = |name| parameters.number(name);
        let now = self.store.clock().now();
        let ago = number("sinceSeconds")?.and_then(|seconds| i64::try_from(seconds).ok());
        let since = match parameters.get("sinceTime") {
            Some(time) => Some(
                time.parse::<Timestamp>()
                    .map_err(|error| Refusal::bad_request(format!("invalid sinceTime: {error}")))?,
            ),
            None => ago
                .map(|seconds| now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN)),
        };
        let wanted = Wanted {
            since,
            tail: number("tailLines")?.and_then(|lines| usize::try_from(lines).ok()),
            bytes: number("limitBytes")?,
            timestamps: parameters.truth("timestamps"),
            follow: parameters.truth("follow"),
        };
        let Some(lines) = self.logs.read(object::uid(&pod), &container, wanted, self.closing.clone()) else {
            let waiting = status_of(&pod, &container).and_then(|status| status.pointer("/state/waiting"));
            let why = waiting.map_or("ContainerCreating", |waiting| text(waiting, "/reason"));
            let message = format!("container \"{container}\" in pod \"{name}\" is waiting to start: {why}");
            return Err(Refusal::bad_request(message));
        };
        Ok(([(header::CONTENT_TYPE, "text/plain")], Body::from_stream(lines)).into_response())
    }
}

/// The container that is asked for; a pod with one needs no name.
fn choose(pod: &Value, asked: Option<&str>) -> Result<String, Refusal> {
    let names = |pointer: &str| -> Vec<String> {
        list(pod, pointer).iter().map(|container| text(container, "/name").to_owned()).collect()
    };
    let (containers, inits) = (names("/spec/containers"), names("/spec/initContainers"));
    let pod_name = object::name(pod);
    match (asked, containers.as_slice()) {
        (Some(asked), _) if containers.iter().chain(&inits).any(|name| name == asked) => Ok(asked.into()),
        (Some(asked), _) => {
            Err(Refusal::bad_request(format!("container {asked} is not valid for pod {pod_name}")))
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Refusal::bad_request(format!(
            "a container name must be specified for pod {pod_name}, choose one of: [{}]",
            containers.join(" ")
        ))),
    }
}

fn status_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let statuses = ["/status/containerStatuses", "/status/initContainerStatuses"];
    statuses.iter().flat_map(|pointer| list(pod, pointer)).find(|status| text(status, "/name") == container)
}
