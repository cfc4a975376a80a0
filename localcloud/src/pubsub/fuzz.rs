//! The parsers of Pub/Sub, fed with anything.

use std::collections::BTreeMap;

use super::filter::Filter;
use super::names::{Kind, check_project, id_of, project_of};

pub(crate) fn filter(bytes: &[u8]) {
    if let Ok(filter) = Filter::parse(&String::from_utf8_lossy(bytes)) {
        filter.passes(&BTreeMap::from([("kind".into(), "b".into())]));
    }
}

pub(crate) fn name(bytes: &[u8]) {
    let name = String::from_utf8_lossy(bytes);
    for kind in [Kind::Topic, Kind::Subscription] {
        let _ = kind.check(&name);
    }
    let _ = (id_of(&name), project_of(&name), check_project(&name).is_ok());
}
