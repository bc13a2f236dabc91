-- Cleans the raw orders: types, spelling, one row per order.
--
-- :catalog  the catalog that holds the schemas bronze and silver

CREATE TABLE IF NOT EXISTS IDENTIFIER(:catalog || '.silver.orders') (
  order_id STRING NOT NULL,
  customer_id BIGINT,
  ordered_at TIMESTAMP,
  status STRING,
  amount DECIMAL(12, 2),
  ingested_at TIMESTAMP
);

-- The whole of bronze is compared, so a run that failed needs no repair: the next one catches up.
MERGE INTO IDENTIFIER(:catalog || '.silver.orders') AS target
USING (
  WITH typed AS (
    SELECT
      trim(order_id) AS order_id,
      try_cast(customer_id AS BIGINT) AS customer_id,
      try_cast(ordered_at AS TIMESTAMP) AS ordered_at,
      lower(trim(status)) AS status,
      try_cast(amount AS DECIMAL(12, 2)) AS amount,
      _ingested_at AS ingested_at,
      _source_file
    FROM IDENTIFIER(:catalog || '.bronze.orders')
  )
  SELECT order_id, customer_id, ordered_at, status, amount, ingested_at
  FROM typed
  WHERE order_id <> '' AND ordered_at IS NOT NULL AND amount IS NOT NULL
  -- Shops send an order again when it changes: what came last counts.
  QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY ingested_at DESC, _source_file DESC) = 1
) AS source
ON target.order_id = source.order_id
WHEN MATCHED AND source.ingested_at > target.ingested_at THEN
  UPDATE SET *
WHEN NOT MATCHED THEN
  INSERT *;

-- The result of the last statement is shown with the task run.
SELECT
  count(*) AS silver_rows,
  max(ingested_at) AS latest_ingestion
FROM IDENTIFIER(:catalog || '.silver.orders');
