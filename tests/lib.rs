//! The builder that every end-to-end scenario is written with: a stack in a folder of its own, the
//! real `provision` beside the real `worker`, and the local cloud that they start.

#![allow(clippy::expect_used, clippy::must_use_candidate, clippy::print_stdout)] // scenarios fail and tell

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contract::RunId;
use serde_json::Value;

pub mod any_stack;
pub mod census;
pub mod evidence;
pub mod oracle;
pub mod small;
pub mod stopped;

mod cloud;
mod process;
mod queue;
mod random;

pub use cloud::Cloud;
pub use process::{interrupt, is_running, kill, resume, stop, terminate, variable_of, workers_in};
pub use queue::publish;
pub use random::{Random, seed, seed_or};

/// Longest that anything in a scenario is waited for.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// A stack in a folder of its own, with its own local cloud, which ends with it.
#[derive(Debug)]
pub struct Scenario {
    folder: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its data.
    pub stdout: String,
    /// Its narration.
    pub stderr: String,
}

impl Said {
    /// Its data, where that is an object a line.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        let object = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.stdout.lines().map(object).collect()
    }
}

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A program of the workspace, built by `cargo build --workspace`, or the one in the folder that the
/// variable `PROGRAMS` names.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("PROGRAMS") {
        return Path::new(&folder).join(name);
    }
    let test = std::env::current_exe().expect("this test is a file");
    let program = test.parent().and_then(Path::parent).expect("in target/<profile>/deps").join(name);
    assert!(program.exists(), "{} is not built: run `cargo build --workspace` first", program.display());
    program
}

impl Scenario {
    /// The example of the repository: its stack.toml and its real data. In its local cloud, as with
    /// Google, new accounts and grants count only after a while.
    ///
    /// # Panics
    /// If the local cloud does not start.
    #[must_use]
    pub fn fx() -> Self {
        let scenario = Self::fx_on_a_fast_cloud();
        scenario.expect(0, &["local", "up"]);
        scenario.expect(0, &["local", "propagation", "--accounts", "1s", "--grants", "1s"]);
        scenario
    }

    /// The example of the repository, with no local cloud yet; in the one that a command starts,
    /// accounts and grants count at once.
    #[must_use]
    pub fn fx_on_a_fast_cloud() -> Self {
        let stack = std::fs::read_to_string(repository().join("stack.toml")).expect("the example stack");
        let scenario = Self::with(&stack);
        let from = repository().join("examples/fx");
        let to = scenario.path("examples/fx");
        std::fs::create_dir_all(to.join("rates")).expect("a folder");
        std::fs::copy(from.join("items.txt"), to.join("items.txt")).expect("the items");
        for entry in std::fs::read_dir(from.join("rates")).expect("the rates") {
            let entry = entry.expect("a file");
            std::fs::copy(entry.path(), to.join("rates").join(entry.file_name())).expect("a copy");
        }
        scenario
    }

    /// A stack of one's own.
    #[must_use]
    pub fn with(stack: &str) -> Self {
        let scenario = Self { folder: tempfile::tempdir().expect("a folder") };
        scenario.write("stack.toml", stack);
        scenario
    }

    /// The same in another folder, with all that its local cloud holds; that must not run.
    ///
    /// # Panics
    /// If it cannot be copied.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self { folder: tempfile::tempdir().expect("a folder") };
        let from = self.folder.path().join(".");
        // Who may read a file is part of it: a local cloud takes nothing that others may write.
        let copied = Command::new("cp").arg("-a").arg(from).arg(copy.folder.path()).status();
        assert!(copied.expect("cp runs").success(), "{} is not copied", self.folder.path().display());
        copy
    }

    /// A path in the stack's folder.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file in the stack's folder.
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }

    /// Changes the stack file: `from` must be in it.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("stack.toml")).expect("stack.toml");
        assert!(text.contains(from), "stack.toml has no `{from}`");
        self.write("stack.toml", text.replacen(from, to, 1));
    }

    /// A file of a bucket, by the path of its object.
    #[must_use]
    pub fn object(&self, bucket: &str, object: &str) -> PathBuf {
        self.path(".provision/local/buckets").join(bucket).join(object)
    }

    /// The names of a bucket's objects below a prefix, sorted.
    #[must_use]
    pub fn objects(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let root = self.object(bucket, "");
        let mut found = Vec::new();
        let mut folders = vec![root.join(prefix)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if let Ok(name) = entry.path().strip_prefix(&root) {
                    found.push(name.to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// The only run that there is.
    #[must_use]
    pub fn only_run(&self, bucket: &str) -> RunId {
        let runs: Vec<_> = std::fs::read_dir(self.object(bucket, "runs"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        RunId(runs[0].clone())
    }

    /// Begins a command of `provision`, with nobody at its terminal.
    pub fn command<A: AsRef<OsStr>>(&self, args: &[A]) -> Command {
        let mut command = Command::new(program("provision"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        // Nothing of the machine's own configuration counts.
        for name in ["GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CORE_PROJECT"] {
            command.env_remove(name);
        }
        command.env("NO_COLOR", "1");
        command
    }

    /// Starts `provision` and lets it run; what it says goes to `started.log`.
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Child {
        self.start_as("started.log", args)
    }

    /// What the `provision` that was started last has said.
    #[must_use]
    pub fn started_log(&self) -> String {
        std::fs::read_to_string(self.path("started.log")).expect("a log")
    }

    /// Starts `provision` and lets it run; what it says goes to a file of the stack's folder.
    #[must_use]
    pub fn start_as(&self, log: &str, args: &[&str]) -> Child {
        let log = std::fs::File::create(self.path(log)).expect("a log");
        let mut command = self.command(args);
        command.stdout(log.try_clone().expect("a log")).stderr(log).spawn().expect("provision starts")
    }

    /// Runs `provision` to its end.
    pub fn provision(&self, args: &[&str]) -> Said {
        said(self.command(args))
    }

    /// Runs `provision`, which must end with `code`; its stdout.
    pub fn expect(&self, code: i32, args: &[&str]) -> String {
        let said = self.provision(args);
        assert_eq!(said.code, Some(code), "provision {}\n{}\n{}", args.join(" "), said.stdout, said.stderr);
        said.stdout
    }

    /// Calls Google's API of the local cloud as anybody on this machine may, and expects it to be done.
    ///
    /// # Panics
    /// If it is refused.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let (status, _, said) = self.request(method, path, &body);
        assert_eq!(status, 200, "{method} {path}: {said}");
        serde_json::from_str(&said).expect("JSON")
    }

    /// Calls Google's API of the local cloud: the status, the head and the body of the answer.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn request(&self, method: &str, path: &str, body: &str) -> (u16, String, String) {
        use std::io::{Read as _, Write as _};
        let status = self.json(0, &["local", "status"]);
        let authority = status["url"].as_str().expect("a url").trim_start_matches("http://").to_owned();
        let mut stream = std::net::TcpStream::connect(&authority).expect("connected");
        let head = format!("Host: {authority}\r\nContent-Length: {}\r\nConnection: close", body.len());
        write!(stream, "{method} {path} HTTP/1.0\r\n{head}\r\n\r\n{body}").expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), head.to_owned(), body.to_owned())
    }

    /// Runs `provision … --format json`, which must end with `code`.
    pub fn json(&self, code: i32, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
        let text = self.expect(code, &args);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("provision {args:?}: {error}\n{text}"))
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        let _ = self.command(&["local", "down"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Runs a command to its end.
pub fn said(mut command: Command) -> Said {
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Waits until `what` holds.
///
/// # Panics
/// If it never does.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited {} s in vain: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}
