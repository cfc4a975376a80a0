//! What was asked of a plan beside what the file says. Knows no cloud.

use anyhow::{Result, bail};

use crate::kinds::{self, AnyKind};
use crate::resource::{Address, Desired};
use crate::stack::nearest;
use crate::wildcard::{fits, is_pattern};

/// What was asked for beside what the file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Addresses of what is there and to be taken over, or patterns of such addresses.
    pub adopt: Vec<String>,
    /// Whether what was taken over may be deleted like all the rest.
    pub delete_adopted: bool,
    /// Whether grants on the stack's resources go that the file says nothing of.
    pub prune_grants: bool,
    /// The addresses that are meant; all of them if there are none.
    pub targets: Vec<String>,
    /// Whether what a newer version of this program wrote is written as this one does.
    pub downgrade: bool,
}

impl Options {
    /// Whether this one may be taken over.
    pub(crate) fn adopts(&self, address: &Address) -> bool {
        let address = address.to_string();
        self.adopt.iter().any(|asked| fits(asked, &address))
    }

    /// Whether it was said that this one is there.
    pub(crate) fn names(&self, address: &Address) -> bool {
        self.adopt.iter().any(|asked| *asked == address.to_string())
    }

    /// Whether what is to be adopted is in the file, and of a kind that can be.
    pub(crate) fn may_adopt(&self, desired: &[Desired]) -> Result<()> {
        for address in self.adopt.iter().filter(|asked| !is_pattern(asked)) {
            let Some(want) = desired.iter().find(|want| want.address.to_string() == *address) else {
                let all: Vec<String> = desired.iter().map(|want| want.address.to_string()).collect();
                let near = nearest(address, all.iter().map(String::as_str));
                let help = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                bail!("--adopt {address}: it is not in the file{help}");
            };
            if !kinds::named(want.address.kind).is_some_and(AnyKind::adoptable) {
                bail!(
                    "--adopt {address}: a {} bears no marks that could be taken off again",
                    want.address.kind
                );
            }
        }
        Ok(())
    }
}
