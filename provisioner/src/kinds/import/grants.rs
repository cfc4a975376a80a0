//! Who may do what on things of a project, as far as a stack file can say it.

use anyhow::Result;

use crate::cloud::{Cloud, PolicyOf};
use crate::kinds::grant::is_googles;

/// One member's role on one thing.
pub(crate) struct Granted {
    /// `roles/storage.objectViewer`.
    pub role: String,
    /// `user:ann@example.com`.
    pub member: String,
    /// Why a file cannot say it.
    pub impossible: Option<&'static str>,
}

/// The grants on a thing, but for those that Google makes by itself.
pub(crate) async fn grants(cloud: &Cloud, on: &PolicyOf) -> Result<Vec<Granted>> {
    let bindings = cloud.policy(on).await?.map(|policy| policy.bindings.clone()).unwrap_or_default();
    let each = bindings.into_iter().flat_map(|binding| {
        let is_conditional = binding.condition.is_some();
        let role = binding.role;
        binding.members.into_iter().map(move |member| {
            let impossible = match () {
                () if is_conditional => Some("it has a condition"),
                () if member.starts_with("deleted:") => Some("its member was deleted"),
                () if !member.contains(':') => Some("it is to everybody"),
                () => None,
            };
            Granted { role: role.clone(), member, impossible }
        })
    });
    Ok(each.filter(|granted| !is_googles(&granted.role, &granted.member)).collect())
}
