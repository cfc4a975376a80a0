//! Machine types: how many processors and how much memory each has, and what GKE leaves of that for
//! pods.

/// Families by prefix: GiB (in hundredths) for each processor of standard, highmem and highcpu.
const FAMILIES: &[(&str, [u64; 3])] = &[
    ("e2", [400, 800, 100]),
    ("n1", [375, 650, 90]),
    ("n2", [400, 800, 100]),
    ("n2d", [400, 800, 100]),
    ("n4", [400, 800, 200]),
    ("c2", [400, 0, 0]),
    ("c2d", [400, 800, 200]),
    ("c3", [400, 800, 200]),
    ("c3d", [400, 800, 200]),
    ("c4", [375, 775, 200]),
    ("c4a", [400, 800, 200]),
    ("c4d", [375, 775, 188]),
    ("t2d", [400, 0, 0]),
    ("t2a", [400, 0, 0]),
    ("z3", [800, 800, 0]),
];

/// Types with a share of a processor: processors, MiB.
const SHARED: &[(&str, u64, u64)] = &[
    ("e2-micro", 2, 1024),
    ("e2-small", 2, 2048),
    ("e2-medium", 2, 4096),
    ("f1-micro", 1, 614),
    ("g1-small", 1, 1740),
];

/// A machine's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Machine {
    pub(crate) processors: u64,
    pub(crate) memory_mib: u64,
    is_shared: bool,
}

impl Machine {
    /// Reads a machine type; None if there is none of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if let Some((_, processors, memory_mib)) = SHARED.iter().find(|(shared, ..)| *shared == name) {
            return Some(Self { processors: *processors, memory_mib: *memory_mib, is_shared: true });
        }
        let parts: Vec<&str> = name.split('-').collect();
        let number =
            |text: &str| text.parse::<u64>().ok().filter(|number| (1..=1_000_000_000).contains(number));
        if let [_, "custom", processors, memory] = parts.as_slice() {
            let known = FAMILIES.iter().any(|(family, _)| *family == parts[0]);
            return known.then_some(Self {
                processors: number(processors)?,
                memory_mib: number(memory)?,
                is_shared: false,
            });
        }
        let [family, class, processors] = parts.as_slice() else { return None };
        let processors = number(processors).filter(|processors| *processors <= 416)?;
        let (_, sizes) = FAMILIES.iter().find(|(known, _)| known == family)?;
        let hundredths = match *class {
            "standard" => sizes[0],
            "highmem" => sizes[1],
            "highcpu" => sizes[2],
            _ => 0,
        };
        (hundredths > 0).then_some(Self {
            processors,
            memory_mib: processors * hundredths * 1024 / 100,
            is_shared: false,
        })
    }

    /// The thousandths of processors that pods get: GKE keeps 6 % of the first, 1 % of the second,
    /// 0.5 % of the next two and 0.25 % of the rest; of shared ones 1060 thousandths.
    pub(crate) fn allocatable_millis(self) -> u64 {
        let all = self.processors * 1000;
        if self.is_shared {
            return all.saturating_sub(if self.processors > 1 { 1060 } else { 60 });
        }
        let reserved: u64 = (0..self.processors)
            .map(|at| match at {
                0 => 6000,
                1 => 1000,
                2 | 3 => 500,
                _ => 250,
            })
            .sum();
        all - reserved / 100
    }

    /// The MiB that pods get: GKE keeps 25 % of the first 4 GiB, 20 % of the next 4, 10 % of the next
    /// 8, 6 % of the next 112 and 2 % of the rest, and 100 MiB for evictions.
    pub(crate) fn allocatable_mib(self) -> u64 {
        if self.memory_mib < 1024 {
            return self.memory_mib.saturating_sub(255 + 100);
        }
        let tiers = [(4096, 25), (4096, 20), (8192, 10), (114_688, 6), (u64::MAX, 2)];
        let mut left = self.memory_mib;
        let mut reserved = 0;
        for (size, percent) in tiers {
            let part = left.min(size);
            reserved += part * percent / 100;
            left -= part;
        }
        self.memory_mib.saturating_sub(reserved + 100)
    }
}

/// How many CPUs a machine of that type counts for; 0 if there is no such type.
pub(crate) fn processors(machine_type: &str) -> u64 {
    Machine::parse(machine_type).map_or(0, |machine| machine.processors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocatable_is_what_gke_documents() {
        for (name, processors, memory, millis, mib) in [
            ("e2-medium", 2, 4096, 940, 2972),
            ("e2-standard-2", 2, 8192, 1930, 6249),
            ("e2-standard-4", 4, 16384, 3920, 13_622),
            ("n1-standard-1", 1, 3840, 940, 2780),
            ("n2-highmem-8", 8, 65536, 7910, 59_825),
            ("n2-custom-4-10240", 4, 10240, 3920, 8093),
        ] {
            let machine = Machine::parse(name).expect(name);
            assert_eq!((machine.processors, machine.memory_mib), (processors, memory), "{name}");
            assert_eq!((machine.allocatable_millis(), machine.allocatable_mib()), (millis, mib), "{name}");
        }
        for name in
            ["", "e2", "e2-standard", "e2-standard-0", "x9-standard-4", "t2d-highmem-4", "n2-custom-a-1"]
        {
            assert_eq!(Machine::parse(name), None, "{name}");
        }
    }
}
