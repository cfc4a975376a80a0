//! What is wrong with a job that no single value of its table shows.

use super::{JobSpec, limits};
use crate::kinds::machine::allocatable;
use crate::kinds::{command, etl};
use crate::stack::{FieldProblem, Scope};

/// A longer name would not leave room for a run's time and digest in a label of 63 characters.
const LONGEST_KEY: usize = 30;

/// All that is wrong with the job.
pub(super) fn of(job: &JobSpec, key: &str, scope: &Scope) -> Vec<FieldProblem> {
    let mut problems = job.problems_of_secrets(scope);
    if key.len() > LONGEST_KEY {
        let what = format!("`{key}` is too long for the name of a job: at most {LONGEST_KEY} characters");
        problems.push(FieldProblem::at(&[], what));
    }
    problems.extend(job.work_problems(key));
    problems.extend(job.bucket_problems(scope));
    let bounds = [("concurrency", job.concurrency, 1000), ("attempts", job.attempts, 100)];
    for (field, value, most) in bounds.into_iter().chain(job.max_workers.map(|n| ("max_workers", n, 100_000)))
    {
        if !(1..=most).contains(&value) {
            problems.push(FieldProblem::at(&[field], format!("`{field}` is from 1 to {most}")));
        }
    }
    problems.extend(limits::problems(job, scope));
    problems.extend(job.pool_problem(key, scope));
    problems
}

impl JobSpec {
    /// Exactly one table says what is done with an item.
    fn work_problems(&self, key: &str) -> Vec<FieldProblem> {
        let mut problems = match (&self.etl, &self.command, &self.library) {
            (Some(etl), None, None) => etl::problems(etl),
            (None, Some(command), None) => command::problems(command),
            (None, None, Some(library)) => command::library_problems(library).into_iter().collect(),
            (None, None, None) => {
                let help = format!("add [job.{key}.etl] or [job.{key}.command]");
                vec![FieldProblem::at(&[], "a job says what is done with an item").help(help)]
            }
            (_, Some(_), _) => {
                vec![FieldProblem::at(&["command"], "a job has one of `etl`, `command` and `library`")]
            }
            (.., Some(_)) => {
                vec![FieldProblem::at(&["library"], "a job has one of `etl`, `command` and `library`")]
            }
        };
        if self.worker_image.is_some() && self.command.is_none() {
            let what = "`worker_image` is for commands: these workers' own image is `image`";
            problems.push(FieldProblem::at(&["worker_image"], what));
        }
        problems
    }

    /// Buckets that work uses by itself are the stack's: others' are not ours to grant.
    fn bucket_problems(&self, scope: &Scope) -> Vec<FieldProblem> {
        let problem = |field: &str, address: &str| {
            let key = address.strip_prefix("bucket.");
            if key.is_some_and(|key| scope.has("bucket", key)) {
                return None;
            }
            let known: Vec<String> = scope.keys("bucket").map(|key| format!("bucket.{key}")).collect();
            let help = match crate::stack::nearest(address, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("there are {}", known.join(", ")),
            };
            Some(FieldProblem::at(&[field], format!("`{address}` is no bucket of the stack")).help(help))
        };
        let reads = self.reads.iter().filter_map(|address| problem("reads", address));
        reads.chain(self.writes.iter().filter_map(|address| problem("writes", address))).collect()
    }

    fn pool_problem(&self, key: &str, scope: &Scope) -> Option<FieldProblem> {
        let Some((cluster, pool)) = self.pool.split_once('/') else {
            let help = "write it as `pool = \"main/workers\"`";
            return Some(
                FieldProblem::at(&["pool"], "`pool` names a cluster and one of its pools").help(help),
            );
        };
        if !scope.has("cluster", cluster) {
            return None;
        }
        let Some(facts) = scope.pools.get(&self.pool) else {
            let known: Vec<&str> =
                scope.pools.keys().filter_map(|p| p.strip_prefix(&format!("{cluster}/"))).collect();
            let help = match crate::stack::nearest(pool, known.iter().copied()) {
                Some(near) => format!("did you mean \"{cluster}/{near}\"?"),
                None => format!("cluster.{cluster} has the pools {}", known.join(", ")),
            };
            return Some(
                FieldProblem::at(&["pool"], format!("cluster.{cluster} has no pool \"{pool}\"")).help(help),
            );
        };
        if self.cpu_millis.is_some() && self.memory_mib.is_some() {
            return None;
        }
        allocatable(&facts.machine_type).is_none().then(|| {
            let what = format!("how much a worker may use of a `{}` is not known here", facts.machine_type);
            FieldProblem::at(&["pool"], what)
                .help(format!("set `cpu_millis` and `memory_mib` in [job.{key}]"))
        })
    }
}
