//! Many files of one folder are one line of a plan.

use crate::change::Change;
use crate::resource::Address;

/// More files of one folder than this are shown as one line.
pub(super) const FOLDED: usize = 3;

/// The folder of a bucket's file: its lines may be folded into one.
pub(super) fn folder(Address { kind, key }: &Address) -> Option<String> {
    let (folder, _) = key.rsplit_once('/').filter(|_| *kind == "bucket_file")?;
    Some(format!("{kind}.{folder}/"))
}

/// How many of the first changes do the same to files of the folder of that name.
pub(super) fn same_folder(changes: &[Change], name: &str) -> usize {
    let alike = |change: &&Change| {
        change.action == changes[0].action && folder(&change.address).as_deref() == Some(name)
    };
    changes.iter().take_while(alike).count()
}
