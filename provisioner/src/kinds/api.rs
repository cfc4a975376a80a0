//! `api`: a service of Google's that the project's calls need, implied by what needs it. All of the
//! project shares it, so it is enabled and never disabled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use google_cloud_api_serviceusage_v1::model::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Found, Kind, Place, Table};
use crate::cloud::{Cloud, limited};
use crate::resource::{Address, Desired, Owner, Revision};
use crate::stack::{FieldProblem, Scope};

/// What the name of every service ends in.
const DOMAIN: &str = ".googleapis.com";
/// How long one may take to be enabled, and how often that is looked at.
const LONGEST: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_secs(1);

/// An API that the project has enabled: `[api.bigquery]` is bigquery.googleapis.com. Those that the
/// stack's own resources need go without saying.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {}

impl Table for Api {
    const NAME: &'static str = "api";

    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem> {
        let name = scope.name("api", key);
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        let is_one = name.strip_suffix(DOMAIN).is_some_and(|own| !own.is_empty()) && name.bytes().all(plain);
        let wrong = || {
            let help = "write it as `gcloud services list --available` does: \"bigquery.googleapis.com\"";
            FieldProblem::at(&["name"], format!("`{name}` is not the name of an API")).help(help)
        };
        (!is_one).then(wrong).into_iter().collect()
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        Ok(vec![Desired::new(key, id(&scope.project.id, &scope.name("api", key)), self)?])
    }
}

fn id(project: &str, service: &str) -> String {
    format!("projects/{project}/services/{service}")
}

/// A stack's resources with the APIs that they need, each after its own.
pub(crate) fn with_apis(mut resources: Vec<Desired>, project: &str) -> Result<Vec<Desired>> {
    let declared = resources.iter().filter(|want| want.address.kind == <Api as Kind>::NAME);
    let mut known: BTreeMap<String, Address> =
        declared.map(|want| (want.id.clone(), want.address.clone())).collect();
    let mut all = Vec::new();
    for want in &mut resources {
        let kind = super::named(want.address.kind).context("a resource of no kind")?;
        for service in kind.apis(&want.fields)? {
            let id = id(project, &format!("{service}{DOMAIN}"));
            if !known.contains_key(&id) {
                let api = Desired::new(service, id.clone(), &Api {})?;
                known.insert(id.clone(), api.address.clone());
                all.push(Desired { implied_by: Some(want.address.clone()), ..api });
            }
            want.needs.extend(known.get(&id).cloned());
        }
    }
    all.extend(resources);
    Ok(all)
}

impl Kind for Api {
    const NAME: &'static str = "api";
    const IS_MARKED: bool = false;
    const CARRIES_RUNS: bool = false;

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        Ok(is_enabled(cloud, id).await?.then(|| Found {
            id: id.to_owned(),
            key: id.rsplit('/').next().unwrap_or(id).trim_end_matches(DOMAIN).to_owned(),
            // Enabled is as declared, whoever enabled it.
            owner: Owner::Ours,
            fields: self.clone(),
            holds: None,
            inside: None,
            revision: Revision::default(),
        }))
    }

    /// No stack owns one: others of the project may need it, too.
    async fn owned(_: &Cloud) -> Result<Vec<Found<Self>>> {
        Ok(Vec::new())
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let enable = cloud.services.enable_service().set_name(at.id);
        limited("enable the API", enable.send()).await?;
        let began = Instant::now();
        while !is_enabled(cloud, at.id).await? {
            if began.elapsed() > LONGEST {
                bail!("{} is still not enabled after {} s", at.id, LONGEST.as_secs());
            }
            (at.progress)("being enabled".to_owned());
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn update(&self, _: &Cloud, _: &Place<'_>, _: &[String]) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Cloud, _: &Place<'_>) -> Result<()> {
        Ok(())
    }

    fn by_hand(&self, project: &str, id: &str) -> String {
        let name = id.rsplit('/').next().unwrap_or(id);
        format!("gcloud services disable {name} --project={project}")
    }
}

async fn is_enabled(cloud: &Cloud, id: &str) -> Result<bool> {
    let service = limited("look up the API", cloud.services.get_service().set_name(id).send()).await?;
    Ok(service.state == State::Enabled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{Project, Stack};

    #[test]
    fn what_needs_an_api_implies_it_once_and_waits_for_it_and_a_declared_one_stands_for_it() {
        let text = "[stack]\nname = \"fx\"\nregion = \"europe-west1\"\n[topic.a]\n[topic.b]\n[bucket.data]\n\
                    [api.files]\nname = \"storage.googleapis.com\"\nexisting = true\n";
        let stack = Stack::parse(std::path::Path::new("stack.toml"), text).unwrap_or_else(|e| panic!("{e}"));
        let project = Project { id: "p".into(), number: 1, local: true };
        let all = with_apis(stack.resources(&project).expect("resources"), "p").expect("APIs");
        let told: Vec<String> = all
            .iter()
            .map(|want| {
                let needs: Vec<String> = want.needs.iter().map(ToString::to_string).collect();
                let by = want.implied_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                format!("{} {}{by} after [{}]", want.address, want.id, needs.join(" "))
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        api.pubsub projects/p/services/pubsub.googleapis.com by topic.a after []
        api.files projects/p/services/storage.googleapis.com after []
        bucket.data p-fx-data after [api.files]
        topic.a projects/p/topics/fx-a after [api.pubsub]
        topic.b projects/p/topics/fx-b after [api.pubsub]
        ");
    }
}
