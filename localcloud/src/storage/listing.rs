//! Lists of objects: prefixes, delimiters, globs, ranges of names, versions, pages.

use std::ops::Bound;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::error::{Result, StorageError};
use super::generations::{Generation, Key, Which};
use super::glob::Glob;
use super::object::Object;
use super::state::Storage;

/// Most rows on a page, and how many there are if nobody asks.
const LARGEST_PAGE: usize = 1000;
/// Most rows that a page is picked from. A glob may find few: such a page is short, not slow.
const LARGEST_LOOK: usize = 50_000;

/// One page of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Empty on the last page.
    pub(super) next: String,
}

/// Which page is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct PageOf {
    /// 0 and less: as many as fit.
    pub(super) size: i32,
    /// What the page before said. It names the row that stood last, so that rows which come and go
    /// shift nothing.
    pub(super) token: String,
}

/// Which objects are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub(super) which: Which,
    pub(super) prefix: String,
    /// Names that have it after the prefix are rolled up, each in one prefix.
    pub(super) delimiter: String,
    /// First name.
    pub(super) start: String,
    /// First name that is too far, if not empty.
    pub(super) end: String,
    /// An object that is itself a prefix is listed too.
    pub(super) trailing_delimiter: bool,
    /// What names and prefixes must look like.
    pub(super) glob: Option<Glob>,
    pub(super) page: PageOf,
}

/// A page of objects and rolled-up prefixes.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) objects: Vec<Object>,
    pub(super) prefixes: Vec<String>,
    pub(super) next: String,
}

impl PageOf {
    pub(super) fn size(&self) -> usize {
        match usize::try_from(self.size) {
            Ok(0) | Err(_) => LARGEST_PAGE,
            Ok(size) => size.min(LARGEST_PAGE),
        }
    }

    /// The row that the page before ended with.
    pub(super) fn after(&self) -> Result<Option<Key>> {
        if self.token.is_empty() {
            return Ok(None);
        }
        let text =
            BASE64_URL_SAFE_NO_PAD.decode(&self.token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = text.as_deref().and_then(|text| text.split_once('/'));
        let key = parts.and_then(|(generation, name)| Some((name.to_owned(), generation.parse().ok()?)));
        key.map(Some).ok_or_else(|| StorageError::invalid("Invalid pageToken."))
    }
}

impl Storage {
    /// One page, at the cost of what is on it.
    pub(super) fn list_objects(&self, bucket: &str, query: &Query) -> Result<Listing> {
        let state = self.lock();
        let generations = &state.bucket(bucket)?.generations;
        let mut listing = Listing::default();
        let mut from = query.first()?;
        let mut last = None;
        let mut looked = 0;
        while let Some(row) = generations.next(query.which, &from) {
            let name = &row.object.name;
            if !query.reaches(name) {
                break;
            }
            if listing.len() >= query.page.size() || looked == LARGEST_LOOK {
                listing.next = last.as_ref().map_or_else(String::new, token);
                break;
            }
            looked += 1;
            let key = query.take(row, &mut listing);
            from = query.after(&key);
            last = Some(key);
        }
        Ok(listing)
    }
}

impl Listing {
    fn len(&self) -> usize {
        self.objects.len() + self.prefixes.len()
    }
}

impl Query {
    /// Lists a row, or the prefix that it stands under. Returns where the list is now.
    fn take(&self, row: &Generation, listing: &mut Listing) -> Key {
        let name = &row.object.name;
        let Some(prefix) = self.rolled_up(name) else {
            if self.fits(name) {
                listing.objects.push(row.object.clone());
            }
            return row.key();
        };
        if self.trailing_delimiter && prefix == *name && self.fits(name) {
            listing.objects.push(row.object.clone());
        }
        if self.fits(&prefix) {
            listing.prefixes.push(prefix.clone());
        }
        (prefix, i64::MAX)
    }

    /// Where the page begins.
    fn first(&self) -> Result<Bound<Key>> {
        let start = self.prefix.clone().max(self.start.clone());
        Ok(match self.page.after()? {
            Some(key) if key.0 >= start => self.after(&key),
            _ => Bound::Included((start, i64::MIN)),
        })
    }

    /// What comes after a row. After a rolled-up prefix everything below it is skipped.
    fn after(&self, key: &Key) -> Bound<Key> {
        match self.rolled_up(&key.0) {
            Some(prefix) if prefix == key.0 => after_prefix(&prefix),
            _ => Bound::Excluded(key.clone()),
        }
    }

    fn fits(&self, name: &str) -> bool {
        self.glob.as_ref().is_none_or(|glob| glob.matches(name))
    }

    fn reaches(&self, name: &str) -> bool {
        name.starts_with(&self.prefix) && (self.end.is_empty() || name < self.end.as_str())
    }

    fn rolled_up(&self, name: &str) -> Option<String> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = name.strip_prefix(self.prefix.as_str())?;
        let at = rest.find(&self.delimiter)?;
        Some(name[..self.prefix.len() + at + self.delimiter.len()].to_owned())
    }
}

fn token((name, generation): &Key) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{generation}/{name}"))
}

/// The first name that does not begin with `prefix`, in the order of bytes.
fn after_prefix(prefix: &str) -> Bound<Key> {
    // Names are UTF-8, whose bytes order as its characters do: the next character after the last.
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            chars.push(next);
            return Bound::Included((chars.into_iter().collect(), i64::MIN));
        }
    }
    Bound::Excluded((prefix.to_owned(), i64::MAX))
}

/// Cuts rows, in the order of their names, to one page.
pub(super) fn cut<T>(rows: impl Iterator<Item = (String, T)>, size: usize) -> Page<T> {
    let mut rows = rows.peekable();
    let mut page = Page { items: Vec::new(), next: String::new() };
    while let Some((name, item)) = rows.next() {
        page.items.push(item);
        if page.items.len() == size {
            page.next = rows.peek().map_or_else(String::new, |_| token(&(name, 0)));
            break;
        }
    }
    page
}
