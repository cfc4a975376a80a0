//! One call of a service: who makes it, which method, on what. The same words whichever wire
//! carries it.

use std::fmt;
use std::sync::Arc;

use super::methods::Method;

/// A call, known before it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) caller: Peer,
    pub(crate) method: &'static Method,
    /// `projects/p/topics/t`, `projects/_/buckets/b/objects/o`, `clusters/c/namespaces/n/jobs/j`. A
    /// call that makes or lists something in a collection names the collection, and what is made
    /// where the request says it.
    pub(crate) resource: Arc<str>,
    /// Of a call that makes something: what it is made in, `projects/p`.
    pub(crate) parent: Option<Arc<str>>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// `owner` without a token; else whom the token names.
    pub(crate) principal: Arc<str>,
    /// The program at the other end of the connection, where that can be told.
    pub(crate) program: Option<Arc<Program>>,
}

/// A process of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) pid: u32,
    /// The file that it runs, without its folder.
    pub(crate) name: String,
    /// The pod that it belongs to.
    pub(crate) pod: Option<String>,
}

impl Peer {
    /// All that it can be called by: the principal, the program, the process, the pod.
    pub(crate) fn names(&self) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
        let program = self.program.as_deref();
        let of_program = program.into_iter().flat_map(|program| {
            [Some(program.name.as_str().into()), Some(program.pid.to_string().into())]
                .into_iter()
                .chain([program.pod.as_deref().map(Into::into)])
                .flatten()
        });
        std::iter::once(self.principal.as_ref().into()).chain(of_program)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.program.as_deref() {
            Some(Program { pid, name, .. }) => write!(f, "{name}[{pid}] as {}", self.principal),
            None => write!(f, "{}", self.principal),
        }
    }
}
