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

#[tokio::test]
async fn joined_texts_and_replaced_patterns_are_bounded_and_no_more_often_than_they_must() {
    let case = |expression: &str| {
        Case::csv(&[("n", "int"), ("s", "string")], "n,s\n4,ab\n")
            .sql(&format!("SELECT {expression} AS y FROM input"))
    };
    for expression in [
        "length(repeat(s, 20000000) || repeat(s, 20000000))",
        "length(regexp_replace(repeat(s, 100000), 'A', repeat('b', 1000), 'gi'))",
        "length(regexp_replace(repeat(s, 1000000), '(.*)', '\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1\\1'))",
    ] {
        let error = case(expression).fails_for_good().await;
        assert!(error.contains("`memory` allows 64MiB"), "{expression}: {error}");
    }
    for (expression, answer) in [
        ("s || '-' || n", "ab-4"),
        ("s || NULL", "\"\""),
        ("length(regexp_replace(repeat(s, 100000), 'b$', repeat('b', 1000)))", "200999"),
        ("regexp_replace(s, '(a)(b)', '\\2\\1')", "ba"),
        ("regexp_replace('AbAb', 'a', 'x', 'gi')", "xbxb"),
        ("regexp_replace('aa', 'a', 'x')", "xa"),
    ] {
        assert_eq!(case(expression).makes().await, format!("y\n{answer}\n"), "{expression}");
    }
}

#[tokio::test]
async fn arithmetic_of_whole_numbers_is_right_or_an_error() {
    let case = |expression: &str| {
        let rows = format!("a,b,small\n{},2,100\n{},-1,-100\n", i64::MAX, i64::MIN);
        Case::csv(&[("a", "int"), ("b", "int"), ("small", "int8")], rows)
            .sql(&format!("SELECT {expression} AS y FROM input"))
    };
    for expression in [
        "a + b",
        "a + 1",
        "a - b * -1",
        "a * b",
        "-a",
        "a - 1",
        "small + small",
        "small * small",
        "9223372036854775807 + 1",
        "sum(a + b)",
        "max(b) + max(a)",
        "sum(small * small) OVER (ORDER BY b)",
        "CASE WHEN a * 2 > 0 THEN 1 END",
    ] {
        let error = case(expression).fails_for_good().await;
        assert!(error.contains("verflow"), "{expression}: {error}");
    }
    for (expression, answer) in [
        ("a / 2 + b", "4611686018427387905\n-4611686018427387905"),
        ("-b", "-2\n1"),
        ("CAST(a AS double) + b > 0", "true\nfalse"),
        ("CASE WHEN b > 0 THEN a - b ELSE a + 1 END", "9223372036854775805\n-9223372036854775807"),
        ("CAST(a AS decimal(38, 0)) * 2", "18446744073709551614\n-18446744073709551616"),
        ("small + CAST(small AS bigint)", "200\n-200"),
    ] {
        assert_eq!(case(expression).makes().await, format!("y\n{answer}\n"), "{expression}");
    }
    // Columns without a name of their own keep the engine's, in groups, orders and subqueries alike.
    let sql = "SELECT b + 1, count(*) AS n FROM input WHERE b + 1 > (SELECT min(b) - 1 FROM input) \
        GROUP BY b + 1 HAVING sum(b) + 1 > 0 ORDER BY b + 1";
    let grouped = Case::csv(&[("b", "int")], "b\n1\n1\n5\n").sql(sql);
    assert_eq!(grouped.makes().await, "input.b + Int64(1),n\n2,2\n6,1\n");
}

#[tokio::test]
async fn what_follows_is_distinct_from_is_not_swallowed_silently() {
    let case = |condition: &str| {
        Case::csv(&[("a", "int"), ("b", "int")], "a,b\n1,1\n1,2\n,\n")
            .sql(&format!("SELECT count(*) AS n FROM input WHERE {condition}"))
    };
    for swallowing in [
        "a IS NOT DISTINCT FROM b AND a = 1",
        "a IS DISTINCT FROM b OR a = 1",
        "b = 1 OR NOT a IS NOT DISTINCT FROM b AND a = 1",
        "a IS NOT DISTINCT FROM b IS NULL",
    ] {
        let refused = case(swallowing).refused().await;
        assert!(refused[0].message.contains("IS [NOT] DISTINCT FROM"), "{swallowing}: {refused:?}");
        assert!(refused[0].help[0].starts_with("write parentheses"), "{swallowing}: {refused:?}");
        assert!(refused[0].span.is_some(), "{swallowing}: {refused:?}");
    }
    for (condition, count) in [
        ("(a IS NOT DISTINCT FROM b) AND a = 1", 1),
        ("a = 1 AND a IS NOT DISTINCT FROM b", 1),
        ("a IS NOT DISTINCT FROM b", 2),
        ("a IS DISTINCT FROM b - 1", 1),
    ] {
        assert_eq!(case(condition).makes().await, format!("n\n{count}\n"), "{condition}");
    }
}
