//! What the name of a record tells: whose it is, and what it says. Pure.

use contract::layout::{self, AttemptRecord};
use contract::{Attempt, Receipt};

use clients::Listed;

use super::tries::End;

/// One record of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Attempt { number: u32, pod: String },
    End { number: u32, end: End },
    Done,
    Failed,
}

/// Of an object below `receipts/` or `failures/`: the item, as its records spell it.
pub(super) fn outcome(name: &str) -> Option<&str> {
    name.rsplit('/').next()?.strip_suffix(".json")
}

/// Of an object below `receipts/`: the rows that the item lost to its schema.
pub(super) fn rows_rejected(listed: &Listed) -> u64 {
    let rows = listed.metadata.get(Receipt::META_ROWS_REJECTED);
    rows.and_then(|rows| rows.parse().ok()).unwrap_or(0)
}

/// Of an object below `attempts/`: the item, as its records spell it, and what the record says.
pub(super) fn attempt(listed: &Listed) -> Option<(&str, Record)> {
    let (folder, file) = listed.name.rsplit_once('/')?;
    let item = folder.rsplit('/').next()?;
    let (number, record) = layout::attempt_record(file)?;
    let record = match record {
        AttemptRecord::Begun => {
            let pod = listed.metadata.get(Attempt::META_POD).cloned().unwrap_or_default();
            Record::Attempt { number, pod }
        }
        AttemptRecord::Failed => Record::End { number, end: End::Failed },
        AttemptRecord::Yielded => Record::End { number, end: End::Yielded },
    };
    Some((item, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_by_its_name() {
        let listed = |name: &str| {
            let metadata = [(Attempt::META_POD.to_owned(), "p".to_owned())].into();
            Listed { name: format!("runs/r/attempts/ab/{name}"), created_ms: 0, metadata }
        };
        let read = |name| attempt(&listed(name)).map(|(item, record)| (item.to_owned(), record));
        let x = |record| Some(("a.b".to_owned(), record));
        assert_eq!(read("a.b/0001.json"), x(Record::Attempt { number: 1, pod: "p".into() }));
        assert_eq!(read("a.b/0002.failed.json"), x(Record::End { number: 2, end: End::Failed }));
        assert_eq!(read("a.b/0003.yielded.json"), x(Record::End { number: 3, end: End::Yielded }));
        assert_eq!(read("a.b/0003.log"), None);
        assert_eq!(outcome("runs/r/receipts/ab/a.b.json"), Some("a.b"));
    }
}
