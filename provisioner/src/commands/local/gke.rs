//! `provision local operations|stockout|image|starve|cut-power`: what GKE and its machines do on
//! purpose.

use anyhow::Result;
use clap::{Args, Subcommand};
use localcloud::gke::{BrokenImage, OperationFailure, Operations, Order, Quota, Shortage, Stockout};

use super::Folder;
use crate::report;

/// Let GKE's operations wait, or fail.
#[derive(Args)]
#[command(after_help = "Examples:
  provision local operations hold --type CREATE_NODE_POOL
  provision local operations release
  provision local operations fail --type CREATE_CLUSTER --message 'Internal error.'")]
pub(super) struct OperationsCommand {
    #[command(subcommand)]
    action: OperationsAction,
}

#[derive(Subcommand)]
enum OperationsAction {
    /// They stay RUNNING until they are released.
    Hold {
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        which: Which,
    },
    /// They go on; without --type and --cluster, all that are held.
    Release {
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        which: Which,
    },
    /// The next ones are DONE with an error inside, and without their change.
    Fail {
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        which: Which,
        /// A code of google.rpc: 13 is INTERNAL.
        #[arg(long, default_value_t = 13)]
        code: i32,
        /// What the error says.
        #[arg(long, default_value = "Internal error.")]
        message: String,
        /// How many of them.
        #[arg(long, default_value_t = 1)]
        next: u32,
    },
}

/// Which operations; all without it.
#[derive(Args)]
struct Which {
    /// As the API names it: `CREATE_CLUSTER`, `UPGRADE_NODES`, `SET_NODE_POOL_SIZE` …
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// The cluster's name.
    #[arg(long)]
    cluster: Option<String>,
}

impl From<Which> for Operations {
    fn from(Which { kind, cluster }: Which) -> Self {
        Self { kind, cluster }
    }
}

impl OperationsCommand {
    pub(super) async fn run(self) -> Result<()> {
        let (folder, order) = match self.action {
            OperationsAction::Hold { folder, which } => (folder, Order::Hold(which.into())),
            OperationsAction::Release { folder, which: Which { kind: None, cluster: None } } => {
                (folder, Order::ReleaseAll)
            }
            OperationsAction::Release { folder, which } => (folder, Order::Release(which.into())),
            OperationsAction::Fail { folder, which, code, message, next } => {
                let failure = OperationFailure { operations: which.into(), code, message, times: next };
                (folder, Order::Fail(failure))
            }
        };
        give(&folder, &order).await
    }
}

/// Let Google run out of machines.
#[derive(Args)]
#[command(after_help = "Examples:
  provision local stockout add --zone europe-west1-b --spot
  provision local stockout add --machine-type e2-standard-4 --quota
  provision local stockout clear")]
pub(super) struct StockoutCommand {
    #[command(subcommand)]
    action: StockoutAction,
}

#[derive(Subcommand)]
enum StockoutAction {
    /// There are none of these.
    Add {
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        machines: Machines,
    },
    /// There are machines again; without options, of all kinds.
    Clear {
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        machines: Machines,
    },
}

/// Which machines; all without it.
#[derive(Args)]
struct Machines {
    /// Only in this zone.
    #[arg(long)]
    zone: Option<String>,
    /// Only of this type.
    #[arg(long)]
    machine_type: Option<String>,
    /// Only Spot machines.
    #[arg(long, conflicts_with = "standard")]
    spot: bool,
    /// Only machines that are not Spot.
    #[arg(long)]
    standard: bool,
    /// The project's quota is reached, instead of the zone's stock.
    #[arg(long)]
    quota: bool,
}

impl From<Machines> for Stockout {
    fn from(Machines { zone, machine_type, spot, standard, quota }: Machines) -> Self {
        let shortage = if quota { Shortage::QuotaExceeded } else { Shortage::GceStockout };
        Self { zone, machine_type, spot: (spot || standard).then_some(spot), shortage }
    }
}

impl StockoutCommand {
    pub(super) async fn run(self) -> Result<()> {
        let (folder, order) = match self.action {
            StockoutAction::Add { folder, machines } => (folder, Order::StockOut(machines.into())),
            StockoutAction::Clear { folder, machines } => match Stockout::from(machines) {
                Stockout { zone: None, machine_type: None, spot: None, shortage: Shortage::GceStockout } => {
                    (folder, Order::RestockAll)
                }
                some => (folder, Order::Restock(some)),
            },
        };
        give(&folder, &order).await
    }
}

/// Let an image be one that can't be pulled.
#[derive(Args)]
pub(super) struct ImageCommand {
    #[command(subcommand)]
    action: ImageAction,
}

#[derive(Subcommand)]
enum ImageAction {
    /// Containers of this image wait: `ErrImagePull`, then `ImagePullBackOff`.
    Break {
        #[command(flatten)]
        folder: Folder,
        /// As containers name it.
        image: String,
        /// What the registry says.
        #[arg(long)]
        error: Option<String>,
    },
    /// All images can be pulled again.
    Mend(Folder),
}

impl ImageCommand {
    pub(super) async fn run(self) -> Result<()> {
        let (folder, order) = match self.action {
            ImageAction::Break { folder, image, error } => {
                (folder, Order::BreakImage(BrokenImage { image, error }))
            }
            ImageAction::Mend(folder) => (folder, Order::MendImages),
        };
        give(&folder, &order).await
    }
}

/// Set limits of CPUs, which plans are told of; no machine is refused for them.
#[derive(Args)]
#[command(after_help = "Examples:
  provision local quota set PREEMPTIBLE_CPUS 8
  provision local quota set N2D_CPUS 24 --region europe-west1
  provision local quota restore")]
pub(super) struct QuotaCommand {
    #[command(subcommand)]
    action: QuotaAction,
}

#[derive(Subcommand)]
enum QuotaAction {
    /// There are only so many.
    Set {
        #[command(flatten)]
        folder: Folder,
        /// As Compute Engine names it: `CPUS`, `PREEMPTIBLE_CPUS`, `N2D_CPUS` …
        metric: String,
        /// How many CPUs.
        limit: u32,
        /// Only in this region.
        #[arg(long)]
        region: Option<String>,
    },
    /// There are as many as in the beginning, which is plenty.
    Restore(Folder),
}

impl QuotaCommand {
    pub(super) async fn run(self) -> Result<()> {
        let (folder, order) = match self.action {
            QuotaAction::Set { folder, metric, limit, region } => {
                (folder, Order::Quota(Quota { metric, region, limit }))
            }
            QuotaAction::Restore(folder) => (folder, Order::RestoreQuotas),
        };
        give(&folder, &order).await
    }
}

/// End a pod's containers as the kernel does when they use too much memory.
#[derive(Args)]
pub(super) struct StarveCommand {
    #[command(flatten)]
    folder: Folder,
    /// The pod.
    pod: String,
    /// Its namespace.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// One of its containers.
    #[arg(short, long)]
    container: Option<String>,
}

impl StarveCommand {
    pub(super) async fn run(self) -> Result<()> {
        let Self { folder, pod, namespace, container } = self;
        give(&folder, &Order::Starve { namespace, pod, container }).await
    }
}

/// Take a node away without a word: no SIGTERM, and nobody is told.
#[derive(Args)]
pub(super) struct CutPowerCommand {
    #[command(flatten)]
    folder: Folder,
    /// The node.
    node: String,
}

impl CutPowerCommand {
    pub(super) async fn run(self) -> Result<()> {
        give(&self.folder, &Order::CutPower { node: self.node }).await
    }
}

/// Gives an order, and shows those that last.
async fn give(folder: &Folder, order: &Order) -> Result<()> {
    let orders = folder.running().await?.order(order).await?;
    report::json(&orders);
    Ok(())
}
