//! Functions that could answer far more than any memory holds.

use crate::case::Case;

#[tokio::test]
async fn a_call_that_would_fill_the_memory_is_refused_before_it_does() {
    let case = |expression: &str| {
        Case::csv(&[("n", "int"), ("s", "string")], "n,s\n2000000000,aaaaaaaaaa\n")
            .sql(&format!("SELECT {expression} AS y FROM input"))
    };
    for expression in [
        "length(repeat(s, n))",
        "length(lpad(s, n))",
        "length(rpad(s, n, 'é'))",
        "length(replace(repeat(s, 100000), 'a', repeat('b', 1000)))",
        "length(concat(repeat(s, 4000000), repeat(s, 4000000)))",
        "length(concat_ws(',', repeat(s, 4000000), repeat(s, 4000000)))",
        "cardinality(array_repeat(s, n))",
        "cardinality(list_repeat(n, n))",
        "cardinality(array_resize(make_array(n), n))",
        "cardinality(range(n))",
        "cardinality(range(n, 0, -1))",
        "cardinality(generate_series(-n, n, 2))",
        "cardinality(range(DATE '0001-01-01', DATE '9999-01-01', INTERVAL '1 second'))",
    ] {
        let error = case(expression).fails_for_good().await;
        assert!(error.contains("`memory` allows 64MiB"), "{expression}: {error}");
    }
    let constant = case("length(repeat('x', 2000000000))").fails_for_good().await;
    assert!(constant.contains("`repeat` would make 2000000000 bytes"), "{constant}");
}

#[tokio::test]
async fn calls_that_are_not_too_large_answer_as_ever() {
    let sql = "SELECT repeat(s, 2) AS a, lpad(s, 4, '-') AS b, rpad(s, 3) || '|' AS c, replace(s, 'b', 'xx') AS d, \
        concat(s, n, NULL) AS e, concat_ws('-', s, s) AS f, array_to_string(array_repeat(n, 2), ' ') AS g, \
        array_to_string(range(1, n), ' ') AS h, cardinality(array_resize(make_array(n), 3)) AS i, \
        cardinality(range(DATE '2026-01-01', DATE '2026-02-01', INTERVAL '1 day')) AS j FROM input";
    let case = Case::csv(&[("n", "int"), ("s", "string")], "n,s\n4,ab\n").sql(sql);
    assert_eq!(case.makes().await, "a,b,c,d,e,f,g,h,i,j\nabab,--ab,ab |,axx,ab4,ab-ab,4 4,1 2 3,3,31\n");
}
