//! Carries operations out: waits as long as GKE would, makes the change, and tells Kubernetes.

use std::sync::Arc;

use super::Container;
use super::names::ClusterName;
use super::operation::{Change, Operation};
use super::state::Outcome;
use crate::error::ApiError;

/// `google.rpc.Code.INTERNAL`, as an operation carries it.
const INTERNAL: i32 = 13;

impl Container {
    /// Sees to it that a begun operation is done when its time has come.
    pub(super) fn carry_out(self: &Arc<Self>, operation: &Operation) {
        let (container, operation) = (self.clone(), operation.clone());
        self.tasks.spawn(async move {
            // Stopped before: the next start goes on.
            if container.stopping.run_until_cancelled(container.wait_for(&operation)).await.is_some() {
                container.finish(operation).await;
            }
        });
    }

    /// Until an operation's time has come, and nobody holds it. One that is given up is not held.
    async fn wait_for(&self, operation: &Operation) {
        self.clock.sleep_until(operation.due(&self.clock)).await;
        let mut orders = self.orders.subscribe();
        // The orders live as long as we do.
        let _ = orders.wait_for(|orders| operation.aborting || !orders.hold(operation)).await;
    }

    /// After a start: runs the clusters that ran, and goes on with what was under way.
    pub(super) async fn restart(self: &Arc<Self>) {
        let names: Vec<ClusterName> =
            self.state().records().filter(|r| r.has_run()).map(|r| r.name.clone()).collect();
        for name in names {
            if let Err(error) = self.start_again(&name).await {
                tracing::error!(cluster = %name, %error, "a cluster did not start again");
            }
        }
        for operation in self.state().unfinished() {
            self.carry_out(&operation);
        }
        self.write_kubeconfig();
    }

    /// A cluster that can't start is shown as broken; the next start tries again.
    async fn start_again(&self, name: &ClusterName) -> Result<(), ApiError> {
        match self.start_kubernetes(name).await {
            Ok(()) => {
                self.state().recover(name)?;
                self.tell_pools(name).await
            }
            Err(error) => {
                let why = format!("{error:#}");
                self.state().fail(name, &why)?;
                Err(ApiError::internal(why))
            }
        }
    }

    async fn finish(self: &Arc<Self>, operation: Operation) {
        // It may have been cancelled since.
        let held = self.state().operation(&operation.cluster.location, &operation.id).cloned();
        let Some(mut operation) = held.ok().filter(|held| !held.is_done()) else { return };
        let outcome = self.outcome(&operation).await;
        operation.error = outcome.error();
        operation.ended = Some(self.clock.now());
        self.write_kubeconfig();
        if let Err(error) = self.state().end(operation, &outcome) {
            tracing::error!(%error, "an operation's end can't be written down");
        }
    }

    /// Makes an operation's change, unless it is not to be made.
    async fn outcome(&self, operation: &Operation) -> Outcome {
        if operation.aborting {
            return Outcome::Cancelled;
        }
        match self.ordered_failure(operation) {
            Ok(Some((code, message))) => return Outcome::Failed { code, message },
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "an ordered failure can't be counted"),
        }
        if let Err(error) = self.make(operation).await {
            tracing::error!(operation = operation.id, %error, "an operation failed");
            return Outcome::Failed { code: INTERNAL, message: format!("{error:#}") };
        }
        match self.short(operation) {
            short if short.is_empty() => Outcome::Done,
            short => Outcome::Short(short),
        }
    }

    /// Makes the change of an operation. May be done again if a stop comes before the end is noted.
    async fn make(&self, operation: &Operation) -> anyhow::Result<()> {
        let name = &operation.cluster;
        match operation.change {
            Change::CreateCluster => {
                self.start_kubernetes(name).await?;
                self.state().apply(operation)?;
                self.tell_pools(name).await?;
            }
            Change::DeleteCluster => {
                let live = self.live().remove(name);
                if let Some(kubernetes) = live {
                    kubernetes.delete().await;
                }
                self.state().apply(operation)?;
            }
            _ => {
                self.state().apply(operation)?;
                self.tell_pools(name).await?;
                if let Change::SetPoolSize { pool, .. } = &operation.change {
                    // The same size as it was last set to may not be the one that it has.
                    if let Some(live) = self.live().get(name).cloned() {
                        live.resize(pool);
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells Kubernetes which pools should be there now.
    async fn tell_pools(&self, name: &ClusterName) -> Result<(), ApiError> {
        // Held while telling, so that of two changes at once the later is told last.
        let _order = self.tables.lock().await;
        let Some(kubernetes) = self.live().get(name).cloned() else { return Ok(()) };
        let pools = super::live::pools(self.state().record(name)?);
        kubernetes.set_pools(pools).await;
        Ok(())
    }
}
