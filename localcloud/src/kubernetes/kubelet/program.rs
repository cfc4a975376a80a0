//! The process that a container stands for: which program of this machine, with which arguments,
//! environment and bound of memory.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::object::text;
use super::super::quantity;
use super::environment::{command_line, variables};
use super::pod::{Life, NotStarted};
use super::process::Program;
use super::volumes::Mounts;

/// In the pod's folder: its home, and its place for temporary files.
pub(super) const HOME: &str = "home";
pub(super) const TEMPORARY: &str = "tmp";

impl Life {
    /// The program of a container, as it is started now.
    pub(super) fn program(&self, container: &Value, mounts: &Mounts) -> Result<Program, NotStarted> {
        let pod = self.kubelet.store.get(&self.key).unwrap_or_else(|| self.pod.clone());
        let mut declared = variables(&self.kubelet.store, &pod, container)
            .map_err(|message| NotStarted::new("CreateContainerConfigError", message))?;
        let (mut command, mut arguments) = command_line(container, &declared);
        let texts = declared.values_mut().chain(&mut command).chain(&mut arguments);
        texts.for_each(|text| *text = mounts.seen(text));
        let settings = &self.kubelet.settings;
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
        let mut environment = vec![
            ("PATH".to_owned(), path.clone()),
            ("HOME".to_owned(), self.folder.join(HOME).into()),
            ("TMPDIR".to_owned(), self.folder.join(TEMPORARY).into()),
            ("PROVISION_LOCAL_ROOT".to_owned(), settings.working_folder.clone().into()),
        ];
        environment.extend(settings.pod_environment.iter().map(|(name, value)| (name.clone(), value.into())));
        let identity = self.attendant.get().map(|attendant| attendant.environment()).unwrap_or_default();
        environment.extend(identity.into_iter().map(|(name, value)| (name, value.into())));
        environment.extend(declared.iter().map(|(name, value)| (name.clone(), value.into())));
        let (program, rest) = match command.split_first() {
            None => (settings.worker_program.clone(), vec![]),
            Some((first, rest)) if first == "worker" => (settings.worker_program.clone(), rest.to_vec()),
            Some((first, rest)) => (
                find(first, &declared.get("PATH").map_or(path, Into::into), &settings.working_folder)?,
                rest.to_vec(),
            ),
        };
        if !is_program(&program) {
            let message = format!(
                "{} is not there or is not a program; the local cloud runs it for containers of this kind",
                program.display()
            );
            return Err(NotStarted::new("CreateContainerError", message));
        }
        let arguments = rest.into_iter().chain(arguments).collect();
        let folder = settings.working_folder.clone();
        Ok(Program { path: program, arguments, environment, folder, memory: memory_limit(container) })
    }
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Finds a command: by its path seen from the stack's folder, or in PATH.
fn find(command: &str, path: &OsString, folder: &Path) -> Result<PathBuf, NotStarted> {
    if command.contains('/') {
        return Ok(folder.join(command));
    }
    let places = std::env::split_paths(path).map(|place| folder.join(place).join(command));
    places.into_iter().find(|place| is_program(place)).ok_or_else(|| {
        let message = format!(
            "exec: \"{command}\": executable file not found in $PATH; install it on this machine, where the local cloud runs commands"
        );
        NotStarted::new("CreateContainerError", message)
    })
}

/// The bytes of memory that a container may use.
fn memory_limit(container: &Value) -> Option<u64> {
    let millis = quantity::millis(text(container, "/resources/limits/memory"))?;
    u64::try_from(millis / 1000).ok().filter(|bytes| *bytes > 0)
}
