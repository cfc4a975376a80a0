//! Identity and access.

pub(crate) mod policy;

pub(crate) use policy::{Binding, Policy};
