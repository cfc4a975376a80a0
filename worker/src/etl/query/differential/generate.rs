//! Random tables and queries, the same ones for the same seed. Values are few, so that keys meet, and
//! sums of them are exact; nulls are many. Orders are total, for two engines break ties differently.

use serde_json::{Map, Value, json};

/// Tables, and a query over them.
pub(super) struct Case {
    pub(super) tables: Vec<Table>,
    pub(super) sql: String,
}

pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    pub(super) id: i64,
    pub(super) k: Option<i64>,
    pub(super) n: Option<i64>,
    pub(super) x: Option<f64>,
    pub(super) s: Option<&'static str>,
    /// Days since 1970-01-01.
    pub(super) d: Option<i32>,
}

impl Case {
    pub(super) fn random(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let tables = ["input", "a", "b"].map(|name| Table { name, rows: dice.rows() }).into();
        let sql = match dice.roll(6) {
            0 => dice.joined(),
            1 => dice.crossed(),
            2 => dice.grouped(),
            3 => dice.windowed(),
            4 => dice.nested(),
            _ => dice.combined(),
        };
        Self { tables, sql }
    }

    pub(super) fn tables_as_json(&self) -> Map<String, Value> {
        let row = |row: &Row| json!([row.id, row.k, row.n, row.x, row.s, row.d]);
        let rows = |table: &Table| Value::from(table.rows.iter().map(row).collect::<Vec<_>>());
        self.tables.iter().map(|table| (table.name.to_owned(), rows(table))).collect()
    }
}

/// A source of chance (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap_or(0)]
    }

    fn small(&mut self, least: i64, sides: u64) -> i64 {
        least + i64::try_from(self.roll(sides)).unwrap_or(0)
    }

    /// A value, or null one time in six.
    fn perhaps<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.roll(6) == 0 { None } else { Some(value(self)) }
    }

    fn rows(&mut self) -> Vec<Row> {
        let count = self.small(0, 14);
        (0..count).map(|id| self.row(id)).collect()
    }

    fn row(&mut self, id: i64) -> Row {
        Row {
            id,
            k: self.perhaps(|dice| dice.small(0, 4)),
            n: self.perhaps(|dice| dice.small(-3, 8)),
            x: self.perhaps(|dice| f64::from(i32::try_from(dice.small(-8, 24)).unwrap_or(0)) / 4.0),
            s: self.perhaps(|dice| dice.pick(&["a", "b", "c", ""])),
            d: self.perhaps(|dice| i32::try_from(dice.small(20_454, 6)).unwrap_or(0)),
        }
    }

    /// A condition between two relations.
    fn term(&mut self, left: &str, right: &str) -> String {
        match self.roll(9) {
            0 => format!("{left}.k = {right}.k"),
            1 => format!("{left}.s = {right}.s"),
            2 => format!("{left}.n = {right}.n"),
            3 => format!("{left}.n = {right}.n + {}", self.small(-1, 3)),
            4 => format!("{left}.k + {right}.k = {}", self.small(0, 5)),
            5 => format!("{left}.d = {right}.d"),
            6 => format!("{left}.n {} {right}.n", self.pick(&["<", "<=", ">", "<>"])),
            7 => format!("{left}.x >= {right}.x"),
            // In parentheses: the parser takes all that follows for the right side.
            _ => format!("({left}.k IS NOT DISTINCT FROM {right}.k)"),
        }
    }

    fn terms(&mut self, left: &str, right: &str) -> String {
        let count = 1 + self.roll(3);
        (0..count).map(|_| self.term(left, right)).collect::<Vec<_>>().join(" AND ")
    }

    /// A condition on one relation.
    fn filter(&mut self, of: &str) -> String {
        match self.roll(8) {
            0 => format!("{of}.n > {}", self.small(-3, 6)),
            1 => format!("{of}.s IN ('a', 'b')"),
            2 => format!("{of}.k IS NULL"),
            3 => format!("{of}.x BETWEEN -1 AND 2"),
            4 => format!("NOT ({of}.n = {} OR {of}.s = 'c')", self.small(0, 3)),
            5 => format!("coalesce({of}.k, -1) < 2"),
            6 => format!("{of}.s LIKE '%a%' OR {of}.n % 2 = 0"),
            _ => format!("CASE WHEN {of}.n > 1 THEN {of}.k ELSE {of}.id END > 1"),
        }
    }

    fn join(&mut self) -> &'static str {
        self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
    }

    fn joined(&mut self) -> String {
        let (first, second) = (self.join(), self.join());
        let (on_a, on_b) = (self.terms("i", "a"), self.equal("a", "b"));
        let on_a = if first == "FULL JOIN" { self.equal("i", "a") } else { on_a };
        let filter = match self.roll(2) {
            0 => format!("WHERE {}", self.filter("i")),
            _ => String::new(),
        };
        format!(
            "SELECT i.id, a.id, b.id, i.n + a.n, coalesce(b.s, a.s) FROM input i {first} a ON {on_a} {second} b ON {on_b} {filter}"
        )
    }

    /// A condition that every engine can hash.
    fn equal(&mut self, left: &str, right: &str) -> String {
        let column = self.pick(&["k", "s", "n", "d"]);
        format!("{left}.{column} = {right}.{column}")
    }

    /// Cross joins whose keys are named later, some of them over three relations.
    fn crossed(&mut self) -> String {
        let (column, other) = (self.pick(&["k", "s", "d"]), self.pick(&["n", "id"]));
        let sign = self.pick(&["-", "+"]);
        let three = format!("b.{other} = i.{other} {sign} a.k");
        match self.roll(4) {
            0 => format!(
                "SELECT i.id, a.id, b.id FROM input i CROSS JOIN a JOIN b ON b.{column} = i.{column} AND {three}"
            ),
            1 => format!(
                "SELECT i.id, a.id, b.id FROM input i, a, b WHERE b.{column} = i.{column} AND {three} AND {}",
                self.term("i", "a")
            ),
            2 => format!(
                "SELECT i.id, g.k, b.id FROM input i CROSS JOIN (VALUES (0), (1), (2)) AS g(k) JOIN b ON b.{column} = i.{column} AND b.{other} = i.{other} {sign} g.k"
            ),
            _ => format!(
                "SELECT i.id, a.id, b.id FROM input i, a, b WHERE {} AND {three}",
                self.terms("i", "b")
            ),
        }
    }

    fn aggregate(&mut self, of: &str) -> String {
        match self.roll(11) {
            0 => "count(*)".to_owned(),
            1 => format!("count({of}.x)"),
            2 => format!("sum({of}.n)"),
            3 => format!("sum({of}.x)"),
            4 => format!("avg({of}.x)"),
            5 => format!("min({of}.s)"),
            6 => format!("max({of}.d)"),
            7 => format!("count(DISTINCT {of}.k)"),
            8 => format!("sum({of}.n) FILTER (WHERE {of}.k > 0)"),
            9 => format!("var_samp({of}.x)"),
            _ => format!("stddev_pop({of}.n)"),
        }
    }

    fn grouped(&mut self) -> String {
        let keys = self.pick(&["i.k", "i.s", "i.k, i.s", "i.n % 2", "i.d, i.k"]);
        let (first, second) = (self.aggregate("i"), self.aggregate("i"));
        let having = match self.roll(3) {
            0 => "HAVING count(*) > 1".to_owned(),
            1 => format!("HAVING {} IS NOT NULL", self.aggregate("i")),
            _ => String::new(),
        };
        let from = match self.roll(3) {
            0 => "input i".to_owned(),
            1 => format!("input i JOIN a ON {}", self.terms("i", "a")),
            _ => format!("input i LEFT JOIN a ON {}", self.terms("i", "a")),
        };
        match self.roll(4) {
            0 => format!("SELECT {first} AS f, {second} AS g FROM {from} WHERE {}", self.filter("i")),
            1 => format!("SELECT DISTINCT {keys} FROM {from}"),
            _ => format!("SELECT {keys}, {first} AS f, {second} AS g FROM {from} GROUP BY {keys} {having}"),
        }
    }

    fn windowed(&mut self) -> String {
        let by = self.pick(&["", "PARTITION BY k", "PARTITION BY s", "PARTITION BY k, s"]);
        let order = self.pick(&[
            "ORDER BY id",
            "ORDER BY n NULLS LAST, id",
            "ORDER BY d DESC NULLS FIRST, id",
            "ORDER BY x NULLS FIRST, id DESC",
        ]);
        let frame = match self.roll(5) {
            0 => String::new(),
            1 => format!("ROWS {} PRECEDING", self.roll(4)),
            2 => format!("ROWS BETWEEN {} PRECEDING AND {} FOLLOWING", self.roll(3), self.roll(3)),
            3 => "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING".to_owned(),
            _ => format!("ROWS BETWEEN {} FOLLOWING AND UNBOUNDED FOLLOWING", self.roll(3)),
        };
        let sliding = self.pick(&[
            "sum(x)",
            "avg(x)",
            "count(x)",
            "min(n)",
            "max(s)",
            "sum(n)",
            "var_pop(x)",
            "first_value(n)",
            "last_value(s)",
        ]);
        let ranking = self.pick(&[
            "row_number()",
            "rank()",
            "dense_rank()",
            "lag(n)",
            "lead(x, 2)",
            "lag(s, 1, 'z')",
            "ntile(3)",
        ]);
        let filter =
            if self.roll(2) == 0 { format!("WHERE {}", self.filter("input")) } else { String::new() };
        let all = format!(
            "SELECT id, k, {sliding} OVER ({by} {order} {frame}) AS w, {ranking} OVER ({by} {order}) AS r FROM input {filter}"
        );
        match self.roll(3) {
            0 => format!("SELECT k, count(w), max(r) FROM ({all}) AS t GROUP BY k"),
            1 => format!("SELECT t.id, t.w, a.id FROM ({all}) AS t JOIN a ON a.k = t.k AND a.id < t.id"),
            _ => all,
        }
    }

    fn nested(&mut self) -> String {
        let (inner, outer) = (self.filter("a"), self.filter("i"));
        let (equal, column) = (self.equal("i", "a"), self.pick(&["k", "n", "s"]));
        match self.roll(7) {
            0 => {
                format!("SELECT i.id FROM input i WHERE EXISTS (SELECT 1 FROM a WHERE {equal} AND ({inner}))")
            }
            1 => format!(
                "SELECT i.id FROM input i WHERE NOT EXISTS (SELECT 1 FROM a WHERE {equal} AND ({inner})) AND ({outer})"
            ),
            2 => format!(
                "SELECT i.id FROM input i WHERE i.{column} IN (SELECT a.{column} FROM a WHERE {inner})"
            ),
            3 => format!(
                "SELECT i.id FROM input i WHERE i.{column} NOT IN (SELECT a.{column} FROM a WHERE {inner})"
            ),
            4 => {
                format!("SELECT i.id, (SELECT max(a.n) FROM a WHERE {equal}) AS m FROM input i WHERE {outer}")
            }
            5 => {
                format!("SELECT i.id, (SELECT count(*) FROM a WHERE {equal} AND ({inner})) AS c FROM input i")
            }
            _ => format!(
                "WITH t AS (SELECT k, {} AS v FROM input i GROUP BY k) SELECT t.v, a.id FROM t LEFT JOIN a ON a.k = t.k WHERE t.v IS NOT NULL",
                self.aggregate("i")
            ),
        }
    }

    fn combined(&mut self) -> String {
        let operator = self.pick(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]);
        let (first, second) = (self.filter("i"), self.filter("a"));
        let both = format!(
            "SELECT i.k, i.s FROM input i WHERE {first} {operator} SELECT a.k, a.s FROM a WHERE {second}"
        );
        match self.roll(3) {
            0 => format!("SELECT s, count(*), sum(k) FROM ({both}) AS t GROUP BY s"),
            1 => format!(
                "SELECT id, n FROM input i WHERE {first} ORDER BY n DESC NULLS LAST, id LIMIT {} OFFSET {}",
                self.roll(6),
                self.roll(3)
            ),
            _ => both,
        }
    }
}
