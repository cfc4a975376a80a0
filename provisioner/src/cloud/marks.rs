//! The labels that say whose a resource is: what a stack marks its own with, and what marks tell.

use super::Cloud;
use crate::resource::Owner;
use crate::stack::Labels;

/// Label keys that mark what a stack owns.
pub(crate) const MANAGED_BY: &str = "managed-by";
pub(crate) const MANAGED_BY_US: &str = "provision";
pub(crate) const STACK: &str = "provision-stack";
const KEY: &str = "provision-key";
/// What every label of ours but [`MANAGED_BY`] begins with, those of other versions of this program too.
pub(crate) const MARK: &str = "provision-";

/// Label key of what the stack's names begin with, if that is not its name.
pub(crate) const PREFIX: &str = "provision-prefix";
/// Label key of how long a stack is meant to live.
pub(crate) const EXPIRES: &str = "provision-expires";
/// Label key of what is never deleted: heeded where there is no file to say so.
pub(crate) const PROTECT: &str = "provision-protect";

/// What live labels tell.
pub(crate) struct Marked {
    /// Whose the resource is.
    pub owner: Owner,
    /// Its key in the stack.
    pub key: Option<String>,
    /// The labels that people set.
    pub labels: Labels,
}

impl Cloud {
    /// The labels that mark a resource as this stack's, with its own.
    pub(crate) fn marked(&self, key: &str, own: &Labels) -> Labels {
        let marks = self.marks(key).map(|(k, v)| (k.to_owned(), v.to_owned()));
        own.clone().into_iter().chain(marks).collect()
    }

    /// Whose a resource is, and which, as marks say it.
    pub(crate) fn marks<'a>(&'a self, key: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let marks = [(MANAGED_BY, MANAGED_BY_US), (STACK, self.owner.as_str()), (KEY, key)];
        let prefix = (self.prefix != self.owner).then_some((PREFIX, self.prefix.as_str()));
        marks.into_iter().chain(prefix)
    }

    /// Splits live labels into what marks tell and what people set.
    pub(crate) fn unmarked(&self, labels: impl IntoIterator<Item = (String, String)>) -> Marked {
        let mut marked = Marked { owner: Owner::Nobody, key: None, labels: Labels::new() };
        for (label, value) in labels {
            match label.as_str() {
                STACK if value == self.owner => marked.owner = Owner::Ours,
                STACK => marked.owner = Owner::Stack(value),
                KEY => marked.key = Some(value),
                MANAGED_BY => {}
                name if is_mark(name) => {}
                // Google's own labels.
                name if name.starts_with("goog-") => {}
                _ => drop(marked.labels.insert(label, value)),
            }
        }
        marked
    }
}

/// The marks among labels, beside owner and key: a version of this program that does not know one
/// keeps it.
pub(crate) fn marks<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> Labels {
    let marks = labels.into_iter().filter(|(label, _)| is_mark(label));
    marks.map(|(label, value)| (label.clone(), value.clone())).collect()
}

/// Whether a label says something of how its resource was written. The file says [`EXPIRES`] and
/// [`PROTECT`]: they come and go with it.
fn is_mark(label: &str) -> bool {
    label.starts_with(MARK) && ![STACK, KEY, EXPIRES, PROTECT].contains(&label)
}
