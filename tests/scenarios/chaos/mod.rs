//! Three runs over some of the same items at once, with everything that may go wrong going wrong at random, and
//! every item done once all the same.

mod havoc;
mod stage;

use std::collections::BTreeMap;

use scenarios::oracle::{self, Waste};
use scenarios::{Random, seed};

use havoc::Havoc;
use stage::Stage;

/// How much of it.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Items of all runs together; a fifth of them is common to two. Runs that end too soon are begun again.
    items: usize,
    /// Disruptions at least.
    disruptions: usize,
    /// Of these, such as hit an item in flight.
    hits: usize,
    /// Of these, such as fall between an item's first upload and its ack.
    late: usize,
}

#[test]
fn every_item_is_done_once_in_a_little_chaos() {
    unleash(Size { items: 120, disruptions: 10, hits: 3, late: 2 });
}

#[test]
#[ignore = "many minutes: `just chaos`"]
fn every_item_is_done_once_in_chaos() {
    let items = std::env::var("ITEMS").map_or(5_000, |items| items.parse().expect("ITEMS is a number"));
    unleash(Size { items, disruptions: 200, hits: 150, late: 20 });
}

fn unleash(size: Size) {
    let mut random = Random::new(seed());
    let mut stage = Stage::of(size.items);
    let mut havoc = Havoc::new(random.draw());
    stage.make_calls_fail(random.draw());
    stage.start();
    while !havoc.is_enough(size) {
        havoc.disrupt(size, &mut stage);
    }
    havoc.calm(&mut stage);
    stage.until_the_end();

    let evidence = stage.evidence();
    let wrong = [oracle::wrong(&evidence), stage.wrong_outputs(&evidence)].concat();
    let hits = havoc.hits(&evidence);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    havoc.done.iter().for_each(|done| *kinds.entry(format!("{:?}", done.kind)).or_default() += 1);
    println!(
        "{} disruptions {kinds:?}: {} hit an item in flight, {} of them between its first upload and its ack",
        havoc.done.len(),
        hits.all,
        hits.late
    );
    println!("{} s; commands started {} times; {}", stage.seconds(), stage.starts(), Waste::of(&evidence));
    for wrong in &wrong {
        println!("WRONG {wrong}");
    }
    assert!(wrong.is_empty(), "{} things are wrong", wrong.len());
    assert!(hits.all >= size.hits && hits.late >= size.late, "too few hits: {hits:?}");
}
