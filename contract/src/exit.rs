//! Exit codes of `worker`. The Job's `podFailurePolicy` branches on them.

/// Nothing is left for this worker to do.
pub const DONE: u8 = 0;
/// A handler's way to say that the item can never succeed (`EX_DATAERR` of sysexits).
pub const PERMANENT: u8 = 65;
/// The configuration is wrong (`EX_CONFIG` of sysexits): the Job fails at once instead of looping.
pub const BAD_CONFIGURATION: u8 = 78;
/// Asked to stop: 128 + SIGTERM. Never 0, because a pod that exits 0 while its node shuts down
/// counts as succeeded (kubernetes/kubernetes#118310).
pub const TERMINATED: u8 = 143;
