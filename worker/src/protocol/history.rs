//! What the names and metadata of an item's attempt objects tell. Pure.

use std::collections::BTreeMap;

use clients::Stored;
use contract::layout::{self, AttemptRecord};
use contract::{Attempt, AttemptEnd, FailureKind, RunId};
use jiff::Timestamp;

/// Attempts in a row that vanished without a word before an item is given up.
const VANISHED_LIMIT: usize = 5;

/// The attempts at one item, by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct History(BTreeMap<u32, Try>);

/// One attempt, as a listing shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Try {
    /// The run whose Job made it.
    pub(crate) worker_run: Option<RunId>,
    /// Index in that Job.
    pub(crate) index: Option<u32>,
    pub(crate) pod: String,
    /// None while it is open: running, or vanished.
    pub(crate) end: Option<End>,
    /// Nobody tries again before this instant.
    pub(crate) not_before: Option<Timestamp>,
}

/// How an attempt ended, if not with a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Failed,
    Yielded,
}

/// What to do with an item that was tried before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try it as attempt number so and so.
    Try(u32),
    /// Write the failure that nobody came to write.
    GiveUp(FailureKind),
}

impl History {
    /// Adds one listed object; what is no attempt of the layout is ignored.
    pub(crate) fn add(&mut self, file_name: &str, object: &Stored) {
        let Some((number, record)) = layout::attempt_record(file_name) else { return };
        let attempt: &mut Try = self.0.entry(number).or_default();
        let of = |key| object.metadata.get(key);
        match record {
            AttemptRecord::Begun => {
                attempt.worker_run = of(Attempt::META_WORKER_RUN).cloned().map(RunId);
                attempt.index = of(Attempt::META_INDEX).and_then(|index| index.parse().ok());
                attempt.pod = of(Attempt::META_POD).cloned().unwrap_or_default();
            }
            AttemptRecord::Failed => {
                attempt.end = Some(End::Failed);
                attempt.not_before = of(AttemptEnd::META_NOT_BEFORE).and_then(|at| at.parse().ok());
            }
            AttemptRecord::Yielded => attempt.end = Some(End::Yielded),
        }
    }

    /// The history in a listing of [`contract::layout::attempts_of`].
    pub(crate) fn read(prefix: &str, objects: &[Stored]) -> Self {
        let mut history = Self::default();
        for object in objects {
            history.add(object.name.strip_prefix(prefix).unwrap_or_default(), object);
        }
        history
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Try> {
        self.0.get(&number)
    }

    pub(crate) fn latest(&self) -> Option<(u32, &Try)> {
        self.0.last_key_value().map(|(number, attempt)| (*number, attempt))
    }

    /// Index of the worker of that run's own Job that tried last.
    pub(crate) fn latest_index_of(&self, run: &RunId) -> Option<u32> {
        self.0.values().rev().find(|attempt| attempt.worker_run.as_ref() == Some(run))?.index
    }

    /// The number of the attempt that failed last, and how many did.
    pub(crate) fn failed(&self) -> (Option<u32>, u32) {
        let failed: Vec<u32> =
            self.0.iter().filter(|(_, t)| t.end == Some(End::Failed)).map(|(number, _)| *number).collect();
        (failed.last().copied(), u32::try_from(failed.len()).unwrap_or(u32::MAX))
    }

    /// The instant before which nobody may try again, if the latest attempt failed.
    pub(crate) fn not_before(&self) -> Option<Timestamp> {
        self.latest()?.1.not_before
    }

    /// The attempt that ended last, if any has: those that are open say nothing.
    pub(crate) fn latest_end(&self) -> Option<(u32, End)> {
        self.0.iter().rev().find_map(|(number, attempt)| Some((*number, attempt.end?)))
    }

    /// Judges a redelivery. `limit` failures end an item, and so do attempts that vanish in a row, both
    /// with so many to `spare`; what this very pod left open has not vanished.
    pub(crate) fn judge(&self, limit: u32, spare: u32, pod: &str) -> Verdict {
        let open = self.0.values().rev().take_while(|attempt| attempt.end.is_none());
        let vanished = open.filter(|attempt| attempt.pod != pod).count();
        let too_often = self.failed().1 >= limit.saturating_add(spare);
        match (too_often, vanished >= VANISHED_LIMIT.saturating_add(spare as usize)) {
            (true, _) => Verdict::GiveUp(FailureKind::AttemptsUsedUp),
            (_, true) => Verdict::GiveUp(FailureKind::Vanished),
            _ => Verdict::Try(self.latest().map_or(1, |(number, _)| number.saturating_add(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: String) -> Stored {
        let (crc32c, metadata) = (String::new(), clients::Metadata::new());
        Stored { name, generation: 1, size: 1, crc32c, metadata, created: 0 }
    }

    /// `"open failed yielded"`, all by pod `other`.
    fn history(attempts: &str) -> History {
        let mut history = History::default();
        for (at, end) in attempts.split_whitespace().enumerate() {
            let metadata = [
                (Attempt::META_WORKER_RUN, "run"),
                (Attempt::META_INDEX, "4"),
                (Attempt::META_POD, if end == "ours" { "us" } else { "other" }),
            ];
            let metadata = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
            let object = Stored { metadata, ..object(String::new()) };
            history.add(&format!("{:04}.json", at + 1), &object);
            if !matches!(end, "open" | "ours") {
                history.add(&format!("{:04}.{end}.json", at + 1), &object);
            }
        }
        history
    }

    #[test]
    fn only_failures_count_against_the_limit() {
        assert_eq!(history("").judge(3, 0, "us"), Verdict::Try(1));
        assert_eq!(history("failed yielded open failed").judge(3, 0, "us"), Verdict::Try(5));
        assert_eq!(
            history("failed failed yielded failed").judge(3, 0, "us"),
            Verdict::GiveUp(FailureKind::AttemptsUsedUp)
        );
        assert_eq!(
            history("yielded yielded yielded yielded yielded yielded").judge(1, 0, "us"),
            Verdict::Try(7)
        );
    }

    #[test]
    fn five_vanished_attempts_in_a_row_are_a_failure() {
        assert_eq!(history("open open open open").judge(3, 0, "us"), Verdict::Try(5));
        assert_eq!(
            history("failed open open open open open").judge(3, 0, "us"),
            Verdict::GiveUp(FailureKind::Vanished)
        );
        assert_eq!(history("open open yielded open open open").judge(3, 0, "us"), Verdict::Try(7));
        assert_eq!(history("open open open open ours").judge(3, 0, "us"), Verdict::Try(6));
    }

    #[test]
    fn there_may_be_attempts_to_spare() {
        assert_eq!(history("failed failed").judge(2, 1, "us"), Verdict::Try(3));
        assert_eq!(history("open open open open open").judge(2, 1, "us"), Verdict::Try(6));
        let spent = history("failed failed failed").judge(2, 1, "us");
        assert_eq!(spent, Verdict::GiveUp(FailureKind::AttemptsUsedUp));
    }

    #[test]
    fn an_item_backs_off_only_while_its_failure_is_the_latest_that_is_known_of_it() {
        let failed = |number: u32, at: &str| {
            let metadata = [(AttemptEnd::META_NOT_BEFORE.to_owned(), at.to_owned())].into();
            (format!("{number:04}.failed.json"), Stored { metadata, ..object(String::new()) })
        };
        let mut history = History::default();
        let (name, end) = failed(1, "2026-01-31T00:00:07Z");
        history.add(&name, &end);
        assert_eq!(history.not_before(), Some("2026-01-31T00:00:07Z".parse().expect("a time")));
        history.add("0002.json", &object(String::new()));
        assert_eq!(history.not_before(), None);
        let (name, end) = failed(2, "tomorrow");
        history.add(&name, &end);
        assert_eq!(history.not_before(), None);
    }

    #[test]
    fn the_latest_attempt_of_a_job_is_known_by_its_metadata() {
        let history = history("open failed");
        assert_eq!(history.latest_index_of(&RunId("run".into())), Some(4));
        assert_eq!(history.latest_index_of(&RunId("another".into())), None);
        assert_eq!(history.failed(), (Some(2), 1));
        assert_eq!(history.latest_end(), Some((2, End::Failed)));
    }
}
