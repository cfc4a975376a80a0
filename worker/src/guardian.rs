//! Who must stay while a run's last items are open. Pure.
//!
//! Every open item has exactly one guardian: an index of the run's own Job that may not leave, and
//! that an Indexed Job replaces until it exits 0.
//! - An item that the Job has tried is guarded by the index that tried it last.
//! - The others are guarded by the lowest indexes, as many items each as a worker takes at a time.
//!   Attempts by workers of other runs' Jobs change nothing: those workers live by other rules.
//!
//! A guardian never changes to an index that may have left: trying an item makes the one who tries
//! its guardian, and the set of items never tried by the Job only shrinks, so its guards' indexes do.

/// An open item, as far as guarding goes: the index of the run's own Job that tried it last.
pub(crate) type LastTried = Option<u32>;

/// Positions of the items that `index` guards. `workers` is the number of the Job's indexes.
pub(crate) fn guarded_by(index: u32, open: &[LastTried], concurrency: u32, workers: u32) -> Vec<usize> {
    let mut untried = 0_u64;
    let mut guarded = Vec::new();
    for (position, last) in open.iter().enumerate() {
        let guardian = if let Some(tried) = last {
            u64::from(*tried)
        } else {
            let share = untried / u64::from(concurrency.max(1));
            untried += 1;
            // Where there are more items than the Job can take at once, they go round.
            share % u64::from(workers.max(1))
        };
        if guardian == u64::from(index) {
            guarded.push(position);
        }
    }
    guarded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_tried_an_item_last_stays_for_it() {
        assert_eq!(guarded_by(3, &[Some(1), Some(3), Some(3)], 1, 8), [1, 2]);
        assert!(guarded_by(0, &[Some(1), Some(3)], 1, 8).is_empty());
    }

    #[test]
    fn items_never_tried_keep_the_lowest_indexes() {
        let open = [None, Some(7), None, None];
        assert_eq!(guarded_by(0, &open, 2, 8), [0, 2]);
        assert_eq!(guarded_by(1, &open, 2, 8), [3]);
        assert!(guarded_by(2, &open, 2, 8).is_empty());
        assert_eq!(guarded_by(0, &[None, None, None], 1, 2), [0, 2]);
    }

    #[test]
    fn nobody_stays_for_nothing() {
        assert!(guarded_by(0, &[], 1, 1).is_empty());
    }

    /// What may happen in a run, to the index or item of that number.
    #[derive(Clone, Debug)]
    enum Event {
        /// A message of the item comes to the index: the first time, again after a failure, a death
        /// or a lost lease, or a second time while another has it.
        Deliver { item: usize, index: u32 },
        /// A worker of another run's Job tries the item and closes it, or vanishes with it.
        Elsewhere { item: usize, closes: bool },
        /// The index ends what it has in hand: with a receipt or failure, or to be tried again.
        End { index: u32, closes: bool },
        /// The index is killed; what it has in hand goes back to the queue, and a new pod of the same
        /// index comes for it.
        Die { index: u32 },
        /// The index has nothing in hand and lists the records.
        Look { index: u32 },
        /// It acts on what it has seen, however much has happened elsewhere since.
        Act { index: u32 },
    }

    fn event() -> impl Strategy<Value = Event> {
        let (item, index) = (0..12usize, 0..6u32);
        prop_oneof![
            4 => (item.clone(), index.clone()).prop_map(|(item, index)| Event::Deliver { item, index }),
            1 => (item, any::<bool>()).prop_map(|(item, closes)| Event::Elsewhere { item, closes }),
            3 => (index.clone(), any::<bool>()).prop_map(|(index, closes)| Event::End { index, closes }),
            2 => index.clone().prop_map(|index| Event::Die { index }),
            3 => index.clone().prop_map(|index| Event::Look { index }),
            3 => index.prop_map(|index| Event::Act { index }),
        ]
    }

    /// A run as it really stands.
    #[derive(Debug)]
    struct Model {
        concurrency: u32,
        open: Vec<bool>,
        tried: Vec<LastTried>,
        indexes: Vec<Index>,
    }

    #[derive(Clone, Debug, Default)]
    struct Index {
        /// It exited 0: the Job never replaces it.
        left: bool,
        in_hand: Vec<usize>,
        /// What it saw when it looked, if no message has come since.
        seen: Option<Vec<LastTried>>,
    }

    impl Model {
        fn new(items: usize, concurrency: u32, workers: usize) -> Self {
            let (open, tried) = (vec![true; items], vec![None; items]);
            Self { concurrency, open, tried, indexes: vec![Index::default(); workers] }
        }

        fn workers(&self) -> u32 {
            u32::try_from(self.indexes.len()).expect("a few")
        }

        fn view(&self) -> Vec<LastTried> {
            self.tried.iter().zip(&self.open).filter(|(_, open)| **open).map(|(tried, _)| *tried).collect()
        }

        fn guards(&self, index: u32, view: &[LastTried]) -> bool {
            !guarded_by(index, view, self.concurrency, self.workers()).is_empty()
        }

        fn happen(&mut self, event: &Event) {
            match *event {
                Event::Deliver { item, index } => self.deliver(item, index),
                Event::Elsewhere { item, closes } => {
                    if closes && item < self.open.len() {
                        self.open[item] = false;
                    }
                }
                Event::End { index, closes } => {
                    if let Some(index) = self.indexes.get_mut(index as usize)
                        && let Some(item) = index.in_hand.pop()
                    {
                        self.open[item] &= !closes;
                    }
                }
                Event::Die { index } => {
                    if let Some(index) = self.indexes.get_mut(index as usize).filter(|index| !index.left) {
                        *index = Index::default();
                    }
                }
                Event::Look { index } => {
                    let view = self.view();
                    if let Some(index) = self.indexes.get_mut(index as usize) {
                        index.seen = (!index.left && index.in_hand.is_empty()).then_some(view);
                    }
                }
                Event::Act { index } => self.act(index),
            }
        }

        fn deliver(&mut self, item: usize, index: u32) {
            let room = self.concurrency as usize;
            let Some(worker) = self.indexes.get_mut(index as usize) else { return };
            let has_room = !worker.left && worker.in_hand.len() < room && !worker.in_hand.contains(&item);
            // A message of a settled item is acked: no attempt.
            if has_room && self.open.get(item) == Some(&true) {
                self.tried[item] = Some(index);
                worker.in_hand.push(item);
                worker.seen = None;
            }
        }

        fn act(&mut self, index: u32) {
            let Some(seen) = self.indexes.get_mut(index as usize).and_then(|index| index.seen.take()) else {
                return;
            };
            let stays = self.guards(index, &seen);
            // The two reasons, said another way than the code says them.
            let tried_last = seen.contains(&Some(index));
            let never_tried = seen.iter().filter(|tried| tried.is_none()).count();
            let is_needed_for_them = (index as usize) < never_tried.div_ceil(self.concurrency as usize);
            assert_eq!(stays, tried_last || is_needed_for_them, "index {index} of {seen:?}");
            self.indexes[index as usize].left = !stays;
        }

        fn every_open_item_has_an_index_that_may_not_leave(&self) {
            let view = self.view();
            let present = (0..self.workers()).filter(|index| !self.indexes[*index as usize].left);
            let guarded =
                present.map(|index| guarded_by(index, &view, self.concurrency, self.workers()).len());
            assert_eq!(guarded.sum::<usize>(), view.len(), "{self:?}");
        }

        /// Redelivers everything to whoever is left, looks and acts, until nothing changes.
        fn play_out(&mut self) {
            for item in 0..self.open.len() {
                let left: Vec<u32> =
                    (0..self.workers()).filter(|index| !self.indexes[*index as usize].left).collect();
                for index in left {
                    self.happen(&Event::Die { index });
                    self.happen(&Event::Deliver { item, index });
                    self.happen(&Event::End { index, closes: true });
                }
            }
            for index in 0..self.workers() {
                self.happen(&Event::Die { index });
                self.happen(&Event::Look { index });
                self.happen(&Event::Act { index });
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn an_open_item_always_has_its_guardian_and_nobody_stays_without_a_reason(
            events in prop::collection::vec(event(), 0..120),
            items in 1..12usize, concurrency in 1..4u32, workers in 1..6usize,
        ) {
            let mut model = Model::new(items, concurrency, workers);
            for event in &events {
                model.happen(event);
                model.every_open_item_has_an_index_that_may_not_leave();
            }
            model.play_out();
            prop_assert!(model.open.iter().all(|open| !open), "everything is done at last: {model:?}");
            prop_assert!(model.indexes.iter().all(|index| index.left), "and all have left: {model:?}");
        }
    }
}
