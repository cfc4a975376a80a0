//! Who is struck at a point of a run, how, and what shows that it was.

use std::time::Duration;

use localcloud::calls::{Entry, Fate, Fault, Latency, Moment, Point, What, When};
use scenarios::{Cloud, is_running, resume, stop, until, variable_of};

use super::point::CrashPoint;

/// How long a struck process may go on with everything but the call that it is struck at: what it
/// does too early gets out.
const LINGER: Duration = Duration::from_millis(300);
/// Longer than the lease of the campaign's subscription.
const PAST_THE_LEASE: Duration = Duration::from_secs(15);

/// Who is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Victim {
    /// The worker, by SIGKILL.
    Worker,
    /// The node of the worker's pod, by cutting its power.
    Node,
    /// The worker, by SIGSTOP until its leases are over and others did its work; then it goes on.
    Stopped,
    /// `provision run`, by SIGKILL.
    Command,
}

pub(super) const VICTIMS: [Victim; 4] = [Victim::Worker, Victim::Node, Victim::Stopped, Victim::Command];

impl Victim {
    /// The program whose calls it is struck at.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Worker | Self::Node | Self::Stopped => "worker",
            Self::Command => "provision",
        }
    }

    /// Sets the trap at a point.
    pub(super) fn trap(self, cloud: &Cloud, point: &CrashPoint) -> Trap {
        let CrashPoint { at, nth, .. } = point;
        let point = Point {
            method: at.method.clone(),
            resource: at.resource.clone(),
            caller: self.program().to_owned(),
            moment: at.moment,
        };
        let mark = cloud.mark();
        let set = |what| cloud.fault(&Fault::next(1, point.clone(), what));
        match self {
            Self::Worker => {
                let linger = set(What::Delay(Latency::Fixed(LINGER)));
                Trap { mark, fault: set(What::Kill), linger: Some(linger) }
            }
            Self::Command => {
                let when = if *nth == 1 { When::Next(1) } else { When::Every(*nth) };
                let fault = Fault { point: point.clone(), when, what: What::Kill };
                Trap { mark, fault: cloud.fault(&fault), linger: None }
            }
            Self::Node | Self::Stopped => Trap { mark, fault: set(What::Stall), linger: None },
        }
    }

    /// Does to the process that stands in the trap what is to be done, and looks that it was. False
    /// if it had left by itself.
    ///
    /// `others` waits until the work of a stopped one is done by others, as far as they can.
    pub(super) fn strike(self, cloud: &Cloud, trap: &Trap, struck: &Entry, others: impl FnOnce()) -> bool {
        let pid = struck.pid.expect("the process at the other end is known");
        let is_gone = || (!is_running(pid)).then_some(());
        match self {
            Self::Worker | Self::Command => {
                assert_eq!(struck.fate, Fate::Killed, "{struck:?}");
                until("the process that was killed is gone", is_gone);
            }
            Self::Node => {
                std::thread::sleep(LINGER);
                let Some(node) = variable_of(pid, contract::environment::NODE) else { return false };
                cloud.cut_power(&node);
                until("the node's processes are gone", is_gone);
                cloud.clear(Some(trap.fault));
            }
            Self::Stopped => {
                if !stop(pid) {
                    return false;
                }
                cloud.advance(PAST_THE_LEASE);
                others();
                cloud.clear(Some(trap.fault));
                assert!(resume(pid), "process {pid} did not live to go on: {struck:?}");
            }
        }
        if matches!(self, Self::Worker | Self::Node) {
            cloud.advance(PAST_THE_LEASE);
        }
        true
    }
}

/// A point where somebody will be struck.
#[derive(Debug)]
pub(super) struct Trap {
    /// Where the log of calls stood.
    pub(super) mark: u64,
    fault: u64,
    linger: Option<u64>,
}

impl Trap {
    /// The call that stands in it, or stood.
    pub(super) fn sprung(&self, cloud: &Cloud, moment: Moment) -> Option<Entry> {
        self.sprung_within(cloud, moment, Duration::ZERO)
    }

    /// The same, if it does within so long.
    pub(super) fn sprung_within(&self, cloud: &Cloud, moment: Moment, patience: Duration) -> Option<Entry> {
        let struck = cloud.struck_within(self.fault, self.mark, patience)?;
        // An effect that was to come has not, and one that was to be has.
        assert_eq!(struck.status.is_some(), moment == Moment::After, "{struck:?}");
        Some(struck)
    }

    pub(super) fn remove(self, cloud: &Cloud) {
        cloud.clear(Some(self.fault));
        if let Some(linger) = self.linger {
            cloud.clear(Some(linger));
        }
    }
}
