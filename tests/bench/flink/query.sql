CREATE TABLE bids (
  event_id STRING, auction BIGINT, price BIGINT, ts TIMESTAMP_LTZ(3),
  arrived AS PROCTIME(),
  WATERMARK FOR ts AS ts - INTERVAL '61' SECOND
) WITH (
  'connector' = 'filesystem', 'path' = '${file}', 'format' = 'json',
  'json.ignore-parse-errors' = 'true', 'json.timestamp-format.standard' = 'ISO-8601'
);
CREATE TEMPORARY VIEW once AS
SELECT event_id, auction, price, ts FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY arrived) AS place
  FROM bids WHERE event_id IS NOT NULL AND auction IS NOT NULL AND price IS NOT NULL
) WHERE place = 1;
SELECT auction, window_start, COUNT(*) AS bids, SUM(price) AS total, MIN(price) AS least, MAX(price) AS greatest
FROM TABLE(TUMBLE(TABLE once, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY auction, window_start, window_end
