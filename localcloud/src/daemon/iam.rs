//! What the folder's owner steers and sees of its IAM.

use super::{Daemon, call};
use crate::iam::admin::{PROPAGATION, USES};
use crate::iam::{Propagation, Use};

/// What Google calls an account's token.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccessToken {
    access_token: String,
}

impl Daemon {
    /// A token of a service account, for an hour.
    pub async fn access_token(&self, project: &str, account: &str) -> anyhow::Result<String> {
        let path = format!("/v1/projects/{project}/serviceAccounts/{account}:generateAccessToken");
        let scope = serde_json::json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"]});
        Ok(call::post::<AccessToken>(&self.state, &path, &scope).await?.access_token)
    }

    /// From now on, new service accounts and changes of policies take so long until they count.
    pub async fn set_propagation(&self, propagation: Propagation) -> anyhow::Result<()> {
        call::post::<Propagation>(&self.state, PROPAGATION, &propagation).await.map(drop)
    }

    /// The bindings of policies that permitted something since it started, and what.
    pub async fn uses(&self) -> anyhow::Result<Vec<Use>> {
        call::get(&self.state, USES).await
    }
}
