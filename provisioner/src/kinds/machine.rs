//! What a node of a machine type has left for pods, so that exactly one worker fits on each.

/// Kubernetes' share of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allocatable {
    /// Thousandths of a CPU.
    pub cpu_millis: u64,
    /// MiB.
    pub memory_mib: u64,
}

/// Memory of one vCPU in the series whose sizes are regular, in MiB: standard, highmem, highcpu.
/// Source: Compute Engine's machine families resource and comparison guide.
const SERIES: [(&str, u64, u64, u64); 10] = [
    ("e2", 4096, 8192, 1024),
    ("n1", 3840, 6656, 922),
    ("n2", 4096, 8192, 1024),
    ("n2d", 4096, 8192, 1024),
    ("n4", 4096, 8192, 2048),
    ("t2d", 4096, 0, 0),
    ("t2a", 4096, 0, 0),
    ("c2", 4096, 0, 0),
    ("c3", 4096, 8192, 2048),
    ("c3d", 4096, 8192, 2048),
];

/// Shared-core types: name, vCPUs in thousandths that pods may count on, MiB.
const SHARED: [(&str, u64, u64); 3] =
    [("e2-micro", 1060, 1024), ("e2-small", 1060, 2048), ("e2-medium", 1060, 4096)];

/// The allocatable share of a machine type, or none if the type is not known here.
/// Source: GKE's "Plan node sizes", the reservations for memory and CPU.
#[must_use]
pub(super) fn allocatable(machine_type: &str) -> Option<Allocatable> {
    if let Some((_, cpu, memory)) = SHARED.into_iter().find(|(name, ..)| *name == machine_type) {
        return Some(Allocatable { cpu_millis: cpu - 120, memory_mib: memory - reserved_memory(memory) });
    }
    let (cpus, memory) = shape(machine_type)?;
    Some(Allocatable {
        cpu_millis: cpus * 1000 - reserved_cpu(cpus),
        memory_mib: memory - reserved_memory(memory),
    })
}

/// vCPUs, and memory in MiB, of a type that has whole cores of its own.
#[must_use]
pub(crate) fn shape(machine_type: &str) -> Option<(u64, u64)> {
    let mut parts = machine_type.split('-');
    let (series, class, cpus) = (parts.next()?, parts.next()?, parts.next()?.parse::<u64>().ok()?);
    if parts.next().is_some() || cpus == 0 {
        return None;
    }
    let (_, standard, highmem, highcpu) = SERIES.into_iter().find(|(name, ..)| *name == series)?;
    let per_cpu = match class {
        "standard" => standard,
        "highmem" => highmem,
        "highcpu" => highcpu,
        _ => return None,
    };
    (per_cpu > 0).then_some((cpus, cpus * per_cpu))
}

/// 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest.
fn reserved_cpu(cpus: u64) -> u64 {
    let thousandths = |cores: u64, share_of_10_000: u64| cores * share_of_10_000 / 10;
    thousandths(cpus.min(1), 600)
        + thousandths(cpus.saturating_sub(1).min(1), 100)
        + thousandths(cpus.saturating_sub(2).min(2), 50)
        + thousandths(cpus.saturating_sub(4), 25)
}

/// 25 % of the first 4 GiB, 20 % of the next 4, 10 % of the next 8, 6 % of the next 112, 2 % of the
/// rest; and 100 MiB below which pods are evicted.
fn reserved_memory(mib: u64) -> u64 {
    let share = |from: u64, to: u64, percent: u64| mib.clamp(from, to).saturating_sub(from) * percent / 100;
    let tiers =
        [(0, 4096, 25), (4096, 8192, 20), (8192, 16_384, 10), (16_384, 131_072, 6), (131_072, u64::MAX, 2)];
    tiers.into_iter().map(|(from, to, percent)| share(from, to, percent)).sum::<u64>() + 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_are_those_that_gke_documents() {
        let expected = Allocatable { cpu_millis: 1930, memory_mib: 8192 - 1024 - 819 - 100 };
        assert_eq!(allocatable("e2-standard-2"), Some(expected));
        assert_eq!(allocatable("n2-standard-4").map(|a| a.cpu_millis), Some(3920));
    }

    #[test]
    fn a_type_that_is_not_known_is_not_guessed() {
        for name in
            ["", "e2", "e2-standard", "e2-standard-0", "e2-standard-2-x", "x9-standard-2", "t2d-highmem-2"]
        {
            assert_eq!(allocatable(name), None, "{name}");
        }
    }
}
