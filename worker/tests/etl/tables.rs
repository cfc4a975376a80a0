//! Tables beside the input.

use contract::TableConfig;

use crate::case::{Case, host, process};
use worker::etl::Etl;

fn table(json: &str) -> TableConfig {
    serde_json::from_str(json).expect("a table")
}

fn case() -> Case {
    let codes =
        r#"{"from": "file:codes.ndjson", "schema": {"code": "string", "name": "string"}, "nulls": ["-"]}"#;
    Case::csv(&[("code", "string"), ("x", "int")], "code,x\nUSD,1\nEUR,2\nXXX,3\n")
        .file("codes.ndjson", "{\"code\":\"USD\",\"name\":\"dollar\"}\n{\"code\":\"EUR\",\"name\":\"-\"}\n")
        .with(|config| drop(config.tables.insert("codes".to_owned(), table(codes))))
        .sql("SELECT x, name FROM input JOIN codes USING (code) ORDER BY x")
}

#[tokio::test]
async fn a_query_joins_the_input_to_a_table() {
    let product = case().product().await;
    let uris: Vec<&str> = product.inputs.iter().map(|input| input.uri.as_str()).collect();
    assert_eq!(uris, ["file:in.csv", "file:codes.ndjson"]);
    assert!(product.inputs.iter().all(|input| input.crc32c.is_some() && input.size.is_some()));
    assert_eq!(case().makes().await, "x,name\n1,dollar\n2,\n");
}

#[tokio::test]
async fn a_table_is_read_once_for_all_items() {
    let folder = tempfile::tempdir().expect("a folder");
    let case = case();
    case.try_run(folder.path()).await.expect("a product");
    let etl = Etl::prepare(&case.config, &host(folder.path())).await.expect("an engine");
    process(&etl, "a").await.expect("a product");
    // Were it read again, it would not be found.
    std::fs::remove_file(folder.path().join("codes.ndjson")).expect("the table");
    let product = process(&etl, "b").await.expect("a product");
    assert_eq!(product.rows_out, Some(2));
}

#[tokio::test]
async fn what_is_wrong_with_a_table_names_it() {
    let missing = case().with(|config| {
        config.tables.insert(
            "codes".to_owned(),
            table(r#"{"from": "file:no.csv", "schema": {"code": "string", "name": "string"}}"#),
        );
    });
    assert!(missing.fails_for_good().await.starts_with("cannot open the table file:no.csv"));
    let bad = case().file("codes.ndjson", "{\"code\":7}\n");
    assert_eq!(bad.fails_for_good().await, "table `codes`: line 1: column `code`: `7` is not text in UTF-8");
    let other = case().sql("SELECT * FROM other").refused().await;
    assert_eq!(other[0].field, "sql");
}
