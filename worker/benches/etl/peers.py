"""The fx example's transform by a library of Python, from rates.csv to LIBRARY.csv, as its own
documentation would have it."""

import json
import sys
import time


def with_pandas():
    import pandas as pd

    yield pd.__version__
    frame = pd.read_csv("rates.csv", parse_dates=["date"]).sort_values("date")
    rate = frame["rate"]
    frame["return_1d"] = rate / rate.shift(1) - 1
    frame["sma_20"] = rate.rolling(20, min_periods=1).mean()
    frame["sma_50"] = rate.rolling(50, min_periods=1).mean()
    frame["volatility_20"] = frame["return_1d"].rolling(20, min_periods=2).std()
    frame["drawdown"] = rate / rate.cummax() - 1
    frame.to_csv("pandas.csv", index=False)


def with_polars():
    import polars as pl

    yield pl.__version__
    rate = pl.col("rate")
    (
        pl.scan_csv("rates.csv", try_parse_dates=True)
        .sort("date")
        .with_columns(return_1d=rate / rate.shift(1) - 1)
        .with_columns(
            sma_20=rate.rolling_mean(20, min_samples=1),
            sma_50=rate.rolling_mean(50, min_samples=1),
            volatility_20=pl.col("return_1d").rolling_std(20, min_samples=2),
            drawdown=rate / rate.cum_max() - 1,
        )
        .sink_csv("polars.csv")
    )


work = {"pandas": with_pandas, "polars": with_polars}[sys.argv[1]]()
version = next(work)
began = time.monotonic()
next(work, None)
seconds = time.monotonic() - began
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
print(json.dumps({"seconds": seconds, "peak_kib": peak, "version": version}))
