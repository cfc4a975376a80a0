"""Answers queries with DuckDB: cases as JSON on standard input, rows or an error's text for each."""
import datetime
import decimal
import json
import sys

import duckdb


def plain(value):
    if isinstance(value, bool) or value is None or isinstance(value, (int, float, str)):
        return value
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return str(value)


def answer(case):
    connection = duckdb.connect()
    connection.execute("SET threads TO 1")
    for name, rows in case["tables"].items():
        connection.execute(f"CREATE TABLE {name} (id BIGINT, k BIGINT, n BIGINT, x DOUBLE, s VARCHAR, d DATE)")
        if rows:
            connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?, DATE '1970-01-01' + CAST(? AS INTEGER))", rows)
    try:
        return [[plain(value) for value in row] for row in connection.execute(case["sql"]).fetchall()]
    except duckdb.Error as error:
        return str(error)


json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)
