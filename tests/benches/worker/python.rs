//! The subscriber in Python that the worker is measured against.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The interpreter that `PYTHON` names, if it has the official libraries.
pub(crate) fn interpreter() -> Option<PathBuf> {
    let python = std::env::var_os("PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let mut look = Command::new(&python);
    look.args(["-c", "import google.cloud.pubsub, google.cloud.storage"]);
    let found = look.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    eprintln!(
        "SKIPPED: the subscriber in Python ({} has no google-cloud-pubsub and google-cloud-storage; name one that has with PYTHON=)",
        python.display()
    );
    None
}

/// Where the script is.
pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/worker/subscriber.py")
}
