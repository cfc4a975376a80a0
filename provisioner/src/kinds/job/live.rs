//! What live jobs say of themselves.

use std::collections::BTreeSet;

use anyhow::Result;
use contract::environment;

use super::Job;
use crate::cloud::Cloud;
use crate::kinds::any::typed;
use crate::kinds::listed;

/// The buckets that the stack's live jobs record their runs in.
pub(crate) async fn buckets_of_jobs(cloud: &Cloud) -> Result<BTreeSet<String>> {
    Ok(variables(cloud, environment::BUCKET).await?.into_iter().collect())
}

/// The values that the stack's live jobs give a variable of their workers' containers.
pub(in crate::kinds) async fn variables(cloud: &Cloud, name: &str) -> Result<Vec<String>> {
    let jobs = listed::<Job>(cloud).await?;
    let jobs: Vec<Job> = jobs.iter().map(|live| typed(&live.fields)).collect::<Result<_>>()?;
    Ok(jobs.iter().filter_map(|job| job.variable(name)).map(str::to_owned).collect())
}

impl Job {
    fn variable(&self, name: &str) -> Option<&str> {
        let container = "/spec/jobTemplate/spec/template/spec/containers/0/env";
        let variables = self.manifest.pointer(container)?.as_array()?;
        variables.iter().find(|variable| variable["name"] == name)?["value"].as_str()
    }
}
