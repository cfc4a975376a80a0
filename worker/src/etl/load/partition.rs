//! Divides rows by the columns that the outputs' name mentions.

use std::collections::BTreeMap;

use contract::Item;
use datafusion::arrow::array::{Array, ArrayRef, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;

use super::writer::{Form, Output};
use crate::etl::address::ObjectTemplate;
use crate::handler::{Artifact, HandlerError, ObjectAddress, permanent};

/// Most outputs of one item: all of them are open until the last row has come.
const MOST: usize = 256;

/// All outputs of one item in the making.
pub(in crate::etl) struct Outputs<'a> {
    template: &'a ObjectTemplate,
    item: &'a Item,
    form: Form,
    schema: SchemaRef,
    /// By the values of the partition's columns, as they stand in its name.
    open: BTreeMap<Vec<String>, (ObjectAddress, Output)>,
    rows: u64,
}

impl<'a> Outputs<'a> {
    pub(in crate::etl) fn new(
        template: &'a ObjectTemplate,
        item: &'a Item,
        form: Form,
        schema: SchemaRef,
    ) -> Result<Self, HandlerError> {
        let mut outputs = Self { template, item, form, schema, open: BTreeMap::new(), rows: 0 };
        if template.columns().next().is_none() {
            outputs.output(&[])?;
        }
        Ok(outputs)
    }

    pub(in crate::etl) fn push(&mut self, batch: &RecordBatch) -> Result<(), HandlerError> {
        self.rows += batch.num_rows() as u64;
        if self.template.columns().next().is_none() {
            return Ok(self.output(&[])?.push(batch)?);
        }
        for (values, rows) in self.divided(batch)? {
            let part = take_record_batch(batch, &UInt32Array::from(rows)).map_err(anyhow::Error::from)?;
            self.output(&values)?.push(&part)?;
        }
        Ok(())
    }

    /// The outputs, and the number of rows in all of them.
    pub(in crate::etl) fn finish(self) -> Result<(Vec<Artifact>, u64), HandlerError> {
        let outputs =
            self.open.into_values().map(|(address, output)| Ok(Artifact { address, body: output.finish()? }));
        Ok((outputs.collect::<anyhow::Result<_>>()?, self.rows))
    }

    /// The rows of each partition.
    fn divided(&self, batch: &RecordBatch) -> Result<BTreeMap<Vec<String>, Vec<u32>>, HandlerError> {
        let columns = self.template.columns().map(|name| {
            batch
                .column_by_name(name)
                .ok_or_else(|| permanent!("the output has no column `{name}` to divide it by"))
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let mut parts: BTreeMap<Vec<String>, Vec<u32>> = BTreeMap::new();
        for row in 0..u32::try_from(batch.num_rows()).unwrap_or(u32::MAX) {
            let values = columns.iter().map(|column| name_of(column, row as usize)).collect();
            parts.entry(values).or_default().push(row);
        }
        Ok(parts)
    }

    fn output(&mut self, values: &[String]) -> Result<&mut Output, HandlerError> {
        if !self.open.contains_key(values) {
            if self.open.len() == MOST {
                return Err(permanent!("the output has more than {MOST} partitions; divide it less finely"));
            }
            let address = self.template.fill_all(self.item, values)?;
            if self.open.values().any(|(taken, _)| *taken == address) {
                return Err(permanent!(
                    "two partitions would both be {address}; put `/` between the columns of `load`"
                ));
            }
            let shares = if values.is_empty() { 1 } else { MOST };
            let output = Output::new(self.form, &self.schema, shares)?;
            self.open.insert(values.to_vec(), (address, output));
        }
        // It has just been put there, if it was not there before.
        let found = self.open.get_mut(values).map(|(_, output)| output);
        found.ok_or_else(|| permanent!("a partition was lost"))
    }
}

/// A value's spelling in an object's name: hostile, so encoded as an item is, in one segment. What
/// stands for null and for the empty text no value is spelled as.
fn name_of(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "~null".to_owned();
    }
    let text = array_value_to_string(column, row).unwrap_or_default();
    if text.is_empty() { "~empty".to_owned() } else { Item(text).record_name() }
}
