//! What machines and calls are listed at, for estimates: `prices.toml`, dated and with its source.
//! What is not in it is unknown, and never guessed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::kinds::shape;

/// Seconds of an hour.
const HOUR: f64 = 3600.0;

/// A list of prices, in US dollars.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    /// When the prices were collected: `2025-03-06`.
    pub date: String,
    /// Where they come from.
    pub source: String,
    /// One GKE cluster for an hour.
    pub cluster_hour: f64,
    class_a_10_000: f64,
    class_b_10_000: f64,
    shared: BTreeMap<String, Size>,
    /// By series and region.
    series: BTreeMap<String, BTreeMap<String, Rates>>,
}

/// What a machine is billed by.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Size {
    vcpus: f64,
    gib: f64,
}

/// An hour of a vCPU, and of a GiB.
#[derive(Debug, Deserialize)]
struct Rates {
    on_demand: [f64; 2],
    spot: [f64; 2],
}

/// The prices that this program knows.
pub(crate) fn prices() -> &'static Prices {
    #[expect(clippy::expect_used, reason = "the table is a part of the program, and a test reads it")]
    static PRICES: LazyLock<Prices> =
        LazyLock::new(|| toml::from_str(include_str!("prices.toml")).expect("prices.toml is well-formed"));
    &PRICES
}

impl Prices {
    /// An hour of one machine, or none if its type or region is not in the list. Disks and traffic are
    /// not in it.
    pub(crate) fn node_hour(&self, region: &str, machine_type: &str, spot: bool) -> Option<f64> {
        let (series, _) = machine_type.split_once('-')?;
        let size = self.shared.get(machine_type).copied().or_else(|| {
            let (vcpus, mib) = shape(machine_type)?;
            Some(Size { vcpus: count(vcpus), gib: count(mib) / 1024.0 })
        })?;
        let rates = self.series.get(series)?.get(region)?;
        let [vcpu, gib] = if spot { rates.spot } else { rates.on_demand };
        Some(size.vcpus * vcpu + size.gib * gib)
    }

    /// So many seconds of such a machine.
    pub(crate) fn node_seconds(
        &self,
        region: &str,
        machine_type: &str,
        spot: bool,
        seconds: f64,
    ) -> Option<f64> {
        Some(self.node_hour(region, machine_type, spot)? * seconds / HOUR)
    }

    /// So many operations on objects: those that write or list, and those that read.
    pub(crate) fn operations(&self, class_a: u64, class_b: u64) -> f64 {
        (count(class_a) * self.class_a_10_000 + count(class_b) * self.class_b_10_000) / 10_000.0
    }
}

/// Counts far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(crate) fn count(number: u64) -> f64 {
    number as f64
}

/// US dollars, as precisely as they are worth showing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dollars(pub f64);

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0.0 => f.write_str("$0"),
            amount if amount >= 0.1 => write!(f, "${amount:.2}"),
            amount if amount >= 0.01 => write!(f, "${amount:.3}"),
            amount => {
                // Two digits that say something.
                let digits = (-amount.log10()).ceil().clamp(0.0, 12.0);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 12")]
                let digits = digits as usize + 1;
                write!(f, "${amount:.digits$}")
            }
        }
    }
}

/// Reads an amount of US dollars: `5USD`, `$5`, `0.50`.
pub(crate) fn parse_dollars(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = text.strip_prefix('$').or_else(|| text.strip_suffix("USD")).unwrap_or(text).trim();
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    number.parse().ok().filter(|amount: &f64| plain && amount.is_finite() && *amount > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_machine_costs_what_the_list_says() {
        let hour = |machine: &str, spot| prices().node_hour("us-central1", machine, spot).expect("listed");
        // As Compute Engine lists these types themselves.
        for (machine, spot, listed) in [
            ("e2-standard-2", false, 0.067_011),
            ("e2-standard-2", true, 0.026_792),
            ("e2-medium", false, 0.033_506),
            ("e2-micro", false, 0.008_376),
            ("n2d-highmem-2", false, 0.113_98),
        ] {
            assert!((hour(machine, spot) - listed).abs() < 2e-6, "{machine} {spot}: {}", hour(machine, spot));
        }
    }

    #[test]
    fn what_is_not_listed_is_unknown() {
        for (region, machine) in
            [("mars-north1", "e2-standard-2"), ("us-central1", "z9-strange-2"), ("us-central1", "e2")]
        {
            assert_eq!(prices().node_hour(region, machine, true), None, "{region} {machine}");
        }
    }

    #[test]
    fn spot_machines_are_cheaper_wherever_they_are_listed() {
        for (series, regions) in &prices().series {
            for (region, rates) in regions {
                assert!(
                    rates.spot[0] < rates.on_demand[0] && rates.spot[1] < rates.on_demand[1],
                    "{series} {region}"
                );
            }
        }
    }

    #[test]
    fn amounts_are_shown_as_precisely_as_they_are_worth() {
        let shown =
            [0.0, 0.000_015_4, 0.004_21, 0.0267, 1.5, 1234.567].map(|amount| Dollars(amount).to_string());
        assert_eq!(shown, ["$0", "$0.000015", "$0.0042", "$0.027", "$1.50", "$1234.57"]);
    }

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, amount) in [("5USD", 5.0), ("$0.5", 0.5), ("12", 12.0), ("3 USD", 3.0)] {
            assert_eq!(parse_dollars(text), Some(amount), "{text}");
        }
        for text in ["", "0", "-1", "5EUR", "inf", "1e3", "NaN", "$"] {
            assert_eq!(parse_dollars(text), None, "{text}");
        }
    }
}
