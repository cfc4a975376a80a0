//! What goes in, in every format, and what comes out.

use std::io::Write;

use contract::{Compression, Format};
use flate2::write::GzEncoder;

use crate::case::Case;

const TYPES: &[(&str, &str)] = &[
    ("b", "bool"),
    ("c", "decimal(9,2)"),
    ("d", "date"),
    ("f", "double"),
    ("h", "time"),
    ("i", "int"),
    ("j", "int16"),
    ("s", "string"),
    ("t", "timestamp"),
];

const CSV: &str = "b,c,d,f,h,i,j,s,t\n\
    true,1234567.89,2026-01-31,1e-7,08:00:00.500,-9,-32768,\"a,\"\"b\"\"\nc\",2026-01-31T07:00:00.500Z\n\
    ,,,,,,,,\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

#[tokio::test]
async fn every_type_goes_through_every_format_and_comes_back() {
    for ending in ["csv", "csv.gz", "csv.zst", "ndjson", "jsonl.gz", "ndjson.zst", "parquet"] {
        let there = Case::csv(TYPES, CSV).load(&format!("gs://data/{{item}}.{ending}")).bytes().await;
        let back = Case::of(&format!("in.{ending}"), TYPES, there).makes().await;
        assert_eq!(back, CSV.replace("0,,,,,,,,\n", ",,,,,,,,\n"), "{ending}");
    }
}

#[tokio::test]
async fn offsets_of_timestamps_are_honoured_and_local_times_need_a_zone() {
    let input = "t\n2026-01-31T08:00:00+01:00\n2026-07-01 00:00:00\n";
    let error = Case::csv(&[("t", "timestamp")], input).fails_for_good().await;
    assert_eq!(
        error,
        "line 3: column `t`: `2026-07-01 00:00:00` is not an instant such as 2026-01-31T08:00:00Z (with `zone` in its column, one without an offset)"
    );
    let declared = Case::csv(&[("t", "timestamp")], input)
        .column("t", |column| column.zone = Some("America/New_York".to_owned()));
    assert_eq!(declared.makes().await, "t\n2026-01-31T07:00:00Z\n2026-07-01T04:00:00Z\n");
}

#[tokio::test]
async fn a_name_that_tells_nothing_is_helped_by_keys() {
    let case = Case::of("download", &[("a", "int")], gzip(b"{\"a\":1}\n")).with(|config| {
        config.format = Some(Format::Ndjson);
        config.compression = Some(Compression::Gzip);
        config.load = "gs://data/{item}".to_owned();
        config.load_format = Some(Format::Csv);
    });
    assert_eq!(case.makes().await, "a\n1\n");
}

#[tokio::test]
async fn members_of_gzip_are_one_input() {
    let members = [gzip(b"a\n1\n"), gzip(b"2\n")].concat();
    assert_eq!(Case::of("in.csv.gz", &[("a", "int")], members).makes().await, "a\n1\n2\n");
}

#[tokio::test]
async fn a_few_bytes_that_unpack_to_very_many_are_refused() {
    let rows = "a\n".to_owned() + &"1\n".repeat(8 << 20);
    for (name, bomb) in [
        ("in.csv.gz", gzip(rows.as_bytes())),
        ("in.csv.zst", zstd::encode_all(rows.as_bytes(), 3).expect("memory")),
        ("in.parquet.gz", gzip(&vec![0; 16 << 20])),
    ] {
        let case = Case::of(name, &[("a", "int")], bomb).with(|config| config.max_input = 1 << 20);
        let error = case.fails_for_good().await;
        assert_eq!(error, "the input is larger than 1MiB as unpacked; `max_input` is the bound", "{name}");
    }
}

#[tokio::test]
async fn what_is_not_what_it_is_called_says_so() {
    let packed = gzip(b"a\n1\n");
    let utf16 = "a\n1\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let with_mark = [b"\xFF\xFE".to_vec(), utf16.clone()].concat();
    for (name, input, said) in [
        ("in.csv.gz", b"a\n1\n".to_vec(), "the input is not whole and sound gzip: "),
        ("in.csv.gz", packed[..packed.len() - 9].to_vec(), "the input is not whole and sound gzip: "),
        ("in.csv.zst", packed.clone(), "the input is not whole and sound zstd: "),
        ("in.csv", packed, "the input is gzip, though its name does not say so"),
        ("in.ndjson", b"PAR1".to_vec(), "the input is Parquet, though its name does not say so"),
        ("in.csv", with_mark, "the input is UTF-16, not UTF-8; convert it first"),
        ("in.csv", utf16, "the input is not text in UTF-8 but binary, or UTF-16"),
        ("in.parquet", b"a\n1\n".to_vec(), "the input is not Parquet: "),
        ("in.csv", b"a\n\xe9\n".to_vec(), "line 2: column `a`: `\u{fffd}` is not text in UTF-8; other"),
    ] {
        let error = Case::of(name, &[("a", "string")], input).fails_for_good().await;
        assert!(error.starts_with(said), "{name}: {error}");
    }
}

#[tokio::test]
async fn keys_of_json_are_found_by_name() {
    let input =
        "\u{feff}{\"a\": 1, \"x\": {\"a\": 2}, \"s\": \"\\u00e9\\n\"}\n\n{\"s\": null}\r\n{\"a\": \"3\"}";
    let case = Case::of("in.ndjson", &[("a", "int"), ("s", "string")], input);
    assert_eq!(case.makes().await, "a,s\n1,\"é\n\"\n,\n3,\n");
}

#[tokio::test]
async fn rows_that_are_no_objects_do_not_fit() {
    for (line, said) in [
        ("[1]", "line 1: it is not a JSON object: invalid type: sequence, expected an object"),
        ("{\"a\":1", "line 1: it is not a JSON object: EOF"),
        ("{\"a\":1}{\"a\":2}", "line 1: it is not a JSON object: trailing"),
        ("{\"a\":1,\"a\":2}", "line 1: it is not a JSON object: a key stands in it twice"),
        ("{\"a\":1.5}", "line 1: column `a`: `1.5` is not a whole number of 64 bits"),
        ("{\"a\":{\"b\":1}}", "line 1: column `a`: `{\\\"b\\\":1}` is not a whole number of 64 bits"),
        ("{\"a\":true}", "line 1: column `a`: `true` is not a whole number of 64 bits"),
        ("\u{1}", "line 1: it is not a JSON object: expected value"),
    ] {
        let error = Case::of("in.ndjson", &[("a", "int")], line).fails_for_good().await;
        assert!(error.starts_with(said), "{error}");
    }
}

#[tokio::test]
async fn parquet_is_cast_only_where_nothing_is_lost() {
    let doubles =
        Case::csv(&[("x", "double")], "x\n1.0\n2.5\n").load("gs://data/{item}.parquet").bytes().await;
    let as_int = Case::of("in.parquet", &[("x", "int")], doubles.clone());
    assert_eq!(as_int.fails_for_good().await, "line 2: column `x`: `2.5` is not a whole number of 64 bits");
    let as_decimal = Case::of("in.parquet", &[("x", "decimal(3,1)")], doubles.clone());
    assert_eq!(as_decimal.makes().await, "x\n1.0\n2.5\n");
    let as_date = Case::of("in.parquet", &[("x", "date")], doubles.clone());
    assert_eq!(as_date.fails_for_good().await, "column `x` is Float64 in the input, not date");
    let missing = Case::of("in.parquet", &[("y", "int")], doubles.clone());
    assert_eq!(missing.fails_for_good().await, "the input has no column `y`");
    assert_eq!(Case::of("in.parquet", &[], doubles).makes().await, "x\n1.0\n2.5\n");
    let text = Case::csv(&[("x", "string")], "x\n2026-01-31\nsoon\n").load("gs://data/{item}.parquet");
    let as_date = Case::of("in.parquet", &[("x", "date")], text.bytes().await);
    assert_eq!(as_date.fails_for_good().await, "line 2: column `x`: `soon` is not a day such as 2026-01-31");
}

#[tokio::test]
async fn rules_hold_for_every_format() {
    let rows = "x\n1\n7\n";
    for ending in ["csv", "ndjson", "parquet"] {
        let input =
            Case::csv(&[("x", "int")], rows).load(&format!("gs://data/{{item}}.{ending}")).bytes().await;
        let case = Case::of(&format!("in.{ending}"), &[("x", "int")], input)
            .column("x", |x| x.max = Some(contract::Literal("5".to_owned())));
        let error = case.fails_for_good().await;
        assert!(error.ends_with("column `x`: `7` is more than the most, 5"), "{error}");
    }
}

#[tokio::test]
async fn parquet_is_packed_as_asked() {
    let rows = "x\n".to_owned() + &"1234567\n".repeat(10_000);
    let mut sizes = Vec::new();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let case = Case::csv(&[("x", "string")], rows.clone())
            .sql("SELECT x || cast(row_number() OVER () AS VARCHAR) AS x FROM input")
            .load("gs://data/{item}.parquet")
            .with(|config| config.load_compression = Some(compression));
        let bytes = case.bytes().await;
        sizes.push(bytes.len());
        assert_eq!(Case::of("in.parquet", &[], bytes).product().await.rows_out, Some(10_000));
    }
    assert!(sizes[0] > sizes[1] && sizes[0] > sizes[2], "{sizes:?}");
}
