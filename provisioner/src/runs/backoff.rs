//! Which items of a run wait for their rest after a failure to be over.

use std::collections::BTreeMap;

use anyhow::Result;
use clients::{Bucket, Stored};
use contract::layout::AttemptRecord;
use contract::{AttemptEnd, RunId, layout};
use jiff::Timestamp;

/// Says how many items are backing off, and until when the first of them is.
pub(crate) async fn backing_off(bucket: &Bucket, run: &RunId) -> Result<Option<String>> {
    let attempts = bucket.list(&layout::attempts(run)).await?;
    Ok(sentence(&attempts, Timestamp::now()))
}

fn sentence(attempts: &[Stored], now: Timestamp) -> Option<String> {
    let mut latest: BTreeMap<&str, (u32, bool, &Stored)> = BTreeMap::new();
    for object in attempts {
        let Some((item, file)) = object.name.rsplit_once('/') else { continue };
        let Some((number, record)) = layout::attempt_record(file) else { continue };
        // In the order of names the end of an attempt stands before its beginning.
        let told = (number, record != AttemptRecord::Begun, object);
        let had = latest.entry(item).or_insert(told);
        if (told.0, told.1) > (had.0, had.1) {
            *had = told;
        }
    }
    let rests = latest.values().filter_map(|(_, _, object)| {
        let at: Timestamp = object.metadata.get(AttemptEnd::META_NOT_BEFORE)?.parse().ok()?;
        (at > now).then_some(at)
    });
    let rests: Vec<Timestamp> = rests.collect();
    let first = rests.iter().min()?;
    let at = first.strftime("%H:%M:%S UTC");
    Some(match rests.len() {
        1 => format!("one item has failed and is backing off until {at}"),
        count => format!("{count} items have failed and are backing off, the first until {at}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(name: &str, not_before: Option<&str>) -> Stored {
        let metadata = not_before.map(|at| (AttemptEnd::META_NOT_BEFORE.to_owned(), at.to_owned()));
        Stored {
            name: format!("runs/r/attempts/{name}"),
            generation: 1,
            size: 0,
            crc32c: String::new(),
            metadata: metadata.into_iter().collect(),
            created: 0,
        }
    }

    #[test]
    fn only_the_latest_attempt_tells_whether_an_item_is_backing_off() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        let mut attempts = vec![
            stored("aa/a/0001.failed.json", Some("2026-01-31T12:00:09Z")),
            stored("aa/a/0001.json", None),
            stored("aa/a/0002.json", None),
            stored("aa/over/0001.json", None),
            stored("aa/over/0001.failed.json", Some("2026-01-31T11:59:59Z")),
        ];
        assert_eq!(sentence(&attempts, now), None);
        // As a listing orders them.
        attempts.push(stored("bb/b/0001.failed.json", Some("2026-01-31T12:03:00Z")));
        attempts.push(stored("bb/b/0001.json", None));
        let one = "one item has failed and is backing off until 12:03:00 UTC";
        assert_eq!(sentence(&attempts, now).as_deref(), Some(one));
        attempts.push(stored("cc/c/0001.failed.json", Some("2026-01-31T12:01:00Z")));
        let two = "2 items have failed and are backing off, the first until 12:01:00 UTC";
        assert_eq!(sentence(&attempts, now).as_deref(), Some(two));
    }
}
