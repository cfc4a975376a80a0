//! Every call of an apply, and of a teardown, is answered with an error, with every one that services are
//! known to answer: what passes is got over in the same command, what does not is told with its address and
//! what to do, and the same command again goes on from there.

mod errors;
mod lasting;
mod passing;
mod stage;
