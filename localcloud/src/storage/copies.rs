//! Objects made of others: copy, rewrite, compose, restore, move.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::error::{Result, StorageError};
use super::object::{Object, Settings};
use super::objects::{NewObject, Source};
use super::precondition::Precondition;
use super::state::Storage;

/// Most objects in one composition.
const MOST_COMPONENTS: usize = 32;
/// What one call of a rewrite is bounded by must be a multiple of this.
const MEBIBYTE: u64 = 1 << 20;

/// A rewrite that is asked for.
pub(super) struct Rewrite {
    pub(super) source: Source,
    pub(super) new: NewObject,
    /// None: those of the source.
    pub(super) settings: Option<Settings>,
    /// Most bytes of one call, if not 0.
    pub(super) most_bytes: u64,
    /// Of the call before; empty in the first one.
    pub(super) token: String,
}

/// How far a rewrite is.
pub(super) enum Rewritten {
    Done(Box<Object>),
    Partly { bytes: u64, size: u64, token: String },
}

/// What a rewrite's token says: which content, and how much of it is through.
struct Token {
    generation: i64,
    bytes: u64,
}

impl Storage {
    /// Copies content and, if `settings` says nothing else, what is set on the source.
    pub(super) async fn copy(
        &self,
        source: &Source,
        mut new: NewObject,
        settings: Option<Settings>,
    ) -> Result<Object> {
        self.may_read(source)?;
        let (from, file) = self.open_object(source)?;
        new.settings = settings.unwrap_or_else(|| Settings {
            // Holds stay with the object that they are on.
            temporary_hold: false,
            event_based_hold: false,
            ..from.settings.clone()
        });
        if new.storage_class.is_empty() && new.bucket == source.bucket {
            new.storage_class.clone_from(&from.storage_class);
        }
        self.check_new(&new)?;
        let mut draft = self.draft().await?;
        draft.write_file(file).await?;
        self.commit(new, &draft.finish().await?, from.components)
    }

    /// Copies in as many calls as the caller's bound makes of it. The last one does the work.
    pub(super) async fn rewrite(&self, rewrite: Rewrite) -> Result<Rewritten> {
        let Rewrite { source, new, settings, most_bytes, token } = rewrite;
        if most_bytes % MEBIBYTE != 0 {
            return Err(StorageError::invalid(
                "The maxBytesRewrittenPerCall parameter must be an integral multiple of 1 MiB (1048576).",
            ));
        }
        self.may_read(&source)?;
        let from = self.get_object(&source)?;
        let before = Token::read(&token, from.generation)?;
        let bytes =
            if most_bytes == 0 { from.size } else { before.saturating_add(most_bytes).min(from.size) };
        if bytes < from.size {
            self.check_new(&new)?;
            let token = Token { generation: from.generation, bytes }.write();
            return Ok(Rewritten::Partly { bytes, size: from.size, token });
        }
        let source = Source { generation: Some(from.generation), ..source };
        Ok(Rewritten::Done(Box::new(self.copy(&source, new, settings).await?)))
    }

    /// Joins objects of one bucket.
    pub(super) async fn compose(&self, sources: &[Source], new: NewObject) -> Result<Object> {
        if !(1..=MOST_COMPONENTS).contains(&sources.len()) {
            return Err(StorageError::invalid(format!(
                "The number of source components provided ({}) must be between 1 and {MOST_COMPONENTS}.",
                sources.len()
            )));
        }
        self.check_new(&new)?;
        let mut draft = self.draft().await?;
        let mut components = 0_i32;
        for source in sources {
            self.may_read(source)?;
            let (from, file) = self.open_object(source)?;
            draft.write_file(file).await?;
            components = components.saturating_add(from.components.unwrap_or(1));
        }
        self.commit(new, &draft.finish().await?, Some(components))
    }

    /// Makes a soft-deleted generation's content a new live one.
    pub(super) async fn restore(&self, source: &Source) -> Result<Object> {
        let (from, file) = {
            let state = self.lock();
            self.open_generation(state.soft_deleted(source)?)?
        };
        let new = NewObject {
            bucket: source.bucket.clone(),
            name: source.name.clone(),
            settings: from.settings.clone(),
            storage_class: from.storage_class.clone(),
            condition: source.condition,
            ..NewObject::default()
        };
        self.check_new(&new)?;
        let mut draft = self.draft().await?;
        draft.write_file(file).await?;
        self.commit(new, &draft.finish().await?, from.components)
    }

    /// Gives an object another name in its bucket.
    pub(super) async fn rename(
        &self,
        source: &Source,
        name: String,
        condition: Precondition,
    ) -> Result<Object> {
        let from = self.get_object(source)?;
        let from_here = Source { generation: Some(from.generation), ..source.clone() };
        let new = NewObject { bucket: source.bucket.clone(), name, condition, ..NewObject::default() };
        if new.name == source.name {
            return Err(StorageError::invalid("The source and the destination of a move must differ."));
        }
        let object = self.copy(&from_here, new, None).await?;
        let (generation, metageneration) = from.version();
        let unchanged = Precondition {
            generation: Some(generation),
            metageneration: Some(metageneration),
            ..Precondition::default()
        };
        self.delete_object(&Source { generation: None, condition: unchanged, ..source.clone() })?;
        Ok(object)
    }
}

impl Token {
    fn write(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{}:{}", self.generation, self.bytes))
    }

    /// How many bytes are through already.
    fn read(token: &str, generation: i64) -> Result<u64> {
        if token.is_empty() {
            return Ok(0);
        }
        let text = BASE64_URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = text.as_deref().and_then(|text| text.split_once(':'));
        let bytes =
            parts.filter(|(of, _)| *of == generation.to_string()).and_then(|(_, bytes)| bytes.parse().ok());
        bytes.ok_or_else(|| StorageError::invalid("The rewrite token is not one of this rewrite."))
    }
}
