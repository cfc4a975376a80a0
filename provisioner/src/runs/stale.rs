//! Which of a run's done items would come out otherwise today: because the job or its image has
//! changed, or an input. What gives no identity is unknown, and never called fresh.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use contract::{Input, InputState, Item, ItemLine, Receipt, RunId, layout};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use super::again::family;
use super::sources::Sources;
use super::store::Store;

/// Receipts that are held at a time.
const TOGETHER: usize = 500;
/// Receipts judged at the same time.
const PARALLEL: usize = 32;

/// What a run that started now would pin.
#[derive(Clone, Debug)]
pub(crate) struct Pins {
    pub config_sha256: String,
    pub image: Option<String>,
}

/// Whether an item's output is still what it would be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Freshness {
    Fresh,
    /// It would come out otherwise, for this reason.
    Stale(String),
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// What of a run is stale.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Survey {
    pub fresh: usize,
    pub stale: usize,
    pub unknown: usize,
    /// How many items there are of each reason.
    pub stale_because: BTreeMap<String, usize>,
    pub unknown_because: BTreeMap<String, usize>,
    /// The items that are tried again, in the run's order.
    #[serde(skip)]
    pub chosen: Vec<ItemLine>,
}

/// Judges the done items of a run by their latest receipts, its own or those of its closed retries.
pub(crate) async fn survey(
    store: &Store,
    run: &RunId,
    pins: &Pins,
    sources: &Sources,
    with_unknown: bool,
) -> Result<Survey> {
    let items = store.items(run).await?;
    let mut judged: HashMap<Item, Freshness> = HashMap::new();
    // Later receipts take the place of earlier ones.
    for run in family(&store.runs().await?, run) {
        let names = store.bucket.list(&layout::receipts(&run)).await?.into_iter().map(|stored| stored.name);
        for names in names.collect::<Vec<_>>().chunks(TOGETHER) {
            let receipts: Vec<Receipt> = store.read(names.iter().cloned()).await?;
            let open = receipts.iter().filter(|receipt| repinned(receipt, pins).is_none());
            sources.ask_ahead(open.flat_map(|receipt| &receipt.inputs)).await?;
            let judge = |receipt: Receipt| async move {
                let freshness = judge(&receipt, pins, sources).await?;
                anyhow::Ok((receipt.item, freshness))
            };
            let found = futures::stream::iter(receipts).map(judge).buffer_unordered(PARALLEL);
            judged.extend(found.try_collect::<Vec<_>>().await?);
        }
    }
    let mut survey = Survey::default();
    for line in items {
        if judged.get(&line.item).is_some_and(|freshness| survey.count(freshness, with_unknown)) {
            survey.chosen.push(line);
        }
    }
    Ok(survey)
}

impl Survey {
    /// Counts an item. Whether it is tried again.
    fn count(&mut self, freshness: &Freshness, with_unknown: bool) -> bool {
        match freshness {
            Freshness::Fresh => {
                self.fresh += 1;
                false
            }
            Freshness::Stale(reason) => {
                self.stale += 1;
                *self.stale_because.entry(reason.clone()).or_default() += 1;
                true
            }
            Freshness::Unknown(reason) => {
                self.unknown += 1;
                *self.unknown_because.entry(reason.clone()).or_default() += 1;
                with_unknown
            }
        }
    }
}

async fn judge(receipt: &Receipt, pins: &Pins, sources: &Sources) -> Result<Freshness> {
    // Inputs cost calls: they are looked at only where all else is the same.
    if let Some(reason) = repinned(receipt, pins) {
        return Ok(Freshness::Stale(reason));
    }
    let mut states = Vec::with_capacity(receipt.inputs.len());
    for input in &receipt.inputs {
        states.push((input, sources.state(input).await?));
    }
    Ok(by_inputs(&states))
}

/// Why a run that started now would do something else with the item.
fn repinned(receipt: &Receipt, pins: &Pins) -> Option<String> {
    match () {
        () if receipt.config_sha256 != pins.config_sha256 => Some("the job has changed".to_owned()),
        () if receipt.image != pins.image => Some("the workers' image has changed".to_owned()),
        () => None,
    }
}

/// What the inputs say of an item whose job and image are the same. Reasons name inputs only where
/// many items have the same one, by what they are and not by their names.
fn by_inputs(states: &[(&Input, InputState)]) -> Freshness {
    let kind = |input: &Input| match input.uri.split_once(':') {
        Some(("gs", _)) => "object",
        Some(("file", _)) => "file",
        _ => "page",
    };
    let mut unknown = None;
    for (input, state) in states {
        match state {
            InputState::Same => {}
            InputState::Changed => return Freshness::Stale(format!("an input {} has changed", kind(input))),
            InputState::Gone => return Freshness::Stale(format!("an input {} is gone", kind(input))),
            InputState::Unknown(why) => unknown = unknown.or_else(|| Some(why.clone())),
        }
    }
    match unknown {
        Some(why) => Freshness::Unknown(why),
        None if states.is_empty() => Freshness::Unknown("its receipt names no input".to_owned()),
        None => Freshness::Fresh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::ReceiptKind;
    use jiff::Timestamp;

    fn receipt(config: &str, image: Option<&str>) -> Receipt {
        Receipt {
            run: RunId("r".into()),
            item: Item("i".into()),
            kind: ReceiptKind::Stored,
            execution: String::new(),
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
            config_sha256: config.into(),
            image: image.map(str::to_owned),
        }
    }

    #[test]
    fn another_job_or_image_makes_an_item_stale() {
        let pins = Pins { config_sha256: "c".into(), image: Some("i".into()) };
        for (config, image, expected) in [
            ("c", Some("i"), None),
            ("d", Some("i"), Some("the job has changed")),
            ("c", Some("j"), Some("the workers' image has changed")),
            ("c", None, Some("the workers' image has changed")),
        ] {
            assert_eq!(repinned(&receipt(config, image), &pins).as_deref(), expected, "{config} {image:?}");
        }
    }

    #[test]
    fn the_decision_over_inputs_is_a_table() {
        use InputState::{Changed, Gone, Same, Unknown};
        let why = || Unknown("no identity".to_owned());
        let input = |uri: &str| Input {
            uri: uri.to_owned(),
            generation: None,
            etag: None,
            last_modified: None,
            size: None,
            crc32c: None,
        };
        let (object, page) = (input("gs://b/o"), input("https://h/p"));
        let unknown = |why: &str| Freshness::Unknown(why.to_owned());
        let stale = |why: &str| Freshness::Stale(why.to_owned());
        for (states, expected) in [
            (vec![], unknown("its receipt names no input")),
            (vec![Same], Freshness::Fresh),
            (vec![Same, Same], Freshness::Fresh),
            (vec![Same, Changed], stale("an input page has changed")),
            (vec![Gone, Same], stale("an input object is gone")),
            (vec![why(), Same], unknown("no identity")),
            // What is known to have changed counts, whatever else is not known.
            (vec![why(), Changed], stale("an input page has changed")),
        ] {
            let states: Vec<_> = [&object, &page].into_iter().zip(states).collect();
            assert_eq!(by_inputs(&states), expected, "{states:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_tried_again_only_where_that_is_asked_for() {
        let mut survey = Survey::default();
        let unknown = Freshness::Unknown("no identity".to_owned());
        assert!(!survey.count(&unknown, false) && survey.count(&unknown, true));
        assert!(!survey.count(&Freshness::Fresh, true));
        assert!(survey.count(&Freshness::Stale("x".to_owned()), false));
        assert_eq!((survey.fresh, survey.stale, survey.unknown), (1, 1, 2));
        assert_eq!(survey.unknown_because["no identity"], 2);
    }
}
