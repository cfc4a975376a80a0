//! What passes: in every round each call of the command fails once, in another way; after as many rounds
//! as there are ways, every call has failed in each of its ways.

use std::time::Instant;

use scenarios::{Random, seed_or};

use super::errors;
use super::stage::{Act, Size, Stage};

#[test]
fn what_passes_does_not_stop_an_apply_wherever_it_comes() {
    let mut random = Random::new(seed_or(1));
    let act = *random.one(&Act::ALL).expect("one of them");
    campaign(Size::Small, &[act], Some(random.below(100)));
}

#[test]
#[ignore = "minutes: `just faults`"]
fn what_passes_does_not_stop_anything_wherever_it_comes_whatever_it_is() {
    campaign(Size::Whole, &Act::ALL, None);
}

/// One round, or all of them.
fn campaign(size: Size, acts: &[Act], one: Option<usize>) {
    let begun = Instant::now();
    let stage = Stage::new(size);
    let calls: Vec<_> = acts.iter().map(|act| stage.calls_of(*act)).collect();
    let most = calls.iter().flatten().map(|call| errors::passing(call).len()).max().unwrap_or(0);
    let (mut set, mut struck, mut wrong) = (0, 0, Vec::new());
    for round in one.map_or(0..most, |round| round..round + 1) {
        for (act, calls) in acts.iter().zip(&calls) {
            stage.set(*act);
            let blows: Vec<_> = calls
                .iter()
                .enumerate()
                .map(|(at, call)| {
                    let all = errors::passing(call);
                    // Not the same for all: what comes at the same time is more than one thing.
                    let blow = all[(round + at) % all.len()].clone();
                    let fault = stage.strike_next(call, &blow);
                    (call, blow, fault)
                })
                .collect();
            let said = stage.run(*act);
            let told = |(call, blow, fault): &(&localcloud::calls::Passed, errors::Blow, u64)| {
                let struck = stage.cloud.strikes(*fault);
                format!("{struck} {} at {} {}", blow.name, call.method, call.resource)
            };
            let hits = blows.iter().filter(|(.., fault)| stage.cloud.strikes(*fault) > 0).count();
            (set, struck) = (set + blows.len(), struck + hits);
            let blows: Vec<String> = blows.iter().map(told).collect();
            stage.cloud.clear(None);
            let settled = stage.is_settled(*act);
            println!(
                "{:>3} s {act:?}, round {round}: {hits} of {} calls failed once, exit {:?}",
                begun.elapsed().as_secs(),
                blows.len(),
                said.code
            );
            if said.code != Some(0) || settled.is_err() {
                println!("{}\n{}\n{settled:?}", blows.join("\n"), said.stderr);
                wrong.push(format!("{act:?}, round {round}"));
                // The next one begins from what there should be.
                stage.scenario.expect(0, act.args());
            }
        }
    }
    println!("{struck} of {set} blows struck, {} s", begun.elapsed().as_secs());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(struck * 10 >= set * 8, "most calls were not made again");
}
