//! What live jobs say of themselves.

use std::collections::BTreeSet;

use anyhow::Result;
use contract::environment;

use super::Job;
use crate::cloud::Cloud;
use crate::kinds::listed;

/// The buckets that the stack's live jobs record their runs in.
pub(crate) async fn buckets_of_jobs(cloud: &Cloud) -> Result<BTreeSet<String>> {
    let live = listed::<Job>(cloud).await?;
    Ok(live.iter().filter_map(|job| job.fields.variable(environment::BUCKET)).map(str::to_owned).collect())
}

impl Job {
    /// The value of a variable of the workers' container.
    pub(in crate::kinds) fn variable(&self, name: &str) -> Option<&str> {
        let container = "/spec/jobTemplate/spec/template/spec/containers/0/env";
        let variables = self.manifest.pointer(container)?.as_array()?;
        variables.iter().find(|variable| variable["name"] == name)?["value"].as_str()
    }
}
