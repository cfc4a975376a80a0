//! The fx example, all of it, against a second computation that shares nothing with the first.

#![allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "windows are short, and constants exact")]

use std::path::{Path, PathBuf};

use contract::{BadRows, ColumnType, EtlConfig};
use worker::etl::Etl;
use worker::handler::{Body, Product};

use crate::case::{bytes, host, process};

const SQL: &str = include_str!("../../../examples/fx/features.sql");

fn rates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/fx/rates")
}

async fn etl(extract: &str, load: &str) -> Etl {
    let mut config = EtlConfig::new(extract, load);
    config.schema = [("date", ColumnType::Date), ("rate", ColumnType::Double)]
        .map(|(name, kind)| (name.to_owned(), kind.into()))
        .into();
    config.bad_rows = BadRows::Drop;
    config.sql = Some(SQL.to_owned());
    config.memory = 64 << 20;
    Etl::prepare(&config, &host(&rates())).await.unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

fn text(product: &Product) -> &str {
    let Body::Memory(bytes) = &product.outputs[0].body else { panic!("a small output") };
    std::str::from_utf8(bytes).expect("text")
}

/// (date, rate), oldest first, and the number of rows without a rate.
fn observed(currency: &str) -> (Vec<(String, f64)>, u64) {
    let text = std::fs::read_to_string(rates().join(format!("{currency}.csv"))).expect("an input");
    let rows: Vec<&str> = text.lines().skip(1).collect();
    let mut rates: Vec<(String, f64)> = rows
        .iter()
        .filter_map(|row| row.split_once(','))
        .filter_map(|(date, rate)| Some((date.to_owned(), rate.trim().parse().ok()?)))
        .collect();
    rates.sort_by(|a, b| a.0.cmp(&b.0));
    let rejected = (rows.len() - rates.len()) as u64;
    (rates, rejected)
}

fn mean(values: &[f64]) -> f64 {
    // Deviations from the first value lose nothing where values are close together.
    values[0] + values.iter().map(|value| value - values[0]).sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

fn expected(rates: &[f64], at: usize) -> [Option<f64>; 6] {
    let last = |n: usize| &rates[(at + 1).saturating_sub(n)..=at];
    let returns: Vec<f64> = ((at + 1).saturating_sub(20)..=at)
        .filter(|at| *at > 0)
        .map(|at| rates[at] / rates[at - 1] - 1.0)
        .collect();
    let highest = rates[..=at].iter().copied().fold(f64::MIN, f64::max);
    let first_return = (at > 0).then(|| rates[at] / rates[at - 1] - 1.0);
    let constant = returns.windows(2).all(|pair| pair[0] == pair[1]);
    let volatility = deviation(&returns).map(|volatility| if constant { 0.0 } else { volatility });
    [
        Some(rates[at]),
        first_return,
        Some(mean(last(20))),
        Some(mean(last(50))),
        volatility,
        Some(rates[at] / highest - 1.0),
    ]
}

fn agree(have: Option<f64>, want: Option<f64>) -> bool {
    match (have, want) {
        (None, None) => true,
        (Some(have), Some(want)) => (have - want).abs() <= 1e-9 * want.abs(),
        _ => false,
    }
}

#[tokio::test]
async fn every_currency_comes_out_as_computed_by_hand() {
    let etl = etl("file:{item}.csv", "gs://data/features/{item}.csv").await;
    let items = include_str!("../../../examples/fx/items.txt");
    assert_eq!(items.lines().count(), 32);
    let (mut still, mut rejections) = (0, Vec::new());
    for currency in items.lines() {
        let product = process(&etl, currency).await.expect("a product");
        let (observed, rejected) = observed(currency);
        assert_eq!(product.rows_rejected, Some(rejected), "{currency}");
        assert_eq!(product.rows_out, Some(observed.len() as u64), "{currency}");
        rejections.push(rejected);

        let rates: Vec<f64> = observed.iter().map(|(_, rate)| *rate).collect();
        let mut lines = text(&product).lines();
        assert_eq!(lines.next(), Some("date,rate,return_1d,sma_20,sma_50,volatility_20,drawdown"));
        for (at, line) in lines.enumerate() {
            let mut fields = line.split(',');
            assert_eq!(fields.next(), Some(observed[at].0.as_str()), "{currency}");
            let want = expected(&rates, at);
            let have: Vec<Option<f64>> = fields.map(|field| field.parse().ok()).collect();
            for (column, (have, want)) in have.iter().zip(want).enumerate() {
                assert!(agree(*have, want), "{currency} {line} column {column}: {have:?} is not {want:?}");
            }
            still += usize::from(want[4] == Some(0.0));
        }
    }
    assert_eq!(rejections.iter().filter(|rejected| **rejected > 0).count(), 4, "BGN, HRK, ISK and RUB");
    assert!(still > 300, "pegged currencies have windows that do not move at all: {still}");
}

#[tokio::test]
async fn the_same_input_makes_the_same_bytes() {
    for ending in ["csv", "ndjson", "csv.gz", "csv.zst", "parquet"] {
        let mut made = Vec::new();
        for _ in 0..2 {
            let etl = etl("file:{item}.csv", &format!("gs://data/features/{{item}}.{ending}")).await;
            made.push(bytes(process(&etl, "DKK").await.expect("a product").outputs.remove(0)));
        }
        assert!(made[0].len() > 10_000 && made[0] == made[1], "{ending}");
    }
}
