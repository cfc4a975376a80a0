//! Whether inputs are still what receipts say that was read: objects by their generation, files by
//! their content, pages by what the `worker` beside this program hears of them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clients::Bucket;
use contract::{Input, InputState};
use futures::future::BoxFuture;
use tokio::sync::Mutex;

/// Asks the web whether pages are still what they were, all at once.
pub(crate) type AskTheWeb =
    Box<dyn Fn(Vec<Input>) -> BoxFuture<'static, Result<Vec<InputState>>> + Send + Sync>;

/// Where inputs are.
pub(crate) struct Sources {
    bucket: Bucket,
    /// The folder that `file:` inputs are read from, where everything is local.
    folder: Option<PathBuf>,
    web: AskTheWeb,
    /// By address and what was read: tables are inputs of every item.
    seen: Mutex<HashMap<String, InputState>>,
}

impl Sources {
    /// Inputs that any bucket of the service of `bucket`, `folder` and the web hold.
    pub(crate) fn new(bucket: &Bucket, folder: Option<PathBuf>, web: AskTheWeb) -> Self {
        Self { bucket: bucket.clone(), folder, web, seen: Mutex::default() }
    }

    /// Asks the web for many inputs at once, so that none of them is asked for alone.
    pub(crate) async fn ask_ahead(&self, inputs: impl Iterator<Item = &Input>) -> Result<()> {
        let mut asked: BTreeMap<String, Input> = BTreeMap::new();
        let mut seen = self.seen.lock().await;
        for input in inputs.filter(|input| is_on_the_web(input)) {
            let key = serde_json::to_string(input)?;
            if !seen.contains_key(&key) {
                asked.insert(key, input.clone());
            }
        }
        if !asked.is_empty() {
            let states = (self.web)(asked.values().cloned().collect()).await?;
            seen.extend(asked.into_keys().zip(states));
        }
        Ok(())
    }

    /// What became of an input since it was read.
    pub(crate) async fn state(&self, input: &Input) -> Result<InputState> {
        let key = serde_json::to_string(input)?;
        if let Some(state) = self.seen.lock().await.get(&key) {
            return Ok(state.clone());
        }
        let state = self.look(input).await?;
        self.seen.lock().await.insert(key, state.clone());
        Ok(state)
    }

    async fn look(&self, input: &Input) -> Result<InputState> {
        match input.uri.split_once(':') {
            Some(("gs", rest)) => self.object(rest.trim_start_matches('/'), input).await,
            Some(("file", path)) => match self.folder.clone() {
                Some(folder) => {
                    let (path, input) = (folder.join(path), input.clone());
                    tokio::task::spawn_blocking(move || file(&path, &input))
                        .await
                        .context("reading panicked")?
                }
                None => Ok(InputState::Unknown("its input is a file of another machine".to_owned())),
            },
            _ if is_on_the_web(input) => Ok(InputState::Unknown("its page was not asked for".to_owned())),
            _ => Ok(InputState::Unknown("its input has an address that is not known here".to_owned())),
        }
    }

    async fn object(&self, address: &str, input: &Input) -> Result<InputState> {
        let (Some((bucket, object)), Some(generation)) = (address.split_once('/'), input.generation) else {
            return Ok(InputState::Unknown("its receipt tells no generation of an input".to_owned()));
        };
        Ok(match self.bucket.sibling(bucket).stat(object).await {
            Ok(Some(found)) if found.generation == generation => InputState::Same,
            Ok(Some(_)) => InputState::Changed,
            Ok(None) => InputState::Gone,
            Err(error) if error.is_denied() => {
                InputState::Unknown("these credentials may not look at an input".to_owned())
            }
            Err(error) => return Err(error.into()),
        })
    }
}

fn is_on_the_web(input: &Input) -> bool {
    input.uri.starts_with("http://") || input.uri.starts_with("https://")
}

/// A file is its content: size and checksum.
fn file(path: &Path, input: &Input) -> Result<InputState> {
    let (Some(size), Some(crc32c)) = (input.size, &input.crc32c) else {
        return Ok(InputState::Unknown("its receipt tells no checksum of a file".to_owned()));
    };
    let cannot = || format!("cannot read {}", path.display());
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(InputState::Gone),
        file => file.with_context(cannot)?,
    };
    if file.metadata().with_context(cannot)?.len() != size {
        return Ok(InputState::Changed);
    }
    let (mut buffer, mut sum) = (vec![0; 1 << 16], 0);
    loop {
        match file.read(&mut buffer).with_context(cannot)? {
            0 => break,
            read => sum = crc32c::crc32c_append(sum, &buffer[..read]),
        }
    }
    let same = format!("{sum:08x}") == *crc32c;
    Ok(if same { InputState::Same } else { InputState::Changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_content_and_not_its_date() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("in.csv");
        let input = |size, crc32c: Option<&str>| Input {
            uri: "file:in.csv".into(),
            generation: None,
            etag: None,
            last_modified: None,
            size,
            crc32c: crc32c.map(str::to_owned),
        };
        let state = |input: &Input| file(&path, input).expect("a state");
        assert_eq!(state(&input(Some(9), Some("e3069283"))), InputState::Gone);
        std::fs::write(&path, "123456789").expect("a file");
        assert_eq!(state(&input(Some(9), Some("e3069283"))), InputState::Same);
        std::fs::write(&path, "123456780").expect("a file");
        assert_eq!(state(&input(Some(9), Some("e3069283"))), InputState::Changed);
        assert_eq!(state(&input(Some(8), Some("e3069283"))), InputState::Changed);
        assert!(matches!(state(&input(None, None)), InputState::Unknown(_)));
    }
}
