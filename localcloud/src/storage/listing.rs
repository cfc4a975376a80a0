//! Lists of objects: prefixes, delimiters, ranges of names, pages.

use std::ops::Bound;

use super::error::Result;
use super::object::Object;
use super::state::Storage;

/// Most rows on a page, and how many there are if nobody asks.
const LARGEST_PAGE: usize = 1000;

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
    /// The name that the page before ended with.
    pub(super) token: String,
}

/// Which objects are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub(super) prefix: String,
    /// Names that have it after the prefix are rolled up, each in one prefix.
    pub(super) delimiter: String,
    /// First name.
    pub(super) start: String,
    /// First name that is too far, if not empty.
    pub(super) end: String,
    /// An object that is itself a prefix is listed too.
    pub(super) trailing_delimiter: bool,
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
}

impl Storage {
    /// One page, at the cost of what is on it.
    pub(super) fn list_objects(&self, bucket: &str, query: &Query) -> Result<Listing> {
        let state = self.lock();
        let objects = &state.bucket(bucket)?.objects;
        let mut listing = Listing::default();
        let mut from = query.first();
        let mut last = String::new();
        while let Some((name, row)) = objects.range::<str, _>((as_ref(&from), Bound::Unbounded)).next() {
            if !query.reaches(name) {
                break;
            }
            if listing.objects.len() + listing.prefixes.len() == query.page.size() {
                listing.next = last;
                break;
            }
            if let Some(prefix) = query.rolled_up(name) {
                if query.trailing_delimiter && prefix == *name {
                    listing.objects.push(row.object.clone());
                }
                from = after_prefix(&prefix);
                last.clone_from(&prefix);
                listing.prefixes.push(prefix);
            } else {
                listing.objects.push(row.object.clone());
                from = Bound::Excluded(name.clone());
                last.clone_from(name);
            }
        }
        Ok(listing)
    }
}

impl Query {
    /// Where the page begins. After a rolled-up prefix everything below it is skipped.
    fn first(&self) -> Bound<String> {
        let start = self.prefix.clone().max(self.start.clone());
        let token = &self.page.token;
        if token.is_empty() || *token < start {
            return Bound::Included(start);
        }
        match self.rolled_up(token) {
            Some(prefix) if prefix == *token => after_prefix(token),
            _ => Bound::Excluded(token.clone()),
        }
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

/// The first name that does not begin with `prefix`, in the order of bytes.
fn after_prefix(prefix: &str) -> Bound<String> {
    // Names are UTF-8, whose bytes order as its characters do: the next character after the last.
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            chars.push(next);
            return Bound::Included(chars.into_iter().collect());
        }
    }
    Bound::Excluded(prefix.to_owned())
}

fn as_ref(bound: &Bound<String>) -> Bound<&str> {
    match bound {
        Bound::Included(name) => Bound::Included(name),
        Bound::Excluded(name) => Bound::Excluded(name),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// Cuts rows, in the order of their names, to one page.
pub(super) fn cut<T>(rows: impl Iterator<Item = (String, T)>, size: usize) -> Page<T> {
    let mut rows = rows.peekable();
    let mut page = Page { items: Vec::new(), next: String::new() };
    while let Some((name, item)) = rows.next() {
        page.items.push(item);
        if page.items.len() == size {
            page.next = rows.peek().map_or_else(String::new, |_| name);
            break;
        }
    }
    page
}
