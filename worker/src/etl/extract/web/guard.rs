//! Which addresses of the web may be asked. A worker runs inside of a private network with credentials
//! at hand, so addresses of that network are refused: as literals, after DNS, and on every redirect.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Which addresses of the web may be asked.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// Loopback and private networks too, but never link-local addresses: the metadata server's is one.
    pub(super) private_allowed: bool,
    /// Hosts, or all if there are none.
    pub(super) hosts: Vec<String>,
}

/// Why an address may not be asked.
#[derive(Debug)]
pub(super) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Guard {
    /// Judges a URL as far as its text tells; names are judged when they are resolved.
    pub(super) fn admit(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused(format!("`{}` is neither http nor https", url.scheme())));
        }
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        if !self.hosts.is_empty() && !self.hosts.iter().any(|allowed| covers(allowed, host)) {
            return Err(Refused(format!("`{host}` is not one of `allowed_hosts`")));
        }
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(literal) if !self.admits(literal) => Err(private(&literal.to_string(), literal)),
            _ => Ok(()),
        }
    }

    fn admits(&self, address: IpAddr) -> bool {
        is_public(address) || (self.private_allowed && !is_link_local(address))
    }
}

/// Answers only with addresses that may be asked; the connection then goes to exactly those.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (good, bad): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.partition(|address| guard.admits(address.ip()));
            if let (true, Some(bad)) = (good.is_empty(), bad.first()) {
                return Err(private(&format!("`{}` is {}, which", name.as_str(), bad.ip()), bad.ip()).into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

fn private(what: &str, address: IpAddr) -> Refused {
    let help = if is_link_local(address) { "" } else { "; `allow_private` allows it" };
    Refused(format!("{what} is not an address of the public internet{help}"))
}

/// `*.example.com` stands for all names below it.
fn covers(allowed: &str, host: &str) -> bool {
    match allowed.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|name| name.len() > 1 && name.ends_with('.')),
        None => allowed.eq_ignore_ascii_case(host),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        // The second is the metadata server of other clouds.
        IpAddr::V6(address) => address.is_unicast_link_local() || address.segments()[..2] == [0xfd00, 0x0ec2],
    }
}

/// Whether an address is routed on the public internet. What is unknown is refused.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local() // the metadata server among them
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // carriers' NAT
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)); // benchmarks
    !special
}

/// Global unicast is `2000::/3`; the rest is special, and so are the ranges that carry an IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, ..] = address.segments();
    (0x2000..0x4000).contains(&a)
        && a != 0x2002 // 6to4
        && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8)) // Teredo and other protocols, documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> bool {
        refusal(url, false, &[])
    }

    fn refusal(url: &str, private_allowed: bool, hosts: &[&str]) -> bool {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Guard { private_allowed, hosts }.admit(&Url::parse(url).expect("a URL")).is_err()
    }

    #[test]
    fn addresses_of_private_networks_are_refused_however_they_are_written() {
        for url in [
            "http://127.0.0.1/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://169.254.169.254/",
            "http://100.64.0.1/",
            "http://[::1]/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "ftp://example.com/",
            "file:///etc/passwd",
        ] {
            assert!(refused(url), "{url}");
        }
        for url in ["https://8.8.8.8/", "https://[2606:4700::1111]/", "https://www.ecb.europa.eu/"] {
            assert!(!refused(url), "{url}");
        }
    }

    #[test]
    fn the_metadata_server_is_refused_even_where_private_networks_are_not() {
        assert!(!refusal("http://10.1.2.3/", true, &[]));
        assert!(!refusal("http://127.0.0.1/", true, &[]));
        for url in ["http://169.254.169.254/", "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/"]
        {
            assert!(refusal(url, true, &[]), "{url}");
        }
    }

    #[test]
    fn only_allowed_hosts_are_asked() {
        let hosts = ["data.example.com", "*.example.org"];
        for url in ["https://data.example.com/", "https://DATA.example.com./", "https://a.b.example.org/"] {
            assert!(!refusal(url, false, &hosts), "{url}");
        }
        for url in
            ["https://example.com/", "https://example.org/", "https://evilexample.org/", "https://8.8.8.8/"]
        {
            assert!(refusal(url, false, &hosts), "{url}");
        }
    }
}
