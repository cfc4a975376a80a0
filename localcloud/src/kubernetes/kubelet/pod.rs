//! The life of one pod on its node: init containers one after another, then the others together,
//! restarted as the pod says, until all have ended or the pod is stopped.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::sync::{OnceCell, watch};

use super::super::kinds::POD;
use super::super::object::{self, is_terminal, list, number, text};
use super::super::store::Key;
use super::identity::{BoxedAttendant, account_of, node_account};
use super::leftovers::end_all_that_live_in;
use super::process::{Exit, Process};
use super::program::{HOME, TEMPORARY};
use super::status::{self, Container, Cut, State};
use super::volumes::Mounts;
use super::{Kubelet, Stop};
use crate::folder;

/// The delay before a container is started again: doubled each time, up to the longest.
const FIRST_DELAY: Duration = Duration::from_secs(10);
const LONGEST_DELAY: Duration = Duration::from_mins(5);

pub(super) struct Life {
    pub(super) kubelet: Arc<Kubelet>,
    pub(super) key: Key,
    pub(super) pod: Arc<Value>,
    pub(super) folder: PathBuf,
    containers: Mutex<Vec<Container>>,
    orders: watch::Receiver<Option<Stop>>,
    /// Tells the pod who it is, from its first container on.
    pub(super) attendant: OnceCell<BoxedAttendant>,
    starve: watch::Receiver<Option<String>>,
}

/// A container could not be started.
pub(super) struct NotStarted {
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// What the container waits for while nothing is tried.
    pub(super) meanwhile: Option<(&'static str, String)>,
}

impl NotStarted {
    pub(super) fn new(reason: &'static str, message: String) -> Self {
        Self { reason, message, meanwhile: None }
    }
}

impl Life {
    pub(super) fn new(kubelet: &Arc<Kubelet>, pod: Arc<Value>, orders: &super::Orders) -> Self {
        let folder = kubelet.folder_of(object::uid(&pod));
        let containers = Mutex::new(Container::all(&pod));
        let (key, attendant) = (Key::of(&POD, &pod), OnceCell::new());
        let (orders, starve) = (orders.stop.subscribe(), orders.starve.subscribe());
        Self { kubelet: kubelet.clone(), key, pod, folder, containers, orders, attendant, starve }
    }

    /// Lives until everything has ended and the status says so.
    pub(super) async fn run(self) {
        self.publish(false, None);
        let work = async {
            if self.initialize().await {
                let mains = list(&self.pod, "/spec/containers");
                join_all(mains.iter().map(|container| self.keep_running(container, false))).await;
            }
        };
        let deadline =
            number(&self.pod, "/spec/activeDeadlineSeconds").and_then(|seconds| u64::try_from(seconds).ok());
        let in_time = async {
            match deadline {
                Some(seconds) => self.kubelet.clock.sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        let late = {
            let mut work = std::pin::pin!(work);
            tokio::select! {
                () = &mut work => false,
                () = in_time => {
                    let grace = number(&self.pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
                    let grace = Duration::from_secs(u64::try_from(grace).unwrap_or(0));
                    self.kubelet.stop(object::uid(&self.pod), Stop { cut: Cut::Deadline, grace });
                    work.await;
                    true
                }
            }
        };
        // A container takes all of its processes along, whatever groups they have made.
        end_all_that_live_in(&self.folder);
        if let Some(attendant) = self.attendant.get() {
            attendant.leave().await;
        }
        let cut = self.stop().map(|stop| stop.cut).or(late.then_some(Cut::Deadline));
        self.publish(true, cut);
    }

    /// Runs the init containers; tells whether all succeeded.
    async fn initialize(&self) -> bool {
        for container in list(&self.pod, "/spec/initContainers") {
            if self.keep_running(container, true).await != Some(0) {
                return false;
            }
        }
        true
    }

    /// Runs a container again and again as the pod's restart policy says. The last exit code, if it
    /// ever started.
    async fn keep_running(&self, container: &Value, is_init: bool) -> Option<i32> {
        let name = text(container, "/name");
        let policy = text(&self.pod, "/spec/restartPolicy");
        let mut last = None;
        let mut delay = FIRST_DELAY;
        loop {
            if self.stop().is_some() {
                return last;
            }
            let mut wait = delay;
            let again = match self.run_once(container, name).await {
                Ok(exit) => {
                    last = Some(exit.code);
                    policy == "OnFailure" && exit.code != 0
                        || policy == "Always" && (exit.code != 0 || !is_init)
                }
                // What is missing may come; the pod waits for it.
                Err(missing) => {
                    wait = delay / 2;
                    if self.is_told_and_waits(name, missing, wait).await {
                        return last;
                    }
                    true
                }
            };
            if !again || self.stop().is_some() {
                return last;
            }
            if last.is_some() {
                self.back_off(name, delay);
            }
            if self.is_stopped_within(wait).await {
                return last;
            }
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    /// Says why a container does not start, and after a first wait what it waits for; tells whether
    /// the pod was stopped meanwhile.
    async fn is_told_and_waits(&self, name: &str, missing: NotStarted, first: Duration) -> bool {
        let NotStarted { reason, message, meanwhile } = missing;
        let told = if meanwhile.is_some() { reason } else { &message };
        let recorder = &self.kubelet.recorder;
        recorder.warning(&POD, &self.pod, "Failed", &format!("Error: {told}"));
        self.wait_for(name, reason, message.clone());
        if self.is_stopped_within(first).await {
            return true;
        }
        if let Some((rests, resting)) = meanwhile {
            recorder.normal(&POD, &self.pod, "BackOff", &resting);
            recorder.warning(&POD, &self.pod, "Failed", &format!("Error: {rests}"));
            // As kubelets do since 1.31, with what went wrong before.
            self.wait_for(name, rests, format!("{resting}: {reason}: {message}"));
        }
        false
    }

    fn wait_for(&self, name: &str, reason: &'static str, message: String) {
        self.set(name, |container| container.state = State::Waiting { reason, message });
        self.publish(false, None);
    }

    /// Waits as long as Kubernetes would, unless the pod is stopped.
    async fn is_stopped_within(&self, time: Duration) -> bool {
        let mut orders = self.orders.clone();
        tokio::select! {
            () = self.kubelet.clock.sleep(self.kubelet.clock.scaled(time)) => false,
            _ = orders.wait_for(Option::is_some) => true,
        }
    }

    fn back_off(&self, name: &str, delay: Duration) {
        let message = format!(
            "back-off {}s restarting failed container={name} pod={}",
            delay.as_secs(),
            object::name(&self.pod)
        );
        self.kubelet.recorder.warning(
            &POD,
            &self.pod,
            "BackOff",
            &format!("Back-off restarting failed container {name}"),
        );
        self.set(name, |container| {
            container.restarts += 1;
            let ended = std::mem::replace(
                &mut container.state,
                State::Waiting { reason: "CrashLoopBackOff", message },
            );
            container.last = Some(ended);
        });
        self.publish(false, None);
    }

    /// Runs a container once.
    async fn run_once(&self, container: &Value, name: &str) -> Result<Exit, NotStarted> {
        self.pull(container)?;
        self.attend().await?;
        let mut process = self.start(container, name)?;
        let since = self.kubelet.clock.now();
        let pid = process.id();
        let row = format!("{}/{name}", object::uid(&self.pod));
        self.kubelet.running.started(&row, pid);
        self.kubelet.recorder.normal(&POD, &self.pod, "Started", &format!("Started container {name}"));
        self.set(name, |container| container.state = State::Running { since, pid });
        self.publish(false, None);
        let exit = self.await_end(&mut process, name).await;
        process.finish().await;
        self.kubelet.running.ended(&row);
        if let Some(log) = self.kubelet.logs.writer(object::uid(&self.pod), name) {
            log.end();
        }
        let at = self.kubelet.clock.now();
        self.set(name, |container| container.state = State::Ended { exit, since, at });
        // The end of the last container is told together with the end of the pod.
        if self.containers().iter().any(|container| !matches!(container.state, State::Ended { .. })) {
            self.publish(false, None);
        }
        Ok(exit)
    }

    /// No image is pulled, but a node that could not pull it cannot start it either.
    fn pull(&self, container: &Value) -> Result<(), NotStarted> {
        let image = text(container, "/image");
        let refused = self.kubelet.settings.identities.as_ref().and_then(|identities| {
            let account = node_account(&self.pod, &self.kubelet.store);
            identities.may_pull(&account, image).err()
        });
        self.kubelet.images.pull(&self.kubelet.recorder, &self.pod, image, refused)
    }

    /// Lets the pod be told who it is. Without, it would be taken for whoever has no token.
    async fn attend(&self) -> Result<(), NotStarted> {
        let Some(identities) = &self.kubelet.settings.identities else { return Ok(()) };
        let attend = || identities.attend(account_of(&self.pod, &self.kubelet.store));
        let attended = self.attendant.get_or_try_init(attend).await;
        attended.map(drop).map_err(|error| {
            let message = format!("could not start the pod's metadata server: {error}");
            NotStarted::new("CreateContainerError", message)
        })
    }

    /// Waits until a process has ended, by itself or because the pod is stopped.
    async fn await_end(&self, process: &mut Process, name: &str) -> Exit {
        let (mut orders, mut starve) = (self.orders.clone(), self.starve.clone());
        starve.mark_unchanged();
        let mut is_starved = async || {
            while starve.changed().await.is_ok() {
                if starve.borrow_and_update().as_deref().is_none_or(|wanted| wanted == name) {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        let starves = tokio::select! {
            exit = process.ended() => return exit,
            () = is_starved() => true,
            _ = orders.wait_for(Option::is_some) => false,
        };
        if starves {
            process.starve();
            return process.ended().await;
        }
        if self.is_powerless() {
            process.kill();
            return process.ended().await;
        }
        self.kubelet.recorder.normal(&POD, &self.pod, "Killing", &format!("Stopping container {name}"));
        process.terminate();
        let asked = self.kubelet.clock.now();
        loop {
            // A second order may leave less time than the first.
            let grace = orders.borrow_and_update().map_or(Duration::ZERO, |stop| stop.grace);
            tokio::select! {
                exit = process.ended() => return exit,
                () = self.kubelet.clock.sleep_until(asked + grace) => {
                    process.kill();
                    return process.ended().await;
                }
                changed = orders.changed() => if changed.is_err() {
                    process.kill();
                    return process.ended().await;
                },
            }
        }
    }

    fn start(&self, container: &Value, name: &str) -> Result<Process, NotStarted> {
        let failed = |what: &str, error: std::io::Error| {
            NotStarted::new("CreateContainerError", format!("{what}: {error}"))
        };
        let mounts = Mounts::of(&self.pod, container, &self.folder);
        self.make_folders(&mounts).map_err(|error| failed("could not make the pod's folder", error))?;
        let program = self.program(container, &mounts)?;
        let path = program.path.clone();
        let log = self.kubelet.logs.open(object::uid(&self.pod), name);
        let log = log.map_err(|error| failed("could not open the container's log", error))?;
        let group = format!("{}-{name}", object::uid(&self.pod));
        Process::start(program, &group, &self.kubelet.memory, &log, &self.kubelet.clock)
            .map_err(|error| failed(&format!("could not start {}", path.display()), error))
    }

    /// Makes the pod's folder with its home, its place for temporary files, and its volumes.
    fn make_folders(&self, mounts: &Mounts) -> std::io::Result<()> {
        [HOME, TEMPORARY].iter().try_for_each(|name| folder::make(&self.folder.join(name)))?;
        mounts.folders().try_for_each(folder::make)
    }

    /// Whether the node's machine has stopped.
    fn is_powerless(&self) -> bool {
        self.stop().is_some_and(|stop| stop.cut == Cut::Powerless)
    }

    fn stop(&self) -> Option<Stop> {
        *self.orders.borrow()
    }

    fn set(&self, name: &str, change: impl FnOnce(&mut Container)) {
        if let Some(container) = self.containers().iter_mut().find(|container| container.name == name) {
            change(container);
        }
    }

    fn containers(&self) -> MutexGuard<'_, Vec<Container>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the status of the pod.
    fn publish(&self, is_over: bool, cut: Option<Cut>) {
        if self.is_powerless() {
            return;
        }
        let now = self.kubelet.clock.now();
        let containers = self.containers().clone();
        let uid = object::uid(&self.pod);
        self.kubelet.store.amend(&self.key, |pod| {
            if object::uid(pod) == uid && !is_terminal(pod) {
                status::write(pod, &containers, is_over, cut, now);
            }
        });
    }
}
