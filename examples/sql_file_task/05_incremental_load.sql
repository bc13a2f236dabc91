-- Brings the new rows of one table into another: one row per key, the latest wins.
-- Works for every table that the ingestion notebook fills, and creates the target on the first run.
--
-- :source_table  where the rows come from, catalog.schema.table
-- :target_table  where they go, catalog.schema.table
-- :key_column    the column that identifies a row

CREATE TABLE IF NOT EXISTS IDENTIFIER(:target_table) AS
SELECT * FROM IDENTIFIER(:source_table) WHERE false;

MERGE INTO IDENTIFIER(:target_table) AS target
USING (
  SELECT *
  FROM IDENTIFIER(:source_table)
  -- Rows of one ingestion batch share their _ingested_at and become visible together, so > misses none.
  WHERE _ingested_at > (
    SELECT coalesce(max(_ingested_at), TIMESTAMP '1970-01-01 00:00:00') FROM IDENTIFIER(:target_table)
  )
  QUALIFY row_number() OVER (
    PARTITION BY IDENTIFIER(:key_column) ORDER BY _ingested_at DESC, _source_file DESC
  ) = 1
) AS source
ON IDENTIFIER('target.' || :key_column) = IDENTIFIER('source.' || :key_column)
WHEN MATCHED THEN
  UPDATE SET *
WHEN NOT MATCHED THEN
  INSERT *;
