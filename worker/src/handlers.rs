//! Which handler a run's configuration asks for, made once for the run.

use std::sync::Arc;

use contract::{Handler as HandlerConfig, LibraryConfig, WorkerConfig};
use serde_json::{Map, Value};

use crate::command::Command;
use crate::etl::{Diagnostic, Etl, Host};
use crate::handler::Handler;

/// Makes a handler of the user's own from the `config` of `[job.NAME.library]`.
pub type Make = dyn Fn(&Map<String, Value>) -> anyhow::Result<Arc<dyn Handler>> + Send + Sync;

/// The handlers that this worker has.
#[derive(Clone)]
pub struct Handlers {
    host: Host,
    library: Option<Arc<Make>>,
}

impl Handlers {
    /// The built-in ones, and one that was compiled in. `host` is what they find on this machine.
    #[must_use]
    pub fn new(host: Host, library: Option<Arc<Make>>) -> Self {
        Self { host, library }
    }

    /// The handler of a configuration. The error says everything that is wrong with it.
    pub async fn make(&self, config: &WorkerConfig) -> Result<Arc<dyn Handler>, String> {
        match &config.handler {
            HandlerConfig::Etl(config) => {
                let etl = Etl::prepare(config, &self.host).await;
                Ok(Arc::new(etl.map_err(|wrong| told(&wrong))?))
            }
            HandlerConfig::Command(config) => {
                Ok(Arc::new(Command::prepare(config, &self.host).map_err(|wrong| told(&wrong))?))
            }
            HandlerConfig::Library(config) => self.own(config),
        }
    }

    fn own(&self, config: &LibraryConfig) -> Result<Arc<dyn Handler>, String> {
        let Some(make) = &self.library else {
            return Err(format!(
                "this worker has no handler of its own: is it `{}`, and does that call `worker::serve`?",
                config.program
            ));
        };
        make(&config.config).map_err(|error| format!("library.config: {error:#}"))
    }
}

fn told(wrong: &[Diagnostic]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use contract::Item;
    use serde_json::json;

    use super::*;
    use crate::handler::{BoxFuture, Destination, HandlerError, ObjectAddress, Product, Work};
    use crate::secrets::Secrets;

    fn host() -> Host {
        Host::of_worker(None, Secrets::default())
    }

    struct Nowhere(String);

    impl Handler for Nowhere {
        fn destination(&self, item: &Item) -> Result<Destination, HandlerError> {
            let bucket = self.0.clone();
            Ok(Destination::One(ObjectAddress { bucket, object: item.object_name() }))
        }

        fn process<'a>(&'a self, _: Work<'a>) -> BoxFuture<'a, Result<Product, HandlerError>> {
            Box::pin(async { Ok(Product::of(Vec::new())) })
        }
    }

    fn library(config: &Value) -> WorkerConfig {
        let handler = json!({ "library": { "program": "my-worker", "config": config } });
        let config = json!({ "handler": handler, "attempts": 5, "item_timeout_seconds": 60 });
        serde_json::from_value(config).expect("a configuration")
    }

    #[tokio::test]
    async fn a_handler_that_was_compiled_in_gets_its_configuration() {
        let make = |config: &Map<String, Value>| -> anyhow::Result<Arc<dyn Handler>> {
            let bucket = config.get("bucket").and_then(Value::as_str);
            Ok(Arc::new(Nowhere(bucket.ok_or_else(|| anyhow::anyhow!("no `bucket`"))?.to_owned())))
        };
        let handlers = Handlers::new(host(), Some(Arc::new(make)));
        let Ok(handler) = handlers.make(&library(&json!({ "bucket": "b" }))).await else {
            panic!("no handler");
        };
        let address = ObjectAddress { bucket: "b".to_owned(), object: "x".to_owned() };
        assert_eq!(handler.destination(&Item("x".to_owned())).ok(), Some(Destination::One(address)));
        let refused = handlers.make(&library(&json!({}))).await.err().expect("an error");
        assert_eq!(refused, "library.config: no `bucket`");
    }

    #[tokio::test]
    async fn the_built_in_worker_has_no_handler_of_its_own() {
        let refused = Handlers::new(host(), None).make(&library(&json!({}))).await.err().expect("an error");
        assert_eq!(
            refused,
            "this worker has no handler of its own: is it `my-worker`, and does that call `worker::serve`?"
        );
    }
}
