//! Watches: a stream of changes from a revision on, read from the store's history.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::kinds::Kind;
use super::super::store::{Change, Event, Store};
use super::Api;
use super::body::Parameters;
use super::read::{Selection, no_revision};
use super::status::{FieldError, Refusal};
use super::table;
use super::target::Target;

const BOOKMARK_EVERY: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(1);

struct Watch {
    store: Arc<Store>,
    closing: CancellationToken,
    kind: &'static Kind,
    namespace: Option<String>,
    selection: Selection,
    as_table: bool,
    bookmarks: bool,
    revision: u64,
    until: Timestamp,
    ready: VecDeque<Bytes>,
    is_over: bool,
}

impl Api {
    pub(super) fn watch(&self, target: &Target, parameters: &Parameters) -> Result<Response, Refusal> {
        let selection = Selection::of(parameters, target.kind)?;
        let longest = parameters
            .number("timeoutSeconds")?
            .map_or(LONGEST, |seconds| Duration::from_secs(seconds).min(LONGEST));
        let mut watch = Watch {
            store: self.store.clone(),
            closing: self.closing.clone(),
            kind: target.kind,
            namespace: target.namespace.clone(),
            selection,
            as_table: parameters.as_table,
            bookmarks: parameters.truth("allowWatchBookmarks"),
            revision: 0,
            until: self.store.clock().now() + longest,
            ready: VecDeque::new(),
            is_over: false,
        };
        let revision = parameters
            .get("resourceVersion")
            .map(|text| text.parse::<u64>().map_err(|_| Refusal::plain(no_revision(text))));
        if parameters.truth("sendInitialEvents")
            && parameters.get("resourceVersionMatch") != Some("NotOlderThan")
        {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            let error = FieldError::forbidden("resourceVersionMatch", why);
            return Err(Refusal::invalid_options("ListOptions", error));
        }
        match revision.transpose()? {
            Some(revision) if revision > 0 && !parameters.truth("sendInitialEvents") => {
                watch.revision = revision;
            }
            _ => watch.begin_with_all(parameters.truth("sendInitialEvents")),
        }
        let lines = futures::stream::unfold(watch, |mut watch| async move {
            let line = watch.next().await?;
            Some((Ok::<_, std::convert::Infallible>(line), watch))
        });
        Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response())
    }
}

impl Watch {
    /// Starts with all that is there now.
    fn begin_with_all(&mut self, tell_end: bool) {
        let (all, revision) = self.store.snapshot(self.kind, self.namespace.as_deref());
        self.revision = revision;
        for object in all {
            if self.selection.accepts(&object) {
                self.push("ADDED", &object);
            }
        }
        if tell_end {
            self.bookmark(&json!({"k8s.io/initial-events-end": "true"}));
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        let mut revisions = self.store.subscribe();
        let clock = self.store.clock().clone();
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            if self.is_over || clock.now() >= self.until {
                return None;
            }
            revisions.mark_unchanged();
            self.read_changes();
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                changed = revisions.changed() => changed.ok()?,
                () = clock.sleep_until(self.until) => return None,
                () = clock.sleep(BOOKMARK_EVERY), if self.bookmarks => self.bookmark(&json!({})),
                () = self.closing.cancelled() => return None,
            }
        }
    }

    fn read_changes(&mut self) {
        let Ok(changes) = self.store.changes_since(self.revision) else {
            let message = format!("too old resource version: {} ({})", self.revision, self.store.revision());
            self.line("ERROR", &Refusal::expired(message).to_json());
            self.is_over = true;
            return;
        };
        for change in changes {
            self.revision = change.revision;
            match (self.event(&change), &change.before) {
                // It leaves what is watched: it is told as it was while it was in.
                (Some("DELETED"), Some(before)) if change.event != Event::Deleted => {
                    let mut last = Value::clone(before);
                    last["metadata"]["resourceVersion"] = change.revision.to_string().into();
                    self.push("DELETED", &Arc::new(last));
                }
                (Some(event), _) => self.push(event, &change.object),
                (None, _) => {}
            }
        }
    }

    /// What a change is to this watch: an object may enter and leave its selection.
    fn event(&self, change: &Change) -> Option<&'static str> {
        let here = change.key.kind == self.kind
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == change.key.namespace);
        if !here {
            return None;
        }
        let was = change.before.as_ref().is_some_and(|before| self.selection.accepts(before));
        let is = change.event != Event::Deleted && self.selection.accepts(&change.object);
        match (was, is) {
            (false, false) => None,
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
        }
    }

    fn push(&mut self, event: &str, object: &Arc<Value>) {
        if self.as_table {
            let metadata =
                json!({"resourceVersion": super::super::object::text(object, "/metadata/resourceVersion")});
            let now = self.store.clock().now();
            let table =
                table::table(self.kind, std::slice::from_ref(object), &metadata, event == "ADDED", now);
            self.line(event, &table);
        } else {
            self.line(event, object);
        }
    }

    fn bookmark(&mut self, annotations: &Value) {
        let metadata = json!({"resourceVersion": self.revision.to_string(), "annotations": annotations, "creationTimestamp": null});
        let object =
            json!({"kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata});
        self.line("BOOKMARK", &object);
    }

    fn line(&mut self, event: &str, object: &Value) {
        self.ready.push_back(format!("{{\"type\":\"{event}\",\"object\":{object}}}\n").into());
    }
}
