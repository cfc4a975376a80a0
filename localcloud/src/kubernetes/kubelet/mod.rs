//! The kubelet of all nodes: runs the pods that are bound to a node as processes of this machine, and
//! ends them when they are deleted or their node goes.

mod environment;
mod last_will;
mod identity;
pub(crate) mod leftovers;
pub(crate) mod images;
pub(crate) mod logs;
mod memory;
mod pod;
mod process;
mod program;
pub(crate) mod status;
mod volumes;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::events::Recorder;
use super::kinds::{NODE, POD};
use super::object::{self, Condition, is_terminal, number, set_condition, text};
use super::store::{Key, Store};
use crate::clock::Clock;
pub(crate) use identity::{Attendant, BoxedAttendant, Identities, PodAccount};
use images::{BrokenImage, Images};
use leftovers::Running;
use logs::Logs;
use memory::Memory;
#[cfg(test)]
pub(crate) use memory::control_groups;
use pod::Life;
use status::Cut;

/// What a Spot node's pods get at most before they are killed.
const SPOT_GRACE: Duration = Duration::from_secs(15);

/// What pods get when the cluster itself stops.
const LAST_GRACE: Duration = Duration::from_secs(3);

/// Where and how pods run.
pub(crate) struct Settings {
    /// Holds a folder for each pod.
    pub(crate) pods: PathBuf,
    pub(crate) worker_program: PathBuf,
    pub(crate) working_folder: PathBuf,
    pub(crate) pod_environment: Vec<(String, String)>,
    /// Who gives pods their identities; nobody in tests of the cluster alone.
    pub(crate) identities: Option<Arc<dyn Identities>>,
}

/// A pod is to end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stop {
    cut: Cut,
    grace: Duration,
}

/// Runs pods.
pub(crate) struct Kubelet {
    store: Arc<Store>,
    logs: Arc<Logs>,
    clock: Clock,
    recorder: Recorder,
    running: Running,
    settings: Settings,
    memory: Memory,
    images: Images,
    /// The pods that run, by uid.
    lives: Mutex<HashMap<String, Arc<Orders>>>,
    /// Nodes whose machine has stopped: what is bound there neither starts nor ends.
    lost: Mutex<HashSet<String>>,
    tasks: TaskTracker,
}

/// What is asked of a running pod.
struct Orders {
    stop: watch::Sender<Option<Stop>>,
    /// A container is to end as if it had used too much memory; none means all of them.
    starve: watch::Sender<Option<String>>,
}

impl Kubelet {
    pub(crate) fn new(
        store: &Arc<Store>,
        logs: &Arc<Logs>,
        running: Running,
        settings: Settings,
    ) -> Arc<Self> {
        let memory = Memory::open(&settings.pods);
        tracing::debug!(?memory, "how containers are kept to their memory limits");
        Arc::new(Self {
            store: store.clone(),
            logs: logs.clone(),
            clock: store.clock().clone(),
            recorder: Recorder::new(store, "kubelet"),
            running,
            settings,
            memory,
            images: Images::default(),
            lives: Mutex::default(),
            lost: Mutex::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// The pods that a killed local cloud was running have failed: their processes are ended.
    pub(crate) fn fail_interrupted(&self) {
        let now = self.clock.now();
        for pod in self.store.list(&POD, None) {
            let began = !text(&pod, "/status/startTime").is_empty();
            if began && !is_terminal(&pod) {
                let message = "The local cloud that ran the pod was stopped";
                let key = Key::of(&POD, &pod);
                self.store.amend(&key, |pod| status::fail(pod, "TerminationByKubelet", message, now));
                self.release(&key);
            }
        }
    }

    /// Runs pods until the cluster stops; then ends them all.
    pub(crate) async fn run(self: Arc<Self>, closing: CancellationToken) {
        let mut revisions = self.store.subscribe();
        let mut known = self.folders();
        loop {
            revisions.mark_unchanged();
            self.sync(&mut known);
            tokio::select! {
                changed = revisions.changed() => if changed.is_err() { break },
                () = closing.cancelled() => break,
            }
        }
        for pod in self.store.list(&POD, None) {
            if self.lives().contains_key(object::uid(&pod)) {
                self.disrupt(&pod, Some(grace_of(&pod).min(LAST_GRACE)));
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
        self.memory.close();
    }

    /// Starts what is bound and does not run, and stops what is not wanted any more. `known` are the
    /// pods of last time, whose folders go with them.
    fn sync(self: &Arc<Self>, known: &mut HashSet<String>) {
        let pods = self.store.list(&POD, None);
        for pod in pods.iter().filter(|pod| !self.is_lost(text(pod, "/spec/nodeName"))) {
            let runs = self.lives().contains_key(object::uid(pod));
            let is_bound = !text(pod, "/spec/nodeName").is_empty() && !self.is_elsewhere(pod);
            match (is_bound, is_terminal(pod), object::is_deleting(pod), runs) {
                (true, _, true, true) => {
                    self.stop(object::uid(pod), Stop { cut: Cut::Deleted, grace: grace(pod) });
                }
                (true, _, true, false) => self.release(&Key::of(&POD, pod)),
                (true, false, false, false) => self.begin(pod),
                // Its node is gone: others have said that it has failed.
                (true, true, false, true) => {
                    self.stop(object::uid(pod), Stop { cut: Cut::NodeShutdown, grace: Duration::ZERO });
                }
                _ => {}
            }
        }
        let here: HashSet<String> = pods.iter().map(|pod| object::uid(pod).to_owned()).collect();
        for gone in known.difference(&here) {
            if self.lives().contains_key(gone) {
                self.stop(gone, Stop { cut: Cut::Deleted, grace: Duration::ZERO });
            } else {
                self.discard(gone);
            }
        }
        *known = here;
    }

    /// Whether a pod is on a node that is no machine here: somebody made that node, and is its kubelet.
    fn is_elsewhere(&self, pod: &Value) -> bool {
        let node = self.store.get(&Key::new(&NODE, "", text(pod, "/spec/nodeName")));
        node.is_some_and(|node| object::label(&node, "cloud.google.com/gke-nodepool").is_none())
    }

    fn begin(self: &Arc<Self>, pod: &Arc<Value>) {
        let node = Key::new(&NODE, "", text(pod, "/spec/nodeName"));
        if self.store.get(&node).is_none() {
            return;
        }
        let uid = object::uid(pod).to_owned();
        let orders = Arc::new(Orders { stop: watch::Sender::new(None), starve: watch::Sender::new(None) });
        let life = Life::new(self, pod.clone(), &orders);
        self.lives().insert(uid.clone(), orders);
        let (kubelet, key) = (self.clone(), Key::of(&POD, pod));
        self.tasks.spawn(async move {
            life.run().await;
            kubelet.lives().remove(&uid);
            match kubelet.store.get(&key).filter(|pod| object::uid(pod) == uid) {
                Some(pod) if kubelet.is_lost(text(&pod, "/spec/nodeName")) => {}
                Some(pod) if object::is_deleting(&pod) => kubelet.release(&key),
                Some(_) => {}
                None => kubelet.discard(&uid),
            }
        });
    }

    /// A pod that is being deleted has ended here.
    fn release(&self, key: &Key) {
        self.store.amend(key, |pod| {
            if object::is_deleting(pod) {
                object::metadata(pod).insert("deletionGracePeriodSeconds".into(), 0.into());
            }
        });
    }

    /// Orders a pod to stop; a later order counts if it leaves less time.
    fn stop(&self, uid: &str, stop: Stop) {
        let Some(orders) = self.lives().get(uid).cloned() else { return };
        orders.stop.send_if_modified(|order| {
            let sooner = order.is_none_or(|order| stop.grace < order.grace);
            let first = order.map(|order| order.cut).filter(|_| stop.cut != Cut::Powerless);
            if sooner {
                *order = Some(Stop { cut: first.unwrap_or(stop.cut), ..stop });
            }
            sooner
        });
    }

    /// Ends a container, or all of a pod, as if it had used more memory than it may. False if the
    /// pod does not run.
    pub(crate) fn starve(&self, pod: &Value, container: Option<&str>) -> bool {
        let Some(orders) = self.lives().get(object::uid(pod)).cloned() else { return false };
        orders.starve.send_replace(container.map(str::to_owned));
        true
    }

    /// Says which images can't be pulled.
    pub(crate) fn break_images(&self, broken: Vec<BrokenImage>) {
        self.images.set(broken);
    }

    /// A node's machine stops at once. Its processes are gone, and nobody says so.
    pub(crate) fn lose_node(&self, node: &str) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(node.into());
        for pod in self.store.list(&POD, None) {
            if text(&pod, "/spec/nodeName") == node {
                self.stop(object::uid(&pod), Stop { cut: Cut::Powerless, grace: Duration::ZERO });
            }
        }
    }

    /// Whether a node is there but its machine is not. Of a node that was given up, others say what
    /// becomes of its pods, and here they may end.
    fn is_lost(&self, node: &str) -> bool {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).contains(node)
            && self.store.get(&Key::new(&NODE, "", node)).is_some()
    }

    /// A node is about to go: its pods are told, get their grace, and fail. Returns when all have
    /// ended.
    pub(crate) async fn shut_down_node(&self, node: &str, grace: Option<Duration>) {
        for pod in self.store.list(&POD, None) {
            if text(&pod, "/spec/nodeName") == node && !is_terminal(&pod) {
                self.disrupt(&pod, grace);
            }
        }
        let mut revisions = self.store.subscribe();
        loop {
            revisions.mark_unchanged();
            let pods = self.store.list(&POD, None);
            let is_here = |pod: &Arc<Value>| {
                text(pod, "/spec/nodeName") == node
                    && self.lives().contains_key(object::uid(pod))
                    && !is_terminal(pod)
            };
            if !pods.iter().any(is_here) || revisions.changed().await.is_err() {
                return;
            }
        }
    }

    /// Says that a pod is not to blame for its end, and ends it.
    fn disrupt(&self, pod: &Value, grace: Option<Duration>) {
        let message = "Pod was terminated in response to imminent node shutdown.";
        let condition =
            Condition { kind: "DisruptionTarget", status: true, reason: "TerminationByKubelet", message };
        let now = self.clock.now();
        self.store.amend(&Key::of(&POD, pod), |pod| {
            if !is_terminal(pod) {
                set_condition(pod, &condition, now);
            }
        });
        let grace = grace.unwrap_or_else(|| grace_of(pod).min(SPOT_GRACE));
        self.stop(object::uid(pod), Stop { cut: Cut::NodeShutdown, grace });
    }

    /// The pods that have a folder.
    fn folders(&self) -> HashSet<String> {
        let folders = fs::read_dir(&self.settings.pods).into_iter().flatten().flatten();
        folders.filter_map(|folder| folder.file_name().into_string().ok()).collect()
    }

    fn discard(&self, uid: &str) {
        self.logs.forget(uid);
        let folder = self.folder_of(uid);
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %folder.display(), %error, "a pod's folder could not be removed");
        }
    }

    fn folder_of(&self, uid: &str) -> PathBuf {
        self.settings.pods.join(uid)
    }

    fn lives(&self) -> MutexGuard<'_, HashMap<String, Arc<Orders>>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The grace that a deletion left.
fn grace(pod: &Value) -> Duration {
    seconds(number(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or(0))
}

/// The grace that a pod asks for.
fn grace_of(pod: &Value) -> Duration {
    seconds(number(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30))
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}
