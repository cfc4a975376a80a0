//! What a newer version of this program wrote. It may make something else of the same file: other
//! defaults, other grants, kinds that this version does not know. Two versions that each put right what
//! the other wrote would never come to an end, so the older one leaves such a stack alone. Knows nothing
//! of clouds.

use crate::cause::{self, SPEC, VERSION};
use crate::finding::{Finding, Level};
use crate::observe::Observed;
use crate::resource::{Address, Live, Owner};

/// A resource that a newer version wrote.
#[derive(Debug)]
pub(crate) struct Newer {
    address: Address,
    version: u32,
}

/// The newest of what a newer version wrote of the stack's resources.
pub(crate) fn in_sight(observed: &Observed) -> Option<Newer> {
    let all = observed.pairs.iter().filter_map(|pair| pair.live.as_ref()).chain(&observed.unwanted);
    let ours = all.filter(|live| live.owner == Owner::Ours);
    let newer = |live: &Live| {
        let version = cause::newer(live.revision.marks.get(SPEC)?)?;
        Some(Newer { address: live.address.clone(), version })
    };
    ours.filter_map(newer).max_by_key(|newer| newer.version)
}

impl Newer {
    /// Of a plan that changes the stack.
    pub(crate) fn of_changes(&self) -> Finding {
        let Self { address, version } = self;
        Finding {
            level: Level::Error,
            what: format!(
                "{address} was written by a newer provision ({version}, this one is {VERSION}), which may make something else of the same file"
            ),
            help: "use that version, or `--downgrade` to write all of the stack as this one does".to_owned(),
        }
    }

    /// Of a plan that ends the stack.
    pub(crate) fn of_an_end(&self) -> Finding {
        let Self { address, version } = self;
        Finding {
            level: Level::Warning,
            what: format!(
                "{address} was written by a newer provision ({version}, this one is {VERSION}), which may have made what this one does not know"
            ),
            help: "`provision teardown` of that version finds what is left then".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan;
    use crate::stack::{Project, Stack};

    /// As little as can be said, so that all the rest is this version's opinion.
    const STACK: &str = "
[stack]
name = 'fx'
region = 'europe-west1'
[topic.items]
[subscription.work]
topic = 'items'
[bucket.data]
[service_account.worker]
[cluster.main.pool.steady]
nodes = 1
[cluster.main.pool.workers]
spot = true
max_nodes = 2
[job.load]
subscription = 'work'
bucket = 'data'
pool = 'main/workers'
service_account = 'worker'
[job.load.etl]
extract = 'gs://data/in/{item}.parquet'
load = 'gs://data/out/{item}.parquet'
[job.other]
subscription = 'work'
bucket = 'data'
pool = 'main/steady'
[job.other.command]
argv = ['true']
";

    #[test]
    fn whoever_makes_something_else_of_the_same_file_says_so_by_the_version() {
        let stack = Stack::parse(Path::new("stack.toml"), STACK).expect("a valid stack");
        let project = Project { id: "p".into(), number: 1, local: true };
        let made = plan::hash(&plan::wanted(&stack, &project).expect("resources"));
        assert_eq!(
            (VERSION, made.as_str()),
            (1, "a35ad7d66c5fc050cd3cc1fa7305dbb0"),
            "another default, grant or manifest than before: raise cause::VERSION, once for each release"
        );
    }
}
