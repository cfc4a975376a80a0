//! Google's own Pub/Sub emulator, out of the gcloud SDK: found, started on a free port, and ended
//! by whoever drops it, in a panic too.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A Java program on a busy machine takes its time.
const START: Duration = Duration::from_secs(90);

/// A running emulator.
pub(super) struct Emulator {
    process: Child,
    port: u16,
}

impl Emulator {
    /// Starts one, or says why this machine can't.
    pub(super) fn start() -> Result<Self, String> {
        let program = find()?;
        let port = free_port();
        let mut java = Command::new("java");
        // The quick compiler and the simple collector: it lives for a minute.
        java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1g", "-jar"]).arg(program);
        java.arg("--host=127.0.0.1").arg(format!("--port={port}"));
        java.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = java.spawn().map_err(|error| format!("java can't be run: {error}"))?;
        let mut emulator = Self { process, port };
        emulator.wait()?;
        Ok(emulator)
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("the emulator ended at once: {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("the emulator does not answer within {START:?}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The emulator's archive in the SDK that `gcloud` belongs to.
fn find() -> Result<PathBuf, String> {
    let asked = Command::new("gcloud").args(["info", "--format=value(installation.sdk_root)"]).output();
    let asked = asked.map_err(|error| format!("gcloud can't be run: {error}"))?;
    let root = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
    let folder = root.join("platform/pubsub-emulator/lib");
    let files = std::fs::read_dir(&folder)
        .map_err(|_| format!("the SDK in {} has no component pubsub-emulator", root.display()))?;
    let mut archives = files.filter_map(|file| file.ok().map(|file| file.path()));
    let is_archive = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jar");
    archives.find(is_archive).ok_or_else(|| format!("there is no archive in {}", folder.display()))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
