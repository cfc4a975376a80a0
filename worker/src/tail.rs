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

    /// What may happen in a run, to the worker or item of that number.
    #[derive(Clone, Debug)]
    enum Event {
        Try { item: usize, index: u32 },
        TryByAnotherJob,
        Close { item: usize },
        Idle { index: u32 },
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..12usize, 0..6u32).prop_map(|(item, index)| Event::Try { item, index }),
            Just(Event::TryByAnotherJob),
            (0..12usize).prop_map(|item| Event::Close { item }),
            (0..6u32).prop_map(|index| Event::Idle { index }),
        ]
    }

    proptest! {
        #[test]
        fn an_open_item_always_has_a_guardian_that_has_not_left(
            events in prop::collection::vec(event(), 0..200),
            items in 1..12usize, concurrency in 1..4u32, workers in 1..6u32,
        ) {
            let mut tried: Vec<LastTried> = vec![None; items];
            let mut open = vec![true; items];
            let mut left = vec![false; workers as usize];
            for event in events {
                let view = |tried: &[LastTried], open: &[bool]| -> Vec<LastTried> {
                    (0..items).filter(|at| open[*at]).map(|at| tried[at]).collect()
                };
                match event {
                    Event::Try { item, index }
                        if item < items && open[item] && index < workers && !left[index as usize] =>
                    {
                        tried[item] = Some(index);
                    }
                    Event::Close { item } if item < items => open[item] = false,
                    Event::Idle { index } if index < workers => {
                        let guarded = guarded_by(index, &view(&tried, &open), concurrency, workers);
                        left[index as usize] |= guarded.is_empty();
                    }
                    Event::TryByAnotherJob | Event::Try { .. } | Event::Close { .. } | Event::Idle { .. } => {}
                }
                let open_now = view(&tried, &open);
                let guarded: usize = (0..workers)
                    .filter(|index| !left[*index as usize])
                    .map(|index| guarded_by(index, &open_now, concurrency, workers).len())
                    .sum();
                prop_assert_eq!(guarded, open_now.len());
            }
        }
    }
}
