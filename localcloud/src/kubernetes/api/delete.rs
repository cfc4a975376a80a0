//! Deletion: at once, after a pod's grace, or when what holds an object lets go.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::kinds::{self, Kind};
use super::super::object::{self, number, text};
use super::super::store::{Key, Store};
use super::Api;
use super::body::Parameters;
use super::read::Selection;
use super::status::Refusal;
use super::target::Target;
use super::write::{WriteError, answer};

/// What Kubernetes tells who deletes a Job without saying what its pods become.
const PRESERVED: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

/// What becomes of an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// How an object is to be deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletion {
    /// None: as the kind does by default.
    pub(crate) propagation: Option<Propagation>,
    /// Seconds that a pod gets; None: what the pod says.
    pub(crate) grace: Option<i64>,
    /// The object must be this one.
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
}

impl Deletion {
    fn of(options: &Value, parameters: &Parameters) -> Result<Self, Refusal> {
        let policy = Some(text(options, "/propagationPolicy")).filter(|policy| !policy.is_empty());
        let propagation = match policy.or_else(|| parameters.get("propagationPolicy")) {
            None => options
                .get("orphanDependents")
                .and_then(Value::as_bool)
                .map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            Some(other) => {
                let message = format!(
                    "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"{other}\": supported values: \"Background\", \"Foreground\", \"Orphan\""
                );
                return Err(Refusal::bad_request(message));
            }
        };
        let grace = match number(options, "/gracePeriodSeconds") {
            Some(grace) => Some(grace),
            None => parameters.number("gracePeriodSeconds")?.and_then(|grace| i64::try_from(grace).ok()),
        };
        let precondition =
            |pointer: &str| options.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let (uid, version) =
            (precondition("/preconditions/uid"), precondition("/preconditions/resourceVersion"));
        Ok(Self { propagation, grace, uid, resource_version: version })
    }

    fn check(&self, kind: &Kind, live: &Value) -> Result<(), Refusal> {
        let have = object::uid(live);
        if let Some(want) = self.uid.as_ref().filter(|want| *want != have) {
            let why = format!(
                "the UID in the precondition ({want}) does not match the UID in record ({have}). The object might have been deleted and then recreated"
            );
            return Err(Refusal::conflict(kind, object::name(live), &why));
        }
        let have = text(live, "/metadata/resourceVersion");
        if let Some(want) = self.resource_version.as_ref().filter(|want| *want != have) {
            let why = format!(
                "the ResourceVersion in the precondition ({want}) does not match the ResourceVersion in record ({have}). The object might have been modified"
            );
            return Err(Refusal::conflict(kind, object::name(live), &why));
        }
        Ok(())
    }

    /// Marks an object for deletion.
    fn mark(&self, kind: &'static Kind, object: &mut Value, now: Timestamp) {
        let grace = if *kind == kinds::POD { self.grace_of_pod(object) } else { 0 };
        let already = number(object, "/metadata/deletionGracePeriodSeconds");
        if !object::is_deleting(object) || already.is_some_and(|already| grace < already) {
            let at = now + SignedDuration::from_secs(grace);
            let metadata = object::metadata(object);
            metadata.insert("deletionTimestamp".into(), object::seconds(at).into());
            metadata.insert("deletionGracePeriodSeconds".into(), grace.into());
        }
        let default = if kind.orphans_by_default { Propagation::Orphan } else { Propagation::Background };
        let policy = self.propagation.unwrap_or(default);
        for (finalizer, of) in
            [("orphan", Propagation::Orphan), ("foregroundDeletion", Propagation::Foreground)]
        {
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

impl Api {
    pub(super) fn delete(
        &self,
        target: &Target,
        name: &str,
        options: &Value,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        let (key, deletion) = (target.key(name), Deletion::of(options, parameters)?);
        let is_dry = parameters.is_dry_run()? || !object::list(options, "/dryRun").is_empty();
        let deleted = if is_dry {
            let live = self.store.get(&key).ok_or_else(|| Refusal::not_found(target.kind, name))?;
            deletion.check(target.kind, &live)?;
            Value::clone(&live)
        } else {
            delete(&self.store, &key, &deletion)?
        };
        let warnings = match deletion.propagation {
            None if target.kind.orphans_by_default => vec![PRESERVED.to_owned()],
            _ => vec![],
        };
        if self.store.get(&key).is_some() {
            return Ok(answer(StatusCode::OK, &deleted, &warnings));
        }
        let details = json!({"name": name, "group": target.kind.group, "kind": target.kind.plural, "uid": object::uid(&deleted)});
        let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        Ok(answer(StatusCode::OK, &done, &warnings))
    }

    pub(super) fn delete_all(
        &self,
        target: &Target,
        options: &Value,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        if target.kind.namespaced && target.namespace.is_none() || *target.kind == kinds::NAMESPACE {
            return Err(Refusal::method_not_allowed());
        }
        let (selection, deletion) = (Selection::of(parameters)?, Deletion::of(options, parameters)?);
        let is_dry = parameters.is_dry_run()?;
        let mut items = Vec::new();
        for object in self.store.list(target.kind, target.namespace.as_deref()) {
            if !selection.accepts(&object) {
                continue;
            }
            items.push(Value::clone(&object));
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
