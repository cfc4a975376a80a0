//! The engine as a user's configuration reaches it.

#![allow(clippy::expect_used, reason = "a test that cannot go on says so")]

use std::fmt::Write as _;
use std::path::Path;

use clients::{Bucket, Target};
use contract::{BadRows, ColumnType, EtlConfig, Item};
use worker::etl::{Diagnostic, Etl};
use worker::handler::{Body, Handler, HandlerError, Product, Work};

/// One run of the engine over one input.
struct Case {
    config: EtlConfig,
    input: String,
    item: String,
}

impl Case {
    fn new(schema: &[(&str, ColumnType)], input: &str) -> Self {
        let config = EtlConfig {
            extract: "file:in.csv".to_owned(),
            schema: schema.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
            bad_rows: BadRows::Fail,
            sql: None,
            load: "gs://data/{item}.csv".to_owned(),
            memory: 64 << 20,
        };
        Self { config, input: input.to_owned(), item: "x".to_owned() }
    }

    fn numbers(rows: impl IntoIterator<Item = f64>) -> Self {
        let mut input = "at,x\n".to_owned();
        for (at, x) in rows.into_iter().enumerate() {
            writeln!(input, "{at},{x:?}").expect("memory");
        }
        Self::new(&[("at", ColumnType::Int), ("x", ColumnType::Double)], &input)
    }

    fn sql(mut self, sql: &str) -> Self {
        self.config.sql = Some(sql.to_owned());
        self
    }

    fn item(mut self, item: &str) -> Self {
        item.clone_into(&mut self.item);
        self
    }

    fn memory(mut self, bytes: u64) -> Self {
        self.config.memory = bytes;
        self
    }

    async fn refused(&self) -> Vec<Diagnostic> {
        Etl::prepare(&self.config, Some(".".into())).await.err().expect("diagnostics")
    }

    async fn try_run(&self, folder: &Path) -> Result<Product, HandlerError> {
        std::fs::write(folder.join("in.csv"), &self.input).expect("room");
        let etl = Etl::prepare(&self.config, Some(folder.to_owned())).await;
        let etl = etl.unwrap_or_else(|wrong| panic!("{wrong:?}"));
        // Inputs of `file:` never touch the storage service: nothing listens there.
        let storage = Target::anonymous("http://127.0.0.1:9").storage().await.expect("clients");
        let storage = Bucket::new(storage, "none");
        let item = Item(self.item.clone());
        etl.process(Work { item: &item, storage: &storage, stage: &|_| {} }).await
    }

    async fn makes(&self) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let product = self.try_run(folder.path()).await.unwrap_or_else(|error| panic!("{error}"));
        let mut text = Vec::new();
        match product.body {
            Body::Memory(bytes) => text.extend_from_slice(&bytes),
            Body::File(mut file) => drop(std::io::copy(&mut file, &mut text)),
        }
        String::from_utf8(text).expect("text")
    }

    async fn fails(&self) -> HandlerError {
        let folder = tempfile::tempdir().expect("a folder");
        self.try_run(folder.path()).await.expect_err("an error")
    }
}

const TYPES: &[(&str, ColumnType)] = &[
    ("b", ColumnType::Bool),
    ("d", ColumnType::Date),
    ("f", ColumnType::Double),
    ("i", ColumnType::Int),
    ("s", ColumnType::String),
    ("t", ColumnType::Timestamp),
];

#[tokio::test]
async fn every_type_goes_in_and_comes_out_as_text_that_reads_back() {
    let input = "t,s,i,f,d,b\n\
        2026-01-31T08:00:00.5+01:00,\"a,\"\"b\"\"\nc\",-9,1e-7,2026-01-31,true\n\
        ,,,,,\n";
    let output = "b,d,f,i,s,t\n\
        true,2026-01-31,1e-7,-9,\"a,\"\"b\"\"\nc\",2026-01-31T07:00:00.500Z\n\
        ,,,,,\n";
    assert_eq!(Case::new(TYPES, input).makes().await, output);
}

#[tokio::test]
async fn an_output_without_rows_still_has_its_header() {
    assert_eq!(Case::numbers([]).makes().await, "at,x\n");
    assert_eq!(Case::numbers([1.0]).sql("SELECT x AS y FROM input WHERE x > 1").makes().await, "y\n");
}

#[tokio::test]
async fn an_item_is_a_value_in_a_query_and_never_part_of_its_text() {
    let item = "x'; DROP TABLE input; --";
    let case = Case::numbers([1.0]).item(item).sql("SELECT $item AS item, length($item) AS n FROM input");
    assert_eq!(case.makes().await, format!("item,n\n{item},{}\n", item.len()));
}

#[tokio::test]
async fn a_query_is_one_select_over_the_input() {
    for sql in [
        "DROP TABLE input",
        "CREATE TABLE t AS SELECT 1",
        "SELECT * INTO t FROM input",
        "INSERT INTO input SELECT * FROM input",
        "COPY input TO 'out.csv'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "SET datafusion.execution.target_partitions = 9",
        "EXPLAIN SELECT 1",
        "SELECT 1; SELECT 2",
        "",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM read_csv('/etc/passwd')",
        "WITH w AS (INSERT INTO input VALUES (1, 2)) SELECT 1",
        "SELECT $other FROM input",
        "SELECT $1 FROM input",
    ] {
        let wrong = Case::numbers([]).sql(sql).refused().await;
        assert_eq!(wrong.len(), 1, "{sql}: {wrong:?}");
        assert_eq!(wrong[0].field, "sql");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_pointed_at() {
    let sql = "SELECT at,\n  y FROM input";
    let wrong = &Case::numbers([]).sql(sql).refused().await[0];
    let span = wrong.span.expect("a place");
    assert_eq!((&sql[span.offset..span.offset + span.length], span.line, span.column), ("y", 2, 3));
    let wrong = &Case::numbers([]).sql("SELECT at x y FROM input").refused().await[0];
    assert_eq!(wrong.span.expect("a place").column, 13);
}

#[tokio::test]
async fn everything_wrong_with_a_configuration_is_said_at_once() {
    let mut case = Case::numbers([]).sql("SELEC");
    case.config.extract = "ftp://x".to_owned();
    case.config.load = "gs://data/out.txt".to_owned();
    let fields: Vec<_> = case.refused().await.iter().map(|wrong| wrong.field).collect();
    assert_eq!(fields, ["extract", "load", "load", "sql"]);
}

#[tokio::test]
async fn files_can_only_be_read_where_everything_is_local() {
    let wrong = Etl::prepare(&Case::numbers([]).config, None).await.err().expect("diagnostics");
    assert_eq!(wrong[0].field, "extract");
}

/// The column `y` of a sliding window over `x`.
async fn slide(rows: &[f64], expression: &str) -> Vec<Option<f64>> {
    let sql = format!("SELECT {expression} OVER (ORDER BY at ROWS 4 PRECEDING) AS y FROM input ORDER BY at");
    let output = Case::numbers(rows.iter().copied()).sql(&sql).makes().await;
    output.lines().skip(1).map(|field| field.parse().ok()).collect()
}

#[tokio::test]
async fn sliding_windows_are_right_whatever_came_before() {
    // A ripple on 1e9, a spike, and then nothing but one value.
    let mut rows: Vec<f64> = (0..40).map(|at| 1e9 + f64::from(at * 7 % 5) / 1024.0).collect();
    rows[20] = 1e15;
    rows.extend([7.4603; 20]);
    for (function, constant) in [
        ("avg(x)", Some(7.4603)),
        ("mean(x)", Some(7.4603)),
        ("sum(x)", Some(37.3015)),
        ("var(x)", Some(0.0)),
        ("var_samp(x)", Some(0.0)),
        ("var_pop(x)", Some(0.0)),
        ("stddev(x)", Some(0.0)),
        ("stddev_pop(x)", Some(0.0)),
        ("covar_samp(x, at)", Some(0.0)),
        ("corr(x, at)", None),
        ("regr_slope(x, at)", Some(0.0)),
    ] {
        let last = *slide(&rows, function).await.last().expect("rows");
        match (last, constant) {
            (Some(last), Some(constant)) => assert!((last - constant).abs() < 1e-14, "{function}: {last:e}"),
            (last, constant) => assert_eq!(last, constant, "{function}"),
        }
    }
    // 0, 7, 14, 21, 28 mod 5 are 0, 2, 4, 1, 3: in every window a permutation, variance 2.5.
    let variances = slide(&rows, "var(x)").await;
    for at in (4..20).chain(25..40) {
        let variance = variances[at].expect("a variance") * 1024.0 * 1024.0;
        assert!((variance - 2.5).abs() < 2.5e-12, "{at}: {variance}");
    }
    assert_eq!(variances[0], None);
}

#[tokio::test]
async fn sliding_sums_of_whole_numbers_stay_whole() {
    let sums = slide(&[1.0; 6], "sum(at)").await;
    assert_eq!(sums.last(), Some(&Some(15.0)));
    let sql = "SELECT arrow_typeof(sum(at) OVER (ORDER BY at ROWS 4 PRECEDING)) AS y FROM input";
    assert_eq!(Case::numbers([1.0]).sql(sql).makes().await, "y\nInt64\n");
}

#[tokio::test]
async fn a_join_key_is_not_lost_to_a_cross_join() {
    let sql = "SELECT a.at, g.k FROM input a CROSS JOIN (VALUES (1), (2)) AS g(k) \
        JOIN input b ON b.x = a.x AND b.at = a.at - g.k ORDER BY a.at, g.k";
    assert_eq!(Case::numbers([5.0; 3]).sql(sql).makes().await, "at,k\n1,1\n2,1\n2,2\n");
}

#[tokio::test]
async fn a_query_larger_than_its_memory_spills() {
    // 40 MB of keys.
    let sql = "SELECT max(n) AS n FROM (SELECT row_number() OVER (ORDER BY lpad(x * k % 7919, 200)) AS n \
        FROM input CROSS JOIN generate_series(1, 100) AS g(k))";
    let case = Case::numbers((0..2000).map(f64::from)).memory(32 << 20).sql(sql);
    assert_eq!(case.makes().await, "n\n200000\n");
}

#[tokio::test]
async fn a_query_that_would_run_for_hours_stops_when_it_is_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let case = Case::numbers((0..3000).map(f64::from))
        .sql("SELECT count(*) AS n FROM input a, input b, input c WHERE a.x + b.x > c.x");
    let computing = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("procfs").flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim() == "compute").count()
    };
    let limit = std::time::Duration::from_secs(1);
    assert!(tokio::time::timeout(limit, case.try_run(folder.path())).await.is_err());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while computing() > 0 {
        assert!(std::time::Instant::now() < deadline, "it is still computing");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn errors_of_data_are_permanent_and_errors_of_the_machine_are_not() {
    let divided = Case::numbers([1.0]).sql("SELECT at / at AS y FROM input");
    assert!(matches!(divided.fails().await, HandlerError::Permanent(_)));
    let rows = (0..50_000).map(f64::from);
    let starved = Case::numbers(rows).memory(1 << 10).sql("SELECT x, at FROM input ORDER BY x");
    assert!(matches!(starved.fails().await, HandlerError::Retry(_)));
}

#[tokio::test]
async fn parquet_goes_in_as_it_came_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut case = Case::numbers([1.5, -2.0]);
    case.config.load = "gs://data/{item}.parquet".to_owned();
    let Body::Memory(bytes) = case.try_run(folder.path()).await.expect("a product").body else {
        panic!("a small output")
    };
    std::fs::write(folder.path().join("x.parquet"), bytes).expect("room");
    for declared in [true, false] {
        let mut case = Case::numbers([]).sql("SELECT x, at FROM input ORDER BY at");
        case.config.extract = "file:{item}.parquet".to_owned();
        if !declared {
            case.config.schema.clear();
        }
        let product = case.try_run(folder.path()).await.expect("a product");
        let Body::Memory(bytes) = product.body else { panic!("a small output") };
        assert_eq!(&bytes[..], b"x,at\n1.5,0\n-2.0,1\n");
        assert_eq!((product.rows_in, product.rows_out), (Some(2), Some(2)));
    }
}
