//! Which process holds the other end of a connection of the loopback: Linux says it in `/proc`.
//! Elsewhere nobody knows.

use std::collections::VecDeque;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::call::Program;

/// Processes that were found lately: most connections come from one of them.
static LATELY: Mutex<VecDeque<u32>> = Mutex::new(VecDeque::new());
/// How many of them are remembered.
const REMEMBERED: usize = 32;

/// The process whose end of the connection is `its`, and ours `ours`.
pub(super) fn program_at(its: SocketAddr, ours: SocketAddr) -> Option<Program> {
    let socket = format!("socket:[{}]", inode(its, ours)?);
    let lately: Vec<u32> = LATELY.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
    let pid = lately.into_iter().chain(processes()).find(|pid| holds(*pid, &socket))?;
    let mut lately = LATELY.lock().unwrap_or_else(PoisonError::into_inner);
    lately.retain(|known| *known != pid);
    lately.push_front(pid);
    lately.truncate(REMEMBERED);
    Some(program(pid))
}

/// Whether a process still holds that end.
pub(super) fn is_at(pid: u32, its: SocketAddr, ours: SocketAddr) -> bool {
    inode(its, ours).is_some_and(|inode| holds(pid, &format!("socket:[{inode}]")))
}

/// The processes that started this one, the nearest first.
pub(super) fn ancestors(pid: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(parent(pid), |pid| parent(*pid)).take_while(|pid| *pid != 0)
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let (_, after) = stat.rsplit_once(") ")?;
    after.split(' ').nth(1)?.parse().ok()
}

/// The socket that `/proc/net` lists with these ends.
fn inode(its: SocketAddr, ours: SocketAddr) -> Option<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (local, remote) = (fields.nth(1)?, fields.next()?);
            if address(local)? != plain(its) || address(remote)? != plain(ours) {
                return None;
            }
            // State, queues, timer, retransmissions, user and timeout stand between.
            fields.nth(6)?.parse().ok()
        })
    })
}

/// `0100007F:1F90` as the kernel writes an address: words in the machine's order, in hexadecimal.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..host.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(host.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?)),
    };
    Some(plain(SocketAddr::new(ip, port)))
}

/// An address of IPv4 may be written as one of IPv6.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether a process, if it is one of this user, has the socket open.
fn holds(pid: u32, socket: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets.any(|target| target.as_os_str() == socket)
}

fn program(pid: u32) -> Program {
    let file = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned();
    let environment = fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).unwrap_or_default();
    let pod = environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(POD));
    Program { pid, name, pod: pod.map(|pod| String::from_utf8_lossy(pod).into_owned()) }
}

/// What the pods of a stack are told of themselves.
const POD: &[u8] = b"PROVISION_POD=";

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        let local: SocketAddr = "127.0.0.1:8080".parse().expect("an address");
        assert_eq!(address("0100007F:1F90"), Some(local));
        assert_eq!(address("0000000000000000FFFF00000100007F:1F90"), Some(local));
        for wrong in ["", "0100007F", "01:1", "zzzzzzzz:1"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_at_the_other_end_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let (served, _) = listener.accept().expect("accepted");
        let (its, ours) = (served.peer_addr().expect("its"), served.local_addr().expect("ours"));
        let found = program_at(its, ours).expect("this process");
        assert_eq!(found.pid, std::process::id());
        assert!(found.name.starts_with("localcloud"), "{found:?}");
        assert!(is_at(found.pid, its, ours) && !is_at(1, its, ours));
        drop(client);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn ancestors_lead_to_the_first_process() {
        let all: Vec<u32> = ancestors(std::process::id()).collect();
        assert!(all.contains(&std::os::unix::process::parent_id()), "{all:?}");
    }
}
