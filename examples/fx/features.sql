WITH returns AS (
  SELECT date, rate, rate / lag(rate) OVER (ORDER BY date) - 1 AS return_1d
  FROM input
)
SELECT
  date,
  rate,
  return_1d,
  avg(rate) OVER (ORDER BY date ROWS 19 PRECEDING) AS sma_20,
  avg(rate) OVER (ORDER BY date ROWS 49 PRECEDING) AS sma_50,
  stddev(return_1d) OVER (ORDER BY date ROWS 19 PRECEDING) AS volatility_20,
  rate / max(rate) OVER (ORDER BY date ROWS UNBOUNDED PRECEDING) - 1 AS drawdown
FROM returns
ORDER BY date
