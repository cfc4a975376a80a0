//! What a Job's `podFailurePolicy` says of a failed pod. Pure.

use serde_json::Value;

use super::super::super::object::{self, list, number, text};

/// What a failed pod means to its Job.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It counts against the limits.
    Count,
    /// It does not count.
    Ignore,
    /// Its index has failed.
    FailIndex,
    /// The Job has failed; why, in Kubernetes' words.
    FailJob(String),
}

/// Judges a failed pod by the first rule that fits; without one, it counts.
pub(super) fn judge(spec: &Value, pod: &Value) -> Verdict {
    for (at, rule) in list(spec, "/podFailurePolicy/rules").iter().enumerate() {
        let Some(fit) = fits(rule, pod) else { continue };
        let action = text(rule, "/action");
        return match action {
            "Ignore" => Verdict::Ignore,
            "FailIndex" => Verdict::FailIndex,
            "FailJob" => Verdict::FailJob(format!("{fit} matching FailJob rule at index {at}")),
            _ => Verdict::Count,
        };
    }
    Verdict::Count
}

/// How a rule fits a pod, if it does.
fn fits(rule: &Value, pod: &Value) -> Option<String> {
    let who = format!("{}/{}", object::namespace(pod), object::name(pod));
    if let Some(codes) = rule.get("onExitCodes") {
        let wanted = text(codes, "/containerName");
        let values = list(codes, "/values");
        let statuses =
            list(pod, "/status/initContainerStatuses").iter().chain(list(pod, "/status/containerStatuses"));
        for status in statuses.filter(|status| wanted.is_empty() || text(status, "/name") == wanted) {
            let Some(code) = number(status, "/state/terminated/exitCode").filter(|code| *code != 0) else {
                continue;
            };
            let is_in = values.iter().any(|value| value.as_i64() == Some(code));
            if is_in == (text(codes, "/operator") == "In") {
                return Some(format!(
                    "Container {} for pod {who} failed with exit code {code}",
                    text(status, "/name")
                ));
            }
        }
        return None;
    }
    let patterns = list(rule, "/onPodConditions").iter();
    let fitting = patterns.filter_map(|pattern| {
        let kind = text(pattern, "/type");
        let status = Some(text(pattern, "/status")).filter(|status| !status.is_empty()).unwrap_or("True");
        object::condition(pod, kind).filter(|condition| text(condition, "/status") == status).map(|_| kind)
    });
    fitting.map(|kind| format!("Pod {who} has condition {kind}")).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_rule_that_fits_judges() {
        let spec = json!({"podFailurePolicy": {"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [78]}},
            {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [1, 2]}}]}});
        let pod = |code: i64, conditions: Value| {
            json!({"metadata": {"namespace": "n", "name": "p"}, "status": {"conditions": conditions,
                "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": code}}}]}})
        };
        assert_eq!(
            judge(&spec, &pod(78, json!([{"type": "DisruptionTarget", "status": "True"}]))),
            Verdict::Ignore
        );
        let why = "Container c for pod n/p failed with exit code 78 matching FailJob rule at index 1";
        assert_eq!(judge(&spec, &pod(78, json!([]))), Verdict::FailJob(why.into()));
        assert_eq!(judge(&spec, &pod(3, json!([]))), Verdict::FailIndex);
        assert_eq!(judge(&spec, &pod(1, json!([]))), Verdict::Count);
    }
}
