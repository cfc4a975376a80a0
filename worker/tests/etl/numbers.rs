//! Aggregates against exact arithmetic: over everything, in groups, and in sliding windows.

#![allow(clippy::print_stderr, reason = "tests tell their figures")]

use std::fmt::Write as _;

use num_bigint::BigInt;

use crate::case::Case;

/// Every value is a whole number of these: sums, squares and products of them are exact.
const UNIT_BITS: i32 = 60;
/// Rows of a sliding window.
const WIDTH: usize = 20;
const GROUPS: usize = 3;

/// A function of exact sums.
type Exact = fn(&Sums) -> Option<f64>;

/// The functions, with all of their names, and what they are exactly.
const FUNCTIONS: [(&str, Exact); 24] = [
    ("sum(x)", |s| s.some(0, ratio(&s.x, &unit(1)))),
    ("sum(x + (-1000000000.0))", |s| s.some(0, ratio(&(&s.x - &s.n * units(1e9)), &unit(1)))),
    ("avg(x)", |s| s.some(0, ratio(&s.x, &(&s.n * unit(1))))),
    ("mean(x)", |s| s.some(0, ratio(&s.x, &(&s.n * unit(1))))),
    ("var(x)", |s| s.variance(1)),
    ("var_samp(x)", |s| s.variance(1)),
    ("var_sample(x)", |s| s.variance(1)),
    ("variance(x)", |s| s.variance(1)),
    ("var_pop(x)", |s| s.variance(0)),
    ("var_population(x)", |s| s.variance(0)),
    ("stddev(x)", |s| s.variance(1).map(f64::sqrt)),
    ("stddev_samp(x)", |s| s.variance(1).map(f64::sqrt)),
    ("stddev_pop(x)", |s| s.variance(0).map(f64::sqrt)),
    ("covar(y, x)", |s| s.covariance(1)),
    ("covar_samp(y, x)", |s| s.covariance(1)),
    ("covar_pop(y, x)", |s| s.covariance(0)),
    ("corr(y, x)", |s| s.square_of_correlation().map(|square| s.sign() * square.sqrt())),
    ("regr_r2(y, x)", Sums::square_of_correlation),
    ("regr_slope(y, x)", |s| s.varies(&s.sxx(), ratio(&s.sxy(), &s.sxx()))),
    ("regr_intercept(y, x)", |s| {
        s.varies(&s.sxx(), ratio(&(&s.y * s.sxx() - s.sxy() * &s.x), &(s.sxx() * &s.n * unit(1))))
    }),
    ("regr_avgx(y, x)", |s| s.some(0, ratio(&s.x, &(&s.n * unit(1))))),
    ("regr_sxx(y, x)", |s| s.some(0, ratio(&s.sxx(), &(&s.n * unit(2))))),
    ("regr_syy(y, x)", |s| s.some(0, ratio(&s.syy(), &(&s.n * unit(2))))),
    ("regr_sxy(y, x)", |s| s.some(0, ratio(&s.sxy(), &(&s.n * unit(2))))),
];

/// Exact sums over some rows, in units.
#[derive(Default)]
struct Sums {
    count: usize,
    n: BigInt,
    x: BigInt,
    y: BigInt,
    xx: BigInt,
    yy: BigInt,
    xy: BigInt,
}

impl Sums {
    fn of(rows: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut sums = Self::default();
        for (x, y) in rows {
            let (x, y) = (units(x), units(y));
            sums.count += 1;
            sums.n += 1;
            sums.xx += &x * &x;
            sums.yy += &y * &y;
            sums.xy += &x * &y;
            sums.x += x;
            sums.y += y;
        }
        sums
    }

    /// n times the sum of squared deviations.
    fn sxx(&self) -> BigInt {
        &self.n * &self.xx - &self.x * &self.x
    }

    fn syy(&self) -> BigInt {
        &self.n * &self.yy - &self.y * &self.y
    }

    fn sxy(&self) -> BigInt {
        &self.n * &self.xy - &self.x * &self.y
    }

    fn some(&self, given_away: usize, value: f64) -> Option<f64> {
        (self.count > given_away).then_some(value)
    }

    fn varies(&self, squares: &BigInt, value: f64) -> Option<f64> {
        (self.count > 1 && *squares != BigInt::ZERO).then_some(value)
    }

    fn variance(&self, given_away: usize) -> Option<f64> {
        let degrees = BigInt::from(self.count.saturating_sub(given_away));
        self.some(given_away, ratio(&self.sxx(), &(&self.n * degrees * unit(2))))
    }

    fn covariance(&self, given_away: usize) -> Option<f64> {
        let degrees = BigInt::from(self.count.saturating_sub(given_away));
        self.some(given_away, ratio(&self.sxy(), &(&self.n * degrees * unit(2))))
    }

    fn square_of_correlation(&self) -> Option<f64> {
        let (up, down) = (self.sxy() * self.sxy(), self.sxx() * self.syy());
        self.varies(&down, ratio(&up, &down))
    }

    fn sign(&self) -> f64 {
        if self.sxy() < BigInt::ZERO { -1.0 } else { 1.0 }
    }
}

/// A value in units.
fn units(value: f64) -> BigInt {
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 52 & 0x7ff).expect("eleven bits") - 1075;
    let sign: i64 = if value < 0.0 { -1 } else { 1 };
    let mantissa = BigInt::from(bits & ((1_u64 << 52) - 1) | (1 << 52)) * sign;
    let shift = exponent + UNIT_BITS;
    if value == 0.0 {
        return BigInt::ZERO;
    }
    assert!(shift >= 0 || mantissa.trailing_zeros() >= Some(u64::from(shift.unsigned_abs())), "{value}");
    if shift < 0 { mantissa >> shift.unsigned_abs() } else { mantissa << shift }
}

/// One, in this power of units.
fn unit(power: u32) -> BigInt {
    BigInt::from(1) << (UNIT_BITS.unsigned_abs() * power)
}

/// The quotient, to 80 bits and then rounded.
fn ratio(up: &BigInt, down: &BigInt) -> f64 {
    if *down == BigInt::ZERO || *up == BigInt::ZERO {
        return 0.0;
    }
    let shift = 80 + i64::try_from(down.bits()).expect("bits") - i64::try_from(up.bits()).expect("bits");
    let quotient =
        if shift < 0 { up / (down << shift.unsigned_abs()) } else { (up << shift.unsigned_abs()) / down };
    let quotient: f64 = quotient.to_string().parse().expect("a number");
    quotient * 2_f64.powi(i32::try_from(-shift).expect("a small shift"))
}

/// x and y of each row.
fn series() -> [(&'static str, Vec<(f64, f64)>); 4] {
    let wave = |at: u32| f64::from(at * 7919 % 1049) / 1024.0;
    let constant = (0..120).map(|_| (7.4603, 1.25)).collect();
    let varied =
        (0..120).map(|at| if at < 60 { (wave(at) * 97.0, wave(at + 7)) } else { (7.4603, wave(at)) });
    // A thousandth, as near as a double of that size comes to it.
    let ripple = (0..120).map(|at| (1e9 + (wave(at) - 0.5) / 512.0, 1e9 - wave(at * 3) / 512.0));
    let spiked = (0..120).map(|at| match at {
        40 => (1e15, -1e15),
        77 => (-3e12, 1e9),
        _ => (wave(at), wave(at * at)),
    });
    [
        ("constant", constant),
        ("varied, then constant", varied.collect()),
        ("1e9 and a ripple", ripple.collect()),
        ("spiked", spiked.collect()),
    ]
}

/// The rows of a query over the series: all functions, in order.
async fn computed(rows: &[(f64, f64)], over: &str, rest: &str) -> Vec<Vec<Option<f64>>> {
    let mut input = "at,x,y\n".to_owned();
    for (at, (x, y)) in rows.iter().enumerate() {
        writeln!(input, "{at},{x:?},{y:?}").expect("memory");
    }
    let columns =
        FUNCTIONS.iter().enumerate().map(|(at, (function, _))| format!("{function} {over} AS c{at}"));
    let sql = format!("SELECT {} FROM input {rest}", columns.collect::<Vec<_>>().join(", "));
    let output = Case::csv(&[("at", "int"), ("x", "double"), ("y", "double")], input).sql(&sql).makes().await;
    let row = |line: &str| line.split(',').map(|field| field.parse().ok()).collect();
    output.lines().skip(1).map(row).collect()
}

/// The largest error of the rows, relative to the exact value.
fn worst(have: &[Vec<Option<f64>>], want: &[Sums], what: &str) -> f64 {
    assert_eq!(have.len(), want.len(), "{what}");
    let mut worst: f64 = 0.0;
    for (at, (have, want)) in have.iter().zip(want).enumerate() {
        for (have, (function, exact)) in have.iter().zip(FUNCTIONS) {
            let error = match (have, exact(want)) {
                (None, None) => 0.0,
                (Some(have), Some(0.0)) => have.abs(),
                (Some(have), Some(want)) => (have - want).abs() / want.abs(),
                (have, want) => panic!("{what}, row {at}, {function}: {have:?} is not {want:?}"),
            };
            assert!(error <= 1e-12, "{what}, row {at}, {function}: {have:?}, error {error:e}");
            worst = worst.max(error);
        }
    }
    worst
}

#[tokio::test]
async fn aggregates_hold_twelve_digits_against_exact_arithmetic() {
    for (name, rows) in series() {
        let all = [Sums::of(rows.iter().copied())];
        let plain = worst(&computed(&rows, "", "").await, &all, name);
        let group = |of| {
            Sums::of(rows.iter().copied().enumerate().filter(|(at, _)| at % GROUPS == of).map(|(_, row)| row))
        };
        let groups: Vec<Sums> = (0..GROUPS).map(group).collect();
        let grouped = computed(&rows, "", &format!("GROUP BY at % {GROUPS} ORDER BY at % {GROUPS}")).await;
        let grouped = worst(&grouped, &groups, name);
        let last = |at: usize| Sums::of(rows[(at + 1).saturating_sub(WIDTH)..=at].iter().copied());
        let windows: Vec<Sums> = (0..rows.len()).map(last).collect();
        let over = format!("OVER (ORDER BY at ROWS {} PRECEDING)", WIDTH - 1);
        let sliding = worst(&computed(&rows, &over, "ORDER BY at").await, &windows, name);
        let first = |at: usize| Sums::of(rows[..=at].iter().copied());
        let running: Vec<Sums> = (0..rows.len()).map(first).collect();
        let over = "OVER (ORDER BY at ROWS UNBOUNDED PRECEDING)";
        let running = worst(&computed(&rows, over, "ORDER BY at").await, &running, name);
        eprintln!(
            "{name}: worst error plain {plain:.1e}, grouped {grouped:.1e}, sliding {sliding:.1e}, running {running:.1e}"
        );
    }
}

#[tokio::test]
async fn sums_that_are_too_large_are_errors_and_not_wrong() {
    let input = format!("at,d,x\n0,{n},{}\n1,{n},1\n2,-{n},-1\n", i64::MAX, n = "9".repeat(36));
    let case = || Case::csv(&[("at", "int"), ("d", "decimal(38,2)"), ("x", "int")], input.clone());
    for column in ["x", "d"] {
        for over in ["OVER (ORDER BY at ROWS 1 PRECEDING)", "OVER (ORDER BY at)"] {
            let error =
                case().sql(&format!("SELECT sum({column}) {over} AS s FROM input")).fails_for_good().await;
            assert!(error.contains("too large") || error.contains("verflow"), "{column} {over}: {error}");
        }
    }
    let grouped =
        case().sql("SELECT sum(x) AS s FROM input GROUP BY at < 2 ORDER BY 1").fails_for_good().await;
    assert!(grouped.contains("a sum is too large for Int64"), "{grouped}");
    // What overflows only on the way is no error.
    let back = case().sql("SELECT sum(x) AS s FROM input");
    assert_eq!(back.makes().await, format!("s\n{}\n", i64::MAX));
}

#[tokio::test]
async fn sums_of_whole_numbers_and_decimals_keep_their_types() {
    let sql = "SELECT sum(n) AS n, arrow_typeof(sum(n)) AS t, sum(d) AS d, avg(d) AS a, \
        sum(DISTINCT n) AS u, arrow_typeof(avg(d)) AS v FROM input";
    let case =
        Case::csv(&[("d", "decimal(9,2)"), ("n", "int16")], "d,n\n0.10,7\n0.20,7\n,\n0.05,1\n").sql(sql);
    assert_eq!(case.makes().await, "n,t,d,a,u,v\n15,Int64,0.35,0.116667,8,\"Decimal128(13, 6)\"\n");
    let windows = case.sql("SELECT sum(n) OVER (ORDER BY d ROWS 1 PRECEDING) AS s FROM input ORDER BY d");
    assert_eq!(windows.makes().await, "s\n1\n8\n14\n7\n");
}

#[tokio::test]
async fn distinct_rows_are_summed_exactly_in_all_rows_groups_and_windows() {
    let rows = "at,x,n\n0,1e16,5\n1,1,5\n2,1,7\n3,-1e16,\n4,0.0,5\n5,-0.0,7\n";
    let case = || Case::csv(&[("at", "int"), ("x", "double"), ("n", "int")], rows);
    // With two of them in one query, each has an accumulator of its own.
    let all = "SELECT sum(DISTINCT x) AS s, avg(DISTINCT x) AS a, sum(DISTINCT n) AS n, avg(DISTINCT n) AS m FROM input";
    assert_eq!(case().sql(all).makes().await, "s,a,n,m\n1.0,0.25,12,6.0\n");
    let groups = "SELECT at < 4 AS g, sum(DISTINCT x) AS s, sum(DISTINCT n) AS n FROM input GROUP BY 1 ORDER BY 1 DESC";
    assert_eq!(case().sql(groups).makes().await, "g,s,n\ntrue,1.0,12\nfalse,0.0,12\n");
    let windows = "SELECT sum(DISTINCT x) OVER (ORDER BY at ROWS 3 PRECEDING) AS s FROM input ORDER BY at";
    let slid = case().sql(windows).makes().await;
    assert_eq!(slid, "s\n1e16\n1e16\n1e16\n1.0\n-1e16\n-1e16\n");
    let large = format!("x,y\n{},1\n{},2\n1,2\n", i64::MAX, i64::MAX);
    let case = Case::csv(&[("x", "int"), ("y", "int")], large);
    let error =
        case.sql("SELECT sum(DISTINCT x) AS s, sum(DISTINCT y) AS t FROM input").fails_for_good().await;
    assert!(error.contains("a sum is too large for Int64"), "{error}");
}
