//! The rules of a bucket's lifecycle: which of them concerns a generation, and what it asks for.
//! Pure: what is done about it is in [`super::tend`].

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::bucket::{Condition, Rule};
use super::generations::{Generation, Life};

/// Storage classes, each cheaper to keep things in than those before. Rules only go that way.
const CHEAPER: &[&str] = &["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"];

/// What a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Delete,
    SetStorageClass(String),
}

/// What the rules ask for: deletion wins, then the cheapest class.
pub(super) fn asked(rules: &[Rule], row: &Generation, newer: usize, now: Timestamp) -> Option<Asked> {
    let due: Vec<&Rule> = rules.iter().filter(|rule| rule.condition.holds(row, newer, now)).collect();
    if due.iter().any(|rule| rule.action.r#type == "Delete") {
        return Some(Asked::Delete);
    }
    let classes = due.iter().filter(|rule| rule.action.r#type == "SetStorageClass");
    let cheapest = classes.map(|rule| &rule.action.storage_class).max_by_key(|class| cost(class))?;
    (cost(cheapest) > cost(&row.object.storage_class)).then(|| Asked::SetStorageClass(cheapest.clone()))
}

/// The legacy classes cost as much as the standard one.
fn cost(class: &str) -> usize {
    CHEAPER.iter().position(|known| *known == class).unwrap_or(0)
}

impl Condition {
    /// All that it says must hold.
    fn holds(&self, row: &Generation, newer: usize, now: Timestamp) -> bool {
        let object = &row.object;
        let (live, noncurrent) = match object.life {
            Life::Live => (true, None),
            Life::Noncurrent { since } => (false, Some(since)),
            // Rules do not concern what is soft-deleted.
            Life::SoftDeleted { .. } => return false,
        };
        let custom = object.settings.custom_time;
        let newer = i32::try_from(newer).unwrap_or(i32::MAX);
        let one_of = |texts: &[String], fits: &dyn Fn(&str) -> bool| {
            texts.is_empty() || texts.iter().any(|text| fits(text))
        };
        self.age.is_none_or(|days| is_past(Some(object.created), days, now))
            && self.created_before.is_none_or(|date| is_before(Some(object.created), date))
            && self.is_live.is_none_or(|wanted| wanted == live)
            && self.num_newer_versions.is_none_or(|least| newer >= least)
            && self.days_since_custom_time.is_none_or(|days| is_past(custom, days, now))
            && self.custom_time_before.is_none_or(|date| is_before(custom, date))
            && self.days_since_noncurrent_time.is_none_or(|days| is_past(noncurrent, days, now))
            && self.noncurrent_time_before.is_none_or(|date| is_before(noncurrent, date))
            && one_of(&self.matches_storage_class, &|class| class == object.storage_class)
            && one_of(&self.matches_prefix, &|prefix| object.name.starts_with(prefix))
            && one_of(&self.matches_suffix, &|suffix| object.name.ends_with(suffix))
    }
}

fn is_past(at: Option<Timestamp>, days: i32, now: Timestamp) -> bool {
    at.is_some_and(|at| now.duration_since(at) >= SignedDuration::from_hours(24 * i64::from(days)))
}

/// Dates are those of UTC.
fn is_before(at: Option<Timestamp>, date: Date) -> bool {
    at.is_some_and(|at| at.to_zoned(TimeZone::UTC).date() < date)
}
