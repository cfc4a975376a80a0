//! What one round of looks has listed already. Several kinds ask for the same lists, and whoever asks
//! first has them asked for.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tokio::sync::OnceCell;

use super::Cloud;

type Cells = HashMap<(TypeId, String), Arc<dyn Any + Send + Sync>>;

/// The answers of a round, by their type and by what they are about.
#[derive(Default)]
pub(super) struct Lists(Mutex<Cells>);

impl Lists {
    pub(super) fn forget(&self) {
        self.cells().clear();
    }

    fn cell<T: Send + Sync + 'static>(&self, about: &str) -> Arc<OnceCell<Arc<T>>> {
        let fresh = || -> Arc<dyn Any + Send + Sync> { Arc::new(OnceCell::<Arc<T>>::new()) };
        let cell = self.cells().entry(key::<T>(about)).or_insert_with(fresh).clone();
        // It is of the type that its key names.
        cell.downcast().unwrap_or_default()
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        // What a panicking holder left is still a map of answers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key<T: 'static>(about: &str) -> (TypeId, String) {
    (TypeId::of::<T>(), about.to_owned())
}

impl Cloud {
    /// An answer that is asked for once per round of observation.
    pub(crate) async fn once<T: Send + Sync + 'static>(
        &self,
        about: &str,
        ask: impl Future<Output = Result<T>>,
    ) -> Result<Arc<T>> {
        let cell = self.seen.lists.cell(about);
        cell.get_or_try_init(|| async { ask.await.map(Arc::new) }).await.cloned()
    }

    /// Forgets such an answer: the next look asks again.
    pub(crate) fn forget_answer<T: 'static>(&self, about: &str) {
        self.seen.lists.cells().remove(&key::<T>(about));
    }
}
