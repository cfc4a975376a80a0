//! Whose the object at an item's destination is, and so what may be done there. Pure.

use clients::{Metadata, Stored};
use contract::{Item, Output, Receipt, RunId};

/// Who wants to store an output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimant<'a> {
    pub(super) run: &'a RunId,
    /// The server's generation of the run's record: what orders runs.
    pub(super) generation: i64,
    pub(super) item: &'a Item,
    /// The only execution of our own run whose output will do; none if any will, for there is one output.
    pub(super) execution: Option<&'a str>,
}

/// What may be done at the destination.
#[derive(Debug, PartialEq)]
pub(super) enum Claim {
    /// Upload on this generation; 0 stands for "nothing is there".
    Upload(i64),
    /// The output of this item is there, by our own run: adopt it.
    Adopt(Stored),
    /// A newer run's output is there: ours is not needed.
    Superseded(Stored),
    /// Another item of our own run has its output there.
    Collision,
}

impl Claimant<'_> {
    pub(super) fn claim(&self, found: Option<Stored>) -> Claim {
        let Some(found) = found else { return Claim::Upload(0) };
        let of = |key| found.metadata.get(key);
        let run = of(Output::META_RUN);
        let generation = of(Output::META_RUN_GENERATION).and_then(|text| text.parse::<i64>().ok());
        match (run, generation) {
            (Some(run), _) if run == &self.run.0 => {
                let same_item = of(Output::META_ITEM) == Some(&self.item.record_name());
                let will_do =
                    |wanted| of(Output::META_EXECUTION).is_some_and(|execution| execution == wanted);
                match (same_item, self.execution.is_none_or(will_do)) {
                    (false, _) => Claim::Collision,
                    (true, true) => Claim::Adopt(found),
                    (true, false) => Claim::Upload(found.generation),
                }
            }
            (Some(run), Some(generation)) if (generation, run) > (self.generation, &self.run.0) => {
                Claim::Superseded(found)
            }
            _ => Claim::Upload(found.generation),
        }
    }
}

/// What an output says of where it comes from. `generation` is that of the run's record.
pub(super) fn mark(generation: i64, receipt: &Receipt) -> Metadata {
    [
        (Output::META_RUN, receipt.run.0.clone()),
        (Output::META_ITEM, receipt.item.record_name()),
        (Output::META_EXECUTION, receipt.execution.clone()),
        (Output::META_RUN_GENERATION, generation.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(metadata: &[(&str, &str)]) -> Stored {
        Stored {
            name: "out.csv".into(),
            generation: 77,
            size: 1,
            crc32c: "00000000".into(),
            metadata: metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            created: 0,
        }
    }

    fn claim_for(execution: Option<&str>, found: Option<Stored>) -> Claim {
        let (run, item) = (RunId("ours".into()), Item("a/b".into()));
        Claimant { run: &run, generation: 500, item: &item, execution }.claim(found)
    }

    fn claim(found: Option<Stored>) -> Claim {
        claim_for(None, found)
    }

    #[test]
    fn what_may_be_done_depends_on_whose_the_output_is() {
        let by = |run: &str, generation: &str, item: &str| {
            Some(found(&[
                (Output::META_RUN, run),
                (Output::META_RUN_GENERATION, generation),
                (Output::META_ITEM, item),
            ]))
        };
        assert_eq!(claim(None), Claim::Upload(0));
        assert_eq!(claim(Some(found(&[]))), Claim::Upload(77), "foreign");
        assert_eq!(claim(by("other", "499", "a%2Fb")), Claim::Upload(77), "older");
        assert_eq!(claim(by("other", "junk", "a%2Fb")), Claim::Upload(77), "unknown");
        assert!(matches!(claim(by("other", "501", "a%2Fb")), Claim::Superseded(_)));
        assert!(matches!(claim(by("ours", "500", "a%2Fb")), Claim::Adopt(_)));
        assert_eq!(claim(by("ours", "500", "a")), Claim::Collision);
    }

    #[test]
    fn of_several_outputs_all_come_from_one_execution() {
        let by = |execution| {
            Some(found(&[
                (Output::META_RUN, "ours"),
                (Output::META_ITEM, "a%2Fb"),
                (Output::META_EXECUTION, execution),
            ]))
        };
        assert!(matches!(claim_for(Some("e1"), by("e1")), Claim::Adopt(_)));
        assert_eq!(claim_for(Some("e1"), by("e2")), Claim::Upload(77));
    }
}
