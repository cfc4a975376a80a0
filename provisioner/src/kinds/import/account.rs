//! Service accounts as tables of a stack file.

use anyhow::Result;
use google_cloud_iam_admin_v1::model;
use serde_json::json;

use super::{Sighting, kept};
use crate::cloud::Cloud;
use crate::kinds::{account_marks, service_account};
use crate::resource::Owner;

pub(super) async fn all(cloud: &Cloud) -> Result<Vec<Sighting>> {
    cloud.accounts_of_project().await?.into_iter().map(|live| of(cloud, live)).collect()
}

fn of(cloud: &Cloud, live: model::ServiceAccount) -> Result<Sighting> {
    let mut unsaid = kept(&[("disabled", live.disabled)]);
    let is_own = cloud.unmarked(account_marks(&live.description)).owner == Owner::Nobody;
    if is_own && !live.description.is_empty() {
        unsaid.push(format!("its description {:?} makes room for the stack's marks", live.description));
    }
    let (name, domain) = live.email.split_once('@').unwrap_or((&live.email, ""));
    // Google makes and names those of other domains by itself.
    let is_of_google = domain != format!("{}.iam.gserviceaccount.com", cloud.project.id);
    let impossible = is_of_google.then(|| format!("{} is Google's own account", live.email));
    let name = name.to_owned();
    let found = service_account::found(cloud, live);
    let sighting = Sighting::new(&found.id, &name, found.owner, &found.fields, json!({}))?;
    Ok(Sighting { unsaid, impossible, ..sighting })
}
