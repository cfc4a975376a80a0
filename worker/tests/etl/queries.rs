//! Queries: what they may say, and what they answer.

use std::fmt::Write as _;

use worker::etl::{Etl, Host};
use worker::handler::HandlerError;

use crate::case::Case;

/// Rows of the columns `at`, counted from 0, and `x`.
fn numbers(rows: impl IntoIterator<Item = f64>) -> Case {
    let mut input = "at,x\n".to_owned();
    for (at, x) in rows.into_iter().enumerate() {
        writeln!(input, "{at},{x:?}").expect("memory");
    }
    Case::csv(&[("at", "int"), ("x", "double")], input)
}

#[tokio::test]
async fn an_output_without_rows_still_has_its_header() {
    assert_eq!(numbers([]).makes().await, "at,x\n");
    assert_eq!(numbers([1.0]).sql("SELECT x AS y FROM input WHERE x > 1").makes().await, "y\n");
}

#[tokio::test]
async fn an_item_is_a_value_in_a_query_and_never_part_of_its_text() {
    let item = "x'; DROP TABLE input; --";
    let case = numbers([1.0]).item(item).sql("SELECT $item AS item, length($item) AS n FROM input");
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
        let wrong = numbers([]).sql(sql).refused().await;
        assert_eq!(wrong.len(), 1, "{sql}: {wrong:?}");
        assert_eq!(wrong[0].field, "sql");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_pointed_at() {
    let sql = "SELECT at,\n  y FROM input";
    let wrong = &numbers([]).sql(sql).refused().await[0];
    let span = wrong.span.expect("a place");
    assert_eq!((&sql[span.offset..span.offset + span.length], span.line, span.column), ("y", 2, 3));
    let wrong = &numbers([]).sql("SELECT at x y FROM input").refused().await[0];
    assert_eq!(wrong.span.expect("a place").column, 13);
}

#[tokio::test]
async fn files_can_only_be_read_where_everything_is_local() {
    let wrong =
        Etl::prepare(&numbers([]).config, &Host::of_worker(None, worker::secrets::Secrets::default()))
            .await
            .expect_err("diagnostics");
    assert_eq!(wrong[0].field, "extract");
}

/// The column `y` of a sliding window over `x`.
async fn slide(rows: &[f64], expression: &str) -> Vec<Option<f64>> {
    let sql = format!("SELECT {expression} OVER (ORDER BY at ROWS 4 PRECEDING) AS y FROM input ORDER BY at");
    let output = numbers(rows.iter().copied()).sql(&sql).makes().await;
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
    assert_eq!(numbers([1.0]).sql(sql).makes().await, "y\nInt64\n");
}

#[tokio::test]
async fn a_join_key_is_not_lost_to_a_cross_join() {
    let sql = "SELECT a.at, g.k FROM input a CROSS JOIN (VALUES (1), (2)) AS g(k) \
        JOIN input b ON b.x = a.x AND b.at = a.at - g.k ORDER BY a.at, g.k";
    assert_eq!(numbers([5.0; 3]).sql(sql).makes().await, "at,k\n1,1\n2,1\n2,2\n");
}

#[tokio::test]
async fn a_query_larger_than_its_memory_spills() {
    // 40 MB of keys.
    let sql = "SELECT max(n) AS n FROM (SELECT row_number() OVER (ORDER BY lpad(x * k % 7919, 200)) AS n \
        FROM input CROSS JOIN generate_series(1, 100) AS g(k))";
    let case = numbers((0..2000).map(f64::from)).with(|config| config.memory = 32 << 20).sql(sql);
    assert_eq!(case.makes().await, "n\n200000\n");
}

#[tokio::test]
async fn a_query_that_would_run_for_hours_stops_when_it_is_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let case = numbers((0..3000).map(f64::from))
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
    let divided = numbers([1.0]).sql("SELECT at / at AS y FROM input");
    assert!(matches!(divided.fails().await, HandlerError::Permanent(_)));
    let rows = (0..50_000).map(f64::from);
    let starved =
        numbers(rows).with(|config| config.memory = 1 << 10).sql("SELECT x, at FROM input ORDER BY x");
    assert!(matches!(starved.fails().await, HandlerError::Retry(_)));
}
