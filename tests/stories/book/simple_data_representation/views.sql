WITH bypage AS (
SELECT 
  title,
  SUM(views) AS num_views
FROM `bigquery-samples.wikipedia_benchmark.Wiki100M`
WHERE language = 'en'
GROUP BY title
HAVING num_views > 10 # non-niche
ORDER by num_views desc
),

views AS (
SELECT
  num_views,
  (ROUND(POW(LOG(num_views), 0.25), 1) - 1.3) AS fourthroot_log_views
FROM
  bypage
)

SELECT
  {0},
  COUNT(1) AS freq,
FROM
  views
GROUP BY {0}
ORDER BY {0}
