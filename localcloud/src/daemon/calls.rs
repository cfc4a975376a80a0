//! Faults, calls and the clock of a daemon: what [`crate::Cloud`] has in its own process.

use std::time::{Duration, Instant};

use anyhow::bail;
use jiff::Timestamp;

use super::{Daemon, call};
use crate::calls::admin::{
    AWAIT, Awaited, CLEAR, CLOCK, COVERAGE, FAULTS, MARK, READ, RELEASE, Since, Steer, Which,
};
use crate::calls::{Entry, Fault, Passed, Point, SetFault};

impl Daemon {
    /// Sets a fault; the id by which it is removed and released.
    pub async fn fault(&self, fault: &Fault) -> anyhow::Result<u64> {
        call::post(&self.state, FAULTS, fault).await
    }

    /// The faults that are set, and how often they struck.
    pub async fn faults(&self) -> anyhow::Result<Vec<SetFault>> {
        call::get(&self.state, FAULTS).await
    }

    /// Removes a fault, or all; calls that wait there go on. How many there were.
    pub async fn clear(&self, fault: Option<u64>) -> anyhow::Result<usize> {
        call::post(&self.state, CLEAR, &Which { id: fault }).await
    }

    /// Lets calls go on that wait at a fault, and all that come there later. Whether there is such a
    /// fault.
    pub async fn release(&self, fault: u64) -> anyhow::Result<bool> {
        call::post(&self.state, RELEASE, &Which { id: Some(fault) }).await
    }

    /// Here and now in the log of calls: the number of the next one.
    pub async fn mark(&self) -> anyhow::Result<u64> {
        call::get(&self.state, MARK).await
    }

    /// The calls since a mark, of those that are remembered.
    pub async fn calls_since(&self, mark: u64) -> anyhow::Result<Vec<Entry>> {
        call::post(&self.state, READ, &Since { mark, wait: false }).await
    }

    /// The same, as soon as there is one; after some seconds without any, none.
    pub async fn next_calls(&self, mark: u64) -> anyhow::Result<Vec<Entry>> {
        call::post(&self.state, READ, &Since { mark, wait: true }).await
    }

    /// The points that calls passed since a mark.
    pub async fn coverage(&self, mark: u64) -> anyhow::Result<Vec<Passed>> {
        call::post(&self.state, COVERAGE, &Since { mark, wait: false }).await
    }

    /// Waits until a call since a mark has passed a point, or stands there.
    pub async fn reached(&self, point: &Point, mark: u64, patience: Duration) -> anyhow::Result<Entry> {
        self.until(&Awaited::Reached { point: point.clone(), mark }, patience).await
    }

    /// Waits until a fault has struck a call since a mark: it is held, failed, its caller killed.
    pub async fn struck(&self, fault: u64, mark: u64, patience: Duration) -> anyhow::Result<Entry> {
        self.until(&Awaited::Struck { fault, mark }, patience).await
    }

    async fn until(&self, awaited: &Awaited, patience: Duration) -> anyhow::Result<Entry> {
        let since = Instant::now();
        loop {
            if let Some(entry) = call::post(&self.state, AWAIT, awaited).await? {
                return Ok(entry);
            }
            if since.elapsed() > patience {
                bail!("no call within {} s: {awaited:?}", patience.as_secs());
            }
        }
    }

    /// Moves its time on; the time that it is then.
    pub async fn advance(&self, by: Duration) -> anyhow::Result<Timestamp> {
        let milliseconds = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        call::post(&self.state, CLOCK, &Steer::Advance(milliseconds)).await
    }

    /// Stops its time.
    pub async fn freeze(&self) -> anyhow::Result<Timestamp> {
        call::post(&self.state, CLOCK, &Steer::Freeze).await
    }

    /// Lets its time run on from where it stopped.
    pub async fn thaw(&self) -> anyhow::Result<Timestamp> {
        call::post(&self.state, CLOCK, &Steer::Thaw).await
    }
}
