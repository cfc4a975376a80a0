//! The connections of a port: how many there may be, which one makes room for a new one, and how
//! long each may keep the local cloud waiting. Knows nothing of what is asked over them.
//!
//! A connection on which nothing is being answered is idle. When all places are taken, whoever has
//! been idle longest leaves; when everybody is busy, who comes is told so. So a client that opens
//! ten thousand connections and leaves them harms itself.

mod patience;
mod serve;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;
use crate::error::ApiError;
pub(crate) use serve::serve;

/// Most places of a port, however many files the process may open.
const MOST: u64 = 8192;

/// The places of a port. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Inner>);

struct Inner {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    last: u64,
    places: BTreeMap<u64, (Activity, CancellationToken)>,
}

/// The place of one connection, free again when this is dropped.
pub(crate) struct Place {
    id: u64,
    activity: Activity,
    leave: CancellationToken,
    connections: Connections,
}

impl Connections {
    /// With as many places as fit `share` of the files that this process may have open.
    pub(crate) fn with_share_of_files(share: u64) -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self::new(usize::try_from((files / share).clamp(16, MOST)).unwrap_or(16))
    }

    fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most, taken: Mutex::default() }))
    }

    /// A place for a new connection; none if everybody is busy.
    pub(crate) fn take(&self) -> Option<Place> {
        let mut taken = self.lock();
        if taken.places.len() >= self.0.most {
            let longest = taken.longest_idle()?;
            if let Some((_, leave)) = taken.places.remove(&longest) {
                leave.cancel();
            }
        }
        taken.last += 1;
        let (id, activity, leave) = (taken.last, Activity::new(), CancellationToken::new());
        taken.places.insert(id, (activity.clone(), leave.clone()));
        Some(Place { id, activity, leave, connections: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Places are taken and freed whole.
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn longest_idle(&self) -> Option<u64> {
        let idle = self.places.iter().map(|(id, (activity, _))| (activity.idle(), *id));
        idle.filter(|(idle, _)| !idle.is_zero()).max().map(|(_, id)| id)
    }
}

impl Place {
    /// What comes of `work`, unless the place is needed before.
    pub(crate) async fn unless_left<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.leave.run_until_cancelled(work).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().places.remove(&self.id);
    }
}

/// Lets this process open as many files as the system lets it allow itself.
pub(crate) fn raise_limit_of_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Tells who comes while everybody is busy, as far as that is possible without waiting for them.
pub(crate) async fn turn_away(mut stream: TcpStream) {
    let body =
        ApiError::unavailable("the local cloud serves as many connections as it can: try again").body();
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Into the kernel's empty buffer: nobody is waited for.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Long enough for the clock to tell who came first.
    fn a_moment() {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn whoever_has_been_idle_longest_makes_room_and_the_busy_stay() {
        let connections = Connections::new(3);
        let [busy, first, second] = [(); 3].map(|()| {
            a_moment();
            connections.take().expect("a place")
        });
        let working = busy.activity.begin();
        a_moment();
        let third = connections.take().expect("a place");
        assert!(first.leave.is_cancelled() && !busy.leave.is_cancelled() && !second.leave.is_cancelled());
        let _all = [&second, &third].map(|place| place.activity.begin());
        assert!(connections.take().is_none(), "everybody is busy");
        drop(working);
        a_moment();
        assert!(connections.take().is_some() && busy.leave.is_cancelled());
    }
}
