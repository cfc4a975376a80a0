//! Stores an output under its final name, on exactly the generation that was looked at, or finds
//! that it need not.

use anyhow::{Context, Result, anyhow};
use clients::{Bucket, Conditional, Metadata, Stored};
use contract::{Output, Receipt, ReceiptKind};
use jiff::Timestamp;

use super::claim::{Claim, Claimant, mark};
use super::course;
use super::ledger::{Begun, Ledger, Settled};
use crate::handler::{Body, HandlerError, ObjectAddress, Product, permanent};
use crate::runs::Run;

/// Times that the destination may change under an upload before the attempt fails.
const ROUNDS: usize = 5;
/// Longest receipt that is repeated in metadata, in bytes; the service allows 8 KiB in all.
const LONGEST: usize = 4096;

/// Proof that an output vouched for by this receipt is stored.
#[derive(Debug)]
pub struct Loaded {
    receipt: Box<Receipt>,
    /// Staged objects that the receipt will make useless.
    leftovers: Vec<String>,
}

/// An output's place, looked at.
#[derive(Debug)]
pub enum Place {
    /// The output is to be made and stored on this generation.
    Open(i64),
    /// It need not be made.
    Done(Loaded),
}

impl Loaded {
    pub(super) fn new(receipt: Receipt, leftovers: Vec<String>) -> Self {
        Self { receipt: Box::new(receipt), leftovers }
    }

    /// What the receipt will say.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }
}

impl Ledger {
    /// Looks at the destination before any work is done.
    pub async fn look(&self, run: &Run, begun: &Begun, at: &ObjectAddress) -> Result<Place, HandlerError> {
        let found = self.bucket.sibling(&at.bucket).stat(&at.object).await.map_err(anyhow::Error::from)?;
        match claimant(run, begun).claim(found) {
            Claim::Upload(generation) => Ok(Place::Open(generation)),
            Claim::Adopt(stored) => Ok(Place::Done(self.adopt(run, begun, at, &stored))),
            Claim::Superseded(stored) => Ok(Place::Done(self.superseded(run, begun, at, &stored))),
            Claim::Collision => Err(permanent!("{at} is the output of another item of this run as well")),
        }
    }

    /// Stores the output on that generation. If the place has changed meanwhile, what is there now
    /// decides.
    pub async fn load(
        &self,
        run: &Run,
        begun: &Begun,
        at: &ObjectAddress,
        product: Product,
        mut generation: i64,
    ) -> Result<Loaded, HandlerError> {
        let [made] = &product.outputs[..] else {
            return Err(permanent!("{} outputs were made where one was promised", product.outputs.len()));
        };
        let bucket = self.bucket.sibling(&at.bucket);
        let receipt = self.stored(run, begun, &product);
        let metadata = metadata(run, &receipt);
        for _ in 0..ROUNDS {
            let written = upload(&bucket, &at.object, &made.body, metadata.clone(), generation).await?;
            if let Conditional::Stored(stored) = written {
                let outputs = vec![output(at, &stored)];
                let finished = Timestamp::now();
                return Ok(Loaded::new(Receipt { outputs, finished, ..receipt }, Vec::new()));
            }
            // After a lost answer this finds our own upload, and adopts it like any other of our run.
            match self.look(run, begun, at).await? {
                Place::Open(changed) => generation = changed,
                Place::Done(loaded) => return Ok(loaded),
            }
        }
        Err(HandlerError::Retry(anyhow!(
            "{at} changed {ROUNDS} times during the upload: who else writes there?"
        )))
    }

    /// Writes the receipt. Only what is loaded has one.
    pub async fn commit(&self, loaded: &Loaded) -> Result<Settled> {
        self.write_receipt(&loaded.receipt, &loaded.leftovers).await.context("cannot write the receipt")
    }

    pub(super) fn stored(&self, run: &Run, begun: &Begun, product: &Product) -> Receipt {
        Receipt {
            inputs: product.inputs.clone(),
            rows_in: product.rows_in,
            rows_rejected: product.rows_rejected,
            rows_out: product.rows_out,
            ..self.blank(run, begun)
        }
    }

    /// The receipt that the worker who stored this output would have written.
    fn adopt(&self, run: &Run, begun: &Begun, at: &ObjectAddress, stored: &Stored) -> Loaded {
        let written = stored.metadata.get(Output::META_RECEIPT);
        let written = written.and_then(|json| serde_json::from_str::<Receipt>(json).ok());
        let mut receipt = written.unwrap_or_else(|| {
            let execution = stored.metadata.get(Output::META_EXECUTION).cloned().unwrap_or_default();
            Receipt { execution, ..self.blank(run, begun) }
        });
        receipt.run = begun.attempt.run.clone();
        receipt.item = begun.attempt.item.clone();
        receipt.outputs = vec![output(at, stored)];
        Loaded::new(receipt, Vec::new())
    }

    fn superseded(&self, run: &Run, begun: &Begun, at: &ObjectAddress, stored: &Stored) -> Loaded {
        let outputs = vec![output(at, stored)];
        let receipt = Receipt { kind: ReceiptKind::Superseded, outputs, ..self.blank(run, begun) };
        Loaded::new(receipt, Vec::new())
    }

    fn blank(&self, run: &Run, begun: &Begun) -> Receipt {
        let attempt = &begun.attempt;
        Receipt {
            run: attempt.run.clone(),
            item: attempt.item.clone(),
            kind: ReceiptKind::Stored,
            execution: attempt.execution.clone(),
            attempt: attempt.number,
            pod: self.us.pod.clone(),
            node: self.us.node.clone(),
            started: attempt.started,
            finished: Timestamp::now(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            rows_in: None,
            rows_rejected: None,
            rows_out: None,
            config_sha256: run.record.config_sha256.clone(),
            image: run.record.image.clone(),
        }
    }
}

fn claimant<'a>(run: &'a Run, begun: &'a Begun) -> Claimant<'a> {
    let attempt = &begun.attempt;
    Claimant { run: &attempt.run, generation: run.generation, item: &attempt.item, execution: None }
}

fn metadata(run: &Run, receipt: &Receipt) -> Metadata {
    let mut metadata = mark(run.generation, receipt);
    // Only the item can be long; it stands in the metadata already.
    let short = Receipt { item: contract::Item(String::new()), ..receipt.clone() };
    let json = serde_json::to_string(&short).ok().filter(|json| json.len() <= LONGEST);
    metadata.extend(json.map(|json| (Output::META_RECEIPT.to_owned(), json)));
    metadata
}

/// Uploads a body, which may be sent again.
pub(super) async fn upload(
    bucket: &Bucket,
    object: &str,
    body: &Body,
    metadata: Metadata,
    generation: i64,
) -> Result<Conditional> {
    Ok(match body {
        Body::Memory(bytes) => bucket.replace(object, bytes.clone(), metadata, generation).await?,
        Body::File(file) => {
            let mut file =
                tokio::fs::File::from_std(file.try_clone().context("cannot read from the scratch folder")?);
            tokio::io::AsyncSeekExt::rewind(&mut file)
                .await
                .context("cannot read from the scratch folder")?;
            bucket.replace(object, file, metadata, generation).await?
        }
    })
}

fn output(at: &ObjectAddress, stored: &Stored) -> Output {
    course::output(&at.to_string(), stored)
}
