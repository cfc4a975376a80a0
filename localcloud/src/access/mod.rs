//! Lets a call in or refuses it: who brings a token must have the permissions that Google asks for,
//! by the policies of the resource, of what it lies in, and of its project. Who brings none is the
//! owner of all projects here.
//!
//! `needs` is the table of what each method asks for. What a service learns only while it answers
//! (that an upload replaces an object, which topic a subscription is of) it asks for itself, of
//! [`Iam::check`]: whoever asks is known for as long as the answer is made.

mod needs;
mod refusal;
mod scope;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::calls::{Call, Principals, Wire};
use crate::iam::caller::Caller;
use crate::iam::{Denied, Iam, Resource};
use crate::pubsub::Pubsub;
use crate::resource_manager::ResourceManager;
use crate::secret_manager::SecretManager;
use crate::storage::Storage;
use needs::{Need, On};

/// What is asked to decide. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Access(Arc<Inner>);

struct Inner {
    iam: Arc<Iam>,
    projects: Arc<ResourceManager>,
    pubsub: Arc<Pubsub>,
    secrets: Arc<SecretManager>,
    storage: Arc<Storage>,
}

/// A token that nobody holds.
struct Unknown;

impl Access {
    pub(crate) fn new(
        iam: &Arc<Iam>,
        projects: &Arc<ResourceManager>,
        pubsub: &Arc<Pubsub>,
        secrets: &Arc<SecretManager>,
        storage: &Arc<Storage>,
    ) -> Self {
        Self(Arc::new(Inner {
            iam: iam.clone(),
            projects: projects.clone(),
            pubsub: pubsub.clone(),
            secrets: secrets.clone(),
            storage: storage.clone(),
        }))
    }

    fn check(&self, call: &Call) -> Result<(), Denied> {
        needs::of(call.method.name).iter().try_for_each(|Need(on, permission)| {
            let on = match on {
                On::It => Some(&call.resource),
                On::Parent => call.parent.as_ref(),
            };
            let resource = on.and_then(|name| self.resource(name));
            resource.map_or(Ok(()), |resource| self.0.iam.check(permission, &resource))
        })?;
        self.check_for_absence(call)
    }

    /// Whether an object is not there is told only to those who may list them.
    fn check_for_absence(&self, call: &Call) -> Result<(), Denied> {
        let reads = ["storage.objects.get", "storage.objects.delete"].contains(&call.method.name);
        match call.resource.strip_prefix(BUCKETS).and_then(|name| name.split_once("/objects/")) {
            Some((bucket, object)) if reads && self.0.storage.lacks(bucket, object) => {
                let bucket = self.resource(&format!("{BUCKETS}{bucket}"));
                bucket.map_or(Ok(()), |bucket| self.0.iam.check("storage.objects.list", &bucket))
            }
            _ => Ok(()),
        }
    }

    /// A resource by its name, with the policies that count for it; none if nobody's policy does: an
    /// upload's session, which who holds its address may go on with, or a bucket that is not there.
    fn resource(&self, name: &str) -> Option<Resource> {
        if let Some(path) = name.strip_prefix(BUCKETS) {
            let bucket = path.split('/').next().unwrap_or_default();
            let (policy, project) = self.0.storage.policy_of(bucket)?;
            let policy = Some((format!("{BUCKETS}{bucket}"), policy));
            return Some(Resource {
                name: name.into(),
                policy,
                project: Some(self.0.projects.id_of(&project)),
            });
        }
        let mut segments = name.strip_prefix("projects/")?.split('/');
        let project = self.0.projects.id_of(segments.next()?);
        let policy = match (segments.next(), segments.next()) {
            (Some(kind @ ("topics" | "subscriptions")), Some(id)) => {
                let of = format!("projects/{project}/{kind}/{id}");
                self.0.pubsub.policy_of(&of).map(|policy| (of, policy))
            }
            (Some("secrets"), Some(id)) => {
                let of = format!("projects/{project}/secrets/{id}");
                self.0.secrets.policy_of(&project, id).map(|policy| (of, policy))
            }
            (Some("serviceAccounts"), Some(id)) => {
                // An account may be named without its project.
                if let Ok(account) = self.0.iam.account_resource(&project, id) {
                    return Some(account);
                }
                None
            }
            _ => None,
        };
        Some(Resource { name: name.into(), policy, project: Some(project) })
    }
}

const BUCKETS: &str = "projects/_/buckets/";

/// Tells from a request's headers who asks, as the call log names callers.
pub(crate) fn principals(iam: &Arc<Iam>) -> Principals {
    let iam = iam.clone();
    Arc::new(move |headers| match caller(&iam, headers) {
        Ok(caller) => caller.to_string().into(),
        Err(Unknown) => "unknown".into(),
    })
}

/// Around all services of Google, within what knows their calls.
pub(crate) async fn authorize(State(access): State<Access>, request: Request, next: Next) -> Response {
    let Some(call) = request.extensions().get::<Call>().cloned() else { return next.run(request).await };
    let wire = request.extensions().get().copied().unwrap_or(Wire::Rest);
    let caller = match caller(&access.0.iam, request.headers()) {
        Ok(Caller::Owner) => return next.run(request).await,
        Ok(caller) => caller,
        Err(Unknown) => return refusal::unauthenticated(wire, &call),
    };
    scope::answer(caller, async move {
        match access.check(&call) {
            Ok(()) => next.run(request).await,
            Err(denied) => refusal::denied(wire, denied),
        }
    })
    .await
}

fn caller(iam: &Iam, headers: &HeaderMap) -> Result<Caller, Unknown> {
    let Some(authorization) = headers.get(AUTHORIZATION) else { return Ok(Caller::Owner) };
    let text = authorization.to_str().map_err(|_| Unknown)?;
    let (scheme, token) = text.split_once(' ').ok_or(Unknown)?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    iam.holder(token.trim()).filter(|_| is_bearer).ok_or(Unknown)
}
