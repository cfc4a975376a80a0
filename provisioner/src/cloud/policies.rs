//! IAM policies: read-modify-write with an etag, one writer at a time from here, and nobody else's
//! members ever dropped.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use google_cloud_gax::options::RequestOptionsBuilder as _;
use google_cloud_iam_v1::model::{Binding, Policy};
use tokio::sync::Mutex;

use super::{Cloud, errors, limited};

/// Tries of one change of a policy that others change at the same time.
const TRIES: u32 = 10;

/// A resource that has a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PolicyOf {
    /// The project itself.
    Project,
    /// A topic or a subscription, by full name.
    Pubsub(String),
    /// A bucket, by its name.
    Bucket(String),
    /// A service account, by e-mail.
    ServiceAccount(String),
    /// A secret of Secret Manager, by full name.
    Secret(String),
}

/// Whose turn it is to write a policy: one writer at a time.
pub(super) type Turns = Mutex<HashMap<PolicyOf, Arc<Mutex<()>>>>;

impl Cloud {
    /// The unique id that an account had when it was deleted, if grants to it are left on the project.
    pub(crate) async fn deleted_account(&self, email: &str) -> Option<String> {
        // Who may not read the policy has been told so already.
        let policy = self.policy(&PolicyOf::Project).await.ok().flatten()?;
        let prefix = format!("deleted:serviceAccount:{email}?uid=");
        let mut members = policy.bindings.iter().flat_map(|binding| &binding.members);
        members.find_map(|member| Some(member.strip_prefix(&prefix)?.to_owned()))
    }

    /// A policy, read once per round of observation; none if the resource is not there.
    pub(crate) async fn policy(&self, of: &PolicyOf) -> Result<Option<Arc<Policy>>> {
        let read = async { Ok(errors::found(self.read_policy(of).await)?.map(Arc::new)) };
        self.seen.policies.once(of.clone(), read).await
    }

    /// Adds a member to a role. Returns whether it had to.
    pub(crate) async fn grant(&self, of: &PolicyOf, role: &str, member: &str) -> Result<bool> {
        self.change_policy(of, |policy| add(policy, role, member)).await
    }

    /// Removes a member from a role. Returns whether it had to.
    pub(crate) async fn revoke(&self, of: &PolicyOf, role: &str, member: &str) -> Result<bool> {
        self.change_policy(of, |policy| remove(policy, role, member)).await
    }

    async fn change_policy(&self, of: &PolicyOf, change: impl Fn(&mut Policy) -> bool) -> Result<bool> {
        let turn = self.turns.lock().await.entry(of.clone()).or_default().clone();
        let _turn = turn.lock().await;
        // Whoever looks afterwards must not see what was there before.
        self.seen.policies.forget(of).await;
        let mut tries = 0;
        loop {
            let mut policy = self.read_policy(of).await?;
            if !change(&mut policy) {
                return Ok(false);
            }
            match self.write_policy(of, policy).await {
                Ok(()) => return Ok(true),
                Err(error) if errors::is_race(&error) && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn read_policy(&self, of: &PolicyOf) -> Result<Policy> {
        let get = async {
            // Some of them are a POST, which clients take for a change.
            match of {
                PolicyOf::Project => {
                    let get = self.projects.get_iam_policy().set_resource(self.project.path());
                    get.with_idempotency(true).send().await
                }
                PolicyOf::Pubsub(name) => {
                    let get = self.pubsub_policies.get_iam_policy().set_resource(name);
                    get.with_idempotency(true).send().await
                }
                PolicyOf::Bucket(name) => {
                    let get = self.buckets.get_iam_policy().set_resource(bucket(name));
                    get.with_idempotency(true).send().await
                }
                PolicyOf::ServiceAccount(email) => {
                    let get = self.accounts.get_iam_policy().set_resource(account(email));
                    get.with_idempotency(true).send().await
                }
                PolicyOf::Secret(name) => {
                    let get = self.secrets.get_iam_policy().set_resource(name);
                    get.with_idempotency(true).send().await
                }
            }
        };
        limited("read a policy", get).await.with_context(|| format!("cannot read the policy of {of}"))
    }

    async fn write_policy(&self, of: &PolicyOf, policy: Policy) -> Result<()> {
        let set = async {
            match of {
                PolicyOf::Project => {
                    let set = self.projects.set_iam_policy().set_resource(self.project.path());
                    set.set_policy(policy).send().await
                }
                PolicyOf::Pubsub(name) => {
                    let set = self.pubsub_policies.set_iam_policy().set_resource(name);
                    set.set_policy(policy).send().await
                }
                PolicyOf::Bucket(name) => {
                    let set = self.buckets.set_iam_policy().set_resource(bucket(name));
                    set.set_policy(policy).send().await
                }
                PolicyOf::ServiceAccount(email) => {
                    let set = self.accounts.set_iam_policy().set_resource(account(email));
                    set.set_policy(policy).send().await
                }
                PolicyOf::Secret(name) => {
                    let set = self.secrets.set_iam_policy().set_resource(name);
                    set.set_policy(policy).send().await
                }
            }
        };
        let answer = limited("write a policy", set).await;
        answer.map(drop).with_context(|| format!("cannot change the policy of {of}"))
    }
}

impl fmt::Display for PolicyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project => f.write_str("the project"),
            Self::Pubsub(name) | Self::Bucket(name) | Self::ServiceAccount(name) | Self::Secret(name) => {
                f.write_str(name)
            }
        }
    }
}

fn bucket(name: &str) -> String {
    format!("projects/_/buckets/{name}")
}

fn account(email: &str) -> String {
    format!("projects/-/serviceAccounts/{email}")
}

/// Whether the policy gives the role, without a condition, to the member.
pub(crate) fn grants(policy: &Policy, role: &str, member: &str) -> bool {
    unconditional(policy, role).any(|binding| binding.members.iter().any(|m| m == member))
}

fn unconditional<'a>(policy: &'a Policy, role: &'a str) -> impl Iterator<Item = &'a Binding> {
    policy.bindings.iter().filter(move |binding| binding.role == role && binding.condition.is_none())
}

fn add(policy: &mut Policy, role: &str, member: &str) -> bool {
    if grants(policy, role, member) {
        return false;
    }
    match policy.bindings.iter_mut().find(|binding| binding.role == role && binding.condition.is_none()) {
        Some(binding) => binding.members.push(member.to_owned()),
        None => policy.bindings.push(Binding::new().set_role(role).set_members([member])),
    }
    true
}

fn remove(policy: &mut Policy, role: &str, member: &str) -> bool {
    let had = grants(policy, role, member);
    for binding in policy.bindings.iter_mut().filter(|b| b.role == role && b.condition.is_none()) {
        binding.members.retain(|m| m != member);
    }
    policy.bindings.retain(|binding| !binding.members.is_empty());
    had
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy::new()
            .set_bindings([Binding::new().set_role("roles/viewer").set_members(["user:a", "user:b"])])
    }

    #[test]
    fn a_member_is_added_beside_the_others() {
        let mut policy = policy();
        assert!(add(&mut policy, "roles/viewer", "user:c"));
        assert!(!add(&mut policy, "roles/viewer", "user:c"));
        assert_eq!(policy.bindings[0].members, ["user:a", "user:b", "user:c"]);
    }

    #[test]
    fn removing_a_member_keeps_the_others() {
        let mut policy = policy();
        assert!(remove(&mut policy, "roles/viewer", "user:a"));
        assert!(!remove(&mut policy, "roles/viewer", "user:a"));
        assert_eq!(policy.bindings[0].members, ["user:b"]);
    }
}
