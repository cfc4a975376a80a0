//! Finds a parser of the local cloud, or a reader of `provision`, by its name.

/// Feeds it.
///
/// # Panics
/// If there is none of that name, or it has a fault.
pub fn run(name: &str, bytes: &[u8]) {
    let parsers = localcloud::fuzz::TARGETS.iter().map(|target| (target.name, target.run));
    let readers = provisioner::fuzz::TARGETS.iter().map(|target| (target.name, target.run));
    let target = parsers.chain(readers).find(|(named, _)| *named == name);
    (target.expect("a target of that name").1)(bytes);
}
