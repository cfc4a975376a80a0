//! What of a run can be tried again: its failed and missing items, but for those that a retry has
//! done since.

use std::collections::HashSet;

use anyhow::Result;
use contract::{Failure, Item, ItemLine, RunId, layout};

use super::store::{Store, Summary};

/// Which items of a run are tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Which {
    /// Those with a failure.
    Failed,
    /// Those that have neither receipt nor failure: the run was cancelled, ran out of time, or stalled.
    Missing,
    /// Both.
    #[default]
    Unfinished,
    /// Those that are done and would come out otherwise today: the job, its image or an input changed.
    Stale,
}

/// What became of a run's items, by the last part of their records' names.
#[derive(Debug, Default)]
struct Outcomes {
    done: HashSet<String>,
    failed: HashSet<String>,
}

impl Outcomes {
    async fn of(store: &Store, run: &RunId) -> Result<Self> {
        let (receipts, failures) = (layout::receipts(run), layout::failures(run));
        let listed = futures::try_join!(store.bucket.list(&receipts), store.bucket.list(&failures))?;
        let ends = |prefix: &str, found: Vec<clients::Stored>| {
            let ends =
                found.into_iter().filter_map(|stored| stored.name.strip_prefix(prefix).map(str::to_owned));
            ends.collect()
        };
        Ok(Self { done: ends(&receipts, listed.0), failed: ends(&failures, listed.1) })
    }

    fn count(&self, item: &Item, which: Which) -> bool {
        let name = ending(item);
        let (done, failed) = (self.done.contains(&name), self.failed.contains(&name));
        // A receipt wins.
        match which {
            Which::Failed => !done && failed,
            Which::Missing => !done && !failed,
            Which::Unfinished => !done,
            Which::Stale => done,
        }
    }
}

fn ending(item: &Item) -> String {
    format!("{}/{}.json", item.shard(), item.record_name())
}

/// The items of a closed run that are tried again, with their payloads, in the run's order.
pub(crate) async fn select(store: &Store, run: &RunId, which: Which) -> Result<Vec<ItemLine>> {
    let (items, outcomes) = futures::try_join!(store.items(run), Outcomes::of(store, run))?;
    let done_since = since(store, &store.runs().await?, run).await?.done;
    let chosen =
        |line: &ItemLine| outcomes.count(&line.item, which) && !done_since.contains(&ending(&line.item));
    Ok(items.into_iter().filter(chosen).collect())
}

/// A run's failures that nothing has made good: neither a receipt of the run itself nor a retry. With
/// `once`, one that failed again in a retry counts there only.
pub(crate) async fn failures(
    store: &Store,
    runs: &[Summary],
    run: &RunId,
    once: bool,
) -> Result<Vec<Failure>> {
    let failures = store.failures(run).await?;
    if failures.is_empty() {
        return Ok(failures);
    }
    let (ours, since) = futures::try_join!(Outcomes::of(store, run), since(store, runs, run))?;
    let stands = |failure: &Failure| {
        let name = ending(&failure.item);
        let again = once && since.failed.contains(&name);
        ours.count(&failure.item, Which::Failed) && !since.done.contains(&name) && !again
    };
    Ok(failures.into_iter().filter(stands).collect())
}

/// The items' lines of these failures, with their payloads.
pub(crate) async fn lines_of(store: &Store, run: &RunId, failures: &[Failure]) -> Result<Vec<ItemLine>> {
    let wanted: HashSet<&Item> = failures.iter().map(|failure| &failure.item).collect();
    let items = store.items(run).await?;
    Ok(items.into_iter().filter(|line| wanted.contains(&line.item)).collect())
}

/// What became of a run's items in closed retries of it, and in retries of these. An open one does
/// not count yet: so the same retry again has the same items, and goes on with it.
async fn since(store: &Store, runs: &[Summary], run: &RunId) -> Result<Outcomes> {
    let mut since = Outcomes::default();
    for retry in retries(runs, run).into_iter().filter(|retry| retry.closed.is_some()) {
        let outcomes = Outcomes::of(store, &retry.record.run).await?;
        since.done.extend(outcomes.done);
        since.failed.extend(outcomes.failed);
    }
    Ok(since)
}

/// A run and its closed retries, oldest first: who may have written the latest receipt of an item.
pub(super) fn family(runs: &[Summary], run: &RunId) -> Vec<RunId> {
    let retries = retries(runs, run).into_iter().filter(|retry| retry.closed.is_some());
    std::iter::once(run).chain(retries.map(|retry| &retry.record.run)).cloned().collect()
}

/// The runs that try a run's items again, and those that try theirs; `runs` are oldest first.
fn retries<'a>(runs: &'a [Summary], run: &RunId) -> Vec<&'a Summary> {
    let mut family: HashSet<&RunId> = HashSet::new();
    let mut found = Vec::new();
    for later in runs {
        let Some(old) = &later.record.retry_of else { continue };
        if old == run || family.contains(old) {
            family.insert(&later.record.run);
            found.push(later);
        }
    }
    found
}

/// Whether a key matches a pattern in which `*` stands for any text and `?` for any character.
pub(crate) fn matches(pattern: &str, key: &str) -> bool {
    let (pattern, key): (Vec<char>, Vec<char>) = (pattern.chars().collect(), key.chars().collect());
    let (mut p, mut k, mut star) = (0, 0, None);
    while k < key.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, k));
                p += 1;
            }
            Some(c) if *c == '?' || *c == key[k] => (p, k) = (p + 1, k + 1),
            // The last `*` takes one character more.
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, k) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_keys() {
        for (pattern, key) in [
            ("*", ""),
            ("USD", "USD"),
            ("US?", "USD"),
            ("2026-*/a", "2026-01/x/a"),
            ("*é", "caf\u{e9}"),
            ("a**b", "ab"),
        ] {
            assert!(matches(pattern, key), "{pattern} {key}");
        }
        for (pattern, key) in [("", "a"), ("USD", "USDX"), ("US?", "US"), ("*a", "ab"), ("a*b*c", "acb")] {
            assert!(!matches(pattern, key), "{pattern} {key}");
        }
    }

    #[test]
    fn a_pattern_full_of_stars_is_no_trap() {
        assert!(!matches(&"*a".repeat(200), &"a".repeat(150)));
    }

    #[test]
    fn a_receipt_outdoes_a_failure_and_what_has_neither_is_missing() {
        let [done, failed, missing] = ["done", "failed", "missing"].map(|key| Item(key.to_owned()));
        let outcomes =
            Outcomes { done: [ending(&done)].into(), failed: [ending(&done), ending(&failed)].into() };
        let chosen = |which| [&done, &failed, &missing].map(|item| outcomes.count(item, which));
        assert_eq!(chosen(Which::Failed), [false, true, false]);
        assert_eq!(chosen(Which::Missing), [false, false, true]);
        assert_eq!(chosen(Which::Unfinished), [false, true, true]);
        assert_eq!(chosen(Which::Stale), [true, false, false]);
    }
}
