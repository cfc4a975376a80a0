//! What the folder's owner steers and sees of its IAM.

use super::{Daemon, call};
use crate::iam::admin::{PROPAGATION, USES};
use crate::iam::{Propagation, Use};

impl Daemon {
    /// From now on, new service accounts and changes of policies take so long until they count.
    pub async fn set_propagation(&self, propagation: Propagation) -> anyhow::Result<()> {
        call::post::<Propagation>(&self.state, PROPAGATION, &propagation).await.map(drop)
    }

    /// The bindings of policies that permitted something since it started, and what.
    pub async fn uses(&self) -> anyhow::Result<Vec<Use>> {
        call::get(&self.state, USES).await
    }
}
