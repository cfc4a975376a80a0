//! One run of the engine over one input.

use std::path::Path;

use clients::{Bucket, Target};
use contract::{Column, ColumnType, EtlConfig, Item, RunId};
use worker::etl::{Diagnostic, Etl, Host};
use worker::handler::{Artifact, Body, Handler, HandlerError, Product, Work};
use worker::output::OutputTail;
use worker::secrets::Secrets;

/// One run of the engine over one input.
pub(crate) struct Case {
    pub(crate) config: EtlConfig,
    files: Vec<(String, Vec<u8>)>,
    item: String,
}

impl Case {
    /// `in.csv` with these columns.
    pub(crate) fn csv(schema: &[(&str, &str)], input: impl Into<Vec<u8>>) -> Self {
        Self::of("in.csv", schema, input)
    }

    /// An input of that name with these columns.
    pub(crate) fn of(name: &str, schema: &[(&str, &str)], input: impl Into<Vec<u8>>) -> Self {
        let mut config = EtlConfig::new(&format!("file:{name}"), "gs://data/{item}.csv");
        config.memory = 64 << 20;
        for (name, kind) in schema {
            let kind: ColumnType = kind.parse().expect("a type");
            config.schema.insert((*name).to_owned(), kind.into());
        }
        Self { config, files: vec![(name.to_owned(), input.into())], item: "x".to_owned() }
    }

    /// A file beside the input.
    pub(crate) fn file(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), bytes.into()));
        self
    }

    pub(crate) fn sql(self, sql: &str) -> Self {
        self.with(|config| config.sql = Some(sql.to_owned()))
    }

    pub(crate) fn load(self, address: &str) -> Self {
        self.with(|config| address.clone_into(&mut config.load))
    }

    pub(crate) fn item(mut self, item: &str) -> Self {
        item.clone_into(&mut self.item);
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut EtlConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Changes what is declared of a column.
    pub(crate) fn column(self, name: &str, change: impl FnOnce(&mut Column)) -> Self {
        self.with(|config| change(config.schema.get_mut(name).expect("a declared column")))
    }

    pub(crate) async fn refused(&self) -> Vec<Diagnostic> {
        Etl::prepare(&self.config, &host(".".as_ref())).await.expect_err("diagnostics")
    }

    pub(crate) async fn try_run(&self, folder: &Path) -> Result<Product, HandlerError> {
        for (name, bytes) in &self.files {
            std::fs::write(folder.join(name), bytes).expect("room");
        }
        let etl = Etl::prepare(&self.config, &host(folder)).await;
        process(&etl.unwrap_or_else(|wrong| panic!("{wrong:?}")), &self.item).await
    }

    pub(crate) async fn product(&self) -> Product {
        let folder = tempfile::tempdir().expect("a folder");
        self.try_run(folder.path()).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The one output.
    pub(crate) async fn bytes(&self) -> Vec<u8> {
        let product = self.product().await;
        assert_eq!(product.outputs.len(), 1);
        product.outputs.into_iter().next().map(bytes).expect("an output")
    }

    /// The one output, as text.
    pub(crate) async fn makes(&self) -> String {
        String::from_utf8(self.bytes().await).expect("text")
    }

    pub(crate) async fn fails(&self) -> HandlerError {
        let folder = tempfile::tempdir().expect("a folder");
        self.try_run(folder.path()).await.expect_err("an error")
    }

    /// The text of an error that is permanent.
    pub(crate) async fn fails_for_good(&self) -> String {
        match self.fails().await {
            HandlerError::Permanent(error) => format!("{error:#}"),
            HandlerError::Retry(error) => panic!("not permanent: {error:#}"),
        }
    }
}

pub(crate) fn host(folder: &Path) -> Host {
    Host::of_worker(Some(folder.to_owned()), Secrets::default())
}

pub(crate) async fn process(etl: &Etl, item: &str) -> Result<Product, HandlerError> {
    // Inputs of `file:` never touch the storage service: nothing listens there.
    let storage = Target::anonymous("http://127.0.0.1:9").storage().await.expect("clients");
    let storage = Bucket::new(storage, "none");
    let item = Item(item.to_owned());
    let (run, output) = (RunId("etl-20260131-000000-01234567".to_owned()), OutputTail::default());
    let work = Work {
        run: &run,
        item: &item,
        payload: None,
        attempt: 1,
        storage: &storage,
        stage: &|_| {},
        output: &output,
    };
    etl.process(work).await
}

pub(crate) fn bytes(output: Artifact) -> Vec<u8> {
    match output.body {
        Body::Memory(bytes) => bytes.to_vec(),
        Body::File(mut file) => {
            let mut bytes = Vec::new();
            std::io::copy(&mut file, &mut bytes).expect("an output");
            bytes
        }
    }
}
