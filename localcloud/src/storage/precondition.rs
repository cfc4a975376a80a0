//! Conditions on the generation and metageneration that a request finds.

use serde::{Deserialize, Serialize};

use super::error::{Result, StorageError};

/// Conditions; each that is not set holds. A generation of 0 stands for "there is no such object".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Precondition {
    pub(super) generation: Option<i64>,
    pub(super) generation_not: Option<i64>,
    pub(super) metageneration: Option<i64>,
    pub(super) metageneration_not: Option<i64>,
}

/// Generation and metageneration.
pub(super) type Version = (i64, i64);

impl Precondition {
    /// For something that will be changed.
    pub(super) fn check(&self, live: Option<Version>) -> Result<()> {
        if self.matches(live) && self.differs(live) {
            return Ok(());
        }
        Err(StorageError::condition_not_met())
    }

    /// For something that is only read: "not" conditions ask whether it changed.
    pub(super) fn check_read(&self, live: Version) -> Result<()> {
        if !self.matches(Some(live)) {
            return Err(StorageError::condition_not_met());
        }
        if !self.differs(Some(live)) {
            return Err(StorageError::not_modified());
        }
        Ok(())
    }

    fn matches(&self, live: Option<Version>) -> bool {
        let generation = self.generation.is_none_or(|wanted| wanted == live.map_or(0, |live| live.0));
        let metageneration = self.metageneration.is_none_or(|wanted| Some(wanted) == live.map(|live| live.1));
        generation && metageneration
    }

    fn differs(&self, live: Option<Version>) -> bool {
        let generation = self.generation_not.is_none_or(|other| other != live.map_or(0, |live| live.0));
        let metageneration =
            self.metageneration_not.is_none_or(|other| Some(other) != live.map(|live| live.1));
        generation && metageneration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_stands_for_no_object() {
        let create = Precondition { generation: Some(0), ..Precondition::default() };
        assert_eq!(create.check(None), Ok(()));
        assert_eq!(create.check(Some((7, 1))), Err(StorageError::condition_not_met()));
        let overwrite = Precondition { generation_not: Some(0), ..Precondition::default() };
        assert_eq!(overwrite.check(None), Err(StorageError::condition_not_met()));
        assert_eq!(overwrite.check(Some((7, 1))), Ok(()));
    }

    #[test]
    fn every_condition_must_hold() {
        let live = Some((7, 2));
        for (generation, generation_not, metageneration, metageneration_not, holds) in [
            (Some(7), None, None, None, true),
            (Some(8), None, None, None, false),
            (Some(7), None, Some(1), None, false),
            (None, Some(7), None, None, false),
            (None, None, Some(2), None, true),
            (None, None, None, Some(2), false),
            (None, Some(8), None, Some(3), true),
        ] {
            let condition = Precondition { generation, generation_not, metageneration, metageneration_not };
            assert_eq!(condition.check(live).is_ok(), holds, "{condition:?}");
        }
    }

    #[test]
    fn a_read_of_what_did_not_change_says_so() {
        let unless = Precondition { generation_not: Some(7), ..Precondition::default() };
        assert_eq!(unless.check_read((7, 1)), Err(StorageError::not_modified()));
        assert_eq!(unless.check_read((8, 1)), Ok(()));
    }
}
