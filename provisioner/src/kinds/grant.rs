//! `grant`: one member's role on one resource, or on the project. Other members are never touched.
//!
//! Grants carry no mark of their own. Ours are those whose member is ours: an account of the stack,
//! or a Kubernetes service account in its namespace.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;
use futures::try_join;
use google_cloud_iam_v1::model::Policy;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::service_account::ServiceAccount;
use super::subscription::Subscription;
use super::topic::Topic;
use super::{Found, Kind, Place, Table, bucket, listed, quoted};
use crate::cloud::errors::{self, Unmet};
use crate::cloud::{Cloud, PolicyOf, grants};
use crate::resource::{Address, Desired, Live, Owner, Revision};
use crate::stack::{FieldProblem, Reference, Scope};

/// `[grant.NAME]`: one member's role on one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantSpec {
    /// Who: `service_account.NAME` of this stack, or any IAM member (`user:ann@example.com`).
    member: String,
    /// What they may do: `roles/storage.objectViewer`.
    role: String,
    /// On what: `bucket.NAME`, `topic.NAME`, `subscription.NAME`, `service_account.NAME`, or `project`.
    on: String,
}

/// One member's role on one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grant {
    on: On,
    role: String,
    member: String,
}

/// A [`PolicyOf`], as plans write it: `project`, or `bucket NAME`.
#[derive(Clone, Debug, PartialEq)]
struct On(PolicyOf);

impl GrantSpec {
    fn account(&self) -> Option<&str> {
        self.member.strip_prefix("service_account.")
    }
}

/// The tables that a grant can be on.
const ON: [&str; 4] = ["bucket", "topic", "subscription", "service_account"];

impl Table for GrantSpec {
    const NAME: &'static str = "grant";
    const IS_NAMED: bool = false;

    fn references(&self) -> Vec<Reference> {
        let on = ON.into_iter().find_map(|table| {
            let key = self.on.strip_prefix(table)?.strip_prefix('.')?.to_owned();
            Some(Reference { field: &["on"], table, key })
        });
        let member = self.account().map(|key| Reference {
            field: &["member"],
            table: "service_account",
            key: key.to_owned(),
        });
        on.into_iter().chain(member).collect()
    }

    fn problems(&self, _key: &str, _scope: &Scope) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let is_on_something = self.references().iter().any(|reference| reference.field == ["on"]);
        if !is_on_something && self.on != "project" {
            let help =
                format!("write `project`, or one of {}", ON.map(|table| format!("{table}.NAME")).join(", "));
            problems
                .push(FieldProblem::at(&["on"], format!("a grant cannot be on `{}`", self.on)).help(help));
        }
        if self.account().is_none() && !self.member.contains(':') {
            let help = "write `service_account.NAME`, or an IAM member such as `user:ann@example.com`";
            problems
                .push(FieldProblem::at(&["member"], format!("`{}` is not a member", self.member)).help(help));
        }
        if self.account().is_none() && self.on == "project" {
            let what =
                "neither the member nor the resource is the stack's own: nobody could tell whose grant it is";
            problems
                .push(FieldProblem::at(&["member"], what).help("use a `service_account.NAME` of this file"));
        }
        let custom = ["roles/", "projects/", "organizations/"];
        if !custom.iter().any(|prefix| self.role.starts_with(prefix)) {
            let help = "write it as `roles/storage.objectViewer`";
            problems.push(FieldProblem::at(&["role"], format!("`{}` is not a role", self.role)).help(help));
        }
        problems
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        let member = match self.account() {
            Some(account) => {
                format!("serviceAccount:{}", scope.email(&scope.name("service_account", account)))
            }
            None => self.member.clone(),
        };
        let (table, on) = self.on.split_once('.').unwrap_or((&self.on, ""));
        let on = match table {
            "bucket" => PolicyOf::Bucket(scope.name("bucket", on)),
            "topic" => PolicyOf::Pubsub(scope.topic(on)),
            "subscription" => PolicyOf::Pubsub(scope.subscription(on)),
            "service_account" => PolicyOf::ServiceAccount(scope.email(&scope.name("service_account", on))),
            _ => PolicyOf::Project,
        };
        let grant = Grant { on: On(on), role: self.role.clone(), member };
        let mut grant = grant.desired(key)?;
        for reference in self.references() {
            let address = Address::new(reference.table, reference.key);
            grant = if reference.field == ["on"] { grant.inside(address) } else { grant.after([address]) };
        }
        Ok(vec![grant])
    }
}

impl Grant {
    pub(super) fn on_project(role: &str, member: &str) -> Self {
        Self::new(PolicyOf::Project, role, member)
    }

    pub(super) fn on_topic(name: &str, role: &str, member: &str) -> Self {
        Self::new(PolicyOf::Pubsub(name.to_owned()), role, member)
    }

    pub(super) fn on_subscription(name: &str, role: &str, member: &str) -> Self {
        Self::new(PolicyOf::Pubsub(name.to_owned()), role, member)
    }

    pub(super) fn on_bucket(name: &str, role: &str, member: &str) -> Self {
        Self::new(PolicyOf::Bucket(name.to_owned()), role, member)
    }

    pub(super) fn on_service_account(email: &str, role: &str, member: &str) -> Self {
        Self::new(PolicyOf::ServiceAccount(email.to_owned()), role, member)
    }

    pub(super) fn on_secret(name: &str, role: &str, member: &str) -> Self {
        Self::new(PolicyOf::Secret(name.to_owned()), role, member)
    }

    fn new(on: PolicyOf, role: &str, member: &str) -> Self {
        Self { on: On(on), role: role.to_owned(), member: member.to_owned() }
    }

    pub(super) fn desired(&self, key: &str) -> Result<Desired> {
        Desired::new(key, self.id(), self)
    }

    fn id(&self) -> String {
        format!("{} {} {}", self.on, self.role, self.member)
    }
}

impl Kind for Grant {
    const NAME: &'static str = "grant";
    const IS_MARKED: bool = false;

    fn apis(&self) -> &'static [&'static str] {
        match &self.on.0 {
            PolicyOf::Project => &["cloudresourcemanager"],
            PolicyOf::Secret(_) => &["secretmanager"],
            // Whoever acts as the account asks this one for tokens.
            PolicyOf::ServiceAccount(_) => &["iamcredentials"],
            PolicyOf::Bucket(_) | PolicyOf::Pubsub(_) => &[],
        }
    }

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let policy = cloud.policy(&self.on.0).await?;
        if let (PolicyOf::Secret(name), None) = (&self.on.0, &policy) {
            bail!("Secret Manager has no {name}: make it there, or correct `secret_manager`");
        }
        let granted = policy.is_some_and(|policy| grants(&policy, &self.role, &self.member));
        Ok(granted.then(|| Found {
            id: id.to_owned(),
            key: id.to_owned(),
            // Who holds a declared role is as declared, whoever granted it.
            owner: Owner::Ours,
            fields: self.clone(),
            holds: None,
            inside: None,
            revision: Revision::default(),
        }))
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        // What one list names is asked for while others are still on their way.
        let (of_project, of_topics, of_subscriptions, of_buckets, of_secrets, of_accounts) = try_join!(
            policies(cloud, async { Ok(vec![(PolicyOf::Project, None)]) }),
            policies(cloud, async { Ok(sites(&listed::<Topic>(cloud).await?, PolicyOf::Pubsub)) }),
            policies(cloud, async { Ok(sites(&listed::<Subscription>(cloud).await?, PolicyOf::Pubsub)) }),
            policies(cloud, async {
                let site = |(id, key)| (PolicyOf::Bucket(id), Some(Address::new("bucket", key)));
                Ok(bucket::owned_names(cloud).await?.into_iter().map(site).collect())
            }),
            policies(cloud, async {
                let all = super::secret::granted_on(cloud).await?;
                Ok(all.into_iter().map(|secret| (PolicyOf::Secret(secret), None)).collect())
            }),
            policies(cloud, async {
                Ok(sites(&listed::<ServiceAccount>(cloud).await?, PolicyOf::ServiceAccount))
            }),
        )?;
        let accounts = listed::<ServiceAccount>(cloud).await?;
        let emails: HashSet<&str> = accounts.iter().map(|account| account.id.as_str()).collect();
        let lists = [of_project, of_topics, of_subscriptions, of_buckets, of_secrets, of_accounts];
        let mut owned = Vec::new();
        for ((of, inside), policy) in lists.into_iter().flatten() {
            let bindings = policy.iter().flat_map(|policy| &policy.bindings);
            for binding in bindings.filter(|binding| binding.condition.is_none()) {
                for member in &binding.members {
                    let whose = match is_ours(cloud, &emails, member) {
                        true => Owner::Ours,
                        // On what is the stack's own, others' grants are told, and kept.
                        false if inside.is_some() && !is_googles(&binding.role, member) => Owner::Nobody,
                        false => continue,
                    };
                    let grant = Self::new(of.clone(), &binding.role, member);
                    let id = grant.id();
                    let (key, inside) = (id.clone(), inside.clone());
                    let (holds, revision) = (None, Revision::default());
                    owned.push(Found { id, key, owner: whose, fields: grant, holds, inside, revision });
                }
            }
        }
        Ok(owned)
    }

    async fn create(&self, cloud: &Cloud, _: &Place<'_>) -> Result<()> {
        match cloud.grant(&self.on.0, &self.role, &self.member).await? {
            true => Ok(()),
            false => Err(Unmet::AlreadyThere(self.id()).into()),
        }
    }

    async fn update(&self, cloud: &Cloud, _: &Place<'_>, _: &[String]) -> Result<()> {
        cloud.grant(&self.on.0, &self.role, &self.member).await.map(drop)
    }

    async fn delete(&self, cloud: &Cloud, _: &Place<'_>) -> Result<()> {
        errors::gone(cloud.revoke(&self.on.0, &self.role, &self.member).await)
    }

    fn by_hand(&self, project: &str, _: &str) -> String {
        let of = match &self.on.0 {
            PolicyOf::Project => format!("projects remove-iam-policy-binding {project}"),
            PolicyOf::Pubsub(name) if name.contains("/topics/") => {
                format!("pubsub topics remove-iam-policy-binding {name}")
            }
            PolicyOf::Pubsub(name) => format!("pubsub subscriptions remove-iam-policy-binding {name}"),
            PolicyOf::Bucket(name) => format!("storage buckets remove-iam-policy-binding gs://{name}"),
            PolicyOf::ServiceAccount(email) => {
                format!("iam service-accounts remove-iam-policy-binding {email} --project={project}")
            }
            PolicyOf::Secret(name) => format!("secrets remove-iam-policy-binding {name}"),
        };
        let (role, member) = (quoted(&self.role), quoted(&self.member));
        format!("gcloud {of} --role={role} --member={member}")
    }
}

/// A resource whose policy is read, and where that is.
type Site = (PolicyOf, Option<Address>);

fn sites(owned: &[Live], of: fn(String) -> PolicyOf) -> Vec<Site> {
    owned.iter().map(|one| (of(one.id.clone()), Some(one.address.clone()))).collect()
}

/// The policies of resources, as soon as it is known which they are.
async fn policies(
    cloud: &Cloud,
    sites: impl Future<Output = Result<Vec<Site>>>,
) -> Result<Vec<(Site, Option<Arc<Policy>>)>> {
    let sites = sites.await?;
    let policies = try_join_all(sites.iter().map(|(of, _)| cloud.policy(of))).await?;
    Ok(sites.into_iter().zip(policies).collect())
}

/// Whether a member is an account of the stack, or a Kubernetes service account in its namespace.
fn is_ours(cloud: &Cloud, emails: &HashSet<&str>, member: &str) -> bool {
    let (project, namespace) = (&cloud.project.id, &cloud.prefix);
    let account = member.strip_prefix("serviceAccount:");
    account.is_some_and(|account| emails.contains(account))
        || account.is_some_and(|account| account.starts_with(&format!("{project}.svc.id.goog[{namespace}/")))
        || member.starts_with("principal://")
            && member
                .contains(&format!("/workloadIdentityPools/{project}.svc.id.goog/subject/ns/{namespace}/sa/"))
}

/// Whether Google grants it by itself: every bucket is born with some of these.
pub(super) fn is_googles(role: &str, member: &str) -> bool {
    let born_with = ["projectOwner:", "projectEditor:", "projectViewer:"];
    role.starts_with("roles/storage.legacy") && born_with.iter().any(|kind| member.starts_with(kind))
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            PolicyOf::Project => f.write_str("project"),
            PolicyOf::Pubsub(name) => write!(f, "pubsub {name}"),
            PolicyOf::Bucket(name) => write!(f, "bucket {name}"),
            PolicyOf::ServiceAccount(email) => write!(f, "service_account {email}"),
            PolicyOf::Secret(name) => write!(f, "secret {name}"),
        }
    }
}

impl Serialize for On {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for On {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let parse = || {
            let (kind, name) = text.split_once(' ').unwrap_or((&text, ""));
            Some(match kind {
                "project" => PolicyOf::Project,
                "pubsub" => PolicyOf::Pubsub(name.to_owned()),
                "bucket" => PolicyOf::Bucket(name.to_owned()),
                "service_account" => PolicyOf::ServiceAccount(name.to_owned()),
                "secret" => PolicyOf::Secret(name.to_owned()),
                _ => return None,
            })
        };
        parse().map(On).context("not a place of a grant").map_err(D::Error::custom)
    }
}
