//! Finds a parser of the local cloud by its name.

/// Feeds it.
///
/// # Panics
/// If there is none of that name, or it has a fault.
pub fn run(name: &str, bytes: &[u8]) {
    let target = localcloud::fuzz::TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").run)(bytes);
}
