//! A handler that takes as long as it is told, and makes a kilobyte.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use contract::Item;
use serde::Deserialize;
use serde_json::{Map, Value};
use worker::handler::{
    Artifact, Body, BoxFuture, Destination, Handler, HandlerError, ObjectAddress, Product, Work,
};

/// What a run says of it.
#[derive(Deserialize)]
struct Steady {
    bucket: String,
    folder: String,
    milliseconds: u64,
}

pub(crate) fn make(config: &Map<String, Value>) -> anyhow::Result<Arc<dyn Handler>> {
    let steady: Steady = serde_json::from_value(config.clone().into()).context("not of this bench")?;
    Ok(Arc::new(steady))
}

impl Steady {
    fn address(&self, item: &Item) -> ObjectAddress {
        let object = format!("{}/{}.bin", self.folder, item.object_name());
        ObjectAddress { bucket: self.bucket.clone(), object }
    }
}

impl Handler for Steady {
    fn destination(&self, item: &Item) -> Result<Destination, HandlerError> {
        Ok(Destination::One(self.address(item)))
    }

    fn process<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Result<Product, HandlerError>> {
        Box::pin(async move {
            if self.milliseconds > 0 {
                tokio::time::sleep(Duration::from_millis(self.milliseconds)).await;
            }
            let body = Body::Memory(vec![b'x'; 1024].into());
            Ok(Product::of(vec![Artifact { address: self.address(work.item), body }]))
        })
    }
}
