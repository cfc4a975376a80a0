//! Deletion: at once, after a pod's grace, or when what holds an object lets go.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::kinds::{self, Kind};
use super::super::object::{self, Condition, list, number, text};
use super::super::store::{Key, Store};
use super::Api;
use super::body::Parameters;
use super::read::{Selection, untyped};
use super::status::{FieldError, Refusal};
use super::target::Target;
use super::write::{WriteError, answer};

/// What Kubernetes tells who deletes a Job without saying what its pods become.
const PRESERVED: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

/// Namespaces that nobody may delete.
const LASTING: [&str; 3] = ["default", "kube-public", "kube-system"];

/// What becomes of an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cascade {
    Background,
    Foreground,
    Orphan,
}

/// How an object is to be deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletion {
    /// None: as the kind does by default.
    pub(crate) propagation: Option<Cascade>,
    /// Seconds that a pod gets; None: what the pod says.
    pub(crate) grace: Option<i64>,
    /// The object must be this one.
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
}

impl Deletion {
    /// Reads the options: those in the body, or else those among the parameters.
    fn of(options: Option<&Value>, parameters: &Parameters) -> Result<Self, Refusal> {
        let nothing = json!({});
        let (body, text_of) =
            (options.unwrap_or(&nothing), |name| if options.is_some() { None } else { parameters.get(name) });
        let kind = text(body, "/kind");
        if !matches!(kind, "" | "DeleteOptions") {
            let version = text(body, "/apiVersion");
            return Err(Refusal::plain(format!(
                "no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:110\""
            )));
        }
        let refuse = |error| Err(Refusal::invalid_options("DeleteOptions", error));
        if let Some(modes) =
            body.get("dryRun").filter(|modes| list(modes, "").iter().any(|mode| mode != "All"))
        {
            return refuse(FieldError::unsupported("dryRun", modes, &["All"]));
        }
        let orphan = body.get("orphanDependents").and_then(Value::as_bool);
        let policy = Some(text(body, "/propagationPolicy")).filter(|policy| !policy.is_empty());
        let propagation = match (policy.or_else(|| text_of("propagationPolicy")), orphan) {
            (Some(policy), Some(_)) => {
                let why = "orphanDependents and deletionPropagation cannot be both set";
                return refuse(FieldError::invalid("propagationPolicy", &policy.into(), why));
            }
            (None, orphan) => orphan.map(|orphan| if orphan { Cascade::Orphan } else { Cascade::Background }),
            (Some("Background"), _) => Some(Cascade::Background),
            (Some("Foreground"), _) => Some(Cascade::Foreground),
            (Some("Orphan"), _) => Some(Cascade::Orphan),
            (Some(other), _) => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                return refuse(FieldError::unsupported("propagationPolicy", &other.into(), &known));
            }
        };
        let grace = match text_of("gracePeriodSeconds") {
            None => number(body, "/gracePeriodSeconds"),
            Some(seconds) => {
                let wrong = |_| {
                    Refusal::bad_request(format!("strconv.ParseInt: parsing {seconds:?}: invalid syntax"))
                };
                Some(seconds.parse().map_err(wrong)?)
            }
        };
        let precondition = |field: &str| {
            Some(text(body, &format!("/preconditions/{field}")))
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
        };
        Ok(Self {
            propagation,
            // As Kubernetes has it: at once, but for who is told first.
            grace: grace.map(|grace| if grace < 0 { 1 } else { grace }),
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
        })
    }

    fn check(&self, kind: &Kind, live: &Value) -> Result<(), Refusal> {
        let have = object::uid(live);
        if let Some(want) = self.uid.as_ref().filter(|want| *want != have) {
            let why = format!(
                "the UID in the precondition ({want}) does not match the UID in record ({have}). The object might have been deleted and then recreated"
            );
            return Err(Refusal::failed_precondition(kind, object::name(live), &why));
        }
        let have = text(live, "/metadata/resourceVersion");
        if let Some(want) = self.resource_version.as_ref().filter(|want| *want != have) {
            let why = format!(
                "the ResourceVersion in the precondition ({want}) does not match the ResourceVersion in record ({have}). The object might have been modified"
            );
            return Err(Refusal::failed_precondition(kind, object::name(live), &why));
        }
        Ok(())
    }

    /// Marks an object for deletion.
    fn mark(&self, kind: &'static Kind, object: &mut Value, now: Timestamp) {
        let grace = if *kind == kinds::POD { self.grace_of_pod(object) } else { 0 };
        let already = number(object, "/metadata/deletionGracePeriodSeconds");
        if !object::is_deleting(object)
            && let Some(generation) = number(object, "/metadata/generation")
        {
            object::metadata(object).insert("generation".into(), (generation + 1).into());
        }
        if !object::is_deleting(object) || already.is_some_and(|already| grace < already) {
            let at = now + SignedDuration::from_secs(grace);
            let metadata = object::metadata(object);
            metadata.insert("deletionTimestamp".into(), object::seconds(at).into());
            if *kind != kinds::NAMESPACE {
                metadata.insert("deletionGracePeriodSeconds".into(), grace.into());
            }
        }
        let default = if kind.orphans_by_default { Cascade::Orphan } else { Cascade::Background };
        let policy = self.propagation.unwrap_or(default);
        for (finalizer, of) in [("orphan", Cascade::Orphan), ("foregroundDeletion", Cascade::Foreground)] {
            if policy == of {
                object::add_finalizer(object, finalizer);
            } else {
                object::remove_finalizer(object, finalizer);
            }
        }
        if *kind == kinds::NAMESPACE {
            object::section(object, "status").insert("phase".into(), "Terminating".into());
        }
    }

    fn grace_of_pod(&self, pod: &Value) -> i64 {
        // What runs nowhere needs no time to end.
        if text(pod, "/spec/nodeName").is_empty() || object::is_terminal(pod) {
            return 0;
        }
        let own = number(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
        self.grace.unwrap_or(own).max(0)
    }
}

/// Deletes an object, or marks it so that what holds it lets go.
pub(crate) fn delete(store: &Store, key: &Key, deletion: &Deletion) -> Result<Value, Refusal> {
    let now = store.clock().now();
    let step = |object: &mut Value| -> Result<(), WriteError> {
        deletion.check(key.kind, object)?;
        deletion.mark(key.kind, object, now);
        Ok(())
    };
    let deleted = store.update(key, step).map_err(|error| error.refusal(key.kind, &key.name))?;
    Ok(Value::clone(&deleted))
}

fn is_dry_run(options: Option<&Value>, parameters: &Parameters) -> bool {
    parameters.is_dry_run() || options.is_some_and(|options| !list(options, "/dryRun").is_empty())
}

impl Api {
    /// Says on which node a pod runs.
    pub(super) fn bind(&self, target: &Target, name: &str, binding: &Value) -> Result<(), Refusal> {
        let node = text(binding, "/target/name").to_owned();
        let now = self.store.clock().now();
        let step = |pod: &mut Value| -> Result<(), WriteError> {
            let held = text(pod, "/spec/nodeName");
            if !held.is_empty() {
                return Err(Refusal::already_bound(name, held).into());
            }
            object::section(pod, "spec").insert("nodeName".into(), node.clone().into());
            let scheduled = Condition { kind: "PodScheduled", status: true, reason: "", message: "" };
            object::set_condition(pod, &scheduled, now);
            Ok(())
        };
        let bound =
            self.store.update(&target.key(name), step).map_err(|error| error.refusal(target.kind, name));
        bound.map(drop)
    }

    pub(super) fn delete(
        &self,
        target: &Target,
        name: &str,
        options: Option<&Value>,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        parameters.check("DeleteOptions")?;
        if *target.kind == kinds::NAMESPACE && LASTING.contains(&name) {
            return Err(Refusal::lasting_namespace(name));
        }
        let (key, deletion) = (target.key(name), Deletion::of(options, parameters)?);
        let is_dry = is_dry_run(options, parameters);
        let (deleted, is_gone) = if is_dry {
            let live = self.store.get(&key).ok_or_else(|| Refusal::not_found(target.kind, name))?;
            deletion.check(target.kind, &live)?;
            (Value::clone(&live), true)
        } else {
            let deleted = delete(&self.store, &key, &deletion)?;
            (deleted, self.store.get(&key).is_none())
        };
        let warnings = match deletion.propagation {
            None if target.kind.orphans_by_default => vec![PRESERVED.to_owned()],
            _ => vec![],
        };
        if !is_gone || *target.kind == kinds::POD || *target.kind == kinds::SERVICE_ACCOUNT {
            return Ok(answer(StatusCode::OK, &deleted, &warnings));
        }
        let mut details = json!({"name": name, "kind": target.kind.plural, "uid": object::uid(&deleted)});
        if !target.kind.group.is_empty() {
            details["group"] = target.kind.group.into();
        }
        let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        Ok(answer(StatusCode::OK, &done, &warnings))
    }

    pub(super) fn delete_all(
        &self,
        target: &Target,
        options: Option<&Value>,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        if target.kind.namespaced && target.namespace.is_none() || *target.kind == kinds::NAMESPACE {
            return Err(Refusal::method_not_allowed());
        }
        let (selection, deletion) =
            (Selection::of(parameters, target.kind)?, Deletion::of(options, parameters)?);
        let is_dry = is_dry_run(options, parameters);
        let mut items = Vec::new();
        for object in self.store.list(target.kind, target.namespace.as_deref()) {
            if !selection.accepts(&object) {
                continue;
            }
            items.push(untyped(&object));
            if !is_dry {
                // One that is gone meanwhile is deleted, which was asked for.
                let _ = delete(&self.store, &Key::of(target.kind, &object), &deletion);
            }
        }
        let metadata = json!({"resourceVersion": self.store.revision().to_string()});
        let kind = format!("{}List", target.kind.kind);
        Ok(axum::Json(json!({"kind": kind, "apiVersion": target.kind.api_version(), "metadata": metadata, "items": items})).into_response())
    }
}
