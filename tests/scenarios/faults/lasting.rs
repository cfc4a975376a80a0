//! What does not pass: it stops its change and no other, is told with the address and with what to do, and
//! the same command again goes on from there.

use std::collections::BTreeMap;
use std::time::Instant;

use localcloud::calls::Passed;
use scenarios::{Random, Said, seed_or};
use serde_json::Value;

use super::errors::{self, Blow, Sort};
use super::stage::{Act, Size, Stage, tagged};

/// Looks that the suite takes.
const LOOKS: usize = 3;

/// Commands until all is done: as many as resources wait for each other, and a few more.
const COMMANDS: usize = 20;

/// What a plan says of looks that it does without, where it is not the error itself.
const TOLD: [&str; 3] = ["(may not be listed)", "quota unknown", "unknown: may not be read"];

/// Looks that nothing depends on: types are asked for in another way, and a value that may not be read by
/// whoever applies is written all the same.
const UNTOLD: [&str; 3] = ["kubernetes.discovery.get", "kubernetes.secrets.get", "kubernetes.secrets.list"];

#[test]
fn what_lasts_stops_its_change_and_is_told_with_what_to_do() {
    let mut random = Random::new(seed_or(1));
    let stage = Stage::new(Size::Small);
    let mut tally = Tally::default();
    let shift = random.below(7);
    let act = *random.one(&[Act::Make, Act::Change]).expect("one of them");
    let calls = stage.calls_of(act);
    fail_changes(&stage, act, &calls, shift, &mut tally);
    let mut looks: Vec<Passed> = looks(&calls).collect();
    random.shuffle(&mut looks);
    fail_looks(&stage, act, &looks[..LOOKS], shift, &mut tally);
    tally.end();
}

#[test]
#[ignore = "minutes: `just faults`"]
fn what_lasts_stops_its_change_wherever_it_comes_whatever_it_is() {
    let stage = Stage::new(Size::Whole);
    let mut tally = Tally::default();
    for act in Act::ALL {
        let calls = stage.calls_of(act);
        let most = calls.iter().map(|call| errors::lasting(&call.method).len()).max().unwrap_or(0);
        for shift in 0..most {
            fail_changes(&stage, act, &calls, shift, &mut tally);
        }
        let looks: Vec<Passed> = looks(&calls).collect();
        for shift in 0..2 {
            fail_looks(&stage, act, &looks, 3 * shift, &mut tally);
        }
    }
    tally.end();
}

fn looks(calls: &[Passed]) -> impl Iterator<Item = Passed> {
    calls.iter().filter(|call| !errors::changes(&call.method)).cloned()
}

/// Every call that changes something fails once, each with another error.
fn fail_changes(stage: &Stage, act: Act, calls: &[Passed], shift: usize, tally: &mut Tally) {
    stage.set(act);
    let changes = calls.iter().filter(|call| errors::changes(&call.method)).enumerate();
    let mut set: BTreeMap<usize, (Passed, Blow, u64)> = changes
        .map(|(at, call)| {
            let all = errors::lasting(&call.method);
            let blow = tagged(&all[(shift + at) % all.len()], at);
            let fault = stage.strike_next(call, &blow);
            (at, (call.clone(), blow, fault))
        })
        .collect();
    let all = set.len();
    let mut commands = 0;
    loop {
        commands += 1;
        let said = stage.told(act);
        let struck: Vec<usize> = set
            .iter()
            .filter(|(_, (.., fault))| stage.cloud.strikes(*fault) > 0)
            .map(|(at, _)| *at)
            .collect();
        let is_over = struck.is_empty() || commands == COMMANDS;
        let mut stopped = 0;
        for at in struck {
            let Some((call, blow, fault)) = set.remove(&at) else { continue };
            stage.cloud.clear(Some(fault));
            stopped += usize::from(matches!(blow.sort, Sort::Lasts(_)));
            tally.blows += 1;
            tally.wrong.extend(untold(&said, at, &call, &blow).map(|wrong| format!("{act:?}: {wrong}")));
        }
        if is_over {
            if said.code != Some(0) {
                tally.wrong.push(format!(
                    "{act:?}: nothing was struck any more, and it ends with {:?}: {}",
                    said.code, said.stderr
                ));
            }
            break;
        }
        if stopped > 0 && said.code != Some(1) {
            tally.wrong.push(format!(
                "{act:?}: {stopped} changes failed, and it ends with {:?}: {}",
                said.code, said.stderr
            ));
        }
    }
    stage.cloud.clear(None);
    tally.settle(stage, act);
    println!(
        "{:>3} s {act:?}: {} of {all} changes failed in {commands} commands",
        tally.begun.elapsed().as_secs(),
        all - set.len()
    );
}

/// One look after the other fails.
fn fail_looks(stage: &Stage, act: Act, looks: &[Passed], shift: usize, tally: &mut Tally) {
    stage.set(act);
    for (at, call) in looks.iter().enumerate() {
        let lasting = errors::lasting(&call.method);
        let all: Vec<&Blow> = lasting.iter().filter(|blow| matches!(blow.sort, Sort::Lasts(_))).collect();
        let blow = tagged(all[(shift + at) % all.len()], at);
        let fault = stage.strike_next(call, &blow);
        let said = stage.run(act);
        let is_struck = stage.cloud.strikes(fault) > 0;
        stage.cloud.clear(Some(fault));
        tally.blows += usize::from(is_struck);
        let tag = format!("(blow {at})");
        let is_told = match said.code {
            // The plan was made all the same: it says what it does not know.
            Some(0) => {
                let is_said = |words: &str| said.stdout.contains(words) || said.stderr.contains(words);
                UNTOLD.contains(&call.method.as_str()) || is_said(&tag) || TOLD.into_iter().any(is_said)
            }
            code => code == Some(1) && said.stderr.contains(&tag) && has_advice(&said.stderr),
        };
        if is_struck && !is_told {
            let told = format!("{:?}\n{}\n{}", said.code, said.stdout, said.stderr);
            tally.wrong.push(format!("{act:?}: {} at {} {}: {told}", blow.name, call.method, call.resource));
        }
        // Most come before anything is done.
        if said.code == Some(0) || said.stderr.contains(" made, ") {
            tally.goes_on(stage, act);
            stage.set(act);
        }
    }
    tally.goes_on(stage, act);
    println!("{:>3} s {act:?}: {} looks failed", tally.begun.elapsed().as_secs(), looks.len());
}

/// What is wrong with how a change that failed is told.
fn untold(said: &Said, tag: usize, call: &Passed, blow: &Blow) -> Option<String> {
    // What is gone, or there, already may be as it should be.
    let Sort::Lasts(advice) = blow.sort else { return None };
    let events: Vec<Value> = said.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let at = format!("{} at {} {}", blow.name, call.method, call.resource);
    let tag = format!("(blow {tag})");
    let is_it = |event: &&Value| {
        event["type"] == "failed"
            && event["error"]["message"].as_str().is_some_and(|text| text.contains(&tag))
    };
    let Some(failed) = events.iter().find(is_it) else {
        return Some(format!("{at} is not told: {}", said.stderr));
    };
    let (address, hint) = (&failed["address"], failed["error"]["hint"].as_str().unwrap_or_default());
    if !hint.contains(advice) {
        return Some(format!("{at}: the hint is {hint:?}"));
    }
    let changes = events.iter().filter_map(|event| event["plan"]["changes"].as_array()).flatten();
    let mut ids =
        changes.filter(|change| change["address"] == *address).filter_map(|change| change["id"].as_str());
    let is_about = ids.any(|id| is_of(&call.resource, id));
    (!is_about || !said.stderr.contains(address.as_str().unwrap_or("?")))
        .then(|| format!("{at} is told of {address}"))
}

/// Whether a call's resource is that of a change, or lies in it.
fn is_of(resource: &str, id: &str) -> bool {
    let last = resource.rsplit('/').next().unwrap_or_default();
    let last = last.split('*').next().unwrap_or_default();
    id.contains(last) || resource.split('/').any(|part| id.ends_with(part)) || id.starts_with("project ")
}

fn has_advice(text: &str) -> bool {
    text.contains("  hint: ") || text.contains("`provision permissions plan` lists the roles")
}

/// What came of it all.
struct Tally {
    begun: Instant,
    blows: usize,
    wrong: Vec<String>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { begun: Instant::now(), blows: 0, wrong: Vec::new() }
    }
}

impl Tally {
    fn settle(&mut self, stage: &Stage, act: Act) {
        if let Err(why) = stage.is_settled(act) {
            self.wrong.push(format!("{act:?} does not end as it should: {why}"));
            stage.run(act);
        }
    }

    /// The same command again ends as it should.
    fn goes_on(&mut self, stage: &Stage, act: Act) {
        let again = stage.run(act);
        if again.code != Some(0) {
            self.wrong.push(format!("{act:?}, again: {}", again.stderr));
        }
        self.settle(stage, act);
    }

    fn end(self) {
        println!("{} blows struck, {} s", self.blows, self.begun.elapsed().as_secs());
        for wrong in &self.wrong {
            println!("WRONG {wrong}");
        }
        assert!(self.wrong.is_empty(), "{} things are wrong", self.wrong.len());
    }
}
