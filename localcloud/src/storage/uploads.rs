//! Resumable uploads: sessions that outlive a connection, and this process, for a week.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::Stream;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex as AsyncMutex;

use super::checksum::Expected;
use super::draft::Draft;
use super::error::{Result, StorageError};
use super::generations::Generation;
use super::object::Object;
use super::objects::NewObject;
use super::parts::Part;
use super::state::{Storage, new_content};
use crate::journal::{Journal, Tables};

const UPLOADS: &str = "storage.uploads";
/// Most sessions at once; the oldest goes first.
const MOST_SESSIONS: usize = 10_000;
/// What a session lives for.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

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
struct Session {
    row: SessionRow,
    place: u64,
    /// Whoever holds it writes.
    progress: AsyncMutex<Progress>,
}

/// An upload, as the journal has it. Whether it is done is told from the object's own row.
#[derive(Clone, Serialize, Deserialize)]
struct SessionRow {
    new: NewObject,
    begun: Timestamp,
}

enum Progress {
    /// Left by an earlier process, or nothing written yet.
    Unopened,
    Open(Box<Draft>),
    Done(Box<Object>),
    Cancelled,
}

/// How far an upload is.
pub(super) enum Standing {
    /// So many bytes are here.
    Partial(u64),
    Done(Box<Object>),
}

impl Sessions {
    /// Takes up what an earlier process left.
    pub(super) fn open(
        journal: &Journal,
        tables: &mut Tables,
        uploads: &Path,
        rows: &[Generation],
    ) -> io::Result<Self> {
        let done: HashMap<&str, &Object> =
            rows.iter().map(|row| (row.content.as_str(), &row.object)).collect();
        let mut sessions: Vec<_> = tables.take::<SessionRow>(UPLOADS)?.into_iter().collect();
        sessions.sort_by_key(|(_, row)| row.begun);
        let mut known = Known::default();
        for (id, row) in sessions {
            let progress = match done.get(id.as_str()) {
                Some(object) => Progress::Done(Box::new((*object).clone())),
                None if uploads.join(&id).exists() => Progress::Unopened,
                None => {
                    journal.delete(UPLOADS, &id)?;
                    continue;
                }
            };
            known.add(id, row, progress);
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
}

impl Known {
    fn add(&mut self, id: String, row: SessionRow, progress: Progress) {
        self.last += 1;
        self.order.insert(self.last, id.clone());
        let session = Session { row, place: self.last, progress: AsyncMutex::new(progress) };
        self.by_id.insert(id, Arc::new(session));
    }

    fn remove(&mut self, id: &str) {
        if let Some(session) = self.by_id.remove(id) {
            self.order.remove(&session.place);
        }
    }

    /// The sessions that have to go: those that are too old, or too many.
    fn overdue(&self, now: Timestamp) -> Vec<String> {
        let too_many = self.order.len().saturating_sub(MOST_SESSIONS);
        let ids = self.order.values().enumerate();
        let overdue = |(number, id): &(usize, &String)| {
            *number < too_many || self.by_id.get(*id).is_some_and(|session| session.row.is_over(now))
        };
        ids.take_while(overdue).map(|(_, id)| id.clone()).collect()
    }
}

impl SessionRow {
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.begun) >= WEEK
    }
}

impl Storage {
    /// Begins an upload and returns its id.
    pub(super) async fn begin_upload(&self, new: NewObject) -> Result<String> {
        self.check_new(&new)?;
        self.forget_overdue_uploads()?;
        let id = new_content();
        let row = SessionRow { new, begun: self.now() };
        // The file tells the next start that the session is alive.
        let mut draft = Draft::create(self.upload_file(&id)).await?;
        self.journal.put(UPLOADS, &id, &row)?;
        draft.keep();
        self.sessions.lock().add(id.clone(), row, Progress::Unopened);
        Ok(id)
    }

    /// Takes a part of the content from `body`, which may break off: what came is kept.
    pub(super) async fn continue_upload<B, E>(&self, id: &str, part: Part, body: B) -> Result<Standing>
    where
        B: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    {
        let session = self.session(id)?;
        let mut progress = session.progress.lock().await;
        let draft = match progress.open(self, id).await? {
            Writing::To(draft) => draft,
            Writing::Done(object) => return Ok(Standing::Done(object)),
        };
        match draft.take(&part, body).await {
            Ok(true) => {}
            Ok(false) => return Ok(Standing::Partial(draft.size())),
            Err(error) => {
                if error.status().is_server_error() {
                    // What could not be written was counted: count again what is in the file.
                    *progress = Progress::Unopened;
                }
                return Err(error);
            }
        }
        self.finish_upload(id, &session, &mut progress, part.expected).await
    }

    async fn finish_upload(
        &self,
        id: &str,
        session: &Session,
        progress: &mut Progress,
        expected: Expected,
    ) -> Result<Standing> {
        let Progress::Open(draft) = std::mem::replace(progress, Progress::Unopened) else {
            return Err(StorageError::no_upload());
        };
        let content = draft.finish().await?;
        let mut new = session.row.new.clone();
        new.expected = expected.or(new.expected);
        match self.commit(new, &content, None) {
            Ok(object) => {
                let object = Box::new(object);
                *progress = Progress::Done(object.clone());
                Ok(Standing::Done(object))
            }
            Err(error) if error.status().is_server_error() => {
                content.keep();
                Err(error)
            }
            Err(error) => {
                self.forget_upload(id)?;
                Err(error)
            }
        }
    }

    /// Gives an upload up.
    pub(super) async fn cancel_upload(&self, id: &str) -> Result<()> {
        let session = self.session(id)?;
        let mut progress = session.progress.lock().await;
        if matches!(*progress, Progress::Done(_)) {
            return Err(StorageError::no_upload());
        }
        self.journal.delete(UPLOADS, id)?;
        *progress = Progress::Cancelled;
        let _ = std::fs::remove_file(self.upload_file(id));
        Ok(())
    }

    /// Forgets sessions that are older than a week.
    pub(super) fn forget_overdue_uploads(&self) -> Result<()> {
        let overdue = self.sessions.lock().overdue(self.now());
        overdue.iter().try_for_each(|id| self.forget_upload(id))
    }

    fn forget_upload(&self, id: &str) -> Result<()> {
        self.sessions.lock().remove(id);
        self.journal.delete(UPLOADS, id)?;
        let _ = std::fs::remove_file(self.upload_file(id));
        Ok(())
    }

    fn session(&self, id: &str) -> Result<Arc<Session>> {
        let session = self.sessions.lock().by_id.get(id).cloned().ok_or_else(StorageError::no_upload)?;
        if session.row.is_over(self.now()) {
            self.forget_upload(id)?;
            return Err(StorageError::expired_upload());
        }
        Ok(session)
    }
}

/// What an upload has for those who go on with it.
enum Writing<'a> {
    To(&'a mut Draft),
    Done(Box<Object>),
}

impl Progress {
    async fn open(&mut self, storage: &Storage, id: &str) -> Result<Writing<'_>> {
        if matches!(self, Self::Unopened) {
            let mut draft = Draft::reopen(storage.upload_file(id)).await?;
            draft.keep();
            *self = Self::Open(Box::new(draft));
        }
        match self {
            Self::Open(draft) => Ok(Writing::To(draft)),
            Self::Done(object) => Ok(Writing::Done(object.clone())),
            Self::Cancelled => Err(StorageError::cancelled_upload()),
            Self::Unopened => Err(StorageError::no_upload()),
        }
    }
}
