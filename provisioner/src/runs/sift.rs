//! Takes messages of runs that have ended out of a subscription that is to go, as workers do: they mean
//! nothing any more. What is somebody else's is left where it is.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::Result;
use clients::Target;
use contract::{Message, RunId};

/// Messages that are held at a time.
const OUTSTANDING: i64 = 100;
/// Silence after which nothing more is expected. Pub/Sub has no word for "that was all": a pull may come
/// back empty with a backlog, and what a dead worker holds cannot be seen before its lease ends. So
/// silence proves nothing, and only the count bounds what it may hide: more than ended runs had is
/// somebody else's.
const QUIET: Duration = Duration::from_secs(2);
/// Longest that it takes: what is left is judged by its number.
const LONGEST: Duration = Duration::from_secs(30);

/// What was found in a subscription.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sifted {
    /// Messages of ended runs, which are gone.
    pub ended: u64,
    /// Whether there was one of somebody else.
    pub others: bool,
}

/// Takes the messages of ended runs, until there are no more or one of somebody else turns up.
pub(crate) async fn sift(
    pubsub: &Target,
    subscription: &str,
    is_over: &HashSet<RunId>,
    most: u64,
) -> Result<Sifted> {
    let client = pubsub.subscriber().await?;
    let mut stream = client.subscribe(subscription).set_max_outstanding_messages(OUTSTANDING).build();
    let mut found = Sifted::default();
    let began = Instant::now();
    while found.ended < most && began.elapsed() < LONGEST {
        let Ok(next) = tokio::time::timeout(QUIET, stream.next()).await else { break };
        let Some((message, handler)) = next.transpose()? else { break };
        match serde_json::from_slice::<Message>(&message.data) {
            Ok(Message { run, .. }) if is_over.contains(&run) => {
                handler.ack();
                found.ended += 1;
            }
            // Dropped: it goes back at once.
            _ => {
                found.others = true;
                break;
            }
        }
    }
    // Acknowledgements are sent behind one's back.
    stream.shutdown_token().shutdown().await;
    Ok(found)
}
