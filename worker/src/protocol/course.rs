//! What to do next about an item with several outputs, given what has been found. Pure: it names the
//! calls that may be made now, at the same time, and learns from their answers in any order.
//!
//! Every output is judged by itself: the newest run that has an output of that name ends up there,
//! whatever the order of calls. So two runs never wait for each other, and an older one that comes
//! late changes nothing that a newer one made.

use clients::{Metadata, Stored};
use contract::{Commit, Item, Output, Receipt, ReceiptKind, RunId, Staged};

use super::claim::{Claim, Claimant, mark};

/// Times that a destination may change under a copy before the attempt fails.
const ROUNDS: u32 = 5;

/// A call that may be made. Numbers are the outputs'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Call {
    /// Upload under the staged name, which is this execution's alone.
    Stage(usize),
    /// Look at the destination.
    Look(usize),
    /// Create the commit record.
    Record,
    /// Read the commit record that is there.
    ReadRecord,
    /// Copy the staged object to its destination, on this generation.
    Copy(usize, i64),
    /// Read the receipt, if there is one.
    ReadReceipt,
}

/// What a call told.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Staged(Staged),
    Found(Option<Stored>),
    Recorded,
    /// The record is there already; after a lost answer it may be our own.
    RecordIsThere,
    Record(Commit),
    Copied(Stored),
    /// The destination changed since it was looked at.
    Changed,
    /// The staged object is gone.
    NoSource,
    Receipt(Option<Receipt>),
}

/// Why an item cannot be stored.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum Obstacle {
    #[error("{0} is the output of another item of this run as well")]
    Collision(String),
    #[error("{0} changed {ROUNDS} times while it was written: who else writes there?")]
    Restless(String),
    #[error("the staged output {0} was deleted before it was promoted; try the item again in a new run")]
    Lost(String),
}

/// One item, on its way from staged outputs to a receipt.
#[derive(Debug)]
pub(super) struct Course {
    run: RunId,
    /// The server's generation of the run's record.
    generation: i64,
    item: Item,
    phase: Phase,
    receipt: Receipt,
    ways: Vec<Way>,
    /// Staged objects of ours that another execution's record has made worthless.
    ours: Vec<String>,
    ended: Option<Receipt>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Outputs are uploaded, and their destinations looked at meanwhile.
    Staging,
    Recording,
    /// Somebody was faster.
    Reading,
    Promoting,
    /// A staged object is gone: there must be a receipt.
    Lost(usize),
    Ended,
}

/// One output.
#[derive(Debug)]
struct Way {
    uri: String,
    staged: Option<Staged>,
    place: Place,
    changes: u32,
    no_source: bool,
}

/// What is known of a destination.
#[derive(Debug)]
enum Place {
    Unknown,
    /// Ours to write, on this generation.
    Open(i64),
    Ours(Output),
    /// A newer run's output is there.
    Newer(Output),
}

impl Course {
    /// Outputs that have just been made. `receipt` names their execution.
    pub(super) fn made(generation: i64, receipt: Receipt, uris: Vec<String>) -> Self {
        let ways = uris.into_iter().map(|uri| Way::new(uri, None)).collect();
        let mut course = Self::new(generation, receipt, ways, Phase::Staging);
        course.advance();
        course
    }

    /// Outputs that an execution staged and recorded.
    pub(super) fn recorded(generation: i64, commit: Commit) -> Self {
        let mut course = Self::new(generation, commit.receipt, Vec::new(), Phase::Promoting);
        course.ways = commit.outputs.into_iter().map(Way::staged).collect();
        course.advance();
        course
    }

    fn new(generation: i64, receipt: Receipt, ways: Vec<Way>, phase: Phase) -> Self {
        let (run, item) = (receipt.run.clone(), receipt.item.clone());
        Self { run, generation, item, phase, receipt, ways, ours: Vec::new(), ended: None }
    }

    /// The calls that may be made now; none at the end.
    pub(super) fn calls(&self) -> Vec<Call> {
        match self.phase {
            Phase::Staging => self.each(|at, way| {
                let stage = way.staged.is_none().then_some(Call::Stage(at));
                let look = matches!(way.place, Place::Unknown).then_some(Call::Look(at));
                [stage, look]
            }),
            Phase::Recording => vec![Call::Record],
            Phase::Reading => vec![Call::ReadRecord],
            Phase::Promoting => self.each(|at, way| match way.place {
                Place::Unknown => [Some(Call::Look(at)), None],
                Place::Open(generation) => [Some(Call::Copy(at, generation)), None],
                Place::Ours(_) | Place::Newer(_) => [None, None],
            }),
            Phase::Lost(_) => vec![Call::ReadReceipt],
            Phase::Ended => Vec::new(),
        }
    }

    /// Takes the answer to one of the calls.
    pub(super) fn learn(&mut self, call: Call, answer: Answer) -> Result<(), Obstacle> {
        match (call, answer) {
            (Call::Stage(at), Answer::Staged(staged)) => self.ways[at].staged = Some(staged),
            (Call::Look(at), Answer::Found(found)) => self.judge(at, found)?,
            (Call::Record, Answer::Recorded) => self.phase = Phase::Promoting,
            (Call::Record, Answer::RecordIsThere) => self.phase = Phase::Reading,
            (Call::ReadRecord, Answer::Record(commit)) => self.follow(commit),
            (Call::Copy(at, _), Answer::Copied(stored)) => {
                let way = &mut self.ways[at];
                way.place = Place::Ours(output(&way.uri, &stored));
            }
            (Call::Copy(at, _), Answer::Changed) => self.ways[at].look_again(false)?,
            (Call::Copy(at, _), Answer::NoSource) => self.ways[at].look_again(true)?,
            (Call::ReadReceipt, Answer::Receipt(Some(receipt))) => self.end(receipt),
            (Call::ReadReceipt, Answer::Receipt(None)) => return Err(self.lost()),
            // An answer to another question tells nothing; the question is asked again.
            _ => {}
        }
        self.advance();
        Ok(())
    }

    /// The record of what is staged; only once everything is.
    pub(super) fn commit(&self) -> Commit {
        let outputs = self.ways.iter().filter_map(|way| way.staged.clone()).collect();
        Commit { receipt: self.receipt.clone(), outputs }
    }

    /// What is known of the receipt: it names the execution whose outputs are promoted.
    pub(super) fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Where outputs of this execution stand already.
    pub(super) fn promoted(&self) -> Vec<&str> {
        let ours = self.ways.iter().filter(|way| matches!(way.place, Place::Ours(_)));
        ours.map(|way| way.uri.as_str()).collect()
    }

    /// What the outputs say of where they come from.
    pub(super) fn marks(&self) -> Metadata {
        mark(self.generation, &self.receipt)
    }

    /// Where an output belongs.
    pub(super) fn uri(&self, at: usize) -> &str {
        &self.ways[at].uri
    }

    /// The staged object of an output, once there is one.
    pub(super) fn staged(&self, at: usize) -> Option<&Staged> {
        self.ways[at].staged.as_ref()
    }

    /// The receipt, at the end, and the staged objects that are of no use once it is written.
    pub(super) fn ended(self) -> Option<(Receipt, Vec<String>)> {
        let staged = self.ways.into_iter().filter_map(|way| way.staged).map(|staged| staged.object);
        let leftovers = staged.chain(self.ours).collect();
        self.ended.map(|receipt| (receipt, leftovers))
    }

    fn each<const N: usize>(&self, calls: impl Fn(usize, &Way) -> [Option<Call>; N]) -> Vec<Call> {
        self.ways.iter().enumerate().flat_map(|(at, way)| calls(at, way)).flatten().collect()
    }

    fn judge(&mut self, at: usize, found: Option<Stored>) -> Result<(), Obstacle> {
        let claimant = Claimant {
            run: &self.run,
            generation: self.generation,
            item: &self.item,
            execution: Some(&self.receipt.execution),
        };
        let way = &mut self.ways[at];
        way.place = match claimant.claim(found) {
            Claim::Upload(generation) => Place::Open(generation),
            Claim::Adopt(stored) => Place::Ours(output(&way.uri, &stored)),
            Claim::Superseded(stored) => Place::Newer(output(&way.uri, &stored)),
            Claim::Collision => return Err(Obstacle::Collision(way.uri.clone())),
        };
        if way.no_source && matches!(way.place, Place::Open(_)) {
            self.phase = Phase::Lost(at);
        }
        Ok(())
    }

    /// Takes the record that is there: after a lost answer it is our own, or else we have lost.
    fn follow(&mut self, commit: Commit) {
        if commit.receipt.execution != self.receipt.execution {
            let ours = self.ways.iter().filter_map(|way| way.staged.as_ref());
            self.ours = ours.map(|staged| staged.object.clone()).collect();
            self.ways = commit.outputs.into_iter().map(Way::staged).collect();
            self.receipt = commit.receipt;
        }
        self.phase = Phase::Promoting;
    }

    fn advance(&mut self) {
        if !self.calls().is_empty() {
            return;
        }
        match self.phase {
            Phase::Staging => self.phase = Phase::Recording,
            Phase::Promoting => self.end(self.written()),
            _ => {}
        }
    }

    /// The receipt of outputs that are all where they belong.
    fn written(&self) -> Receipt {
        let newer = self.ways.iter().any(|way| matches!(way.place, Place::Newer(_)));
        let kind = if newer { ReceiptKind::Superseded } else { ReceiptKind::Stored };
        let outputs = self.ways.iter().filter_map(|way| match &way.place {
            Place::Ours(output) | Place::Newer(output) => Some(output.clone()),
            Place::Unknown | Place::Open(_) => None,
        });
        Receipt { kind, outputs: outputs.collect(), ..self.receipt.clone() }
    }

    fn end(&mut self, receipt: Receipt) {
        self.ended = Some(receipt);
        self.phase = Phase::Ended;
    }

    fn lost(&self) -> Obstacle {
        let Phase::Lost(at) = self.phase else { return Obstacle::Lost(String::new()) };
        Obstacle::Lost(self.ways[at].staged.as_ref().map_or_else(String::new, |staged| staged.object.clone()))
    }
}

impl Way {
    fn new(uri: String, staged: Option<Staged>) -> Self {
        Self { uri, staged, place: Place::Unknown, changes: 0, no_source: false }
    }

    fn staged(staged: Staged) -> Self {
        Self::new(staged.uri.clone(), Some(staged))
    }

    fn look_again(&mut self, no_source: bool) -> Result<(), Obstacle> {
        self.place = Place::Unknown;
        self.no_source = no_source;
        self.changes += 1;
        if self.changes > ROUNDS { Err(Obstacle::Restless(self.uri.clone())) } else { Ok(()) }
    }
}

pub(super) fn output(uri: &str, stored: &Stored) -> Output {
    Output {
        uri: uri.to_owned(),
        generation: stored.generation,
        size: stored.size,
        crc32c: stored.crc32c.clone(),
    }
}

#[cfg(test)]
mod tests;
