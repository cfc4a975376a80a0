//! `service_account`: an identity without keys. Its description says which stack owns it, since
//! service accounts take no labels.

use anyhow::Result;
use google_cloud_iam_admin_v1::model;
use google_cloud_wkt::FieldMask;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Found, Kind, Place, Table};
use crate::cloud::{Cloud, Marked, errors, limited};
use crate::resource::{Desired, Owner, Revision};
use crate::stack::{FieldProblem, Labels, Scope};

/// A service account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceAccount {
    /// Name for people.
    #[serde(default)]
    pub display_name: Option<String>,
}

impl Table for ServiceAccount {
    const NAME: &'static str = "service_account";

    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem> {
        account_problem(&scope.name("service_account", key)).into_iter().collect()
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        let email = scope.email(&scope.name("service_account", key));
        Ok(vec![Desired::new(key, email, self)?])
    }
}

/// What is wrong with the name of a service account.
pub(super) fn account_problem(name: &str) -> Option<FieldProblem> {
    (!(6..=30).contains(&name.len())).then(|| {
        let what = format!("`{name}` cannot be the name of a service account: it has 6 to 30 characters");
        FieldProblem::at(&["name"], what).help("`name = …` overrides it")
    })
}

impl Kind for ServiceAccount {
    const NAME: &'static str = "service_account";
    const DELETED_AFTER: &'static [&'static str] = &["grant", "cluster"];
    const UPDATES_BLINDLY: bool = true;
    const ADOPTABLE: bool = true;

    fn apis(&self) -> &'static [&'static str] {
        &["iam"]
    }

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let get = cloud.accounts.get_service_account().set_name(path(cloud, id));
        let account = errors::found(limited("look up the service account", get.send()).await)?;
        Ok(account.map(|account| found(cloud, account)))
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        let accounts = cloud.accounts_of_project().await?.into_iter().map(|account| found(cloud, account));
        Ok(accounts.filter(|found| found.owner == Owner::Ours).collect())
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        if let Some(uid) = cloud.deleted_account(at.id).await {
            let undelete = cloud.accounts.undelete_service_account().set_name(path(cloud, &uid));
            match limited("restore the service account", undelete.send()).await {
                Ok(_) => return self.update(cloud, at, &[]).await,
                // It is not deleted any more: an earlier try restored it, and its answer was lost.
                Err(error) if errors::is_out_of_place(&error) => return self.update(cloud, at, &[]).await,
                // After 30 days it is gone for good.
                Err(error) if errors::is_not_found(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let account = model::ServiceAccount::new()
            .set_display_name(self.display_name.clone().unwrap_or_default())
            .set_description(description(cloud, at));
        let name = at.id.split('@').next().unwrap_or_default();
        let create = cloud
            .accounts
            .create_service_account()
            .set_name(cloud.project.path())
            .set_account_id(name)
            .set_service_account(account);
        limited("create the service account", create.send()).await.map(drop)
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, _: &[String]) -> Result<()> {
        let account = model::ServiceAccount::new()
            .set_name(path(cloud, at.id))
            .set_display_name(self.display_name.clone().unwrap_or_default())
            .set_description(description(cloud, at));
        let mask = FieldMask::default().set_paths(["display_name", "description"]);
        let patch = cloud.accounts.patch_service_account().set_service_account(account).set_update_mask(mask);
        limited("update the service account", patch.send()).await.map(drop)
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        // By its unique id: another account of the same e-mail is another account.
        let name = at.revision.identity.as_deref().unwrap_or(at.id);
        let delete = cloud.accounts.delete_service_account().set_name(path(cloud, name));
        errors::gone(limited("delete the service account", delete.send()).await)
    }

    fn by_hand(&self, project: &str, id: &str) -> String {
        format!("gcloud iam service-accounts delete {id} --project={project}")
    }
}

fn path(cloud: &Cloud, email: &str) -> String {
    format!("{}/serviceAccounts/{email}", cloud.project.path())
}

fn description(cloud: &Cloud, at: &Place<'_>) -> String {
    let Some(marks) = at.marks else { return String::new() };
    let is_told = |mark: &str| cloud.marks(at.key).any(|(own, _)| own == mark);
    let marks = marks.iter().map(|(mark, value)| (mark.as_str(), value.as_str()));
    let others = marks.filter(|(mark, _)| !is_told(mark));
    let words: Vec<String> = cloud.marks(at.key).chain(others).map(|(k, v)| format!("{k}={v}")).collect();
    words.join(" ")
}

/// The marks in an account's description, as labels.
pub(crate) fn marks_in(description: &str) -> Labels {
    let marks = description.split(' ').filter_map(|mark| mark.split_once('='));
    marks.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

pub(super) fn found(cloud: &Cloud, account: model::ServiceAccount) -> Found<ServiceAccount> {
    let labels = marks_in(&account.description);
    let revision = Revision {
        identity: Some(account.unique_id).filter(|id| !id.is_empty()),
        version: None,
        marks: crate::cloud::marks(&labels),
    };
    let Marked { owner, key, .. } = cloud.unmarked(labels);
    let display_name = Some(account.display_name).filter(|name| !name.is_empty());
    let name = account.email.split('@').next().unwrap_or_default();
    Found {
        key: key.unwrap_or_else(|| name.to_owned()),
        id: account.email,
        owner,
        fields: ServiceAccount { display_name },
        holds: None,
        inside: None,
        revision,
    }
}
