//! The commit of one item, on a model of a bucket: workers of two overlapping runs make their calls in
//! any order, are killed between any two of them, or do not hear an answer. Only the bucket is a
//! model; what to do next is decided by the [`Course`] that workers go by.

use std::collections::BTreeMap;

use clients::{Metadata, Stored};
use contract::{Commit, Item, Output, Receipt, ReceiptKind, RunId, Staged, layout};
use jiff::Timestamp;
use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::StdRng};

use super::course::{Answer, Call, Course, Obstacle};

/// What is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutant {
    None,
    /// Copies carry no generation.
    NoGeneration,
    /// The receipt is written before outputs are promoted.
    ReceiptFirst,
    /// Each execution promotes its own outputs, whatever the commit record says.
    NoCommit,
    /// Staged outputs are deleted before they are promoted.
    SweptFirst,
}

/// Names and preconditions, as Cloud Storage has them.
#[derive(Default)]
struct Bucket {
    generation: i64,
    objects: BTreeMap<String, Stored>,
    commits: BTreeMap<RunId, Commit>,
    receipts: BTreeMap<RunId, Receipt>,
}

impl Bucket {
    /// Writes if the live generation is that one; none of them: whatever is there.
    fn write(&mut self, name: &str, metadata: Metadata, generation: Option<i64>) -> Option<Stored> {
        let live = self.objects.get(name).map_or(0, |stored| stored.generation);
        if generation.is_some_and(|wanted| wanted != live) {
            return None;
        }
        self.generation += 1;
        let stored = Stored {
            name: name.to_owned(),
            generation: self.generation,
            size: 1,
            crc32c: String::new(),
            metadata,
            created: 0,
        };
        self.objects.insert(name.to_owned(), stored.clone());
        Some(stored)
    }
}

/// One try at the item, by a worker that may die at any moment.
struct Execution {
    run: usize,
    /// The first of its run asks for nothing that an earlier one may have left.
    first: bool,
    name: String,
    at: At,
}

enum At {
    Beginning,
    Resuming,
    Going(Box<Course>),
    Written(Box<Receipt>, Vec<String>),
    Sweeping(Vec<String>),
    Gone,
}

struct World {
    bucket: Bucket,
    executions: Vec<Execution>,
    mutant: Mutant,
    /// Whether each execution makes a file that no other makes.
    whimsical: bool,
    /// What no undisturbed bucket should ever make an execution say.
    wrong: Option<Obstacle>,
}

const RUNS: [&str; 2] = ["older", "newer"];

impl World {
    fn new(mutant: Mutant, whimsical: bool, foreign: bool) -> Self {
        let (bucket, executions) = (Bucket::default(), Vec::new());
        let mut world = Self { bucket, executions, mutant, whimsical, wrong: None };
        if foreign {
            world.bucket.write("gs://b/a", Metadata::new(), None);
        }
        for run in [0, 1, 0, 1] {
            world.deliver(run);
        }
        world
    }

    fn deliver(&mut self, run: usize) {
        let first = self.executions.iter().all(|other| other.run != run);
        let name = format!("e{}", self.executions.len());
        self.executions.push(Execution { run, first, name, at: At::Beginning });
    }

    /// Kills an execution; its message comes again.
    fn kill(&mut self, which: usize) {
        self.executions[which].at = At::Gone;
        self.deliver(self.executions[which].run);
    }

    /// One call of an execution. `lost`: its answer does not arrive, and it is made again.
    fn step(&mut self, which: usize, choice: usize, lost: bool) {
        let run = RunId(RUNS[self.executions[which].run].to_owned());
        let execution = &self.executions[which];
        let (first, name, number) = (execution.first, execution.name.clone(), execution.run);
        let at = std::mem::replace(&mut self.executions[which].at, At::Gone);
        let next = match at {
            At::Gone => At::Gone,
            At::Beginning if self.bucket.receipts.contains_key(&run) => At::Gone,
            At::Beginning if first => At::Going(Box::new(self.made(number, &run, &name))),
            At::Beginning => At::Resuming,
            At::Resuming => At::Going(Box::new(match self.bucket.commits.get(&run) {
                Some(commit) => Course::recorded(generation(number), commit.clone()),
                None => self.made(number, &run, &name),
            })),
            At::Going(mut course) => {
                let calls = course.calls();
                if calls.is_empty() {
                    let (receipt, leftovers) = course.ended().expect("an end");
                    At::Written(Box::new(receipt), leftovers)
                } else {
                    let call = calls[choice % calls.len()];
                    let answer = self.make(&course, call, lost);
                    match course.learn(call, answer) {
                        Ok(()) => At::Going(course),
                        Err(Obstacle::Restless(_)) => {
                            self.deliver(number);
                            At::Gone
                        }
                        Err(wrong) => {
                            self.wrong = Some(wrong);
                            At::Gone
                        }
                    }
                }
            }
            At::Written(receipt, leftovers) => {
                self.bucket.receipts.entry(run).or_insert(*receipt);
                At::Sweeping(leftovers)
            }
            At::Sweeping(mut leftovers) => match leftovers.pop() {
                Some(object) => {
                    self.bucket.objects.remove(&object);
                    At::Sweeping(leftovers)
                }
                None => At::Gone,
            },
        };
        self.executions[which].at = next;
    }

    fn made(&self, number: usize, run: &RunId, execution: &str) -> Course {
        let mut uris = vec!["gs://b/a".to_owned(), "gs://b/b".to_owned()];
        if self.whimsical {
            uris.push(format!("gs://b/by-{execution}"));
        }
        Course::made(generation(number), receipt(run, execution), uris)
    }

    fn make(&mut self, course: &Course, call: Call, lost: bool) -> Answer {
        let commit = course.commit();
        let (run, item) = (commit.receipt.run.clone(), commit.receipt.item.clone());
        match call {
            Call::Stage(at) => {
                let object = layout::staged(&run, &item, &commit.receipt.execution, at);
                let stored = self.bucket.write(&object, Metadata::new(), Some(0)).expect("its own name");
                let uri = course.uri(at).to_owned();
                Answer::Staged(Staged {
                    uri,
                    object,
                    generation: stored.generation,
                    size: 1,
                    crc32c: String::new(),
                })
            }
            Call::Look(at) => Answer::Found(self.bucket.objects.get(course.uri(at)).cloned()),
            Call::Record if self.mutant == Mutant::NoCommit => Answer::Recorded,
            Call::Record if self.bucket.commits.contains_key(&run) => Answer::RecordIsThere,
            Call::Record => {
                self.bucket.commits.insert(run, commit);
                if lost { Answer::RecordIsThere } else { Answer::Recorded }
            }
            Call::ReadRecord => Answer::Record(self.bucket.commits[&run].clone()),
            Call::Copy(at, generation) => self.copy(course, at, generation, lost),
            Call::ReadReceipt => Answer::Receipt(self.bucket.receipts.get(&run).cloned()),
        }
    }

    fn copy(&mut self, course: &Course, at: usize, generation: i64, lost: bool) -> Answer {
        let staged = &course.staged(at).expect("staged").object;
        if self.mutant == Mutant::ReceiptFirst {
            let receipt = course.commit().receipt;
            self.bucket.receipts.entry(receipt.run.clone()).or_insert(receipt);
        }
        if self.mutant == Mutant::SweptFirst {
            self.bucket.objects.remove(staged);
        }
        if !self.bucket.objects.contains_key(staged) {
            return Answer::NoSource;
        }
        let condition = Some(generation).filter(|_| self.mutant != Mutant::NoGeneration);
        match self.bucket.write(course.uri(at), course.marks(), condition) {
            Some(stored) if !lost => Answer::Copied(stored),
            _ => Answer::Changed,
        }
    }

    fn living(&self) -> Vec<usize> {
        let living = self.executions.iter().enumerate().filter(|(_, e)| !matches!(e.at, At::Gone));
        living.map(|(which, _)| which).collect()
    }

    /// Whoever lives goes on to the end, and messages come until there are receipts.
    fn settle(&mut self) {
        loop {
            for which in self.living() {
                while !matches!(self.executions[which].at, At::Gone) {
                    self.step(which, 0, false);
                }
            }
            let open =
                (0..RUNS.len()).find(|run| !self.bucket.receipts.contains_key(&RunId(RUNS[*run].into())));
            match open {
                _ if self.wrong.is_some() => return,
                Some(run) => self.deliver(run),
                None if self.living().is_empty() => return,
                None => {}
            }
        }
    }

    /// What must hold when all is quiet.
    fn check(&self) -> Result<(), String> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.to_string());
        }
        let newest = &self.bucket.receipts[&RunId(RUNS[1].into())];
        if newest.kind != ReceiptKind::Stored || newest.outputs.len() < 2 {
            return Err(format!("the newest run's receipt is {newest:?}"));
        }
        for output in &newest.outputs {
            let live = self.bucket.objects.get(&output.uri).ok_or(format!("{} is not there", output.uri))?;
            if live.generation != output.generation || mark(live, Output::META_EXECUTION) != newest.execution
            {
                return Err(format!("{output:?} of {} is not live, but {live:?}", newest.execution));
            }
        }
        for (uri, live) in self.bucket.objects.iter().filter(|(name, _)| name.starts_with("gs://")) {
            let receipt = &self.bucket.receipts[&RunId(mark(live, Output::META_RUN).to_owned())];
            let named = receipt.outputs.iter().any(|o| o.uri == *uri && o.generation == live.generation);
            if !named || mark(live, Output::META_EXECUTION) != receipt.execution {
                return Err(format!("no receipt names {live:?}; its run's is {receipt:?}"));
            }
        }
        Ok(())
    }
}

fn mark<'a>(stored: &'a Stored, key: &str) -> &'a str {
    stored.metadata.get(key).map_or("", |value| value)
}

fn generation(run: usize) -> i64 {
    [100, 200][run]
}

pub(super) fn receipt(run: &RunId, execution: &str) -> Receipt {
    Receipt {
        run: run.clone(),
        item: Item("item".into()),
        kind: ReceiptKind::Stored,
        execution: execution.to_owned(),
        attempt: 1,
        pod: String::new(),
        node: String::new(),
        started: Timestamp::UNIX_EPOCH,
        finished: Timestamp::UNIX_EPOCH,
        inputs: Vec::new(),
        outputs: Vec::new(),
        rows_in: None,
        rows_rejected: None,
        rows_out: None,
        config_sha256: String::new(),
        image: None,
    }
}

/// Who makes the next call, and what happens to it: one in 16 is the last of its worker, one in 16
/// has its answer lost.
fn play(choices: &[(u8, u8)], mutant: Mutant, whimsical: bool, foreign: bool) -> Result<(), String> {
    let mut world = World::new(mutant, whimsical, foreign);
    for (who, what) in choices {
        let living = world.living();
        let Some(which) = living.get(usize::from(*who) % living.len().max(1)) else { break };
        match what % 16 {
            0 => world.kill(*which),
            fate => world.step(*which, usize::from(what / 16), fate == 1),
        }
    }
    world.settle();
    world.check()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn all_outputs_of_an_item_are_of_the_execution_that_the_newest_receipt_names(
        choices in prop::collection::vec(any::<(u8, u8)>(), 0..160),
        whimsical: bool,
        foreign: bool,
    ) {
        prop_assert_eq!(play(&choices, Mutant::None, whimsical, foreign), Ok(()));
    }
}

/// How many of 500 random plays a mutant fails.
fn failures(mutant: Mutant) -> usize {
    let mut random = StdRng::seed_from_u64(7);
    let mut failed = 0;
    for _ in 0..500 {
        let choices: Vec<(u8, u8)> = (0..120).map(|_| random.random()).collect();
        failed += usize::from(play(&choices, mutant, random.random(), false).is_err());
    }
    failed
}

#[test]
fn a_protocol_that_is_broken_on_purpose_is_found_out() {
    assert_eq!(failures(Mutant::None), 0);
    for mutant in [Mutant::NoGeneration, Mutant::ReceiptFirst, Mutant::NoCommit, Mutant::SweptFirst] {
        let failed = failures(mutant);
        println!("{mutant:?}: {failed} of 500 plays end wrong");
        assert!(failed > 20, "{mutant:?}: {failed}");
    }
}

#[test]
fn undisturbed_an_item_with_n_outputs_takes_three_calls_for_each_beside_commit_and_receipt() {
    for outputs in [0, 1, 5] {
        let mut world = World::new(Mutant::None, false, false);
        let run = RunId("run".into());
        let uris = (0..outputs).map(|n| format!("gs://b/{n}")).collect();
        let mut course = Course::made(100, receipt(&run, "e"), uris);
        let (mut made, mut rounds) = (0, 0);
        while let calls @ [_, ..] = &course.calls()[..] {
            for call in calls {
                let answer = world.make(&course, *call, false);
                course.learn(*call, answer).expect("no obstacle");
            }
            (made, rounds) = (made + calls.len(), rounds + 1);
        }
        assert_eq!((made, rounds), (3 * outputs + 1, if outputs == 0 { 1 } else { 3 }));
        let (receipt, leftovers) = course.ended().expect("an end");
        assert_eq!((receipt.outputs.len(), leftovers.len()), (outputs, outputs));
    }
}
