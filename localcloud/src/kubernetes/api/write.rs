//! Create, replace, patch and apply: each makes the object as it should be; one path checks it and
//! stores it.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::super::admission;
use super::super::generated::suffix;
use super::super::kinds::{self, Kind};
use super::super::object::{self, entries};
use super::super::rules::count_generation;
use super::super::store::{Key, StoreError};
use super::Api;
use super::apply::Application;
use super::body::{Parameters, Patch};
use super::check::{check_fields, check_kind, is_still};
use super::json::Document;
use super::kept::{SERVERS, keep_identity, keep_other_half, keep_uid, wrong_name};
use super::managed::{self, Writer};
use super::patch;
use super::status::{FieldError, Refusal};
use super::target::Target;

/// Why a write was not done.
pub(super) enum WriteError {
    Refused(Refusal),
    Store(StoreError),
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl WriteError {
    pub(super) fn refusal(self, kind: &Kind, name: &str) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Store(error) => Refusal::of_store(error, kind, name),
        }
    }
}

impl Api {
    pub(super) fn create(
        &self,
        target: &Target,
        document: Document,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        parameters.check("CreateOptions")?;
        let Document { value: mut object, twice } = document;
        check_kind(target.kind, &object)?;
        let warnings =
            check_fields(target.kind, &mut object, &twice, parameters).map_err(Refusal::bad_request)?;
        Self::name(target, &mut object)?;
        if !object::text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(Refusal::plain("resourceVersion should not be set on objects to be created"));
        }
        let writer = Writer { manager: parameters.manager(), applies: false, subresource: "" };
        let stored = self.insert(target, object, Some(writer), parameters.is_dry_run())?;
        Ok(answer(StatusCode::CREATED, &stored, &warnings))
    }

    pub(super) fn replace(
        &self,
        target: &Target,
        name: &str,
        document: Document,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        parameters.check("UpdateOptions")?;
        let Document { value: mut object, twice } = document;
        check_kind(target.kind, &object)?;
        let warnings =
            check_fields(target.kind, &mut object, &twice, parameters).map_err(Refusal::bad_request)?;
        if object::name(&object).is_empty() {
            let message = format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            );
            return Err(Refusal::bad_request(message));
        }
        let writer =
            Writer { manager: parameters.manager(), applies: false, subresource: &target.subresource };
        let stored = self.change(target, name, parameters, Some(writer), |live| {
            keep_uid(target, live, &object)?;
            Ok(object)
        })?;
        Ok(answer(StatusCode::OK, &stored, &warnings))
    }

    pub(super) fn patch(
        &self,
        target: &Target,
        name: &str,
        patch: Patch,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        parameters.check("PatchOptions")?;
        if let Patch::Apply(declared) = patch {
            return self.apply(target, name, declared, parameters);
        }
        if parameters.get("force").is_some() {
            let error = FieldError::forbidden("force", "may not be specified for non-apply patch");
            return Err(Refusal::invalid_options("PatchOptions", error));
        }
        let mut warnings = Vec::new();
        let make = |live: &Value| {
            let mut object = live.clone();
            match &patch {
                Patch::Merge(patch) => patch::merge(&mut object, patch),
                Patch::Strategic(patch) => {
                    patch::strategic(&mut object, patch, target.kind.kind).map_err(Refusal::plain)?;
                }
                Patch::Json(patch) => {
                    patch::json(&mut object, patch).map_err(|_| Refusal::impossible_patch())?;
                }
                Patch::Apply(_) => {}
            }
            let shown: Value = object.to_string().into();
            is_still(target.kind, &object).map_err(|why| Refusal::invalid_patch(&shown, &why))?;
            warnings = check_fields(target.kind, &mut object, &[], parameters).map_err(|why| {
                let why = why.split_once(": ").map_or(why.as_str(), |(_, why)| why);
                Refusal::invalid_patch(&shown, why)
            })?;
            Ok(object)
        };
        let writer =
            Writer { manager: parameters.manager(), applies: false, subresource: &target.subresource };
        let stored = self.change(target, name, parameters, Some(writer), make)?;
        Ok(answer(StatusCode::OK, &stored, &warnings))
    }

    fn apply(
        &self,
        target: &Target,
        name: &str,
        mut declared: Value,
        parameters: &Parameters,
    ) -> Result<Response, Refusal> {
        let Some(manager) = parameters.get("fieldManager") else {
            let error = FieldError::required("fieldManager", "is required for apply patch");
            return Err(Refusal::invalid_options("PatchOptions", error));
        };
        if !object::list(&declared, "/metadata/managedFields").is_empty() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        let (version, kind) =
            (object::text(&declared, "/apiVersion").to_owned(), object::text(&declared, "/kind").to_owned());
        if Kind::of(&version, &kind) != Some(target.kind) {
            let version = if version.contains('/') { version } else { format!("/{version}") };
            return Err(Refusal::bad_request(format!("invalid object type: {version}, Kind={kind}")));
        }
        object::metadata(&mut declared).entry("name").or_insert_with(|| name.into());
        if object::name(&declared) != name {
            return Err(wrong_name(object::name(&declared), name));
        }
        Self::name(target, &mut declared)?;
        admission::declared(target.kind, &mut declared).map_err(Refusal::plain)?;
        let warnings = Vec::new();
        let other_half = if target.subresource == "status" { "spec" } else { "status" };
        if target.kind.has_status() {
            entries(&mut declared).remove(other_half);
        }
        let writer = Writer { manager, applies: true, subresource: &target.subresource };
        let applied = |live: &Value| {
            let force = parameters.truth("force");
            let now = self.store.clock().now();
            let application =
                Application { kind: target.kind.kind, live, declared: &declared, writer, force, now };
            let mut merged = application.run().map_err(|conflicts| Refusal::apply_conflict(&conflicts))?;
            admission::known_fields(target.kind, &mut merged).map_err(Refusal::bad_request)?;
            Ok(merged)
        };
        if self.store.get(&target.key(name)).is_some() {
            let stored = self.change(target, name, parameters, None, applied)?;
            return Ok(answer(StatusCode::OK, &stored, &warnings));
        }
        if !target.subresource.is_empty() {
            return Err(Refusal::not_found(target.kind, name));
        }
        if let Some(uid) = declared.pointer("/metadata/uid") {
            let why = format!(
                "uid mismatch: the provided object specified uid {}, and no existing object was found",
                uid.as_str().unwrap_or_default()
            );
            return Err(Refusal::conflict(target.kind, name, &why));
        }
        let stored = self.insert(target, applied(&json!({}))?, None, parameters.is_dry_run())?;
        Ok(answer(StatusCode::CREATED, &stored, &warnings))
    }

    /// Gives a new object its name and namespace.
    fn name(target: &Target, object: &mut Value) -> Result<(), Refusal> {
        let namespace = object::namespace(object).to_owned();
        match &target.namespace {
            Some(wanted) if namespace.is_empty() => {
                drop(object::metadata(object).insert("namespace".into(), wanted.clone().into()));
            }
            Some(wanted) if *wanted != namespace => {
                let message =
                    "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Refusal::bad_request(message));
            }
            Some(_) => {}
            None if target.kind.namespaced => return Err(Refusal::method_not_allowed()),
            None => drop(object::metadata(object).remove("namespace")),
        }
        let base = object::text(object, "/metadata/generateName").to_owned();
        if object::name(object).is_empty() && !base.is_empty() {
            let base: String = base.chars().take(58).collect();
            object::metadata(object).insert("name".into(), format!("{base}{}", suffix(5)).into());
        }
        Ok(())
    }

    /// Stores a new object.
    fn insert(
        &self,
        target: &Target,
        mut object: Value,
        writer: Option<Writer<'_>>,
        is_dry: bool,
    ) -> Result<Value, Refusal> {
        let name = object::name(&object).to_owned();
        if let Some(namespace) = &target.namespace {
            self.check_namespace(namespace, target.kind, &name)?;
        }
        let metadata = object::metadata(&mut object);
        metadata.retain(|field, _| field == "generation" || !SERVERS.contains(&field.as_str()));
        if target.kind.has_status() {
            entries(&mut object).remove("status");
        }
        admission::fill(target.kind, &mut object);
        if let Some(writer) = writer {
            let now = self.store.clock().now();
            // The server's defaults belong to who made the object; what the cluster adds after them does not.
            let nothing = admission::zero(target.kind);
            managed::track(&nothing, &mut object, target.kind.kind, writer, now);
        }
        admission::admit(target.kind, &mut object);
        let errors = admission::validate(target.kind, &object);
        if !errors.is_empty() {
            return Err(Refusal::invalid(target.kind, &name, &errors));
        }
        admission::complete(target.kind, &mut object);
        if is_dry {
            let taken = self.store.get(&target.key(&name)).is_some();
            object::metadata(&mut object)
                .insert("creationTimestamp".into(), object::seconds(self.store.clock().now()).into());
            return if taken { Err(Refusal::already_exists(target.kind, &name)) } else { Ok(object) };
        }
        if self.store.get(&target.key(&name)).is_some_and(|live| object::is_deleting(&live)) {
            return Err(Refusal::still_being_deleted(target.kind, &name));
        }
        let stored = self
            .store
            .create(target.kind, object)
            .map_err(|error| Refusal::of_store(error, target.kind, &name))?;
        Ok(Value::clone(&stored))
    }

    fn check_namespace(&self, namespace: &str, kind: &Kind, name: &str) -> Result<(), Refusal> {
        let Some(found) = self.store.get(&Key::new(&kinds::NAMESPACE, "", namespace)) else {
            return Err(Refusal::not_found(&kinds::NAMESPACE, namespace));
        };
        if object::is_deleting(&found) {
            return Err(Refusal::namespace_terminating(kind, name, namespace));
        }
        Ok(())
    }

    /// Stores what `make` makes of the live object.
    fn change(
        &self,
        target: &Target,
        name: &str,
        parameters: &Parameters,
        writer: Option<Writer<'_>>,
        make: impl FnOnce(&Value) -> Result<Value, Refusal>,
    ) -> Result<Value, Refusal> {
        let key = target.key(name);
        let now = self.store.clock().now();
        let step = |object: &mut Value| -> Result<(), WriteError> {
            let mut wanted = make(object)?;
            keep_identity(target, name, object, &mut wanted)?;
            keep_other_half(target, object, &mut wanted);
            admission::fill(target.kind, &mut wanted);
            let mut errors = admission::new_finalizers(object, &wanted);
            errors.extend(admission::validate(target.kind, &wanted));
            errors.extend(admission::changes(target.kind, object, &wanted));
            if !errors.is_empty() {
                return Err(Refusal::invalid(target.kind, name, &errors).into());
            }
            if let Some(writer) = writer {
                managed::track(object, &mut wanted, target.kind.kind, writer, now);
            }
            // A new time alone, of who owns what, is no change.
            if managed::without_times(object) != managed::without_times(&wanted) {
                *object = wanted;
            }
            Ok(())
        };
        if parameters.is_dry_run() {
            let live = self.store.get(&key).ok_or_else(|| Refusal::not_found(target.kind, name))?;
            let mut object = Value::clone(&live);
            step(&mut object).map_err(|error| error.refusal(target.kind, name))?;
            count_generation(target.kind, &live, &mut object);
            return Ok(object);
        }
        let stored =
            self.store.update(&key, step).map_err(|error: WriteError| error.refusal(target.kind, name))?;
        Ok(Value::clone(&stored))
    }
}

/// An object, with warnings as Kubernetes sends them.
pub(super) fn answer(code: StatusCode, object: &Value, warnings: &[String]) -> Response {
    let mut response = (code, axum::Json(object)).into_response();
    for warning in warnings {
        let quoted = format!("299 - \"{}\"", warning.replace('\\', "\\\\").replace('"', "\\\""));
        if let Ok(value) = HeaderValue::from_str(&quoted) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}
