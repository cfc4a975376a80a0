//! Kinds and tables whose types are forgotten: what the rest of the program sees of them, as JSON.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use serde_json::Value;

use super::{Found, Kind, Place, Table};
use crate::cloud::Cloud;
use crate::resource::{Address, Desired, Health, Live};
use crate::stack::{FieldProblem, Reference, Scope};

/// A declared table whose type is forgotten.
pub(crate) trait AnyDeclared: Send + Sync {
    fn references(&self) -> Vec<Reference>;
    fn introduce(&self, key: &str, scope: &mut Scope);
    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem>;
    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>>;
    /// As a file would say it, with every default in place.
    fn written(&self) -> Result<Value>;
    fn as_any(&self) -> &dyn std::any::Any;
}

impl<T: Table> AnyDeclared for T {
    fn references(&self) -> Vec<Reference> {
        Table::references(self)
    }

    fn introduce(&self, key: &str, scope: &mut Scope) {
        Table::introduce(self, key, scope);
    }

    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem> {
        Table::problems(self, key, scope)
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        Table::resources(self, key, scope)
    }

    fn written(&self) -> Result<Value> {
        Ok(serde_json::to_value(self)?)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A table of stack.toml whose type is forgotten.
pub(crate) trait AnyTable: Sync {
    fn name(&self) -> &'static str;
    fn is_named(&self) -> bool;
    fn schema(&self) -> Value;
    fn read(
        &self,
        value: &crate::stack::read::Node<'_>,
        head: &std::ops::Range<usize>,
        problems: &mut Vec<crate::stack::Problem>,
    ) -> Option<Box<dyn AnyDeclared>>;
}

/// A kind whose type is forgotten: resources are JSON.
pub(crate) trait AnyKind: Sync {
    fn name(&self) -> &'static str;
    fn fixed(&self) -> &'static [(&'static str, &'static str)];
    fn deleted_after(&self) -> &'static [&'static str];
    fn longest(&self) -> Duration;
    fn takes(&self) -> Option<&'static str>;
    fn creates_over(&self) -> bool;
    fn updates_blindly(&self) -> bool;
    fn adoptable(&self) -> bool;
    fn lets_go(&self) -> bool;
    fn is_marked(&self) -> bool;
    fn carries_runs(&self) -> bool;
    fn apis(&self, fields: &Value) -> Result<&'static [&'static str]>;
    fn forget<'a>(&self, cloud: &'a Cloud, id: &'a str) -> BoxFuture<'a, ()>;
    fn observe<'a>(&self, cloud: &'a Cloud, want: &'a Desired) -> BoxFuture<'a, Result<Option<Live>>>;
    fn owned<'a>(&self, cloud: &'a Cloud) -> BoxFuture<'a, Result<Vec<Live>>>;
    fn health<'a>(&self, cloud: &'a Cloud, id: &'a str) -> BoxFuture<'a, Result<Option<Health>>>;
    fn create<'a>(&self, cloud: &'a Cloud, fields: &'a Value, at: &'a Place<'a>)
    -> BoxFuture<'a, Result<()>>;
    fn update<'a>(
        &self,
        cloud: &'a Cloud,
        fields: &'a Value,
        at: &'a Place<'a>,
        changed: &'a [String],
    ) -> BoxFuture<'a, Result<()>>;
    fn relabel<'a>(
        &self,
        cloud: &'a Cloud,
        fields: &'a Value,
        at: &'a Place<'a>,
    ) -> BoxFuture<'a, Result<()>>;
    fn delete<'a>(&self, cloud: &'a Cloud, fields: &'a Value, at: &'a Place<'a>)
    -> BoxFuture<'a, Result<()>>;
    fn by_hand(&self, project: &str, live: &Live) -> Result<String>;
    fn others<'a>(&self, cloud: &'a Cloud, id: &'a str) -> BoxFuture<'a, Result<Vec<String>>>;
}

/// Forgets the type of a kind or a table.
pub(super) struct Of<T>(std::marker::PhantomData<fn() -> T>);

impl<T: Kind> Of<T> {
    pub(super) const KIND: Self = Self(std::marker::PhantomData);
}

impl<T: Table> Of<T> {
    pub(super) const TABLE: Self = Self(std::marker::PhantomData);
}

impl<T: Table> AnyTable for Of<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn is_named(&self) -> bool {
        T::IS_NAMED
    }

    fn schema(&self) -> Value {
        crate::stack::read::schema::<T>()
    }

    fn read(
        &self,
        value: &crate::stack::read::Node<'_>,
        head: &std::ops::Range<usize>,
        problems: &mut Vec<crate::stack::Problem>,
    ) -> Option<Box<dyn AnyDeclared>> {
        crate::stack::read::table::<T>(value, head, problems).map(|t| Box::new(t) as Box<dyn AnyDeclared>)
    }
}

impl<T: Kind> AnyKind for Of<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        T::FIXED
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        T::DELETED_AFTER
    }

    fn longest(&self) -> Duration {
        T::LONGEST
    }

    fn takes(&self) -> Option<&'static str> {
        T::TAKES
    }

    fn creates_over(&self) -> bool {
        T::CREATES_OVER
    }

    fn updates_blindly(&self) -> bool {
        T::UPDATES_BLINDLY
    }

    fn adoptable(&self) -> bool {
        T::ADOPTABLE
    }

    fn lets_go(&self) -> bool {
        T::LETS_GO
    }

    fn is_marked(&self) -> bool {
        T::IS_MARKED
    }

    fn carries_runs(&self) -> bool {
        T::CARRIES_RUNS
    }

    fn apis(&self, fields: &Value) -> Result<&'static [&'static str]> {
        Ok(typed::<T>(fields)?.apis())
    }

    fn forget<'a>(&self, cloud: &'a Cloud, id: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(T::forget(cloud, id))
    }

    fn observe<'a>(&self, cloud: &'a Cloud, want: &'a Desired) -> BoxFuture<'a, Result<Option<Live>>> {
        Box::pin(async move {
            let typed: T = typed(&want.fields)?;
            let found = typed.observe(cloud, &want.id).await?;
            // The file's address counts, not the one that the marks tell.
            let as_declared =
                |live| Live { address: want.address.clone(), inside: want.inside.clone(), ..live };
            found.map(|found| erased(found).map(as_declared)).transpose()
        })
    }

    fn owned<'a>(&self, cloud: &'a Cloud) -> BoxFuture<'a, Result<Vec<Live>>> {
        Box::pin(async move { Ok(super::listed::<T>(cloud).await?.to_vec()) })
    }

    fn health<'a>(&self, cloud: &'a Cloud, id: &'a str) -> BoxFuture<'a, Result<Option<Health>>> {
        Box::pin(T::health(cloud, id))
    }

    fn create<'a>(
        &self,
        cloud: &'a Cloud,
        fields: &'a Value,
        at: &'a Place<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { typed::<T>(fields)?.create(cloud, at).await })
    }

    fn update<'a>(
        &self,
        cloud: &'a Cloud,
        fields: &'a Value,
        at: &'a Place<'a>,
        changed: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { typed::<T>(fields)?.update(cloud, at, changed).await })
    }

    fn relabel<'a>(
        &self,
        cloud: &'a Cloud,
        fields: &'a Value,
        at: &'a Place<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { typed::<T>(fields)?.relabel(cloud, at).await })
    }

    fn delete<'a>(
        &self,
        cloud: &'a Cloud,
        fields: &'a Value,
        at: &'a Place<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { typed::<T>(fields)?.delete(cloud, at).await })
    }

    fn by_hand(&self, project: &str, live: &Live) -> Result<String> {
        Ok(typed::<T>(&live.fields)?.by_hand(project, &live.id))
    }

    fn others<'a>(&self, cloud: &'a Cloud, id: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(T::others(cloud, id))
    }
}

pub(super) fn typed<T: Kind>(fields: &Value) -> Result<T> {
    T::deserialize(fields)
        .with_context(|| format!("internal error: these are not the fields of a {}", T::NAME))
}

pub(super) fn erased<T: Kind>(found: Found<T>) -> Result<Live> {
    Ok(Live {
        address: Address::new(T::NAME, found.key),
        id: found.id,
        fields: serde_json::to_value(&found.fields)?,
        owner: found.owner,
        holds: found.holds,
        inside: found.inside,
        revision: found.revision,
    })
}
