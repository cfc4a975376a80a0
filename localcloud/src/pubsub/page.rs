//! Pages of lists: what is asked for, and what comes. A token is the name that the page begins after.

use crate::error::ApiError;

/// Most rows on a page, and how many there are if nobody asks.
const LARGEST: usize = 1000;

/// Which page is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct PageRequest {
    /// 0 leaves it to the service.
    pub(super) size: i32,
    /// Empty for the first page.
    pub(super) token: String,
}

/// One page of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The token of the next page; empty on the last.
    pub(super) next: String,
}

impl PageRequest {
    /// The page of rows that stand in the order of their names.
    pub(super) fn of<T>(&self, rows: impl Iterator<Item = (String, T)>) -> Result<Page<T>, ApiError> {
        let size = match usize::try_from(self.size) {
            Ok(0) => LARGEST,
            Ok(size) => size.min(LARGEST),
            Err(_) => return Err(ApiError::invalid_argument("page_size must not be negative.")),
        };
        let mut rows = rows.skip_while(|(name, _)| *name <= self.token).peekable();
        let mut page = Page { items: Vec::new(), next: String::new() };
        while let Some((name, item)) = rows.next() {
            page.items.push(item);
            if page.items.len() == size {
                page.next = rows.peek().map_or_else(String::new, |_| name);
                break;
            }
        }
        Ok(page)
    }
}
