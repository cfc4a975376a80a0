//! Resumable uploads: sessions that outlive a connection, and this process.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as AsyncMutex;

use super::draft::Draft;
use super::error::{Result, StorageError};
use super::object::Object;
use super::objects::NewObject;
use super::state::{Storage, new_content};
use crate::journal::{Journal, Tables};

const UPLOADS: &str = "storage.uploads";
/// Most sessions at once; the oldest goes first. Google forgets them after a week.
const MOST_SESSIONS: usize = 10_000;

/// All sessions, by id, which also is the name of their content.
pub(super) struct Sessions(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_id: HashMap<String, Arc<Session>>,
    /// Ids in the order in which they began.
    order: BTreeMap<u64, String>,
    last: u64,
}

/// One upload.
pub(super) struct Session {
    pub(super) new: NewObject,
    /// Whoever holds it writes.
    progress: AsyncMutex<Progress>,
}

enum Progress {
    /// Left by an earlier process, or nothing written yet.
    Unopened,
    Open(Box<Draft>),
    Done(Box<Object>),
}

/// A part of the content, as `Content-Range` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where it begins; none asks only how far the upload is.
    pub(super) start: Option<u64>,
    /// Whether the content ends with it.
    pub(super) last: bool,
    /// Size of the whole content, where it is known.
    pub(super) total: Option<u64>,
}

/// How far an upload is.
pub(super) enum Standing {
    /// So many bytes are here.
    Partial(u64),
    Done(Box<Object>),
}

impl Sessions {
    /// Takes up what an earlier process left.
    pub(super) fn open(journal: &Journal, tables: &mut Tables, uploads: &Path) -> io::Result<Self> {
        let mut known = Known::default();
        for (id, new) in tables.take::<NewObject>(UPLOADS)? {
            if uploads.join(&id).exists() {
                known.add(id, new);
            } else {
                journal.delete(UPLOADS, &id)?;
            }
        }
        Ok(Self(Mutex::new(known)))
    }

    /// Whether a content belongs to a session.
    pub(super) fn owns(&self, content: &str) -> bool {
        self.lock().by_id.contains_key(content)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A map is whole between two calls.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &str) -> Result<Arc<Session>> {
        self.lock().by_id.get(id).cloned().ok_or_else(StorageError::no_upload)
    }
}

impl Known {
    /// Adds a session; returns the one that has to go for it.
    fn add(&mut self, id: String, new: NewObject) -> Option<String> {
        self.last += 1;
        self.order.insert(self.last, id.clone());
        self.by_id.insert(id, Arc::new(Session { new, progress: AsyncMutex::new(Progress::Unopened) }));
        if self.order.len() <= MOST_SESSIONS {
            return None;
        }
        let (_, oldest) = self.order.pop_first()?;
        self.by_id.remove(&oldest).map(|_| oldest)
    }
}

impl Storage {
    /// Begins an upload and returns its id.
    pub(super) async fn begin_upload(&self, new: NewObject) -> Result<String> {
        self.check_new(&new)?;
        let id = new_content();
        self.journal.put(UPLOADS, &id, &new)?;
        // The file tells the next start that the session is alive.
        let mut draft = Draft::create(self.upload_file(&id)).await?;
        draft.keep();
        let forgotten = self.sessions.lock().add(id.clone(), new);
        if let Some(old) = forgotten {
            self.journal.delete(UPLOADS, &old)?;
            let _ = std::fs::remove_file(self.upload_file(&old));
        }
        Ok(id)
    }

    /// Takes a part of the content from `body`, which may break off: what came is kept.
    pub(super) async fn continue_upload<B, E>(&self, id: &str, part: Part, body: B) -> Result<Standing>
    where
        B: futures::Stream<Item = std::result::Result<bytes::Bytes, E>> + Unpin,
    {
        let session = self.sessions.get(id)?;
        let mut progress = session.progress.lock().await;
        if let Progress::Done(object) = &*progress {
            return Ok(Standing::Done(object.clone()));
        }
        let draft = progress.open(self, id).await?;
        let whole = match part.start {
            Some(start) => draft.append(start, body).await?,
            None => true,
        };
        draft.flush().await?;
        let size = draft.size();
        let complete = part.total.map_or(part.last && part.start.is_some(), |total| size == total);
        if part.total.is_some_and(|total| size > total) {
            return Err(StorageError::invalid(format!(
                "The upload has {size} bytes, more than it said ({}).",
                part.total.unwrap_or_default()
            )));
        }
        if !whole || !complete {
            return Ok(Standing::Partial(size));
        }
        self.finish_upload(id, &session, &mut progress).await
    }

    async fn finish_upload(&self, id: &str, session: &Session, progress: &mut Progress) -> Result<Standing> {
        let Progress::Open(draft) = std::mem::replace(progress, Progress::Unopened) else {
            return Err(StorageError::no_upload());
        };
        let content = draft.finish().await?;
        match self.commit(session.new.clone(), &content, None) {
            Ok(object) => {
                let object = Box::new(object);
                *progress = Progress::Done(object.clone());
                self.journal.delete(UPLOADS, id)?;
                Ok(Standing::Done(object))
            }
            Err(error) => {
                self.forget(id)?;
                Err(error)
            }
        }
    }

    /// Gives an upload up.
    pub(super) fn cancel_upload(&self, id: &str) -> Result<()> {
        self.sessions.get(id)?;
        self.forget(id)?;
        let _ = std::fs::remove_file(self.upload_file(id));
        Ok(())
    }

    fn forget(&self, id: &str) -> Result<()> {
        self.sessions.lock().by_id.remove(id);
        Ok(self.journal.delete(UPLOADS, id)?)
    }
}

impl Progress {
    async fn open(&mut self, storage: &Storage, id: &str) -> Result<&mut Draft> {
        if matches!(self, Self::Unopened) {
            let mut draft = Draft::reopen(storage.upload_file(id)).await?;
            draft.keep();
            *self = Self::Open(Box::new(draft));
        }
        match self {
            Self::Open(draft) => Ok(draft),
            Self::Unopened | Self::Done(_) => Err(StorageError::no_upload()),
        }
    }
}

impl Draft {
    /// Appends a part that begins at `start`; what is here already is skipped. Says whether the
    /// body came to its end.
    async fn append<B, E>(&mut self, start: u64, mut body: B) -> Result<bool>
    where
        B: futures::Stream<Item = std::result::Result<bytes::Bytes, E>> + Unpin,
    {
        use futures::StreamExt as _;
        if start > self.size() {
            return Err(StorageError::invalid(format!(
                "The part begins at byte {start}, but only {} bytes are here.",
                self.size()
            )));
        }
        let mut skip = self.size() - start;
        while let Some(bytes) = body.next().await {
            let Ok(bytes) = bytes else { return Ok(false) };
            let skipped = skip.min(bytes.len() as u64);
            skip -= skipped;
            let from = usize::try_from(skipped).unwrap_or(bytes.len());
            self.write(&bytes[from..]).await?;
        }
        Ok(true)
    }
}
