//! The grants that a job's workers need, whoever they are in the cloud.

use std::collections::BTreeMap;

use anyhow::Result;

use super::JobSpec;
use crate::kinds::grant::Grant;
use crate::kinds::{command, etl};
use crate::resource::{Address, Desired};
use crate::stack::Scope;

/// Reading a bucket's objects, and writing them too.
const READS: &str = "roles/storage.objectViewer";
const WRITES: &str = "roles/storage.objectUser";

impl JobSpec {
    /// The least that workers need: pull and republish items, read and write the bucket's objects.
    pub(super) fn grants(
        &self,
        key: &str,
        by: &Address,
        email: Option<&str>,
        scope: &Scope,
    ) -> Result<Vec<Desired>> {
        let project = &scope.project;
        let identity = match email {
            Some(email) => format!("serviceAccount:{email}"),
            None => format!(
                "principal://iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/{}.svc.id.goog/subject/ns/{}/sa/{key}",
                project.number, project.id, scope.prefix
            ),
        };
        let mut grants = Vec::new();
        let mut add = |name: String, grant: Grant, on: Address| -> Result<()> {
            let account = self.service_account.as_deref().map(|key| Address::new("service_account", key));
            grants.push(grant.desired(&format!("{key}-{name}"))?.inside(on).after(account).implied(by));
            Ok(())
        };
        let subscription = Address::new("subscription", self.subscription.as_str());
        let pull = Grant::on_subscription(
            &scope.subscription(&self.subscription),
            "roles/pubsub.subscriber",
            &identity,
        );
        add("pull".into(), pull, subscription)?;
        if let Some(topic) = scope.topic_of.get(&self.subscription) {
            let publish = Grant::on_topic(&scope.topic(topic), "roles/pubsub.publisher", &identity);
            add("publish".into(), publish, Address::new("topic", topic.as_str()))?;
        }
        for (bucket, role) in self.buckets(scope) {
            let grant = Grant::on_bucket(&scope.name("bucket", bucket), role, &identity);
            add(format!("objects-{bucket}"), grant, Address::new("bucket", bucket))?;
        }
        if let (Some(email), Some(account)) = (email, self.service_account.as_deref()) {
            let member = format!("serviceAccount:{}.svc.id.goog[{}/{key}]", project.id, scope.prefix);
            let bind = Grant::on_service_account(email, "roles/iam.workloadIdentityUser", &member);
            add("identity".into(), bind, Address::new("service_account", account))?;
            // The pool of identities comes with the project's first cluster.
            if let Some(bind) = grants.last_mut() {
                bind.needs.push(Address::new("cluster", self.cluster()));
            }
        }
        grants.extend(self.secret_grants(key, by, &identity, scope)?);
        Ok(grants)
    }

    /// The buckets that workers use, by key, with the role that they need on each.
    fn buckets<'a>(&'a self, scope: &'a Scope) -> BTreeMap<&'a str, &'static str> {
        let named = |address: &'a String| address.strip_prefix("bucket.").unwrap_or(address);
        let records = std::iter::once((self.bucket.as_str(), WRITES));
        let etl = self.etl.iter().flat_map(|etl| etl::buckets(etl, scope));
        let command =
            self.command.iter().filter_map(|command| Some((command::bucket(command, scope)?, WRITES)));
        let reads = self.reads.iter().map(|address| (named(address), READS));
        let writes = self.writes.iter().map(|address| (named(address), WRITES));
        let mut buckets = BTreeMap::new();
        for (bucket, role) in records.chain(etl).chain(command).chain(reads).chain(writes) {
            let had = buckets.entry(bucket).or_insert(role);
            // Who may write may read.
            if role == WRITES {
                *had = role;
            }
        }
        buckets
    }
}

#[cfg(test)]
mod tests {
    use crate::kinds::job::tests::{resources, resources_of};
    use crate::resource::Desired;

    /// The grants that the job implies, as `KEY: ROLE on THIS to MEMBER  after …`.
    fn grants(job: &str) -> String {
        shown(resources(true, "", job).expect("a valid stack"))
    }

    fn shown(resources: Vec<Desired>) -> String {
        let of_the_job = resources.into_iter().filter(|r| {
            r.address.kind == "grant" && r.implied_by.as_ref().is_some_and(|by| by.kind == "job")
        });
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let line = |grant: Desired| {
            let [role, on, member] = ["role", "on", "member"].map(|field| text(&grant.fields[field]));
            let needs = grant.needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("{}: {role}\n  on {on}\n  to {member}\n  after {needs}\n", grant.address)
        };
        of_the_job.map(line).collect()
    }

    #[test]
    fn workers_with_an_account_get_its_grants_and_may_act_as_it() {
        insta::assert_snapshot!(grants(r#"service_account = "worker""#), @"
        grant.fx-pull: roles/pubsub.subscriber
          on pubsub projects/my-project/subscriptions/fx-work
          to serviceAccount:fx-worker@my-project.iam.gserviceaccount.com
          after subscription.work, service_account.worker
        grant.fx-publish: roles/pubsub.publisher
          on pubsub projects/my-project/topics/fx-items
          to serviceAccount:fx-worker@my-project.iam.gserviceaccount.com
          after topic.items, service_account.worker
        grant.fx-objects-data: roles/storage.objectUser
          on bucket my-project-fx-data
          to serviceAccount:fx-worker@my-project.iam.gserviceaccount.com
          after bucket.data, service_account.worker
        grant.fx-identity: roles/iam.workloadIdentityUser
          on service_account fx-worker@my-project.iam.gserviceaccount.com
          to serviceAccount:my-project.svc.id.goog[fx/fx]
          after service_account.worker, service_account.worker, cluster.main
        ");
    }

    #[test]
    fn workers_without_an_account_get_grants_as_themselves() {
        insta::assert_snapshot!(grants(""), @"
        grant.fx-pull: roles/pubsub.subscriber
          on pubsub projects/my-project/subscriptions/fx-work
          to principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/my-project.svc.id.goog/subject/ns/fx/sa/fx
          after subscription.work
        grant.fx-publish: roles/pubsub.publisher
          on pubsub projects/my-project/topics/fx-items
          to principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/my-project.svc.id.goog/subject/ns/fx/sa/fx
          after topic.items
        grant.fx-objects-data: roles/storage.objectUser
          on bucket my-project-fx-data
          to principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/my-project.svc.id.goog/subject/ns/fx/sa/fx
          after bucket.data
        ");
    }

    #[test]
    fn a_command_may_write_where_it_loads_and_use_what_it_says() {
        let job = r#"
            reads = ["bucket.codes"]
            [job.fx.command]
            argv = ["true"]
            load = "gs://out/{item}/"
            [bucket.codes]
            [bucket.out]"#;
        let grants = shown(resources_of(true, "", job).expect("a valid stack"));
        let of_buckets: Vec<&str> =
            grants.lines().filter(|line| line.starts_with("grant.fx-objects-")).collect();
        insta::assert_snapshot!(of_buckets.join("\n"), @r#"
        grant.fx-objects-codes: roles/storage.objectViewer
        grant.fx-objects-data: roles/storage.objectUser
        grant.fx-objects-out: roles/storage.objectUser
        "#);
    }
}
