//! What stands in the way of a plan that the plan itself does not show: images, quotas, places,
//! permissions, names that are taken, what may not be seen, who else lives in it. Everything at once,
//! each with what to do. Only reads.

pub(crate) mod access;
pub(crate) mod backlog;
pub(crate) mod images;
pub(crate) mod neighbours;
mod newer;
mod places;
mod quota;

use crate::change::Change;
use crate::cloud::Cloud;
use crate::finding::Finding;
use crate::observe::Unseen;
use crate::resource::{Desired, Pair};
use access::Held;
use images::Images;
pub(crate) use newer::in_sight as newer_in_sight;
use quota::Quotas;

/// What is looked at while the stack's resources are: none of it needs to know the changes.
pub(crate) struct Looks {
    pub images: Images,
    quotas: Quotas,
    held: Held,
}

impl Looks {
    /// Asks for all that the stack's wishes ask for.
    pub(crate) async fn at(cloud: &Cloud, desired: &[Desired]) -> Self {
        let (images, quotas, held) =
            tokio::join!(images::look(cloud, desired), quota::look(cloud, desired), access::held(cloud));
        Self { images, quotas, held }
    }

    /// What the wishes themselves run into, whatever has to change for them.
    pub(crate) fn of_wishes(&self, desired: &[Desired], pairs: &[Pair], local: bool) -> Vec<Finding> {
        let mut findings = self.images.findings(desired, pairs, local);
        findings.extend(self.quotas.findings(pairs));
        findings.extend(places::findings(pairs));
        findings
    }

    /// What the caller may not see, or not do, the worse first.
    pub(crate) async fn access(&self, cloud: &Cloud, unseen: &[Unseen], changes: &[Change]) -> Vec<Finding> {
        access::of(cloud, unseen, &self.held, changes).await
    }
}
